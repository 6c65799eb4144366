#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "config/build.h"

namespace tollgate::config {

namespace {

using administration::FixedToken;
using administration::OidcPolicy;
using administration::Role;
using authentication::JwtPolicy;
using authentication::PolicyMistake;

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
    config_.admin.metrics = view_.choice("metrics", MetricsAccess::kOpen);
    names();
    const View sessions = view_.section("sessions");
    made_.sessions.idle_max = sessions.duration("idle_max");
    made_.sessions.age_max = sessions.duration("age_max");
    tokens();
    oidc();
    administration::derive(made_);
  }

 private:
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
    const std::vector<View> views = entries_of(view_, "tokens");
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
    const std::vector<View> views = entries_of(view_, "oidc");
    for (const View& view : views) {
      made_.oidc.push_back(provider(view));
      const OidcPolicy& made = made_.oidc.back();
      tell_mistakes(report_, view, administration::check(made), kDemanded);
      check_key_file(view, made.bearer, report_);
      check_callers(view, made);
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
    for (const View& grant : entries_of(view, "grants")) {
      made.grants.push_back(
          {grant.text("value"), grant.choice("role", Role::kViewer), tenants(grant)});
    }
    return made;
  }

  JwtPolicy verifier(const View& view) {
    JwtPolicy made = build_verifier(view, report_);
    made.claims.fixed_tenant = administration::kNoTenant;
    made.claims.subject = view.text("subject");
    made.claims.roles = view.text("roles");
    return made;
  }

  static bool has(const std::vector<std::string>& all, const std::string& one) {
    return std::ranges::find(all, one) != all.end();
  }

  // What an application shows the gateway must not administer it.
  void check_callers(const View& view, const OidcPolicy& made) {
    for (const JwtPolicy& other : config_.authentication.jwt) {
      if (other.issuer != made.bearer.issuer) continue;
      const auto shared = [&](const std::string& each) { return has(other.audiences, each); };
      if (!std::ranges::any_of(made.bearer.audiences, shared)) continue;
      tell_in(report_, view, "audience",
              fmt::format("callers' tokens of `authentication.jwt.{}` have the same issuer and "
                          "audience, so each of them could administer: ask the issuer for another "
                          "audience here",
                          other.name));
    }
  }

  static constexpr std::string_view kDemanded[] = {"name", "issuer", "audience", "roles", "grants"};

  // Both would answer for one token.
  void check_pair(const View& view, const OidcPolicy& a, const OidcPolicy& b) {
    if (!b.name.empty() && a.name == b.name) {
      tell_in(report_, view, "name", fmt::format("`{}` is there twice", b.name));
    }
    const JwtPolicy both[] = {a.bearer, b.bearer};
    for (const PolicyMistake& mistake : authentication::check(std::span<const JwtPolicy>(both))) {
      if (mistake.field != "name") tell_mistakes(report_, view, std::span(&mistake, 1), kDemanded);
    }
    if (a.bearer.issuer == b.bearer.issuer &&
        (has(b.bearer.audiences, a.client) || has(a.bearer.audiences, b.client))) {
      tell_in(
          report_, view, "audience",
          fmt::format("the client of `{}` or of this entry is an audience of the other, so what "
                      "proves a login would be a credential",
                      a.name));
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
