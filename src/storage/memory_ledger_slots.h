// What one hold of a MemoryLedger remembers, in the request's arena; for its own sources.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "storage/memory_ledger.h"

namespace tollgate::storage {

// What a hold took of one charge, and what was there before it.
struct MemoryLedger::Slot {
  LedgerAccount* account = nullptr;
  BudgetAccount& budget_account() const { return static_cast<BudgetAccount&>(*account); }
  std::uint64_t hash = 0;
  limits::Balance rate_before;
  limits::Taken rate;
  std::int64_t at_work_before = 0;
  std::int64_t at_work = 0;
  cost::Balance budget_before;
  cost::Balance budget;  // With what others have taken.
  Money amount;
  bool over = false;   // Let through beyond the limit, and to be told.
  Money spent_before;  // In the window, at the settlement.
  Money spent_after;
};

struct MemoryLedger::Slots {
  std::span<Slot> limits;
  std::span<Slot> budgets;
  std::string_view accounts;  // Of the budgets, packed.
  WallTime held_at{};
  std::uint64_t shards = 0;  // One bit each.
  bool open = false;
};

}  // namespace tollgate::storage
