#include "pipeline/hold_prices.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/paid_tools.h"

namespace tollgate::pipeline {

namespace {

using cost::CacheLifetime;

constexpr std::string_view kField = "service_tier";
constexpr std::string_view kAuto = "auto";  // The provider's choice.

std::string_view usual_word(dialects::Surface surface) {
  return dialects::dialect_of(surface) == dialects::Dialect::kAnthropic ? "standard_only"
                                                                        : "default";
}

// The surfaces that know of tiers.
bool has_tiers(dialects::Surface surface) { return dialects::is_conversation(surface); }

std::unexpected<Refusal> refuse_tier(std::string rule, std::string why) {
  return refuse(Reason::kUnsupportedParameter, std::move(rule), std::move(why),
                std::string(kField));
}

// Those that may serve it where the provider chooses.
ServiceTiers chosen_freely(const Plan& plan) {
  ServiceTiers both;
  both.bits = plan.route->service_tiers.bits & priced_tiers(plan.prices->prices).bits;
  return both;
}

// Not the one that was asked for.
bool is_other_model(const Facts& facts, const Terms& terms) {
  return !terms.model.empty() && terms.model != facts.request.model;
}

cost::Most most_of(const Plan& plan, Tokens input) {
  cost::Most most;
  most.input = input;
  most.audio = std::min(plan.input.audio, input);
  most.images = plan.has_images;
  most.writes = plan.cache;
  most.output = plan.output_cap_total;
  most.tiers = plan.tiers;
  return most;
}

bool is_apart(const cost::Prices& prices, std::optional<Price> cost::PricesApart::* what) {
  const auto has_one = [&](const cost::Prices& of) { return (of.apart.*what).has_value(); };
  return has_one(prices) || std::ranges::any_of(prices.tiers, has_one);
}

// A lifetime that is not known could be any that has one.
bool has_price(const cost::Prices& prices, const dialects::CacheMarks& marks) {
  if (!marks.has_5m && !marks.has_1h)
    return prices.apart.cache_write_5m || prices.apart.cache_write_1h;
  return (!marks.has_5m || prices.apart.cache_write_5m) &&
         (!marks.has_1h || prices.apart.cache_write_1h);
}

}  // namespace

bool has_dearer_images(const config::Model& model) {
  const auto is_dearer = [](const cost::Prices& of) { return of.apart.image_input > of.input; };
  const auto has_one = [&](const config::PriceList& list) {
    return is_dearer(list.prices) || std::ranges::any_of(list.prices.tiers, is_dearer);
  };
  return has_one(model) || std::ranges::any_of(model.later, has_one);
}

Expected<void> hold_tier(const Facts& facts, const Terms& terms, Plan& plan) {
  const dialects::Surface asked = plan.route->surface;
  const std::string_view word = facts.request.service_tier;
  const ServiceTiers priced = priced_tiers(plan.prices->prices);
  const bool is_other = is_other_model(facts, terms);
  if (!has_tiers(asked)) return {};
  const dialects::Surface spoken = config::spoken_surface(*plan.upstream, asked);
  if (!priced.empty()) plan.tier_written = usual_word(spoken);
  if (spoken != asked) {
    if (word.empty() || word == kAuto || word == usual_word(asked) || is_other) return {};
    return refuse_tier(
        fmt::format("upstreams.{}.surfaces", plan.upstream->name),
        fmt::format("'{}' cannot be carried over to the model server, which is asked by another "
                    "surface: leave it out.",
                    kField));
  }
  if (!word.empty()) plan.tier_written = usual_word(asked);
  if (word == kAuto) {
    // Unless the dearest is held for the provider cannot have the choice.
    const ServiceTiers free = chosen_freely(plan);
    if (!free.has(ServiceTier::kPriority)) return {};
    plan.tiers = free;
    plan.tier_written = kAuto;
    return {};
  }
  const std::optional<ServiceTier> tier = service_tier_named(word);
  if (!tier || *tier == ServiceTier::kDefault) return {};
  if (!priced.has(*tier)) {
    if (is_other) return {};
    return refuse_tier(
        fmt::format("models.{}.price_per_million.service_tiers", plan.model->name),
        fmt::format("The tier `{}` has no price on `{}`, and what has no price is not served: the "
                    "operator sets it as `models.{}.price_per_million.service_tiers.{}`.",
                    name_of(*tier), plan.model->name, plan.model->name, name_of(*tier)));
  }
  if (!plan.route->service_tiers.has(*tier)) {
    return refuse_tier(fmt::format("routes.{}.service_tiers", plan.route->name),
                       fmt::format("The tier `{}` is not served on this route: leave '{}' out.",
                                   name_of(*tier), kField));
  }
  plan.tiers.add(*tier);
  plan.tier_written = name_of(*tier);
  return {};
}

Expected<void> hold_cache(const Facts& facts, const Terms& terms, Plan& plan) {
  // What is kept may hold images as well.
  plan.has_images = !facts.request.images.empty() || !plan.kept.previous.empty();
  const dialects::CacheMarks& marks = facts.request.cache;
  const dialects::Surface asked = plan.route->surface;
  if (marks.count == 0 || asked != dialects::Surface::kMessages) return {};
  if (config::spoken_surface(*plan.upstream, asked) != asked) return {};
  const cost::Prices& prices = plan.prices->prices;
  const bool all =
      has_price(prices, marks) && std::ranges::all_of(prices.tiers, [&](const cost::Prices& tier) {
        return !plan.tiers.has(tier.tier) || has_price(tier, marks);
      });
  if (!all) return {};
  if (marks.refusal != nullptr)
    return is_other_model(facts, terms) ? Expected<void>() : std::unexpected(*marks.refusal);
  plan.cache = marks.has_1h ? CacheLifetime::k1Hour : CacheLifetime::k5Minutes;
  return {};
}

Money worst_of(const Plan& plan) {
  return add_saturated(cost::worst(plan.prices->prices, most_of(plan, plan.input.held())),
                       cost::price(plan.made.price, plan.made.units));
}

cost::Amounts amounts_of(const Plan& plan, const dialects::Usage& usage) {
  cost::Amounts amounts;
  amounts.input = usage.input;
  amounts.output = usage.output;
  Tokens left = usage.input;
  const auto take = [&](Tokens tokens) {
    const Tokens taken = std::clamp<Tokens>(tokens, 0, left);
    left -= taken;
    return taken;
  };
  amounts.audio = take(usage.audio_input.value_or(plan.input.audio));
  if (plan.prices == nullptr) {
    amounts.cached_input = take(usage.cached_input);
    return amounts;
  }
  const cost::Prices& prices = plan.prices->prices;
  if (plan.has_images && is_apart(prices, &cost::PricesApart::image_input)) {
    amounts.image = take(usage.image_input.value_or(plan.input.media - plan.input.audio));
  }
  // Of a recording that was cached nobody publishes a price that holds for every model.
  amounts.cached_input = take(usage.cached_input);
  if (plan.cache != CacheLifetime::kNone) {
    const Tokens written = take(usage.cache_write);
    const Tokens hour = usage.cache_write_1h.value_or(written);
    if (plan.cache == CacheLifetime::k1Hour) {
      amounts.cache_write_1h = std::clamp<Tokens>(hour, 0, written);
    }
    amounts.cache_write_5m = written - amounts.cache_write_1h;
  }
  amounts.reasoning = std::clamp<Tokens>(usage.reasoning, 0, usage.output);
  amounts.audio_output =
      std::clamp<Tokens>(usage.audio_output, 0, usage.output - amounts.reasoning);
  if (plan.tiers.empty()) return amounts;
  const bool is_told = usage.tier && !usage.other_tier &&
                       (*usage.tier == ServiceTier::kDefault || plan.tiers.has(*usage.tier));
  amounts.tier = is_told ? *usage.tier : cost::dearest_tier(prices, amounts, plan.tiers);
  return amounts;
}

void charge_dearest_output(const Plan& plan, dialects::Usage& usage) {
  dialects::Usage reasoned = usage;
  reasoned.reasoning = usage.output;
  reasoned.audio_output = 0;
  dialects::Usage spoken = usage;
  spoken.reasoning = 0;
  spoken.audio_output = usage.output;
  Money most = cost_of(plan, usage);
  for (const dialects::Usage& other : {reasoned, spoken}) {
    const Money cost = cost_of(plan, other);
    if (cost <= most) continue;
    most = cost;
    usage = other;
  }
}

Money cost_of(const Plan& plan, const dialects::Usage& usage) {
  const Money made = cost::price(plan.made.price, usage.units);
  if (plan.prices == nullptr) return made;
  const Money tools = cost_of(*plan.prices, usage.tool_calls);
  return add_saturated(
      add_saturated(cost::price(plan.prices->prices, amounts_of(plan, usage)), made), tools);
}

}  // namespace tollgate::pipeline
