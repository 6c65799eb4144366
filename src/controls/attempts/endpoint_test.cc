#include "controls/attempts/endpoint.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "controls/attempts/endpoints.h"
#include "controls/attempts/retry_budget.h"

namespace tollgate::attempts {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(100)};

struct Watched {
  Endpoint endpoint;
  BreakerPolicy policy;
  Instant now = kStart;

  bool begin(Tokens tokens = 10) { return endpoint.begin(policy, tokens, now, visit); }
  void end(Ending ending, Tokens tokens = 10) {
    endpoint.judge(policy, visit, ending, now);
    endpoint.end(tokens, visit);
  }
  void fail(int times = 1) {
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(begin());
      end(Ending::kFailed);
    }
  }
  Visit visit;
};

TEST(Endpoint, OpensAfterFailuresInARowAndLetsOneProbeThrough) {
  Watched one;
  one.fail(4);
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
  one.fail();
  EXPECT_EQ(one.endpoint.state(one.now), State::kOpen);
  EXPECT_FALSE(one.begin());
  EXPECT_EQ(one.endpoint.available_from(0, one.now), one.now + seconds(1));

  one.now += seconds(1);
  EXPECT_EQ(one.endpoint.state(one.now), State::kHalfOpen);
  ASSERT_TRUE(one.begin());
  EXPECT_TRUE(one.visit.probes);
  Visit second;
  EXPECT_FALSE(one.endpoint.begin(one.policy, 10, one.now, second));
  EXPECT_FALSE(one.endpoint.available(0, one.now));
  one.end(Ending::kAnswered);
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
  EXPECT_EQ(one.endpoint.tokens_at_work(), 0);
  EXPECT_EQ(one.endpoint.at_work(), 0);
  EXPECT_EQ(one.endpoint.times_opened(), 1U);
}

TEST(Endpoint, IsLeftAloneForLongerEachTimeAProbeFailsUpToTheMost) {
  Watched one;
  one.fail(5);
  for (const auto expected : {1, 2, 4, 4, 4}) {
    EXPECT_EQ(one.endpoint.available_from(0, one.now), one.now + seconds(expected));
    one.now += seconds(expected);
    one.fail();
  }
  // Once it answers it begins anew.
  one.now += seconds(4);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kAnswered);
  one.fail(5);
  EXPECT_EQ(one.endpoint.available_from(0, one.now), one.now + seconds(1));
}

TEST(Endpoint, AProbeWhoseCallerLeftSaysNothing) {
  Watched one;
  one.fail(5);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kUnknown);
  EXPECT_EQ(one.endpoint.state(one.now), State::kHalfOpen);
  EXPECT_TRUE(one.endpoint.available(0, one.now));
}

TEST(Endpoint, AProbeThatHangsDoesNotKeepAllOthersWaiting) {
  Watched one;
  one.fail(5);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  one.now += milliseconds(3999);
  EXPECT_FALSE(one.endpoint.available(0, one.now));
  one.now += milliseconds(1);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kAnswered);
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
  one.end(Ending::kFailed);  // The first one, at last: one failure of a closed one.
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
}

TEST(Endpoint, AnAnswerBetweenFailuresStartsTheRowAnewButHalfOfTheLastOnesOpensIt) {
  Watched one;
  int asked = 0;
  while (one.endpoint.state(one.now) == State::kClosed && asked < 100) {
    ASSERT_TRUE(one.begin());
    one.end(asked++ % 2 == 0 ? Ending::kFailed : Ending::kAnswered);
  }
  EXPECT_GE(asked, Endpoint::kLeast);
  EXPECT_LE(asked, Endpoint::kLeast + 1);

  // Where only all of them are to open it, half does not.
  Watched patient;
  patient.policy.failed_share = 1;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(patient.begin()) << i;
    patient.end(i % 2 == 0 ? Ending::kFailed : Ending::kAnswered);
  }
  // A third of failures does not.
  Watched other;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(other.begin()) << i;
    other.end(i % 3 == 0 ? Ending::kFailed : Ending::kAnswered);
  }
}

TEST(Endpoint, WhatWasOnItsWayWhenItOpenedDoesNotKeepItOpenLonger) {
  Watched one;
  Visit early;
  ASSERT_TRUE(one.endpoint.begin(one.policy, 1, one.now, early));
  one.fail(5);
  const Instant from = one.endpoint.available_from(0, one.now);
  one.endpoint.judge(one.policy, early, Ending::kFailed, one.now + milliseconds(900));
  EXPECT_EQ(one.endpoint.available_from(0, one.now), from);
}

TEST(Endpoint, IsLeftAloneAsItAskedAndTakesNoMoreTokensThanItSaid) {
  Watched one;
  one.endpoint.leave_alone(one.now + seconds(3));
  one.endpoint.leave_alone(one.now + seconds(2));  // Never shorter.
  EXPECT_FALSE(one.endpoint.available(0, one.now + milliseconds(2999)));
  EXPECT_TRUE(one.endpoint.available(0, one.now + seconds(3)));
  one.now += seconds(3);

  one.endpoint.told_left(25, one.now + seconds(9));
  EXPECT_FALSE(one.endpoint.available(26, one.now));
  EXPECT_EQ(one.endpoint.available_from(26, one.now), one.now + seconds(9));
  ASSERT_TRUE(one.begin(10));
  EXPECT_FALSE(one.endpoint.available(16, one.now));
  EXPECT_TRUE(one.endpoint.available(15, one.now));
  EXPECT_TRUE(one.endpoint.available(1000, one.now + seconds(9)));
}

TEST(Endpoint, IsLeftAloneFromItsFirstWordThatItIsNotWellUntilItIs) {
  Host host;
  Endpoint one(host);
  const BreakerPolicy policy;
  Visit visit;
  host.unwell = true;
  EXPECT_FALSE(one.available(0, kStart));
  EXPECT_FALSE(one.begin(policy, 1, kStart, visit));
  EXPECT_TRUE(one.is_ill(kStart));
  EXPECT_FALSE(one.available(0, kStart + std::chrono::hours(1)));  // Time alone mends nothing.
  host.unwell = false;
  EXPECT_TRUE(one.begin(policy, 1, kStart, visit));
  // Its word that it is well opens nothing that failed.
  for (int i = 0; i < 5; ++i) one.judge(policy, visit, Ending::kFailed, kStart);
  host.unwell = false;
  EXPECT_FALSE(one.begin(policy, 1, kStart, visit));
}

TEST(Endpoint, IsClosedByTheFirstByteOfAnAnswer) {
  Watched one;
  one.fail(5);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  one.endpoint.answers(one.visit, one.now);
  // The answer goes on, and others may come meanwhile.
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
  EXPECT_EQ(one.endpoint.at_work(), 1);
  one.end(Ending::kAnswered);
  EXPECT_EQ(one.endpoint.at_work(), 0);
}

TEST(Endpoint, AnswersThatBreakOffAreFailuresInARowAllTheSame) {
  Watched one;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(one.endpoint.state(one.now), State::kClosed) << i;
    ASSERT_TRUE(one.begin());
    one.endpoint.answers(one.visit, one.now);
    one.end(Ending::kFailed);
  }
  EXPECT_EQ(one.endpoint.state(one.now), State::kOpen);

  // Each counts once among the last ones too.
  Watched often;
  often.policy.consecutive_failures = 1000;
  often.policy.failed_share = 0.9;
  for (int i = 0; i < Endpoint::kLeast; ++i) {
    ASSERT_TRUE(often.begin()) << i;
    often.endpoint.answers(often.visit, often.now);
    often.end(Ending::kFailed);
  }
  EXPECT_EQ(often.endpoint.state(often.now), State::kOpen);
}

TEST(Endpoint, AnswersThatBreakOffAmongWholeOnesAreNoRow) {
  Watched one;
  one.policy.failed_share = 1;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(one.begin()) << i;
    one.endpoint.answers(one.visit, one.now);
    Visit broken = one.visit;
    one.end(Ending::kAnswered);
    ASSERT_TRUE(one.begin()) << i;
    one.endpoint.judge(one.policy, broken, Ending::kFailed, one.now);
    one.end(Ending::kUnknown);
  }
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
}

TEST(Endpoint, AProbeThatBreaksOffOpensItAgainForLonger) {
  Watched one;
  one.fail(5);
  for (const auto expected : {2, 4, 4}) {
    one.now = one.endpoint.available_from(0, one.now);
    ASSERT_TRUE(one.begin());
    one.endpoint.answers(one.visit, one.now);
    EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
    one.end(Ending::kFailed);
    EXPECT_EQ(one.endpoint.available_from(0, one.now), one.now + seconds(expected));
  }
  // Not where another was served meanwhile.
  one.now += seconds(4);
  ASSERT_TRUE(one.begin());
  one.endpoint.answers(one.visit, one.now);
  Visit probe = one.visit;
  ASSERT_TRUE(one.begin());
  one.end(Ending::kAnswered);
  one.endpoint.judge(one.policy, probe, Ending::kFailed, one.now);
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
}

TEST(Endpoint, FirstBytesWhoseCallersLeaveKeepNothingClosed) {
  Watched one;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(one.begin());
    one.end(Ending::kSilent);
    ASSERT_TRUE(one.begin());
    one.endpoint.answers(one.visit, one.now);
    one.end(Ending::kUnknown);
  }
  EXPECT_EQ(one.endpoint.state(one.now), State::kClosed);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kSilent);
  EXPECT_EQ(one.endpoint.state(one.now), State::kOpen);
}

TEST(Endpoint, TheEndOfAnOldProbeIsNotThatOfTheNewOne) {
  Watched one;
  one.fail(5);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  const Visit old = one.visit;
  one.now += seconds(4);
  ASSERT_TRUE(one.begin());  // As the old one hangs.
  one.endpoint.end(10, old);
  Visit third;
  EXPECT_FALSE(one.endpoint.begin(one.policy, 10, one.now, third));
}

TEST(Endpoint, SilenceThatWasCutShortOpensItWhereNobodyIsAnswered) {
  Watched one;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(one.endpoint.state(one.now), State::kClosed) << i;
    ASSERT_TRUE(one.begin());
    one.end(Ending::kSilent);
  }
  EXPECT_EQ(one.endpoint.state(one.now), State::kOpen);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kSilent);  // The probe.
  EXPECT_EQ(one.endpoint.available_from(0, one.now), one.now + seconds(2));

  // One that is only slow for some answers others.
  Watched slow;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(slow.begin()) << i;
    slow.end(i % 4 == 0 ? Ending::kAnswered : Ending::kSilent);
  }
}

TEST(Endpoint, GetsItsShareBackLittleByLittle) {
  Watched one;
  EXPECT_EQ(one.endpoint.weight(one.policy, one.now), 1);
  one.fail(5);
  one.now += seconds(1);
  ASSERT_TRUE(one.begin());
  one.end(Ending::kAnswered);
  EXPECT_DOUBLE_EQ(one.endpoint.weight(one.policy, one.now), Endpoint::kLeastWeight);
  EXPECT_DOUBLE_EQ(one.endpoint.weight(one.policy, one.now + seconds(5)), 0.5);
  EXPECT_EQ(one.endpoint.weight(one.policy, one.now + seconds(10)), 1);
}

TEST(Endpoint, GetsItsShareBackLittleByLittleOnceItSaysThatItIsWell) {
  Host host;
  const Endpoint one(host);
  const BreakerPolicy policy;
  host.well_since = kStart;
  EXPECT_DOUBLE_EQ(one.weight(policy, kStart), Endpoint::kLeastWeight);
  EXPECT_DOUBLE_EQ(one.weight(policy, kStart + seconds(5)), 0.5);
  EXPECT_EQ(one.weight(policy, kStart + seconds(10)), 1);
}

TEST(Endpoint, LetsOneProbeThroughHoweverManyAsk) {
  Watched one;
  one.fail(5);
  const Instant later = one.now + seconds(1);
  std::atomic<int> let{0};
  {
    std::vector<std::jthread> askers;
    askers.reserve(8);
    for (int i = 0; i < 8; ++i) {
      askers.emplace_back([&] {
        Visit visit;
        if (one.endpoint.begin(one.policy, 1, later, visit)) let.fetch_add(1);
      });
    }
  }
  EXPECT_EQ(let.load(), 1);
}

// ---- Which of several ---------------------------------------------------------------------------

struct Several {
  explicit Several(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) places.push_back(&all.of("u", std::to_string(i), 0));
  }
  int choose(const Wanted& wanted) { return attempts::choose(places, policy, wanted, now); }
  void load(int place, Tokens tokens) {
    Visit visit;
    ASSERT_TRUE(places[static_cast<std::size_t>(place)]->begin(policy, tokens, now, visit));
  }
  Endpoints all;
  std::vector<Endpoint*> places;
  BreakerPolicy policy;
  Instant now = kStart;
};

TEST(Choose, TakesTheOneWithTheFewestTokensAtWorkAndThoseAlikeInTurn) {
  Several three(3);
  for (std::uint64_t turn = 0; turn < 6; ++turn) {
    EXPECT_EQ(three.choose({.tokens = 5, .turn = turn}), static_cast<int>(turn % 3));
  }
  three.load(0, 100);
  three.load(1, 50);
  three.load(2, 70);
  for (std::uint64_t turn = 0; turn < 6; ++turn) {
    EXPECT_EQ(three.choose({.tokens = 5, .turn = turn}), 1);
  }
  EXPECT_EQ(three.choose({.tokens = 5, .tried = 0b010}), 2);
  EXPECT_EQ(three.choose({.tokens = 5, .tried = 0b111}), -1);
}

TEST(Choose, LeavesOutThoseThatAreToBeLeftAlone) {
  Several two(2);
  two.places[0]->leave_alone(two.now + seconds(2));
  EXPECT_EQ(two.choose({.tokens = 5, .conversation = 7}), 1);
  two.places[1]->leave_alone(two.now + seconds(3));
  EXPECT_EQ(two.choose({.tokens = 5}), -1);
  EXPECT_EQ(available_from(two.places, 5, two.now), two.now + seconds(2));
}

TEST(Choose, KeepsAConversationWhereItWasAsLongAsThatIsNotFarBusier) {
  Several four(4);
  std::vector<int> homes;
  for (std::uint64_t conversation = 1; conversation <= 200; ++conversation) {
    const int home = four.choose({.tokens = 5, .conversation = conversation});
    for (std::uint64_t turn = 0; turn < 5; ++turn) {
      EXPECT_EQ(four.choose({.tokens = 5, .conversation = conversation, .turn = turn}), home);
    }
    homes.push_back(home);
  }
  for (int place = 0; place < 4; ++place) EXPECT_GT(std::ranges::count(homes, place), 20) << place;

  // When one goes, only what was at home there moves.
  four.places[2]->leave_alone(four.now + seconds(9));
  for (std::uint64_t conversation = 1; conversation <= 200; ++conversation) {
    const int before = homes[conversation - 1];
    const int after = four.choose({.tokens = 5, .conversation = conversation});
    if (before != 2) EXPECT_EQ(after, before);
    EXPECT_NE(after, 2);
  }
  // Its turn before may still be at work there.
  Several rested(3);
  const int before = rested.choose({.tokens = 50, .conversation = 4});
  rested.load(before, 50);
  EXPECT_EQ(rested.choose({.tokens = 50, .conversation = 4}), before);
  // Far busier than the others it is home to none.
  Several busy(2);
  const int home = busy.choose({.tokens = 5, .conversation = 3});
  busy.load(home, 1000);
  EXPECT_EQ(busy.choose({.tokens = 5, .conversation = 3}), 1 - home);
}

TEST(Choose, GivesOneThatCameBackLessThanItsShare) {
  Several two(2);
  Visit visit;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(two.places[0]->begin(two.policy, 1, two.now, visit));
    two.places[0]->judge(two.policy, visit, Ending::kFailed, two.now);
    two.places[0]->end(1, visit);
  }
  two.now += seconds(1);
  ASSERT_TRUE(two.places[0]->begin(two.policy, 1, two.now, visit));
  two.places[0]->judge(two.policy, visit, Ending::kAnswered, two.now);
  two.places[0]->end(1, visit);
  int first = 0;
  for (std::uint64_t turn = 0; turn < 110; ++turn) {
    const int place = two.choose({.tokens = 10, .turn = turn});
    two.load(place, 10);
    first += place == 0 ? 1 : 0;
  }
  EXPECT_NEAR(first, 10, 2);  // A tenth of what the other has.
}

TEST(Endpoints, OfOneUrlShareWhatTheyAreAtWorkOn) {
  Endpoints all;
  BreakerPolicy policy;
  Visit visit;
  ASSERT_TRUE(all.of("a", "http://x", 1).begin(policy, 70, kStart, visit));
  EXPECT_EQ(all.of("a", "http://x", 2).tokens_at_work(), 70);
  EXPECT_EQ(all.of("a", "http://y", 1).tokens_at_work(), 0);
  all.of("a", "http://x", 1).leave_alone(kStart + seconds(9));
  EXPECT_TRUE(all.of("a", "http://x", 2).available(10, kStart));
  // Also what comes to be known there later.
  all.host("a", "http://x").unwell = true;
  EXPECT_FALSE(all.of("a", "http://x", 3).available(0, kStart));
  all.forget_words();
  EXPECT_TRUE(all.of("a", "http://x", 3).available(0, kStart));
}

TEST(Endpoints, AreKnownByUpstreamUrlAndWhom) {
  Endpoints all;
  Endpoint& one = all.of("a", "http://x", 1);
  EXPECT_EQ(&all.of("a", "http://x", 1), &one);
  EXPECT_NE(&all.of("a", "http://x", 2), &one);
  EXPECT_NE(&all.of("b", "http://x", 1), &one);
  int seen = 0;
  all.each([&](std::string_view, std::string_view, const Endpoint&) { ++seen; });
  EXPECT_EQ(seen, 3);
}

TEST(RetryBudget, IsAShareOfWhatWasLetThrough) {
  RetryBudget budget;
  int taken = 0;
  while (budget.take()) ++taken;
  EXPECT_EQ(taken, 10);  // A rested one's.
  for (int i = 0; i < 1000; ++i) {
    budget.admitted(0.1);
    taken += budget.take() ? 1 : 0;
  }
  EXPECT_LE(taken, 110);
  EXPECT_GE(taken, 108);
  budget.admitted(0);
  EXPECT_FALSE(budget.take());
  budget.give_back();
  EXPECT_TRUE(budget.take());
}

}  // namespace
}  // namespace tollgate::attempts
