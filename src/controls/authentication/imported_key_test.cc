#include "controls/authentication/imported_key.h"

#include <gtest/gtest.h>

namespace tollgate::authentication {
namespace {

const Pepper& pepper() {
  static const Pepper made{std::array<std::uint8_t, 32>{1, 2, 3}};
  return made;
}

// Of "abc", FIPS 180-2 B.1.
constexpr std::string_view kDigest =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(ImportedKey, IsKnownByTheHashThatItsOwnerCanCompute) {
  const std::optional<Digest> sha256 = read_imported_digest(kDigest);
  ASSERT_TRUE(sha256);
  const ImportedKey by_hash = imported_key(pepper(), *sha256);
  const ImportedKey shown = imported_key(pepper(), std::string_view("abc"));
  EXPECT_EQ(by_hash.id(), shown.id());
  EXPECT_EQ(by_hash.digest, shown.digest);
  EXPECT_TRUE(is_imported(shown.id()));
  EXPECT_NE(by_hash.digest, *sha256);
}

TEST(ImportedKey, HasNoDigestOrIdThatIsACredential) {
  const ImportedKey key = imported_key(pepper(), std::string_view("abc"));
  const std::string_view raw(reinterpret_cast<const char*>(key.digest.data()), key.digest.size());
  for (const std::string_view shown : {kDigest, kDigest.substr(7), raw, key.id()}) {
    EXPECT_NE(imported_key(pepper(), shown).digest, key.digest);
  }
  const Pepper other{std::array<std::uint8_t, 32>{9}};
  EXPECT_NE(imported_key(other, std::string_view("abc")).id(), key.id());
}

TEST(ImportedKey, IsReadFromWholeDigestsAlone) {
  const std::string good(kDigest);
  EXPECT_TRUE(read_imported_digest("sha256:" + std::string(64, 'F')));
  for (const std::string& bad :
       {std::string(), good.substr(7), good + "0", good.substr(0, good.size() - 1),
        "sha1:" + good.substr(7), "sha256:" + std::string(63, '0') + "g",
        "sha256:" + std::string(62, '0') + "+1", "sha256:" + std::string(62, '0') + " 1"}) {
    EXPECT_FALSE(read_imported_digest(bad)) << bad;
  }
}

TEST(ImportedKey, IsNeverOfOurOwnShape) {
  EXPECT_TRUE(may_be_imported("sk-1"));
  EXPECT_TRUE(may_be_imported(std::string(256, 'x')));
  EXPECT_FALSE(may_be_imported(std::string(257, 'x')));
  EXPECT_FALSE(may_be_imported(""));
  EXPECT_FALSE(may_be_imported("tg_live_x"));
}

}  // namespace
}  // namespace tollgate::authentication
