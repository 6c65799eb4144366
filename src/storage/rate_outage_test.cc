// What is left of shared limits after Redis was away, or has lost its data.
#include <gtest/gtest.h>

#include <random>

#include "storage/rate_fixture.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Each tells every second what it has, as its thread does.
void pass(SharedRedis& shared, std::span<SharingGateway* const> gateways,
          const limits::Policy& policy, Duration time) {
  for (; time > Duration(0); time -= seconds(1)) {
    shared.pass(std::min<Duration>(time, seconds(1)));
    for (SharingGateway* gateway : gateways) {
      gateway->rates.renew(account_of(policy), gateway->ledger);
    }
  }
}

// All that Redis knew is gone, and each gateway finds it out and tells what it knows.
void lose(SharedRedis& shared, std::span<SharingGateway* const> gateways,
          const limits::Policy& policy) {
  shared.server.tell({"FLUSHALL"});
  const std::int64_t lost_since = shared.now_us();
  for (SharingGateway* gateway : gateways) {
    gateway->rates.lost_since = lost_since;
    gateway->rates.fall_back(RateMode::kLent, 2);
    bool owes = false;
    gateway->ledger.each_debt(shared.now(), [&](const RateNeed&) { owes = true; });
    if (!owes) continue;
    gateway->rates.renew(account_of(policy), gateway->ledger, RateTelling::kReturning);
  }
}

int passed(SharedRedis& shared, std::span<SharingGateway* const> gateways,
           const limits::Policy& policy, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) {
    SharingGateway& gateway = *gateways[static_cast<std::size_t>(i) % gateways.size()];
    count += hold(gateway, policy, 1, shared.now())->passed() ? 1 : 0;
  }
  return count;
}

// Two gateways let one request each through a limit of one while Redis was away. Once it is back
// both know that this is one too many: the end of either makes no room for another.
TEST(RateOutage, I14ASlotTooManyIsNobodysWhenItsRequestEnds) {
  SharedRedis shared;
  SharingGateway a(shared, "a");
  SharingGateway b(shared, "b");
  const limits::Policy work = limit(Figure::kConcurrentRequests, 1);
  std::vector<std::unique_ptr<RateRequest>> open;
  for (SharingGateway* gateway : {&a, &b}) {
    gateway->rates.fall_back(RateMode::kLocalShare, 2);
    open.push_back(hold(*gateway, work, 1, shared.now()));
    ASSERT_TRUE(open.back()->passed());
  }
  for (SharingGateway* gateway : {&a, &b}) {
    gateway->rates.fall_back(RateMode::kLent, 2);
    gateway->rates.renew(account_of(work), gateway->ledger);
  }
  settle(b, *open[1], 0, shared.now());
  shared.pass(milliseconds(50));
  EXPECT_FALSE(hold(b, work, 1, shared.now())->passed());
  EXPECT_FALSE(hold(a, work, 1, shared.now())->passed());
  shared.pass(milliseconds(50));
  settle(a, *open[0], 0, shared.now());
  answer_all(a);
  shared.pass(milliseconds(50));
  const auto next = hold(b, work, 1, shared.now());
  EXPECT_TRUE(next->passed());
  EXPECT_FALSE(hold(a, work, 1, shared.now())->passed());
  settle(b, *next, 0, shared.now());
}

// What was let through while Redis was away goes back when it ends, as any other slot.
TEST(RateOutage, ASlotOfAnOutageGoesBackWhenItsRequestEnds) {
  SharedRedis shared;
  SharingGateway a(shared, "a");
  SharingGateway b(shared, "b");
  const limits::Policy work = limit(Figure::kConcurrentRequests, 1);
  a.rates.fall_back(RateMode::kLocalShare, 2);
  const auto open = hold(a, work, 1, shared.now());
  a.rates.fall_back(RateMode::kLent, 2);
  a.rates.renew(account_of(work), a.ledger);
  EXPECT_FALSE(hold(b, work, 1, shared.now())->passed());
  settle(a, *open, 0, shared.now());
  ASSERT_FALSE(a.rates.asked.empty());
  shared.pass(milliseconds(50));
  answer_all(a);
  EXPECT_TRUE(hold(b, work, 1, shared.now())->passed());
}

// Two gateways have used half of a limit each. Half a minute later time has earned back half of
// it, and not all of what each of them counts for itself.
TEST(RateOutage, I13WhatSeveralHaveUsedIsEarnedBackOnceAfterALoss) {
  SharedRedis shared;
  SharingGateway a(shared, "a");
  SharingGateway b(shared, "b");
  SharingGateway* const both[] = {&a, &b};
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 60);
  EXPECT_EQ(passed(shared, both, requests, 80), 60);
  pass(shared, both, requests, seconds(30));
  lose(shared, both, requests);
  EXPECT_EQ(passed(shared, both, requests, 10), 0);
  pass(shared, both, requests, seconds(4));
  const int after = passed(shared, both, requests, 80);
  EXPECT_LE(after, 34);
  EXPECT_GE(after, 26);
}

// Who has used nothing lately may be the only one who knows what others did.
TEST(RateOutage, I13TellsWhatItHasHeardOfOthersAfterALoss) {
  SharedRedis shared;
  SharingGateway a(shared, "a");
  SharingGateway b(shared, "b");
  SharingGateway* const both[] = {&a, &b};
  const limits::Policy requests = limit(Figure::kRequestsPerMinute, 60);
  SharingGateway* const first[] = {&a};
  EXPECT_EQ(passed(shared, first, requests, 28), 28);
  pass(shared, both, requests, seconds(3));  // What it has in hand goes back.
  SharingGateway* const second[] = {&b};
  EXPECT_EQ(passed(shared, second, requests, 28), 28);
  // By then neither has used anything that time has not earned back, by its own count.
  pass(shared, both, requests, seconds(30));
  int told = 0;
  b.ledger.each_debt(shared.now(), [&](const RateNeed&) { ++told; });
  EXPECT_EQ(told, 1);
  lose(shared, both, requests);
  pass(shared, both, requests, seconds(4));
  EXPECT_LE(passed(shared, both, requests, 80), 36);
}

// What nobody has used is there again soon, and what was only in hand.
TEST(RateOutage, WhatWasOnlyInHandIsNotUsedUpByALoss) {
  SharedRedis shared;
  SharingGateway a(shared, "a");
  SharingGateway* const one[] = {&a};
  const limits::Policy requests = limit(Figure::kRequestsPerDay, 100);
  EXPECT_EQ(passed(shared, one, requests, 10), 10);
  lose(shared, one, requests);
  shared.pass(seconds(4));
  const int after = passed(shared, one, requests, 100);
  EXPECT_LE(after, 90);
  EXPECT_GE(after, 89);
}

// I13: for any history of use and losses, all gateways together never use more in any window than
// a burst and what the rate earns in it.
TEST(RateOutage, I13LossesGiveNobodyASecondBurstForAnyHistory) {
  for (int history = 0; history < 6; ++history) {
    SCOPED_TRACE(history);
    std::mt19937_64 random(static_cast<std::uint64_t>(history) + 7);
    SharedRedis shared;
    std::vector<std::unique_ptr<SharingGateway>> owned;
    std::vector<SharingGateway*> all;
    for (const char* name : {"a", "b", "c"}) {
      all.push_back(owned.emplace_back(std::make_unique<SharingGateway>(shared, name)).get());
    }
    const limits::Policy requests = limit(Figure::kRequestsPerMinute, 20 + history * 10);
    const std::int64_t window = limits::window_of(requests.figure).count();
    std::int64_t level = 0;  // Used and not earned back, in window-ths.
    Instant before = shared.now();
    int losses = 0;
    for (int step = 0; step < 120; ++step) {
      const auto pick = random() % 12;
      if (pick == 0 && step > 10) {
        lose(shared, all, requests);
        ++losses;
      }
      if (pick < 6) pass(shared, all, requests, seconds(1 + static_cast<int>(random() % 5)));
      SharingGateway& gateway = *all[random() % all.size()];
      const Instant now = shared.now();
      const int wanted = static_cast<int>(random() % 12);
      SharingGateway* const only[] = {&gateway};
      const int taken = passed(shared, only, requests, wanted);
      level = std::max<std::int64_t>(level - requests.limit * (now - before).count(), 0);
      level += taken * window;
      before = now;
      // The clock of the server goes on while it is asked.
      ASSERT_LE(level, (requests.limit + 1) * window) << step;
    }
    EXPECT_GT(losses, 2);
  }
}

}  // namespace
}  // namespace tollgate::storage
