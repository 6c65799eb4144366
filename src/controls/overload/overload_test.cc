#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "controls/overload/buffered_bytes.h"
#include "controls/overload/concurrency.h"
#include "controls/overload/fair_queue.h"
#include "controls/overload/insistence.h"
#include "controls/overload/pace.h"

namespace tollgate::overload {
namespace {

constexpr std::int64_t kLong = 1 << 20;

// Callers that have something waiting all the time, and what each was let in for.
struct Crowd {
  struct Caller {
    std::string name;
    double weight = 1;
    int asks = 1;  // As many as it asks at a time.
    Tokens tokens = 100;
  };
  FairQueue queue;
  std::map<FairQueue::Id, const Caller*> who;
  std::map<std::string, Tokens> served;
  FairQueue::Id id = 0;

  void ask(const Caller& caller, std::int64_t length_max = kLong) {
    who[++id] = &caller;
    queue.join(id, {caller.name, caller.weight, caller.tokens}, length_max);
  }
  void serve() {
    const auto next = queue.next();
    ASSERT_TRUE(next);
    served[who[*next]->name] += who[*next]->tokens;
  }
};

TEST(FairQueue, GivesEachItsShareOfTokensHoweverOftenItAsks) {
  Crowd crowd;
  const Crowd::Caller modest{"modest", 1, 1, 100};
  const Crowd::Caller greedy{"greedy", 1, 10, 100};
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < modest.asks; ++i) crowd.ask(modest);
    for (int i = 0; i < greedy.asks; ++i) crowd.ask(greedy);
    crowd.serve();
    crowd.serve();
  }
  EXPECT_NEAR(
      static_cast<double>(crowd.served["modest"]) / static_cast<double>(crowd.served["greedy"]), 1,
      0.01);
}

TEST(FairQueue, CountsTokensNotRequestsAndKeepsWeights) {
  Crowd crowd;
  const Crowd::Caller small{"small", 1, 1, 10};
  const Crowd::Caller large{"large", 3, 1, 1000};
  for (int i = 0; i < 20'000; ++i) crowd.ask(small);
  for (int i = 0; i < 2'000; ++i) crowd.ask(large);
  // As long as both have something waiting.
  while (crowd.served["small"] < 100'000) crowd.serve();
  EXPECT_NEAR(
      static_cast<double>(crowd.served["large"]) / static_cast<double>(crowd.served["small"]), 3,
      0.1);
}

TEST(FairQueue, WhoWasIdleSavesNothingUpAndWaitsForNobodyElsesBacklog) {
  Crowd crowd;
  const Crowd::Caller busy{"busy"};
  const Crowd::Caller late{"late"};
  for (int i = 0; i < 100; ++i) crowd.ask(busy);
  for (int i = 0; i < 50; ++i) crowd.serve();
  for (int i = 0; i < 20; ++i) crowd.ask(late);
  for (int i = 0; i < 20; ++i) crowd.serve();
  EXPECT_NEAR(static_cast<double>(crowd.served["late"]), 1000, 100);  // Half of the twenty.
}

TEST(FairQueue, GivesBackWhatWasNotUsed) {
  Crowd crowd;
  const Crowd::Caller wide{"wide", 1, 1, 1000};  // Asks for ten times what it uses.
  const Crowd::Caller exact{"exact", 1, 1, 100};
  std::map<std::string, Tokens> used;
  for (int i = 0; i < 3000; ++i) {
    crowd.ask(wide);
    crowd.ask(exact);
    const auto next = crowd.queue.next();
    ASSERT_TRUE(next);
    const Crowd::Caller& caller = *crowd.who[*next];
    used[caller.name] += 100;
    crowd.queue.give_back(caller.name, caller.weight, caller.tokens - 100);
  }
  EXPECT_NEAR(static_cast<double>(used["wide"]) / static_cast<double>(used["exact"]), 1, 0.05);
}

TEST(FairQueue, NobodySavesUpWhatWasGivenBack) {
  FairQueue queue;
  FairQueue::Id id = 0;
  const auto ask = [&](std::string_view flow, Tokens tokens) {
    queue.join(++id, {flow, 1, tokens}, kLong);
  };
  for (int i = 0; i < 10; ++i) ask("wide", 100'000);
  while (queue.next()) {
  }
  // Idle, while another is served as much…
  for (int i = 0; i < 20'000; ++i) ask("other", 100);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(queue.next());
  // …it comes with a burst, and then what it was let in for turns out to be unused.
  const FairQueue::Id first = id + 1;
  for (int i = 0; i < 10'000; ++i) ask("wide", 100);
  for (int i = 0; i < 10; ++i) queue.give_back("wide", 1, 99'990);
  int wide = 0;
  for (int i = 0; i < 1'000; ++i) wide += *queue.next() >= first ? 1 : 0;
  EXPECT_NEAR(wide, 500, 5);
}

TEST(FairQueue, LetsThoseLeaveThatShareAFlow) {
  FairQueue queue;
  FairQueue::Id id = 0;
  for (std::size_t i = 0; i < FairQueue::kFlowsMax; ++i) {
    queue.join(++id, {"tenant-" + std::to_string(i), 1, 10}, kLong);
  }
  // Two among the others, the first of which is served at once.
  queue.join(++id, {"early", 1, 10}, kLong);
  ASSERT_EQ(queue.next(), id);
  const FairQueue::Id shared = ++id;
  queue.join(shared, {"late", 1, 10}, kLong);
  for (std::size_t i = 0; i < FairQueue::kFlowsMax / 2; ++i) ASSERT_TRUE(queue.next());
  queue.join(++id, {"late", 1, 10}, kLong);
  EXPECT_TRUE(queue.leave(shared));
  std::int64_t served = 0;
  while (const auto next = queue.next()) {
    EXPECT_NE(*next, shared);
    ++served;
  }
  EXPECT_EQ(served, static_cast<std::int64_t>(FairQueue::kFlowsMax / 2 + 1));
}

TEST(FairQueue, WhenItIsFullWhoeverHasTheMostWaitingGivesWay) {
  FairQueue queue;
  for (FairQueue::Id id = 1; id <= 4; ++id) {
    EXPECT_FALSE(queue.join(id, {"greedy", 1, 10}, 4));
  }
  EXPECT_EQ(queue.join(5, {"modest", 1, 10}, 4), 4U);
  EXPECT_EQ(queue.join(6, {"greedy", 1, 10}, 4), 6U);
  EXPECT_EQ(queue.join(7, {"modest", 1, 10}, 4), 3U);
  EXPECT_EQ(queue.waiting(), 4);
  EXPECT_EQ(queue.tokens_waiting(), 40);
  // Nobody gives way to their like, but the last one itself.
  EXPECT_EQ(queue.join(8, {"modest", 1, 10}, 4), 8U);
  // A heavier one may have more waiting.
  EXPECT_EQ(queue.join(9, {"heavy", 10, 10}, 4), 2U);
}

TEST(FairQueue, LetsThoseLeaveThatDoNotWaitAnyLonger) {
  FairQueue queue;
  queue.join(1, {"a", 1, 10}, 9);
  queue.join(2, {"a", 1, 20}, 9);
  EXPECT_TRUE(queue.leave(1));
  EXPECT_FALSE(queue.leave(1));
  EXPECT_EQ(queue.next(), 2U);
  EXPECT_FALSE(queue.leave(2));
  EXPECT_FALSE(queue.next());
  EXPECT_EQ(queue.waiting(), 0);
  EXPECT_EQ(queue.tokens_waiting(), 0);
}

// Whatever comes and goes: nobody is served twice, or after having left, and none is forgotten.
TEST(FairQueue, KeepsAccountOfEveryoneWhoJoins) {
  std::mt19937_64 random(7);
  FairQueue queue;
  std::map<FairQueue::Id, std::string> waiting;
  FairQueue::Id id = 0;
  for (int step = 0; step < 50'000; ++step) {
    const std::uint64_t dice = random() % 10;
    if (dice < 5) {
      const std::string flow(1, static_cast<char>('a' + random() % 5));
      waiting[++id] = flow;
      const auto out = queue.join(
          id, {flow, 1 + static_cast<double>(random() % 3), static_cast<Tokens>(random() % 100)},
          50);
      if (out) EXPECT_EQ(waiting.erase(*out), 1U);
    } else if (dice < 8) {
      const auto next = queue.next();
      EXPECT_EQ(next.has_value(), !waiting.empty());
      if (next) EXPECT_EQ(waiting.erase(*next), 1U);
    } else if (!waiting.empty()) {
      auto one = waiting.begin();
      std::advance(one, static_cast<std::ptrdiff_t>(random() % waiting.size()));
      EXPECT_TRUE(queue.leave(one->first));
      waiting.erase(one);
    }
    ASSERT_EQ(queue.waiting(), std::ssize(waiting));
  }
  while (queue.next()) {
  }
  EXPECT_EQ(queue.waiting(), 0);
  EXPECT_EQ(queue.tokens_waiting(), 0);
}

TEST(FairQueue, KeepsAsManyFlowsAsItSays) {
  FairQueue queue;
  for (FairQueue::Id id = 1; id <= 3 * FairQueue::kFlowsMax; ++id) {
    queue.join(id, {"tenant-" + std::to_string(id), 1, 10}, kLong);
  }
  std::size_t served = 0;
  while (queue.next()) ++served;
  EXPECT_EQ(served, 3 * FairQueue::kFlowsMax);
}

// ---- How many at once
// -----------------------------------------------------------------------------

// An upstream that takes `truth` at once and is overloaded beyond.
TEST(Concurrency, FindsWhatAnUpstreamTakesAndFollowsIt) {
  Concurrency learned;
  EXPECT_EQ(learned.limit(100), 100);
  std::int64_t overloads = 0;
  const auto run = [&](std::int64_t truth, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const std::int64_t sent = learned.limit(100);
      for (std::int64_t i = sent; i-- > 0;) {
        if (i >= truth) {
          learned.overloaded(100, i);
          ++overloads;
        } else {
          learned.answered(100, sent - 1);  // There is always more to send.
        }
      }
    }
  };
  run(20, 200);
  EXPECT_NEAR(static_cast<double>(learned.limit(100)), 20, 4);
  const std::int64_t before = overloads;
  run(20, 100);
  EXPECT_LT(overloads - before, 150);  // Of two thousand: it feels its way.
  run(60, 400);
  EXPECT_NEAR(static_cast<double>(learned.limit(100)), 60, 10);
  run(1, 200);
  EXPECT_LE(learned.limit(100), 3);
  EXPECT_GE(learned.limit(100), 1);
}

TEST(Concurrency, OneBadMomentCutsOnce) {
  Concurrency learned;
  for (std::int64_t i = 50; i-- > 0;) learned.overloaded(50, i);
  EXPECT_EQ(learned.limit(50), 45);
  // At a quiet moment it says little of what the upstream takes when it is busy.
  Concurrency quiet;
  quiet.overloaded(1024, 0);
  EXPECT_EQ(quiet.limit(1024), 512);
  // Nobody asks for more: it does not grow.
  for (int i = 0; i < 1000; ++i) learned.answered(50, 2);
  EXPECT_EQ(learned.limit(50), 45);
}

// ---- Who comes back too early
// -----------------------------------------------------------------------

TEST(Insistence, IsToldToWaitForLongerEachTime) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  Insistence known;
  Instant now{std::chrono::hours(100)};
  EXPECT_EQ(known.told(7, seconds(1), now), seconds(1));
  now += milliseconds(100);
  EXPECT_EQ(known.told(7, seconds(1), now), seconds(2));
  EXPECT_EQ(known.told(8, seconds(1), now), seconds(1));  // Another request.
  EXPECT_EQ(known.told(7, seconds(1), now), seconds(4));
  for (int i = 0; i < 100; ++i) (void)known.told(7, seconds(1), now);
  EXPECT_EQ(known.told(7, seconds(1), now), Insistence::kWaitMax);
  // Who waits as told begins anew, a timer's error aside.
  now += Insistence::kWaitMax - Insistence::kEarly;
  EXPECT_EQ(known.told(7, seconds(1), now), seconds(1));
  // Nobody is told less than the truth.
  EXPECT_EQ(known.told(9, seconds(30), now), seconds(30));
  EXPECT_EQ(known.told(9, seconds(30), now), seconds(30));
}

TEST(FairQueue, TellsAboutHowManyAreServedBefore) {
  Crowd crowd;
  const Crowd::Caller greedy{"greedy"};
  const Crowd::Caller modest{"modest"};
  EXPECT_EQ(crowd.queue.ahead_of({"modest", 1, 100}), 0);
  for (int i = 0; i < 40; ++i) crowd.ask(greedy);
  EXPECT_EQ(crowd.queue.ahead_of({"greedy", 1, 100}), 40);
  EXPECT_LE(crowd.queue.ahead_of({"modest", 1, 100}), 1);  // It waits for nobody's backlog.
  for (int i = 0; i < 10; ++i) crowd.ask(modest);
  EXPECT_NEAR(static_cast<double>(crowd.queue.ahead_of({"modest", 1, 100})), 20, 1);
}

// What it says of one that joins is what comes of it, for any crowd that asks no more.
TEST(FairQueue, IsRightAboutHowManyAreServedBefore) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    FairQueue queue;
    FairQueue::Id id = 0;
    std::array<double, 4> weights{};
    for (double& weight : weights) weight = 1 + static_cast<double>(random() % 4);
    const auto place = [&](std::size_t who) {
      return FairQueue::Place{std::string_view("abcd").substr(who, 1), weights.at(who), 100};
    };
    for (std::size_t i = 0; i < 5 + random() % 60; ++i)
      queue.join(++id, place(random() % 4), kLong);
    for (std::size_t i = 0; i < random() % 5; ++i) static_cast<void>(queue.next());
    const std::size_t who = random() % 4;
    const std::int64_t told = queue.ahead_of(place(who));
    const FairQueue::Id mine = ++id;
    queue.join(mine, place(who), kLong);
    std::int64_t before = 0;
    for (auto next = queue.next(); next && *next != mine; next = queue.next()) ++before;
    EXPECT_NEAR(static_cast<double>(told), static_cast<double>(before), 3);
  }
}

constexpr Instant kStart{std::chrono::hours(1)};
using std::chrono::milliseconds;

TEST(Pace, TellsNothingBeforeItKnows) {
  Pace pace;
  EXPECT_EQ(pace.wait_for(10, kStart), std::nullopt);
  pace.begin(kStart);
  for (int i = 1; i < Pace::kKnownFrom; ++i) pace.came_up(1, kStart + milliseconds(100) * i);
  EXPECT_EQ(pace.wait_for(10, kStart + milliseconds(700)), std::nullopt);
  pace.came_up(1, kStart + milliseconds(800));
  EXPECT_EQ(pace.wait_for(10, kStart + milliseconds(800)), milliseconds(1000));
}

TEST(Pace, IsThatOfTheMomentAndNotOfIdleHours) {
  Pace pace;
  Instant now = kStart;
  pace.begin(now);
  for (int i = 0; i < 20; ++i) pace.came_up(1, now += milliseconds(100));
  pace.idle();
  now += std::chrono::hours(1);
  pace.begin(now);
  EXPECT_EQ(pace.wait_for(2, now), milliseconds(200));
  // The half of it has passed.
  EXPECT_EQ(pace.wait_for(1, now + milliseconds(50)), milliseconds(50));
  // Nothing comes up any more.
  EXPECT_EQ(pace.wait_for(4, now + milliseconds(1000)), milliseconds(3900));
  for (int i = 0; i < 60; ++i) pace.came_up(1, now += milliseconds(10));
  EXPECT_LT(*pace.wait_for(100, now), milliseconds(1500));
}

TEST(BufferedBytes, KeepsRoomForAnswersAndGivesAllBack) {
  using For = BufferedBytes::For;
  BufferedBytes buffered;
  buffered.limit(400 << 10);
  {
    BufferedBytes::Share a(&buffered);
    BufferedBytes::Share b(&buffered);
    BufferedBytes::Share c(&buffered);
    EXPECT_TRUE(a.keep(BufferedBytes::kUncounted, For::kRequest));
    EXPECT_EQ(buffered.bytes(), 0);  // So much every connection has of its own.
    EXPECT_TRUE(a.keep(300 << 10, For::kRequest));
    EXPECT_FALSE(b.keep(20 << 10, For::kRequest));
    EXPECT_EQ(b.held(), 0);
    EXPECT_TRUE(b.keep(100 << 10, For::kAnswer));
    EXPECT_FALSE(c.keep(20 << 10, For::kAnswer));
    EXPECT_EQ(buffered.refused(), 2U);
    EXPECT_TRUE(a.keep(20 << 10, For::kRequest));  // Less always fits.
    EXPECT_EQ(buffered.bytes(), 120 << 10);
    EXPECT_FALSE(c.keep(INT64_MAX, For::kAnswer));
  }
  EXPECT_EQ(buffered.bytes(), 0);
}

using RequestShare = BufferedBytes::RequestShare;

TEST(BufferedBytes, LeavesRoomForOtherTenants) {
  constexpr Bytes kRoom = 768 << 10;
  BufferedBytes buffered;
  buffered.limit(1 << 20);
  {
    std::vector<std::unique_ptr<RequestShare>> greedy;
    while (true) {
      greedy.push_back(std::make_unique<RequestShare>(&buffered));
      greedy.back()->belongs_to("greedy");
      if (!greedy.back()->keep(32 << 10)) break;
    }
    EXPECT_EQ(greedy.back()->lack(), Lack::kTenant);
    EXPECT_EQ(buffered.bytes(), kRoom / 4 * 3);
    // Whoever comes has a quarter at once, and more of what the other gives back.
    RequestShare modest(&buffered);
    modest.belongs_to("modest");
    EXPECT_TRUE(modest.could_keep(kRoom / 4));
    EXPECT_FALSE(modest.could_keep(kRoom / 4 + 1));
    EXPECT_EQ(modest.lack(), Lack::kTenant);
    EXPECT_TRUE(modest.keep(kRoom / 4));
    EXPECT_EQ(buffered.bytes(), kRoom);
    // From here on there is no room for anybody, and each is told why.
    RequestShare third(&buffered);
    third.belongs_to("third");
    EXPECT_FALSE(third.keep(20 << 10));
    EXPECT_EQ(third.lack(), Lack::kMemory);
    EXPECT_FALSE(greedy[0]->keep(64 << 10));
    EXPECT_EQ(greedy[0]->lack(), Lack::kTenant);
    // More than it holds is its own to use again, as long as others leave that free.
    for (std::size_t i = 4; i < greedy.size(); ++i) greedy[i]->drop();
    EXPECT_TRUE(third.keep(20 << 10));
    EXPECT_TRUE(greedy[0]->keep(64 << 10));
  }
  EXPECT_EQ(buffered.bytes(), 0);
  // A tenant that had gone begins with nothing.
  RequestShare again(&buffered);
  again.belongs_to("greedy");
  EXPECT_TRUE(again.keep(kRoom / 4 * 3));
}

TEST(BufferedBytes, TellsWhatCanNeverFit) {
  BufferedBytes buffered;
  buffered.limit(1 << 20);
  const Bytes most = BufferedBytes::tenant_max(1 << 20);
  RequestShare share(&buffered);
  share.belongs_to("a");
  EXPECT_FALSE(share.could_keep(most + 1));
  EXPECT_EQ(share.lack(), Lack::kForGood);
  EXPECT_FALSE(share.keep(most + 1));
  EXPECT_EQ(share.lack(), Lack::kForGood);
  EXPECT_EQ(buffered.bytes(), 0);
  EXPECT_EQ(buffered.refused(), 2U);
  // A promise takes nothing.
  EXPECT_TRUE(share.could_keep(most));
  EXPECT_EQ(buffered.bytes(), 0);
  EXPECT_TRUE(share.keep(most));
  EXPECT_TRUE(share.keep(most));
  RequestShare uncounted;
  EXPECT_TRUE(uncounted.keep(INT64_MAX));
}

// On however many threads: each tenant has at most its part, and all of it comes back.
TEST(BufferedBytes, HoldsTenantsToTheirPartsOnAnyThread) {
  BufferedBytes buffered;
  constexpr Bytes kMost = 1 << 20;
  buffered.limit(kMost);
  std::array<std::atomic<Bytes>, 3> held{};
  std::atomic<bool> is_over{false};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random{seed};
        for (int i = 0; i < 20'000; ++i) {
          const std::size_t who = random() % held.size();
          RequestShare share(&buffered);
          share.belongs_to(std::string_view("abc").substr(who, 1));
          const Bytes bytes = (17 << 10) + static_cast<Bytes>(random() % (kMost / 2));
          if (!share.keep(bytes)) continue;
          if (held.at(who).fetch_add(bytes) + bytes > BufferedBytes::tenant_max(kMost)) {
            is_over = true;
          }
          if (buffered.bytes() > BufferedBytes::requests_max(kMost)) is_over = true;
          held.at(who).fetch_sub(bytes);
        }
      });
    }
  }
  EXPECT_FALSE(is_over);
  EXPECT_EQ(buffered.bytes(), 0);
}

// Whatever is taken and given on however many threads: never more than there is, and all of it
// comes back.
TEST(BufferedBytes, IsNeverMoreThanThereIs) {
  BufferedBytes buffered;
  constexpr Bytes kMost = 1 << 20;
  buffered.limit(kMost);
  std::atomic<bool> is_over{false};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random{seed};
        for (int i = 0; i < 20'000; ++i) {
          BufferedBytes::Share share(&buffered);
          for (int step = 0; step < 3; ++step) {
            const auto what =
                random() % 2 == 0 ? BufferedBytes::For::kRequest : BufferedBytes::For::kAnswer;
            static_cast<void>(share.keep(static_cast<Bytes>(random() % (kMost / 2)), what));
            if (buffered.bytes() > kMost) is_over = true;
          }
        }
      });
    }
  }
  EXPECT_FALSE(is_over);
  EXPECT_EQ(buffered.bytes(), 0);
}

}  // namespace
}  // namespace tollgate::overload
