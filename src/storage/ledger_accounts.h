// The accounts that a ledger keeps in memory: one for each subject of each rule.
//
// They lie in shards, each under its own mutex. Whoever works on several accounts at once locks
// the shards of all of them, in one order, so that two never wait for each other. The number of
// accounts has a bound; when it is reached, accounts at rest (full, nothing held, nothing spent
// in the window) make room: they are as good as new.
//
// There may be millions, so an account is one piece of memory with its subject behind it, shares
// the text of its rule, and has what a budget or a shared limit needs only where it is one.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controls/cost/cost.h"
#include "controls/limits/limits.h"
#include "storage/rate_hand.h"

namespace tollgate::storage {

enum class AccountKind : std::uint8_t { kLimit, kSharedLimit, kBudget };

// What all accounts of a rule have in common.
struct LedgerRule {
  std::string text;
  std::size_t accounts = 0;  // Goes with the last of them.
};

struct BudgetAccount;
struct SharedLimitAccount;

// One subject of one rule. Which of the balances is used follows from the rule.
struct LedgerAccount {
  LedgerAccount* next = nullptr;  // In its bucket.
  std::uint64_t hash = 0;
  const LedgerRule* rule = nullptr;
  std::uint32_t subject_bytes = 0;  // They lie behind the account.
  std::int32_t pins = 0;            // Open holds, and questions to the store, that point here.
  AccountKind kind = AccountKind::kLimit;

  limits::Scope scope{};
  limits::Balance rate;
  std::int64_t at_work = 0;
  std::int64_t at_work_limit = 0;  // 0: this is no rule on concurrency.

  std::string_view subject() const;
  SharedLimitAccount& as_shared_limit();  // CHECKed: it is one.
  BudgetAccount& as_budget();             // The same.
  const BudgetAccount& as_budget() const;
  bool at_rest(Instant now, WallTime wall) const;
};

// Of a limit that several gateways share.
struct SharedLimitAccount : LedgerAccount {
  RateHand hand;
  // As of the last hold.
  std::int64_t limit = 0;
  limits::Figure figure{};
};

struct BudgetAccount : LedgerAccount {
  cost::Balance budget;  // What this gateway has spent and holds.
  cost::TimeZone zone;
  Money limit;
  // Window in which a request that does not fit was let through and told.
  WallTime over_told = WallTime::min();
  cost::Window window{};
  bool has_window = false;  // Window, zone and limit are known.

  // What the store has granted of the budget's window; see lender.h.
  bool leased_known = false;
  Money leased;            // By this gateway, in all.
  Money others;            // Taken by other gateways, as of the last answer.
  Money step;              // Asked for ahead of need last…
  Instant asked_at{};      // …at this time,
  Instant heard_at{};      // and of that which was answered last.
  Instant held_at{};       // Something was held last.
  std::int32_t asked = 0;  // Needs and returns that the store has not answered.
  bool came_back = false;  // By a reload, to a window that begins before the one of before.
  bool unsure = false;     // The store may know of more than is leased here: an answer was lost.
  bool granted = false;    // More came since a give-back was looked for.
  bool lent = false;       // The ledger has it listed as one that may give back.

  // What everybody has spent, as far as this gateway knows, and what it holds.
  cost::Balance view() const {
    return {budget.window_start, add_saturated(budget.spent, others), budget.held,
            budget.window_end};
  }
  // The window is another: nothing of it is leased yet.
  void forget_lease() {
    leased_known = false;
    leased = others = step = Money{};
  }
  // What is spent and would be held beyond what is leased; below 0: what is left of the lease.
  Money lack(Money held) const {
    return add_saturated(add_saturated(budget.spent, held), Money{-leased.micro_usd});
  }
};

class LedgerAccounts {
 public:
  static constexpr std::size_t kShards = 64;

  LedgerAccounts(std::size_t most, std::uint64_t key);
  ~LedgerAccounts();
  LedgerAccounts(const LedgerAccounts&) = delete;

  // Under a secret key: callers must not be able to choose collisions.
  std::uint64_t hash_of(std::string_view rule, std::string_view subject) const;
  static std::uint64_t shard_bit(std::uint64_t hash) { return std::uint64_t{1} << (hash >> 58); }

  // Holds the locks of a set of shards, one bit each.
  class Locked {
   public:
    Locked(const LedgerAccounts& accounts, std::uint64_t shards);
    ~Locked();
    Locked(const Locked&) = delete;

   private:
    const LedgerAccounts& accounts_;
    const std::uint64_t shards_;
  };

  struct Name {
    AccountKind kind{};
    std::uint64_t hash = 0;  // By hash_of().
    std::string_view rule;
    std::string_view subject;
  };
  // With the account's shard locked. Null: there is none.
  LedgerAccount* find(const Name& name) const;
  // The same, made where there is none. Null: no room.
  LedgerAccount* find_or_open(const Name& name, Instant now, WallTime wall);

  std::size_t count() const { return count_.load(std::memory_order_relaxed); }

  // Visits every account, a shard at a time under its lock.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < kShards; ++i) {
      const Locked locked(*this, std::uint64_t{1} << i);
      for_shard(i, [&](LedgerAccount& account) { visit(account); });
    }
  }

 private:
  struct Shard {
    alignas(64) mutable std::mutex mutex;
    std::vector<LedgerAccount*> buckets = std::vector<LedgerAccount*>(16);
    std::size_t size = 0;
    std::size_t hand = 0;  // Where the search for accounts at rest goes on.

    LedgerAccount*& bucket(std::uint64_t hash) { return buckets[hash & (buckets.size() - 1)]; }
    void add(LedgerAccount* account);
    void grow();
  };

  // The bucket is chosen by the low bits, the shard by the high ones.
  Shard& shard_of(std::uint64_t hash) const { return shards_[hash >> 58]; }
  bool make_room(Shard& shard, Instant now, WallTime wall);
  LedgerAccount* make(const Name& name);
  void unmake(LedgerAccount* account);
  const LedgerRule* take_rule(std::string_view text);
  void release_rule(const LedgerRule* rule);
  template <class Visit>
  void for_shard(std::size_t index, Visit visit) const {
    for (LedgerAccount* head : shards_[index].buckets) {
      for (LedgerAccount* at = head; at != nullptr; at = at->next) visit(*at);
    }
  }

  const std::size_t most_;
  const std::uint64_t key_;
  const std::unique_ptr<Shard[]> shards_;
  std::atomic<std::size_t> count_ = 0;

  struct HashText {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::mutex rules_mutex_;  // Taken behind those of the shards.
  std::unordered_map<std::string, std::unique_ptr<LedgerRule>, HashText, std::equal_to<>> rules_;
};

}  // namespace tollgate::storage
