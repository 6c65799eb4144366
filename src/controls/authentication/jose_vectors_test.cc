// The public vectors of C2SP/wycheproof (tests/vectors/jose): each signature and each key gets the
// answer that it is labelled with, but for those that are named here.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <filesystem>
#include <map>
#include <string>

#include "controls/authentication/jwk.h"
#include "controls/authentication/jws.h"

namespace tollgate::authentication {
namespace {

namespace dom = simdjson::dom;

const std::filesystem::path kVectors =
    std::filesystem::path(TOLLGATE_SOURCE_DIR) / "tests/vectors/jose";

constexpr Algorithm kAll[] = {
    Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512, Algorithm::kPs256, Algorithm::kPs384,
    Algorithm::kPs512, Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512, Algorithm::kEdDsa,
    Algorithm::kHs256, Algorithm::kHs384, Algorithm::kHs512};

// Where the file contradicts itself or an RFC, and we keep to the RFC.
struct Exception {
  std::int64_t id;
  bool accepted;
  const char* why;
};
constexpr Exception kSignatureExceptions[] = {
    {346, false, "The key says PS256 and the token PS384: RFC 8725 3.1 pins it to the key."},
    {350, false, "As 346."},
    {367, true, "The same bytes as 357, which is labelled valid."},
    {370, true, "The same bytes as 357, which is labelled valid."},
    {372, false, "A `?` in the header: RFC 7515 2 allows no other characters than base64url's."},
    {373, false, "A `?` in the payload: as 372."},
};

std::string text_of(dom::element element) {
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(element);
}

bool accepts(dom::element keys, const std::string& token) {
  const std::string document = simdjson::minify(keys);
  const bool secret = document.contains(R"("kty":"oct")");
  const auto set = read_key_set(
      document, {.kind = secret ? KeyKind::kSecret : KeyKind::kPublic, .algorithms = kAll});
  if (!set) return false;
  TokenReader reader;
  const Expected<Token> read = reader.read_signed(token);
  if (!read) return false;
  const VerificationKey* key = set->find(read->key_id, read->algorithm);
  return key != nullptr && check_signature(*read, *key, "authentication.jwt.test").has_value();
}

struct Counts {
  int right = 0;
  int excepted = 0;
  int encrypted = 0;
};

// Asserts the answers of one file; encrypted tokens are refused here whatever their label.
Counts replay(const char* name, std::span<const Exception> exceptions) {
  Counts counts;
  dom::parser parser;
  dom::element file;
  const auto error = parser.load((kVectors / name).string()).get(file);
  EXPECT_EQ(error, simdjson::SUCCESS) << name;
  if (error != simdjson::SUCCESS) return counts;
  for (const dom::element group : dom::array(file["testGroups"])) {
    dom::element keys;
    // The private half proves nothing of what a set gives away; where there is no public one the
    // key is a secret.
    if (group["public"].get(keys) != simdjson::SUCCESS) keys = group["private"];
    for (const dom::element test : dom::array(group["tests"])) {
      const std::int64_t id = test["tcId"];
      SCOPED_TRACE(id);
      dom::element token;
      if (test["jws"].get(token) != simdjson::SUCCESS) {
        token = test["jwe"];
        EXPECT_FALSE(accepts(keys, text_of(token)));
        ++counts.encrypted;
        continue;
      }
      const auto exception = std::ranges::find(exceptions, id, &Exception::id);
      const bool labelled = std::string_view(test["result"]) == "valid";
      const bool expected = exception == exceptions.end() ? labelled : exception->accepted;
      EXPECT_EQ(accepts(keys, text_of(token)), expected) << std::string_view(test["comment"]);
      if (exception != exceptions.end()) {
        EXPECT_NE(labelled, exception->accepted) << "No exception any more: " << exception->why;
        ++counts.excepted;
      } else {
        ++counts.right;
      }
    }
  }
  return counts;
}

TEST(JoseVectors, SignaturesGetTheAnswerTheyAreLabelledWith) {
  const Counts counts = replay("json_web_signature_test.json", kSignatureExceptions);
  EXPECT_EQ(counts.right, 395);
  EXPECT_EQ(counts.excepted, 6);
}

TEST(JoseVectors, KeysGetTheAnswerTheyAreLabelledWith) {
  const Counts counts = replay("json_web_key_test.json", {});
  EXPECT_EQ(counts.right, 26);
}

TEST(JoseVectors, MixedOnesGetTheAnswerTheyAreLabelledWith) {
  const Counts counts = replay("json_web_crypto_test.json", {});
  EXPECT_EQ(counts.right, 49);
  EXPECT_EQ(counts.encrypted, 34);
}

}  // namespace
}  // namespace tollgate::authentication
