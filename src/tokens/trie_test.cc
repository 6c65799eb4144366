#include "tokens/trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

namespace tollgate::tokens {
namespace {

Trie planted(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> sorted(words.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::ranges::sort(sorted, {}, [&](std::uint32_t id) { return words[id]; });
  Trie trie;
  trie.build(words, sorted);
  return trie;
}

TEST(Trie, FindsTheLongestWordAndOnlyWholeOnes) {
  std::vector<std::string> words = {"a", "b", "ab", "abcd", std::string("\0b", 2)};
  words.emplace_back(1, '\0');
  const Trie trie = planted(words);
  std::uint64_t steps = 0;
  const auto longest = [&](std::string_view text) {
    return trie.longest(text.data(), text.data() + text.size(), steps);
  };
  EXPECT_EQ(longest("abc").token, 2u);
  EXPECT_EQ(longest("abc").length, 2u);
  EXPECT_EQ(longest("abcde").token, 3u);
  EXPECT_EQ(longest("ba").token, 1u);
  EXPECT_EQ(longest(std::string_view("\0b", 2)).token, 4u);
  EXPECT_EQ(longest(std::string_view("\0a", 2)).token, 5u);
  EXPECT_EQ(trie.find("abc"), kNone);
  EXPECT_EQ(trie.find("abcd"), 3u);
}

// Whatever the words: the same as a look at each of them.
TEST(Trie, AgreesWithALookAtEveryWordForAnyWords) {
  std::mt19937_64 random{21};
  for (int round = 0; round < 40; ++round) {
    const std::uint64_t kinds = round % 2 == 0 ? 3 : 256;
    const auto any_word = [&](std::size_t longest) {
      std::string word(1 + random() % longest, '\0');
      for (char& byte : word) byte = static_cast<char>(random() % kinds);
      return word;
    };
    std::map<std::string, std::uint32_t> known;
    std::vector<std::string> words;
    for (std::uint64_t byte = 0; byte < kinds; ++byte) {
      words.emplace_back(1, static_cast<char>(byte));
      known.emplace(words.back(), words.size() - 1);
    }
    for (int i = 0; i < 800; ++i) {
      std::string word = any_word(9);
      if (known.emplace(word, words.size()).second) words.push_back(std::move(word));
    }
    const Trie trie = planted(words);
    for (int i = 0; i < 400; ++i) {
      const std::string text = any_word(14);
      std::uint32_t expected = kNone;
      std::uint32_t length = 0;
      for (std::uint32_t size = 1; size <= text.size(); ++size) {
        const auto found = known.find(text.substr(0, size));
        if (found == known.end()) continue;
        expected = found->second;
        length = size;
      }
      std::uint64_t steps = 0;
      const Trie::Match match = trie.longest(text.data(), text.data() + text.size(), steps);
      ASSERT_EQ(match.token, expected) << round;
      ASSERT_EQ(match.length, length) << round;
      ASSERT_LE(steps, text.size());
    }
  }
}

}  // namespace
}  // namespace tollgate::tokens
