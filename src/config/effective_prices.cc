#include "config/effective_prices.h"

#include <fmt/format.h>

#include <set>
#include <string>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace {

namespace json = boost::json;

json::object by_image(const cost::ImageFigures& figures, bool as_money) {
  json::object made;
  for (const cost::ImageFigure& one : figures.figures()) {
    made[cost::name_of(one)] = as_money ? json::value(json::string(format_usd(Money{one.figure})))
                                        : json::value(one.figure);
  }
  return made;
}

void put_made_prices(json::object& made, const MadePrices& prices) {
  if (!prices.image.empty()) made["price_per_image"] = by_image(prices.image, true);
  if (!prices.image_tokens.empty()) {
    made["tokens_per_image"] = by_image(prices.image_tokens, false);
  }
  if (prices.million_characters) {
    made["price_per_million_characters"] = format_usd(*prices.million_characters);
  }
  if (prices.minute) made["price_per_minute"] = format_usd(*prices.minute);
  if (prices.request) made["price_per_request"] = format_usd(*prices.request);
  if (prices.tool_call_tokens > 0) {
    made["input_tokens_per_tool_call"] = prices.tool_call_tokens;
  }
  json::object tools;
  for (std::size_t i = 0; i < prices.tool_call.size(); ++i) {
    if (!prices.tool_call[i]) continue;
    tools[dialects::name_of(static_cast<dialects::PaidTool>(i))] = format_usd(*prices.tool_call[i]);
  }
  if (!tools.empty()) made["price_per_tool_call"] = std::move(tools);
}

void put(json::object& made, std::string_view key, const std::optional<Price>& price) {
  if (price) made[key] = format_price_per_million(*price);
}

void put_apart(json::object& made, const cost::PricesApart& apart) {
  put(made, "cache_write_5m", apart.cache_write_5m);
  put(made, "cache_write_1h", apart.cache_write_1h);
  put(made, "image_input", apart.image_input);
  put(made, "reasoning_output", apart.reasoning_output);
  put(made, "audio_output", apart.audio_output);
}

json::object of_tier(const cost::Prices& prices) {
  json::object made;
  put(made, "input", prices.input);
  put(made, "cached_input", prices.cached_input);
  put(made, "output", prices.output);
  put(made, "audio", prices.audio);
  put_apart(made, prices.apart);
  json::array steps;
  for (const cost::LongContext& step : prices.long_context) {
    json::object told{{"above", step.above}};
    put(told, "input", step.input);
    put(told, "cached_input", step.cached_input);
    put(told, "output", step.output);
    put_apart(told, step.apart);
    steps.emplace_back(std::move(told));
  }
  if (!steps.empty()) made["long_context"] = std::move(steps);
  return made;
}

json::object entry_of(const std::string& name, const PriceList& list) {
  json::object made{{"name", name}};
  if (list.from != WallTime{}) {
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(list.from));
    made["from"] =
        fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                    static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  }
  put_prices(made, list);
  return made;
}

}  // namespace

void put_prices(json::object& made, const PriceList& list) {
  if (list.has_token_prices) {
    json::object prices = of_tier(list.prices);
    json::object tiers;
    for (const cost::Prices& tier : list.prices.tiers) {
      tiers[tollgate::name_of(tier.tier)] = of_tier(tier);
    }
    if (!tiers.empty()) prices["service_tiers"] = std::move(tiers);
    made["price_per_million"] = std::move(prices);
  }
  put_made_prices(made, list.made);
}

json::array effective_price_table(const Config& config) {
  json::array made;
  std::set<std::string_view> told;
  for (const Model& model : config.models) {
    if (model.price_entry.empty() || !told.insert(model.price_entry).second) continue;
    made.emplace_back(entry_of(model.price_entry, model));
    for (const PriceList& list : model.later) made.emplace_back(entry_of(model.price_entry, list));
  }
  return made;
}

void put_service_tiers(json::object& route, ServiceTiers tiers) {
  json::array made;
  for (int i = 1; i < kServiceTierCount; ++i) {
    const auto tier = static_cast<ServiceTier>(i);
    if (tiers.has(tier)) made.emplace_back(text(tollgate::name_of(tier)));
  }
  if (!made.empty()) route["service_tiers"] = std::move(made);
}

}  // namespace tollgate::config
