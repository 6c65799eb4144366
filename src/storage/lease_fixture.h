// A gateway whose store is answered by hand, and requests on one budget. For tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hand_executor.h"
#include "storage/hand_lender.h"
#include "storage/memory_ledger.h"

namespace tollgate::storage {

inline constexpr Instant kNow{std::chrono::hours(1)};
inline constexpr WallTime kWall{std::chrono::hours(490'000)};

inline cost::Policy budget(std::int64_t micro_usd) {
  cost::Policy policy;
  policy.limit = {micro_usd};
  policy.window = cost::Window::kDay;
  policy.rule = "tenants.acme.budget";
  return policy;
}

// One gateway: its ledger, and what it books goes to the store at once.
class LeasingGateway final : public SettlementSink {
 public:
  LeasingGateway(HandStore& store, std::string name)
      : lender(store, name), store_(store), name_(std::move(name)) {
    ledger.lend_from(lender);
  }
  void booked(const pipeline::Booking&, const pipeline::Used& used, std::string_view accounts,
              WallTime) override {
    if (books_late) {
      late_.emplace_back(std::string(accounts), used.cost);
    } else {
      store_.spend(name_, accounts, used.cost);
    }
  }
  void book_all() {
    for (const auto& [accounts, cost] : late_) store_.spend(name_, accounts, cost);
    late_.clear();
  }
  void answer_all() {
    while (!lender.asked.empty() || executor.run()) {
      if (!lender.asked.empty()) lender.answer(ledger);
    }
  }

  HandLender lender;
  MemoryLedger ledger{{}, this};
  HandExecutor executor;
  bool books_late = false;

 private:
  HandStore& store_;
  const std::string name_;
  std::vector<std::pair<std::string, Money>> late_;
};

// One request on one budget.
struct BudgetRequest {
  BudgetRequest(LeasingGateway& on, const cost::Policy& policy, std::int64_t micro_usd,
                Instant at = kNow, WallTime wall = kWall, std::string subject = "acme",
                std::span<const pipeline::LimitCharge> limits = {})
      : gateway(on), policy(policy), subject(std::move(subject)), wall(wall) {
    charge = {&this->policy, this->subject, {micro_usd}};
    charges.budgets = {&charge, 1};
    charges.limits = limits;
    start(ask(*this, at));
  }
  static Task<void> ask(BudgetRequest& self, Instant at) {
    self.result = co_await self.gateway.ledger.hold(self.charges, self.arena, self.gateway.executor,
                                                    at, self.wall);
  }
  void settle(std::int64_t micro_usd) { settle(micro_usd, wall); }
  void settle(std::int64_t micro_usd, WallTime at) {
    pipeline::Used used;
    used.cost = {micro_usd};
    gateway.ledger.settle(result->value(), charges, used, {}, kNow, at);
  }
  bool waits() const { return !result.has_value(); }
  bool held() const { return result && result->has_value(); }
  Reason refused() const { return result->error().refusal.reason; }

  LeasingGateway& gateway;
  const cost::Policy policy;
  const std::string subject;
  const WallTime wall;
  pipeline::BudgetCharge charge;
  pipeline::Charges charges;
  Arena arena;
  std::optional<Expected<pipeline::Hold, pipeline::Shortfall>> result;
};

}  // namespace tollgate::storage
