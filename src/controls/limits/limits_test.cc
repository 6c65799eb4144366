#include "controls/limits/limits.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace tollgate::limits {
namespace {

using std::chrono::microseconds;
using Wide = __int128;

constexpr Instant kStart{std::chrono::hours(100)};

Policy policy_of(Figure figure, std::int64_t limit) {
  Policy policy;
  policy.figure = figure;
  policy.limit = limit;
  policy.rule = "limits.tenant_id." + std::string(name_of(figure));
  return policy;
}

// Limits whose unit is no whole number of microseconds, and ones of less than one.
const std::vector<Policy>& hard_policies() {
  static const std::vector<Policy> policies = {
      policy_of(Figure::kRequestsPerMinute, 1),
      policy_of(Figure::kRequestsPerMinute, 7),
      policy_of(Figure::kRequestsPerDay, 120),
      policy_of(Figure::kRequestsPerDay, 999'983),
      policy_of(Figure::kInputTokensPerMinute, 80'000),
      policy_of(Figure::kOutputTokensPerMinute, 60'000'001),
      policy_of(Figure::kTotalTokensPerMinute, 999'999'999'989),
      policy_of(Figure::kTotalTokensPerMinute, 1'000'000'000'000),
  };
  return policies;
}

std::int64_t pick(std::mt19937_64& random, std::int64_t most) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1));
}

TEST(Limits, NamesEveryScopeAndFigureBothWays) {
  for (int i = 0; i < kScopeCount; ++i) {
    const auto scope = static_cast<Scope>(i);
    EXPECT_EQ(scope_named(name_of(scope)), scope);
  }
  for (int i = 0; i < kFigureCount; ++i) {
    const auto figure = static_cast<Figure>(i);
    EXPECT_EQ(figure_named(name_of(figure)), figure);
  }
  EXPECT_EQ(name_of(Scope::kTenantId), "tenant_id");
  EXPECT_EQ(name_of(Figure::kConcurrentRequests), "concurrent_requests");
  EXPECT_FALSE(scope_named("tenant"));
  EXPECT_FALSE(figure_named("requests"));
}

TEST(Limits, LetsAFullBurstThroughAtOnceAndNotOneMore) {
  for (const Policy& policy : hard_policies()) {
    SCOPED_TRACE(policy.limit);
    const Expected<Balance> full = reserve(policy, {}, policy.limit, kStart);
    ASSERT_TRUE(full);
    EXPECT_EQ(remaining(policy, *full, kStart), 0);
    EXPECT_EQ(until_full(*full, kStart), window_of(policy.figure));
    EXPECT_FALSE(reserve(policy, *full, 1, kStart));
    EXPECT_TRUE(reserve(policy, *full, 0, kStart));
    EXPECT_EQ(remaining(policy, *full, kStart + window_of(policy.figure)), policy.limit);
  }
}

TEST(Limits, SumsUnitsWithoutLosingAny) {
  const Policy policy = policy_of(Figure::kRequestsPerMinute, 7);
  Balance balance;
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(remaining(policy, balance, kStart), 7 - i);
    const Expected<Balance> held = reserve(policy, balance, 1, kStart);
    ASSERT_TRUE(held) << i;
    balance = *held;
  }
  EXPECT_EQ(balance.full_at, kStart + std::chrono::minutes(1));
  EXPECT_EQ(balance.fraction, 0);
}

TEST(Limits, SaysThatNoWaitHelpsForAnAmountOverTheLimit) {
  const Policy policy = policy_of(Figure::kInputTokensPerMinute, 80'000);
  const Expected<Balance> refused = reserve(policy, {}, 80'001, kStart, "acme");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kRateLimited);
  EXPECT_FALSE(refused.error().retry_after);
  EXPECT_EQ(refused.error().counted, Counted::kTokens);
  EXPECT_EQ(refused.error().message,
            "This request counts 80001 input tokens, more than the rate limit of 80000 input "
            "tokens a minute for tenant_id `acme` ever lets through "
            "(limits.tenant_id.input_tokens_per_minute); no wait helps, send a smaller one.");
  EXPECT_FALSE(reserve(policy, {}, kTokensMax, kStart));
}

TEST(Limits, TellsRuleNumbersSubjectAndWait) {
  const Policy requests = policy_of(Figure::kRequestsPerMinute, 120);
  const Balance full = *reserve(requests, {}, 120, kStart);
  const Expected<Balance> refused = reserve(requests, full, 1, kStart, "acme");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, requests.rule);
  EXPECT_EQ(refused.error().counted, Counted::kRequests);
  EXPECT_EQ(refused.error().retry_after, microseconds(500'000));
  EXPECT_EQ(refused.error().message,
            "Rate limit of 120 requests a minute for tenant_id `acme` reached "
            "(limits.tenant_id.requests_per_minute); try again in 0.5 s.");

  const Policy tokens = policy_of(Figure::kTotalTokensPerMinute, 60'000);
  const Balance most = *reserve(tokens, {}, 58'800, kStart);
  EXPECT_EQ(reserve(tokens, most, 3'000, kStart, "acme").error().message,
            "Rate limit of 60000 tokens a minute for tenant_id `acme` reached "
            "(limits.tenant_id.total_tokens_per_minute): 3000 asked, 1200 left; try again in "
            "1.8 s.");
}

TEST(Limits, DescribesAGlobalLimitWithoutASubject) {
  Policy policy = policy_of(Figure::kRequestsPerDay, 9);
  policy.scope = Scope::kGlobal;
  EXPECT_EQ(describe(policy, ""), "9 requests a day for all callers together");
}

// Whatever happened before: whoever waits as told passes, and a moment less is too soon.
TEST(Limits, TellsTheShortestWaitForAnyHistory) {
  for (const Policy& policy : hard_policies()) {
    SCOPED_TRACE(policy.limit);
    std::mt19937_64 random{7};
    const std::int64_t window = window_of(policy.figure).count();
    Balance balance;
    Instant now = kStart;
    int refused = 0;
    for (int step = 0; step < 4'000; ++step) {
      now += Duration(pick(random, window / 3));
      const std::int64_t amount = 1 + pick(random, policy.limit - 1);
      Expected<Balance> held = reserve(policy, balance, amount, now);
      EXPECT_EQ(held.has_value(), passes(policy, balance, amount, now));
      EXPECT_EQ(held.has_value(), amount <= remaining(policy, balance, now));
      if (!held) {
        ++refused;
        now += held.error().retry_after.value();
        ASSERT_FALSE(reserve(policy, balance, amount, now - microseconds(1))) << step;
        held = reserve(policy, balance, amount, now);
      }
      ASSERT_TRUE(held) << step;
      const Taken taken{amount, *held};
      now += Duration(pick(random, window / 5));
      balance = settle(policy, *held, taken, pick(random, 2 * amount), now);
    }
    EXPECT_GT(refused, 100);
  }
}

// I13: however reservations overlap and whatever is given back when, what is used of them in
// any window W is at most limit + limit / window * W, to the unit.
TEST(Limits, AdmitsNoMoreThanBurstPlusRateInAnyWindow) {
  struct Admitted {
    Instant at;
    std::int64_t used = 0;
    Taken taken;
    bool open = true;
  };
  for (const Policy& policy : hard_policies()) {
    SCOPED_TRACE(policy.limit);
    std::mt19937_64 random{11};
    const std::int64_t window = window_of(policy.figure).count();
    std::vector<Admitted> admitted;
    Balance balance;
    Instant now = kStart;
    for (int step = 0; step < 3'000; ++step) {
      now += Duration(random() % 4 == 0 ? window / (1 + pick(random, 5)) : pick(random, 2));
      const std::int64_t part = std::max<std::int64_t>(policy.limit / (1 + pick(random, 3)), 1);
      const std::int64_t amount = random() % 2 == 0 ? part : 1 + pick(random, part - 1);
      if (const Expected<Balance> held = reserve(policy, balance, amount, now)) {
        balance = *held;
        admitted.push_back({now, amount, {amount, balance}});
      }
      if (admitted.empty() || random() % 2 == 0) continue;
      Admitted& ended = admitted[random() % admitted.size()];
      if (!ended.open) continue;
      ended.open = false;
      ended.used = random() % 2 == 0 ? 0 : pick(random, ended.taken.amount);
      balance = settle(policy, balance, ended.taken, ended.used, now);
    }
    ASSERT_GT(admitted.size(), 30u);
    for (std::size_t first = 0; first < admitted.size(); ++first) {
      Wide sum = 0;
      for (std::size_t last = first; last < admitted.size(); ++last) {
        sum += admitted[last].used;
        const Wide elapsed = (admitted[last].at - admitted[first].at).count();
        ASSERT_LE(sum * window, static_cast<Wide>(policy.limit) * (window + elapsed));
      }
    }
  }
}

TEST(Limits, GivesBackAllThatWasUnusedWhenNothingElseHappened) {
  const Policy policy = policy_of(Figure::kOutputTokensPerMinute, 20'000);
  const Balance after = *reserve(policy, {}, 4'096, kStart);
  EXPECT_EQ(remaining(policy, after, kStart), 15'904);
  const Balance settled = settle(policy, after, {4'096, after}, 96, kStart);
  EXPECT_EQ(remaining(policy, settled, kStart), 19'904);
  // At rest time has given all back already: settling adds nothing beyond full.
  const Instant later = kStart + std::chrono::minutes(5);
  EXPECT_EQ(remaining(policy, settle(policy, after, {4'096, after}, 0, later), later), 20'000);
}

TEST(Limits, DoesNotGiveBackWhatTimeHasEarnedBack) {
  const Policy policy = policy_of(Figure::kOutputTokensPerMinute, 20'000);
  const Balance first = *reserve(policy, {}, 20'000, kStart);
  const Instant later = kStart + std::chrono::minutes(1);
  const Balance second = *reserve(policy, first, 20'000, later);
  const Balance settled = settle(policy, second, {20'000, first}, 0, later);
  EXPECT_EQ(remaining(policy, settled, later), 0);
}

TEST(Limits, DoesNotGiveBackTheSameTimeTwice) {
  const Policy policy = policy_of(Figure::kOutputTokensPerMinute, 20'000);
  const Balance first = *reserve(policy, {}, 10'000, kStart);
  const Balance second = *reserve(policy, first, 10'000, kStart);
  const Balance one_left = settle(policy, second, {10'000, first}, 0, kStart);
  EXPECT_EQ(remaining(policy, one_left, kStart), 10'000);
  // Half a minute later the second has been earned back as well; a whole burst is taken.
  const Instant later = kStart + std::chrono::seconds(30);
  const Balance third = *reserve(policy, one_left, 20'000, later);
  const Balance settled = settle(policy, third, {10'000, second}, 0, later);
  EXPECT_EQ(remaining(policy, settled, later), 0);
}

TEST(Limits, TakesWhatWasUsedBeyondTheReservation) {
  const Policy policy = policy_of(Figure::kOutputTokensPerMinute, 100);
  const Balance after = *reserve(policy, {}, 10, kStart);
  const Balance settled = settle(policy, after, {10, after}, 160, kStart);
  EXPECT_EQ(remaining(policy, settled, kStart), 0);
  EXPECT_EQ(until_full(settled, kStart), std::chrono::seconds(96));
  // However absurd the figure, the debt stays in range.
  const Policy tiny = policy_of(Figure::kOutputTokensPerMinute, 1);
  const Balance lied = settle(tiny, {}, {0, {}}, kTokensMax, kStart);
  EXPECT_EQ(until_full(lied, kStart), kDebtMax);
  EXPECT_EQ(until_full(settle(tiny, lied, {0, {}}, kTokensMax, kStart), kStart), kDebtMax);
}

TEST(Limits, ObservesWithoutRefusingAndWithoutEndlessDebt) {
  Policy policy = policy_of(Figure::kRequestsPerMinute, 2);
  policy.mode = Mode::kObserve;
  Balance balance;
  for (int i = 0; i < 100; ++i) balance = reserve_observed(policy, balance, 1, kStart);
  EXPECT_EQ(until_full(balance, kStart), std::chrono::minutes(1));
  EXPECT_EQ(remaining(policy, reserve_observed(policy, {}, 1, kStart), kStart), 1);
}

TEST(Limits, AnOlderMomentGrantsNothingMore) {
  const Policy policy = policy_of(Figure::kRequestsPerMinute, 60);
  const Balance balance = *reserve(policy, {}, 60, kStart);
  EXPECT_FALSE(reserve(policy, balance, 1, kStart - std::chrono::seconds(30)));
  EXPECT_EQ(remaining(policy, balance, kStart - std::chrono::seconds(30)), 0);
}

TEST(Limits, SurvivesABalanceThatAnotherLimitWrote) {
  const Policy wide = policy_of(Figure::kTotalTokensPerMinute, 999'999'999'989);
  const Balance balance = *reserve(wide, {}, 123'456'789, kStart);
  const Policy narrow = policy_of(Figure::kTotalTokensPerMinute, 3);
  const Expected<Balance> held = reserve(narrow, balance, 1, kStart);
  ASSERT_TRUE(held);
  EXPECT_LT(held->fraction, 3);
  EXPECT_EQ(remaining(narrow, *held, kStart), 1);
}

TEST(Limits, CountsThoseAtWork) {
  const Policy policy = policy_of(Figure::kConcurrentRequests, 2);
  const std::int64_t two = *enter(policy, *enter(policy, 0));
  const Expected<std::int64_t> refused = enter(policy, two, "acme");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kConcurrencyLimited);
  EXPECT_EQ(refused.error().retry_after, std::chrono::seconds(1));
  EXPECT_EQ(refused.error().message,
            "Limit of 2 requests at once for tenant_id `acme` reached "
            "(limits.tenant_id.concurrent_requests): 2 at work; try again when one has ended.");
  EXPECT_TRUE(enter(policy, leave(two)));
  EXPECT_DEATH(leave(0), "CHECK|at_work");
}

}  // namespace
}  // namespace tollgate::limits
