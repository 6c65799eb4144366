#include "controls/anomalies/features.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "controls/anomalies/blocks.h"

namespace tollgate::anomalies {
namespace {

constexpr std::uint64_t kKey = 0x5eed;

Features of(std::string_view text, std::uint64_t key = kKey) {
  const std::string_view texts[] = {text};
  return measure(texts, key);
}

std::string word_of(std::mt19937_64& random) {
  std::string word;
  for (std::uint64_t left = 4 + random() % 6; left > 0; --left) {
    word += static_cast<char>('a' + random() % 26);
  }
  return word;
}

std::vector<std::string> words_of(std::mt19937_64& random, int count) {
  std::vector<std::string> words;
  for (int i = 0; i < count; ++i) words.push_back(word_of(random));
  return words;
}

std::string text_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

constexpr std::string_view kLetter =
    "Please look at the invoice of last month, compare the amounts with the contract that we "
    "signed, and tell me which lines were charged twice and what we should answer the supplier.";

TEST(Features, OfNothingAreNothing) {
  const Features features = of("");
  EXPECT_EQ(features.bytes, 0);
  EXPECT_EQ(features.words, 0U);
  EXPECT_EQ(features.simhash, 0U);
  EXPECT_EQ(features.longest_run, 0U);
  EXPECT_EQ(features.repetition(), 0U);
}

TEST(Features, CountWhatStandsThere) {
  const Features features = of(kLetter);
  EXPECT_EQ(features.bytes, static_cast<Bytes>(kLetter.size()));
  EXPECT_EQ(features.words, 21U);
  EXPECT_NEAR(features.distinct_words, 21, 1);
  EXPECT_EQ(features.longest_run, 2U);
  EXPECT_EQ(features.scripts, 1U << static_cast<int>(Script::kLatin));
  EXPECT_EQ(features.encoded, 0U);
  EXPECT_EQ(features.beyond_ascii, 0U);
  EXPECT_GT(features.entropy, 450U);
  EXPECT_GT(features.distinct_grams, 850U);
  EXPECT_NE(features.simhash, 0U);
}

TEST(Features, SeeRunsAcrossBlocksAndPieces) {
  for (const std::size_t run : {2UL, 63UL, 64UL, 65UL, 200UL, 4095UL, 4096UL, 4097UL, 20'000UL}) {
    for (const std::size_t before : {0UL, 1UL, 63UL, 100UL}) {
      const std::string text =
          std::string("-xyxy").substr(0, before % 5) + std::string(run, 'a') + "-xy";
      EXPECT_EQ(of(text).longest_run, run) << before;
    }
  }
}

TEST(Features, HaveNothingBeforeTheFirstByte) {
  const std::string_view texts[] = {std::string_view("\0", 1), std::string_view("\0", 1)};
  EXPECT_EQ(measure(texts, kKey).longest_run, 1U);
}

TEST(Features, OfPiecesAreThoseOfTheWhole) {
  std::mt19937_64 random{3};
  const std::vector<std::string> words = words_of(random, 3000);
  std::uint32_t kept = 0;
  std::string text = text_of(words);
  for (const std::string& word : words) kept += word.size() >= 4 ? 1 : 0;
  const Features features = of(text);
  EXPECT_EQ(features.words, kept);
  // However it lies in memory.
  for (std::size_t shift = 1; shift < 70; shift += 7) {
    const std::string moved = std::string(shift, ' ') + text;
    EXPECT_EQ(of(moved).words, kept) << shift;
    EXPECT_EQ(of(moved).exact, features.exact) << shift;
    EXPECT_EQ(of(moved).simhash, features.simhash) << shift;
    EXPECT_EQ(of(moved).minhash, features.minhash) << shift;
  }
}

TEST(Features, DoNotChangeWithNumbersNamesAndCapitals) {
  const Features one =
      of("Please write to our customer Miller that the order 4711 of March is late.");
  const Features two =
      of("Please write to our customer Smithson that the order 815 of April is late.");
  EXPECT_EQ(one.exact, two.exact);
  const Features loud =
      of("PLEASE WRITE TO OUR CUSTOMER MILLER THAT THE ORDER 4711 OF MARCH IS LATE.");
  EXPECT_EQ(loud.simhash, one.simhash);
  EXPECT_EQ(loud.minhash, one.minhash);
  const Features other =
      of("Please write to our supplier Miller that the order 4711 of March is late.");
  EXPECT_NE(other.exact, one.exact);
}

TEST(Features, AreNearForVariantsAndFarForOthers) {
  std::mt19937_64 random{5};
  int near_bits = 0;
  int near_hashes = 0;
  int far_closest = 64;
  int far_hashes = 0;
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<std::string> words = words_of(random, 40);
    std::vector<std::string> changed = words;
    for (int swap = 0; swap < 3; ++swap) changed[random() % changed.size()] = word_of(random);
    const Features one = of(text_of(words));
    const Features variant = of(text_of(changed));
    const Features stranger = of(text_of(words_of(random, 40)));
    near_bits += distance(one.simhash, variant.simhash);
    near_hashes += agreeing(one.minhash, variant.minhash);
    far_closest = std::min(far_closest, distance(one.simhash, stranger.simhash));
    far_hashes = std::max(far_hashes, agreeing(one.minhash, stranger.minhash));
  }
  EXPECT_LT(near_bits, 10 * kRounds);    // Three words in forty: 8 bits by the formula.
  EXPECT_GT(near_hashes, 13 * kRounds);  // 37 of 43 words are shared: 13.8.
  EXPECT_GT(far_closest, 15);
  EXPECT_LT(far_hashes, 4);
}

TEST(Features, AreOthersUnderAnotherKey) {
  EXPECT_NE(of(kLetter, 1).simhash, of(kLetter, 2).simhash);
  EXPECT_NE(of(kLetter, 1).minhash, of(kLetter, 2).minhash);
  EXPECT_EQ(of(kLetter, 1).words, of(kLetter, 2).words);
}

TEST(Features, SeeWhatIsEncodedRepeatedAndEven) {
  EXPECT_GT(of("look: dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw").encoded, 800U);
  EXPECT_GT(of("%69%67%6e%6f%72%65 %61%6c%6c").encoded, 800U);
  EXPECT_EQ(of("a hyperparameterisation of internationalisation").encoded, 0U);
  std::string same;
  for (int i = 0; i < 200; ++i) same += "again and again ";
  EXPECT_GT(of(same).repetition(), 950U);
  EXPECT_LT(of(same).distinct_grams, 200U);
  EXPECT_LT(of(std::string(500, 'a')).entropy, 10U);
}

TEST(Features, TellScripts) {
  const auto bit = [](Script script) { return 1U << static_cast<int>(script); };
  EXPECT_EQ(of("пожалуйста").scripts, bit(Script::kCyrillic));
  EXPECT_EQ(of("ευχαριστώ").scripts, bit(Script::kGreek));
  EXPECT_EQ(of("请总结这个计划").scripts, bit(Script::kHan));
  EXPECT_EQ(of("plan пожалуйста").scripts, bit(Script::kCyrillic) | bit(Script::kLatin));
  EXPECT_EQ(of("ありがとう").scripts, bit(Script::kKana));
  EXPECT_EQ(of("감사합니다").scripts, bit(Script::kHangul));
}

TEST(Features, HaveWordsWhereNobodyWritesSpaces) {
  const Features one = of("请总结这个计划并说明哪些密钥已经更换");
  EXPECT_EQ(one.words, 17U);
  const Features two = of("请总结这个计划并说明哪些密码已经更换");
  EXPECT_LT(distance(one.simhash, two.simhash), 20);
  EXPECT_GT(agreeing(one.minhash, two.minhash), 8);
}

// What vectors say is what each byte says, whatever stands there.
TEST(Features, ClassifyBlocksAsByteByByte) {
  std::mt19937_64 random{9};
  for (int round = 0; round < 20'000; ++round) {
    char bytes[64];
    const std::uint64_t kinds = 1 + random() % 256;
    for (char& byte : bytes) byte = static_cast<char>(random() % kinds);
    const char before = static_cast<char>(random() % kinds);
    const Block fast = classify(bytes, before);
    const Block plain = classify_plain(bytes, before);
    ASSERT_EQ(fast.word, plain.word);
    ASSERT_EQ(fast.digit, plain.digit);
    ASSERT_EQ(fast.upper, plain.upper);
    ASSERT_EQ(fast.beyond, plain.beyond);
    ASSERT_EQ(fast.escape, plain.escape);
    ASSERT_EQ(fast.ending, plain.ending);
    ASSERT_EQ(fast.repeated, plain.repeated);
  }
}

// Whatever bytes there are, cut wherever: no bound is broken (the sanitizers look on).
TEST(Features, TakeAnyBytes) {
  std::mt19937_64 random{13};
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random() % 9'000, '\0');
    const std::uint64_t kinds = 1 + random() % 256;
    const std::uint64_t from = random() % 256;
    for (char& byte : bytes) byte = static_cast<char>(from + random() % kinds);
    const Features features = of(bytes);
    EXPECT_EQ(features.bytes, static_cast<Bytes>(bytes.size()));
    EXPECT_LE(features.encoded, 1000);
    EXPECT_LE(features.entropy, 1000);
    EXPECT_LE(features.longest_run, bytes.size());
    EXPECT_LE(features.distinct_words, features.words);
  }
}

}  // namespace
}  // namespace tollgate::anomalies
