#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/build.h"

namespace tollgate::config {

namespace {

using authentication::ClaimMapping;
using authentication::PolicyMistake;

class AuthenticationBuilder {
 public:
  AuthenticationBuilder(const View& view, Config& config, Report& report)
      : view_(view), config_(config), made_(config.authentication), report_(report) {}

  void build() {
    made_.api_keys = view_.has("api_keys");
    made_.pepper_file = file_of(report_, view_.section("api_keys"), "pepper_file");
    failures(view_.section("failures"));
    tokens();
    introspection();
    sessions();
    build_mtls(view_, config_, report_);
    names_across();
    std::vector<authentication::TenantRoles> tenants;
    for (const Tenant& tenant : config_.tenants) tenants.push_back({tenant.name, tenant.roles});
    made_.stamp = authentication::digest_of(made_, tenants);
  }

 private:
  void failures(const View& view) {
    made_.failures.mode = view.choice("mode", made_.failures.mode);
    made_.failures.per_address = view.count("per_address");
    made_.failures.per_key = view.count("per_key");
    made_.failures.in_all = view.count("in_all");
    made_.failures.delay_max = view.duration("delay_max");
  }

  void tell_all(const View& view, const std::vector<PolicyMistake>& mistakes) {
    tell_mistakes(report_, view, mistakes, kDemanded);
  }
  static constexpr std::string_view kDemanded[] = {"name",   "audience", "url",
                                                   "client", "cookie",   "token_file"};

  ClaimMapping claims(const View& view) {
    ClaimMapping made;
    made.tenant = view.text("tenant");
    made.tenants = view.texts("tenants");
    for (const std::string& name : made.tenants) check_tenant(view, "tenants", name);
    made.fixed_tenant = view.text("fixed_tenant");
    if (!made.fixed_tenant.empty()) check_tenant(view, "fixed_tenant", made.fixed_tenant);
    for (auto& [pattern, tenant] : view.pairs("tenant_by_subject")) {
      check_tenant(view, "tenant_by_subject", tenant);
      made.tenant_by_subject.push_back({pattern, tenant});
    }
    made.subject = view.text("subject");
    made.roles = view.text("roles");
    made.scopes = view.text("scopes");
    return made;
  }

  void check_tenant(const View& view, std::string_view key, const std::string& name) {
    if (index_of(config_.tenants, name) >= 0) return;
    tell_in(report_, view, key, unknown_name(name, "tenant", config_.tenants));
  }

  // What the rooms call safe may still be no place to connect to.
  void check_place(const View& view, std::string_view key) {
    const std::string url = view.text(key);
    if (!authentication::is_safe_url(url) || parse_url(url.substr(0, url.find('?')))) return;
    tell_in(report_, view, key,
            "expected a host and perhaps a port and a path without dot segments or escapes");
  }

  std::vector<View> entries(std::string_view key) const { return entries_of(view_, key); }

  template <class Policies>
  void check_names(const std::vector<View>& views, const Policies& made) {
    for (std::size_t i = 0; i < made.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (name_of(made[i]) != name_of(made[j]) || name_of(made[i]).empty()) continue;
        tell_in(report_, views[i], "name", fmt::format("`{}` is there twice", name_of(made[i])));
      }
    }
  }
  static const std::string& name_of(const authentication::JwtPolicy& policy) { return policy.name; }
  static const std::string& name_of(const authentication::IntrospectionPolicy& policy) {
    return policy.name;
  }
  static const std::string& name_of(const authentication::SessionPolicy& policy) {
    return policy.cookie.name;
  }

  // Ids of credentials begin with the name of who vouches, so that is one entry's of all kinds.
  void names_across() {
    std::vector<std::pair<std::string, std::string_view>> seen;  // And of which kind.
    for (const std::string_view kind : {"jwt", "introspection", "sessions", "mtls"}) {
      for (const View& view : entries(kind)) {
        const std::string name = view.text("name");
        const auto other = std::ranges::find_if(
            seen, [&](const auto& each) { return each.first == name && each.second != kind; });
        if (!name.empty() && other != seen.end()) {
          tell_in(report_, view, "name",
                  fmt::format("`{}` is the name of an entry of `{}` already", name, other->second));
        }
        seen.emplace_back(name, kind);
      }
    }
  }

  void tokens() {
    const std::vector<View> views = entries("jwt");
    for (const View& view : views) {
      made_.jwt.push_back(token(view));
      check_place(view, "jwks_url");
      if (made_.jwt.back().keys == authentication::KeyOrigin::kDiscovery) {
        check_place(view, "issuer");
      }
      tell_all(view, check(made_.jwt.back()));
      check_key_file(view, made_.jwt.back(), report_);
    }
    check_names(views, made_.jwt);
    // Told at the later of the two.
    for (std::size_t count = 2; count <= views.size(); ++count) {
      const auto before = check(std::span(made_.jwt).first(count - 1));
      const auto all = check(std::span(made_.jwt).first(count));
      for (const PolicyMistake& mistake : all) {
        const bool known = std::ranges::any_of(
            before, [&](const PolicyMistake& other) { return other.why == mistake.why; });
        if (known || mistake.field == "name") continue;
        tell_mistakes(report_, views[count - 1], std::span(&mistake, 1), {});
      }
    }
  }

  authentication::JwtPolicy token(const View& view) {
    authentication::JwtPolicy made = build_verifier(view, report_);
    made.kind = view.text("kind") == "workload" ? authentication::CredentialKind::kWorkload
                                                : authentication::CredentialKind::kJwt;
    made.trust_domain = view.text("trust_domain");
    made.claims = claims(view);
    if (view.has("token_max_age")) made.token_max_age = view.duration("token_max_age");
    if (view.has("token_review")) {
      if (!view.has("jwks_url") && !view.has("jwks_file")) {
        made.keys = authentication::KeyOrigin::kReview;
      }
      made.review = review(view.section("token_review"));
    }
    return made;
  }

  authentication::TokenReviewPolicy review(const View& view) {
    authentication::TokenReviewPolicy made;
    made.url = view.text("url");
    check_place(view, "url");
    made.certificate_authority = authority_of(report_, view);
    made.token_file = readable_file(report_, view, "token_file");
    made.timeout = view.duration("timeout");
    made.kept = view.duration("keep");
    tell_all(view, check(made));
    return made;
  }

  void introspection() {
    const std::vector<View> views = entries("introspection");
    for (const View& view : views) {
      authentication::IntrospectionPolicy made;
      made.name = view.text("name");
      made.url = view.text("url");
      check_place(view, "url");
      made.prefixes = view.texts("prefix");
      const View client = view.section("client");
      made.client = client.text("id");
      made.client_secret = Secret(client.text("secret"));
      made.proof = client.choice("proof", made.proof);
      made.issuer = view.text("issuer");
      made.audiences = view.texts("audience");
      made.claims = claims(view);
      if (!view.has("tenant") && !view.has("fixed_tenant") && !view.has("tenant_by_subject")) {
        made.claims.tenant = "tenant";
      }
      made.timeout = view.duration("timeout");
      made.kept = view.duration("keep");
      made.certificate_authority = authority_of(report_, view);
      tell_all(view, check(made));
      made_.introspection.push_back(std::move(made));
    }
    check_names(views, made_.introspection);
  }

  void sessions() {
    const std::vector<View> views = entries("sessions");
    for (const View& view : views) {
      authentication::SessionPolicy made;
      made.cookie.name = view.text("name");
      made.cookie.cookie = view.text("cookie");
      made.cookie.form = view.choice("form", made.cookie.form);
      made.cookie.issuer = view.text("issuer");
      made.cookie.audiences = view.texts("audience");
      made.cookie.claims = claims(view);
      made.cookie.age_max = view.duration("age_max");
      made.cookie.idle_max = view.duration("idle_max");
      made.cookie.last_used = view.text("last_used");
      made.redis_url = Secret(view.text("redis"));
      made.key = view.text("key");
      made.created = view.text("created");
      made.origins = view.texts("origins");
      session_keys(view, made);
      tell_all(view, check(made));
      made_.sessions.push_back(std::move(made));
    }
    check_names(views, made_.sessions);
    // Each would judge the other's cookie, and all that is shown must be good.
    for (std::size_t i = 0; i < made_.sessions.size(); ++i) {
      const std::string& cookie = made_.sessions[i].cookie.cookie;
      const auto before = std::span(made_.sessions).first(i);
      const bool taken = std::ranges::any_of(
          before, [&](const auto& other) { return other.cookie.cookie == cookie; });
      if (taken && !cookie.empty()) {
        tell_in(report_, views[i], "cookie",
                fmt::format("`{}` is the cookie of another entry already", cookie));
      }
    }
  }

  void session_keys(const View& view, authentication::SessionPolicy& made) {
    if (view.has("redis") == view.has("secret")) {
      const bool both = view.has("redis");
      return report_.tell(
          *view.node(), view.path(),
          fmt::format("expected `redis` or `secret`, found {}", both ? "both" : "neither"));
    }
    if (made.in_store()) {
      const std::string& url = made.redis_url.reveal();
      if (!url.starts_with("redis://") && !url.starts_with("rediss://") &&
          !url.starts_with("unix://")) {
        tell_in(report_, view, "redis", "expected `redis://…`, `rediss://…` or `unix://…`");
      }
      return;
    }
    const std::string secret = view.text("secret");
    const std::string previous = view.text("previous_secret");
    std::vector<std::string_view> secrets = {secret};
    if (view.has("previous_secret")) secrets.push_back(previous);
    auto keys = authentication::SessionKeys::create(
        made.cookie.form, view.choice("secret_use", authentication::SecretUse::kAsGiven), secrets);
    if (keys) {
      made.keys.emplace(std::move(*keys));
    } else {
      tell_in(report_, view, "secret", keys.error());
    }
  }

  const View& view_;
  Config& config_;
  authentication::Policy& made_;
  Report& report_;
};

}  // namespace

void build_authentication(const View& view, Config& config, Report& report) {
  AuthenticationBuilder(view, config, report).build();
}

}  // namespace tollgate::config
