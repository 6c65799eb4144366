// What may still be tried of a request that its budgets no longer hold: what they say.
//
// Each alternative is the whole request decided anew on other terms. Here is only which, and in
// what order: what the budgets of the request say, in their order, then what the budgets say that
// refused one of those. None is tried twice, so a circle of downgrades ends, and of all together
// at most kMost.
//
// Pure.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "controls/cost/cost.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

class Alternatives {
 public:
  static constexpr std::size_t kMost = 4;

  // Nothing is left of a request that was decided as asked, but `as_asked` itself.
  explicit Alternatives(const Plan& as_asked);

  // `plan`, decided on `terms`, does not fit the `exhausted` budgets.
  void add(const Plan& plan, const Terms& terms, std::span<const cost::Policy* const> exhausted);

  // The next to try, or nothing.
  std::optional<Terms> next();

 private:
  bool is_known(const Terms& terms) const;

  std::array<Terms, kMost + 1> known_;  // The first is the request as asked.
  std::size_t count_ = 1;
  std::size_t tried_ = 1;
};

}  // namespace tollgate::pipeline
