// Prices of what is made: images, and characters that are spoken.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/build.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace {

constexpr std::string_view kNames =
    "`1024x1024`, `hd/1024x1024` (a quality and a size), `hd/any` or `any`, each once";

void name_image(const View& model, std::string_view key, const std::string& name,
                std::int64_t figure, cost::ImageFigures& into, Report& report) {
  if (into.add(name, figure)) return;
  tell_in(report, model, key, fmt::format("`{}` names no image: expected {}", name, kNames));
}

void check_one_way(const View& model, const MadePrices& made, Report& report) {
  const bool has_tokens = model.has("price_per_million");
  if (!made.image.empty() && !made.image_tokens.empty()) {
    tell_in(report, model, "tokens_per_image",
            "an image is paid by itself or by its tokens: remove this, or `price_per_image`");
  } else if (!made.image_tokens.empty() && !has_tokens) {
    tell_in(report, model, "tokens_per_image",
            "tokens are paid at `price_per_million`: write it as well");
  } else if (made.empty() && !has_tokens && model.node() != nullptr) {
    report.tell(*model.node(), model.path(),
                "`price_per_million` is missing: expected a mapping with `input`, `output`; or "
                "`price_per_image`, `price_per_million_characters`, `price_per_minute` or "
                "`price_per_request`. A model without a price is refused.");
  }
}

// What the model has to be paid by where the surface is served; empty: it is.
std::string_view missing_price(const PriceList& model, dialects::Surface surface) {
  switch (dialects::unit_of(surface)) {
    case dialects::Unit::kImages:
      if (!model.made.image.empty() || !model.made.image_tokens.empty()) return {};
      return "price_per_image";
    case dialects::Unit::kCharacters:
      return model.made.million_characters ? std::string_view() : "price_per_million_characters";
    case dialects::Unit::kAudioSeconds:
      return model.made.minute ? std::string_view() : "price_per_minute";
    case dialects::Unit::kNone:
      break;
  }
  return model.has_token_prices || model.made.request ? std::string_view() : "price_per_million";
}

}  // namespace

MadePrices build_made_prices(const View& model, Report& report) {
  MadePrices made;
  for (const auto& [name, price] : model.pairs("price_per_image")) {
    name_image(model, "price_per_image", name, parse_money(price).value_or(Money{}).micro_usd,
               made.image, report);
  }
  for (const auto& [name, tokens] : model.pairs("tokens_per_image")) {
    const std::optional<std::int64_t> count = parse_count(tokens);
    if (!count || *count < 1 || *count > kTokensMax) {
      tell_in(report, model, "tokens_per_image",
              fmt::format("`{}`: expected a whole number of tokens, at least 1, found `{}`", name,
                          tokens));
      continue;
    }
    name_image(model, "tokens_per_image", name, *count, made.image_tokens, report);
  }
  made.million_characters = model.money("price_per_million_characters");
  made.minute = model.money("price_per_minute");
  made.request = model.money("price_per_request");
  made.tool_call_tokens = model.count("input_tokens_per_tool_call");
  for (const auto& [name, price] : model.pairs("price_per_tool_call")) {
    const std::optional<dialects::PaidTool> tool = dialects::paid_tool_named(name);
    if (!tool) {
      tell_in(report, model, "price_per_tool_call",
              fmt::format("`{}` is no tool that a provider runs: expected one of {}", name,
                          fmt::join(dialects::paid_tool_names(), ", ")));
      continue;
    }
    made.tool_call[static_cast<std::size_t>(*tool)] = parse_money(price);
  }
  check_one_way(model, made, report);
  return made;
}

void validate_made_prices(const Config& config, std::size_t at, const Node& root, Report& report) {
  const Route& route = config.routes[at];
  if (!dialects::costs_tokens(route.surface)) return;
  for (const int index : route.models) {
    const Model& model = config.models[static_cast<std::size_t>(index)];
    const std::string field = fmt::format("routes[{}].models", at);
    if (route.surface == dialects::Surface::kImageEdits && model.media.images == nullptr) {
      report.tell(*find_path(root, field), field,
                  fmt::format("`{}` is sent no images, and `image_edits` sends them: name the "
                              "formula that they are counted by as its `images`",
                              model.name));
    }
    // At no day it is without.
    std::string_view missing = missing_price(model, route.surface);
    for (const PriceList& later : model.later) {
      if (missing.empty()) missing = missing_price(later, route.surface);
    }
    // A model without any price is told at its own place.
    if (missing.empty() || (model.made.empty() && !model.has_token_prices)) continue;
    report.tell(*find_path(root, field), field,
                fmt::format("`{}` has no price for `{}`, and what has no price is not served: "
                            "write its `{}`",
                            model.name, dialects::name_of(route.surface), missing));
  }
}

}  // namespace tollgate::config
