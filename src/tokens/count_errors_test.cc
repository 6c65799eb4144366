#include "tokens/count_errors.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>
#include <vector>

namespace tollgate::tokens {
namespace {

using Seen = CountError::Seen;

constexpr WallTime kMonday = WallTime(std::chrono::seconds(2900 * CountError::kWeek));
constexpr Duration kOneWeek = std::chrono::seconds(CountError::kWeek);

// Whether more is in force after the third time.
bool learn_often(CountError& error, Tokens counted, Tokens reported, WallTime now = kMonday) {
  bool more = false;
  for (std::size_t i = 0; i < CountError::kSightings; ++i) {
    more = error.learn(counted, reported, now);
  }
  return more;
}

TEST(CountErrors, HoldNoLessThanWasSeenOften) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 200; ++round) {
    CountError error;
    std::vector<std::pair<Tokens, Tokens>> all;
    for (int i = 0; i < 20; ++i) {
      const auto counted = static_cast<Tokens>(1 + random() % (1 << (random() % 24)));
      const auto most = static_cast<std::uint64_t>(
          counted < CountError::kPartFrom ? counted + CountError::kTokensMost : counted * 4);
      all.emplace_back(counted, static_cast<Tokens>(random() % most));
      learn_often(error, all.back().first, all.back().second);
    }
    for (const auto& [counted, reported] : all) {
      ASSERT_GE(counted + error.margin(counted), reported) << counted;
    }
  }
}

TEST(CountErrors, BelieveWhatTheySawThreeTimes) {
  CountError error;
  EXPECT_FALSE(error.learn(5000, 20'000, kMonday));
  EXPECT_FALSE(error.learn(5000, 10'064, kMonday));
  EXPECT_EQ(error.margin(5000), 0);
  EXPECT_TRUE(error.learn(5000, 7564, kMonday));
  EXPECT_EQ(error.in_force(), (Seen{500'000, 64}));
  EXPECT_TRUE(error.learn(5000, 10'064, kMonday));
  EXPECT_EQ(error.in_force(), (Seen{1'000'000, 64}));
  EXPECT_FALSE(error.learn(5000, 5500, kMonday));
}

// Little that is added to every request is no part of a large one.
TEST(CountErrors, TellTokensARequestFromAPartOfIt) {
  CountError error;
  EXPECT_TRUE(learn_often(error, 9, 109));
  EXPECT_EQ(error.in_force(), (Seen{0, 100}));
  EXPECT_EQ(error.margin(100'000), 100);
  EXPECT_TRUE(learn_often(error, 1000, 1164));
  EXPECT_EQ(error.in_force(), (Seen{100'000, 100}));
  EXPECT_EQ(error.margin(1000), 200);
  EXPECT_EQ(error.margin(0), 100);
}

TEST(CountErrors, LearnNothingFromWhatIsNotAbove) {
  CountError error;
  for (const Tokens reported : {Tokens{100}, Tokens{99}, Tokens{0}, Tokens{-5}}) {
    EXPECT_FALSE(learn_often(error, 100, reported));
  }
  EXPECT_FALSE(learn_often(error, 0, 7));
  EXPECT_EQ(error.margin(100), 0);
}

TEST(CountErrors, TakeNonsenseForNoMoreThanItCanBe) {
  CountError error;
  EXPECT_TRUE(learn_often(error, 9, INT64_MAX));
  EXPECT_EQ(error.margin(1000), 1024);
  EXPECT_TRUE(learn_often(error, 1000, INT64_MAX));
  EXPECT_EQ(error.margin(1000), 3000 + 1024);
  EXPECT_EQ(error.margin(kTokensMax), 3 * kTokensMax + 1024);
}

TEST(CountErrors, AreForgottenAfterTwoWeeks) {
  CountError error;
  learn_often(error, 1000, 1264);
  learn_often(error, 1000, 1064, kMonday + kOneWeek);
  EXPECT_EQ(error.margin(1000), 264);
  EXPECT_TRUE(error.turn(kMonday + 2 * kOneWeek));
  EXPECT_EQ(error.margin(1000), 64);
  EXPECT_FALSE(error.turn(kMonday + 2 * kOneWeek));
  EXPECT_TRUE(error.turn(kMonday + 4 * kOneWeek));
  EXPECT_EQ(error.margin(1000), 0);
}

// What was learned by a clock that was ahead ends as well, once it is right again.
TEST(CountErrors, AreForgottenWhateverTheClockWas) {
  CountError error;
  learn_often(error, 1000, 1264, kMonday + 500 * kOneWeek);
  EXPECT_FALSE(error.turn(kMonday));
  EXPECT_EQ(error.margin(1000), 264);
  EXPECT_TRUE(error.turn(kMonday + 2 * kOneWeek));
  EXPECT_EQ(error.margin(1000), 0);
}

TEST(CountErrors, AreOfAModelAndWhatCountsItAndTellWhenTheyChange) {
  CountErrors errors;
  CountError& small = errors.of("small", "o200k_base/openai");
  EXPECT_EQ(&small, &errors.of("small", "o200k_base/openai"));
  for (int i = 0; i < 3; ++i) errors.learn(small, 10, 20, kMonday);
  EXPECT_EQ(errors.changes(), 1);
  for (int i = 0; i < 3; ++i) errors.learn(small, 10, 15, kMonday);
  EXPECT_EQ(errors.changes(), 1);
  for (int i = 0; i < 3; ++i) errors.learn(small, 10, 21, kMonday);
  EXPECT_EQ(errors.changes(), 2);
  EXPECT_EQ(errors.of("small", "o200k_base/largest").margin(10), 0);
  EXPECT_EQ(errors.of("large", "o200k_base/openai").margin(10), 0);
  ASSERT_EQ(errors.all().size(), 3);
  EXPECT_EQ(errors.all().front().in_force, (Seen{0, 11}));
  errors.turn(kMonday + 2 * kOneWeek);
  EXPECT_EQ(errors.changes(), 3);
  EXPECT_EQ(small.margin(10), 0);
}

TEST(CountErrors, TakeInWhatOthersHaveLearned) {
  const std::int64_t week = kMonday.time_since_epoch() / kOneWeek;
  CountError error;
  learn_often(error, 1000, 1010);
  const CountError::Learned other{
      week - 1, {{70'000, 60'000, 50'000}, {64, 64, 64}}, {{9, 9, 9}, {9, 9, 9}}};
  error.take(other, kMonday);
  EXPECT_EQ(error.learned().now.often(), (Seen{0, 10}));
  EXPECT_EQ(error.learned().before.often(), (Seen{50'000, 64}));
  EXPECT_EQ(error.margin(1000), 114);
  // The same again is nothing new, and what is of weeks to come is not believed.
  const CountError::Learned before = error.learned();
  error.take(other, kMonday);
  error.take(before, kMonday);
  error.take({week + 1, {{1, 1, 1}, {900, 900, 900}}, {}}, kMonday);
  EXPECT_EQ(error.learned(), before);
}

TEST(CountErrors, AreLearnedByManyThreads) {
  CountErrors errors;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&errors, t] {
      for (Tokens i = 0; i < 1000; ++i) {
        CountError& error = errors.of("small", "");
        for (int k = 0; k < 3; ++k) {
          errors.learn(error, 100'000, 100'000 + i * (t + 1), kMonday);
        }
        ASSERT_GE(error.margin(100'000), i * (t + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(errors.of("small", "").margin(100'000), 4 * 999);
}

}  // namespace
}  // namespace tollgate::tokens
