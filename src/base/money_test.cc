#include "base/money.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace tollgate {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

// A number of any size: small ones, whole powers and large ones alike.
std::int64_t any_up_to(std::int64_t most, std::mt19937_64& random) {
  const auto number = static_cast<std::int64_t>((random() >> 1) >> (random() % 63));
  return number % (most + 1);
}

TEST(Money, ParsesWhatPriceListsWrite) {
  const struct {
    std::string_view text;
    std::int64_t micro_usd;
  } cases[] = {
      {"0", 0},
      {"500", 500'000'000},
      {"12.50", 12'500'000},
      {"12.5", 12'500'000},
      {"0.000001", 1},
      {"007.10", 7'100'000},
      {"0.0", 0},
      {"1.000000", 1'000'000},
      {"9000000000000", 9'000'000'000'000'000'000},
  };
  for (const auto& [text, micro_usd] : cases) {
    SCOPED_TRACE(text);
    const auto money = parse_money(text);
    ASSERT_TRUE(money);
    EXPECT_EQ(money->micro_usd, micro_usd);
  }
}

TEST(Money, RefusesWhatIsNoPlainAmount) {
  const std::string cases[] = {
      "",
      ".",
      "-1",
      "+1",
      "1.",
      ".5",
      "1.0000001",
      "0.0000000",
      "1e3",
      "1,50",
      "1 ",
      " 1",
      "$1",
      "0x10",
      "nan",
      "inf",
      "1.2.3",
      "1..2",
      "9000000000000.000001",
      "99999999999999999999",
      std::string(1000, '9'),
      std::string("1\0", 2),
      "\xd9\xa1",
  };
  for (const std::string& text : cases) EXPECT_FALSE(parse_money(text)) << text;
}

TEST(Money, BoundsPricesAtAMillionDollarsAMillionTokens) {
  EXPECT_EQ(parse_price_per_million("0.05"), Price{50'000});
  EXPECT_EQ(parse_price_per_million("1000000"), kPriceMax);
  EXPECT_FALSE(parse_price_per_million("1000000.000001"));
}

TEST(Money, WritesTheShortestFormWithTwoToSixDecimals) {
  const struct {
    std::int64_t micro_usd;
    std::string_view text;
  } cases[] = {
      {0, "0.00"},
      {12'500'000, "12.50"},
      {123, "0.000123"},
      {-1'000'000, "-1.00"},
      {-1, "-0.000001"},
      {1'200'000, "1.20"},
      {1'230'000, "1.23"},
      {1'234'500, "1.2345"},
      {100'000'000, "100.00"},
      {kMost, "9223372036854.775807"},
      {kLeast, "-9223372036854.775808"},
  };
  for (const auto& [micro_usd, text] : cases) EXPECT_EQ(format_usd({micro_usd}), text);
  EXPECT_EQ(format_price_per_million({50'000}), "0.05");
}

TEST(Money, ReadsBackWhatItWroteForAnyAmount) {
  std::mt19937_64 random{1};
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    const Money money{any_up_to(9'000'000'000'000'000'000, random)};
    ASSERT_EQ(parse_money(format_usd(money)), money) << format_usd(money);
    const Price price{any_up_to(kPriceMax.pico_usd_per_token, random)};
    ASSERT_EQ(parse_price_per_million(format_price_per_million(price)), price);
  }
}

TEST(Money, NeverWrapsAround) {
  EXPECT_EQ(add({1}, {2}), Money{3});
  EXPECT_EQ(add({kMost}, {1}), std::nullopt);
  EXPECT_EQ(add({kLeast}, {-1}), std::nullopt);
  EXPECT_EQ(subtract({1}, {2}), Money{-1});
  EXPECT_EQ(subtract({kLeast}, {1}), std::nullopt);
  EXPECT_EQ(subtract({0}, {kLeast}), std::nullopt);
  EXPECT_EQ(add_saturated({kMost}, {1}), Money{kMost});
  EXPECT_EQ(add_saturated({kLeast}, {-1}), Money{kLeast});
  EXPECT_EQ(add_saturated({kMost}, {kLeast}), Money{-1});
}

TEST(Bill, RoundsUpOnceAtTheEnd) {
  Bill bill;
  EXPECT_EQ(bill.total(), Money{0});
  bill.add(0, kPriceMax);
  EXPECT_EQ(bill.total(), Money{0});
  bill.add(1, {1});
  EXPECT_EQ(bill.total(), Money{1});  // A millionth of a micro-dollar is one all the same.
  bill.add(1, {999'999});
  EXPECT_EQ(bill.total(), Money{1});
  bill.add(1, {1});
  EXPECT_EQ(bill.total(), Money{2});
}

TEST(Bill, ChargesWhatProvidersPublish) {
  Bill bill;
  bill.add(1'000, *parse_price_per_million("2.50"));
  bill.add(500, *parse_price_per_million("10.00"));
  EXPECT_EQ(format_usd(bill.total()), "0.0075");
}

TEST(Bill, HoldsTheLargestBill) {
  Bill bill;
  bill.add(kTokensMax, kPriceMax);
  EXPECT_EQ(bill.total(), Money{kTokensMax * 1'000'000});
}

// For any bill: never below what it costs, never a whole micro-dollar above, the same in any
// order, and never less for one more line.
TEST(Bill, NeverChargesTooLittleForAnyLines) {
  std::mt19937_64 random{2};
  for (int step = 0; step < 20'000; ++step) {
    SCOPED_TRACE(step);
    Bill forwards;
    Bill backwards;
    std::pair<Tokens, Price> lines[4];
    unsigned __int128 exact = 0;
    Money before{};
    for (auto& [tokens, price] : lines) {
      tokens = any_up_to(kTokensMax, random);
      price = {any_up_to(kPriceMax.pico_usd_per_token, random)};
      exact += static_cast<unsigned __int128>(tokens) * price.pico_usd_per_token;
      forwards.add(tokens, price);
      ASSERT_GE(forwards.total(), before);
      before = forwards.total();
    }
    for (int i = 3; i >= 0; --i) backwards.add(lines[i].first, lines[i].second);
    ASSERT_EQ(forwards.total(), backwards.total());
    const auto charged = static_cast<unsigned __int128>(forwards.total().micro_usd) * 1'000'000;
    ASSERT_TRUE(charged >= exact);
    ASSERT_TRUE(charged - exact < 1'000'000);
  }
}

TEST(BillDeathTest, TakesAWrongRangeForABug) {
  Bill bill;
  EXPECT_DEATH(bill.add(-1, {1}), "CHECK");
  EXPECT_DEATH(bill.add(kTokensMax + 1, {1}), "CHECK");
  EXPECT_DEATH(bill.add(1, {kPriceMax.pico_usd_per_token + 1}), "CHECK");
}

}  // namespace
}  // namespace tollgate
