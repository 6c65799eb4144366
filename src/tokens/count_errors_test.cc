#include "tokens/count_errors.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace tollgate::tokens {
namespace {

using Seen = CountError::Seen;

constexpr WallTime kMonday = WallTime(std::chrono::seconds(2900 * CountError::kWeek));
constexpr Duration kOneWeek = std::chrono::seconds(CountError::kWeek);

TEST(CountErrors, HoldNoLessThanWasSeen) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 200; ++round) {
    CountError error;
    std::vector<std::pair<Tokens, Tokens>> all;
    for (int i = 0; i < 20; ++i) {
      const auto counted = static_cast<Tokens>(1 + random() % (1 << (random() % 24)));
      const auto reported = static_cast<Tokens>(random() % static_cast<std::uint64_t>(counted * 4));
      all.emplace_back(counted, reported);
      error.learn(counted, reported, kMonday);
    }
    for (const auto& [counted, reported] : all) {
      ASSERT_GE(counted + error.margin(counted), reported) << counted;
    }
  }
}

// Little that is added to every request is no part of a large one.
TEST(CountErrors, TellTokensARequestFromAPartOfIt) {
  CountError error;
  EXPECT_TRUE(error.learn(10, 40, kMonday));
  EXPECT_EQ(error.seen(), (Seen{0, 30}));
  EXPECT_EQ(error.margin(100'000), 30);
  EXPECT_TRUE(error.learn(1000, 1164, kMonday));
  EXPECT_EQ(error.seen(), (Seen{100'000, 64}));
  EXPECT_EQ(error.margin(1000), 164);
  EXPECT_EQ(error.margin(0), 64);
}

TEST(CountErrors, LearnNothingFromWhatIsNotAbove) {
  CountError error;
  for (const Tokens reported : {Tokens{100}, Tokens{99}, Tokens{0}, Tokens{-5}}) {
    EXPECT_FALSE(error.learn(100, reported, kMonday));
  }
  EXPECT_FALSE(error.learn(0, 7, kMonday));
  EXPECT_EQ(error.margin(100), 0);
}

TEST(CountErrors, TakeNonsenseForNoMoreThanThreeTimesTheCount) {
  CountError error;
  EXPECT_TRUE(error.learn(1000, INT64_MAX, kMonday));
  EXPECT_EQ(error.margin(1000), 3064);
  EXPECT_EQ(error.margin(kTokensMax), 3 * kTokensMax + 64);
}

TEST(CountErrors, AreForgottenAfterTwoWeeks) {
  CountError error;
  error.learn(1000, 1264, kMonday);
  error.learn(1000, 1064, kMonday + kOneWeek);
  EXPECT_EQ(error.margin(1000), 264);
  // A clock that was put back changes nothing.
  error.learn(1000, 1000, kMonday - 3 * kOneWeek);
  EXPECT_EQ(error.margin(1000), 264);
  error.learn(1000, 1000, kMonday + 2 * kOneWeek);
  EXPECT_EQ(error.margin(1000), 64);
  error.learn(1000, 1000, kMonday + 4 * kOneWeek);
  EXPECT_EQ(error.margin(1000), 0);
}

TEST(CountErrors, AreOfAModelAndItsTokenizerAndTellWhenTheyGrow) {
  CountErrors errors;
  CountError& small = errors.of("small", "o200k_base");
  EXPECT_EQ(&small, &errors.of("small", "o200k_base"));
  errors.learn(small, 10, 20, kMonday);
  EXPECT_EQ(errors.changes(), 1);
  errors.learn(small, 10, 20, kMonday);
  errors.learn(small, 10, 15, kMonday);
  EXPECT_EQ(errors.changes(), 1);
  errors.learn(small, 10, 21, kMonday);
  EXPECT_EQ(errors.changes(), 2);
  EXPECT_EQ(errors.of("small", "").margin(10), 0);
  EXPECT_EQ(errors.of("large", "o200k_base").margin(10), 0);
  EXPECT_EQ(errors.all().size(), 3);
}

TEST(CountErrors, TakeInWhatOthersHaveLearned) {
  CountError error;
  error.learn(1000, 1010, kMonday);
  error.take({kMonday.time_since_epoch() / kOneWeek - 1, {50'000, 64}, {900'000, 64}});
  EXPECT_EQ(error.learned().now, (Seen{0, 10}));
  EXPECT_EQ(error.learned().before, (Seen{50'000, 64}));
  EXPECT_EQ(error.margin(1000), 114);
  error.take({kMonday.time_since_epoch() / kOneWeek + 1, {1, 1}, {2, 2}});
  EXPECT_EQ(error.learned().now, (Seen{1, 1}));
  EXPECT_EQ(error.learned().before, (Seen{2, 10}));
}

TEST(CountErrors, AreLearnedByManyThreads) {
  CountErrors errors;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&errors, t] {
      for (Tokens i = 0; i < 1000; ++i) {
        CountError& error = errors.of("small", "");
        errors.learn(error, 100'000, 100'000 + i * (t + 1), kMonday);
        ASSERT_GE(error.margin(100'000), i * (t + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(errors.of("small", "").margin(100'000), 4 * 999);
}

}  // namespace
}  // namespace tollgate::tokens
