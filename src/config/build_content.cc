#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"
#include "controls/content/rules.h"

namespace tollgate::config {

namespace {

class ContentBuilder {
 public:
  explicit ContentBuilder(Report& report) : report_(report) {}

  content::Policy content(const View& route, dialects::Surface surface) {
    const View view = route.section("content");
    content::Policy made;
    made.mode = view.choice("mode", made.mode);
    made.on_match = view.choice("on_match", made.on_match);
    made.request = packs(view, "request");
    made.response = packs(view, "response");
    links(view, made);
    if (surface == dialects::Surface::kModels) {
      tell(route, "content", "a list of models has no texts: there is nothing to inspect");
    } else if (!made.response.empty() && !dialects::makes_output(surface)) {
      tell(view, "response", "what this surface answers has no texts: there is nothing to inspect");
    } else if (!view.has("request") && !view.has("response")) {
      tell(route, "content", "`request` or `response` is missing: there is nothing to inspect");
    } else {
      rules_of(view, made);
    }
    return made;
  }

 private:
  void tell(const View& view, std::string_view key, std::string message) {
    tell_in(report_, view, key, std::move(message));
  }

  void links(const View& content, content::Policy& made) {
    if (!content.has("links")) return;
    const View view = content.section("links");
    made.link_hosts = view.texts("allow");
    for (const std::string& host : made.link_hosts) {
      std::string_view name = host;
      if (name.starts_with("*.")) name.remove_prefix(2);
      constexpr std::string_view kOfHosts = "abcdefghijklmnopqrstuvwxyz0123456789-.";
      if (!name.empty() && name.find_first_not_of(kOfHosts) == std::string_view::npos) continue;
      tell(view, "allow",
           fmt::format("`{}` is no host: write a name in small letters, without scheme, port and "
                       "path, such as `docs.example.com`, or `*.example.com`",
                       host));
    }
    if (!content::holds_answers_to(made, content::Pack::kLinks)) {
      tell(content, "links", "never applies: `links` is not among the packs of `response`");
    }
  }

  std::vector<content::Pack> packs(const View& view, std::string_view field) {
    std::vector<content::Pack> made;
    for (const std::string& name : view.texts(field)) {
      for (int i = 0; i < content::kPackCount; ++i) {
        const auto pack = static_cast<content::Pack>(i);
        if (name != content::name_of(pack)) continue;
        if (std::ranges::count(made, pack) != 0) {
          tell(view, field, fmt::format("`{}` is there twice", name));
        } else {
          made.push_back(pack);
        }
      }
    }
    return made;
  }

  // Names of rules and packs that differ; each has to be one that could apply.
  void rules_of(const View& view, content::Policy& made) {
    made.except = view.texts("except");
    for (const std::string& name : made.except) {
      if (std::ranges::count(made.except, name) > 1) {
        tell(view, "except", fmt::format("`{}` is there twice", name));
      }
      if (const std::string why = why_never(made, name, content::Named::kRule); !why.empty()) {
        tell(view, "except", fmt::format("`{}` {}", name, why));
      }
    }
    for (const View& one : view.each("overrides")) {
      content::Override differs{.name = one.name()};
      if (one.has("mode")) differs.mode = one.choice("mode", Mode::kEnforce);
      if (one.has("on_match")) differs.on_match = one.choice("on_match", made.on_match);
      std::string why = why_never(made, one.name(), content::Named::kRuleOrPack);
      if (why.empty() && std::ranges::count(made.except, one.name()) != 0) {
        why = "is left out by `except`";
      }
      if (why.empty() && !differs.mode && !differs.on_match) why = "differs in nothing";
      if (!why.empty()) tell(view, "overrides", fmt::format("`{}` {}", one.name(), why));
      made.overrides.push_back(std::move(differs));
    }
    content::resolve(made, content::all_rules());
    if (std::ranges::count(content::of_words(made.answer_actions), content::Action::kRefuse) != 0) {
      tell(
          view, "response",
          "`injection` cannot refuse an answer: its rules read whole sentences, so all of a stream "
          "would have to be held. Let it be told, by `overrides: { injection: { on_match: flag } "
          "}` or `mode: observe`");
    }
  }

  // Why what has that name can never apply; empty: it can.
  static std::string why_never(const content::Policy& policy, std::string_view name,
                               content::Named named) {
    const std::optional<content::Pack> pack =
        content::pack_named(name, content::all_rules(), named);
    if (!pack) return "is no rule of any pack: see the pages of the packs for their names";
    if (std::ranges::count(policy.request, *pack) != 0) return {};
    if (std::ranges::count(policy.response, *pack) != 0) return {};
    return fmt::format("can never apply: neither `request` nor `response` names `{}`",
                       content::name_of(*pack));
  }

  Report& report_;
};

}  // namespace

content::Policy build_content(const View& route, dialects::Surface surface, Report& report) {
  return ContentBuilder(report).content(route, surface);
}

void build_content_rules(const View& root, Config& config, Report& report) {
  std::vector<content::Pack> packs;
  for (const Route& route : config.routes) {
    packs.insert(packs.end(), route.content.request.begin(), route.content.request.end());
    packs.insert(packs.end(), route.content.response.begin(), route.content.response.end());
  }
  if (packs.empty() || !report.problems.empty()) return;
  FaultOr<std::shared_ptr<const content::Rules>> rules = content::Rules::compile(packs);
  if (rules) {
    config.content_rules = std::move(*rules);
  } else {
    tell_in(report, root, "routes", rules.error().message);
  }
}

}  // namespace tollgate::config
