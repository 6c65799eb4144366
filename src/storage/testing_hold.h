// One request of a test that holds of a limit, and of a budget where it is given one.
#pragma once

#include <optional>
#include <string>

#include "storage/memory_ledger.h"

namespace tollgate::storage {

inline limits::Policy limit(limits::Figure figure, std::int64_t most, Mode mode = Mode::kEnforce) {
  limits::Policy policy;
  policy.mode = mode;
  policy.figure = figure;
  policy.limit = most;
  policy.rule = "limits.tenant_id." + std::string(name_of(figure));
  return policy;
}

struct Held {
  const pipeline::LimitCharge limit;
  const std::optional<pipeline::BudgetCharge> budget = std::nullopt;
  Arena arena = {};
  std::optional<Expected<pipeline::Hold, pipeline::Shortfall>> answer = std::nullopt;

  pipeline::Charges charges() const {
    return {{&limit, 1}, {budget ? &*budget : nullptr, budget ? 1u : 0u}};
  }
  explicit operator bool() const { return answer->has_value(); }
  Reason reason() const { return answer->error().refusal.reason; }
};

inline Task<void> hold_later(MemoryLedger& ledger, Executor& executor, Instant now, Held& held) {
  held.answer = co_await ledger.hold(held.charges(), held.arena, executor, now, {});
}

}  // namespace tollgate::storage
