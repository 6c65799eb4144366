// Budgets that are really kept, for tests: the slow reference of what a ledger promises of money.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/ports.h"

namespace tollgate::pipeline::testing {

class Books {
 public:
  // All charges or none; a shortfall names every budget that refuses.
  std::optional<Shortfall> take(const Charges& charges, Arena& arena, WallTime wall) {
    auto after = balances;
    std::optional<Shortfall> shortfall;
    std::vector<const cost::Policy*> exhausted;
    observed.clear();
    for (const BudgetCharge& charge : charges.budgets) {
      cost::Balance& balance = after[{charge.policy->rule, std::string(charge.subject)}];
      Expected<cost::Balance> held =
          cost::hold(*charge.policy, balance, charge.amount, wall, charge.subject);
      if (held) {
        balance = *held;
      } else if (cost::lets_through(*charge.policy)) {
        balance = cost::hold_observed(*charge.policy, balance, charge.amount, wall);
        observed.emplace_back(charge.policy->rule);
      } else {
        if (!shortfall) shortfall = Shortfall{held.error(), {}, {}, {}};
        exhausted.push_back(charge.policy);
      }
    }
    if (!shortfall && rate) shortfall = Shortfall{*rate, {}, {}, {}};
    if (shortfall) {
      shortfall->exhausted = arena.copy(std::span<const cost::Policy* const>(exhausted));
    } else {
      balances = std::move(after);
    }
    return shortfall;
  }

  void settle(const Charges& charges, Money used, WallTime wall) {
    for (const BudgetCharge& charge : charges.budgets) {
      cost::Balance& balance = balances.at({charge.policy->rule, std::string(charge.subject)});
      const cost::Taken taken{charge.amount, balance.window_start};
      balance = cost::settle(*charge.policy, balance, taken, used, wall);
    }
  }

  // By rule and subject.
  std::map<std::pair<std::string, std::string>, cost::Balance> balances;
  std::vector<std::string_view> observed;  // Of the last take.
  std::optional<Refusal> rate;             // Of what the budgets would hold.
};

}  // namespace tollgate::pipeline::testing
