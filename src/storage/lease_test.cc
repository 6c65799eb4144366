// Holds from leases: what is leased is all that can be spent, whoever asks, waits or dies.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

#include "storage/lease_fixture.h"

namespace tollgate::storage {
namespace {

using Gateway = LeasingGateway;
using Request = BudgetRequest;

TEST(Lease, IsAskedForOnceAndThenServedFromMemory) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000'000);
  Request first(gateway, policy, 100);
  EXPECT_TRUE(first.waits());
  ASSERT_EQ(gateway.lender.asked.size(), 1U);
  EXPECT_EQ(gateway.lender.asked[0].ask.least, Money{100});
  gateway.answer_all();
  ASSERT_TRUE(first.held());
  const Request second(gateway, policy, 100);
  EXPECT_TRUE(second.held());
  EXPECT_TRUE(gateway.lender.asked.empty());
}

// A reload: the window of now has another start, so it is another account of the store. What was
// held before is spent in the window that holds its moment.
TEST(Lease, IsOfTheWindowOfTheTimeZoneThatIsInForce) {
  HandStore store;
  Gateway gateway(store, "a");
  cost::Policy policy = budget(1'000'000);
  const WallTime utc = cost::start_of(policy.window, policy.zone, kWall);
  Request spent(gateway, policy, 100);
  gateway.answer_all();
  spent.settle(60);
  Request open(gateway, policy, 100);
  for (const char* zone : {"Asia/Kathmandu", "America/New_York", "UTC"}) {
    SCOPED_TRACE(zone);
    policy.zone = cost::TimeZone::named(zone).value();
    const WallTime start = cost::start_of(policy.window, policy.zone, kWall);
    Request next(gateway, policy, 10);
    ASSERT_TRUE(next.waits());
    ASSERT_EQ(gateway.lender.asked.size(), 1U);
    EXPECT_EQ(gateway.lender.asked[0].account, HandStore::key({policy.rule, "acme", start}));
    gateway.answer_all();
    ASSERT_TRUE(next.held());
    const BudgetStanding standing = gateway.ledger.snapshot(kWall).budgets.at(0);
    EXPECT_EQ(standing.window_start, start);
    EXPECT_EQ(standing.held, Money{110});
    EXPECT_EQ(standing.spent, Money{start == utc ? 60 : 0});
    next.settle(0);
  }
  // Another name of the same calendar is the same account.
  policy.zone = cost::TimeZone::named("Etc/UTC").value();
  EXPECT_TRUE(Request(gateway, policy, 10).held());
  open.settle(70);
  EXPECT_EQ(gateway.ledger.snapshot(kWall).budgets.at(0).spent, Money{130});
}

TEST(Lease, IsAskedForAheadOfNeedAndForMoreEachTime) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000'000'000);
  std::deque<Request> requests;
  requests.emplace_back(gateway, policy, 100);
  gateway.answer_all();
  int asked = 0;
  for (int i = 0; i < 10'000; ++i) {
    requests.emplace_back(gateway, policy, 100, kNow + std::chrono::microseconds(i));
    ASSERT_TRUE(requests.back().held()) << i;  // Nobody waits.
    asked += static_cast<int>(gateway.lender.asked.size());
    gateway.answer_all();
  }
  EXPECT_LE(asked, 16);
}

// A crowd that comes first asks for what it needs and some more, not for the whole budget.
TEST(Lease, IsNoLargerForACrowdThatAsksAtOnce) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000'000'000);
  std::deque<Request> crowd;
  for (int i = 0; i < 64; ++i) crowd.emplace_back(gateway, policy, 100);
  gateway.answer_all();
  for (const Request& request : crowd) EXPECT_TRUE(request.held());
  EXPECT_LE(store.accounts.begin()->second.taken(), Money{64 * 900});
}

TEST(Lease, IsNotAskedForWhereThereIsNoMore) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'003);
  std::deque<Request> requests;
  int asked = 0;
  for (int i = 0; i < 10; ++i) {
    requests.emplace_back(gateway, policy, 100, kNow + std::chrono::milliseconds(i));
    asked += static_cast<int>(gateway.lender.asked.size());
    gateway.answer_all();
    ASSERT_TRUE(requests.back().held());
  }
  // All but a rest is held. What is asked now is for nothing.
  const int before = asked;
  for (int i = 0; i < 100; ++i) {
    requests.back().settle(0);
    requests.pop_back();
    requests.emplace_back(gateway, policy, 100, kNow + std::chrono::milliseconds(20 + i));
    asked += static_cast<int>(gateway.lender.asked.size());
    gateway.answer_all();
    ASSERT_TRUE(requests.back().held());
  }
  EXPECT_LE(asked - before, 1);
}

TEST(Lease, RefusesWhatTheStoreHasNotAndTellsWhatOthersTook) {
  HandStore store;
  Gateway one(store, "one");
  Gateway two(store, "two");
  const cost::Policy policy = budget(1'000);
  Request big(one, policy, 700);
  one.answer_all();
  ASSERT_TRUE(big.held());
  Request over(two, policy, 400);
  two.answer_all();
  ASSERT_FALSE(over.held());
  EXPECT_EQ(over.refused(), Reason::kBudgetExhausted);
  ASSERT_EQ(over.result->error().budgets.size(), 1U);
  EXPECT_GE(over.result->error().budgets[0].spent, Money{700});
  EXPECT_EQ(over.result->error().exhausted.size(), 1U);
}

TEST(Lease, OfAnotherIsAskedForAgainAfterAWhile) {
  HandStore store;
  Gateway one(store, "one");
  Gateway two(store, "two");
  one.lender.is_exclusive = two.lender.is_exclusive = false;
  const cost::Policy policy = budget(1'000);
  Request big(one, policy, 1'000);
  one.answer_all();
  const Request over(two, policy, 400);
  two.answer_all();
  ASSERT_FALSE(over.held());
  // Soon after nobody is asked again; the flood of a client that retries stays in memory.
  const Request soon(two, policy, 400, kNow + std::chrono::milliseconds(50));
  EXPECT_FALSE(soon.waits());
  EXPECT_TRUE(two.lender.asked.empty());
  big.settle(10);
  store.reclaim("one");
  const Request later(two, policy, 400, kNow + std::chrono::seconds(1));
  EXPECT_TRUE(later.waits());
  two.answer_all();
  EXPECT_TRUE(later.held());
}

TEST(Lease, OfAnIdleAccountIsGivenBackForOthersToSpend) {
  HandStore store;
  Gateway one(store, "one");
  Gateway two(store, "two");
  one.lender.is_exclusive = two.lender.is_exclusive = false;
  const cost::Policy policy = budget(1'000);
  Request held(one, policy, 300);
  one.answer_all();
  ASSERT_GT(store.accounts.begin()->second.taken(), Money{300});
  one.ledger.give_back_idle(kNow + MemoryLedger::kIdle / 2);
  EXPECT_TRUE(one.lender.asked.empty());
  one.ledger.give_back_idle(kNow + MemoryLedger::kIdle);
  ASSERT_EQ(one.lender.asked.size(), 1U);
  // What is on its way back is not spent here: the next has to ask.
  const Request next(one, policy, 50, kNow + MemoryLedger::kIdle);
  EXPECT_TRUE(next.waits());
  one.lender.answer(one.ledger);
  EXPECT_EQ(store.accounts.begin()->second.taken(), Money{300});
  const Request other(two, policy, 600);
  two.answer_all();
  EXPECT_TRUE(other.held());
  one.answer_all();
  EXPECT_TRUE(next.held());
}

// A reload turns away from a window and another one comes back to it, while what was spent in it is
// on its way to the books: what was leased of it counts as spent.
TEST(Lease, OfAWindowThatIsComeBackToIsNotSpentAgain) {
  HandStore store;
  Gateway gateway(store, "a");
  gateway.books_late = true;
  const cost::Policy daily = budget(1'000);
  cost::Policy monthly = daily;
  monthly.window = cost::Window::kMonth;
  Request first(gateway, daily, 900);
  gateway.answer_all();
  first.settle(900);
  Request between(gateway, monthly, 10);
  gateway.answer_all();
  ASSERT_TRUE(between.held());
  const Request again(gateway, daily, 500);
  gateway.answer_all();
  EXPECT_FALSE(again.held());
  gateway.book_all();
  EXPECT_EQ(store.accounts.size(), 2U);
}

// The hour that begins with the day is an account with the day. It ends, and a reload turns to
// days.
TEST(Lease, OfADayKnowsTheHourThatBeganWithIt) {
  HandStore store;
  Gateway gateway(store, "a");
  gateway.books_late = true;
  cost::Policy hourly = budget(1'000);
  hourly.window = cost::Window::kHour;
  const WallTime midnight = std::chrono::floor<std::chrono::days>(kWall);
  Request first(gateway, hourly, 900, kNow, midnight);
  gateway.answer_all();
  first.settle(900);
  const WallTime later = midnight + std::chrono::hours(1);
  Request second(gateway, hourly, 10, kNow, later);
  gateway.answer_all();
  ASSERT_TRUE(second.held());
  second.settle(10, later);
  const Request again(gateway, budget(1'000), 500, kNow, later);
  gateway.answer_all();
  EXPECT_FALSE(again.held());
}

// What is too little for anybody who asks here may be enough for somebody elsewhere.
TEST(Lease, ThatHelpsNobodyWhoAsksIsGivenBack) {
  HandStore store;
  Gateway one(store, "one");
  Gateway two(store, "two");
  one.lender.is_exclusive = two.lender.is_exclusive = false;
  const cost::Policy policy = budget(1'000);
  Request first(one, policy, 400);
  one.answer_all();
  first.settle(300);
  Request second(two, policy, 300);
  two.answer_all();
  second.settle(280);
  Instant now = kNow;
  for (int i = 0; i < 30; ++i, now += std::chrono::milliseconds(150)) {
    for (Gateway* gateway : {&one, &two}) {
      const Request over(*gateway, policy, 450, now);
      gateway->answer_all();
      EXPECT_FALSE(over.held());
      gateway->ledger.give_back_idle(now);
      gateway->answer_all();
    }
  }
  EXPECT_EQ(store.accounts.begin()->second.taken(), Money{580});
}

// The store may have heard or not; until it answers it is asked again, and again.
TEST(Lease, ThatIsOnItsWayBackIsNeverSpentAndNeverForgotten) {
  HandStore store;
  Gateway gateway(store, "one");
  gateway.lender.is_exclusive = false;
  const cost::Policy policy = budget(1'000);
  Request held(gateway, policy, 100);
  gateway.answer_all();
  held.settle(40);
  Instant now = kNow + MemoryLedger::kIdle;
  for (int round = 0; round < 3; ++round, now += MemoryLedger::kIdle) {
    gateway.ledger.give_back_idle(now);
    gateway.ledger.give_back_idle(now);  // At first what has just been granted is left alone.
    ASSERT_EQ(gateway.lender.asked.size(), 1U) << round;
    gateway.lender.answer(gateway.ledger, Fault{FaultKind::kTimeout, "away"});
  }
  EXPECT_GT(store.accounts.begin()->second.taken(), Money{40});
  gateway.ledger.give_back_idle(now);
  gateway.answer_all();
  EXPECT_EQ(store.accounts.begin()->second.taken(), Money{40});
  gateway.ledger.give_back_idle(now + MemoryLedger::kIdle);
  EXPECT_TRUE(gateway.lender.asked.empty());
}

TEST(Lease, ThatCannotBeHadRefusesAndHoldsNothing) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000);
  const Request first(gateway, policy, 600);
  gateway.lender.answer(gateway.ledger, Fault{FaultKind::kTimeout, "away"});
  gateway.executor.run();
  ASSERT_FALSE(first.waits());
  EXPECT_EQ(first.refused(), Reason::kStoreUnavailable);
  EXPECT_EQ(gateway.ledger.open_holds(), 0);
  const Request second(gateway, policy, 600);
  gateway.answer_all();
  EXPECT_TRUE(second.held());
}

TEST(Lease, OfAnEndedWindowIsNotSpentInTheNext) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000);
  Request today(gateway, policy, 900);
  gateway.answer_all();
  const WallTime tomorrow = kWall + std::chrono::days(1);
  const Request next(gateway, policy, 100, kNow, tomorrow);
  EXPECT_TRUE(next.waits());
  gateway.answer_all();
  EXPECT_TRUE(next.held());
  today.settle(900);
  for (const auto& [key, account] : store.accounts) {
    EXPECT_LE(account.taken(), account.limit);
  }
}

// A settlement may be the first that sees the next window.
TEST(Lease, OfAnEndedWindowIsNotSpentInTheNextThatASettlementBegan) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000);
  Request today(gateway, policy, 900);
  gateway.answer_all();
  const WallTime tomorrow = kWall + std::chrono::days(1);
  today.settle(900, tomorrow);
  const Request next(gateway, policy, 100, kNow, tomorrow);
  EXPECT_TRUE(next.waits());
  gateway.answer_all();
  EXPECT_TRUE(next.held());
  ASSERT_EQ(store.accounts.size(), 2U);
  for (const auto& [key, account] : store.accounts) EXPECT_GE(account.taken(), Money{100});
}

TEST(Lease, BringsWhatWasSpentBeforeTheStart) {
  HandStore store;
  const cost::Policy policy = budget(1'000);
  {
    Gateway before(store, "a");
    Request request(before, policy, 800);
    before.answer_all();
    request.settle(750);
  }
  store.reclaim("a");
  Gateway after(store, "a");
  const Request over(after, policy, 251);
  after.answer_all();
  EXPECT_FALSE(over.held());
  const Request fits(after, policy, 250);
  after.answer_all();
  EXPECT_TRUE(fits.held());
  EXPECT_EQ(after.ledger.snapshot(kWall).budgets.at(0).spent, Money{750});
}

TEST(Lease, KnowsWhatIsSpentOfABudgetThatLetsThrough) {
  HandStore store;
  Gateway gateway(store, "a");
  cost::Policy policy = budget(1'000);
  policy.mode = Mode::kObserve;
  Request first(gateway, policy, 5'000);
  EXPECT_TRUE(first.waits());
  gateway.answer_all();
  ASSERT_TRUE(first.held());
  EXPECT_EQ(first.result->value().observed.size(), 1U);
  first.settle(4'000);
  EXPECT_EQ(store.accounts.begin()->second.taken(), Money{4'000});
}

// Of what others want, the least is served when not all can be.
TEST(Lease, OfTheRestGoesToWhomItIsEnoughFor) {
  LeaseAsk ask;
  ask.least = {10};
  ask.all = {100};
  ask.ahead = {1'000};
  EXPECT_EQ(slice({9}, ask), Money{});
  EXPECT_EQ(slice({10}, ask), Money{10});
  EXPECT_EQ(slice({99}, ask), Money{99});
  EXPECT_EQ(slice({500}, ask), Money{200});
  EXPECT_EQ(slice({100'000}, ask), Money{1'100});
  EXPECT_EQ(slice({-5}, ask), Money{});
  ask.least = ask.all = Money{};
  EXPECT_EQ(slice({0}, ask), Money{});
  EXPECT_EQ(slice({400}, ask), Money{100});
}

// Ends a gateway in the middle of everything and starts it again: what it held is booked as spent,
// as the journal tells it, and only then is the rest of its leases taken back.
std::int64_t kill_and_start(HandStore& store, std::unique_ptr<Gateway>& gateway, const char* name,
                            std::deque<std::unique_ptr<Request>>& open) {
  std::int64_t booked = 0;
  gateway->answer_all();  // Nobody waits any more.
  std::erase_if(open, [&](const std::unique_ptr<Request>& request) {
    if (&request->gateway != gateway.get()) return false;
    if (request->held() && request->result->value().open) {
      booked += request->charge.amount.micro_usd;
      std::string accounts;
      for (const audit::BudgetEvidence& budget : request->result->value().budgets) {
        accounts += HandStore::key({budget.rule, budget.subject, budget.window_start});
      }
      store.spend(name, accounts, request->charge.amount);
    }
    return true;
  });
  store.reclaim(name);
  gateway = std::make_unique<Gateway>(store, name);
  gateway->lender.is_exclusive = false;
  return booked;
}

// Gateways that hold, settle, wait, lose the store and die: never is more spent and held of an
// account than its limit.
TEST(Lease, IsNeverOverspentInAnyHistory) {
  constexpr const char* kNames[] = {"a", "b", "c"};
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random{seed};
    HandStore store;
    const auto limit = static_cast<std::int64_t>(1 + random() % 20'000);
    const cost::Policy policy = budget(limit);
    std::vector<std::unique_ptr<Gateway>> gateways;
    for (const char* name : kNames) {
      gateways.push_back(std::make_unique<Gateway>(store, name));
      gateways.back()->lender.is_exclusive = false;
    }
    std::deque<std::unique_ptr<Request>> open;
    std::int64_t spent = 0;
    WallTime wall = kWall;
    Instant now = kNow;
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::milliseconds(random() % 300);
      const std::size_t turn = random() % gateways.size();
      Gateway& gateway = *gateways[turn];
      if (random() % 64 == 0) {
        spent += kill_and_start(store, gateways[turn], kNames[turn], open);
        continue;
      }
      if (random() % 8 == 0) gateway.ledger.give_back_idle(now);
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          open.push_back(std::make_unique<Request>(gateway, policy, random() % 2'000, now, wall));
          break;
        case 3:
          if (!gateway.lender.asked.empty()) gateway.lender.answer(gateway.ledger);
          break;
        case 4:
          gateway.executor.run();
          break;
        case 5:
          if (random() % 4 == 0 && !gateway.lender.asked.empty()) {
            gateway.lender.answer(gateway.ledger, Fault{FaultKind::kTimeout, "away"});
          }
          break;
        default:
          if (!open.empty() && open.front()->held()) {
            const std::int64_t amount = open.front()->charge.amount.micro_usd;
            const auto used =
                static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(amount + 1));
            open.front()->settle(used);
            spent += used;
          }
          if (!open.empty() && !open.front()->waits()) open.pop_front();
      }
      std::int64_t held = 0;
      for (const auto& request : open) {
        if (request->held() && request->result->value().open) {
          held += request->charge.amount.micro_usd;
        }
      }
      ASSERT_LE(spent + held, limit) << step;
      for (const auto& [key, account] : store.accounts) ASSERT_LE(account.taken(), Money{limit});
    }
    for (const auto& gateway : gateways) gateway->answer_all();
    for (const auto& request : open) {
      ASSERT_FALSE(request->waits());
      if (request->held() && request->result->value().open) request->settle(0);
    }
    for (const auto& gateway : gateways) EXPECT_EQ(gateway->ledger.open_holds(), 0);
  }
}

}  // namespace
}  // namespace tollgate::storage
