#include "cli/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "dialects/paid_tools.h"
#include "dialects/surface.h"

namespace tollgate::cli {

namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kSecondsOfMinute = 60;
constexpr std::array<std::string_view, 4> kUnits = {"images", "characters", "audio_seconds",
                                                    "requests"};

// A record that was changed by hand may say more parts than there were.
void hold_to_whole(cost::Amounts& amounts) {
  const auto in_range = [](Tokens tokens) { return std::clamp<Tokens>(tokens, 0, kTokensMax); };
  const auto take = [](Tokens& left, Tokens& part) {
    part = std::clamp<Tokens>(part, 0, left);
    left -= part;
  };
  amounts.input = in_range(amounts.input);
  amounts.output = in_range(amounts.output);
  Tokens left = amounts.input;
  take(left, amounts.audio);
  take(left, amounts.image);
  take(left, amounts.cached_input);
  take(left, amounts.cache_write_1h);
  take(left, amounts.cache_write_5m);
  left = amounts.output;
  take(left, amounts.reasoning);
  take(left, amounts.audio_output);
}

// Records have money as decimals of at most six digits behind the point, so rounding is exact.
Money money_of(const simdjson::simdjson_result<dom::element>& found) {
  double usd = 0;
  if (found.get(usd) != simdjson::SUCCESS) return {};
  return {std::llround(usd * 1e6)};
}

void read_units(dom::element usage, RecordedUsage& made) {
  for (const std::string_view unit : kUnits) {
    std::int64_t units = 0;
    if (usage[unit].get(units) != simdjson::SUCCESS) continue;
    made.unit = unit;
    made.units = std::clamp<std::int64_t>(units, 0, cost::kUnitsMax);
  }
  dom::object calls;
  if (usage["tool_calls"].get(calls) != simdjson::SUCCESS) return;
  for (const dom::key_value_pair call : calls) {
    std::int64_t count = 0;
    if (call.value.get(count) != simdjson::SUCCESS) continue;
    made.tool_calls[std::string(call.key)] = std::clamp<std::int64_t>(count, 0, cost::kUnitsMax);
  }
}

std::unexpected<std::string> no_price(std::string_view what) {
  return std::unexpected(fmt::format("{} has no price", what));
}

using Cost = std::expected<Money, std::string>;

bool has_image_price(const cost::PricesApart& apart,
                     const std::vector<cost::LongContext>& long_context) {
  return apart.image_input || std::ranges::any_of(long_context, [](const cost::LongContext& step) {
           return step.apart.image_input.has_value();
         });
}

Cost tokens_cost(const config::PriceList& list, const RecordedUsage& usage) {
  const cost::Prices& prices = list.prices;
  const cost::Amounts& amounts = usage.amounts;
  const bool is_usual = amounts.tier == ServiceTier::kDefault;
  if (!is_usual && !priced_tiers(prices).has(amounts.tier)) {
    return no_price(fmt::format("the tier `{}`", name_of(amounts.tier)));
  }
  const auto tier = std::ranges::find(prices.tiers, amounts.tier, &cost::Prices::tier);
  const cost::PricesApart& apart = is_usual ? prices.apart : tier->apart;
  if (usage.has_untold_images &&
      has_image_price(apart, is_usual ? prices.long_context : tier->long_context)) {
    return std::unexpected(
        "images have a price of their own, and a record "
        "does not say how many tokens they were");
  }
  if (amounts.cache_write_5m > 0 && !apart.cache_write_5m) return no_price("`cache_write_5m`");
  if (amounts.cache_write_1h > 0 && !apart.cache_write_1h) return no_price("`cache_write_1h`");
  return cost::price(prices, amounts);
}

Cost units_cost(const config::PriceList& list, const RecordedUsage& usage) {
  const config::MadePrices& made = list.made;
  const auto of = [&](const std::optional<Money>& price, std::int64_t each) -> Cost {
    if (!price) return no_price(fmt::format("what is paid by {}", usage.unit));
    return cost::price({*price, each}, usage.units);
  };
  if (usage.unit == "characters") return of(made.million_characters, kMillion);
  if (usage.unit == "audio_seconds") return of(made.minute, kSecondsOfMinute);
  if (usage.unit == "requests") return made.request ? of(made.request, 1) : Cost(Money{});
  if (usage.unit.empty()) return made.request.value_or(Money{});
  // A record does not say how large its images were.
  if (made.image.empty()) return Money{};
  const std::optional<cost::ImageSpan> span = made.image.of({}, {});
  if (!span || span->least != span->most) {
    return std::unexpected("images have several prices, and a record does not say their size");
  }
  return of(Money{span->most}, 1);
}

bool is_paid_by_units(const config::PriceList& list, const RecordedUsage& usage) {
  return usage.unit == "characters" || usage.unit == "audio_seconds" ||
         (usage.unit == "images" && !list.made.image.empty()) || list.made.request.has_value();
}

Cost tools_cost(const config::PriceList& list, const RecordedUsage& usage) {
  Money sum;
  for (const auto& [name, calls] : usage.tool_calls) {
    const std::optional<dialects::PaidTool> tool = dialects::paid_tool_named(name);
    const auto price =
        tool ? list.made.tool_call[static_cast<std::size_t>(*tool)] : std::optional<Money>();
    if (!price) return no_price(fmt::format("a call of `{}`", name));
    sum = add_saturated(sum, cost::price(cost::UnitPrice{.price = *price}, calls));
  }
  return sum;
}

}  // namespace

std::optional<RecordedUsage> RecordedUsageReader::read(std::string_view line) {
  const std::optional<storage::RecordFacts> facts = facts_.read(line);
  if (!facts || facts->phase != audit::Phase::kOutcome || facts->model.empty()) {
    return std::nullopt;
  }
  dom::element record;
  if (parser_.parse(line.data(), line.size(), false).get(record) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  RecordedUsage made;
  made.id = facts->id;
  made.time = facts->time;
  made.model = facts->model;
  made.tenant = facts->tenant;
  made.amounts.input = facts->input;
  made.amounts.cached_input = facts->cached_input;
  made.amounts.output = facts->output;
  made.amounts.audio = facts->audio_input;
  made.amounts.cache_write_5m = facts->cache_write_5m;
  made.amounts.cache_write_1h = facts->cache_write_1h;
  made.amounts.image = facts->image_input;
  made.amounts.reasoning = facts->reasoning;
  made.amounts.audio_output = facts->audio_output;
  made.amounts.tier = facts->tier;
  hold_to_whole(made.amounts);
  made.cost = {facts->cost.micro_usd - money_of(record["guard_cost_usd"]).micro_usd};
  dom::element usage;
  made.has_usage = record["usage"].get(usage) == simdjson::SUCCESS;
  if (made.has_usage) read_units(usage, made);
  std::string_view surface;
  (void)record["surface"].get(surface);
  const std::optional<dialects::Surface> known = dialects::surface_named(surface);
  made.costs_tokens = !known || dialects::costs_tokens(*known);
  // Where they had a price of their own then, all of them are told.
  const bool is_told = facts->price_version.find("image_input=") != std::string_view::npos;
  made.has_untold_images = !is_told && facts->image_input == 0 && with_images_.contains(made.id);
  return made;
}

void RecordedUsageReader::note_images(std::string_view line) {
  dom::element record;
  if (parser_.parse(line.data(), line.size(), false).get(record) != simdjson::SUCCESS) return;
  std::string_view id;
  std::int64_t images = 0;
  const bool has_some = record["prompt"]["images"].get(images) == simdjson::SUCCESS && images > 0;
  if (has_some && record["id"].get(id) == simdjson::SUCCESS) with_images_.emplace(id);
}

std::expected<Money, std::string> reprice(const config::PriceList& list,
                                          const RecordedUsage& usage) {
  // What was answered again, or refused, has a price that no model's prices change.
  if (!usage.has_usage) return usage.cost;
  if (!usage.costs_tokens) return Money{};
  Cost tokens = Money{};
  if (list.has_token_prices) {
    tokens = tokens_cost(list, usage);
  } else if (!is_paid_by_units(list, usage)) {
    return std::unexpected("tokens have no price");
  }
  if (!tokens) return tokens;
  const Cost units = units_cost(list, usage);
  if (!units) return units;
  const Cost tools = tools_cost(list, usage);
  if (!tools) return tools;
  return add_saturated(add_saturated(*tokens, *units), *tools);
}

const config::PriceList& list_at(const std::vector<config::PriceList>& lists, WallTime moment) {
  const auto next = std::ranges::upper_bound(lists, moment, {}, &config::PriceList::from);
  return next == lists.begin() ? lists.front() : *(next - 1);
}

void WhatIf::add(const RecordedUsage& usage, const std::expected<Money, std::string>& cost) {
  WhatIfRow& row = rows[{usage.model, usage.tenant}];
  ++row.requests;
  if (cost) {
    row.recorded = add_saturated(row.recorded, usage.cost);
    row.what_if = add_saturated(row.what_if, *cost);
    return;
  }
  ++row.unpriced;
  row.unpriced_recorded = add_saturated(row.unpriced_recorded, usage.cost);
  ++unpriced[{usage.model, cost.error()}];
}

}  // namespace tollgate::cli
