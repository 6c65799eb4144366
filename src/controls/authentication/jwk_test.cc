#include "controls/authentication/jwk.h"

#include <gtest/gtest.h>

#include <random>

#include "controls/authentication/forged_token_test.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {
namespace {

constexpr Algorithm kSecretAlgorithms[] = {Algorithm::kHs256};

KeySet read(std::string_view document) {
  auto set = read_key_set(document, {.algorithms = public_algorithms()});
  EXPECT_TRUE(set) << set.error();
  return set ? std::move(*set) : KeySet{};
}

std::string set_of(std::initializer_list<std::string> keys) {
  std::string made = R"({"keys":[)";
  for (const std::string& key : keys) made += (made.ends_with('[') ? "" : ",") + key;
  return made + "]}";
}

// A text with the first `from` replaced.
std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const SigningKey& rsa() {
  static const SigningKey key = SigningKey::make("RSA");
  return key;
}
const SigningKey& p256() {
  static const SigningKey key = SigningKey::make("P-256");
  return key;
}

TEST(Base64Url, HasOneSpellingForBytesAndOneReadingForText) {
  std::mt19937_64 random{21};
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string text = encoded(bytes);
    std::string back;
    ASSERT_EQ(decode_base64url(text, back), Decoded::kWell);
    ASSERT_EQ(back, bytes);
    // Whatever other byte stands anywhere: other bytes, or nothing.
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string changed = text;
      changed[at] = static_cast<char>(random());
      if (changed == text) continue;
      const Decoded decoded = decode_base64url(changed, back);
      ASSERT_TRUE(decoded == Decoded::kWell ? back != bytes : back.empty());
    }
  }
  std::string out;
  for (const std::string_view text : {"A", "AA=", "AA==", "AAA=", "AB", "AAB", " AA", "AA ", "AA\n",
                                      "A+AA", "A/AA", "AAAAA", "é"}) {
    EXPECT_EQ(decode_base64url(text, out), Decoded::kMalformed) << text;
  }
  EXPECT_EQ(decode_base64url(std::string_view("A\0AA", 4), out), Decoded::kMalformed);
}

TEST(Algorithm, IsNamedExactlyAsRegistered) {
  for (int i = 0; i < kAlgorithmCount; ++i) {
    const auto algorithm = static_cast<Algorithm>(i);
    EXPECT_EQ(algorithm_named(name_of(algorithm)), algorithm);
  }
  for (const std::string_view name :
       {"none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256K", "RS1", "dir", "EdDSa"}) {
    EXPECT_EQ(algorithm_named(name), std::nullopt) << name;
  }
}

TEST(KeySet, PinsEachKeyToOneAlgorithm) {
  const struct {
    std::string key;
    Algorithm algorithm;
  } rows[] = {
      {rsa().jwk(), Algorithm::kRs256},  // The first RSA one that is allowed.
      {rsa().jwk(R"("alg":"PS384")"), Algorithm::kPs384},
      {rsa().jwk(R"("alg":"RS512","use":"sig","key_ops":["verify"])"), Algorithm::kRs512},
      {p256().jwk(), Algorithm::kEs256},
      {p256().jwk(R"("alg":"ES256")"), Algorithm::kEs256},
      {SigningKey::make("P-384").jwk(), Algorithm::kEs384},
      {SigningKey::make("P-521").jwk(), Algorithm::kEs512},
      {SigningKey::make("P-521").jwk(R"("alg":"ES521")"), Algorithm::kEs512},
      {SigningKey::make("ED25519").jwk(), Algorithm::kEdDsa},
      {p256().jwk(R"("use":"jwt-svid")"), Algorithm::kEs256},
      {SigningKey::make("ED448").jwk(R"("alg":"EdDSA")"), Algorithm::kEdDsa},
  };
  for (const auto& [key, algorithm] : rows) {
    SCOPED_TRACE(key);
    const KeySet set = read(set_of({key}));
    ASSERT_EQ(set.keys.size(), 1u) << set.refused.front().why;
    EXPECT_EQ(set.keys.front().algorithm(), algorithm);
    EXPECT_TRUE(set.refused.empty());
  }
}

// One row a key that proves nothing, and a word that its reason has.
TEST(KeySet, RefusesAKeyAloneAndSaysWhy) {
  const std::string small = SigningKey::make("RSA", 1024).jwk();
  const std::string other_point = SigningKey::make("P-256").jwk();
  const auto y_of = [](const std::string& jwk) { return jwk.substr(jwk.find(R"("y":)"), 49); };
  const struct {
    std::string key;
    std::string_view why;
  } rows[] = {
      {"1", "object"},
      {"[]", "object"},
      {"{}", "kty"},
      {R"({"kty":1})", "kty"},
      {R"({"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"HS256"})", "oct"},
      {replaced(rsa().jwk(), "RSA", "rsa"), "kty"},
      {replaced(rsa().jwk(), "RSA", "EC"), "curve"},
      {small, "1024 bits"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":"AQ")"), "exponent"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":"AAAAAQ")"), "exponent"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":"AQAA")"), "exponent"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":"AQAAAAE")"), "exponent"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":"")"), "exponent"},
      {replaced(rsa().jwk(), R"("e":"AQAB")", R"("e":65537)"), "missing"},
      {replaced(rsa().jwk(), R"("e":"AQAB",)", ""), "missing"},
      {fmt::format(R"({{"kty":"RSA","e":"AQAB","n":"{}"}})", encoded(std::string(1025, '\xff'))),
       "malformed"},
      {fmt::format(R"({{"kty":"RSA","e":"AQAB","n":"{}"}})", encoded(std::string(256, '\xfe'))),
       "even"},
      {rsa().jwk(R"("use":"enc")"), "use"},
      {rsa().jwk(R"("use":["sig"])"), "use"},
      {rsa().jwk(R"("use":"x509-svid")"), "use"},
      {rsa().jwk(R"("key_ops":["sign","encrypt"])"), "key_ops"},
      {rsa().jwk(R"("key_ops":"verify")"), "key_ops"},
      {rsa().jwk(R"("key_ops":[])"), "key_ops"},
      {rsa().jwk(R"("alg":"RSA-OAEP")"), "alg"},
      {rsa().jwk(R"("alg":"none")"), "alg"},
      {rsa().jwk(R"("alg":"HS256")"), "alg"},
      {rsa().jwk(R"("alg":"ES256")"), "alg"},
      {rsa().jwk(R"("alg":256)"), "alg"},
      {rsa().jwk(R"("kid":1)"), "kid"},
      {rsa().jwk(fmt::format(R"("kid":"{}")", std::string(257, 'k'))), "kid"},
      {rsa().jwk(R"("d":"AQAB")"), "private"},
      {p256().jwk(R"("alg":"ES384")"), "alg"},
      {p256().jwk(R"("alg":"RS256")"), "alg"},
      {replaced(p256().jwk(), "P-256", "P-384"), "size"},
      {replaced(p256().jwk(), "P-256", "secp256k1"), "curve"},
      {replaced(p256().jwk(), "P-256", "p-256"), "curve"},
      {replaced(p256().jwk(), y_of(p256().jwk()), y_of(other_point)), "not on its curve"},
      {replaced(p256().jwk(), R"("x":")", R"("x":"AAAA)"), "size"},
      {replaced(p256().jwk(), R"("x":")", R"("x":"=)"), "missing"},
      {fmt::format(R"({{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}})",
                   encoded(std::string(32, '\0'))),
       "not on its curve"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", "size"},
      {R"({"kty":"OKP","crv":"X25519","x":"AAAA"})", "curve"},
      {R"({"kty":"OKP","crv":"P-256","x":"AAAA"})", "curve"},
      {SigningKey::make("ED25519").jwk(R"("alg":"ES256")"), "alg"},
  };
  const std::string good = p256().jwk(R"("kid":"good")");
  for (const auto& [key, why] : rows) {
    SCOPED_TRACE(key);
    const KeySet set = read(set_of({key, good}));
    ASSERT_EQ(set.refused.size(), 1u);
    EXPECT_NE(set.refused.front().why.find(why), std::string::npos) << set.refused.front().why;
    ASSERT_EQ(set.keys.size(), 1u);  // One bad key does not lose the others.
    EXPECT_EQ(set.keys.front().id(), "good");
  }
}

TEST(KeySet, TakesOnlyAlgorithmsThatAreAllowed) {
  const Algorithm allowed[] = {Algorithm::kEs256, Algorithm::kPs256};
  const auto set = read_key_set(set_of({p256().jwk(R"("kid":"a")"), rsa().jwk(R"("kid":"b")"),
                                        rsa().jwk(R"("kid":"c","alg":"RS256")"),
                                        SigningKey::make("ED25519").jwk(R"("kid":"d")")}),
                                {.algorithms = allowed});
  ASSERT_TRUE(set);
  ASSERT_EQ(set->keys.size(), 2u);
  EXPECT_NE(set->find("a", Algorithm::kEs256), nullptr);
  EXPECT_NE(set->find("b", Algorithm::kPs256), nullptr);
  EXPECT_EQ(set->find("b", Algorithm::kRs256), nullptr);
  EXPECT_EQ(set->refused.size(), 2u);
}

TEST(KeySet, TakesNeitherOfTwoKeysThatOneIdCouldMean) {
  const KeySet set =
      read(set_of({p256().jwk(R"("kid":"a")"), SigningKey::make("P-256").jwk(R"("kid":"a")"),
                   rsa().jwk(R"("kid":"a")"), p256().jwk(R"("kid":"b")")}));
  EXPECT_EQ(set.find("a", Algorithm::kEs256), nullptr);
  EXPECT_NE(set.find("a", Algorithm::kRs256), nullptr);  // Another algorithm: no doubt.
  EXPECT_NE(set.find("b", Algorithm::kEs256), nullptr);
  EXPECT_EQ(set.refused.size(), 2u);
}

TEST(KeySet, FindsAKeyWithoutIdOnlyWhereOneCanBeMeant) {
  const KeySet one = read(set_of({p256().jwk("")}));
  EXPECT_NE(one.find(std::nullopt, Algorithm::kEs256), nullptr);
  EXPECT_EQ(one.find(std::nullopt, Algorithm::kRs256), nullptr);
  EXPECT_EQ(one.find("a", Algorithm::kEs256), nullptr);
  const KeySet two = read(set_of({p256().jwk(), SigningKey::make("P-256").jwk(R"("kid":"b")")}));
  EXPECT_EQ(two.find(std::nullopt, Algorithm::kEs256), nullptr);
  EXPECT_NE(two.find("b", Algorithm::kEs256), nullptr);
  EXPECT_EQ(two.find("B", Algorithm::kEs256), nullptr);
  EXPECT_EQ(two.find("", Algorithm::kEs256), nullptr);
}

TEST(KeySet, RefusesADocumentThatIsNone) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  std::string many = R"({"keys":[)";
  for (int i = 0; i < 257; ++i) many += i == 0 ? "{}" : ",{}";
  const std::string rows[] = {
      "",
      "null",
      "[]",
      "{}",
      "{\"keys\":",
      R"({"keys":{}})",
      R"({"keys":[],"keys":[]})",
      R"({"keys":[{"kty":"EC","kty":"EC"}]})",
      R"({"keys":[)" + deep + "]}",
      many + "]}",
      "{\"keys\":[\"\xff\"]}",
      R"({"keys":[]})" + std::string(KeySet::kDocumentBytesMax, ' '),
  };
  for (const std::string& document : rows) {
    SCOPED_TRACE(document.substr(0, 60));
    const auto set = read_key_set(document, {.algorithms = public_algorithms()});
    ASSERT_FALSE(set);
    EXPECT_FALSE(set.error().empty());
  }
  EXPECT_TRUE(read(R"({"keys":[]})").keys.empty());
}

TEST(KeySet, TakesSecretsOnlyWhereTheyAreAskedFor) {
  const std::string secret =
      R"({"kty":"oct","kid":"s","k":")" + encoded(std::string(32, 's')) + "\"}";
  const KeyRules rules{.kind = KeyKind::kSecret, .algorithms = kSecretAlgorithms};
  const auto set = read_key_set(set_of({secret}), rules);
  ASSERT_TRUE(set);
  ASSERT_EQ(set->keys.size(), 1u);
  EXPECT_EQ(set->keys.front().algorithm(), Algorithm::kHs256);
  EXPECT_TRUE(read(set_of({secret})).keys.empty());
  // Beside public keys it has been published.
  EXPECT_TRUE(read_key_set(set_of({secret, p256().jwk()}), rules)->keys.empty());
  const std::string weak =
      R"({"kty":"oct","kid":"s","k":")" + encoded(std::string(31, 's')) + "\"}";
  EXPECT_TRUE(read_key_set(set_of({weak}), rules)->keys.empty());
}

TEST(KeySet, HasTheSameDigestForTheSameKeysInAnyOrder) {
  const std::string a = p256().jwk(R"("kid":"a")");
  const std::string b = rsa().jwk(R"("kid":"b")");
  const Digest digest = read(set_of({a, b})).digest;
  EXPECT_EQ(read(set_of({b, a})).digest, digest);
  EXPECT_EQ(read(set_of({b, "{}", a})).digest, digest);
  EXPECT_NE(read(set_of({a})).digest, digest);
  EXPECT_NE(read(set_of({a, rsa().jwk(R"("kid":"c")")})).digest, digest);
  EXPECT_NE(read(set_of({a, rsa().jwk(R"("kid":"b","alg":"PS256")")})).digest, digest);
  EXPECT_NE(read(set_of({SigningKey::make("P-256").jwk(R"("kid":"a")"), b})).digest, digest);
}

TEST(VerificationKey, ProvesWhatItsKeySignedAndNothingElse) {
  const struct {
    SigningKey key;
    std::string members;
    const char* digest;
    bool pss = false;
  } rows[] = {
      {rsa(), R"("alg":"RS256")", "SHA256"},
      {rsa(), R"("alg":"RS384")", "SHA384"},
      {rsa(), R"("alg":"RS512")", "SHA512"},
      {rsa(), R"("alg":"PS256")", "SHA256", true},
      {rsa(), R"("alg":"PS384")", "SHA384", true},
      {rsa(), R"("alg":"PS512")", "SHA512", true},
      {p256(), "", "SHA256"},
      {SigningKey::make("P-384"), "", "SHA384"},
      {SigningKey::make("P-521"), "", "SHA512"},
      {SigningKey::make("ED25519"), "", nullptr},
      {SigningKey::make("ED448"), "", nullptr},
  };
  std::mt19937_64 random{22};
  for (const auto& [key, members, digest, pss] : rows) {
    const KeySet set = read(set_of({key.jwk(members)}));
    ASSERT_EQ(set.keys.size(), 1u);
    SCOPED_TRACE(name_of(set.keys.front().algorithm()));
    const std::string signature = key.sign("text", digest, pss);
    EXPECT_TRUE(set.keys.front().proves("text", bytes_of(signature)));
    EXPECT_FALSE(set.keys.front().proves("texT", bytes_of(signature)));
    EXPECT_FALSE(set.keys.front().proves("", bytes_of(signature)));
    EXPECT_FALSE(set.keys.front().proves("text", {}));
    EXPECT_FALSE(set.keys.front().proves("text", bytes_of(signature + '\0')));
    EXPECT_FALSE(set.keys.front().proves("text", bytes_of(signature.substr(1))));
    for (int i = 0; i < 20; ++i) {
      std::string changed = signature;
      changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
      EXPECT_FALSE(set.keys.front().proves("text", bytes_of(changed)));
    }
    for (const char byte : {'\0', '\1', '\xff'}) {
      EXPECT_FALSE(set.keys.front().proves("text", bytes_of(std::string(signature.size(), byte))));
    }
  }
}

}  // namespace
}  // namespace tollgate::authentication
