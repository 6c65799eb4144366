// `cache` and `idempotency` of a route.
#include <fmt/format.h>

#include "config/build.h"

namespace tollgate::config {

namespace {

// What is asked there is for a text or for figures, is told in one JSON text or one stream, and
// leads to nothing else.
bool can_be_cached(dialects::Surface surface) {
  using dialects::Surface;
  switch (surface) {
    case Surface::kChatCompletions:
    case Surface::kCompletions:
    case Surface::kEmbeddings:
    case Surface::kMessages:
    case Surface::kResponses:
    case Surface::kCountTokens:
    case Surface::kModerations:
    case Surface::kRerank:
      return true;
    default:
      return false;
  }
}

// A form has another boundary each time that it is sent, and so is never the same again.
bool can_be_repeated(dialects::Surface surface) {
  return surface != dialects::Surface::kModels && surface != dialects::Surface::kMcp &&
         !dialects::asks_by_form(surface);
}

constexpr std::string_view kAllTheSame =
    "`anonymous` callers are all the same: what one was answered, every other could read";

}  // namespace

void route_answers(Report& report, const View& view, Route& route) {
  const std::string_view surface = dialects::name_of(route.surface);
  if (view.has("cache")) {
    const View section = view.section("cache");
    answers::CachePolicy& made = route.answers.cache.emplace();
    made.keep = section.duration("keep");
    made.scope = section.choice("scope", made.scope);
    made.price_per_hit = section.money("price_per_hit").value_or(Money{});
    made.coalesce = section.flag("coalesce");
    if (!can_be_cached(route.surface)) {
      tell_in(report, view, "cache",
              fmt::format("answers of the surface `{}` are not kept: leave it out", surface));
    } else if (route.access.anonymous && made.scope == answers::Scope::kUser) {
      tell_in(report, view, "cache",
              fmt::format("{}; where they may, say `scope: tenant`", kAllTheSame));
    }
  }
  if (!view.has("idempotency")) return;
  route.answers.idempotency.emplace().keep = view.section("idempotency").duration("keep");
  if (!can_be_repeated(route.surface)) {
    tell_in(report, view, "idempotency",
            fmt::format("a request of the surface `{}` is never the same again: leave it out",
                        surface));
  } else if (route.access.anonymous) {
    tell_in(report, view, "idempotency", std::string(kAllTheSame));
  }
}

}  // namespace tollgate::config
