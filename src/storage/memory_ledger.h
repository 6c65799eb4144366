// The books in memory: every hold and settlement of one gateway is served from here.
//
// Each subject of each rule has one account. A hold locks the shards of its accounts in one
// order, takes all charges or none, and remembers what it took; settling undoes and books it
// exactly once. Nothing is read from a disk or a network: what was spent before the start is
// told by restore(), and every settlement is handed to a sink that keeps it.
//
// The number of accounts has a bound. When it is reached, accounts at rest (full, nothing held,
// nothing spent in the window) make room; they are as good as new. Where none is found the
// request is refused.
//
// Safe from any thread. In the steady state nothing is allocated from the heap.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/ports.h"

namespace tollgate::storage {

// Where settlements are booked for good.
class SettlementSink {
 public:
  virtual ~SettlementSink() = default;
  // Once for each settled hold, with no lock held. Any thread; must not wait.
  virtual void booked(const pipeline::Booking& booking, const pipeline::Used& used,
                      WallTime at) = 0;
  // `spent` has come to `share` of the budget, one of its alert_at: once for each in a window.
  // Or a budget that allows and alerts let a request through that no longer fits: `spent` is
  // then what is spent and held, above the limit; once in a window for each subject.
  // With no lock held. Any thread.
  virtual void budget_reached(const cost::Policy& policy, std::string_view subject, double share,
                              Money spent, WallTime at) {
    (void)policy, (void)subject, (void)share, (void)spent, (void)at;
  }
};

// How one budget stands, for metrics and the admin API.
struct BudgetStanding {
  std::string rule;
  std::string subject;
  limits::Scope scope{};
  cost::Window window{};
  WallTime window_start{};
  Money limit;  // As of the last hold or restore.
  Money spent;
  Money held;
};
// How many of one subject's requests are at work.
struct WorkStanding {
  std::string rule;
  std::string subject;
  limits::Scope scope{};
  std::int64_t limit = 0;
  std::int64_t at_work = 0;
};
struct Standings {
  std::vector<BudgetStanding> budgets;
  std::vector<WorkStanding> work;
};

class MemoryLedger final : public pipeline::Ledger {
 public:
  static constexpr std::size_t kAccountsMax = 1'000'000;

  struct Options {
    std::size_t accounts_max = kAccountsMax;
    std::uint64_t key = 0;  // Random and secret: callers must not be able to choose collisions.
  };

  // `sink` may be null (nothing is kept) and must outlive the ledger.
  MemoryLedger(const Options& options, SettlementSink* sink);
  ~MemoryLedger() override;

  // Never suspends. Refuses with the longest wait of all rules that refuse, so that whoever
  // waits as told passes; a refusal that no wait helps comes first. kStoreUnavailable: no room
  // for a new account.
  Task<Expected<pipeline::Hold, pipeline::Shortfall>> hold(const pipeline::Charges& charges,
                                                           Arena& arena,
                                                           pipeline::Executor& executor,
                                                           Instant now, WallTime wall) override;
  // `charges` are those of the hold. Requests are given back only where
  // nothing left; tokens are by their figure.
  void settle(pipeline::Hold& hold, const pipeline::Charges& charges, const pipeline::Used& used,
              const pipeline::Booking& booking, Instant now, WallTime wall) override;

  // What `subject` had spent in the window of `window_start` before the ledger began, by the
  // books. Never lowers what is known of that window; a rule that has another window from now
  // on begins anew from the books, and what is held stays held. False: no room.
  bool restore(const cost::Policy& policy, std::string_view subject, WallTime window_start,
               Money spent);

  Standings snapshot(WallTime wall) const;
  std::int64_t open_holds() const { return open_holds_.load(std::memory_order_relaxed); }
  std::int64_t overruns() const { return overruns_.load(std::memory_order_relaxed); }
  std::size_t accounts() const { return accounts_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 64;
  struct Account;
  struct Shard;
  struct Slot;
  struct Slots;
  class Locked;
  class Verdict;

  Expected<pipeline::Hold, pipeline::Shortfall> hold_now(const pipeline::Charges& charges,
                                                         Arena& arena, Instant now, WallTime wall);
  Slots& find_places(const pipeline::Charges& charges, Arena& arena) const;
  bool open_accounts(const pipeline::Charges& charges, Slots& slots, Instant now, WallTime wall);
  static void take_limit(const pipeline::LimitCharge& charge, Slot& slot, Verdict& verdict,
                         Instant now);
  static void take_budget(const pipeline::BudgetCharge& charge, Slot& slot, Verdict& verdict,
                          WallTime wall);
  static void give_up(Slots& slots);
  static void mark_told(Slots& slots);
  void tell_over(const pipeline::BudgetCharge& charge, const Slot& slot, WallTime wall) const;
  static void settle_budget(const pipeline::BudgetCharge& charge, Slot& slot, Money used,
                            WallTime wall);
  void tell_reached(const pipeline::BudgetCharge& charge, const Slot& slot, WallTime wall) const;

  std::uint64_t hash_of(std::string_view rule, std::string_view subject) const;
  Shard& shard_of(std::uint64_t hash) const;
  Account* find_or_open(std::uint64_t hash, std::string_view rule, std::string_view subject,
                        Instant now, WallTime wall);
  bool make_room(Shard& shard, Instant now, WallTime wall);

  const Options options_;
  SettlementSink* const sink_;
  const std::unique_ptr<Shard[]> shards_;
  std::atomic<std::size_t> accounts_ = 0;
  std::atomic<std::int64_t> open_holds_ = 0;
  std::atomic<std::int64_t> overruns_ = 0;
};

}  // namespace tollgate::storage
