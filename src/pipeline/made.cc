#include "pipeline/made.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "pipeline/headroom.h"

namespace tollgate::pipeline {

namespace {

using dialects::Unit;

std::string image_asked(const dialects::Request& request) {
  const auto or_any = [](std::string_view word) { return word.empty() ? "any" : word; };
  return fmt::format("{}/{}", or_any(request.image_quality), or_any(request.image_size));
}

Expected<void> hold_images(const Facts& facts, Plan& plan) {
  const dialects::Request& request = facts.request;
  const config::MadePrices& prices = plan.prices->made;
  const bool by_tokens = !prices.image_tokens.empty();
  const std::optional<cost::ImageSpan> span = (by_tokens ? prices.image_tokens : prices.image)
                                                  .of(request.image_quality, request.image_size);
  if (!span) {
    return refuse(
        Reason::kUnsupportedParameter,
        fmt::format("models.{}.{}_per_image", plan.model->name, by_tokens ? "tokens" : "price"),
        fmt::format("An image of the quality and size `{}` has no price on `{}`, and what "
                    "has no price is not served: ask for one that is listed, or for none "
                    "in particular.",
                    image_asked(request), plan.model->name),
        request.image_size.empty() ? "quality" : "size");
  }
  plan.made.units = plan.choices;
  if (!by_tokens) {
    plan.made.price.price = Money{span->most};
    return {};
  }
  if (span->most > kTokensMax / plan.choices) {
    return refuse(Reason::kInvalidRequest, "routes", "So many images are more than can be counted.",
                  "n");
  }
  plan.made.least_tokens = span->least;
  plan.output_cap = span->most;
  plan.output_cap_total = span->most * plan.choices;
  return {};
}

void hold_characters(const Facts& facts, Plan& plan, Arena& arena) {
  constexpr std::int64_t kMillion = 1'000'000;
  // Even nothing is asked of somebody.
  plan.made.units = std::max<std::int64_t>(1, facts.request.characters);
  // What the reader holds is another request's soon.
  plan.made.format = arena.copy(facts.request.made_format);
  plan.made.price = {plan.prices->made.million_characters.value_or(Money{}), kMillion};
}

void hold_seconds(const Facts& facts, Plan& plan, Arena& arena) {
  constexpr std::int64_t kMinute = 60;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(facts.request.sound).count();
  plan.made.units = std::clamp<std::int64_t>(seconds, 1, cost::kUnitsMax);
  plan.made.format = arena.copy(facts.request.made_format);
  plan.made.price = {plan.prices->made.minute.value_or(Money{}), kMinute};
}

void tell_held(std::string_view unit, const Plan& plan, Arena& arena, audit::Record& record) {
  record.unit = unit;
  record.units_held = plan.made.units;
  if (plan.made.price.price == Money{}) return;  // It is paid by tokens alone.
  record.price_version = arena.copy(
      fmt::format("{};{}:{}", record.price_version, unit, cost::version_of(plan.made.price)));
}

// A request that is paid as one, where the model says so.
Expected<void> hold_request(Plan& plan, Arena& arena, audit::Record& record) {
  const std::optional<Money>& price = plan.prices->made.request;
  if (!price || !dialects::costs_tokens(plan.route->surface)) return {};
  plan.made.units = 1;
  plan.made.price.price = *price;
  tell_held("requests", plan, arena, record);
  return {};
}

bool is_text(const Plan& plan) {
  const std::string_view format = plan.made.format;
  return dialects::reads_sound(plan.route->surface) && !format.empty() && !format.ends_with("json");
}

}  // namespace

Expected<void> hold_made(const Facts& facts, Plan& plan, Arena& arena, audit::Record& record) {
  record.unit = {};
  record.units_held = 0;
  const Unit unit = dialects::unit_of(plan.route->surface);
  switch (unit) {
    case Unit::kNone:
      return hold_request(plan, arena, record);
    case Unit::kImages:
      if (Expected<void> held = hold_images(facts, plan); !held) return held;
      break;
    case Unit::kCharacters:
      hold_characters(facts, plan, arena);
      break;
    case Unit::kAudioSeconds:
      hold_seconds(facts, plan, arena);
      break;
  }
  tell_held(dialects::name_of(unit), plan, arena, record);
  return {};
}

std::string_view type_of_answer(const Plan& plan) {
  if (!is_text(plan)) return "application/json";
  return plan.made.format == "vtt" ? "text/vtt; charset=utf-8" : "text/plain; charset=utf-8";
}

FaultOr<std::optional<dialects::Usage>> read_whole(dialects::ReplyReader& reader, const Plan& plan,
                                                   std::string_view body,
                                                   dialects::OutputSink& output,
                                                   dialects::AnswerSink* answer,
                                                   dialects::CallSink* calls) {
  if (is_text(plan)) return dialects::ReplyReader::read_text(body, answer);
  return reader.read(plan.route->surface, body, output, answer, calls);
}

void bill_images(const Plan& plan, std::int64_t images, Forwarded& result) {
  dialects::Usage& usage = result.usage;
  usage.units = std::clamp<std::int64_t>(images, 0, plan.made.units);
  const Tokens least = usage.units * plan.made.least_tokens;
  if (usage.output >= least / kUnderReport) return;
  usage.output = usage.units * plan.output_cap;
  result.source = audit::UsageSource::kCounted;
}

}  // namespace tollgate::pipeline
