#include "tokens/known_texts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace tollgate::tokens {
namespace {

TEST(KnownTexts, KnowsWhatItKept) {
  KnownTexts known;
  const KnownTexts::Key key = KnownTexts::key("acme", "a text");
  EXPECT_EQ(known.find(key), std::nullopt);
  known.keep(key, 3);
  EXPECT_EQ(known.find(key), 3);
  EXPECT_EQ(known.find(KnownTexts::key("acme", "a texu")), std::nullopt);
}

TEST(KnownTexts, TellsNoOwnerWhatAnotherHasSent) {
  KnownTexts known;
  known.keep(KnownTexts::key("acme", "a text"), 3);
  EXPECT_EQ(known.find(KnownTexts::key("other", "a text")), std::nullopt);
  // Nor does it take an owner's name for a part of the text.
  EXPECT_EQ(known.find(KnownTexts::key("a text", "acme")), std::nullopt);
}

TEST(KnownTexts, AnEmptyPlaceIsNoText) {
  const KnownTexts known;
  EXPECT_EQ(known.find({0, 0}), std::nullopt);
}

// For any history: what is found is what was kept last under that key, and the newest is found.
TEST(KnownTexts, NeverTellsAWrongCount) {
  std::mt19937_64 random(7);
  KnownTexts known;
  std::map<std::string, Tokens> truth;
  int found = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string text = std::to_string(random() % (4 * KnownTexts::kTextsMax));
    const KnownTexts::Key key = KnownTexts::key("acme", text);
    if (const std::optional<Tokens> tokens = known.find(key)) {
      ASSERT_EQ(*tokens, truth.at(text));
      ++found;
      continue;
    }
    const auto tokens = static_cast<Tokens>(random() % 1000);
    truth[text] = tokens;
    known.keep(key, tokens);
    ASSERT_EQ(known.find(key), tokens);
  }
  EXPECT_GT(found, 10'000);
}

}  // namespace
}  // namespace tollgate::tokens
