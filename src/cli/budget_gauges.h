// The gauges of budgets: how much each allows in its window, and what is left of that.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "admin/metrics.h"
#include "pipeline/ports.h"
#include "storage/memory_ledger.h"

namespace tollgate::cli {

namespace budget_gauges {

template <class Value>
admin::Gauge made(std::string name, std::string help, const storage::MemoryLedger& ledger,
                  const pipeline::Clock& clock, Value value) {
  return {std::move(name), std::move(help),
          [&ledger, &clock, value](const admin::Gauge::Emit& emit) {
            const storage::Standings now = ledger.snapshot(clock.wall());
            for (const storage::BudgetStanding& budget : now.budgets) {
              emit(fmt::format("scope=\"{}\",subject=\"{}\",window=\"{}\"",
                               limits::name_of(budget.scope), admin::escape_label(budget.subject),
                               cost::name_of(budget.window)),
                   static_cast<double>(value(budget).micro_usd) / 1e6);
            }
          }};
}

}  // namespace budget_gauges

// Both outlive the gauges.
inline void register_budget_gauges(const storage::MemoryLedger& ledger,
                                   const pipeline::Clock& clock, admin::Metrics& metrics) {
  using storage::BudgetStanding;
  metrics.gauge(budget_gauges::made(
      "tollgate_budget_remaining_usd", "What is left of each budget in its window.", ledger, clock,
      [](const BudgetStanding& budget) {
        return Money{std::max<std::int64_t>(
            0, budget.limit.micro_usd - budget.spent.micro_usd - budget.held.micro_usd)};
      }));
  metrics.gauge(budget_gauges::made("tollgate_budget_limit_usd",
                                    "What each budget allows in its window.", ledger, clock,
                                    [](const BudgetStanding& budget) { return budget.limit; }));
}

}  // namespace tollgate::cli
