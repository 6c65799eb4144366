#include "controls/alerts/policy.h"

#include <array>

namespace tollgate::alerts {

namespace {

constexpr std::array<std::string_view, kConditionCount> kConditions = {
    "spend_velocity", "budget_reached", "refusals",  "authentication_failures",
    "upstream_down",  "store_degraded", "audit_lag", "token_count_drift"};
constexpr std::array<std::string_view, 5> kActions = {"none", "slow_down", "freeze",
                                                      "cap_output_tokens", "downgrade_to"};
constexpr std::array<std::string_view, 4> kTargets = {"webhook", "slack", "alertmanager", "email"};

}  // namespace

std::string_view name_of(Condition condition) {
  return kConditions[static_cast<std::size_t>(condition)];
}

std::string_view name_of(Action action) { return kActions[static_cast<std::size_t>(action)]; }

std::optional<Action> action_named(std::string_view name) {
  for (std::size_t i = 0; i < kActions.size(); ++i) {
    if (kActions[i] == name) return static_cast<Action>(i);
  }
  return std::nullopt;
}

std::string_view name_of(TargetKind kind) { return kTargets[static_cast<std::size_t>(kind)]; }

}  // namespace tollgate::alerts
