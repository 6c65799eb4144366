// What the ledger says of budgets that no longer hold a request, and of those that let it through.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>

#include "base/executor.h"
#include "storage/memory_ledger.h"

namespace tollgate::storage {
namespace {

using pipeline::BudgetCharge;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::Shortfall;

constexpr Instant kNow{std::chrono::hours(100)};
constexpr WallTime kWall = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);

cost::Policy budget(std::string rule, std::int64_t micro_usd,
                    cost::WhenExhausted says = cost::WhenExhausted::kRefuse) {
  cost::Policy policy;
  policy.limit = {micro_usd};
  policy.window = cost::Window::kDay;
  policy.rule = std::move(rule);
  policy.when_exhausted = says;
  return policy;
}

// A ledger without a lender never waits.
struct NoExecutor final : Executor {
  void post(std::function<void()>) override { ADD_FAILURE() << "the ledger waits"; }
};

struct Alerts final : SettlementSink {
  void booked(const pipeline::Booking&, const pipeline::Used&, std::string_view,
              WallTime) override {}
  void budget_reached(const BudgetReached& reached) override {
    all.push_back(
        {reached.policy.rule, std::string(reached.subject), reached.share, reached.spent});
  }
  struct Alert {
    std::string rule, subject;
    double share = 0;
    Money spent;
  };
  std::vector<Alert> all;
};

class Exhaustion : public testing::Test {
 protected:
  Expected<Hold, Shortfall> hold(std::span<const BudgetCharge> budgets, WallTime wall = kWall) {
    return run_ready(ledger.hold({{}, budgets}, arena, executor, kNow, wall));
  }
  void settle(Hold& held, std::span<const BudgetCharge> budgets, Money cost,
              WallTime wall = kWall) {
    ledger.settle(held, {{}, budgets}, {1, 1, cost}, {}, kNow, wall);
  }

  Alerts alerts;
  MemoryLedger ledger{{}, &alerts};
  Arena arena;
  NoExecutor executor;
};

TEST_F(Exhaustion, NamesEveryBudgetThatRefusesInOrder) {
  const cost::Policy wide = budget("budgets.global", 1'000);
  const cost::Policy user = budget("budgets.user_id", 10, cost::WhenExhausted::kDowngradeTo);
  const cost::Policy tenant = budget("tenants.acme.budget", 20);
  cost::Policy observed = budget("budgets.route", 1);
  observed.mode = Mode::kObserve;
  const cost::Policy open = budget("budgets.model", 1, cost::WhenExhausted::kAllowAndAlert);
  const BudgetCharge charges[] = {{&wide, "", {100}},
                                  {&user, "ada", {100}},
                                  {&observed, "chat", {100}},
                                  {&open, "small", {100}},
                                  {&tenant, "acme", {100}}};
  const Expected<Hold, Shortfall> refused = hold(charges);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().refusal.rule, "budgets.user_id");
  ASSERT_EQ(refused.error().exhausted.size(), 2U);
  EXPECT_EQ(refused.error().exhausted[0], &user);
  EXPECT_EQ(refused.error().exhausted[1], &tenant);
  // Nothing was taken, and nothing is told of what was not let through.
  EXPECT_TRUE(alerts.all.empty());
  for (const BudgetStanding& standing : ledger.snapshot(kWall).budgets) {
    EXPECT_EQ(standing.held, Money{}) << standing.rule;
  }
}

TEST_F(Exhaustion, NamesNoneWhereALimitAloneRefuses) {
  limits::Policy requests;
  requests.figure = limits::Figure::kRequestsPerMinute;
  requests.limit = 1;
  requests.rule = "limits.tenant_id.requests_per_minute";
  const cost::Policy tenant = budget("tenants.acme.budget", 20);
  const pipeline::LimitCharge limits[] = {{&requests, "acme", 2}};
  const BudgetCharge budgets[] = {{&tenant, "acme", {10}}};
  const Expected<Hold, Shortfall> refused =
      run_ready(ledger.hold({limits, budgets}, arena, executor, kNow, kWall));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().exhausted.empty());
}

TEST_F(Exhaustion, TellsWhatIsLetThroughOnceAWindowForEachSubject) {
  for (const cost::Window window : {cost::Window::kDay, cost::Window::kTotal}) {
    SCOPED_TRACE(cost::name_of(window));
    alerts.all.clear();
    cost::Policy open = budget("budgets." + std::string(cost::name_of(window)), 100,
                               cost::WhenExhausted::kAllowAndAlert);
    open.window = window;
    const BudgetCharge ada[] = {{&open, "ada", {60}}};
    const BudgetCharge bob[] = {{&open, "bob", {600}}};
    Hold first = hold(ada).value();
    EXPECT_TRUE(first.observed.empty());
    EXPECT_TRUE(alerts.all.empty());
    Hold second = hold(ada).value();
    ASSERT_EQ(second.observed.size(), 1U);
    EXPECT_EQ(second.observed[0], open.rule);
    ASSERT_EQ(alerts.all.size(), 1U);
    EXPECT_EQ(alerts.all[0].rule, open.rule);
    EXPECT_EQ(alerts.all[0].subject, "ada");
    EXPECT_DOUBLE_EQ(alerts.all[0].share, 1.2);
    EXPECT_EQ(alerts.all[0].spent, Money{120});
    Hold third = hold(ada).value();
    EXPECT_EQ(third.observed.size(), 1U);
    EXPECT_EQ(alerts.all.size(), 1U);
    EXPECT_TRUE(hold(bob));
    ASSERT_EQ(alerts.all.size(), 2U);
    EXPECT_EQ(alerts.all[1].subject, "bob");
    for (Hold* held : {&first, &second, &third}) settle(*held, ada, {60});
    // In the next window it begins anew, where there is one.
    const WallTime tomorrow = kWall + std::chrono::days(1);
    EXPECT_TRUE(hold(ada, tomorrow));
    EXPECT_TRUE(hold(ada, tomorrow));
    EXPECT_EQ(alerts.all.size(), window == cost::Window::kDay ? 3U : 2U);
  }
}

// A budget of nothing has no share to tell.
TEST_F(Exhaustion, TellsABudgetOfNothingAsReached) {
  const cost::Policy open = budget("budgets.global", 0, cost::WhenExhausted::kAllowAndAlert);
  const BudgetCharge charges[] = {{&open, "", {1}}};
  EXPECT_TRUE(hold(charges));
  ASSERT_EQ(alerts.all.size(), 1U);
  EXPECT_EQ(alerts.all[0].share, 1);
}

// In observe mode a budget alerts nobody, whatever else it says.
TEST_F(Exhaustion, TellsNothingOfABudgetThatIsObserved) {
  cost::Policy open = budget("budgets.global", 1, cost::WhenExhausted::kAllowAndAlert);
  open.mode = Mode::kObserve;
  const BudgetCharge charges[] = {{&open, "", {5}}};
  EXPECT_EQ(hold(charges)->observed.size(), 1U);
  EXPECT_TRUE(alerts.all.empty());
  // Enforced by a reload, it does.
  open.mode = Mode::kEnforce;
  EXPECT_TRUE(hold(charges));
  EXPECT_EQ(alerts.all.size(), 1U);
}

// Whatever a budget beside it lets through: an enforced one is never held beyond its limit, and
// what a hold refuses leaves no trace.
TEST_F(Exhaustion, HoldsTheEnforcedBesideTheOpenForAnyHistory) {
  std::mt19937_64 random{23};
  const cost::Policy hard = budget("budgets.global", 1'000);
  const cost::Policy open = budget("tenants.acme.budget", 300, cost::WhenExhausted::kAllowAndAlert);
  const cost::Policy tight = budget("budgets.user_id", 700, cost::WhenExhausted::kCapOutputTokens);
  struct Open {
    Hold hold;
    std::vector<BudgetCharge> charges;
  };
  std::vector<Open> at_work;
  int refusals = 0;
  for (int step = 0; step < 5'000; ++step) {
    SCOPED_TRACE(step);
    const Money amount{static_cast<std::int64_t>(random() % 250)};
    if (random() % 2 == 0) {
      const std::vector<BudgetCharge> charges = {
          {&hard, "", amount}, {&tight, "ada", amount}, {&open, "acme", amount}};
      Expected<Hold, Shortfall> held = hold(charges);
      if (held) {
        at_work.push_back({*held, charges});
      } else {
        ++refusals;
        ASSERT_FALSE(held.error().exhausted.empty());
        for (const cost::Policy* each : held.error().exhausted) ASSERT_NE(each, &open);
      }
    } else if (!at_work.empty()) {
      std::swap(at_work[random() % at_work.size()], at_work.back());
      // Mostly less than was held, as most is never used.
      settle(at_work.back().hold, at_work.back().charges,
             {static_cast<std::int64_t>(
                 random() % 8 == 0 ? at_work.back().charges[0].amount.micro_usd / 100 : 0)});
      at_work.pop_back();
    }
    for (const BudgetStanding& standing : ledger.snapshot(kWall).budgets) {
      if (standing.rule == open.rule) continue;
      ASSERT_LE(standing.spent.micro_usd + standing.held.micro_usd, standing.limit.micro_usd);
    }
  }
  EXPECT_GT(refusals, 100);
  EXPECT_EQ(alerts.all.size(), 1U);
}

}  // namespace
}  // namespace tollgate::storage
