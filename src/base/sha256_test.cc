#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace tollgate {
namespace {

std::string hex(std::string_view text) {
  std::string made;
  for (const std::uint8_t byte : sha256(text)) {
    made += "0123456789abcdef"[byte >> 4u];
    made += "0123456789abcdef"[byte & 15u];
  }
  return made;
}

// FIPS 180-4, and nothing is left of the text before.
TEST(Sha256, GivesTheDigestsOfTheStandard) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
}

}  // namespace
}  // namespace tollgate
