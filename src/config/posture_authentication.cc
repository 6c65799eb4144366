#include "config/posture_authentication.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tollgate::config {

namespace {

using authentication::ClaimMapping;

// Where everybody may have an account, and with it tokens of the same issuer.
constexpr std::array<std::string_view, 6> kPublicIssuers = {
    "https://token.actions.githubusercontent.com",
    "https://accounts.google.com",
    "https://gitlab.com",
    "https://login.microsoftonline.com/common",
    "https://app.terraform.io",
    "https://agent.buildkite.com"};

bool is_public(std::string_view issuer) {
  return std::ranges::any_of(kPublicIssuers, [&](std::string_view known) {
    return issuer.starts_with(known) &&
           (issuer.size() == known.size() || issuer[known.size()] == '/');
  });
}

class Verifiers {
 public:
  Verifiers(const Config& config, const Written& written)
      : config_(config), policy_(config.authentication), written_(written) {}

  std::vector<Weakness> find() {
    any_tenant();
    public_issuers();
    reviews();
    introspection();
    sessions();
    scopes();
    return std::move(found_);
  }

 private:
  void tell(std::string id, std::string field, std::string message, std::string mend) {
    found_.push_back({std::move(id), std::move(field), std::move(message), std::move(mend)});
  }

  // One whose claim may name any tenant can speak for the callers of all others.
  void any_tenant() {
    std::vector<std::pair<std::string, std::string>> unbound;  // Field and name of each.
    const auto look = [&](std::string_view kind, std::size_t i, const std::string& name,
                          const ClaimMapping& claims) {
      if (claims.tenant.empty() || !claims.tenants.empty()) return;
      unbound.emplace_back(fmt::format("authentication.{}[{}]", kind, i), name);
    };
    for (std::size_t i = 0; i < policy_.jwt.size(); ++i) {
      look("jwt", i, policy_.jwt[i].name, policy_.jwt[i].claims);
    }
    for (std::size_t i = 0; i < policy_.introspection.size(); ++i) {
      look("introspection", i, policy_.introspection[i].name, policy_.introspection[i].claims);
    }
    for (std::size_t i = 0; i < policy_.sessions.size(); ++i) {
      const authentication::SessionCookiePolicy& cookie = policy_.sessions[i].cookie;
      look("sessions", i, cookie.name, cookie.claims);
    }
    if (unbound.size() < 2) return;
    for (const auto& [field, name] : unbound) {
      tell("any-tenant-by-claim", field,
           fmt::format("`{}` may name any tenant, those of other entries too: whoever runs it can "
                       "spend what is theirs.",
                       name),
           "tenants: [those whose callers it vouches for]");
    }
  }

  void public_issuers() {
    for (std::size_t i = 0; i < policy_.jwt.size(); ++i) {
      const authentication::JwtPolicy& each = policy_.jwt[i];
      if (each.claims.fixed_tenant.empty() || !is_public(each.issuer)) continue;
      tell("public-issuer-for-one-tenant", fmt::format("authentication.jwt[{}]", i),
           fmt::format("Everybody with an account at `{}` is a caller of `{}`.", each.issuer,
                       each.claims.fixed_tenant),
           fmt::format("tenant_by_subject: {{ \"repo:acme/*\": {} }} in the place of "
                       "`fixed_tenant`",
                       each.claims.fixed_tenant));
    }
  }

  void reviews() {
    for (std::size_t i = 0; i < policy_.jwt.size(); ++i) {
      const authentication::JwtPolicy& each = policy_.jwt[i];
      if (each.keys != authentication::KeyOrigin::kReview) continue;
      tell("token-review-without-keys", fmt::format("authentication.jwt[{}]", i),
           fmt::format("Every forged token that claims to be of `{}` is a question to the API "
                       "server, and signed tokens are held up as guesses are.",
                       each.issuer),
           "jwks_file: the answer of `kubectl get --raw /openid/v1/jwks`");
    }
  }

  void introspection() {
    const auto is_open = [](const auto& each) { return each.prefixes.empty(); };
    if (std::ranges::count_if(policy_.introspection, is_open) > 1) {
      for (std::size_t i = 0; i < policy_.introspection.size(); ++i) {
        if (!is_open(policy_.introspection[i])) continue;
        tell("introspection-without-prefix", fmt::format("authentication.introspection[{}]", i),
             fmt::format("`{}` sees tokens of other servers, which could use them.",
                         policy_.introspection[i].name),
             "prefix: what its tokens begin with");
      }
    }
    for (std::size_t i = 0; i < policy_.introspection.size(); ++i) {
      if (!policy_.introspection[i].audiences.empty()) continue;
      tell("introspection-without-audience", fmt::format("authentication.introspection[{}]", i),
           fmt::format("A token that `{}` calls active is accepted whatever service it is for.",
                       policy_.introspection[i].name),
           "audience: the name of this gateway there");
    }
  }

  // What is kept in a store is as old as its members say, and without them as it is there.
  void sessions() {
    for (std::size_t i = 0; i < policy_.sessions.size(); ++i) {
      const authentication::SessionPolicy& each = policy_.sessions[i];
      if (!each.in_store()) continue;
      const std::string field = fmt::format("authentication.sessions[{}]", i);
      const auto look = [&](std::string_view bound, std::string_view member, bool known) {
        if (known || !written_(field, bound)) return;
        tell("session-bound-without-effect", fmt::format("{}.{}", field, bound),
             fmt::format("Nothing says when a session of `{}` was {}: it ends when Redis drops it.",
                         each.cookie.name, member == "created" ? "begun" : "last used"),
             fmt::format("{}: the member that says it", member));
      };
      look("age_max", "created", !each.created.empty());
      look("idle_max", "last_used", !each.cookie.last_used.empty());
    }
  }

  // Only tokens, answers and sessions bear scopes.
  void scopes() {
    if (policy_.takes_tokens() || !policy_.sessions.empty()) return;
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      const auto& lines = config_.routes[i].access.allow;
      for (std::size_t j = 0; j < lines.size(); ++j) {
        if (lines[j].scopes.empty()) continue;
        tell("scopes-of-nobody", fmt::format("routes[{}].allow[{}]", i, j),
             "No credential that is accepted bears scopes, so nobody fits this line.",
             "authentication.jwt, or a line without `scopes`");
      }
    }
  }

  const Config& config_;
  const authentication::Policy& policy_;
  const Written& written_;
  std::vector<Weakness> found_;
};

}  // namespace

std::vector<Weakness> weaknesses_of_verifiers(const Config& config, const Written& written) {
  return Verifiers(config, written).find();
}

}  // namespace tollgate::config
