#include <fmt/format.h>

#include <algorithm>

#include "config/build.h"
#include "controls/content/rules.h"
#include "controls/content/scanner.h"

namespace tollgate::config {

namespace {

// A short word stands in many others; what is around one is no part of it.
bool is_too_short(const std::string& word) {
  return word.size() < 3 || word.size() > 256 || word.front() == ' ' || word.back() == ' ';
}

bool asks_for_own(std::span<const content::Pack> packs) {
  return std::ranges::count(packs, content::Pack::kOwn) != 0;
}

class ContentBuilder {
 public:
  ContentBuilder(const Config& config, Report& report)
      : rules_(content::all_rules(config.own_rules)), own_(config.own_rules), report_(report) {}

  content::Policy content(const View& route, dialects::Surface surface) {
    const View view = route.section("content");
    content::Policy made;
    made.mode = view.choice("mode", made.mode);
    made.on_match = view.choice("on_match", made.on_match);
    made.request = packs(view, "request");
    made.response = packs(view, "response");
    made.restore = view.flag("restore");
    links(view, made);
    // Its messages are whole before they pass, so what a stream could not wait for is no matter.
    of_mcp_ = surface == dialects::Surface::kMcp;
    if (surface == dialects::Surface::kModels) {
      tell(route, "content", "a list of models has no texts: there is nothing to inspect");
    } else if (made.restore && of_mcp_) {
      tell(view, "restore", "nothing is masked for MCP servers: there is nothing to restore");
    } else if (made.restore && !dialects::makes_output(surface)) {
      tell(view, "restore", "what this surface answers has no texts: there is nothing to restore");
    } else if (!made.response.empty() && !of_mcp_ && !dialects::answers_in_text(surface)) {
      tell(view, "response", "what this surface answers has no texts: there is nothing to inspect");
    } else if (own_ == nullptr && asks_for_own(made.request)) {
      tell(view, "request", "`own` has no rules: write them under `content.rules`");
    } else if (own_ == nullptr && asks_for_own(made.response)) {
      tell(view, "response", "`own` has no rules: write them under `content.rules`");
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
    content::resolve(made, rules_);
    if (of_mcp_) return redaction_of_mcp(view, made);
    if (std::ranges::count(content::of_words(made.answer_actions), content::Action::kRefuse) != 0) {
      tell(
          view, "response",
          "`injection` cannot refuse an answer: its rules read whole sentences, so all of a stream "
          "would have to be held. Let it be told, by `overrides: { injection: { on_match: flag } "
          "}` or `mode: observe`");
    }
    redaction(view, made);
    own_answers(view, made);
    if (made.restore && !made.redacts) {
      tell(view, "restore", "never applies: no rule of `request` has `on_match: redact`");
    }
  }

  // Own rules by which a stream would wait too long.
  void own_answers(const View& view, const content::Policy& made) {
    for (std::size_t i = content::all_rules().size(); i < made.answer_actions.size(); ++i) {
      if (made.answer_actions[i] == content::Action::kNone) continue;
      const content::OwnRule& rule = (*own_)[i - content::all_rules().size()];
      const std::optional<std::size_t> width = rule.width();
      if (width && *width <= content::OwnRule::kAnswerWidthMax) continue;
      tell(view, "response",
           fmt::format("`{}` cannot be held to answers: {}, and so much of a stream would wait, of "
                       "which {} bytes are the most; give its repetitions an end, or write it "
                       "under `except`",
                       rule.source().name,
                       width ? fmt::format("a match may be {} bytes long", *width)
                             : "a match may have any length",
                       content::OwnRule::kAnswerWidthMax));
    }
  }

  // A server checks what it is sent, and the meaning of a result is its own.
  void redaction_of_mcp(const View& view, const content::Policy& made) {
    const bool asks = made.on_match == content::OnMatch::kRedact;
    if (asks) tell(view, "on_match", kNoMasks);
    for (const content::Override& one : made.overrides) {
      if (one.on_match == content::OnMatch::kRedact) tell(view, "overrides", kNoMasks);
    }
  }

  // What can be masked at all.
  void redaction(const View& view, const content::Policy& made) {
    bool asks = made.on_match == content::OnMatch::kRedact;
    for (const content::Override& one : made.overrides) {
      asks = asks || one.on_match == content::OnMatch::kRedact;
    }
    if (asks && made.request.empty()) {
      tell(view, "response",
           "`redact` is for requests, and there is no `request`: `refuse` or `flag` an answer");
    }
    for (std::size_t i = 0; i < made.actions.size(); ++i) {
      if (made.actions[i] != content::Action::kRedact) continue;
      if (rules_[i].pack != content::Pack::kUnicode) continue;
      tell(view, "request",
           "`unicode` cannot be masked, as each character would have to be: write `overrides: { "
           "unicode: { on_match: refuse } }`, or `flag`");
      return;
    }
  }

  // Why what has that name can never apply; empty: it can.
  std::string why_never(const content::Policy& policy, std::string_view name,
                        content::Named named) const {
    const std::optional<content::Pack> pack = content::pack_named(name, rules_, named);
    if (!pack && name.starts_with("own.")) return "is none of `content.rules`";
    if (!pack) return "is no rule of any pack: see the pages of the packs for their names";
    if (std::ranges::count(policy.request, *pack) != 0) return {};
    if (std::ranges::count(policy.response, *pack) != 0) return {};
    return fmt::format("can never apply: neither `request` nor `response` names `{}`",
                       content::name_of(*pack));
  }

  static constexpr const char* kNoMasks =
      "nothing is masked for MCP servers: `refuse` or `flag` it";

  bool of_mcp_ = false;
  const std::vector<content::Rule> rules_;
  const content::OwnRules own_;
  Report& report_;
};

// A mask that is a match itself would have to be masked.
std::string why_masks_match(const Config& config, const content::Policy& policy) {
  const std::span<const content::Rule> rules = config.content_rules->all();
  content::Scanner scanner;
  for (std::size_t i = 0; policy.redacts && i < policy.actions.size(); ++i) {
    if (policy.actions[i] != content::Action::kRedact) continue;
    const std::string mask = content::mask_of(rules[i].name, 1);
    if (!scanner.begin(config.content_rules, policy.actions) || !scanner.read(mask)) continue;
    for (const content::Finding& finding : scanner.found()) {
      if (finding.action < content::Action::kRedact) continue;
      return fmt::format(
          "what is found by `{}` is masked as `{}`, in which `{}` would match: give the rule "
          "another name, or let the pattern match less",
          rules[i].name, mask, finding.rule);
    }
  }
  return {};
}

// Of a rule as a whole.
void tell_of(const View& rule, Report& report, std::string message) {
  if (rule.node() != nullptr && !rule.node()->broken) {
    report.tell(*rule.node(), rule.path(), std::move(message));
  }
}

// A sentence about a rule that no route applies; empty: one does.
std::string why_unused(const Config& config, std::string_view name) {
  bool is_asked = false;
  for (const Route& route : config.routes) {
    const content::Policy& policy = route.content;
    const bool does_ask = asks_for_own(policy.request) || asks_for_own(policy.response);
    if (does_ask && std::ranges::count(policy.except, name) == 0) return {};
    is_asked = is_asked || does_ask;
  }
  return is_asked ? "can never apply: every route that asks for `own` has it in `except`"
                  : "can never apply: no route has `own` in its `content`";
}

}  // namespace

content::Policy build_content(const View& route, dialects::Surface surface, const Config& config,
                              Report& report) {
  return ContentBuilder(config, report).content(route, surface);
}

void build_own_rules(const View& root, Config& config, Report& report) {
  std::vector<content::OwnRule> made;
  for (const View& view : root.section("content").each("rules")) {
    content::OwnSource source{.name = "own." + view.name(),
                              .pattern = view.text("pattern"),
                              .reading = view.choice("reads", content::Reading::kExact),
                              .words = view.texts("words"),
                              .description = view.text("description")};
    const std::string_view key = source.words.empty() ? "pattern" : "words";
    std::string why;
    if (source.pattern.empty() == source.words.empty()) {
      why = "a rule has either a `pattern` or `words`";
    } else if (!source.words.empty() && view.has("reads")) {
      why = "`reads` is for a `pattern`: words are always read as words";
    } else if (std::ranges::any_of(source.words, is_too_short)) {
      why = "words are of 3 to 256 bytes and begin and end with no space";
    }
    if (why.empty()) {
      std::expected<content::OwnRule, std::string> rule =
          content::OwnRule::create(std::move(source));
      if (rule) {
        made.push_back(std::move(*rule));
        continue;
      }
      why = std::move(rule.error());
    }
    if (view.has(key)) {
      tell_in(report, view, key, std::move(why));
    } else {
      tell_of(view, report, std::move(why));
    }
  }
  if (made.empty()) return;
  config.own_rules = std::make_shared<const std::vector<content::OwnRule>>(std::move(made));
}

void build_content_rules(const View& root, Config& config, Report& report) {
  std::vector<content::Pack> packs;
  for (const Route& route : config.routes) {
    packs.insert(packs.end(), route.content.request.begin(), route.content.request.end());
    packs.insert(packs.end(), route.content.response.begin(), route.content.response.end());
  }
  for (const View& view : root.section("content").each("rules")) {
    const std::string why = why_unused(config, "own." + view.name());
    if (!why.empty() && report.problems.empty()) tell_of(view, report, why);
  }
  if (packs.empty() || !report.problems.empty()) return;
  FaultOr<std::shared_ptr<const content::Rules>> rules =
      content::Rules::compile(packs, config.own_rules);
  if (rules) {
    config.content_rules = std::move(*rules);
    for (const Route& route : config.routes) {
      const std::string why = why_masks_match(config, route.content);
      if (!why.empty()) tell_in(report, root, "content", why);
    }
  } else {
    tell_in(report, root, "routes", rules.error().message);
  }
}

}  // namespace tollgate::config
