// What one hold of a MemoryLedger remembers, in the request's arena; for its own sources.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "storage/memory_ledger.h"

namespace tollgate::storage {

// The same of a limit that several gateways share.
struct MemoryLedger::SharedSlot {
  enum class From : std::uint8_t { kHand, kShare };
  From from = From::kHand;
  bool giving_back = false;
  std::uint32_t gateways = 1;  // That shared it.
  std::uint32_t generation = 0;
  std::int64_t units_before = 0;
  std::int64_t units = 0;      // Taken out of the hand.
  std::int64_t remaining = 0;  // Of all that there is, after it.
  RateClaim claim;             // What is not used of it may be claimed.
  limits::Balance all_used_before;
  limits::Balance share_before;
  limits::Taken share;
};

// What a hold took of one charge, and what was there before it.
struct MemoryLedger::Slot {
  LedgerAccount* account = nullptr;
  BudgetAccount& budget_account() const { return static_cast<BudgetAccount&>(*account); }
  std::uint64_t hash = 0;
  limits::Balance rate_before;
  SharedSlot* shared = nullptr;  // Of a limit that several gateways share.
  SharedLimitAccount& shared_account() const { return static_cast<SharedLimitAccount&>(*account); }
  limits::Taken rate;
  std::int64_t at_work_before = 0;
  std::int64_t at_work = 0;
  cost::Balance budget_before;
  cost::Balance budget;  // With what others have taken.
  Money amount;
  bool answered = false;  // Its store has said how it stands since the request came.
  bool over = false;      // Let through beyond the limit, and to be told.
  Money spent_before;     // In the window, at the settlement.
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
