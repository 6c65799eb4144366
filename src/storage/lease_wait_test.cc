// Whoever waits for a lease: by which time it is limited, and what it is told.
#include <gtest/gtest.h>

#include <deque>

#include "storage/lease_fixture.h"

namespace tollgate::storage {
namespace {

using Gateway = LeasingGateway;
using Request = BudgetRequest;
using pipeline::LimitCharge;

// Whoever waits meanwhile is limited by the time that it is then, and no longer by when it came.
TEST(Lease, IsWaitedForWhileTheTimeMovesOn) {
  HandStore store;
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000);
  limits::Policy rate;
  rate.figure = limits::Figure::kRequestsPerMinute;
  rate.limit = 60;
  rate.rule = "limits.tenant_id.requests_per_minute";
  const LimitCharge all{&rate, "acme", 60};
  const Request waiting(gateway, policy, 100, kNow, kWall, "acme", {&all, 1});
  gateway.lender.now = kNow + std::chrono::seconds(2);
  gateway.answer_all();
  ASSERT_TRUE(waiting.held());
  const Instant later = kNow + std::chrono::seconds(61);
  const Request next(gateway, policy, 100, later, kWall, "acme", {&all, 1});
  ASSERT_FALSE(next.held());
  EXPECT_EQ(next.result->error().refusal.retry_after, std::chrono::seconds(1));
}

// All are told what the store has said, however long it took and whoever asks again meanwhile.
TEST(Lease, ThatIsAwaitedIsRefusedByWhatIsTrueInACrowd) {
  const cost::Policy policy = budget(1'000);
  for (const bool exclusive : {false, true}) {
    SCOPED_TRACE(exclusive);
    HandStore store;
    Gateway other(store, "other");
    const Request all(other, policy, 1'000);
    other.answer_all();
    Gateway gateway(store, "a");
    gateway.lender.is_exclusive = exclusive;
    gateway.lender.knows_others = false;
    std::deque<Request> crowd;
    for (int i = 0; i < 30; ++i) crowd.emplace_back(gateway, policy, 100);
    for (int answers = 0; !gateway.lender.asked.empty(); ++answers) {
      ASSERT_LT(answers, 100);
      // One comes at each answer, so that somebody always asks; answers are slow.
      if (answers < 60) crowd.emplace_back(gateway, policy, 100, gateway.lender.now);
      gateway.lender.now = kNow + (answers + 1) * std::chrono::milliseconds(300);
      gateway.lender.answer(gateway.ledger);
      gateway.executor.run();
    }
    for (const Request& one : crowd) {
      ASSERT_TRUE(one.result);
      EXPECT_EQ(one.refused(), Reason::kBudgetExhausted);
    }
  }
}

// What an earlier start had leased came back between the answer and whoever waited for it.
TEST(Lease, ThatIsAwaitedIsAskedForAgainOnceAnEarlierStartHasEnded) {
  HandStore store;
  Gateway earlier(store, "a/earlier");
  Gateway gateway(store, "a");
  const cost::Policy policy = budget(1'000);
  const Request all(earlier, policy, 1'000);
  earlier.answer_all();
  gateway.lender.knows_others = false;
  const Request waiting(gateway, policy, 100);
  gateway.lender.now = kNow + std::chrono::seconds(1);
  gateway.lender.answer(gateway.ledger);
  store.reclaim("a/earlier");
  gateway.lender.knows_others = true;
  gateway.lender.alone_since = gateway.lender.now;
  gateway.executor.run();
  EXPECT_TRUE(waiting.waits());
  gateway.lender.now += std::chrono::seconds(1);
  gateway.answer_all();
  EXPECT_TRUE(waiting.held());
}

// Whatever is lent goes to somebody else each time. It is asked for until all is gone, or nearly
// for ever; in neither case is it the store that cannot be asked.
TEST(Lease, ThatOthersTakeEachTimeIsRefusedByWhatIsTrue) {
  struct Case {
    std::int64_t limit;
    Reason reason;
  };
  for (const Case& one : {Case{1'000'000'000'000'000, Reason::kBudgetExhausted},
                          Case{1'000'000'000'000'000'000, Reason::kOverloaded}}) {
    SCOPED_TRACE(one.limit);
    HandStore store;
    Gateway gateway(store, "a");
    const cost::Policy policy = budget(one.limit);
    const Request waiting(gateway, policy, 1'000);
    std::deque<Request> others;
    std::int64_t held = 0;
    while (waiting.waits() && others.size() < 1'000) {
      while (!gateway.lender.asked.empty()) gateway.lender.answer(gateway.ledger);
      const std::int64_t leased = store.accounts.begin()->second.taken().micro_usd;
      others.emplace_back(gateway, policy, leased - held);
      ASSERT_TRUE(others.back().held());
      held = leased;
      gateway.executor.run();
    }
    ASSERT_FALSE(waiting.waits() || waiting.held());
    EXPECT_EQ(waiting.refused(), one.reason);
    EXPECT_EQ(gateway.ledger.open_holds(), static_cast<std::int64_t>(others.size()));
  }
}

}  // namespace
}  // namespace tollgate::storage
