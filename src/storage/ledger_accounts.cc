#include "storage/ledger_accounts.h"

#include <algorithm>
#include <utility>

#include "controls/audit/audit.h"

namespace tollgate::storage {

// Whether a new account would say the same.
bool LedgerAccount::at_rest(Instant now, WallTime wall) const {
  if (pins != 0 || at_work != 0 || budget.held != Money{} || rate.full_at >= now) return false;
  return (budget.spent == Money{} && leased == Money{}) ||
         (wall >= budget.window_end && cost::start_of(window, zone, wall) > budget.window_start);
}

void LedgerAccounts::Shard::add(LedgerAccount* account) {
  if (size >= buckets.size()) grow();
  LedgerAccount*& head = bucket(account->hash);
  account->next = head;
  head = account;
  ++size;
}

void LedgerAccounts::Shard::grow() {
  std::vector<LedgerAccount*> old(buckets.size() * 2);
  old.swap(buckets);
  for (LedgerAccount* account : old) {
    while (account != nullptr) {
      LedgerAccount* next = account->next;
      LedgerAccount*& head = bucket(account->hash);
      account->next = head;
      head = account;
      account = next;
    }
  }
}

LedgerAccounts::Locked::Locked(const LedgerAccounts& accounts, std::uint64_t shards)
    : accounts_(accounts), shards_(shards) {
  for (std::uint64_t left = shards_; left != 0; left &= left - 1)
    accounts_.shards_[std::countr_zero(left)].mutex.lock();
}

LedgerAccounts::Locked::~Locked() {
  for (std::uint64_t left = shards_; left != 0; left &= left - 1)
    accounts_.shards_[std::countr_zero(left)].mutex.unlock();
}

LedgerAccounts::LedgerAccounts(std::size_t most, std::uint64_t key)
    : most_(most), key_(key), shards_(std::make_unique<Shard[]>(kShards)) {}

LedgerAccounts::~LedgerAccounts() {
  for (std::size_t i = 0; i < kShards; ++i) {
    for (LedgerAccount* account : shards_[i].buckets) {
      while (account != nullptr) delete std::exchange(account, account->next);
    }
  }
}

std::uint64_t LedgerAccounts::hash_of(std::string_view rule, std::string_view subject) const {
  return audit::fingerprint(subject, audit::fingerprint(rule, key_));
}

LedgerAccount* LedgerAccounts::find(std::uint64_t hash, std::string_view rule,
                                    std::string_view subject) const {
  LedgerAccount* at = shard_of(hash).bucket(hash);
  while (at != nullptr && (at->hash != hash || at->subject != subject || at->rule != rule))
    at = at->next;
  return at;
}

LedgerAccount* LedgerAccounts::find_or_open(std::uint64_t hash, std::string_view rule,
                                            std::string_view subject, Instant now, WallTime wall) {
  if (LedgerAccount* found = find(hash, rule, subject)) return found;
  Shard& shard = shard_of(hash);
  if (count_.fetch_add(1, std::memory_order_relaxed) >= most_ && !make_room(shard, now, wall)) {
    count_.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  auto account = std::make_unique<LedgerAccount>();
  account->hash = hash;
  account->rule = rule;
  account->subject = subject;
  shard.add(account.get());
  return account.release();
}

// Looks at a bounded part of the shard, so that a flood of new subjects stays cheap to refuse.
bool LedgerAccounts::make_room(Shard& shard, Instant now, WallTime wall) {
  constexpr std::size_t kBucketsSeen = 64;
  const std::size_t seen = std::min(kBucketsSeen, shard.buckets.size());
  for (std::size_t i = 0; i < seen; ++i) {
    shard.hand = (shard.hand + 1) & (shard.buckets.size() - 1);
    for (LedgerAccount** at = &shard.buckets[shard.hand]; *at != nullptr; at = &(*at)->next) {
      if (!(*at)->at_rest(now, wall)) continue;
      const std::unique_ptr<LedgerAccount> gone(*at);
      *at = gone->next;
      --shard.size;
      count_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace tollgate::storage
