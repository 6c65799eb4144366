#include "config/posture_attempts.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"

namespace tollgate::config {

namespace {

const Model& model_named(const Config& config, const std::string& name) {
  return config.models[static_cast<std::size_t>(index_of(config.models, name))];
}

bool serves(const Route& route, const Config& config, const Model& model) {
  const int index = index_of(config.models, model.name);
  return std::ranges::count(route.models, index) != 0;
}

// The first route that serves `model` and on whose path nobody who may use it may use `other`.
const Route* route_without(const Config& config, const Model& model, const Model& other) {
  for (const Route& from : config.routes) {
    if (!serves(from, config, model)) continue;
    const bool stands_in = std::ranges::any_of(config.routes, [&](const Route& to) {
      return serves(to, config, other) && from.access.path == to.access.path &&
             from.access.method == to.access.method && (&from == &to || share_callers(from, to));
    });
    if (!stands_in) return &from;
  }
  return nullptr;
}

void unreachable(const Config& config, const Model& model, const std::string& other,
                 const std::string& field, std::vector<Weakness>& found) {
  const Route* route = route_without(config, model, model_named(config, other));
  if (route == nullptr) return;
  found.push_back({"fallback-not-allowed", field,
                   fmt::format("Callers of the route `{}` may use `{}` there and not `{}`: for "
                               "them it never steps in.",
                               route->name, model.name, other),
                   fmt::format("`{}` in the `models` of that route", other)});
}

template <class Amount>
bool is_more(const std::optional<Amount>& a, const std::optional<Amount>& b) {
  return a && b && *a > *b;
}

// By any price that both have.
bool is_dearer(const PriceList& a, const PriceList& b) {
  const cost::Prices& p = a.prices;
  const cost::Prices& q = b.prices;
  const bool by_tokens =
      a.has_token_prices && b.has_token_prices &&
      (p.input > q.input || p.output > q.output ||
       p.cached_input.value_or(p.input) > q.cached_input.value_or(q.input) ||
       p.audio.value_or(p.input) > q.audio.value_or(q.input) ||
       p.apart.reasoning_output.value_or(p.output) > q.apart.reasoning_output.value_or(q.output) ||
       is_more(p.apart.cache_write_5m, q.apart.cache_write_5m) ||
       is_more(p.apart.cache_write_1h, q.apart.cache_write_1h));
  bool is_dear = by_tokens || is_more(a.made.million_characters, b.made.million_characters) ||
                 is_more(a.made.minute, b.made.minute) || is_more(a.made.request, b.made.request);
  for (std::size_t i = 0; i < a.made.tool_call.size(); ++i) {
    is_dear = is_dear || is_more(a.made.tool_call[i], b.made.tool_call[i]);
  }
  for (const cost::ImageFigure& image : a.made.image.figures()) {
    const std::optional<cost::ImageSpan> other = b.made.image.of(image.quality, image.size);
    is_dear = is_dear || (other && image.figure > other->most);
  }
  return is_dear;
}

// The same on any day: by the lists that are in force at once.
bool is_ever_dearer(const Model& a, const Model& b) {
  const auto is_dearer_from = [&](const PriceList& list) {
    return is_dearer(prices_at(a, list.from), prices_at(b, list.from));
  };
  return is_dearer(a, b) || std::ranges::any_of(a.later, is_dearer_from) ||
         std::ranges::any_of(b.later, is_dearer_from);
}

// Whether the downgrades of models lead from `at` back to `model`.
bool leads_back(const Config& config, const Model& at, const Model& model,
                std::vector<const Model*>& seen) {
  if (std::ranges::count(seen, &at) != 0) return false;
  seen.push_back(&at);
  return std::ranges::any_of(at.downgrades, [&](const attempts::Downgrade& line) {
    return line.to == model.name || leads_back(config, model_named(config, line.to), model, seen);
  });
}

}  // namespace

std::vector<Weakness> weaknesses_of_attempts(const Config& config, const Model& model) {
  std::vector<Weakness> found;
  for (std::size_t i = 0; i < model.fallback.models.size(); ++i) {
    unreachable(config, model, model.fallback.models[i],
                fmt::format("{}[{}]", model.fallback.rule, i), found);
  }
  for (const attempts::Downgrade& line : model.downgrades) {
    const std::string field = line.rule + ".to";
    unreachable(config, model, line.to, field, found);
    const Model& other = model_named(config, line.to);
    if (is_ever_dearer(other, model)) {
      found.push_back({"downgrade-dearer", field,
                       fmt::format("`{}` costs more than `{}`, by one of its prices: the "
                                   "downgrade spends more.",
                                   other.name, model.name),
                       "a cheaper model"});
    }
    std::vector<const Model*> seen;
    if (leads_back(config, other, model, seen)) {
      found.push_back({"downgrade-circle", field,
                       fmt::format("The downgrades of `{}` lead back to `{}`. A request is "
                                   "downgraded by one line only, so which of them serves it "
                                   "depends on which was asked for.",
                                   other.name, model.name),
                       "downgrades that lead one way"});
    }
  }
  return found;
}

}  // namespace tollgate::config
