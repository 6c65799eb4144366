#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"

namespace tollgate::config {

namespace {

using dialects::GuardKind;

// What a guard of one kind has and another has not.
void check_kind(Report& report, const View& view, const Guard& guard) {
  const bool has_model = guard.kind != GuardKind::kPresidio;
  const bool has_score =
      guard.kind == GuardKind::kOpenAiModeration || guard.kind == GuardKind::kPresidio;
  const auto only = [&](std::string_view key, bool has) {
    if (has || !view.has(key)) return;
    tell_in(report, view, key,
            fmt::format("a guard of the kind `{}` has none: leave it out", name_of(guard.kind)));
  };
  only("model", has_model);
  only("score", has_score);
  only("language", guard.kind == GuardKind::kPresidio);
  only("price_per_million", guard.kind == GuardKind::kLlamaGuard);
  if (guard.kind == GuardKind::kLlamaGuard && guard.model.empty() && view.has("kind")) {
    tell_in(report, view, "kind",
            "`llama_guard` needs a `model`: what the server calls it, such as "
            "`meta-llama/Llama-Guard-3-8B`");
  }
}

Guard guard_of(Report& report, const View& view, const Config& config) {
  Guard made;
  made.name = view.name();
  made.rule = view.path();
  made.kind = view.choice("kind", made.kind);
  const std::string upstream = view.text("upstream");
  made.upstream = index_of(config.upstreams, upstream);
  if (made.upstream < 0 && !upstream.empty()) {
    tell_in(report, view, "upstream", unknown_name(upstream, "upstream", config.upstreams));
  }
  made.path = view.has("path") ? view.text("path") : std::string(path_behind(made.kind));
  made.model = view.text("model");
  made.language = view.text("language");
  made.threshold.categories = view.texts("categories");
  made.threshold.score = parse_share(view.text("score")).value_or(0);
  made.on_match = view.choice("on_match", made.on_match);
  made.on_failure = view.choice("on_failure", made.on_failure);
  made.mode = view.choice("mode", made.mode);
  made.price_per_request = view.money("price_per_request").value_or(Money{});
  if (view.has("price_per_million")) {
    const View prices = view.section("price_per_million");
    made.prices.emplace();
    made.prices->input = prices.price("input").value_or(Price{});
    made.prices->output = prices.price("output").value_or(Price{});
  }
  made.section = view.bytes("section");
  made.cache = view.duration("cache");
  check_kind(report, view, made);
  return made;
}

void read_names(Report& report, const View& view, std::string_view key, const Config& config,
                std::vector<int>& guards) {
  for (const std::string& name : view.texts(key)) {
    const int index = index_of(config.guards, name);
    if (index < 0) {
      tell_in(report, view, key, unknown_name(name, "guard", config.guards));
    } else if (std::ranges::count(guards, index) != 0) {
      tell_in(report, view, key, fmt::format("`{}` is there twice", name));
    } else {
      guards.push_back(index);
    }
  }
}

}  // namespace

void build_guards(const View& root, Config& config, Report& report) {
  for (const View& view : root.each("guards")) {
    config.guards.push_back(guard_of(report, view, config));
  }
}

void route_guards(Report& report, const View& view, const Config& config, Route& route) {
  read_names(report, view, "guards", config, route.guards);
  read_names(report, view, "response_guards", config, route.response_guards);
  if (!route.guards.empty() && route.surface == dialects::Surface::kModels) {
    tell_in(report, view, "guards", "a list of models has no texts: there is nothing to judge");
  }
  if (!route.response_guards.empty() && !dialects::answers_in_text(route.surface)) {
    tell_in(report, view, "response_guards",
            "what is answered here has no texts: there is nothing to judge");
  }
}

}  // namespace tollgate::config
