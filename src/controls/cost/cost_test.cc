#include "controls/cost/cost.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace tollgate::cost {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::year;

WallTime day(int y, unsigned m, unsigned d) {
  return sys_days(year(y) / std::chrono::month(m) / std::chrono::day(d));
}

Policy policy_of(Window window, std::int64_t micro_usd) {
  Policy policy;
  policy.window = window;
  policy.limit = {micro_usd};
  policy.rule = "tenants.acme.budget";
  return policy;
}

Prices gpt_4o() {
  Prices prices;
  prices.input = {2'500'000};
  prices.cached_input = Price{1'250'000};
  prices.output = {10'000'000};
  return prices;
}

TEST(Cost, PricesCachedInputAtItsOwnPriceAndRoundsUpOnce) {
  EXPECT_EQ(price(gpt_4o(), {1'000, 400, 100}), Money{1'500 + 500 + 1'000});
  EXPECT_EQ(price(gpt_4o(), {1, 0, 0}), Money{3});  // 2.5 micro-dollars.
  EXPECT_EQ(price(gpt_4o(), {1, 1, 0}), Money{2});  // 1.25.
  EXPECT_EQ(price(gpt_4o(), {2, 1, 0}), Money{4});  // 3.75 in one sum, not 3 + 2.
  EXPECT_EQ(price(gpt_4o(), {0, 0, 0}), Money{0});
  Prices plain = gpt_4o();
  plain.cached_input.reset();
  EXPECT_EQ(price(plain, {1'000, 1'000, 0}), Money{2'500});
}

TEST(Cost, PricesTheLargestRequestWithoutOverflow) {
  Prices dear;
  dear.input = dear.output = {10'000'000};
  const Money most = price(dear, {kTokensMax, 0, kTokensMax});
  EXPECT_EQ(most.micro_usd, 2 * 10 * kTokensMax);
}

TEST(Cost, NamesEveryWindowBothWays) {
  for (const char* name : {"hour", "day", "week", "month", "total"})
    EXPECT_EQ(name_of(window_named(name).value()), name);
  EXPECT_FALSE(window_named("year"));
}

TEST(Cost, StartsWindowsOfTheCalendarInUtc) {
  const struct {
    Window window;
    WallTime now, start, end;
  } rows[] = {
      {Window::kHour, day(2026, 11, 25) + minutes(779), day(2026, 11, 25) + hours(12),
       day(2026, 11, 25) + hours(13)},
      {Window::kDay, day(2026, 11, 25) + minutes(779), day(2026, 11, 25), day(2026, 11, 26)},
      // A Wednesday, a Monday's first moment and a Sunday's last.
      {Window::kWeek, day(2026, 11, 25), day(2026, 11, 23), day(2026, 11, 30)},
      {Window::kWeek, day(2026, 11, 23), day(2026, 11, 23), day(2026, 11, 30)},
      {Window::kWeek, day(2026, 11, 30) - microseconds(1), day(2026, 11, 23), day(2026, 11, 30)},
      {Window::kWeek, day(2027, 1, 2), day(2026, 12, 28), day(2027, 1, 4)},
      {Window::kMonth, day(2026, 12, 31) + hours(23), day(2026, 12, 1), day(2027, 1, 1)},
      {Window::kMonth, day(2028, 2, 29), day(2028, 2, 1), day(2028, 3, 1)},
      {Window::kMonth, day(2026, 11, 1) - microseconds(1), day(2026, 10, 1), day(2026, 11, 1)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.now.time_since_epoch().count());
    EXPECT_EQ(start_of(row.window, {}, row.now), row.start);
    EXPECT_EQ(end_of(row.window, {}, row.now), row.end);
  }
  EXPECT_EQ(start_of(Window::kTotal, {}, day(2026, 11, 25)), WallTime{});
  EXPECT_FALSE(end_of(Window::kTotal, {}, day(2026, 11, 25)));
}

TEST(Cost, HoldsToTheLastMicroDollarAndNoFurther) {
  const Policy policy = policy_of(Window::kMonth, 1'000'000);
  const WallTime now = day(2026, 11, 25);
  const Balance held = hold(policy, {}, {999'999}, now).value();
  EXPECT_EQ(remaining(policy, held), Money{1});
  EXPECT_TRUE(hold(policy, held, {1}, now));
  EXPECT_FALSE(hold(policy, held, {2}, now));
  EXPECT_TRUE(passes(policy, held, {1}, now));
  EXPECT_FALSE(passes(policy, held, {2}, now));
  EXPECT_FALSE(hold(policy, held, {std::numeric_limits<std::int64_t>::max()}, now));
}

TEST(Cost, SaysTheNumbersAndWhenTheWindowEnds) {
  const Policy policy = policy_of(Window::kMonth, 500'000'000);
  const Balance balance{day(2026, 11, 1), {499'900'000}, {50'000}};
  const Expected<Balance> refused = hold(policy, balance, {120'000}, day(2026, 11, 25), "acme");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kBudgetExhausted);
  EXPECT_EQ(refused.error().rule, "tenants.acme.budget");
  EXPECT_FALSE(refused.error().retry_after);
  EXPECT_EQ(refused.error().message,
            "Budget of 500.00 USD a month for tenant_id `acme` has no room for this request "
            "(tenants.acme.budget): 499.90 USD spent, 0.05 USD held by requests at work, and this "
            "one may cost 0.12 USD. Ask for fewer tokens, or again after 2026-12-01T00:00:00Z.");
  EXPECT_NE(hold(policy, {}, {500'000'001}, day(2026, 11, 25)).error().message.find("whole budget"),
            std::string::npos);
}

TEST(Cost, SpendsAHoldOnlyInTheWindowInWhichItWasTaken) {
  const Policy policy = policy_of(Window::kDay, 1'000);
  const WallTime evening = day(2026, 11, 25) + hours(23);
  const WallTime morning = day(2026, 11, 26) + hours(1);
  const Balance taken = hold(policy, {}, {400}, evening).value();
  // Over midnight it stays held, then ends without being spent today.
  const Balance rolled = roll(policy, taken, morning);
  EXPECT_EQ(rolled.held, Money{400});
  EXPECT_FALSE(passes(policy, rolled, {601}, morning));
  const Balance settled = settle(policy, rolled, {{400}, taken.window_start}, {300}, morning);
  EXPECT_EQ(settled.held, Money{0});
  EXPECT_EQ(settled.spent, Money{0});
}

TEST(Cost, AClockSetBackReopensNothing) {
  const Policy policy = policy_of(Window::kDay, 1'000);
  const Balance today{day(2026, 11, 25), {900}, {}};
  EXPECT_EQ(roll(policy, today, day(2026, 11, 20)).spent, Money{900});
  EXPECT_FALSE(passes(policy, today, {101}, day(2026, 11, 20)));
}

TEST(Cost, SpendsAnOverrunInFull) {
  const Policy policy = policy_of(Window::kTotal, 1'000);
  const Balance taken = hold(policy, {}, {100}, day(2026, 11, 25)).value();
  const Balance settled = settle(policy, taken, {{100}, {}}, {1'500}, day(2026, 11, 25));
  EXPECT_EQ(settled.spent, Money{1'500});
  EXPECT_EQ(remaining(policy, settled), Money{0});
}

// I1: for any history of holds, settlements and windows, spent + held never exceeds the limit,
// and after all are settled nothing is held.
TEST(Cost, NeverExceedsTheLimitForAnyHistory) {
  for (const Window window : {Window::kHour, Window::kDay, Window::kMonth, Window::kTotal}) {
    SCOPED_TRACE(name_of(window));
    const Policy policy = policy_of(window, 1'000'000);
    std::mt19937_64 random{5};
    std::vector<Taken> open;
    Balance balance;
    WallTime now = day(2026, 11, 25);
    int refused = 0;
    for (int step = 0; step < 20'000; ++step) {
      now += minutes(random() % 20);
      if (random() % 2 == 0) {
        const Money amount{static_cast<std::int64_t>(random() % 200'000)};
        const Expected<Balance> held = hold(policy, balance, amount, now);
        ASSERT_EQ(held.has_value(), passes(policy, balance, amount, now));
        if (held) {
          balance = *held;
          open.push_back({amount, balance.window_start});
        } else {
          ++refused;
        }
      } else if (!open.empty()) {
        std::swap(open[random() % open.size()], open.back());
        const Taken taken = open.back();
        open.pop_back();
        const Money used{static_cast<std::int64_t>(
            random() % static_cast<std::uint64_t>(taken.amount.micro_usd + 1))};
        balance = settle(policy, balance, taken, used, now);
      }
      ASSERT_GE(balance.held, Money{});
      ASSERT_LE(balance.spent.micro_usd + balance.held.micro_usd, policy.limit.micro_usd);
    }
    EXPECT_GT(refused, 10);
    for (const Taken& taken : open) balance = settle(policy, balance, taken, {}, now);
    EXPECT_EQ(balance.held, Money{});
  }
}

TEST(Cost, ObservesWithoutRefusing) {
  const Policy policy = policy_of(Window::kTotal, 10);
  const WallTime now = day(2026, 11, 25);
  const Balance held = hold_observed(policy, {}, {25}, now);
  EXPECT_EQ(held.held, Money{25});
  constexpr Money kMost{std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(hold_observed(policy, held, kMost, now).held, kMost);
}

// Observe mode wins over whatever else the budget says.
TEST(Cost, LetsThroughWhatIsObservedOrAllowedWithAnAlert) {
  Policy policy = policy_of(Window::kDay, 10);
  for (const auto& [says, enforced] : {std::pair(WhenExhausted::kRefuse, false),
                                       {WhenExhausted::kAllowAndAlert, true},
                                       {WhenExhausted::kDowngradeTo, false},
                                       {WhenExhausted::kCapOutputTokens, false}}) {
    policy.when_exhausted = says;
    policy.mode = Mode::kEnforce;
    EXPECT_EQ(lets_through(policy), enforced);
    policy.mode = Mode::kObserve;
    EXPECT_TRUE(lets_through(policy));
  }
}

TEST(Prices, AreReadBackFromTheirVersion) {
  const Prices prices{*parse_price_per_million("2.5"), parse_price_per_million("1.25"),
                      *parse_price_per_million("10")};
  const std::optional<Prices> back = prices_of(version_of(prices));
  ASSERT_TRUE(back);
  EXPECT_EQ(version_of(*back), version_of(prices));
  EXPECT_FALSE(back->audio);
  Prices with_audio = prices;
  with_audio.audio = *parse_price_per_million("40");
  EXPECT_EQ(version_of(with_audio), "2.50/1.25/10.00/40.00");
  EXPECT_EQ(prices_of("2.50/1.25/10.00/40.00")->audio, with_audio.audio);
  for (const char* wrong :
       {"", "1", "1/2", "1/2/x", "/2/3", "1//3", "1/2/3/", "1/2/3/x", "1/2/3/4/5", "-1/2/3"})
    EXPECT_FALSE(prices_of(wrong)) << wrong;
}

Prices with_steps() {
  Prices prices{.input = Price{3'000'000},
                .cached_input = Price{300'000},
                .output = Price{15'000'000},
                .audio = std::nullopt,
                .long_context = {}};
  prices.long_context.push_back(
      {.above = 200, .input = Price{6'000'000}, .cached_input = {}, .output = Price{22'500'000}});
  prices.long_context.push_back({.above = 1000,
                                 .input = Price{12'000'000},
                                 .cached_input = Price{1'000'000},
                                 .output = Price{30'000'000}});
  return prices;
}

TEST(Prices, OfALongContextAreThoseOfTheWholeRequest) {
  const Prices prices = with_steps();
  EXPECT_EQ(price(prices, {.input = 200, .output = 10}).micro_usd, 200 * 3 + 10 * 15);
  EXPECT_EQ(price(prices, {.input = 201, .output = 10}).micro_usd, 201 * 6 + 225);
  // What is cached counts as input, and costs as that where the step says nothing of it.
  EXPECT_EQ(price(prices, {.input = 201, .cached_input = 200}).micro_usd, 201 * 6);
  EXPECT_EQ(price(prices, {.input = 1001, .cached_input = 1000, .output = 1}).micro_usd,
            12 + 1000 + 30);
}

TEST(Prices, OfLongContextsAreReadBackFromTheirVersion) {
  const std::string version = version_of(with_steps());
  EXPECT_EQ(version, "3.00/0.30/15.00;above=200:6.00/6.00/22.50;above=1000:12.00/1.00/30.00");
  const std::optional<Prices> back = prices_of(version);
  ASSERT_TRUE(back);
  EXPECT_EQ(version_of(*back), version);
  for (const char* wrong : {"1/2/3;", "1/2/3;above=5", "1/2/3;above=5:1/2", "1/2/3;above=x:1/2/3",
                            "1/2/3;above=0:1/2/3", "1/2/3;above=5:1/2/3;", "1/2/3;images:0.04/1",
                            "1/2/3;tool_calls:web_search=0.01", "1/2/3;above=5:1/2/3/4"})
    EXPECT_FALSE(prices_of(wrong)) << wrong;
}

// For any amounts: one token more never costs less, so that what is held is the dearest.
TEST(Prices, NeverFallWithMoreTokens) {
  const Prices prices = with_steps();
  std::mt19937_64 random{7};
  for (int step = 0; step < 10'000; ++step) {
    const Amounts amounts{.input = static_cast<Tokens>(random() % 1500),
                          .cached_input = 0,
                          .output = static_cast<Tokens>(random() % 100),
                          .audio = 0};
    Amounts more = amounts;
    ++(step % 2 == 0 ? more.input : more.output);
    ASSERT_LE(price(prices, amounts), price(prices, more)) << amounts.input;
  }
}

TEST(Prices, OfSoundAreThoseOfItsPartOfTheInput) {
  Prices prices{Price{1'000'000}, Price{500'000}, Price{10'000'000}};
  const Amounts amounts{.input = 100, .cached_input = 20, .output = 1, .audio = 30};
  EXPECT_EQ(price(prices, amounts).micro_usd, 80 + 10 + 10);  // As input.
  prices.audio = Price{40'000'000};
  EXPECT_EQ(price(prices, amounts).micro_usd, 50 + 10 + 10 + 30 * 40);
  EXPECT_EQ(price(prices, {.input = 30, .audio = 30}).micro_usd, 30 * 40);
  EXPECT_DEATH(price(prices, {.input = 30, .cached_input = 1, .audio = 30}), "CHECK");
}

}  // namespace
}  // namespace tollgate::cost
