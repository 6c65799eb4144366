#include "controls/authentication/jwt_policy.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace tollgate::authentication {
namespace {

using std::chrono::seconds;

JwtPolicy good() {
  JwtPolicy made;
  made.name = "corporate";
  made.issuer = "https://login.example.com/";
  made.audiences = {"tollgate"};
  made.claims.tenant = "org_id";
  return made;
}

TEST(JwtPolicy, HasNoMistakeAsWritten) {
  EXPECT_TRUE(check(good()).empty());
  JwtPolicy workload = good();
  workload.kind = CredentialKind::kWorkload;
  workload.issuer = "https://kubernetes.default.svc";
  workload.claims.tenant.clear();
  workload.claims.tenant_by_subject = {{"system:serviceaccount:search:*", "search"}};
  EXPECT_TRUE(check(workload).empty());
  JwtPolicy file = good();
  file.issuer = "accounts.example.com";  // Not all issuers are URLs.
  file.keys = KeyOrigin::kFile;
  file.keys_at = "keys.json";
  EXPECT_TRUE(check(file).empty());
}

TEST(JwtPolicy, TakesATrustDomainInPlaceOfAnIssuer) {
  JwtPolicy svid = good();
  svid.kind = CredentialKind::kWorkload;
  svid.issuer.clear();
  svid.trust_domain = "example.org";
  svid.keys = KeyOrigin::kFile;
  svid.keys_at = "bundle.json";
  EXPECT_TRUE(check(svid).empty());
  const struct {
    const char* field;
    std::function<void(JwtPolicy&)> make;
  } rows[] = {
      {"trust_domain", [](JwtPolicy& p) { p.trust_domain = "spiffe://example.org"; }},
      {"trust_domain", [](JwtPolicy& p) { p.trust_domain = "Example.org"; }},
      {"kind", [](JwtPolicy& p) { p.kind = CredentialKind::kJwt; }},
      {"algorithms", [](JwtPolicy& p) { p.algorithms.push_back(Algorithm::kEdDsa); }},
      {"type", [](JwtPolicy& p) { p.type = TokenType::kAccessToken; }},
      {"issuer", [](JwtPolicy& p) { p.keys = KeyOrigin::kDiscovery; }},
  };
  for (const auto& [field, make] : rows) {
    SCOPED_TRACE(field);
    JwtPolicy policy = svid;
    make(policy);
    const auto mistakes = check(policy);
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes.front().field, field);
  }
  std::vector<JwtPolicy> both = {svid, svid};
  both[1].name = "other";
  EXPECT_EQ(check(both).size(), 1u);
  both[1].trust_domain = "example.com";
  EXPECT_TRUE(check(both).empty());
}

TEST(JwtPolicy, TellsEachMistakeAtItsField) {
  const struct {
    const char* field;
    std::function<void(JwtPolicy&)> make;
  } rows[] = {
      {"name", [](JwtPolicy& p) { p.name.clear(); }},
      {"kind", [](JwtPolicy& p) { p.kind = CredentialKind::kApiKey; }},
      {"issuer", [](JwtPolicy& p) { p.issuer.clear(); }},
      {"issuer", [](JwtPolicy& p) { p.issuer = "http://login.example.com/"; }},
      {"issuer",
       [](JwtPolicy& p) {
         p.issuer = "http://login.example.com/";
         p.keys = KeyOrigin::kFile;
         p.keys_at = "keys.json";
       }},
      {"issuer", [](JwtPolicy& p) { p.issuer = "login.example.com"; }},
      {"audience", [](JwtPolicy& p) { p.audiences.clear(); }},
      {"audience", [](JwtPolicy& p) { p.audiences = {"tollgate", ""}; }},
      {"algorithms", [](JwtPolicy& p) { p.algorithms.clear(); }},
      {"algorithms", [](JwtPolicy& p) { p.algorithms.push_back(Algorithm::kHs256); }},
      {"leeway", [](JwtPolicy& p) { p.leeway = seconds(61); }},
      {"leeway", [](JwtPolicy& p) { p.leeway = seconds(-1); }},
      {"token_max_age", [](JwtPolicy& p) { p.token_max_age = seconds(0); }},
      {"tenant", [](JwtPolicy& p) { p.claims.tenant.clear(); }},
      {"tenant", [](JwtPolicy& p) { p.claims.fixed_tenant = "acme"; }},
      {"subject", [](JwtPolicy& p) { p.claims.subject.clear(); }},
      {"jwks_file", [](JwtPolicy& p) { p.keys = KeyOrigin::kFile; }},
      {"jwks_url",
       [](JwtPolicy& p) {
         p.keys = KeyOrigin::kUrl;
         p.keys_at = "http://10.0.0.1/keys";
       }},
  };
  for (const auto& [field, make] : rows) {
    SCOPED_TRACE(field);
    JwtPolicy policy = good();
    make(policy);
    const auto mistakes = check(policy);
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes.front().field, field);
    EXPECT_FALSE(mistakes.front().why.empty());
  }
}

TEST(JwtPolicy, RefusesPatternsThatSayNothingOrTwoThings) {
  const std::vector<TenantBySubject> rows[] = {
      {{"", "a"}},
      {{"*", "a"}},
      {{"a:**", "a"}},
      {{"a:*", ""}},
      {{std::string(513, 'a'), "a"}},
      {{"a:*", "a"}, {"a:b", "b"}},
      {{"a:b", "a"}, {"a:b", "b"}},
      {{"a:*:c", "a"}, {"a:b:*", "b"}},
  };
  for (const auto& patterns : rows) {
    JwtPolicy policy = good();
    policy.claims.tenant.clear();
    policy.claims.tenant_by_subject = patterns;
    SCOPED_TRACE(patterns.front().pattern);
    const auto mistakes = check(policy);
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes.front().field, "tenant_by_subject");
  }
}

TEST(JwtPolicy, RefusesTwoThatOneTokenCouldMean) {
  std::vector<JwtPolicy> both = {good(), good()};
  EXPECT_EQ(check(both).size(), 2u);  // The name, and the audience.
  both[1].name = "other";
  ASSERT_EQ(check(both).size(), 1u);
  EXPECT_EQ(check(both).front().field, "audience");
  both[1].audiences = {"another"};
  EXPECT_TRUE(check(both).empty());
  both[1].audiences = {"tollgate"};
  both[1].issuer = "https://login.example.com";  // Without its slash: another issuer.
  EXPECT_TRUE(check(both).empty());
}

TEST(JwtPolicy, TrustsPlainHttpOnThisMachineOnly) {
  for (const std::string_view url :
       {"https://login.example.com", "https://login.example.com:8443/realms/a",
        "http://localhost:8080/", "http://127.0.0.1/x", "http://[::1]:80/", "http://127.9.9.9"}) {
    EXPECT_TRUE(is_safe_url(url)) << url;
  }
  for (const std::string_view url :
       {"", "https://", "https:///x", "http://login.example.com", "http://localhost.example.com",
        "http://localhost@example.com", "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com", "https://a@example.com", "HTTP://localhost",
        "ftp://localhost", "http://0.0.0.0", "http://127.1", "http://[::2]",
        "http://example.com/#localhost", "https://exa mple.com", "http://example.com\\@localhost",
        "http://127.0.0.1\n.example.com"}) {
    EXPECT_FALSE(is_safe_url(url)) << url;
  }
}

TEST(JwtPolicy, HasAnotherDigestForEveryChange) {
  const std::function<void(JwtPolicy&)> changes[] = {
      [](JwtPolicy&) {},
      [](JwtPolicy& p) { p.name = "c"; },
      [](JwtPolicy& p) { p.kind = CredentialKind::kWorkload; },
      [](JwtPolicy& p) { p.issuer = "https://login.example.com"; },
      [](JwtPolicy& p) { p.trust_domain = "example.org"; },
      [](JwtPolicy& p) { p.audiences = {"toll", "gate"}; },
      [](JwtPolicy& p) { p.audiences = {"tollga", "te"}; },
      [](JwtPolicy& p) { p.algorithms = {Algorithm::kEs256}; },
      [](JwtPolicy& p) { p.type = TokenType::kAccessToken; },
      [](JwtPolicy& p) { p.leeway = seconds(29); },
      [](JwtPolicy& p) { p.token_max_age = seconds(30); },
      [](JwtPolicy& p) { p.keys = KeyOrigin::kUrl; },
      [](JwtPolicy& p) { p.keys_at = "k"; },
      [](JwtPolicy& p) { p.claims.tenant = "org"; },
      [](JwtPolicy& p) { p.claims.fixed_tenant = "org_id"; },
      [](JwtPolicy& p) { p.claims.subject = "email"; },
      [](JwtPolicy& p) { p.claims.roles = "roles"; },
      [](JwtPolicy& p) { p.claims.scopes = "roles"; },
      [](JwtPolicy& p) { p.claims.tenant_by_subject = {{"a", "b"}}; },
      [](JwtPolicy& p) { p.claims.tenant_by_subject = {{"ab", ""}}; },
  };
  std::set<Digest> digests;
  for (const auto& change : changes) {
    JwtPolicy policy = good();
    change(policy);
    EXPECT_TRUE(digests.insert(digest_of(policy)).second);
  }
}

}  // namespace
}  // namespace tollgate::authentication
