// What tokens cost, and the text that says which prices those were.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "controls/cost/cost.h"

namespace tollgate::cost {

namespace {

struct ApartRow {
  std::string_view key;
  std::optional<Price> PricesApart::* price;
};
constexpr std::array<ApartRow, 5> kApart = {{
    {"cache_write_5m", &PricesApart::cache_write_5m},
    {"cache_write_1h", &PricesApart::cache_write_1h},
    {"image_input", &PricesApart::image_input},
    {"reasoning_output", &PricesApart::reasoning_output},
    {"audio_output", &PricesApart::audio_output},
}};

constexpr std::string_view kAbove = "above=";
constexpr std::string_view kTier = "tier=";

std::string three_of(Price input, const std::optional<Price>& cached_input, Price output) {
  return fmt::format("{}/{}/{}", format_price_per_million(input),
                     format_price_per_million(cached_input.value_or(input)),
                     format_price_per_million(output));
}

void append_apart(const PricesApart& apart, std::string& version) {
  for (const ApartRow& row : kApart) {
    const std::optional<Price>& price = apart.*row.price;
    if (price) version += fmt::format(";{}={}", row.key, format_price_per_million(*price));
  }
}

void append_one(const Prices& prices, std::string& version) {
  version += three_of(prices.input, prices.cached_input, prices.output);
  if (prices.audio) version += "/" + format_price_per_million(*prices.audio);
  append_apart(prices.apart, version);
  for (const LongContext& step : prices.long_context) {
    version += fmt::format(";{}{}:{}", kAbove, step.above,
                           three_of(step.input, step.cached_input, step.output));
    append_apart(step.apart, version);
  }
}

// What stands before the first sign, which goes with it.
std::string_view take_until(std::string_view& rest, char sign) {
  const std::string_view part = rest.substr(0, rest.find(sign));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

// All that are told, each behind a slash; nothing: one is none.
std::optional<std::vector<Price>> prices_in(std::string_view text, std::size_t most) {
  std::vector<Price> told;
  while (true) {
    const std::size_t slash = text.find('/');
    const std::optional<Price> price = parse_price_per_million(text.substr(0, slash));
    if (!price || told.size() == most) return std::nullopt;
    told.push_back(*price);
    if (slash == std::string_view::npos) return told;
    text.remove_prefix(slash + 1);
  }
}

constexpr std::size_t kWithoutAudio = 3;

std::optional<Prices> one_of(std::string_view text) {
  const auto told = prices_in(text, kWithoutAudio + 1);
  if (!told || told->size() < kWithoutAudio) return std::nullopt;
  Prices prices;
  prices.input = (*told)[0];
  prices.cached_input = (*told)[1];
  prices.output = (*told)[2];
  if (told->size() > kWithoutAudio) prices.audio = told->back();
  return prices;
}

std::optional<LongContext> long_context_of(std::string_view text) {
  LongContext step;
  const std::string_view above = take_until(text, ':');
  const auto [end, error] = std::from_chars(above.data(), above.data() + above.size(), step.above);
  const auto told = prices_in(text, kWithoutAudio);
  const bool is_whole = error == std::errc() && end == above.data() + above.size();
  if (!is_whole || step.above < 1 || !told || told->size() != kWithoutAudio) return std::nullopt;
  step.input = (*told)[0];
  step.cached_input = (*told)[1];
  step.output = (*told)[2];
  return step;
}

// Prices as a version says them, part by part: each is of what began last.
class Versions {
 public:
  // False: the part is none.
  bool begin(std::string_view first) {
    std::optional<Prices> prices = one_of(first);
    if (prices) prices_ = std::move(*prices);
    return prices.has_value();
  }
  bool take(std::string_view part) {
    Prices& last = prices_.tiers.empty() ? prices_ : prices_.tiers.back();
    if (part.starts_with(kAbove)) {
      std::optional<LongContext> step = long_context_of(part.substr(kAbove.size()));
      if (step) last.long_context.push_back(*step);
      return step.has_value();
    }
    if (part.starts_with(kTier)) return take_tier(part.substr(kTier.size()));
    const std::string_view key = take_until(part, '=');
    PricesApart& apart = last.long_context.empty() ? last.apart : last.long_context.back().apart;
    const auto row = std::ranges::find(kApart, key, &ApartRow::key);
    const std::optional<Price> price = parse_price_per_million(part);
    if (row == kApart.end() || !price || apart.*row->price) return false;
    apart.*row->price = price;
    return true;
  }
  Prices& told() { return prices_; }

 private:
  bool take_tier(std::string_view text) {
    const std::optional<ServiceTier> tier = service_tier_named(take_until(text, ':'));
    std::optional<Prices> prices = one_of(text);
    if (!tier || *tier == ServiceTier::kDefault || !prices) return false;
    if (priced_tiers(prices_).has(*tier)) return false;
    prices->tier = *tier;
    prices_.tiers.push_back(std::move(*prices));
    return true;
  }

  Prices prices_;
};

// Of a tier at a length of input.
struct Rates {
  Price input;
  std::optional<Price> cached_input;
  Price output;
  std::optional<Price> audio;
  const PricesApart* apart;
};

Rates usual_rates(const Prices& prices) {
  return {prices.input, prices.cached_input, prices.output, prices.audio, &prices.apart};
}

// Recordings cost the same at any length.
Rates rates_of(const Prices& prices, const LongContext& step) {
  return {step.input, step.cached_input, step.output, prices.audio, &step.apart};
}

Rates rates_at(const Prices& prices, Tokens input) {
  Rates rates = usual_rates(prices);
  for (const LongContext& step : prices.long_context) {
    if (input <= step.above) break;
    rates = rates_of(prices, step);
  }
  return rates;
}

Money price_at(const Rates& rates, const Amounts& amounts) {
  const Price input = rates.input;
  Bill bill;
  const auto part = [&](Tokens tokens, const std::optional<Price>& price, Price otherwise) {
    bill.add(tokens, price.value_or(otherwise));
    return tokens;
  };
  Tokens apart = part(amounts.cached_input, rates.cached_input, input);
  apart += part(amounts.audio, rates.audio, input);
  apart += part(amounts.cache_write_5m, rates.apart->cache_write_5m, input);
  apart += part(amounts.cache_write_1h, rates.apart->cache_write_1h, input);
  apart += part(amounts.image, rates.apart->image_input, input);
  CHECK(apart <= amounts.input);
  bill.add(amounts.input - apart, input);
  apart = part(amounts.reasoning, rates.apart->reasoning_output, rates.output);
  apart += part(amounts.audio_output, rates.apart->audio_output, rates.output);
  CHECK(apart <= amounts.output);
  bill.add(amounts.output - apart, rates.output);
  return bill.total();
}

Money worst_at(const Rates& rates, const Most& most) {
  Price input = rates.input;
  Price output = rates.output;
  const auto reach = [](Price& so_far, const std::optional<Price>& price) {
    if (price) so_far = std::max(so_far, *price);
  };
  reach(input, rates.cached_input);
  if (most.images) reach(input, rates.apart->image_input);
  if (most.writes != CacheLifetime::kNone) reach(input, rates.apart->cache_write_5m);
  if (most.writes == CacheLifetime::k1Hour) reach(input, rates.apart->cache_write_1h);
  reach(output, rates.apart->reasoning_output);
  reach(output, rates.apart->audio_output);
  Price audio = input;
  reach(audio, rates.audio);
  Bill bill;
  bill.add(most.input - most.audio, input);
  bill.add(most.audio, audio);
  bill.add(most.output, output);
  return bill.total();
}

// With less input an earlier step holds, which may be dearer where nobody has seen to it.
Money worst_of_tier(const Prices& prices, const Most& most) {
  Money worst = worst_at(usual_rates(prices), most);
  for (const LongContext& step : prices.long_context) {
    if (most.input <= step.above) break;
    worst = std::max(worst, worst_at(rates_of(prices, step), most));
  }
  return worst;
}

const Prices* prices_of_tier(const Prices& prices, ServiceTier tier) {
  if (tier == ServiceTier::kDefault) return &prices;
  const auto found = std::ranges::find(prices.tiers, tier, &Prices::tier);
  return found == prices.tiers.end() ? nullptr : &*found;
}

}  // namespace

std::string version_of(const Prices& prices) {
  std::string version;
  append_one(prices, version);
  for (const Prices& other : prices.tiers) {
    version += fmt::format(";{}{}:", kTier, name_of(other.tier));
    append_one(other, version);
  }
  return version;
}

std::optional<Prices> prices_of(std::string_view version) {
  if (version.ends_with(';')) return std::nullopt;
  Versions read;
  if (!read.begin(take_until(version, ';'))) return std::nullopt;
  while (!version.empty()) {
    if (!read.take(take_until(version, ';'))) return std::nullopt;
  }
  return std::move(read.told());
}

ServiceTiers priced_tiers(const Prices& prices) {
  ServiceTiers tiers;
  for (const Prices& other : prices.tiers) tiers.add(other.tier);
  return tiers;
}

Money price(const Prices& prices, const Amounts& amounts) {
  CHECK(
      std::min({amounts.cached_input, amounts.audio, amounts.cache_write_5m, amounts.cache_write_1h,
                amounts.image, amounts.reasoning, amounts.audio_output}) >= 0);
  if (const Prices* of = prices_of_tier(prices, amounts.tier)) {
    return price_at(rates_at(*of, amounts.input), amounts);
  }
  Amounts dearest = amounts;
  dearest.tier = dearest_tier(prices, amounts, priced_tiers(prices));
  return price(prices, dearest);
}

Money worst(const Prices& prices, const Most& most) {
  CHECK(most.audio >= 0 && most.audio <= most.input);
  Money worst = worst_of_tier(prices, most);
  for (const Prices& other : prices.tiers) {
    if (most.tiers.has(other.tier)) worst = std::max(worst, worst_of_tier(other, most));
  }
  return worst;
}

ServiceTier dearest_tier(const Prices& prices, const Amounts& amounts, ServiceTiers tiers) {
  Amounts at = amounts;
  at.tier = ServiceTier::kDefault;
  Money most = price(prices, at);
  for (const Prices& other : prices.tiers) {
    if (!tiers.has(other.tier)) continue;
    Amounts there = amounts;
    there.tier = other.tier;
    const Money cost = price(prices, there);
    if (cost <= most) continue;
    most = cost;
    at.tier = other.tier;
  }
  return at.tier;
}

}  // namespace tollgate::cost
