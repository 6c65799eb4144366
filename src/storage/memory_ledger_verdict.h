// What the rules say of one hold of a MemoryLedger; for its own sources.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "storage/memory_ledger.h"

namespace tollgate::storage {

// Collects what the rules say: the refusal that matters most, and who would have refused.
class MemoryLedger::Verdict {
 public:
  Verdict(const pipeline::Charges& charges, Arena& arena)
      : most_(charges.limits.size() + charges.budgets.size()),
        limits_(charges.limits.size()),
        budgets_(charges.budgets.size()),
        arena_(arena) {}

  // Of several refusals the longest wait is the true one; no wait at all outlasts every other.
  void refuse(Refusal refusal, const audit::LimitEvidence& evidence) {
    if (!matters_more(refusal)) return;
    refusal_ = std::move(refusal);
    limit_ = evidence;
    budget_.reset();
  }
  void refuse(Refusal refusal, const cost::Policy& policy, const audit::BudgetEvidence& evidence) {
    if (exhausted_.empty()) exhausted_ = arena_.make<const cost::Policy*>(most_);
    exhausted_[exhausted_count_++] = &policy;
    if (!matters_more(refusal)) return;
    refusal_ = std::move(refusal);
    budget_ = evidence;
    limit_.reset();
  }
  void observe(std::string_view rule) {
    if (observed_.empty()) observed_ = arena_.make<std::string_view>(most_);
    observed_[count_++] = rule;
  }

  // The store must be asked for more.
  void need(const LeaseNeed& need) {
    if (needs_.empty()) needs_ = arena_.make<LeaseNeed>(budgets_);
    needs_[need_count_++] = need;
  }

  void need(const RateNeed& need) {
    if (rate_needs_.empty()) rate_needs_ = arena_.make<RateNeed>(limits_);
    rate_needs_[rate_need_count_++] = need;
  }

  bool refused() const { return refusal_.has_value(); }
  // The stores are asked one after the other: what is not enough at the first needs no second.
  Needs needs() const {
    if (rate_need_count_ > 0) return {rate_needs_.first(rate_need_count_), {}};
    return {{}, needs_.first(need_count_)};
  }
  pipeline::Shortfall shortfall() {
    pipeline::Shortfall made{*std::move(refusal_), {}, {}, exhausted_.first(exhausted_count_)};
    if (limit_) made.limits = arena_.copy(std::span<const audit::LimitEvidence>(&*limit_, 1));
    if (budget_) made.budgets = arena_.copy(std::span<const audit::BudgetEvidence>(&*budget_, 1));
    return made;
  }
  std::span<const std::string_view> observed() const { return observed_.first(count_); }

 private:
  bool matters_more(const Refusal& refusal) const {
    return !refusal_ || refusal.retry_after.value_or(Duration::max()) >
                            refusal_->retry_after.value_or(Duration::max());
  }

  const std::size_t most_;
  const std::size_t limits_;
  const std::size_t budgets_;
  Arena& arena_;
  std::optional<Refusal> refusal_;
  std::optional<audit::LimitEvidence> limit_;
  std::optional<audit::BudgetEvidence> budget_;
  std::span<std::string_view> observed_;
  std::size_t count_ = 0;
  std::span<const cost::Policy*> exhausted_;
  std::size_t exhausted_count_ = 0;
  std::span<LeaseNeed> needs_;
  std::size_t need_count_ = 0;
  std::span<RateNeed> rate_needs_;
  std::size_t rate_need_count_ = 0;
};

}  // namespace tollgate::storage
