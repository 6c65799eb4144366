#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "config/build.h"

namespace tollgate::config {

namespace {

using administration::FixedToken;
using administration::OidcPolicy;
using administration::Role;
using authentication::JwtPolicy;
using authentication::PolicyMistake;

bool holds_broken(const Node& node) {
  return node.broken || std::ranges::any_of(node.children, holds_broken);
}

class AdminBuilder {
 public:
  AdminBuilder(const View& view, Config& config, Report& report)
      : view_(view), config_(config), made_(config.admin.policy), report_(report) {}

  void build() {
    if (const auto address = parse_host_port(view_.text("address"))) {
      config_.admin.host = address->host;
      config_.admin.port = address->port;
    }
    config_.admin.tls = build_tls(view_, report_);
    config_.admin.token = Secret(view_.text("token"));
    check_length(view_, config_.admin.token);
    names();
    const View sessions = view_.section("sessions");
    made_.sessions.idle_max = sessions.duration("idle_max");
    made_.sessions.age_max = sessions.duration("age_max");
    tokens();
    oidc();
    administration::derive(made_);
  }

 private:
  // Entries that are no mappings were told and are no entries.
  static std::vector<View> entries(const View& view, std::string_view key) {
    std::vector<View> found = view.each(key);
    std::erase_if(found, [](const View& each) { return each.node()->kind != NodeKind::kMapping; });
    return found;
  }

  void check_length(const View& view, const Secret& token) {
    if (token.empty() || token.reveal().size() >= FixedToken::kBytesMin) return;
    tell_in(report_, view, "token",
            fmt::format("expected {} or more characters, found {}: a short token can be guessed "
                        "(`openssl rand -hex 32` makes one)",
                        FixedToken::kBytesMin, token.reveal().size()));
  }

  void names() {
    made_.url = view_.text("url");
    made_.hosts = view_.texts("hosts");
    const auto place = parse_url(made_.url);
    if (!made_.url.empty() && (!place || !place->path_prefix.empty() || made_.url.ends_with('/'))) {
      tell_in(report_, view_, "url",
              "expected a scheme and a host such as `https://admin.example.com`, without a path");
    }
    for (const std::string& host : made_.hosts) {
      if (host.find_first_of("/:@*? \t") == std::string::npos) continue;
      tell_in(report_, view_, "hosts",
              fmt::format("expected a name without scheme, port or `*`, found `{}`", host));
    }
  }

  std::vector<std::string> tenants(const View& view) {
    std::vector<std::string> found = view.texts("tenants");
    for (const std::string& name : found) {
      if (index_of(config_.tenants, name) >= 0) continue;
      tell_in(report_, view, "tenants", unknown_name(name, "tenant", config_.tenants));
    }
    return found;
  }

  void tokens() {
    const std::vector<View> views = entries(view_, "tokens");
    for (const View& view : views) {
      FixedToken made;
      made.name = view.text("name");
      made.token = Secret(view.text("token"));
      made.grant.role = view.choice("role", Role::kViewer);
      made.grant.tenants = tenants(view);
      check_length(view, made.token);
      for (const FixedToken& other : made_.tokens) {
        if (!made.name.empty() && made.name == other.name) {
          tell_in(report_, view, "name", fmt::format("`{}` is there twice", made.name));
        }
        check_same(view, made.token, other.token);
      }
      check_same(view, made.token, config_.admin.token);
      made_.tokens.push_back(std::move(made));
    }
  }

  // Nobody could tell which of the two somebody is.
  void check_same(const View& view, const Secret& token, const Secret& other) {
    if (token.empty() || token.reveal() != other.reveal()) return;
    tell_in(report_, view, "token", "another entry has the same token");
  }

  void oidc() {
    const std::vector<View> views = entries(view_, "oidc");
    for (const View& view : views) {
      made_.oidc.push_back(provider(view));
      const OidcPolicy& made = made_.oidc.back();
      for (const PolicyMistake& mistake : administration::check(made)) tell(view, mistake);
      for (std::size_t i = 0; i + 1 < made_.oidc.size(); ++i) check_pair(view, made_.oidc[i], made);
    }
  }

  OidcPolicy provider(const View& view) {
    OidcPolicy made;
    made.name = view.text("name");
    made.bearer = verifier(view);
    made.tenants = view.text("tenants");
    made.bearer.claims.scopes = made.tenants;
    const View client = view.section("client");
    made.client = client.text("id");
    made.client_secret = Secret(client.text("secret"));
    made.scopes = view.text("scopes");
    made.login = made.bearer;
    made.login.audiences = {made.client};
    made.login.type = authentication::TokenType::kAny;
    for (const View& grant : entries(view, "grants")) {
      made.grants.push_back(
          {grant.text("value"), grant.choice("role", Role::kViewer), tenants(grant)});
    }
    return made;
  }

  JwtPolicy verifier(const View& view) {
    JwtPolicy made;
    made.name = view.text("name");
    made.issuer = view.text("issuer");
    made.audiences = view.texts("audience");
    if (view.has("algorithms")) {
      made.algorithms.clear();
      for (const std::string& name : view.texts("algorithms")) {
        if (const auto known = authentication::algorithm_named(name)) {
          made.algorithms.push_back(*known);
        }
      }
    }
    made.type = view.choice("token_type", made.type);
    made.leeway = view.duration("leeway");
    made.claims.fixed_tenant = administration::kNoTenant;
    made.claims.subject = view.text("subject");
    made.claims.roles = view.text("roles");
    if (view.has("jwks_url")) {
      made.keys = authentication::KeyOrigin::kUrl;
      made.keys_at = view.text("jwks_url");
    }
    if (view.has("jwks_file")) {
      if (view.has("jwks_url")) {
        tell_in(report_, view, "jwks_file", "expected `jwks_url` or `jwks_file`, found both");
      }
      made.keys = authentication::KeyOrigin::kFile;
      made.keys_at = readable(view, "jwks_file");
    }
    made.certificate_authority = authority_of(report_, view);
    return made;
  }

  std::string readable(const View& view, std::string_view key) {
    std::string path = file_of(report_, view, key);
    if (!path.empty() && !std::ifstream(path)) {
      tell_in(report_, view, key, fmt::format("`{}` cannot be read", path));
    }
    return path;
  }

  // At the field where it is written, else at the entry that lacks it. What is wrong with a value
  // that its table refused has been told already.
  void tell(const View& view, const PolicyMistake& mistake) {
    const Node* field = view.node()->find(mistake.field);
    if (field != nullptr && holds_broken(*field)) return;
    const bool told = field == nullptr && std::ranges::count(kMandatory, mistake.field) != 0;
    if (told) return;
    report_.tell(
        field != nullptr ? *field : *view.node(),
        field != nullptr ? view.path(mistake.field) : view.path(),
        field != nullptr ? mistake.why : fmt::format("`{}`: {}", mistake.field, mistake.why));
  }
  static constexpr std::string_view kMandatory[] = {"name", "issuer", "audience", "roles",
                                                    "grants"};

  // Both would answer for one token.
  void check_pair(const View& view, const OidcPolicy& a, const OidcPolicy& b) {
    if (!b.name.empty() && a.name == b.name) {
      tell_in(report_, view, "name", fmt::format("`{}` is there twice", b.name));
    }
    const JwtPolicy both[] = {a.bearer, b.bearer};
    for (const PolicyMistake& mistake : authentication::check(std::span<const JwtPolicy>(both))) {
      if (mistake.field != "name") tell(view, mistake);
    }
    if (!a.client.empty() && a.client == b.client && a.bearer.issuer == b.bearer.issuer) {
      tell_in(report_, view, "client", fmt::format("`{}` logs in there as the same", a.name));
    }
  }

  const View& view_;
  Config& config_;
  administration::Policy& made_;
  Report& report_;
};

}  // namespace

void build_admin(const View& view, Config& config, Report& report) {
  AdminBuilder(view, config, report).build();
}

}  // namespace tollgate::config
