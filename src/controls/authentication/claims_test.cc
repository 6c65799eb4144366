#include "controls/authentication/claims.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'800'000'000)};

JwtPolicy policy() {
  JwtPolicy made;
  made.name = "corporate";
  made.issuer = "https://login.example.com/";
  made.audiences = {"tollgate"};
  made.claims.tenant = "org";
  made.claims.roles = "roles";
  return made;
}

// The claims of a good token; one that a test names takes the place of the same or joins them.
std::string claims_with(std::string_view name = "", std::string_view value = "") {
  std::vector<std::pair<std::string, std::string>> claims = {
      {"iss", R"("https://login.example.com/")"},
      {"aud", R"("tollgate")"},
      {"exp", "1800000300"},
      {"sub", R"("alice")"},
      {"org", R"("acme")"},
      {"roles", R"(["engineer","ops"])"},
      {"scope", R"("chat  models")"}};
  if (!name.empty()) {
    std::erase_if(claims, [&](const auto& claim) { return claim.first == name; });
    if (!value.empty()) claims.emplace_back(name, value);
  }
  std::string made = "{";
  for (const auto& [key, text] : claims) {
    made += fmt::format(R"({}"{}":{})", made.size() == 1 ? "" : ",", key, text);
  }
  return made + "}";
}

// One claim of a good token, replaced.
struct Replaced {
  std::string name;
  std::string value;
  Reason reason = Reason::kInvalidCredential;
};

class Claims : public testing::Test {
 protected:
  Expected<Identity> identity_of(const JwtPolicy& verifier, std::string_view claims,
                                 WallTime now = kNow,
                                 std::string_view header = R"({"alg":"ES256","kid":"a"})") {
    text_ = es256_token(key_, header, claims);
    const Expected<Token> token = reader_.read(text_);
    if (!token) return std::unexpected(token.error());
    return verify_token(verifier, keys_, *token, tenants_, now, arena_);
  }
  Expected<Identity> identity_with(std::string_view name, std::string_view value,
                                   WallTime now = kNow) {
    return identity_of(policy(), claims_with(name, value), now);
  }

  void expect_refused(const Replaced& row) {
    SCOPED_TRACE(fmt::format("{}: {}", row.name, row.value.substr(0, 60)));
    const auto identity = identity_with(row.name, row.value);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().reason, row.reason);
    EXPECT_TRUE(identity.error().rule.starts_with("authentication.jwt"));
    // What the token says is not said again, nor what would have been right.
    for (const std::string_view secret : {"nobody", "acme", "search", "login.example.com"}) {
      EXPECT_EQ(identity.error().message.find(secret), std::string::npos);
    }
  }

  static inline const SigningKey key_ = SigningKey::make("P-256");
  static inline const KeySet keys_ = *read_key_set(key_.jwk(), {.algorithms = public_algorithms()});
  const KnownTenants tenants_{{"acme", "search", "zeta"}};
  TokenReader reader_;
  Arena arena_;
  std::string text_;
};

TEST_F(Claims, SayWhoAsks) {
  const auto identity = identity_of(policy(), claims_with());
  ASSERT_TRUE(identity) << identity.error().message;
  text_.assign(text_.size(), 'x');  // All that is kept is in the arena.
  EXPECT_EQ(identity->tenant, "acme");
  EXPECT_EQ(identity->subject, "alice");
  EXPECT_EQ(identity->credential_kind, CredentialKind::kJwt);
  EXPECT_EQ(identity->credential_id, "corporate/alice");
  EXPECT_EQ(identity->verifier, "corporate");
  ASSERT_EQ(identity->roles.size(), 2u);
  EXPECT_EQ(identity->roles[0], "engineer");
  EXPECT_EQ(identity->roles[1], "ops");
  ASSERT_EQ(identity->scopes.size(), 2u);
  EXPECT_EQ(identity->scopes[1], "models");
  EXPECT_EQ(identity->expires, WallTime(seconds(1'800'000'300)));
  EXPECT_EQ(identity->certificate, std::nullopt);
}

TEST_F(Claims, AreRefusedOutOfTheirTimeOrWithoutOne) {
  constexpr Reason kExpired = Reason::kExpiredCredential;
  const Replaced rows[] = {
      {"exp", ""},
      {"exp", "null"},
      {"exp", R"("1800000300")"},
      {"exp", "-1"},
      {"exp", "-1800000300"},
      {"exp", "true"},
      {"exp", "[1800000300]"},
      {"exp", "1e400"},
      {"exp", "1e300"},
      {"exp", "253402300800"},
      {"exp", "18446744073709551615"},
      {"exp", "1800000300000"},  // Milliseconds.
      {"exp", "0", kExpired},
      {"exp", "1799999970", kExpired},
      {"exp", "1799999969.999", kExpired},
      {"nbf", "1800000031"},
      {"nbf", "1800000030.5"},
      {"nbf", R"("0")"},
      {"nbf", "-1"},
      {"nbf", "null"},
      {"nbf", "1e400"},
      {"iat", "1800000031"},
      {"iat", R"("1800000000")"},
      {"iat", "-5"},
      {"iat", "{}"},
  };
  for (const Replaced& row : rows) expect_refused(row);
}

TEST_F(Claims, AreRefusedFromAnotherIssuerOrForAnotherAudience) {
  const Replaced rows[] = {
      {"iss", ""},
      {"iss", "null"},
      {"iss", R"("https://login.example.com")"},
      {"iss", R"("https://login.example.com//")"},
      {"iss", R"("HTTPS://login.example.com/")"},
      {"iss", R"("https://login.example.com/ ")"},
      {"iss", R"("https://login.example.com/\u0000")"},
      {"iss", R"(["https://login.example.com/"])"},
      {"aud", ""},
      {"aud", "null"},
      {"aud", R"("")"},
      {"aud", "[]"},
      {"aud", R"("tollgate2")"},
      {"aud", R"("tollgat")"},
      {"aud", R"("a tollgate")"},
      {"aud", R"("Tollgate")"},
      {"aud", R"(["other","tollgate2"])"},
      {"aud", R"(["tollgate",1])"},
      {"aud", R"([["tollgate"]])"},
      {"aud", R"({"tollgate":true})"},
  };
  for (const Replaced& row : rows) expect_refused(row);
}

TEST_F(Claims, AreRefusedWhereTheyDoNotSayWhoAsks) {
  const Replaced rows[] = {
      {"sub", ""},
      {"sub", R"("")"},
      {"sub", "7"},
      {"sub", R"(["alice"])"},
      {"sub", R"("ali\u0000ce")"},
      {"sub", R"("ali\nce")"},
      {"sub", fmt::format(R"("{}")", std::string(257, 'a'))},
      {"org", ""},
      {"org", "null"},
      {"org", R"("nobody")"},
      {"org", R"("ACME")"},
      {"org", R"(["acme"])"},
      {"org", R"("acme ")"},
      {"roles", "7"},
      {"roles", R"({"engineer":true})"},
      {"roles", R"(["engineer",7])"},
      {"roles", R"(["engineer",["admin"]])"},
      {"roles", R"(["engineer",""])"},
      {"roles", fmt::format(R"(["{}"])", std::string(257, 'r'))},
      {"roles", fmt::format(R"("{}")", std::string(257, 'r'))},
      {"scope", "true"},
      {"cnf", R"({"jkt":"AAAA"})"},
      {"cnf", R"({})"},
      {"cnf", "null"},
      {"cnf", R"({"x5t#S256":"AAAA"})"},
      {"cnf", R"({"x5t#S256":7})"},
      {"cnf", fmt::format(R"({{"x5t#S256":"{}","jkt":"AAAA"}})", encoded(std::string(32, 'c')))},
  };
  for (const Replaced& row : rows) expect_refused(row);
}

TEST_F(Claims, AreTakenInEachFormThatTheyMayHave) {
  const struct {
    std::string name;
    std::string value;
  } rows[] = {
      {"exp", "1800000000.5"},
      {"exp", "1.8000003e9"},
      {"exp", "1799999970.001"},  // Within the leeway.
      {"exp", "253402300799"},
      {"nbf", "1800000030"},
      {"nbf", "0"},
      {"iat", "1800000030"},
      {"iat", "1799999999.9"},
      {"aud", R"(["tollgate"])"},
      {"aud", R"(["a","tollgate","b"])"},
      {"roles", ""},
      {"roles", "null"},
      {"roles", "[]"},
      {"roles", R"("")"},
      {"roles", R"("a b")"},
      {"scope", R"(["a"])"},
      {"typ", R"("Bearer")"},
  };
  for (const auto& [name, value] : rows) {
    const auto identity = identity_with(name, value);
    EXPECT_TRUE(identity) << name << ": " << value << identity.error().message;
  }
}

TEST_F(Claims, BoundHowManyRolesThereAre) {
  std::string words;
  std::string list = "[";
  for (std::size_t i = 0; i < kNamesMax; ++i) {
    words += "r ";
    list += R"("r",)";
  }
  EXPECT_EQ(identity_with("roles", fmt::format(R"("{}")", words))->roles.size(), kNamesMax);
  EXPECT_EQ(identity_with("roles", list.substr(0, list.size() - 1) + "]")->roles.size(), kNamesMax);
  EXPECT_FALSE(identity_with("roles", fmt::format(R"("{}r")", words)));
  EXPECT_FALSE(identity_with("roles", list + R"("r"])"));
  EXPECT_TRUE(identity_with("roles", fmt::format(R"("{}")", std::string(9000, ' '))));
}

TEST_F(Claims, TypesAreToldApartWhereThePolicyAsks) {
  const struct {
    std::string_view header;
    bool any;
    bool access_token;
  } rows[] = {
      {R"({"alg":"ES256","kid":"a"})", true, false},
      {R"({"alg":"ES256","kid":"a","typ":"JWT"})", true, false},
      {R"({"alg":"ES256","kid":"a","typ":"jwt"})", true, false},
      {R"({"alg":"ES256","kid":"a","typ":"application/jwt"})", true, false},
      {R"({"alg":"ES256","kid":"a","typ":"at+jwt"})", true, true},
      {R"({"alg":"ES256","kid":"a","typ":"AT+JWT"})", true, true},
      {R"({"alg":"ES256","kid":"a","typ":"application/at+jwt"})", true, true},
      {R"({"alg":"ES256","kid":"a","typ":"dpop+jwt"})", false, false},
      {R"({"alg":"ES256","kid":"a","typ":"logout+jwt"})", false, false},
      {R"({"alg":"ES256","kid":"a","typ":"secevent+jwt"})", false, false},
      {R"({"alg":"ES256","kid":"a","typ":"application/"})", false, false},
      {R"({"alg":"ES256","kid":"a","typ":"JWT "})", false, false},
  };
  JwtPolicy strict = policy();
  strict.type = TokenType::kAccessToken;
  for (const auto& [header, any, access_token] : rows) {
    SCOPED_TRACE(header);
    EXPECT_EQ(identity_of(policy(), claims_with(), kNow, header).has_value(), any);
    EXPECT_EQ(identity_of(strict, claims_with(), kNow, header).has_value(), access_token);
  }
}

TEST_F(Claims, NeverOutliveTheirTokenByMoreThanTheLeeway) {
  JwtPolicy strict = policy();
  strict.leeway = seconds(0);
  EXPECT_TRUE(identity_of(strict, claims_with("exp", "1800000000.000001")));
  EXPECT_FALSE(identity_of(strict, claims_with("exp", "1800000000")));
  EXPECT_FALSE(identity_of(strict, claims_with("nbf", "1800000000.000001")));
  strict.token_max_age = seconds(60);
  EXPECT_FALSE(identity_of(strict, claims_with()));  // No `iat`.
  EXPECT_FALSE(identity_of(strict, claims_with("iat", "1799999940")));
  const auto young = identity_of(strict, claims_with("iat", "1799999941"));
  ASSERT_TRUE(young);
  EXPECT_EQ(young->expires, kNow + seconds(1));
}

TEST_F(Claims, AreFoundByTheirWholeNameThenByTheirPath) {
  const struct {
    std::string_view path;
    std::string_view claims;
    std::string_view found;
  } rows[] = {
      {"org", R"("org":"acme")", "acme"},
      {"a.b.c", R"("a":{"b":{"c":"acme"}})", "acme"},
      {"a.b.c", R"("a.b":{"c":"acme"},"a":{"b":{"c":"zeta"}})", "acme"},
      {"a.b.c", R"("a.b.c":"acme","a.b":{"c":"zeta"})", "acme"},
      {"a.b.c", R"("a":{"b.c":"acme"})", "acme"},
      {"kubernetes.io.namespace", R"("kubernetes.io":{"namespace":"acme"})", "acme"},
      {"https://example.com/org", R"("https://example.com/org":"acme")", "acme"},
      {"https://example.com/claims.org", R"("https://example.com/claims":{"org":"acme"})", "acme"},
      {"a.b", R"("a":"acme")", ""},
      {"a.b", R"("a":["acme"])", ""},
      {"a.", R"("a":{"":"acme"})", "acme"},
      {".a", R"("":{"a":"acme"})", "acme"},
      {"a.b", R"("b":"acme")", ""},
      {"a..b", R"("a":{"b":"acme"})", ""},
      {"...", R"("a":"acme")", ""},
  };
  for (const auto& [path, more, found] : rows) {
    SCOPED_TRACE(path);
    JwtPolicy verifier = policy();
    verifier.claims.tenant = path;
    std::string claims = claims_with("org", "");
    claims.replace(claims.size() - 1, 1, fmt::format(",{}}}", more));
    const auto identity = identity_of(verifier, claims);
    ASSERT_EQ(identity.has_value(), !found.empty());
    if (identity) {
      EXPECT_EQ(identity->tenant, found);
    }
  }
}

TEST_F(Claims, NameWorkloadsByTheirSubject) {
  JwtPolicy workload = policy();
  workload.kind = CredentialKind::kWorkload;
  workload.claims.tenant.clear();
  workload.claims.tenant_by_subject = {{"system:serviceaccount:search:*", "search"},
                                       {"system:serviceaccount:gone:*", "gone"}};
  const auto identity =
      identity_of(workload, claims_with("sub", R"("system:serviceaccount:search:indexer")"));
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->tenant, "search");
  EXPECT_EQ(identity->credential_kind, CredentialKind::kWorkload);
  for (const std::string_view subject : {R"("system:serviceaccount:other:indexer")", R"("alice")",
                                         R"("system:serviceaccount:gone:x")"}) {
    EXPECT_FALSE(identity_of(workload, claims_with("sub", subject))) << subject;
  }
  // A claim names no tenant but those that its issuer has something to say about.
  JwtPolicy bounded = policy();
  ASSERT_TRUE(identity_of(bounded, claims_with()));
  const std::string named(identity_of(bounded, claims_with())->tenant);
  bounded.claims.tenants = {"other-" + named};
  EXPECT_FALSE(identity_of(bounded, claims_with()));
  bounded.claims.tenants.push_back(named);
  EXPECT_TRUE(identity_of(bounded, claims_with()));
  JwtPolicy fixed = policy();
  fixed.claims.tenant.clear();
  fixed.claims.fixed_tenant = "zeta";
  EXPECT_EQ(identity_of(fixed, claims_with())->tenant, "zeta");
  fixed.claims.fixed_tenant.clear();
  EXPECT_FALSE(identity_of(fixed, claims_with()));  // No mapping at all lets nobody in.
}

TEST_F(Claims, NameWorkloadsByTheirSpiffeId) {
  JwtPolicy svid = policy();
  svid.kind = CredentialKind::kWorkload;
  svid.issuer.clear();
  svid.trust_domain = "example.org";
  svid.claims.tenant.clear();
  svid.claims.tenant_by_subject = {{"spiffe://example.org/ns/search/*", "search"}};
  const auto claims = [](std::string_view subject) {
    return fmt::format(R"({{"sub":"{}","aud":["tollgate"],"exp":1800000300}})", subject);
  };
  const std::string good = claims("spiffe://example.org/ns/search/sa/indexer");
  for (const std::string_view header : {R"({"alg":"ES256"})", R"({"alg":"ES256","typ":"JWT"})",
                                        R"({"alg":"ES256","typ":"JOSE"})"}) {
    const auto identity = identity_of(svid, good, kNow, header);
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_EQ(identity->tenant, "search");
    EXPECT_EQ(identity->subject, "spiffe://example.org/ns/search/sa/indexer");
  }
  EXPECT_FALSE(identity_of(svid, good, kNow, R"({"alg":"ES256","typ":"at+jwt"})"));
  for (const std::string_view subject :
       {"spiffe://example.com/ns/search/sa/indexer", "spiffe://example.org",
        "spiffe://example.org/ns/search/../other", "spiffe://example.org.evil/ns/search/x",
        "spiffe://example.org/ns/other/sa/indexer", "spiffe://EXAMPLE.org/ns/search/x", "alice"}) {
    EXPECT_FALSE(identity_of(svid, claims(subject))) << subject;
  }
  // Where an issuer is named as well, it must be that one.
  svid.issuer = "https://login.example.com/";
  EXPECT_FALSE(identity_of(svid, good));
  // One that only names an issuer never answers for a token without one.
  std::vector<JwtPolicy> policies = {policy(), svid};
  policies[1].issuer.clear();
  const std::string text = es256_token(key_, R"({"alg":"ES256"})", good);
  EXPECT_EQ(choose_verifier(policies, *reader_.read(text)), 1u);
}

TEST_F(Claims, BindATokenToACertificate) {
  const auto bound =
      identity_with("cnf", fmt::format(R"({{"x5t#S256":"{}"}})", encoded(std::string(32, 'c'))));
  ASSERT_TRUE(bound);
  Digest proven;
  proven.fill('c');
  EXPECT_TRUE(check_binding(*bound, proven));
  EXPECT_FALSE(check_binding(*bound, std::nullopt));
  proven[31] ^= 1;
  EXPECT_FALSE(check_binding(*bound, proven));
  EXPECT_TRUE(check_binding(*identity_of(policy(), claims_with()), std::nullopt));
}

TEST_F(Claims, ChooseTheirVerifierByIssuerThenAudience) {
  std::vector<JwtPolicy> policies = {policy(), policy(), policy()};
  policies[0].issuer = "https://other.example.com/";
  policies[1].audiences = {"elsewhere"};
  const auto chosen = [&](std::string_view name, std::string_view value) {
    const std::string text = es256_token(key_, R"({"alg":"ES256"})", claims_with(name, value));
    return choose_verifier(policies, *reader_.read(text));
  };
  EXPECT_EQ(chosen("", ""), 2u);
  EXPECT_EQ(chosen("aud", R"("elsewhere")"), 1u);
  EXPECT_EQ(chosen("aud", R"("nobody")"), 1u);  // Its refusal says that it is not for us.
  EXPECT_EQ(chosen("iss", R"("https://other.example.com/")"), 0u);
  for (const std::string_view issuer : {"", "null", R"("")", R"("https://login.example.com")"}) {
    const auto none = chosen("iss", issuer);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().reason, Reason::kInvalidCredential);
  }
}

// Each issuer vouches for its own callers and for no others, even under the same `kid`.
TEST_F(Claims, AreNotProvenByTheKeyOfAnotherIssuer) {
  std::vector<JwtPolicy> policies = {policy(), policy()};
  policies[1].name = "other";
  policies[1].issuer = "https://other.example.com/";
  const SigningKey other_key = SigningKey::make("P-256");
  const KeySet other_keys = *read_key_set(other_key.jwk(), {.algorithms = public_algorithms()});
  const KeySet* sets[] = {&keys_, &other_keys};
  const SigningKey* signers[] = {&key_, &other_key};
  for (const std::size_t issuer : {0u, 1u}) {
    for (const std::size_t signer : {0u, 1u}) {
      const std::string claims =
          claims_with("iss", fmt::format(R"("{}")", policies[issuer].issuer));
      const std::string text =
          es256_token(*signers[signer], R"({"alg":"ES256","kid":"a"})", claims);
      const Token token = *reader_.read(text);
      const auto chosen = choose_verifier(policies, token);
      ASSERT_EQ(chosen, issuer);
      const auto identity =
          verify_token(policies[*chosen], *sets[*chosen], token, tenants_, kNow, arena_);
      EXPECT_EQ(identity.has_value(), issuer == signer);
    }
  }
}

TEST_F(Claims, AreNothingWithoutAKeyOfTheirIssuer) {
  JwtPolicy other = policy();
  other.algorithms = {Algorithm::kRs256};  // The policy decides, whatever the set holds.
  EXPECT_FALSE(identity_of(other, claims_with()));
  const auto unknown = identity_of(policy(), claims_with(), kNow, R"({"alg":"ES256","kid":"b"})");
  ASSERT_FALSE(unknown);
  const std::string forged =
      es256_token(SigningKey::make("P-256"), R"({"alg":"ES256","kid":"a"})", claims_with());
  const auto wrong = verify_token(policy(), keys_, *reader_.read(forged), tenants_, kNow, arena_);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, unknown.error().message);
  EXPECT_EQ(wrong.error().rule, unknown.error().rule);
}

// For any claims: whoever is let in is in a tenant that exists, within the token's time.
TEST_F(Claims, LetNobodyInWhoIsNotNamedForAnyClaims) {
  const std::string_view values[] = {"null",
                                     "0",
                                     "1800000000",
                                     "1800000300",
                                     "-1",
                                     "1.5e9",
                                     R"("acme")",
                                     R"("tollgate")",
                                     R"("alice")",
                                     R"(["tollgate"])",
                                     R"(["acme","x"])",
                                     "{}",
                                     R"({"x5t#S256":"AAAA"})",
                                     "true",
                                     R"("https://login.example.com/")",
                                     "[]"};
  const std::string_view names[] = {"iss", "aud", "exp",   "nbf",   "iat",
                                    "sub", "org", "roles", "scope", "cnf"};
  std::mt19937_64 random{33};
  int admitted = 0;
  for (int step = 0; step < 2'000; ++step) {
    const WallTime now = kNow + seconds(static_cast<std::int64_t>(random() % 800) - 400);
    std::string claims = claims_with(names[random() % std::size(names)],
                                     random() % 2 == 0 ? "" : values[random() % std::size(values)]);
    const auto identity = identity_of(policy(), claims, now);
    if (!identity) {
      ASSERT_FALSE(identity.error().message.empty());
      continue;
    }
    ++admitted;
    ASSERT_TRUE(tenants_.contains(identity->tenant)) << claims;
    ASSERT_FALSE(identity->subject.empty()) << claims;
    ASSERT_LT(now, *identity->expires + policy().leeway) << claims;
    ASSERT_TRUE(claims.contains("tollgate")) << claims;
  }
  EXPECT_GT(admitted, 200);
}

}  // namespace
}  // namespace tollgate::authentication
