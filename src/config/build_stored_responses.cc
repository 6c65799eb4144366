// `stored_responses` of a route: where a provider may keep answers, and what they were held to.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "config/build.h"
#include "controls/content/rules.h"

namespace tollgate::config {

namespace {

constexpr std::size_t kDigestBytes = 8;

void append(std::string& text, std::string_view part) {
  fmt::format_to(std::back_inserter(text), "{}:{}\n", part.size(), part);
}

void append_actions(std::string& text, std::string_view of, const std::vector<content::Rule>& rules,
                    const std::vector<content::Action>& actions) {
  append(text, of);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (actions[i] == content::Action::kNone) continue;
    append(text, rules[i].name);
    append(text, content::name_of(actions[i]));
  }
}

void append_guards(std::string& text, const Config& config, const std::vector<int>& guards) {
  append(text, "guards");
  for (const int guard : guards) append(text, config.guards[guard].name);
}

// Of all that texts are held to on the route: what was said under other rules is not gone on from.
std::string digest_of(const Config& config, const Route& route) {
  std::string text;
  const std::vector<content::Rule> rules = content::all_rules(config.own_rules);
  append_actions(text, "request", rules, route.content.actions);
  append_actions(text, "response", rules, route.content.answer_actions);
  for (const std::string& host : route.content.link_hosts) append(text, host);
  if (config.own_rules != nullptr) {
    for (const content::OwnRule& rule : *config.own_rules) {
      append(text, rule.source().name);
      append(text, rule.source().pattern);
      for (const std::string& word : rule.source().words) append(text, word);
    }
  }
  append_guards(text, config, route.guards);
  append_guards(text, config, route.response_guards);
  std::string made;
  const std::array<std::uint8_t, 32> digest = sha256(text);
  for (std::size_t i = 0; i < kDigestBytes; ++i) {
    fmt::format_to(std::back_inserter(made), "{:02x}", digest[i]);
  }
  return made;
}

}  // namespace

void route_stored_responses(Report& report, const View& view, const Config& config, Route& route) {
  if (!view.flag("stored_responses")) return;
  const auto wrong = [&](std::string_view why) {
    tell_in(report, view, "stored_responses", std::string(why));
  };
  if (route.surface != dialects::Surface::kResponses) {
    wrong("only the surface `responses` has answers that are kept");
  }
  if (route.access.anonymous) {
    wrong("`anonymous` callers are all the same: what one has kept, every other could read");
  }
  if (route.tools.steps || route.tools.repeats) {
    wrong("calls in what is kept are not seen: `tools.steps` and `tools.repeats` would not hold");
  }
  if (route.content.restore) {
    wrong(
        "`content.restore` knows the values of one request only, not of one that it goes on from");
  }
  for (const int index : route.models) {
    const Model& model = config.models[static_cast<std::size_t>(index)];
    if (model.upstream < 0) continue;
    const Upstream& upstream = config.upstreams[static_cast<std::size_t>(model.upstream)];
    if (upstream.places() == 1) continue;
    wrong(
        fmt::format("an answer is kept by one server for one account, and `{}` of `{}` has {} "
                    "of them: make an upstream with one URL and one credential for this route",
                    upstream.name, model.name, upstream.places()));
  }
  route.stored_responses = digest_of(config, route);
}

}  // namespace tollgate::config
