#include "controls/content/content.h"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::content {

std::string_view name_of(Pack pack) {
  switch (pack) {
    case Pack::kSecrets:
      return "secrets";
    case Pack::kPii:
      return "pii";
    case Pack::kInjection:
      return "injection";
    case Pack::kSpecialTokens:
      return "special_tokens";
    case Pack::kLinks:
      return "links";
    case Pack::kOwn:
      return "own";
    case Pack::kUnicode:
      return "unicode";
  }
  return "secrets";
}

std::string_view name_of(Action action) {
  switch (action) {
    case Action::kRefuse:
      return "refuse";
    case Action::kFlag:
      return "flag";
    case Action::kRedact:
      return "redact";
    case Action::kObserve:
      return "observe";
    case Action::kNone:
      return "none";
  }
  return "refuse";
}

bool holds_answers_to(const Policy& policy, Pack pack) {
  return std::ranges::find(policy.response, pack) != policy.response.end();
}

namespace {

Action action_of(const Policy& policy, const Rule& rule) {
  Mode mode = policy.mode;
  OnMatch on_match = policy.on_match;
  // What is said of a rule stands above what is said of its pack, wherever it is written.
  for (const std::string_view name : {name_of(rule.pack), rule.name}) {
    for (const Override& override : policy.overrides) {
      if (override.name != name) continue;
      mode = override.mode.value_or(mode);
      on_match = override.on_match.value_or(on_match);
    }
  }
  // What only flags refuses nothing in either mode.
  if (on_match == OnMatch::kFlag) return Action::kFlag;
  if (mode == Mode::kObserve) return Action::kObserve;
  return on_match == OnMatch::kRedact ? Action::kRedact : Action::kRefuse;
}

}  // namespace

void resolve(Policy& policy, std::span<const Rule> rules) {
  policy.actions.clear();
  policy.answer_actions.clear();
  policy.own.clear();
  for (const Rule& rule : rules) {
    const bool is_left_out = std::ranges::count(policy.except, rule.name) != 0;
    const Action action = is_left_out ? Action::kNone : action_of(policy, rule);
    const auto of = [&](std::span<const Pack> packs) {
      return std::ranges::count(packs, rule.pack) != 0 ? action : Action::kNone;
    };
    policy.actions.push_back(of(policy.request));
    if (rule.pack == Pack::kOwn) policy.own.emplace_back(rule.name);
    const Action of_answer = of(policy.response);
    policy.answer_actions.push_back(of_answer == Action::kRedact ? Action::kRefuse : of_answer);
  }
  policy.redacts = std::ranges::count(policy.actions, Action::kRedact) != 0;
}

std::optional<Pack> pack_named(std::string_view name, std::span<const Rule> rules, Named named) {
  for (int i = 0; i < kPackCount && named == Named::kRuleOrPack; ++i) {
    if (name == name_of(static_cast<Pack>(i))) return static_cast<Pack>(i);
  }
  const auto rule = std::ranges::find(rules, name, &Rule::name);
  return rule == rules.end() ? std::nullopt : std::optional(rule->pack);
}

std::string mask_of(std::string_view rule, std::size_t number) {
  return fmt::format("{}{}#{}]", kMaskBegin, rule, number);
}

std::unexpected<Refusal> refuse_found(const Finding& finding, std::string_view where,
                                      std::string_view rule) {
  return refuse(Reason::kContentRefused, std::string(rule),
                fmt::format("'{}' holds what this route does not let pass: {}, {} bytes from byte "
                            "{}. Take it out, or put a placeholder there.",
                            where, finding.rule, finding.bytes, finding.offset),
                std::string(where));
}

std::unexpected<Refusal> refuse_answer(std::string_view rule_found, std::string_view where,
                                       std::string_view rule) {
  return refuse(Reason::kContentRefused, std::string(rule),
                fmt::format("The model's answer holds what this route does not let out, so it was "
                            "not sent: {} in '{}'.",
                            rule_found, where));
}

std::unexpected<Refusal> refuse_unmasked(const Finding& finding, std::string_view where,
                                         std::string_view rule) {
  return refuse(Reason::kContentRefused, std::string(rule),
                fmt::format("'{}' holds what this route masks before it is sent, in a place where "
                            "it cannot be masked: {}, {} bytes from byte {}. Take it out.",
                            where, finding.rule, finding.bytes, finding.offset),
                std::string(where));
}

std::unexpected<Refusal> refuse_unread(std::string_view why, std::string_view rule,
                                       std::string_view param) {
  return refuse(Reason::kContentRefused, std::string(rule), std::string(why), std::string(param));
}

}  // namespace tollgate::content
