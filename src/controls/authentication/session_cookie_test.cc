#include "controls/authentication/session_cookie.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'800'000'000)};
constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view kClaims =
    R"({"sub":"alice","org":"acme","iat":1800000000,"exp":1800003600})";
const KnownTenants kTenants({"acme"});

// Both made with Node's crypto, its hkdfSync() and the secret above.
constexpr std::string_view kSignedByNode =
    "eyJhbGciOiJIUzI1NiJ9."
    "eyJzdWIiOiJhbGljZSIsIm9yZyI6ImFjbWUiLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMzYwMH0."
    "OS2NEmiLABBpcTVvZAz4KkWqnUn3SaHk4D8aKdtRfkI";
constexpr std::string_view kEncryptedByNode =
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..BwcHBwcHBwcHBwcH."
    "KHOI3XAqVBu2xDJK13SbF_O2GDH5lw3gmwhAZwn39dcoJXxdbWW1uHIefWo8gfb6G33ahvLrxJEYkOhqiwo."
    "ChrBpbOhYk-CckjIRkLlmg";

SessionCookiePolicy policy(CookieForm form = CookieForm::kSigned) {
  SessionCookiePolicy made;
  made.name = "web";
  made.cookie = "sid";
  made.form = form;
  made.claims.tenant = "org";
  return made;
}

SessionKeys keys_of(CookieForm form, std::initializer_list<std::string_view> secrets,
                    SecretUse use = SecretUse::kAsGiven) {
  auto keys = SessionKeys::create(form, use, secrets);
  EXPECT_TRUE(keys) << keys.error();
  return std::move(*keys);
}

std::string sealed(std::string_view secret, std::string_view header, std::string_view claims) {
  const std::string aad = encoded(header);
  const std::string vector(12, '\7');
  std::string text(claims.size(), '\0');
  std::string tag(16, '\0');
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int size = 0;
  auto* out = reinterpret_cast<unsigned char*>(text.data());
  CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(secret).data(),
                           bytes_of(vector).data()) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), nullptr, &size, bytes_of(aad).data(),
                          static_cast<int>(aad.size())) == 1);
  CHECK(EVP_EncryptUpdate(context.get(), out, &size, bytes_of(claims).data(),
                          static_cast<int>(claims.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(context.get(), out + size, &size) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, tag.data()) == 1);
  return aad + ".." + encoded(vector) + "." + encoded(text) + "." + encoded(tag);
}

constexpr std::string_view kHs256 = R"({"alg":"HS256"})";
constexpr std::string_view kDir = R"({"alg":"dir","enc":"A256GCM"})";

class SessionCookie : public testing::TestWithParam<CookieForm> {
 protected:
  std::string make(std::string_view claims, std::string_view secret = kSecret) const {
    return GetParam() == CookieForm::kSigned ? hs256_token(secret, kHs256, claims)
                                             : sealed(secret, kDir, claims);
  }
  Expected<Identity> read(const SessionCookiePolicy& verifier, const SessionKeys& keys,
                          std::string_view cookie, WallTime now = kNow) {
    return reader_.read(verifier, keys, cookie, kTenants, now, arena_);
  }
  Expected<Identity> read(std::string_view cookie, WallTime now = kNow) {
    return read(policy(GetParam()), keys_, cookie, now);
  }

  const SessionKeys keys_ = keys_of(GetParam(), {kSecret});
  SessionCookieReader reader_;
  Arena arena_;
};

INSTANTIATE_TEST_SUITE_P(Forms, SessionCookie,
                         testing::Values(CookieForm::kSigned, CookieForm::kEncrypted),
                         [](const auto& form) {
                           return form.param == CookieForm::kSigned ? "Signed" : "Encrypted";
                         });

TEST_P(SessionCookie, SaysWhoseItIs) {
  const auto identity = read(make(kClaims));
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->tenant, "acme");
  EXPECT_EQ(identity->subject, "alice");
  EXPECT_EQ(identity->credential_kind, CredentialKind::kSession);
  EXPECT_EQ(identity->credential_id, "web/alice");
  EXPECT_EQ(identity->verifier, "web");
  EXPECT_EQ(identity->expires, kNow + hours(1));
}

TEST_P(SessionCookie, ReadsWhatAnotherProgramMade) {
  const SessionKeys keys = keys_of(GetParam(), {kSecret}, SecretUse::kDerived);
  const bool is_signed = GetParam() == CookieForm::kSigned;
  const auto identity =
      read(policy(GetParam()), keys, is_signed ? kSignedByNode : kEncryptedByNode);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->subject, "alice");
  // Derived, a secret opens nothing that was made with it as given; nor the other form.
  EXPECT_FALSE(read(policy(GetParam()), keys, make(kClaims)));
  EXPECT_FALSE(read(policy(GetParam()), keys, is_signed ? kEncryptedByNode : kSignedByNode));
}

TEST_P(SessionCookie, EndsByItselfByItsAgeOrByBeingIdle) {
  SessionCookiePolicy verifier = policy(GetParam());
  verifier.age_max = hours(12);
  verifier.idle_max = seconds(600);
  verifier.last_used = "used";
  const auto ends = [&](std::string_view claims) -> std::optional<WallTime> {
    const auto identity = read(verifier, keys_, make(claims));
    if (!identity) {
      EXPECT_EQ(identity.error().reason, Reason::kExpiredCredential) << claims;
      return std::nullopt;
    }
    return identity->expires;
  };
  constexpr std::string_view kWho = R"({"sub":"alice","org":"acme",)";
  const auto at = [&](std::int64_t iat, std::int64_t exp, std::int64_t used) {
    const std::int64_t now = 1'800'000'000;
    return ends(
        fmt::format(R"({}"iat":{},"exp":{},"used":{}}})", kWho, now + iat, now + exp, now + used));
  };
  EXPECT_EQ(at(0, 100, 0), kNow + seconds(100));
  EXPECT_EQ(at(0, 100'000, 0), kNow + seconds(600));
  EXPECT_EQ(at(-43'000, 100'000, 0), kNow + seconds(200));
  EXPECT_EQ(at(-1000, 100'000, -599), kNow + seconds(1));
  EXPECT_EQ(at(0, 0, 0), std::nullopt);
  EXPECT_EQ(at(-43'200, 100'000, 0), std::nullopt);
  EXPECT_EQ(at(-1000, 100'000, -600), std::nullopt);
  verifier.last_used.clear();  // Its beginning is its only use that is known.
  EXPECT_EQ(at(-599, 100'000, 0), kNow + seconds(1));
  EXPECT_EQ(at(-600, 100'000, 0), std::nullopt);
}

TEST_P(SessionCookie, IsRefusedWithoutWhatItMustSay) {
  const std::string_view rows[] = {
      R"({"sub":"alice","org":"acme","iat":1800000000})",
      R"({"sub":"alice","org":"acme","exp":1800003600})",
      R"({"sub":"alice","org":"acme","iat":"1800000000","exp":1800003600})",
      R"({"sub":"alice","org":"acme","iat":1800000000,"exp":"1800003600"})",
      R"({"sub":"alice","org":"acme","iat":-1,"exp":1800003600})",
      R"({"sub":"alice","org":"acme","iat":1800000031,"exp":1800003600})",
      R"({"sub":"alice","org":"acme","iat":1800000000,"exp":1800003600,"nbf":1800000031})",
      R"({"sub":"alice","org":"nobody","iat":1800000000,"exp":1800003600})",
      R"({"sub":"alice","iat":1800000000,"exp":1800003600})",
      R"({"org":"acme","iat":1800000000,"exp":1800003600})",
      R"({"sub":"alice","sub":"bob","org":"acme","iat":1800000000,"exp":1800003600})",
      "[]",
      "",
      "alice",
  };
  for (const std::string_view claims : rows) {
    const auto identity = read(make(claims));
    ASSERT_FALSE(identity) << claims;
    EXPECT_EQ(identity.error().reason, Reason::kInvalidCredential);
    EXPECT_EQ(identity.error().rule, "authentication.sessions.web");
  }
}

TEST_P(SessionCookie, IsForOneIssuerAndAudienceWhereThePolicySaysSo) {
  SessionCookiePolicy verifier = policy(GetParam());
  verifier.issuer = "shop";
  verifier.audiences = {"tollgate"};
  const auto with = [&](std::string_view more) {
    std::string claims(kClaims);
    claims.replace(claims.size() - 1, 1, fmt::format("{}}}", more));
    return read(verifier, keys_, make(claims)).has_value();
  };
  EXPECT_TRUE(with(R"(,"iss":"shop","aud":"tollgate")"));
  EXPECT_FALSE(with(R"(,"iss":"shop")"));
  EXPECT_FALSE(with(R"(,"aud":"tollgate")"));
  EXPECT_FALSE(with(R"(,"iss":"shop2","aud":"tollgate")"));
}

TEST_P(SessionCookie, IsAcceptedFromPreviousSecretsAndNoOthers) {
  constexpr std::string_view kOld = "fedcba9876543210fedcba9876543210";
  const SessionKeys rotated = keys_of(GetParam(), {kOld, kSecret});
  EXPECT_TRUE(read(policy(GetParam()), rotated, make(kClaims)));
  EXPECT_TRUE(read(policy(GetParam()), rotated, make(kClaims, kOld)));
  EXPECT_FALSE(read(policy(GetParam()), keys_, make(kClaims, kOld)));
  EXPECT_NE(rotated.digest(), keys_.digest());
  EXPECT_EQ(keys_of(GetParam(), {kSecret}).digest(), keys_.digest());
}

TEST_P(SessionCookie, IsRefusedInEveryOtherForm) {
  const SigningKey es256 = SigningKey::make("P-256");
  const std::string text = join_token(kHs256, kClaims);
  std::vector<std::string> rows = {
      "",
      ".",
      "....",
      "..",
      std::string(1 << 20, '.'),
      std::string(1 << 20, 'A'),
      es256_token(es256, R"({"alg":"ES256"})", kClaims),
      join_token(R"({"alg":"none"})", kClaims) + ".",
      text + ".",
      text + "." + encoded(std::string(32, '\0')),
      hs256_token("", kHs256, kClaims),
      hs256_token(std::string(32, '\0'), kHs256, kClaims),
  };
  for (const std::string_view header :
       {R"({"alg":"HS384"})", R"({"alg":"none"})", R"({"alg":"HS256","crit":["x"],"x":1})",
        R"({"alg":"HS256","b64":false})", R"({"alg":"HS256","cty":"JWT"})",
        R"({"alg":"HS256","typ":"at+jwt"})", R"({"alg":"HS256","zip":"DEF"})", "{}"}) {
    rows.push_back(hs256_token(kSecret, header, kClaims));
  }
  for (const std::string_view header :
       {R"({"alg":"dir","enc":"A128GCM"})", R"({"alg":"dir","enc":"A256CBC-HS512"})",
        R"({"alg":"A256KW","enc":"A256GCM"})", R"({"alg":"PBES2-HS256+A128KW","enc":"A256GCM"})",
        R"({"alg":"dir","enc":"A256GCM","zip":"DEF"})", R"({"alg":"dir","enc":"A256GCM","p2c":1})",
        R"({"alg":"dir","enc":"A256GCM","crit":[]})",
        R"({"alg":"dir","enc":"A256GCM","cty":"JWT"})",
        R"({"alg":"dir","alg":"dir","enc":"A256GCM"})", R"({"alg":"dir"})", R"({"enc":"A256GCM"})",
        "[]"}) {
    rows.push_back(sealed(kSecret, header, kClaims));
  }
  std::string with_key = sealed(kSecret, kDir, kClaims);
  with_key.insert(with_key.find('.') + 1, "AAAA");
  rows.push_back(with_key);
  for (const std::string& cookie : rows) {
    SCOPED_TRACE(cookie.substr(0, 100));
    const auto identity = read(cookie);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().reason, Reason::kInvalidCredential);
  }
}

// For any cookie: altered at any one byte it is refused, and by the same words.
TEST_P(SessionCookie, IsRefusedWithAnyByteAltered) {
  std::mt19937_64 random{51};
  const std::string good = make(kClaims);
  ASSERT_TRUE(read(good));
  const std::string words = read("").error().message;
  for (int step = 0; step < 5; ++step) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string altered = good;
      altered[at] ^= static_cast<char>(1 + random() % 255);
      const auto identity = read(altered);
      ASSERT_FALSE(identity) << at;
      ASSERT_EQ(identity.error().message, words);
      altered = good;
      altered.erase(at, 1);
      ASSERT_FALSE(read(altered)) << at;
    }
  }
}

TEST(SessionKeys, TakeASecretAsGivenDerivedOrAsAJwk) {
  const std::string jwk = fmt::format(R"({{"kty":"oct","k":"{}"}})", encoded(kSecret));
  for (const CookieForm form : {CookieForm::kSigned, CookieForm::kEncrypted}) {
    EXPECT_EQ(keys_of(form, {jwk}).digest(), keys_of(form, {kSecret}).digest());
    EXPECT_NE(keys_of(form, {kSecret}, SecretUse::kDerived).digest(),
              keys_of(form, {kSecret}).digest());
  }
  EXPECT_NE(keys_of(CookieForm::kSigned, {kSecret}, SecretUse::kDerived).digest(),
            keys_of(CookieForm::kEncrypted, {kSecret}, SecretUse::kDerived).digest());
}

TEST(SessionKeys, RefuseWeakOrMisplacedSecrets) {
  const std::string k = encoded(kSecret);
  const struct {
    CookieForm form;
    SecretUse use;
    std::string secret;
  } rows[] = {
      {CookieForm::kSigned, SecretUse::kAsGiven, ""},
      {CookieForm::kSigned, SecretUse::kAsGiven, std::string(31, 's')},
      {CookieForm::kSigned, SecretUse::kDerived, std::string(31, 's')},
      {CookieForm::kEncrypted, SecretUse::kAsGiven, std::string(33, 's')},
      {CookieForm::kSigned, SecretUse::kAsGiven, "{" + std::string(40, 's')},
      {CookieForm::kSigned, SecretUse::kAsGiven, R"({"kty":"oct","k":"AAAA"})"},
      {CookieForm::kSigned, SecretUse::kAsGiven, R"({"kty":"oct"})"},
      {CookieForm::kSigned, SecretUse::kAsGiven, R"({"kty":"RSA","k":")" + k + "\"}"},
      {CookieForm::kSigned, SecretUse::kAsGiven, R"({"kty":"oct","use":"enc","k":")" + k + "\"}"},
      {CookieForm::kSigned, SecretUse::kAsGiven,
       R"({"kty":"oct","alg":"A256GCM","k":")" + k + "\"}"},
      {CookieForm::kEncrypted, SecretUse::kAsGiven,
       R"({"kty":"oct","alg":"HS256","k":")" + k + "\"}"},
      {CookieForm::kEncrypted, SecretUse::kDerived,
       R"({"kty":"oct","use":"sig","k":")" + k + "\"}"},
  };
  for (const auto& [form, use, secret] : rows) {
    SCOPED_TRACE(secret);
    const std::string_view secrets[] = {secret};
    const auto keys = SessionKeys::create(form, use, secrets);
    ASSERT_FALSE(keys);
    EXPECT_FALSE(keys.error().empty());
    if (secret.size() > 30) {
      EXPECT_EQ(keys.error().find(secret), std::string::npos);
    }
  }
  EXPECT_FALSE(SessionKeys::create(CookieForm::kSigned, SecretUse::kAsGiven, {}));
  const std::vector<std::string_view> many(5, kSecret);
  EXPECT_FALSE(SessionKeys::create(CookieForm::kSigned, SecretUse::kAsGiven, many));
}

TEST(SessionCookiePolicy, TellsEachMistakeAtItsField) {
  const struct {
    const char* field;
    std::function<void(SessionCookiePolicy&)> make;
  } rows[] = {
      {"name", [](SessionCookiePolicy& p) { p.name.clear(); }},
      {"cookie", [](SessionCookiePolicy& p) { p.cookie.clear(); }},
      {"cookie", [](SessionCookiePolicy& p) { p.cookie = "a=b"; }},
      {"age_max",
       [](SessionCookiePolicy& p) { p.age_max = seconds(-1), p.idle_max = seconds(-2); }},
      {"idle_max", [](SessionCookiePolicy& p) { p.idle_max = seconds(0); }},
      {"idle_max", [](SessionCookiePolicy& p) { p.idle_max = hours(13); }},
      {"audience", [](SessionCookiePolicy& p) { p.audiences = {""}; }},
      {"tenant", [](SessionCookiePolicy& p) { p.claims.tenant.clear(); }},
  };
  EXPECT_TRUE(check(policy()).empty());
  for (const auto& [field, make] : rows) {
    SessionCookiePolicy changed = policy();
    make(changed);
    const auto mistakes = check(changed);
    ASSERT_FALSE(mistakes.empty()) << field;
    EXPECT_EQ(mistakes.front().field, field);
    EXPECT_NE(digest_of(changed), digest_of(policy()));
  }
}

TEST(FindCookie, GivesTheOneOfItsName) {
  const struct {
    std::string_view header;
    std::string_view value;
  } rows[] = {
      {"", ""},
      {"sid=a", "a"},
      {"x=1; sid=a; y=2", "a"},
      {"sid=a;sid=a", "a"},
      {"  sid=a b\t ", "a b"},
      {"sid=a=b", "a=b"},
      {"sid=", ""},
      {"sid", ""},
      {"xsid=b; sidx=c; SID=d", ""},
      {"x=sid=b", ""},
      {";;; ;sid=a;", "a"},
  };
  for (const auto& [header, value] : rows) {
    const auto found = find_cookie(header, "sid");
    ASSERT_TRUE(found) << header;
    EXPECT_EQ(*found, value) << header;
  }
  const auto both = find_cookie("sid=a; sid=b", "sid");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().reason, Reason::kCredentialConflict);
  EXPECT_FALSE(find_cookie("sid=; sid=b", "sid"));
}

}  // namespace
}  // namespace tollgate::authentication
