#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "config/load.h"

namespace tollgate::config {
namespace {

using administration::Role;

// The small file with these lines behind it.
std::string file_with(std::string_view lines) {
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/small.yaml");
  return std::string{std::istreambuf_iterator<char>(in), {}} + "admin:\n" + std::string(lines);
}

Loaded load_whole(const std::string& file) {
  return load_text(file, "t.yaml", [](const std::string& name) {
    return name + "-of-32-characters-or-more-that-nobody-knows";
  });
}
Loaded load(std::string_view lines) { return load_whole(file_with(lines)); }

// Every problem as "field: message", cut short.
std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) {
    all += problem.field + ": " + problem.message.substr(0, 42) + "\n";
  }
  return all;
}
std::string told(std::string_view lines) { return told(load(lines)); }

constexpr std::string_view kOidc =
    "  oidc:\n"
    "    - name: corporate\n"
    "      issuer: https://login.example.com/\n"
    "      audience: tollgate-admin\n"
    "      roles: groups\n"
    "      grants:\n"
    "        - { value: admins, role: owner }\n"
    "        - { value: acme-ops, role: operator, tenants: [acme] }\n";

std::string oidc_with(std::string_view from, std::string_view to) {
  std::string text(kOidc);
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(AdminConfig, OpensMetricsUnlessItSaysElse) {
  EXPECT_EQ(load("  url: https://a.example.com\n").config->admin.metrics, MetricsAccess::kOpen);
  const Loaded loaded = load("  metrics: authenticated\n");
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(loaded.config->admin.metrics, MetricsAccess::kAuthenticated);
  EXPECT_NE(effective_json(*loaded.config).find(R"("metrics":"authenticated")"), std::string::npos);
  EXPECT_NE(told("  metrics: closed\n"), "");
}

TEST(AdminConfig, SaysWhichRolesAndHowManyKeysATenantsPeopleMayGive) {
  const Loaded plain = load("  metrics: open\n");
  EXPECT_TRUE(plain.config->tenants[0].grantable_roles.empty());
  EXPECT_EQ(plain.config->tenants[0].keys_max, 10'000);
  std::string file = file_with("  metrics: open\n");
  const std::string_view tenant = "acme: { ";
  file.insert(file.find(tenant) + tenant.size(), "grantable_roles: [reader], keys_max: 7, ");
  const Loaded loaded = load_whole(file);
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  EXPECT_EQ(loaded.config->tenants[0].grantable_roles, std::vector<std::string>{"reader"});
  EXPECT_EQ(loaded.config->tenants[0].keys_max, 7);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("grantable_roles":["reader"],"keys_max":7)"), std::string::npos) << shown;
  for (const char* wrong : {"keys_max: -1", "keys_max: 1000001", "grantable_roles: reader"}) {
    std::string broken = file;
    broken.replace(broken.find("keys_max: 7"), 11, wrong);
    EXPECT_EQ(load_whole(broken).config, nullptr) << wrong;
  }
}

TEST(AdminConfig, TakesTokens) {
  const Loaded loaded = load(
      "  token: \"${FIRST}\"\n"
      "  tokens:\n"
      "    - { name: grafana, token: \"${GRAFANA}\", role: viewer }\n"
      "    - { name: acme, token: \"${ACME}\", role: operator, tenants: [acme] }\n"
      "  url: https://admin.example.com:8443\n"
      "  hosts: [tollgate.internal]\n"
      "  sessions: { idle_max: 5m, age_max: 1h }\n");
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  const administration::Policy& made = loaded.config->admin.policy;
  ASSERT_EQ(made.tokens.size(), 2U);
  EXPECT_EQ(made.tokens[0].name, "grafana");
  EXPECT_EQ(made.tokens[0].grant.role, Role::kViewer);
  EXPECT_FALSE(made.tokens[0].grant.is_bound());
  EXPECT_EQ(made.tokens[1].grant.tenants, std::vector<std::string>{"acme"});
  EXPECT_TRUE(made.tokens[1].token.reveal().starts_with("ACME"));
  EXPECT_EQ(made.url, "https://admin.example.com:8443");
  EXPECT_EQ(made.hosts, std::vector<std::string>{"tollgate.internal"});
  EXPECT_EQ(made.sessions.idle_max, std::chrono::minutes(5));
  EXPECT_EQ(made.sessions.age_max, std::chrono::hours(1));
  const std::string shown = effective_json(*loaded.config);
  EXPECT_EQ(shown.find("nobody-knows"), std::string::npos);
  EXPECT_NE(shown.find("grafana"), std::string::npos);
}

TEST(AdminConfig, TakesAProvider) {
  const Loaded loaded = load(std::string(kOidc) +
                             "      tenants: orgs\n"
                             "      client: { id: browser, secret: \"${SECRET}\" }\n");
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  const administration::Policy& policy = loaded.config->admin.policy;
  ASSERT_EQ(policy.oidc.size(), 1U);
  const administration::OidcPolicy& made = policy.oidc.front();
  EXPECT_EQ(made.bearer.audiences, std::vector<std::string>{"tollgate-admin"});
  EXPECT_EQ(made.login.audiences, std::vector<std::string>{"browser"});
  EXPECT_EQ(made.bearer.claims.scopes, "orgs");
  EXPECT_EQ(made.grants[0].role, Role::kOwner);
  EXPECT_EQ(made.grants[1].tenants, std::vector<std::string>{"acme"});
  EXPECT_EQ(policy.verifiers.size(), 2U);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_EQ(shown.find("nobody-knows"), std::string::npos);
  // Who calls the gateway is not touched by it.
  EXPECT_TRUE(loaded.config->authentication.jwt.empty());
}

TEST(AdminConfig, RefusesWhatIsWeakOrWrong) {
  const std::pair<std::string, std::string> rows[] = {
      {"  token: short\n", "admin.token: expected 32 or more characters, found 5: a\n"},
      {"  tokens: [{ name: a, token: short, role: viewer }]\n",
       "admin.tokens[0].token: expected 32 or more characters, found 5: a\n"},
      {"  tokens: [{ name: a, token: \"${A}\", role: root }]\n",
       "admin.tokens[0].role: expected one of `viewer`, `auditor`, `oper\n"},
      {"  tokens: [{ name: a, token: \"${A}\", role: viewer, tenants: [acne] }]\n",
       "admin.tokens[0].tenants: there is no tenant `acne`; did you mean `a\n"},
      {"  tokens: [{ name: a, token: \"${A}\", role: viewer, tenants: [] }]\n",
       "admin.tokens[0].tenants: expected a list of 1 to 64, found 0\n"},
      {"  tokens:\n    - { name: a, token: \"${A}\", role: viewer }\n"
       "    - { name: a, token: \"${B}\", role: viewer }\n",
       "admin.tokens[1].name: `a` is there twice\n"},
      {"  tokens:\n    - { name: a, token: \"${A}\", role: viewer }\n"
       "    - { name: b, token: \"${A}\", role: owner }\n",
       "admin.tokens[1].token: another entry has the same token\n"},
      {"  token: \"${A}\"\n  tokens: [{ name: a, token: \"${A}\", role: viewer }]\n",
       "admin.tokens[0].token: another entry has the same token\n"},
      {"  url: admin.example.com\n", "admin.url: expected a scheme and a host such as `http\n"},
      {"  url: https://admin.example.com/x\n",
       "admin.url: expected a scheme and a host such as `http\n"},
      {"  hosts: [\"*.example.com\"]\n",
       "admin.hosts: expected a name without scheme, port or `*\n"},
      {oidc_with("      audience: tollgate-admin\n", ""),
       "admin.oidc[0]: `audience` is missing: expected a text, or\n"},
      {oidc_with("https://", "http://"),
       "admin.oidc[0].issuer: Keys that come over plain http are anybody\n"},
      {oidc_with("role: owner", "role: admin"),
       "admin.oidc[0].grants[0].role: expected one of `viewer`, `auditor`, `oper\n"},
      {oidc_with("tenants: [acme]", "tenants: [nobody]"),
       "admin.oidc[0].grants[1].tenants: there is no tenant `nobody`\n"},
      {oidc_with("acme-ops", "admins"),
       "admin.oidc[0].grants: `admins` stands there twice; only the firs\n"},
      {std::string(kOidc) + "      client: { id: tollgate-admin }\n",
       "admin.oidc[0].audience: It is the client's id, so every ID token o\n"},
      {std::string(kOidc) + "      algorithms: [HS256]\n",
       "admin.oidc[0].algorithms[0]: expected one of `RS256`, `RS384`, `RS512`,\n"},
      {std::string(kOidc) + std::string(kOidc).substr(kOidc.find("    - ")),
       "admin.oidc[1].name: `corporate` is there twice\n"
       "admin.oidc[1].audience: `corporate` and `corporate` would both ans\n"},
  };
  for (const auto& [lines, problems] : rows) EXPECT_EQ(told(lines), problems) << lines;
}

TEST(AdminConfig, IsToldWhereItIsOpenToOthers) {
  const auto ids = [](std::string_view lines) {
    const Loaded loaded = load(lines);
    EXPECT_NE(loaded.config, nullptr) << format(loaded.problems.front());
    std::string all;
    for (const Finding& finding : posture(*loaded.config, file_with(lines))) {
      all += finding.id + " " + finding.field + "\n";
    }
    return all;
  };
  EXPECT_EQ(ids("  tokens: [{ name: a, token: \"${A}\", role: viewer }]\n"), "");
  EXPECT_EQ(ids("  tokens: [{ name: a, token: 0123456789abcdef0123456789abcdef, role: viewer }]\n"),
            "secret-in-plain-text admin.tokens[0].token\n");
  EXPECT_EQ(ids(std::string(kOidc) + "      client: { id: a, secret: plain }\n"),
            "secret-in-plain-text admin.oidc[0].client.secret\n");
  EXPECT_EQ(ids("  address: 0.0.0.0:9900\n"),
            "admin-beyond-loopback admin.address\nmetrics-beyond-loopback admin.address\n");
  EXPECT_EQ(ids("  address: 0.0.0.0:9900\n  metrics: authenticated\n"),
            "admin-beyond-loopback admin.address\n");
}

TEST(AdminConfig, WhatCallersShowIsNoCredentialHere) {
  const auto with = [](std::string_view audience) {
    std::string file = file_with(kOidc);
    constexpr std::string_view kKeys = "authentication: { api_keys: {} }";
    file.replace(file.find(kKeys), kKeys.size(),
                 "authentication:\n  jwt: [{ name: apps, issuer: \"https://login.example.com/\", "
                 "audience: " +
                     std::string(audience) + ", fixed_tenant: acme }]");
    return load_whole(file);
  };
  EXPECT_EQ(told(with("tollgate")), "");
  EXPECT_EQ(told(with("tollgate-admin")),
            "admin.oidc[0].audience: callers' tokens of `authentication.jwt.app\n");
}

TEST(AdminConfig, WhatProvesALoginIsNoCredentialOfAnotherEntry) {
  const std::string second =
      "    - name: partners\n"
      "      issuer: https://login.example.com/\n"
      "      audience: AUDIENCE\n"
      "      roles: groups\n"
      "      client: { id: console }\n"
      "      grants: [{ value: partners, role: viewer }]\n";
  const auto with = [&](std::string audience) {
    std::string lines(second);
    lines.replace(lines.find("AUDIENCE"), 8, audience);
    return oidc_with("audience: tollgate-admin", "audience: console") + lines;
  };
  EXPECT_EQ(told(std::string(kOidc) + second), "");
  EXPECT_NE(told(with("partners")), "");
}

TEST(AdminConfig, LooksIntoTheFileOfKeys) {
  const std::string path = testing::TempDir() + "/admin_keys.json";
  std::ofstream(path) << "no keys";
  EXPECT_NE(told(oidc_with("      roles: groups\n", "      jwks_file: " + path +
                                                        "\n"
                                                        "      roles: groups\n")),
            "");
}

}  // namespace
}  // namespace tollgate::config
