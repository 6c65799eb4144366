#include "controls/authentication/spiffe_id.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tollgate::authentication {
namespace {

TEST(SpiffeId, IsReadAsItsStandardWritesIt) {
  const auto id = read_spiffe_id("spiffe://k8s-west.example.org/ns/search/sa/in_dex.er-1");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->trust_domain, "k8s-west.example.org");
  EXPECT_EQ(id->path, "/ns/search/sa/in_dex.er-1");
  EXPECT_EQ(read_spiffe_id("spiffe://example.org")->path, "");
  EXPECT_TRUE(read_spiffe_id("spiffe://example.org/A/..."));
  EXPECT_TRUE(read_spiffe_id("spiffe://example.org/" + std::string(2048 - 21, 'a')));
  EXPECT_TRUE(read_spiffe_id("spiffe://" + std::string(255, 'a') + "/b"));
}

TEST(SpiffeId, IsNothingInAnotherSpelling) {
  const std::string rows[] = {
      "",
      "spiffe://",
      "spiffe:///path",
      "SPIFFE://example.org/a",
      "spiffe:/example.org/a",
      "https://example.org/a",
      " spiffe://example.org/a",
      "spiffe://Example.org/a",
      "spiffe://example.org:443/a",
      "spiffe://user@example.org/a",
      "spiffe://[::1]/a",
      "spiffe://ex%41mple.org/a",
      "spiffe://example.org/",
      "spiffe://example.org/a/",
      "spiffe://example.org//a",
      "spiffe://example.org/a//b",
      "spiffe://example.org/./a",
      "spiffe://example.org/a/..",
      "spiffe://example.org/a/../b",
      "spiffe://example.org/%61",
      "spiffe://example.org/a?b",
      "spiffe://example.org?b",
      "spiffe://example.org/a#b",
      "spiffe://example.org/a b",
      "spiffe://example.org/a*",
      "spiffe://example.org/\xc3\xa9",
      std::string("spiffe://example.org/a\0b", 24),
      "spiffe://" + std::string(256, 'a') + "/b",
      "spiffe://example.org/" + std::string(2048 - 20, 'a'),
  };
  for (const std::string& text : rows) {
    EXPECT_FALSE(read_spiffe_id(text)) << text.substr(0, 80);
  }
}

// For any text: what is read is the text itself, so two that differ name two workloads.
TEST(SpiffeId, HasOneSpellingForAnyText) {
  constexpr std::string_view kLetters = "ab./:-%A";
  std::mt19937_64 random{61};
  int read = 0;
  for (int step = 0; step < 50'000; ++step) {
    std::string text = "spiffe://";
    for (std::size_t i = random() % 12; i > 0; --i) text += kLetters[random() % kLetters.size()];
    const auto id = read_spiffe_id(text);
    if (!id) continue;
    ++read;
    ASSERT_EQ("spiffe://" + std::string(id->trust_domain) + std::string(id->path), text);
    ASSERT_TRUE(is_trust_domain(id->trust_domain));
    ASSERT_FALSE(text.ends_with('/'));
    ASSERT_EQ((std::string(id->path) + "/").find("/../"), std::string::npos);
  }
  EXPECT_GT(read, 500);
}

}  // namespace
}  // namespace tollgate::authentication
