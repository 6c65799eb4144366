#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/load.h"

namespace tollgate::config {
namespace {

using authentication::Algorithm;

std::string fixture_path(const std::string& name) {
  return std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/" + name;
}

std::string fixture(const std::string& name) {
  std::ifstream in(fixture_path(name));
  return {std::istreambuf_iterator<char>(in), {}};
}

// The small file with these lines under `authentication`, which then begin at line 3.
Loaded load(std::string_view lines) {
  std::string text = fixture("small.yaml");
  const std::string_view bare = "authentication: { api_keys: {} }\n";
  text.replace(text.find(bare), bare.size(), "authentication:\n" + std::string(lines));
  return load_text(text, "t.yaml", [](const std::string&) {
    return "a-secret-of-32-bytes-or-more-"
           "that-nobody-knows";
  });
}

// Every problem as "line:column field: message".
std::string told(std::string_view lines) {
  std::string all;
  for (const Problem& problem : load(lines).problems) {
    all += std::to_string(problem.line) + " " + problem.field + ": " + problem.message + "\n";
  }
  return all;
}

constexpr std::string_view kJwt =
    "  jwt:\n"
    "    - name: corporate\n"
    "      issuer: https://login.example.com/\n"
    "      audience: tollgate\n"
    "      tenant: org_id\n";

std::string jwt_with(std::string_view from, std::string_view to) {
  std::string text(kJwt);
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(AuthenticationConfig, TakesAnIssuerOfTokens) {
  const Loaded loaded = load(jwt_with("      tenant: org_id\n",
                                      "      algorithms: [EdDSA, PS512]\n"
                                      "      kind: workload\n"
                                      "      token_type: access_token\n"
                                      "      leeway: 5s\n"
                                      "      token_max_age: 1h\n"
                                      "      tenant_by_subject: { \"system:a:*\": acme }\n"
                                      "      roles: realm_access.roles\n"));
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  ASSERT_EQ(loaded.config->authentication.jwt.size(), 1u);
  const authentication::JwtPolicy& made = loaded.config->authentication.jwt.front();
  EXPECT_EQ(made.kind, authentication::CredentialKind::kWorkload);
  EXPECT_EQ(made.audiences, std::vector<std::string>{"tollgate"});
  EXPECT_EQ(made.algorithms, (std::vector<Algorithm>{Algorithm::kEdDsa, Algorithm::kPs512}));
  EXPECT_EQ(made.type, authentication::TokenType::kAccessToken);
  EXPECT_EQ(made.leeway, std::chrono::seconds(5));
  EXPECT_EQ(made.token_max_age, std::chrono::hours(1));
  ASSERT_EQ(made.claims.tenant_by_subject.size(), 1u);
  EXPECT_EQ(made.claims.tenant_by_subject.front().pattern, "system:a:*");
  EXPECT_EQ(made.keys, authentication::KeyOrigin::kDiscovery);
  EXPECT_FALSE(loaded.config->authentication.api_keys);
}

TEST(AuthenticationConfig, TellsMistakesOfTokensWhereTheyStand) {
  struct Row {
    std::string_view from;
    std::string_view to;
    std::string_view expected;  // Within what is told.
  };
  const Row rows[] = {
      {"      audience: tollgate\n", "", "4 authentication.jwt[0]: `audience` is missing"},
      {"      issuer: https://login.example.com/\n", "", "4 authentication.jwt[0]: `issuer`: "},
      {"https://login", "http://login", "5 authentication.jwt[0].issuer: "},
      {"audience: tollgate", "audience: []", "6 authentication.jwt[0].audience: expected a list"},
      {"audience: tollgate", "audience: [a, \"\"]", "6 authentication.jwt[0].audience[1]: "},
      {"tenant: org_id", "algorithms: [none]",
       "7 authentication.jwt[0].algorithms[0]: expected one of"},
      {"tenant: org_id", "algorithms: [HS256]", "7 authentication.jwt[0].algorithms[0]: "},
      {"      tenant: org_id\n", "", "4 authentication.jwt[0]: `tenant`: Exactly one of"},
      {"tenant: org_id", "fixed_tenant: acne", "there is no tenant `acne`; did you mean `acme`?"},
      {"tenant: org_id", "tenant_by_subject: { \"a:*\": acne }", "there is no tenant `acne`"},
      {"tenant: org_id", "tenant_by_subject: { \"*\": acme }", "`*` alone is every subject"},
      {"tenant: org_id", "tenant_by_subject: {}", "expected a mapping of 1 to 1024 texts"},
      {"tenant: org_id", "tenant: org_id\n      leeway: 61s", "8 authentication.jwt[0].leeway: "},
      {"tenant: org_id", "tenant: org_id\n      jwks_url: ftp://x", "jwks_url: Keys come from"},
      {"https://login.example.com/", "https://login.example.com:0/", "issuer: expected a host"},
      {"https://login.example.com/", "https://login.example.com/%2e", "issuer: expected a host"},
      {"tenant: org_id", "tenant: org_id\n      jwks_url: https://a/../b", "expected a host"},
      {"tenant: org_id", "tenant: org_id\n      jwks_file: none.json",
       "`none.json` cannot be read"},
      {"tenant: org_id", "tenant: org_id\n      jwks_file: a\n      jwks_url: https://a",
       "expected `jwks_url` or `jwks_file`, found both"},
      {"tenant: org_id", "tenant: org_id\n      certificate_authority: none.pem",
       "`none.pem` cannot be read"},
      {"tenant: org_id", "tenant: org_id\n      certificate_authority: /dev/null",
       "`/dev/null` holds no PEM certificate"},
      {"tenant: org_id", "tenat: org_id", "unknown key `tenat`; did you mean `tenant`?"},
      {"tenant: org_id\n",
       "tenant: org_id\n    - { name: corporate, issuer: \"https://x\", audience: a, tenant: t }\n",
       "8 authentication.jwt[1].name: `corporate` is there twice"},
      {"tenant: org_id\n",
       "tenant: org_id\n  sessions: [{ name: corporate, cookie: s, tenant: t, secret: "
       "0123456789abcdef0123456789abcdef }]\n",
       "sessions[0].name: `corporate` is the name of an entry of `jwt` already"},
      {"tenant: org_id\n",
       "tenant: org_id\n  sessions:\n    - { name: a, cookie: s, tenant: t, secret: "
       "0123456789abcdef0123456789abcdef }\n    - { name: b, cookie: s, tenant: t, secret: "
       "0123456789abcdef0123456789abcdef }\n",
       "sessions[1].cookie: `s` is the cookie of another entry already"},
      {"tenant: org_id", "tenant: org_id\n      tenants: [acne]", "did you mean `acme`?"},
      {"tenant: org_id", "fixed_tenant: acme\n      tenants: [acme]", "it goes with `tenant`"},
      {"tenant: org_id\n",
       "tenant: org_id\n    - { name: other, issuer: \"https://login.example.com/\", audience: "
       "tollgate, tenant: t }\n",
       "8 authentication.jwt[1].audience: "},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.to);
    const std::string found = told(jwt_with(row.from, row.to));
    EXPECT_NE(found.find(row.expected), std::string::npos) << found;
  }
}

TEST(AuthenticationConfig, TakesIntrospectionAsTheContractWritesIt) {
  const Loaded loaded = load(
      "  introspection: [{ name: opaque, url: \"https://login.example.com/introspect\", client: { "
      "id: tollgate, secret: \"${SECRET}\" } }]\n");
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  const authentication::IntrospectionPolicy& made =
      loaded.config->authentication.introspection.front();
  EXPECT_EQ(made.claims.tenant, "tenant");
  EXPECT_EQ(made.client, "tollgate");
  EXPECT_FALSE(made.client_secret.empty());
  EXPECT_TRUE(loaded.config->authentication.takes_tokens());
  EXPECT_EQ(effective_json(*loaded.config).find("that-nobody-knows"), std::string::npos);
}

TEST(AuthenticationConfig, TellsMistakesOfIntrospection) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"{ name: a, url: \"http://x\", client: { id: a, secret: \"${S}\" } }",
       "authentication.introspection[0].url: Tokens are sent there"},
      {"{ name: a, url: \"https://x y\", client: { id: a, secret: \"${S}\" } }",
       "authentication.introspection[0].url: Tokens are sent there"},
      {"{ name: a, url: \"https://x:99999\", client: { id: a, secret: \"${S}\" } }",
       "authentication.introspection[0].url: expected a host"},
      {"{ name: a, url: \"https://x\", prefix: \"a b\", client: { id: a, secret: \"${S}\" } }",
       "introspection[0].prefix: It is what tokens begin with"},
      {"{ name: a, url: \"https://x\" }", "`client` is missing"},
      {"{ name: a, url: \"https://x\", client: { id: a } }", "`secret` is missing"},
      {"{ name: a, url: \"https://x\", keep: 31s, client: { id: a, secret: \"${S}\" } }",
       "keep: expected a duration from `0s` to `30s`"},
  };
  for (const auto& [entry, expected] : rows) {
    const std::string found = told("  introspection: [" + std::string(entry) + "]\n");
    EXPECT_NE(found.find(expected), std::string::npos) << found;
    EXPECT_EQ(std::ranges::count(found, '\n'), 1) << found;
  }
}

TEST(AuthenticationConfig, TakesSessionsOfBothKinds) {
  const Loaded loaded = load(
      "  sessions:\n"
      "    - { name: web, cookie: sid, redis: \"redis://127.0.0.1/2\", key: \"session:{id}\", "
      "tenant: org, subject: user, roles: roles }\n"
      "    - { name: app, cookie: app, secret: \"${SECRET}\", tenant: org, form: encrypted, "
      "secret_use: derived }\n");
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  const auto& made = loaded.config->authentication.sessions;
  ASSERT_EQ(made.size(), 2u);
  EXPECT_TRUE(made[0].in_store());
  EXPECT_FALSE(made[0].keys.has_value());
  EXPECT_FALSE(made[1].in_store());
  ASSERT_TRUE(made[1].keys.has_value());
  EXPECT_EQ(made[1].keys->form(), authentication::CookieForm::kEncrypted);
  EXPECT_EQ(effective_json(*loaded.config).find("that-nobody-knows"), std::string::npos);
}

TEST(AuthenticationConfig, TellsMistakesOfSessions) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"{ name: a, cookie: c, tenant: t }", "expected `redis` or `secret`, found neither"},
      {"{ name: a, cookie: c, tenant: t, redis: \"redis://h\", secret: \"${S}\" }",
       "expected `redis` or `secret`, found both"},
      {"{ name: a, cookie: c, tenant: t, redis: \"http://h\" }", "expected `redis://…`"},
      {"{ name: a, cookie: c, tenant: t, redis: \"redis://h\", key: \"s\" }", "It has `{id}` once"},
      {"{ name: a, cookie: \"c;d\", tenant: t, redis: \"redis://h\" }", "no name of a cookie"},
      {"{ name: a, cookie: c, tenant: t, secret: short }", "at least 32 bytes"},
      {"{ name: a, cookie: c, tenant: t, secret: \"${S}\", form: encrypted }", "exactly 32 bytes"},
      {"{ name: a, cookie: c, tenant: t, redis: \"redis://h\", age_max: 1h, idle_max: 2h }",
       "at most `age_max`"},
      {"{ name: a, cookie: c, tenant: t, redis: \"redis://h\", origins: [\"*\"] }", "An origin is"},
      {"{ name: a, cookie: c, redis: \"redis://h\" }", "`tenant`: Exactly one of"},
  };
  for (const auto& [entry, expected] : rows) {
    const std::string found = told("  sessions: [" + std::string(entry) + "]\n");
    EXPECT_NE(found.find(expected), std::string::npos) << found;
    EXPECT_EQ(std::ranges::count(found, '\n'), 1) << found;
    EXPECT_EQ(found.find("short"), std::string::npos) << "A secret is repeated.";
  }
}

TEST(AuthenticationConfig, TakesAServerThatIsAskedOfTokens) {
  const std::string file = fixture_path("small.yaml");  // Any that can be read.
  const auto entry = [&](std::string_view more, std::string_view review) {
    return fmt::format(
        "  jwt: [{{ name: cluster, kind: workload, issuer: \"https://k\", audience: tollgate, "
        "tenant: org{}, token_review: {{ {} }} }}]\n",
        more, review);
  };
  const std::string good = fmt::format("url: \"https://k:6443\", token_file: {}", file);
  const Loaded loaded = load(entry("", good + ", keep: 5s, timeout: 1s"));
  ASSERT_NE(loaded.config, nullptr) << told(entry("", good));
  const authentication::JwtPolicy& made = loaded.config->authentication.jwt.front();
  ASSERT_TRUE(made.review);
  EXPECT_EQ(made.keys, authentication::KeyOrigin::kReview);
  EXPECT_EQ(made.review->url, "https://k:6443");
  EXPECT_EQ(made.review->token_file, file);
  EXPECT_EQ(made.review->kept, std::chrono::seconds(5));
  EXPECT_EQ(made.review->timeout, std::chrono::seconds(1));
  // With keys of its own the signature is checked here first.
  const Loaded with_keys = load(entry(", jwks_url: \"https://k/keys\"", good));
  ASSERT_NE(with_keys.config, nullptr);
  EXPECT_EQ(with_keys.config->authentication.jwt.front().keys, authentication::KeyOrigin::kUrl);

  const std::pair<std::string, std::string_view> rows[] = {
      {entry("", "url: \"https://k\""), "token_review: `token_file` is missing"},
      {entry("", fmt::format("token_file: {}", file)), "token_review: `url` is missing"},
      {entry("", fmt::format("url: \"http://k\", token_file: {}", file)),
       "token_review.url: Tokens are sent there"},
      {entry("", "url: \"https://k\", token_file: nowhere"), "nowhere` cannot be read"},
      {entry("", good + ", keep: 1m"), "token_review.keep"},
      {entry("", good + ", certificate_authority: nowhere"), "certificate_authority"},
      {entry("", good + ", audiences: [a]"), "unknown"},
      {std::string(entry("", good)).replace(entry("", good).find("workload"), 8, "jwt"),
       "jwt[0].kind: `token_review` is for workloads"},
  };
  for (const auto& [text, expected] : rows) {
    const std::string found = told(text);
    EXPECT_NE(found.find(expected), std::string::npos) << text << found;
  }
}

// Whatever changes what a credential means changes the stamp of what is kept.
TEST(AuthenticationConfig, AnotherMeaningHasAnotherStamp) {
  const auto stamp_with_roles = [](const std::string& roles) {
    std::string text = fixture("small.yaml");
    text.replace(text.find("acme: { "), 8, "acme: { roles: " + roles + ", ");
    const Loaded loaded = load_text(text, "t.yaml", process_environment());
    EXPECT_NE(loaded.config, nullptr);
    return loaded.config ? loaded.config->authentication.stamp : authentication::Digest{};
  };
  const auto stamp = [](const std::string& lines) {
    const Loaded loaded = load(lines);
    EXPECT_NE(loaded.config, nullptr) << lines;
    return loaded.config ? loaded.config->authentication.stamp : authentication::Digest{};
  };
  const authentication::Digest first = stamp(std::string(kJwt));
  EXPECT_EQ(stamp(std::string(kJwt)), first);
  EXPECT_NE(stamp(jwt_with("org_id", "org")), first);
  EXPECT_NE(stamp(jwt_with("audience: tollgate", "audience: [tollgate, other]")), first);
  EXPECT_NE(stamp(std::string(kJwt) + "  introspection: [{ name: a, url: \"https://x\", client: { "
                                      "id: a, secret: b } }]\n"),
            first);
  // Verdicts are kept with the roles of the tenant.
  EXPECT_NE(stamp_with_roles("[staff]"), stamp_with_roles("[intern]"));
}

}  // namespace
}  // namespace tollgate::config
