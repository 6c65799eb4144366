#include "storage/memory_ledger.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "base/hand_executor.h"

namespace tollgate::storage {
namespace {

using limits::Figure;
using limits::Scope;
using pipeline::BudgetCharge;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::LimitCharge;
using pipeline::Shortfall;
using pipeline::Used;

constexpr Instant kNow{std::chrono::hours(100)};
constexpr WallTime kWall = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25);

limits::Policy limit(Scope scope, Figure figure, std::int64_t most) {
  limits::Policy policy;
  policy.scope = scope;
  policy.figure = figure;
  policy.limit = most;
  policy.rule = "limits." + std::string(name_of(scope)) + "." + std::string(name_of(figure));
  return policy;
}

cost::Policy budget(std::int64_t micro_usd, cost::Window window = cost::Window::kDay) {
  cost::Policy policy;
  policy.limit = {micro_usd};
  policy.window = window;
  policy.rule = "tenants.acme.budget";
  return policy;
}

Expected<Hold, Shortfall> hold(MemoryLedger& ledger, const Charges& charges, Arena& arena,
                               Instant now = kNow, WallTime wall = kWall) {
  HandExecutor executor;
  return run_ready(ledger.hold(charges, arena, executor, now, wall));
}

struct Booked final : SettlementSink {
  std::vector<std::pair<std::string, Money>> all;
  void booked(const pipeline::Booking& booking, const Used& used, std::string_view,
              WallTime) override {
    all.emplace_back(booking.id, used.cost);
  }
  std::vector<std::pair<double, Money>> reached;
  void budget_reached(const BudgetReached& told) override {
    EXPECT_EQ(told.subject, "acme");
    EXPECT_EQ(told.tenant, "acme");
    reached.emplace_back(told.share, told.spent);
  }
};

TEST(MemoryLedger, TellsHowThingsStandAfterTheHold) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  const limits::Policy requests = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 120);
  const limits::Policy work = limit(Scope::kTenantId, Figure::kConcurrentRequests, 6);
  const cost::Policy money = budget(1'000);
  const LimitCharge limits[] = {{&requests, "acme", 1}, {&work, "acme", 1}};
  const BudgetCharge budgets[] = {{&money, "acme", {400}}};
  const Charges charges{limits, budgets};
  Hold held = hold(ledger, charges, arena).value();
  EXPECT_TRUE(held.open);
  ASSERT_EQ(held.limits.size(), 2u);
  EXPECT_EQ(held.limits[0].remaining, 119);
  EXPECT_EQ(held.limits[0].subject, "acme");
  EXPECT_EQ(held.limits[1].held, 1);
  EXPECT_EQ(held.limits[1].remaining, 5);
  ASSERT_EQ(held.budgets.size(), 1u);
  EXPECT_EQ(held.budgets[0].held, Money{400});
  EXPECT_TRUE(held.observed.empty());
  EXPECT_EQ(ledger.open_holds(), 1);
  ledger.settle(held, charges, {10, 10, {150}}, {}, kNow, kWall);
  EXPECT_EQ(ledger.open_holds(), 0);
  const Standings after = ledger.snapshot(kWall);
  ASSERT_EQ(after.budgets.size(), 1u);
  EXPECT_EQ(after.budgets[0].rule, "tenants.acme.budget");
  EXPECT_EQ(after.budgets[0].limit, Money{1'000});
  EXPECT_EQ(after.budgets[0].spent, Money{150});
  EXPECT_EQ(after.budgets[0].held, Money{0});
  EXPECT_EQ(after.budgets[0].window_start, kWall);
  ASSERT_EQ(after.work.size(), 1u);
  EXPECT_EQ(after.work[0].at_work, 0);
  EXPECT_EQ(ledger.snapshot(kWall + std::chrono::days(1)).budgets[0].spent, Money{0});
}

// A hold at a bound decides nothing: near anything that counts the input it is refused, also where
// a count would only be observed, and has taken nothing.
TEST(MemoryLedger, HoldsAtABoundOnlyWherePlentyIsLeft) {
  limits::Policy tokens = limit(Scope::kTenantId, Figure::kInputTokensPerMinute, 1'000);
  cost::Policy money = budget(1'000);
  for (const Mode mode : {Mode::kEnforce, Mode::kObserve}) {
    tokens.mode = money.mode = mode;
    for (const bool by_money : {false, true}) {
      MemoryLedger ledger({}, nullptr);
      Arena arena;
      const LimitCharge limits[] = {{&tokens, "acme", by_money ? 1 : 500}};
      const BudgetCharge budgets[] = {{&money, "acme", {by_money ? 500 : 1}}};
      const Charges charges{limits, budgets, true};
      Hold held = hold(ledger, charges, arena).value();
      const LimitCharge more[] = {{&tokens, "acme", 1}};
      const BudgetCharge dearer[] = {{&money, "acme", {1}}};
      const auto refused = hold(ledger, {more, dearer, true}, arena);
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().refusal.reason, Reason::kRateLimited);
      EXPECT_TRUE(refused.error().exhausted.empty());
      EXPECT_EQ(ledger.open_holds(), 1);
      // Counted, it is as ever.
      const Charges counted{more, dearer};
      Hold other = hold(ledger, counted, arena).value();
      EXPECT_EQ(other.limits[0].remaining, by_money ? 998 : 499);
      ledger.settle(other, counted, {}, {}, kNow, kWall);
      ledger.settle(held, charges, {}, {}, kNow, kWall);
      EXPECT_EQ(ledger.snapshot(kWall).budgets[0].held, Money{});
    }
  }
}

// Whichever of the charges refuses, none of the others has been taken.
TEST(MemoryLedger, TakesAllOrNone) {
  const limits::Policy requests = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 10);
  const limits::Policy tokens = limit(Scope::kUserId, Figure::kInputTokensPerMinute, 100);
  const limits::Policy work = limit(Scope::kTenantId, Figure::kConcurrentRequests, 3);
  const cost::Policy money = budget(1'000);
  const struct {
    std::int64_t requests, tokens, money;
    int at_work;
    Reason reason;
  } rows[] = {{11, 1, 1, 0, Reason::kRateLimited},
              {1, 101, 1, 0, Reason::kRateLimited},
              {1, 1, 1'001, 0, Reason::kBudgetExhausted},
              {1, 1, 1, 3, Reason::kConcurrencyLimited}};
  for (const auto& row : rows) {
    MemoryLedger ledger({}, nullptr);
    Arena arena;
    const LimitCharge only_work[] = {{&work, "acme", 1}};
    for (int i = 0; i < row.at_work; ++i) ASSERT_TRUE(hold(ledger, {only_work, {}}, arena));
    const LimitCharge limits[] = {
        {&requests, "acme", row.requests}, {&work, "acme", 1}, {&tokens, "alice", row.tokens}};
    const BudgetCharge budgets[] = {{&money, "acme", {row.money}}};
    const Expected<Hold, Shortfall> refused = hold(ledger, {limits, budgets}, arena);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().refusal.reason, row.reason);
    EXPECT_EQ(ledger.open_holds(), row.at_work);
    // Each can still give its whole.
    const LimitCharge rest[] = {{&requests, "acme", 10}, {&tokens, "alice", 100}};
    const BudgetCharge whole[] = {{&money, "acme", {1'000}}};
    EXPECT_TRUE(hold(ledger, {rest, whole}, arena));
    EXPECT_EQ(ledger.snapshot(kWall).work[0].at_work, row.at_work);
  }
}

TEST(MemoryLedger, TellsHowTheRuleStandsThatRefuses) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  const limits::Policy requests = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 120);
  const limits::Policy tokens = limit(Scope::kUserId, Figure::kInputTokensPerMinute, 100);
  const LimitCharge first[] = {{&requests, "acme", 1}, {&tokens, "alice", 70}};
  ASSERT_TRUE(hold(ledger, {first, {}}, arena));
  const LimitCharge second[] = {{&requests, "acme", 1}, {&tokens, "alice", 40}};
  const Expected<Hold, Shortfall> fast = hold(ledger, {second, {}}, arena);
  ASSERT_FALSE(fast);
  EXPECT_TRUE(fast.error().budgets.empty());
  ASSERT_EQ(fast.error().limits.size(), 1U);
  const audit::LimitEvidence& rate = fast.error().limits[0];
  EXPECT_EQ(rate.scope, Scope::kUserId);
  EXPECT_EQ(rate.subject, "alice");
  EXPECT_EQ(rate.figure, Figure::kInputTokensPerMinute);
  EXPECT_EQ(rate.limit, 100);
  EXPECT_EQ(rate.held, 0);
  EXPECT_EQ(rate.remaining, 30);

  const cost::Policy money = budget(1'000);
  const BudgetCharge some[] = {{&money, "acme", {400}}};
  ASSERT_TRUE(hold(ledger, {{}, some}, arena));
  const BudgetCharge rest[] = {{&money, "acme", {601}}};
  const Expected<Hold, Shortfall> poor = hold(ledger, {{}, rest}, arena);
  ASSERT_FALSE(poor);
  EXPECT_TRUE(poor.error().limits.empty());
  ASSERT_EQ(poor.error().budgets.size(), 1U);
  const audit::BudgetEvidence& budget = poor.error().budgets[0];
  EXPECT_EQ(budget.subject, "acme");
  EXPECT_EQ(budget.window, cost::Window::kDay);
  EXPECT_EQ(budget.limit, Money{1'000});
  EXPECT_EQ(budget.spent, Money{});
  EXPECT_EQ(budget.held, Money{400});
}

TEST(MemoryLedger, TellsTheLongestWaitOfAllThatRefuse) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  const limits::Policy fast = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 60);
  const limits::Policy slow = limit(Scope::kUserId, Figure::kRequestsPerMinute, 6);
  const LimitCharge all[] = {{&fast, "acme", 60}, {&slow, "alice", 6}};
  ASSERT_TRUE(hold(ledger, {all, {}}, arena));
  const LimitCharge one[] = {{&fast, "acme", 1}, {&slow, "alice", 1}};
  const Expected<Hold, Shortfall> refused = hold(ledger, {one, {}}, arena);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().refusal.rule, slow.rule);
  EXPECT_NE(refused.error().refusal.message.find("`alice`"), std::string::npos);
  const Duration wait = refused.error().refusal.retry_after.value();
  EXPECT_EQ(wait, std::chrono::seconds(10));
  EXPECT_FALSE(hold(ledger, {one, {}}, arena, kNow + wait - Duration(1)));
  EXPECT_TRUE(hold(ledger, {one, {}}, arena, kNow + wait));
}

TEST(MemoryLedger, ObservedRulesAreListedAndNeverRefuse) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  limits::Policy requests = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 1);
  limits::Policy work = limit(Scope::kTenantId, Figure::kConcurrentRequests, 1);
  cost::Policy money = budget(10);
  requests.mode = work.mode = money.mode = Mode::kObserve;
  const LimitCharge limits[] = {{&requests, "acme", 1}, {&work, "acme", 1}};
  const BudgetCharge budgets[] = {{&money, "acme", {8}}};
  const Charges charges{limits, budgets};
  Hold first = hold(ledger, charges, arena).value();
  EXPECT_TRUE(first.observed.empty());
  Hold second = hold(ledger, charges, arena).value();
  ASSERT_EQ(second.observed.size(), 3u);
  EXPECT_EQ(second.observed[0], requests.rule);
  EXPECT_EQ(second.observed[1], work.rule);
  EXPECT_EQ(second.observed[2], money.rule);
  EXPECT_EQ(second.limits[1].remaining, 0);
  ledger.settle(first, charges, {}, {}, kNow, kWall);
  ledger.settle(second, charges, {}, {}, kNow, kWall);
  EXPECT_EQ(ledger.snapshot(kWall).budgets[0].held, Money{0});
  EXPECT_EQ(ledger.snapshot(kWall).work[0].at_work, 0);
}

TEST(MemoryLedger, GivesBackTokensByTheirFigureAndNoRequests) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  const limits::Policy policies[] = {limit(Scope::kTenantId, Figure::kRequestsPerMinute, 10),
                                     limit(Scope::kTenantId, Figure::kRequestsPerDay, 10),
                                     limit(Scope::kTenantId, Figure::kInputTokensPerMinute, 100),
                                     limit(Scope::kTenantId, Figure::kOutputTokensPerMinute, 100),
                                     limit(Scope::kTenantId, Figure::kTotalTokensPerMinute, 200)};
  LimitCharge limits[] = {{&policies[0], "acme", 1},
                          {&policies[1], "acme", 1},
                          {&policies[2], "acme", 50},
                          {&policies[3], "acme", 60},
                          {&policies[4], "acme", 110}};
  const Charges charges{limits, {}};
  Hold held = hold(ledger, charges, arena).value();
  ledger.settle(held, charges, {20, 5, {}}, {}, kNow, kWall);
  for (LimitCharge& charge : limits) charge.amount = 0;
  const Hold after = hold(ledger, charges, arena).value();
  EXPECT_EQ(after.limits[0].remaining, 9);
  EXPECT_EQ(after.limits[1].remaining, 9);
  EXPECT_EQ(after.limits[2].remaining, 80);
  EXPECT_EQ(after.limits[3].remaining, 95);
  EXPECT_EQ(after.limits[4].remaining, 175);
}

// I3: a hold is settled exactly once, a copy of it too.
TEST(MemoryLedger, I3SettlesAHoldExactlyOnce) {
  Booked sink;
  MemoryLedger ledger({}, &sink);
  Arena arena;
  const cost::Policy money = budget(1'000);
  const BudgetCharge budgets[] = {{&money, "acme", {400}}};
  const Charges charges{{}, budgets};
  Hold held = hold(ledger, charges, arena).value();
  Hold copy = held;
  ledger.settle(held, charges, {1, 1, {7}}, {.id = "req_1"}, kNow, kWall);
  ASSERT_EQ(sink.all.size(), 1u);
  EXPECT_EQ(sink.all[0], (std::pair<std::string, Money>("req_1", {7})));
  EXPECT_DEATH(ledger.settle(held, charges, {}, {}, kNow, kWall), "hold.open");
  EXPECT_DEATH(ledger.settle(copy, charges, {}, {}, kNow, kWall), "slots.open");
}

TEST(MemoryLedger, BooksAnOverrunInFullAndCountsIt) {
  Booked sink;
  MemoryLedger ledger({}, &sink);
  Arena arena;
  const cost::Policy money = budget(1'000);
  const BudgetCharge budgets[] = {{&money, "acme", {400}}};
  const Charges charges{{}, budgets};
  Hold held = hold(ledger, charges, arena).value();
  ledger.settle(held, charges, {1, 1, {1'700}}, {}, kNow, kWall);
  EXPECT_EQ(ledger.overruns(), 1);
  EXPECT_EQ(ledger.snapshot(kWall).budgets[0].spent, Money{1'700});
  // Absurd figures of a provider stay in range and end nothing.
  const BudgetCharge none[] = {{&money, "acme", {0}}};
  EXPECT_FALSE(hold(ledger, {{}, none}, arena));
  Hold next = hold(ledger, charges, arena, kNow, kWall + std::chrono::days(1)).value();
  ledger.settle(next, charges, {-5, INT64_MAX, {-9}}, {}, kNow, kWall);
  EXPECT_EQ(sink.all.back().second, Money{0});
}

TEST(MemoryLedger, TellsOnceAWindowThatABudgetReachedAShare) {
  Booked booked;
  MemoryLedger ledger({}, &booked);
  Arena arena;
  cost::Policy money = budget(1'000);
  money.alert_at = {0.5, 0.8, 1.0};
  const BudgetCharge budgets[] = {{&money, "acme", {400}}};
  const auto spend = [&](std::int64_t micro_usd, WallTime wall) {
    const Charges charges{.limits = {}, .budgets = budgets, .tenant = "acme"};
    Hold held = hold(ledger, charges, arena, kNow, wall).value();
    ledger.settle(held, charges, {1, 1, {micro_usd}}, {}, kNow, wall);
    return std::exchange(booked.reached, {});
  };
  using Reached = std::vector<std::pair<double, Money>>;
  EXPECT_EQ(spend(400, kWall), Reached{});
  EXPECT_EQ(spend(100, kWall), (Reached{{0.5, {500}}}));  // Exactly there.
  EXPECT_EQ(spend(10, kWall), Reached{});
  EXPECT_EQ(spend(500, kWall), (Reached{{0.8, {1'010}}, {1.0, {1'010}}}));
  const WallTime next = kWall + std::chrono::days(1);
  EXPECT_EQ(spend(400, next), Reached{});
  EXPECT_EQ(spend(300, next), (Reached{{0.5, {700}}}));
}

TEST(MemoryLedger, GivesRequestsBackOnlyWhereNothingLeft) {
  MemoryLedger ledger({}, nullptr);
  Arena arena;
  const limits::Policy minute = limit(Scope::kTenantId, Figure::kRequestsPerMinute, 1);
  const limits::Policy day = limit(Scope::kTenantId, Figure::kRequestsPerDay, 1);
  const LimitCharge limits[] = {{&minute, "acme", 1}, {&day, "acme", 1}};
  const Charges charges{limits, {}};
  for (int i = 0; i < 3; ++i) {
    Hold held = hold(ledger, charges, arena).value();
    ledger.settle(held, charges, {.never_left = true}, {}, kNow, kWall);
  }
  Hold held = hold(ledger, charges, arena).value();
  ledger.settle(held, charges, {}, {}, kNow, kWall);
  EXPECT_EQ(hold(ledger, charges, arena).error().refusal.reason, Reason::kRateLimited);
}

TEST(MemoryLedger, BoundsItsAccountsAndEvictsOnlyThoseAtRest) {
  MemoryLedger ledger({.accounts_max = 400, .key = 9}, nullptr);
  Arena arena;
  const limits::Policy requests = limit(Scope::kClientIp, Figure::kRequestsPerMinute, 1);
  const auto knock = [&](int caller, Instant now) {
    const std::string subject = "192.0.2." + std::to_string(caller);
    const LimitCharge limits[] = {{&requests, subject, 1}};
    Arena own;
    Expected<Hold, Shortfall> held = hold(ledger, {limits, {}}, own, now);
    if (held) ledger.settle(*held, {limits, {}}, {}, {}, now, kWall);
    return held ? std::optional<Reason>() : held.error().refusal.reason;
  };
  for (int caller = 0; caller < 400; ++caller) ASSERT_FALSE(knock(caller, kNow));
  EXPECT_EQ(ledger.accounts(), 400u);
  // Full, and nobody is at rest: no room, and nobody's limit is forgotten.
  EXPECT_EQ(knock(400, kNow), Reason::kStoreUnavailable);
  for (int caller = 0; caller < 400; ++caller) ASSERT_EQ(knock(caller, kNow), Reason::kRateLimited);
  // A minute later all have rested.
  const Instant later = kNow + std::chrono::seconds(61);
  int refused = 0;
  for (int caller = 1'000; caller < 1'100; ++caller) refused += knock(caller, later).has_value();
  EXPECT_LE(refused, 20);  // Where a shard has nobody at rest.
  EXPECT_EQ(ledger.accounts(), 400u);
  EXPECT_EQ(ledger.open_holds(), 0);
}

TEST(MemoryLedger, MoneyThatWasSpentIsNeverEvicted) {
  MemoryLedger ledger({.accounts_max = 64}, nullptr);
  Arena arena;
  const cost::Policy money = budget(1'000);
  for (int i = 0; i < 64; ++i) {
    const std::string subject = "tenant-" + std::to_string(i);
    const BudgetCharge budgets[] = {{&money, subject, {1}}};
    Hold held = hold(ledger, {{}, budgets}, arena).value();
    ledger.settle(held, {{}, budgets}, {1, 1, {1}}, {}, kNow, kWall);
  }
  for (int i = 0; i < 500; ++i) {
    const std::string subject = "new-" + std::to_string(i);
    const BudgetCharge budgets[] = {{&money, subject, {1}}};
    ASSERT_EQ(hold(ledger, {{}, budgets}, arena).error().refusal.reason, Reason::kStoreUnavailable);
  }
  EXPECT_EQ(ledger.snapshot(kWall).budgets.size(), 64u);
}

// ---- Any history, against a slow model that keeps lists instead of sums ----------------------

struct Model {
  struct Entry {
    std::string subject;
    std::int64_t amount = 0;
    WallTime window{};
    bool open = true;
  };
  std::vector<Entry> money;
  std::map<std::string, limits::Balance> rates;
  std::multimap<std::string, int> work;

  std::int64_t charged(const std::string& subject, WallTime window) const {
    std::int64_t sum = 0;
    for (const Entry& entry : money)
      if (entry.subject == subject && (entry.open || entry.window == window)) sum += entry.amount;
    return sum;
  }
};

struct Request {
  std::string tenant, user;
  std::deque<LimitCharge> limits;
  std::deque<BudgetCharge> budgets;
  std::vector<LimitCharge> limit_charges;
  std::vector<BudgetCharge> budget_charges;
  Arena arena;
  Hold hold;
  limits::Taken taken;
  std::size_t entry = 0;
  Charges charges() const { return {limit_charges, budget_charges}; }
};

void expect_nothing_held(MemoryLedger& ledger, WallTime wall) {
  EXPECT_EQ(ledger.open_holds(), 0);
  for (const WorkStanding& standing : ledger.snapshot(wall).work) EXPECT_EQ(standing.at_work, 0);
  for (const BudgetStanding& standing : ledger.snapshot(wall).budgets)
    EXPECT_EQ(standing.held, Money{0});
}

// I1, I12, I14: the same verdicts and balances as the model, for any history.
TEST(MemoryLedger, I1I12I14AgreesWithASlowModelForAnyHistory) {
  const limits::Policy tokens = limit(Scope::kUserId, Figure::kTotalTokensPerMinute, 397);
  const limits::Policy work = limit(Scope::kTenantId, Figure::kConcurrentRequests, 5);
  cost::Policy money = budget(100'000, cost::Window::kHour);
  money.zone = cost::TimeZone::named("Asia/Kathmandu").value();
  MemoryLedger ledger({.key = 3}, nullptr);
  Model model;
  std::vector<std::unique_ptr<Request>> open;
  std::mt19937_64 random{17};
  Instant now = kNow;
  WallTime wall = kWall;
  std::map<Reason, int> refused;
  const auto settle = [&](std::size_t at) {
    Request& request = *open[at];
    const Used used{static_cast<Tokens>(random() % 100),
                    static_cast<Tokens>(random() % 100),
                    {static_cast<std::int64_t>(random() % 3'000)}};
    ledger.settle(request.hold, request.charges(), used, {}, now, wall);
    model.rates[request.user] = limits::settle(tokens, model.rates[request.user], request.taken,
                                               used.input + used.output, now);
    model.work.erase(model.work.find(request.tenant));
    Model::Entry& entry = model.money[request.entry];
    entry.open = false;
    entry.amount = used.cost.micro_usd;
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
  };
  for (int step = 0; step < 6'000; ++step) {
    const Duration passed(random() % 4'000'000);
    now += passed;
    wall += passed;
    if (random() % 5 < 2 && !open.empty()) settle(random() % open.size());
    auto request = std::make_unique<Request>();
    request->tenant = random() % 2 == 0 ? "acme" : "search";
    request->user = request->tenant + std::to_string(random() % 3);
    const std::int64_t amount = 1 + static_cast<std::int64_t>(random() % 300);
    const Money most{3'000 + static_cast<std::int64_t>(random() % 9'000)};
    request->limit_charges = {{&work, request->tenant, 1}, {&tokens, request->user, amount}};
    request->budget_charges = {{&money, request->tenant, most}};

    const WallTime window = cost::start_of(money.window, money.zone, wall);
    const limits::Balance rate = model.rates[request->user];
    const bool fits_work = model.work.count(request->tenant) < 5;
    const bool fits_rate = limits::passes(tokens, rate, amount, now);
    const bool fits_money =
        model.charged(request->tenant, window) + most.micro_usd <= money.limit.micro_usd;
    Expected<Hold, Shortfall> held = hold(ledger, request->charges(), request->arena, now, wall);
    ASSERT_EQ(held.has_value(), fits_work && fits_rate && fits_money) << step;
    if (!held) {
      ++refused[held.error().refusal.reason];
    } else {
      request->hold = *held;
      request->taken = {amount, *limits::reserve(tokens, rate, amount, now)};
      model.rates[request->user] = request->taken.after;
      model.work.emplace(request->tenant, step);
      request->entry = model.money.size();
      model.money.push_back({request->tenant, most.micro_usd, window, true});
      ASSERT_EQ(held->limits[1].remaining, limits::remaining(tokens, request->taken.after, now));
      open.push_back(std::move(request));
    }
    ASSERT_EQ(ledger.open_holds(), static_cast<std::int64_t>(open.size()));
    for (const BudgetStanding& standing : ledger.snapshot(wall).budgets) {
      ASSERT_EQ(standing.spent.micro_usd + standing.held.micro_usd,
                model.charged(standing.subject, window));
      ASSERT_LE(standing.spent.micro_usd + standing.held.micro_usd, money.limit.micro_usd);
    }
  }
  EXPECT_EQ(refused.size(), 3U);  // Each of the rules has refused.
  while (!open.empty()) settle(0);
  expect_nothing_held(ledger, wall);
}

// I1, I12: several threads at once never hold more than there is, and leave nothing behind.
TEST(MemoryLedger, I1I12HoldsForSeveralThreadsAtOnce) {
  const limits::Policy work = limit(Scope::kGlobal, Figure::kConcurrentRequests, 3);
  const limits::Policy tokens = limit(Scope::kUserId, Figure::kOutputTokensPerMinute, 1'000'000);
  const cost::Policy money = budget(60'000, cost::Window::kTotal);
  MemoryLedger ledger({.accounts_max = 50, .key = 5}, nullptr);
  std::atomic<std::int64_t> spent = 0;
  std::atomic<std::int64_t> at_work = 0;
  std::atomic<std::int64_t> most_at_work = 0;
  const auto hammer = [&](int thread) {
    std::mt19937_64 random(static_cast<std::uint64_t>(thread));
    Arena arena;
    for (int i = 0; i < 3'000; ++i) {
      const std::string user = "user-" + std::to_string(random() % 100);
      const LimitCharge limits[] = {{&work, "", 1}, {&tokens, user, 10}};
      const BudgetCharge budgets[] = {{&money, "acme", {100}}};
      const Charges charges{limits, budgets};
      Expected<Hold, Shortfall> held = hold(ledger, charges, arena, kNow + std::chrono::seconds(i));
      if (held) {
        const std::int64_t here = ++at_work;
        for (std::int64_t seen = most_at_work; here > seen;)
          if (most_at_work.compare_exchange_weak(seen, here)) break;
        const Money cost{static_cast<std::int64_t>(random() % 101)};
        spent += cost.micro_usd;
        --at_work;
        ledger.settle(*held, charges, {1, 1, cost}, {}, kNow + std::chrono::seconds(i), kWall);
      }
      arena.reset();
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) threads.emplace_back(hammer, thread);
  for (int i = 0; i < 50; ++i) {
    for (const BudgetStanding& standing : ledger.snapshot(kWall).budgets)
      EXPECT_LE(standing.spent.micro_usd + standing.held.micro_usd, money.limit.micro_usd);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most_at_work, 3);
  EXPECT_EQ(ledger.open_holds(), 0);
  EXPECT_LE(ledger.accounts(), 50u);
  const Standings after = ledger.snapshot(kWall);
  EXPECT_EQ(after.budgets.at(0).spent.micro_usd, spent);
  EXPECT_EQ(after.budgets.at(0).held, Money{0});
  EXPECT_EQ(after.work.at(0).at_work, 0);
  EXPECT_GT(spent, 59'000);
}

}  // namespace
}  // namespace tollgate::storage
