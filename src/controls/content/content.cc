#include "controls/content/content.h"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::content {

std::string_view name_of(Pack pack) {
  switch (pack) {
    case Pack::kSecrets:
      return "secrets";
    case Pack::kLinks:
      return "links";
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
    case Action::kObserve:
      return "observe";
  }
  return "refuse";
}

bool holds_answers_to(const Policy& policy, Pack pack) {
  return std::ranges::find(policy.response, pack) != policy.response.end();
}

Action action_of(const Policy& policy) {
  if (policy.mode == Mode::kObserve) return Action::kObserve;
  return policy.on_match == OnMatch::kFlag ? Action::kFlag : Action::kRefuse;
}

Expected<void> check(const Policy& policy, const Finding& first, std::string_view where,
                     std::string_view rule) {
  if (policy.on_match == OnMatch::kFlag) return {};
  return refuse(Reason::kContentRefused, std::string(rule),
                fmt::format("'{}' holds what this route does not let pass: {}, {} bytes from byte "
                            "{}. Take it out, or put a placeholder there.",
                            where, first.rule, first.bytes, first.offset),
                std::string(where));
}

Expected<void> check_answer(const Policy& policy, std::string_view rule_found,
                            std::string_view where, std::string_view rule) {
  if (policy.on_match == OnMatch::kFlag) return {};
  return refuse(Reason::kContentRefused, std::string(rule),
                fmt::format("The model's answer holds what this route does not let out, so it was "
                            "not sent: {} in '{}'.",
                            rule_found, where));
}

std::unexpected<Refusal> refuse_unread(std::string_view why, std::string_view rule,
                                       std::string_view param) {
  return refuse(Reason::kContentRefused, std::string(rule), std::string(why), std::string(param));
}

}  // namespace tollgate::content
