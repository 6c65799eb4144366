// What is paid apart: parts of the input and the output, and tiers.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "controls/cost/cost.h"

namespace tollgate::cost {
namespace {

constexpr std::int64_t kDollar = 1'000'000;  // A million tokens, in pico-dollars a token.

Prices claude() {
  Prices prices;
  prices.input = {3 * kDollar};
  prices.cached_input = Price{300'000};
  prices.output = {15 * kDollar};
  prices.apart.cache_write_5m = Price{3'750'000};
  prices.apart.cache_write_1h = Price{6 * kDollar};
  return prices;
}

TEST(PricesApart, OfWritesToACacheAreByLifetime) {
  Amounts amounts{.input = 10'000, .cached_input = 1'000, .output = 100};
  amounts.cache_write_5m = 2'000;
  amounts.cache_write_1h = 4'000;
  // 3000 plain, 1000 read, 2000 for five minutes, 4000 for an hour.
  EXPECT_EQ(price(claude(), amounts), Money{9'000 + 300 + 7'500 + 24'000 + 1'500});
  Prices plain = claude();
  plain.apart = {};
  EXPECT_EQ(price(plain, amounts), Money{27'000 + 300 + 1'500}) << "as input, never nothing";
}

TEST(PricesApart, OfPartsOfTheOutputAndOfImages) {
  Prices prices = claude();
  prices.apart.image_input = Price{10 * kDollar};
  prices.apart.reasoning_output = Price{30 * kDollar};
  prices.apart.audio_output = Price{64 * kDollar};
  Amounts amounts{.input = 1'000, .output = 1'000};
  amounts.image = 400;
  amounts.reasoning = 300;
  amounts.audio_output = 200;
  EXPECT_EQ(price(prices, amounts), Money{1'800 + 4'000 + 7'500 + 9'000 + 12'800});
}

TEST(PricesApart, AreHeldOnlyWhereTheyCanBeCaused) {
  Prices prices = claude();
  prices.apart.image_input = Price{10 * kDollar};
  Most most{.input = 1'000};
  EXPECT_EQ(worst(prices, most), Money{3'000});
  most.writes = CacheLifetime::k5Minutes;
  EXPECT_EQ(worst(prices, most), Money{3'750});
  most.writes = CacheLifetime::k1Hour;
  EXPECT_EQ(worst(prices, most), Money{6'000});
  most.images = true;
  EXPECT_EQ(worst(prices, most), Money{10'000});
}

TEST(ServiceTiers, HaveAllPricesOfTheirOwn) {
  Prices prices = claude();
  Prices priority;
  priority.tier = ServiceTier::kPriority;
  priority.input = {6 * kDollar};
  priority.output = {30 * kDollar};
  prices.tiers.push_back(priority);
  Amounts amounts{.input = 1'000, .cached_input = 1'000, .output = 100};
  EXPECT_EQ(price(prices, amounts), Money{300 + 1'500});
  amounts.tier = ServiceTier::kPriority;
  EXPECT_EQ(price(prices, amounts), Money{6'000 + 3'000});
  amounts.tier = ServiceTier::kFlex;
  EXPECT_EQ(price(prices, amounts), Money{6'000 + 3'000}) << "without a price at the dearest";
  Most most{.input = 1'000, .output = 100};
  EXPECT_EQ(worst(prices, most), Money{3'000 + 1'500});
  most.tiers.add(ServiceTier::kPriority);
  EXPECT_EQ(worst(prices, most), Money{6'000 + 3'000});
}

TEST(ServiceTiers, AreNamedAsProvidersNameThem) {
  EXPECT_EQ(service_tier_named("standard"), ServiceTier::kDefault);
  EXPECT_EQ(service_tier_named("priority"), ServiceTier::kPriority);
  for (const char* other : {"", "auto", "batch", "scale", "Flex"}) {
    EXPECT_FALSE(service_tier_named(other)) << other;
  }
}

// Any prices, upside down ones too, and any request with all that it can come to.
class AnyPrices {
 public:
  explicit AnyPrices(std::uint32_t seed) : random_(seed) {}

  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(end));
  }
  bool flag() { return below(2) == 1; }
  Price price() { return {below(20) * 500'000}; }
  std::optional<Price> maybe() { return flag() ? std::optional(price()) : std::nullopt; }
  PricesApart apart() { return {maybe(), maybe(), maybe(), maybe(), maybe()}; }
  Prices one() {
    Prices made;
    made.input = price();
    made.cached_input = maybe();
    made.output = price();
    made.audio = maybe();
    made.apart = apart();
    Tokens above = 0;
    for (std::int64_t i = below(3); i > 0; --i) {
      above += 1 + below(500);
      made.long_context.push_back({.above = above,
                                   .input = price(),
                                   .cached_input = maybe(),
                                   .output = price(),
                                   .apart = apart()});
    }
    return made;
  }
  Prices table() {
    Prices made = one();
    for (const ServiceTier tier : {ServiceTier::kFlex, ServiceTier::kPriority}) {
      if (!flag()) continue;
      made.tiers.push_back(one());
      made.tiers.back().tier = tier;
    }
    return made;
  }
  Most most() {
    Most made;
    made.input = below(2'000);
    made.audio = below(made.input + 1);
    made.images = flag();
    made.writes = static_cast<CacheLifetime>(below(3));
    made.output = below(2'000);
    made.tiers.bits = static_cast<std::uint8_t>(below(8));
    return made;
  }
  // What an honest answer to such a request can use.
  Amounts used(const Most& most) {
    Amounts made;
    made.input = below(most.input + 1);
    Tokens left = made.input;
    const auto take = [&](Tokens at_most) {
      const Tokens taken = below(std::min(left, at_most) + 1);
      left -= taken;
      return taken;
    };
    made.audio = take(most.audio);
    made.cached_input = take(left);
    if (most.images) made.image = take(left);
    if (most.writes != CacheLifetime::kNone) made.cache_write_5m = take(left);
    if (most.writes == CacheLifetime::k1Hour) made.cache_write_1h = take(left);
    made.output = below(most.output + 1);
    made.reasoning = below(made.output + 1);
    made.audio_output = below(made.output - made.reasoning + 1);
    made.tier = static_cast<ServiceTier>(below(kServiceTierCount));
    if (!most.tiers.has(made.tier)) made.tier = ServiceTier::kDefault;
    return made;
  }

 private:
  std::mt19937_64 random_;
};

TEST(PricesProperty, NoHonestAnswerCostsMoreThanWasHeld) {
  AnyPrices any(8);
  for (int step = 0; step < 50'000; ++step) {
    SCOPED_TRACE(step);
    const Prices table = any.table();
    Most most = any.most();
    // A tier without prices is never held for.
    most.tiers.bits = static_cast<std::uint8_t>(most.tiers.bits & priced_tiers(table).bits);
    const Amounts used = any.used(most);
    ASSERT_LE(price(table, used), worst(table, most));
    Amounts dearest = used;
    dearest.tier = dearest_tier(table, used, most.tiers);
    ASSERT_LE(price(table, used), price(table, dearest));
    ASSERT_LE(price(table, dearest), worst(table, most));
  }
}

TEST(PricesProperty, AreReadBackFromTheirVersion) {
  AnyPrices any(9);
  for (int step = 0; step < 5'000; ++step) {
    SCOPED_TRACE(step);
    const Prices table = any.table();
    const std::string version = version_of(table);
    const std::optional<Prices> read = prices_of(version);
    ASSERT_TRUE(read) << version;
    ASSERT_EQ(version_of(*read), version);
    const Amounts used = any.used(any.most());
    ASSERT_EQ(price(*read, used), price(table, used)) << version;
  }
}

TEST(PricesVersion, RefusesWhatSaysNoPrices) {
  const std::string good = "3.00/0.30/15.00;cache_write_5m=3.75;tier=flex:1.50/0.15/7.50";
  ASSERT_TRUE(prices_of(good));
  for (const char* more :
       {";", ";cache_write_5m=", ";cache_write_2h=1.00", ";cache_write_5m=-1.00",
        ";tier=flex:1.00/1.00/1.00", ";tier=default:1.00/1.00/1.00", ";tier=batch:1.00/1.00/1.00",
        ";tier=priority:1.00/1.00", ";images:0.08/1", ";tool_calls:web_search=0.01"}) {
    EXPECT_FALSE(prices_of(good + more)) << more;
  }
  EXPECT_FALSE(prices_of("3.00/0.30/15.00;cache_write_5m=1.00;cache_write_5m=2.00")) << "twice";
}

}  // namespace
}  // namespace tollgate::cost
