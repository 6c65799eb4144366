#include "cli/what_if.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tollgate::cli {
namespace {

constexpr std::int64_t kDollar = 1'000'000;

std::string outcome(std::string_view usage, std::string_view cost, std::string_view more = "") {
  return fmt::format(
      R"({{"sequence":7,"id":"req_1","time":"2026-11-27T10:00:00.000000Z","phase":"outcome",)"
      R"("actor":{{"tenant":"acme"}},"route":"chat","model":{{"asked":"m","served":"m"}},)"
      R"("decision":{{"outcome":"allowed"}}{}{},"cost_usd":{}}})",
      more, usage.empty() ? std::string() : fmt::format(",\"usage\":{}", usage), cost);
}

std::optional<RecordedUsage> read(std::string line) {
  RecordedUsageReader reader;
  const std::size_t size = line.size();
  line.append(simdjson::SIMDJSON_PADDING, ' ');
  return reader.read(std::string_view(line).substr(0, size));
}

config::PriceList list() {
  config::PriceList made;
  made.prices.input = {2 * kDollar};
  made.prices.cached_input = Price{kDollar};
  made.prices.output = {20 * kDollar};
  return made;
}

TEST(WhatIf, PricesAllPartsThatARecordTells) {
  const auto usage =
      read(outcome(R"({"input":1000,"cached_input":100,"cache_write_5m":200,"cache_write_1h":300,)"
                   R"("output":50,"reasoning":20,"service_tier":"flex","source":"provider"})",
                   "1.5", R"(,"guard_cost_usd":0.25)"));
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->model, "m");
  EXPECT_EQ(usage->tenant, "acme");
  EXPECT_EQ(usage->cost, Money{1'250'000}) << "without the guards'";
  config::PriceList prices = list();
  EXPECT_EQ(reprice(prices, *usage).error(), "the tier `flex` has no price");
  prices.prices.tiers.push_back(prices.prices);
  prices.prices.tiers[0].tier = ServiceTier::kFlex;
  EXPECT_EQ(reprice(prices, *usage).error(), "`cache_write_5m` has no price");
  prices.prices.tiers[0].apart.cache_write_5m = Price{3 * kDollar};
  EXPECT_EQ(reprice(prices, *usage).error(), "`cache_write_1h` has no price");
  prices.prices.tiers[0].apart.cache_write_1h = Price{4 * kDollar};
  prices.prices.tiers[0].apart.reasoning_output = Price{30 * kDollar};
  EXPECT_EQ(reprice(prices, *usage), Money{400 * 2 + 100 + 200 * 3 + 300 * 4 + 30 * 20 + 20 * 30});
}

TEST(WhatIf, PricesUnitsAndCallsAndSaysWhatIsMissing) {
  const auto calls =
      read(outcome(R"({"input":10,"cached_input":0,"output":1,"reasoning":0,"tool_calls":)"
                   R"({"web_search":2},"source":"provider"})",
                   "0.1"));
  ASSERT_TRUE(calls);
  config::PriceList prices = list();
  EXPECT_EQ(reprice(prices, *calls).error(), "a call of `web_search` has no price");
  prices.made.tool_call[static_cast<std::size_t>(dialects::PaidTool::kWebSearch)] = Money{5000};
  EXPECT_EQ(reprice(prices, *calls), Money{20 + 20 + 10'000});

  const auto images =
      read(outcome(R"({"input":0,"cached_input":0,"output":0,"reasoning":0,"images":3,)"
                   R"("source":"counted"})",
                   "0.12"));
  ASSERT_TRUE(images);
  config::PriceList painter;
  painter.has_token_prices = false;
  EXPECT_EQ(reprice(painter, *images).error(), "tokens have no price");
  ASSERT_TRUE(painter.made.image.add("1024x1024", 40'000));
  EXPECT_EQ(reprice(painter, *images), Money{120'000});
  ASSERT_TRUE(painter.made.image.add("512x512", 20'000));
  EXPECT_FALSE(reprice(painter, *images)) << "nobody recorded how large they were";

  const auto minute = read(outcome(
      R"({"input":0,"cached_input":0,"output":0,"reasoning":0,"audio_seconds":90,"source":"counted"})",
      "0.12"));
  config::PriceList whisper;
  whisper.has_token_prices = false;
  whisper.made.minute = Money{6000};
  EXPECT_EQ(reprice(whisper, *minute), Money{9000});
}

// As a gateway charges: a request of a model's once, and nothing for counting tokens.
TEST(WhatIf, PricesARequestOnlyWhereAGatewayWould) {
  config::PriceList prices = list();
  prices.made.request = Money{7'000};
  constexpr std::string_view kUsage =
      R"({"input":10,"cached_input":0,"output":1,"reasoning":0,"source":"provider"})";
  EXPECT_EQ(reprice(prices, *read(outcome(kUsage, "0.1", R"(,"surface":"messages")"))),
            Money{20 + 20 + 7'000});
  const auto counted = read(outcome(kUsage, "0", R"(,"surface":"count_tokens")"));
  ASSERT_TRUE(counted);
  EXPECT_EQ(reprice(prices, *counted), Money{});
  prices.has_token_prices = false;
  EXPECT_EQ(reprice(prices, *counted), Money{});
  // What is made is paid as that.
  const auto speech =
      read(outcome(R"({"input":0,"cached_input":0,"output":0,"reasoning":0,"characters":50,)"
                   R"("source":"counted"})",
                   "0.1", R"(,"surface":"speech")"));
  prices.made.million_characters = Money{10 * kDollar};
  EXPECT_EQ(reprice(prices, *speech), Money{500});
}

TEST(WhatIf, DoesNotGuessTheTokensOfImages) {
  RecordedUsageReader reader;
  const auto padded = [](std::string line) {
    line.reserve(line.size() + simdjson::SIMDJSON_PADDING);
    return line;
  };
  const std::string decision =
      padded(R"({"sequence":6,"id":"req_1","phase":"decision","prompt":{"bytes":9,"images":2}})");
  reader.note_images(decision);
  const auto usage_of = [&](std::string_view image_input, std::string_view version) {
    const std::string line =
        padded(outcome(fmt::format(R"({{"input":1000,"cached_input":0{},"output":0,"reasoning":0,)"
                                   R"("source":"provider"}})",
                                   image_input),
                       "0.1", fmt::format(R"(,"price_version":"{}")", version)));
    return *reader.read(line);
  };
  config::PriceList apart = list();
  apart.prices.apart.image_input = Price{5 * kDollar};
  const RecordedUsage untold = usage_of("", "2.00/1.00/20.00");
  EXPECT_EQ(reprice(list(), untold), Money{2'000});
  const auto cost = reprice(apart, untold);
  ASSERT_FALSE(cost);
  EXPECT_NE(cost.error().find("how many tokens"), std::string::npos) << cost.error();
  EXPECT_EQ(reprice(apart, usage_of(R"(,"image_input":400)", "2.00/1.00/20.00;image_input=3.00")),
            Money{600 * 2 + 400 * 5});
  EXPECT_EQ(reprice(apart, usage_of("", "2.00/1.00/20.00;image_input=3.00")), Money{2'000})
      << "where they are told apart none is told as none";
  // One without images has none that nobody told of.
  RecordedUsageReader other;
  other.note_images(
      padded(R"({"sequence":6,"id":"req_1","phase":"decision","prompt":{"bytes":9,"images":0}})"));
  EXPECT_EQ(reprice(apart, *other.read(padded(
                               outcome(R"({"input":1000,"cached_input":0,"output":0,"reasoning":0,)"
                                       R"("source":"provider"})",
                                       "0.1")))),
            Money{2'000});
}

TEST(WhatIf, LeavesWhatHasNoUsageAsItWas) {
  const auto hit = read(outcome("", "0.0001", R"(,"answered_from":"cache")"));
  ASSERT_TRUE(hit);
  EXPECT_EQ(reprice(list(), *hit), Money{100});
}

TEST(WhatIf, ReadsNoMorePartsThanThereWere) {
  const auto odd =
      read(outcome(R"({"input":10,"cached_input":99,"cache_write_5m":99,"output":1,"reasoning":99,)"
                   R"("source":"provider"})",
                   "0.1"));
  ASSERT_TRUE(odd);
  EXPECT_EQ(reprice(list(), *odd), Money{10 + 20});
  EXPECT_FALSE(read("{}"));
  EXPECT_FALSE(read("no record"));
}

TEST(WhatIf, TakesTheListOfTheDayAndTheFirstOneBefore) {
  std::vector<config::PriceList> lists(2);
  lists[0].from = WallTime(std::chrono::hours(100));
  lists[1].from = WallTime(std::chrono::hours(200));
  EXPECT_EQ(&list_at(lists, WallTime{}), &lists[0]);
  EXPECT_EQ(&list_at(lists, WallTime(std::chrono::hours(200)) - Duration(1)), &lists[0]);
  EXPECT_EQ(&list_at(lists, WallTime(std::chrono::hours(200))), &lists[1]);
}

TEST(WhatIf, AddsUpByModelAndTenantWithoutWhatHasNoPrice) {
  WhatIf what;
  RecordedUsage usage;
  usage.model = "m";
  usage.tenant = "acme";
  usage.cost = {10};
  what.add(usage, Money{25});
  what.add(usage, std::unexpected("x has no price"));
  const WhatIfRow& row = what.rows.at({"m", "acme"});
  EXPECT_EQ(row.requests, 2);
  EXPECT_EQ(row.recorded, Money{10});
  EXPECT_EQ(row.what_if, Money{25});
  EXPECT_EQ(row.unpriced, 1);
  EXPECT_EQ(row.unpriced_recorded, Money{10});
  EXPECT_EQ(what.unpriced.at({"m", "x has no price"}), 1);
}

}  // namespace
}  // namespace tollgate::cli
