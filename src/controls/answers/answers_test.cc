#include "controls/answers/answers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace tollgate::answers {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1000)};

Key key(int number) {
  Key made{};
  made[0] = static_cast<std::uint8_t>(number);
  made[1] = static_cast<std::uint8_t>(number >> 8);
  made[31] = static_cast<std::uint8_t>(number * 7);  // Of the shard.
  return made;
}

Shared answer(std::string body) {
  auto made = std::make_shared<Answer>();
  made->body = std::move(body);
  return made;
}

struct Waits final : Follower {
  void landed(Shared answer) override {
    ++told;
    got = std::move(answer);
  }
  int told = 0;
  Shared got;
};

TEST(Answers, GiveAgainWhatIsKeptUntilItIsTooOld) {
  Answers answers;
  EXPECT_EQ(answers.find(key(1), kStart), nullptr);
  answers.keep(key(1), answer("one"), kStart + seconds(10), kStart);
  const Shared found = answers.find(key(1), kStart + seconds(9));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->body, "one");
  EXPECT_EQ(answers.find(key(2), kStart), nullptr);
  answers.keep(key(1), answer("newer"), kStart + seconds(10), kStart);
  EXPECT_EQ(answers.find(key(1), kStart)->body, "newer");
  EXPECT_EQ(found->body, "one") << "whoever has it keeps it";
  EXPECT_EQ(answers.find(key(1), kStart + seconds(10)), nullptr);
  EXPECT_EQ(answers.bytes(), 0);
}

TEST(Answers, DropWhatWasNotAskedForLongest) {
  Answers answers(8 * 4096);  // 4 KiB a shard.
  const auto same_shard = [](int number) {
    Key made = key(number);
    made[31] = 3;
    return made;
  };
  const std::string body(800, 'x');
  for (int i = 0; i < 3; ++i) {
    answers.keep(same_shard(i), answer(body), kStart + minutes(1), kStart);
  }
  ASSERT_NE(answers.find(same_shard(0), kStart), nullptr);
  answers.keep(same_shard(3), answer(body), kStart + minutes(1), kStart);
  EXPECT_NE(answers.find(same_shard(0), kStart), nullptr);
  EXPECT_EQ(answers.find(same_shard(1), kStart), nullptr);
  EXPECT_NE(answers.find(same_shard(3), kStart), nullptr);
  answers.keep(same_shard(4), answer(std::string(4096, 'x')), kStart + minutes(1), kStart);
  EXPECT_EQ(answers.find(same_shard(4), kStart), nullptr) << "it is larger than all there is";
  EXPECT_NE(answers.find(same_shard(3), kStart), nullptr) << "nothing made way for it";
}

TEST(Answers, TellFollowersWhatTheLeaderHas) {
  Answers answers;
  Shared found;
  Waits leader, first, second, gone;
  EXPECT_EQ(answers.join(key(1), {}, leader, kStart, found), Found::kLeads);
  EXPECT_EQ(answers.join(key(1), {}, first, kStart, found), Found::kFollows);
  EXPECT_EQ(answers.join(key(1), {}, gone, kStart, found), Found::kFollows);
  EXPECT_EQ(answers.join(key(1), {}, second, kStart, found), Found::kFollows);
  EXPECT_EQ(answers.join(key(2), {}, second, kStart, found), Found::kLeads);
  EXPECT_TRUE(answers.unfollow(key(1), gone));
  EXPECT_FALSE(answers.unfollow(key(1), gone));
  answers.land(key(1), answer("one"), kStart + seconds(1), kStart);
  EXPECT_EQ(first.told, 1);
  EXPECT_EQ(second.told, 1);
  EXPECT_EQ(gone.told, 0);
  EXPECT_EQ(leader.told, 0);
  ASSERT_NE(first.got, nullptr);
  EXPECT_EQ(first.got->body, "one");
  EXPECT_FALSE(answers.unfollow(key(1), first)) << "it was told";
  EXPECT_EQ(answers.join(key(1), {}, first, kStart, found), Found::kAnswer);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->body, "one");
}

TEST(Answers, TellFollowersThatTheLeaderHasNone) {
  Answers answers;
  Shared found;
  Waits leader, follower;
  EXPECT_EQ(answers.join(key(1), {}, leader, kStart, found), Found::kLeads);
  EXPECT_EQ(answers.join(key(1), {}, follower, kStart, found), Found::kFollows);
  answers.land(key(1), nullptr, kStart + seconds(1), kStart);
  EXPECT_EQ(follower.told, 1);
  EXPECT_EQ(follower.got, nullptr);
  EXPECT_EQ(answers.join(key(1), {}, follower, kStart, found), Found::kLeads)
      << "nothing is kept of a failure";
}

TEST(Answers, KnowAnotherRequestUnderTheSameKey) {
  Answers answers;
  Shared found;
  Waits leader, other;
  EXPECT_EQ(answers.join(key(1), key(10), leader, kStart, found), Found::kLeads);
  EXPECT_EQ(answers.join(key(1), key(11), other, kStart, found), Found::kAnother);
  answers.land(key(1), answer("one"), kStart + seconds(1), kStart);
  EXPECT_EQ(answers.join(key(1), key(11), other, kStart, found), Found::kAnother);
  EXPECT_EQ(found, nullptr);
  EXPECT_EQ(answers.join(key(1), key(10), other, kStart, found), Found::kAnswer);
  EXPECT_EQ(other.told, 0);
}

TEST(Answers, LetNoMoreFollowThanThereIsRoomFor) {
  Answers answers;
  Shared found;
  Waits leader, late;
  std::vector<Waits> followers(kFollowersMax);
  EXPECT_EQ(answers.join(key(1), {}, leader, kStart, found), Found::kLeads);
  for (Waits& one : followers) {
    ASSERT_EQ(answers.join(key(1), {}, one, kStart, found), Found::kFollows);
  }
  EXPECT_EQ(answers.join(key(1), {}, late, kStart, found), Found::kNothing);
  answers.land(key(1), nullptr, kStart, kStart);
}

// Whatever was kept before: never more bytes than there are, and what is found is what was kept.
TEST(Answers, KeepTheirBoundForAnyHistory) {
  constexpr Bytes kMax = 64 << 10;
  Answers answers(kMax);
  std::mt19937_64 random{7};
  std::array<std::string, 64> kept;
  Instant now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    now += Duration{static_cast<std::int64_t>(random() % 100'000)};
    const int number = static_cast<int>(random() % kept.size());
    if (random() % 2 == 0) {
      std::string body(random() % 3000, 'x');
      body += std::to_string(step);
      if (body.size() + 512 < kMax / 8) kept[static_cast<std::size_t>(number)] = body;
      answers.keep(key(number), answer(body), now + seconds(1), now);
    } else if (const Shared found = answers.find(key(number), now)) {
      ASSERT_EQ(found->body, kept[static_cast<std::size_t>(number)]);
    }
    ASSERT_LE(answers.bytes(), kMax);
  }
}

// Of all that follow, on any thread, each is told once, or left in time; one leads at a time.
// What is kept counts in all memory, has an eighth of it at most, and goes where there is no room.
TEST(Answers, HaveTheirPartOfMemory) {
  overload::BufferedBytes buffered;
  constexpr Bytes kMost = 1 << 20;
  buffered.limit(kMost);
  Answers answers(kAnswersBytesMax, &buffered);
  for (int i = 0; i < 500; ++i) {
    answers.keep(key(i), answer(std::string(4000, 'x')), kStart + minutes(1), kStart);
    ASSERT_EQ(buffered.bytes(), answers.bytes());
    ASSERT_LE(answers.bytes(), kMost / 8);
  }
  EXPECT_GT(answers.bytes(), kMost / 16);
  for (int i = 0; i < 500; ++i) answers.find(key(i), kStart + minutes(2));
  EXPECT_EQ(buffered.bytes(), 0);
  ASSERT_TRUE(buffered.take(kMost - kMost / 4, overload::BufferedBytes::For::kRequest));
  answers.keep(key(1), answer("one"), kStart + minutes(1), kStart);
  EXPECT_EQ(answers.find(key(1), kStart), nullptr);
  // What was paid for with a key is there for its retry, however many requests there are.
  Waits leader;
  Shared found;
  ASSERT_EQ(answers.join(key(1), key(2), leader, kStart, found), Found::kLeads);
  answers.land(key(1), answer("one"), kStart + minutes(1), kStart);
  EXPECT_NE(answers.find(key(1), kStart), nullptr);
}

TEST(Answers, TellEachFollowerOnceOnAnyThread) {
  Answers answers;
  constexpr int kThreads = 4;
  constexpr int kRounds = 3000;
  std::array<std::atomic<int>, 8> leading{};
  std::atomic<int> wrong = 0;
  struct Counts final : Follower {
    void landed(Shared) override { told.fetch_add(1); }
    std::atomic<int> told = 0;
  };
  const auto work = [&](int thread) {
    std::mt19937_64 random{static_cast<std::uint64_t>(thread)};
    for (int round = 0; round < kRounds; ++round) {
      const int number = static_cast<int>(random() % leading.size());
      Counts follower;
      Shared found;
      const Found as = answers.join(key(number), {}, follower, kStart, found);
      if (as == Found::kLeads) {
        if (leading[static_cast<std::size_t>(number)].fetch_add(1) != 0) ++wrong;
        std::this_thread::yield();
        leading[static_cast<std::size_t>(number)].fetch_sub(1);
        // Kept for no time: the next leads again.
        answers.land(key(number), random() % 2 == 0 ? answer("x") : nullptr, kStart, kStart);
      } else if (as == Found::kFollows) {
        const bool left = random() % 2 == 0 && answers.unfollow(key(number), follower);
        while (!left && follower.told.load() == 0) std::this_thread::yield();
        if (follower.told.load() != (left ? 0 : 1)) ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(answers.bytes(), 0);
}

}  // namespace
}  // namespace tollgate::answers
