#include "controls/authentication/jws.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <random>
#include <vector>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

constexpr std::string_view kClaims = R"({"iss":"https://login.example.com/","sub":"alice"})";
constexpr std::string_view kHeader = R"({"alg":"ES256","kid":"a"})";

constexpr Algorithm kUsed[] = {Algorithm::kRs256, Algorithm::kEs256};

const SigningKey& es256_key() {
  static const SigningKey key = SigningKey::make("P-256");
  return key;
}
const SigningKey& rsa_key() {
  static const SigningKey key = SigningKey::make("RSA");
  return key;
}

// The verifier's set: an ES256 key `a` and an RS256 key `r`.
const KeySet& keys() {
  static const KeySet set = *read_key_set(
      fmt::format(R"({{"keys":[{},{}]}})", es256_key().jwk(), rsa_key().jwk(R"("kid":"r")")),
      {.algorithms = kUsed});
  return set;
}

Expected<void> verdict_on(std::string_view text) {
  TokenReader reader;
  const Expected<Token> token = reader.read(text);
  if (!token) return std::unexpected(token.error());
  const VerificationKey* key = keys().find(token->key_id, token->algorithm);
  if (key == nullptr) return std::unexpected(refuse_signature("authentication.jwt.test"));
  return check_signature(*token, *key, "authentication.jwt.test");
}

std::string signed_with(std::string_view header, std::string_view claims = kClaims) {
  return es256_token(es256_key(), header, claims);
}

std::string signed_raw(const std::string& text) {
  return text + "." + encoded(es256_key().sign(text, "SHA256"));
}

TEST(Jws, AcceptsWhatItsKeySigned) {
  const std::string rs256 = join_token(R"({"alg":"RS256","kid":"r"})", kClaims);
  const std::string rows[] = {
      signed_with(kHeader),
      signed_with(R"({"alg":"ES256"})"),
      signed_with(R"({"typ":"JWT","alg":"ES256","kid":"a","x5t":"AAAA"})"),
      signed_with("{ \"alg\" : \"ES256\",\n\"kid\":\"a\" }"),
      signed_with(R"({"\u0061lg":"ES256","kid":"\u0061"})"),
      rs256 + "." + encoded(rsa_key().sign(rs256, "SHA256")),
  };
  for (const std::string& token : rows) {
    const auto verdict = verdict_on(token);
    EXPECT_TRUE(verdict) << verdict.error().message;
  }
}

TEST(Jws, ReadsWhatTheTokenSays) {
  const std::string text = signed_with(R"({"alg":"ES256","kid":"a","typ":"at+jwt"})");
  TokenReader reader;
  const Expected<Token> token = reader.read(text);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->algorithm, Algorithm::kEs256);
  EXPECT_EQ(token->key_id, "a");
  EXPECT_EQ(token->type, "at+jwt");
  EXPECT_EQ(token->issuer, "https://login.example.com/");
  EXPECT_EQ(token->payload, kClaims);
  EXPECT_EQ(token->signed_text, std::string_view(text).substr(0, text.rfind('.')));
}

// The forms of a public key that verifiers have taken for an HMAC secret.
std::vector<std::string> public_key_forms() {
  const std::string jwk = rsa_key().jwk(R"("kid":"r")");
  std::vector<std::string> forms = {jwk, jwk + "\n"};
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(rsa_key().handle(), &der);
  CHECK(size > 0);
  forms.emplace_back(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  BIO* out = BIO_new(BIO_s_mem());
  CHECK(PEM_write_bio_PUBKEY(out, rsa_key().handle()) == 1);
  char* pem = nullptr;
  const long length = BIO_get_mem_data(out, &pem);
  forms.emplace_back(pem, static_cast<std::size_t>(length));
  forms.emplace_back(pem, static_cast<std::size_t>(length) - 1);
  BIO_free(out);
  return forms;
}

TEST(Jws, NeverTakesAPublicKeyForASecret) {
  for (const std::string& form : public_key_forms()) {
    for (const std::string_view id : {"r", "a"}) {
      const std::string token =
          hs256_token(form, fmt::format(R"({{"alg":"HS256","kid":"{}"}})", id), kClaims);
      EXPECT_FALSE(verdict_on(token)) << form;
    }
  }
}

struct Attack {
  const char* name;
  std::string token;
};

void expect_refused(std::span<const Attack> attacks) {
  for (const auto& [name, token] : attacks) {
    SCOPED_TRACE(name);
    const auto verdict = verdict_on(token);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().reason, Reason::kInvalidCredential);
    EXPECT_LT(verdict.error().message.size(), 200u);
    EXPECT_EQ(verdict.error().message.find("evil"), std::string::npos);
  }
}

// Each row is signed by the key that it would have to be signed by, where it is signed at all:
// what refuses it is not the signature.
TEST(Jws, RefusesTheAttacksOnItsAlgorithmAndKey) {
  const SigningKey attacker = SigningKey::make("P-256");
  const std::string own_jwk =
      fmt::format(R"({{"alg":"ES256","kid":"a","jwk":{}}})", attacker.jwk());
  const Attack attacks[] = {
      {"alg none", join_token(R"({"alg":"none"})", kClaims) + "."},
      {"alg None", join_token(R"({"alg":"None","kid":"a"})", kClaims) + "."},
      {"alg NONE, signed", signed_with(R"({"alg":"NONE","kid":"a"})")},
      {"alg nOnE", join_token(R"({"alg":"nOnE"})", kClaims) + "."},
      {"alg absent", signed_with(R"({"kid":"a"})")},
      {"alg null", signed_with(R"({"alg":null,"kid":"a"})")},
      {"alg a list", signed_with(R"({"alg":["ES256"],"kid":"a"})")},
      {"alg lower case", signed_with(R"({"alg":"es256","kid":"a"})")},
      {"alg of another curve", signed_with(R"({"alg":"ES384","kid":"a"})")},
      {"alg of another family", signed_with(R"({"alg":"RS256","kid":"a"})")},
      {"alg PS256 of an RS256 key",
       [] {
         const std::string text = join_token(R"({"alg":"PS256","kid":"r"})", kClaims);
         return text + "." + encoded(rsa_key().sign(text, "SHA256", true));
       }()},
      {"alg twice", signed_with(R"({"alg":"ES256","alg":"ES256","kid":"a"})")},
      {"alg twice, spelled otherwise",
       signed_with(R"({"alg":"none","\u0061lg":"ES256","kid":"a"})")},
      {"kid twice", signed_with(R"({"alg":"ES256","kid":"b","kid":"a"})")},
      {"embedded jwk", es256_token(attacker, own_jwk, kClaims)},
      {"embedded jwk without kid",
       es256_token(attacker, fmt::format(R"({{"alg":"ES256","jwk":{}}})", attacker.jwk()),
                   kClaims)},
      {"jku", es256_token(attacker, R"({"alg":"ES256","kid":"a","jku":"https://evil.example/"})",
                          kClaims)},
      {"x5u", es256_token(attacker, R"({"alg":"ES256","kid":"a","x5u":"https://evil.example/"})",
                          kClaims)},
      {"x5c", es256_token(attacker, R"({"alg":"ES256","kid":"a","x5c":["AAAA"]})", kClaims)},
  };
  expect_refused(attacks);
}

TEST(Jws, RefusesTheAttacksOnItsHeader) {
  const Attack attacks[] = {
      {"crit unknown", signed_with(R"({"alg":"ES256","kid":"a","crit":["exp"],"exp":1})")},
      {"crit empty", signed_with(R"({"alg":"ES256","kid":"a","crit":[]})")},
      {"crit null", signed_with(R"({"alg":"ES256","kid":"a","crit":null})")},
      {"b64 false", signed_with(R"({"alg":"ES256","kid":"a","b64":false,"crit":["b64"]})")},
      {"b64 alone", signed_with(R"({"alg":"ES256","kid":"a","b64":false})")},
      {"zip", signed_with(R"({"alg":"ES256","kid":"a","zip":"DEF"})")},
      {"enc", signed_with(R"({"alg":"ES256","kid":"a","enc":"A256GCM"})")},
      {"p2c", signed_with(R"({"alg":"ES256","kid":"a","p2c":2147483647})")},
      {"PBES2", signed_with(R"({"alg":"PBES2-HS256+A128KW","kid":"a"})")},
      {"dir", signed_with(R"({"alg":"dir","kid":"a"})")},
      {"nested", signed_with(R"({"alg":"ES256","kid":"a","cty":"JWT"})")},
      {"nested, lower case", signed_with(R"({"alg":"ES256","kid":"a","cty":"jwt"})")},
      {"kid unknown", signed_with(R"({"alg":"ES256","kid":"z"})")},
      {"kid a path", signed_with(R"({"alg":"ES256","kid":"../../../../dev/null"})")},
      {"kid SQL", signed_with(R"({"alg":"ES256","kid":"a' OR '1'='1"})")},
      {"kid with NUL", signed_with(R"({"alg":"ES256","kid":"a\u0000"})")},
      {"kid with NUL first", signed_with(R"({"alg":"ES256","kid":"\u0000a"})")},
      {"kid a number", signed_with(R"({"alg":"ES256","kid":0})")},
      {"kid null", signed_with(R"({"alg":"ES256","kid":null})")},
      {"kid empty", signed_with(R"({"alg":"ES256","kid":""})")},
      {"kid of 300 bytes",
       signed_with(fmt::format(R"({{"alg":"ES256","kid":"{}"}})", std::string(300, 'a')))},
      {"kid of 1 MB",
       signed_with(fmt::format(R"({{"alg":"ES256","kid":"{}"}})", std::string(1 << 20, 'a')))},
      {"typ a number", signed_with(R"({"alg":"ES256","kid":"a","typ":1})")},
      {"header a list", signed_with(R"(["ES256"])")},
      {"header a text", signed_with(R"("ES256")")},
      {"header empty", signed_with("")},
      {"header with a tail", signed_with(R"({"alg":"ES256","kid":"a"}{})")},
      {"header of invalid UTF-8", signed_with("{\"alg\":\"ES256\",\"kid\":\"a\",\"x\":\"\xff\"}")},
      {"header nested", signed_with(R"({"alg":"ES256","kid":"a","x":)" + std::string(20, '[') +
                                    std::string(20, ']') + "}")},
  };
  expect_refused(attacks);
}

TEST(Jws, RefusesTheAttacksOnItsForm) {
  const std::string good = signed_with(kHeader);
  const std::size_t first = good.find('.');
  const std::size_t second = good.rfind('.');
  const std::string header = good.substr(0, first);
  const std::string payload = good.substr(first + 1, second - first - 1);
  const std::string signature = good.substr(second + 1);
  const std::string big = fmt::format(R"({{"x":"{}"}})", std::string(kTokenBytesMax, 'x'));
  const Attack attacks[] = {
      {"nothing", ""},
      {"dots", ".."},
      {"one part", header},
      {"two parts", header + "." + payload},
      {"no signature", header + "." + payload + "."},
      {"four parts", good + "."},
      {"five parts", good + ".."},
      {"five full parts", good + "." + payload + "." + signature},
      {"six parts", good + "..."},
      {"JWE", encoded(R"({"alg":"dir","enc":"A256GCM"})") + "..AAAA." + payload + ".AAAA"},
      {"JWE with a key", encoded(R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"r"})") + "." +
                             signature + ".AAAA." + payload + ".AAAA"},
      {"JWE with a password",
       encoded(R"({"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2s":"AAAA","p2c":2147483647})") +
           "." + signature + ".AAAA." + payload + ".AAAA"},
      {"no header", "." + payload + "." + signature},
      {"no payload", header + ".." + signature},
      {"padding", good + "="},
      {"padding twice", good + "=="},
      {"padded header", signed_raw(header + "=." + payload)},
      {"padded payload", signed_raw(header + "." + payload + "=")},
      {"space before", " " + good},
      {"space behind", good + " "},
      {"new line behind", good + "\n"},
      {"space in the payload", signed_raw(header + ". " + payload)},
      {"new line in the payload", signed_raw(header + "." + payload + "\r\n")},
      {"NUL behind", good + std::string(1, '\0')},
      {"standard alphabet", signed_raw(header + "." + payload + "+/+/")},
      {"unused bits of the payload",
       [&] {
         std::string claims(kClaims);
         while (encoded(claims).size() % 4 != 2) claims.insert(claims.size() - 1, " ");
         std::string text = encoded(claims);
         ++text.back();
         return signed_raw(header + "." + text);
       }()},
      {"longer than 16 KiB", signed_with(kHeader, big)},
      {"a megabyte of dots", std::string(1 << 20, '.')},
      {"a megabyte", std::string(1 << 20, 'A')},
      {"JSON serialisation", fmt::format(R"({{"payload":"{}","protected":"{}","signature":"{}"}})",
                                         payload, header, signature)},
      {"JSON serialisation with an unprotected alg",
       fmt::format(R"({{"payload":"{}","header":{{"alg":"none"}},"signature":"{}"}})", payload,
                   signature)},
      {"claims no object", signed_with(kHeader, R"(["a"])")},
      {"claims null", signed_with(kHeader, "null")},
      {"claims a token", signed_with(kHeader, good)},
      {"sub twice", signed_with(kHeader, R"({"sub":"alice","sub":"root"})")},
      {"exp twice, deep", signed_with(kHeader, R"({"a":[{"exp":1,"exp":2}]})")},
      {"claims with 1e400", signed_with(kHeader, R"({"exp":1e400})")},
      {"claims with a huge integer", signed_with(kHeader, R"({"exp":18446744073709551616})")},
      {"claims with NaN", signed_with(kHeader, R"({"exp":NaN})")},
      {"claims with a lone surrogate", signed_with(kHeader, R"({"sub":"\ud800"})")},
      {"claims deep",
       signed_with(kHeader, R"({"x":)" + std::string(5000, '[') + std::string(5000, ']') + "}")},
  };
  expect_refused(attacks);
}

TEST(Jws, RefusesSignaturesThatAreNone) {
  const std::string text = join_token(kHeader, kClaims);
  // The order of P-256: r and s lie in 1 to n - 1.
  std::string order;
  ASSERT_EQ(decode_base64url("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", order), Decoded::kWell);
  const std::string zero(32, '\0');
  const std::string one = std::string(31, '\0') + '\x01';
  const std::string good = es256_key().sign(text, "SHA256");
  const std::string rows[] = {
      "",
      zero + zero,  // The psychic signature.
      zero + one,
      one + zero,
      one + one,
      order + order,
      order + one,
      one + order,
      zero + order,
      std::string(64, '\xff'),
      es256_key().sign_der(text, "SHA256"),
      good + '\0',
      '\0' + good,
      good.substr(0, 63),
      good.substr(0, 32) + std::string(1, '\0') + good.substr(32),
      SigningKey::make("P-256").sign(text, "SHA256"),
      es256_key().sign(text, "SHA384"),
      std::string(8192, '\x01'),
  };
  const Refusal answer = refuse_signature("authentication.jwt.test");
  ASSERT_TRUE(verdict_on(text + "." + encoded(good)));
  for (const std::string& signature : rows) {
    SCOPED_TRACE(encoded(signature).substr(0, 100));
    const auto verdict = verdict_on(text + "." + encoded(signature));
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().message, answer.message);  // The same as for an unknown key.
  }
}

// For any token: altered at any one byte it is refused.
TEST(Jws, RefusesEveryAlteredByteOfAnyToken) {
  std::mt19937_64 random{23};
  for (int step = 0; step < 8; ++step) {
    std::string claims = R"({"sub":"alice","x":")";
    for (std::size_t i = random() % 40; i > 0; --i)
      claims += static_cast<char>('a' + random() % 26);
    const std::string good = signed_with(kHeader, claims + "\"}");
    ASSERT_TRUE(verdict_on(good));
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string altered = good;
      altered[at] ^= static_cast<char>(1 + random() % 255);
      ASSERT_FALSE(verdict_on(altered)) << at;
      altered = good;
      altered.erase(at, 1);
      ASSERT_FALSE(verdict_on(altered)) << at;
      altered = good;
      altered.insert(at, 1, "A.=\0-e"[random() % 6]);
      ASSERT_FALSE(verdict_on(altered)) << at;
    }
  }
}

TEST(Jws, KnowsATokenByItsDots) {
  EXPECT_TRUE(looks_like_token(signed_with(kHeader)));
  EXPECT_FALSE(looks_like_token("tg_live_AbCdEf012345"));
  EXPECT_FALSE(looks_like_token(""));
}

}  // namespace
}  // namespace tollgate::authentication
