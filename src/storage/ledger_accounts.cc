#include "storage/ledger_accounts.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "controls/audit/audit.h"

namespace tollgate::storage {

// Given back as raw memory.
static_assert(std::is_trivially_destructible_v<BudgetAccount>);
static_assert(std::is_trivially_destructible_v<SharedLimitAccount>);
static_assert(std::is_trivially_destructible_v<LedgerAccount>);

namespace {

std::size_t size_of(AccountKind kind) {
  switch (kind) {
    case AccountKind::kLimit:
      return sizeof(LedgerAccount);
    case AccountKind::kSharedLimit:
      return sizeof(SharedLimitAccount);
    case AccountKind::kBudget:
      break;
  }
  return sizeof(BudgetAccount);
}

LedgerAccount* construct(AccountKind kind, void* memory) {
  switch (kind) {
    case AccountKind::kLimit:
      return new (memory) LedgerAccount;
    case AccountKind::kSharedLimit:
      return new (memory) SharedLimitAccount;
    case AccountKind::kBudget:
      break;
  }
  return new (memory) BudgetAccount;
}

}  // namespace

std::string_view LedgerAccount::subject() const {
  return {reinterpret_cast<const char*>(this) + size_of(kind), subject_bytes};
}

SharedLimitAccount& LedgerAccount::as_shared_limit() {
  CHECK(kind == AccountKind::kSharedLimit);
  return static_cast<SharedLimitAccount&>(*this);
}

BudgetAccount& LedgerAccount::as_budget() {
  CHECK(kind == AccountKind::kBudget);
  return static_cast<BudgetAccount&>(*this);
}

const BudgetAccount& LedgerAccount::as_budget() const {
  CHECK(kind == AccountKind::kBudget);
  return static_cast<const BudgetAccount&>(*this);
}

// Whether a new account would say the same.
bool LedgerAccount::at_rest(Instant now, WallTime wall) const {
  if (pins != 0 || at_work != 0 || rate.full_at >= now) return false;
  if (kind == AccountKind::kLimit) return true;
  if (kind == AccountKind::kSharedLimit) {
    const RateHand& hand = static_cast<const SharedLimitAccount&>(*this).hand;
    return std::max(hand.share.full_at, hand.all_taken.full_at) < now;
  }
  const BudgetAccount& account = as_budget();
  const cost::Balance& budget = account.budget;
  if (budget.held != Money{}) return false;
  return (budget.spent == Money{} && account.leased == Money{}) ||
         (wall >= budget.window_end &&
          cost::start_of(account.window, account.zone, wall) > budget.window_start);
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
      while (account != nullptr) ::operator delete(std::exchange(account, account->next));
    }
  }
}

std::uint64_t LedgerAccounts::hash_of(std::string_view rule, std::string_view subject) const {
  return audit::fingerprint(subject, audit::fingerprint(rule, key_));
}

LedgerAccount* LedgerAccounts::find(const Name& name) const {
  LedgerAccount* at = shard_of(name.hash).bucket(name.hash);
  while (at != nullptr && (at->hash != name.hash || at->kind != name.kind ||
                           at->subject() != name.subject || at->rule->text != name.rule)) {
    at = at->next;
  }
  return at;
}

LedgerAccount* LedgerAccounts::find_or_open(const Name& name, Instant now, WallTime wall) {
  if (LedgerAccount* found = find(name)) return found;
  Shard& shard = shard_of(name.hash);
  if (count_.fetch_add(1, std::memory_order_relaxed) >= most_ && !make_room(shard, now, wall)) {
    count_.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  LedgerAccount* account = make(name);
  shard.add(account);
  return account;
}

LedgerAccount* LedgerAccounts::make(const Name& name) {
  CHECK(name.subject.size() <= UINT32_MAX);
  const std::size_t bytes = size_of(name.kind);
  void* memory = ::operator new(bytes + name.subject.size());
  LedgerAccount* account = construct(name.kind, memory);
  account->hash = name.hash;
  account->rule = take_rule(name.rule);
  account->kind = name.kind;
  account->subject_bytes = static_cast<std::uint32_t>(name.subject.size());
  if (!name.subject.empty()) {
    std::memcpy(static_cast<char*>(memory) + bytes, name.subject.data(), name.subject.size());
  }
  return account;
}

void LedgerAccounts::unmake(LedgerAccount* account) {
  release_rule(account->rule);
  ::operator delete(account);
}

const LedgerRule* LedgerAccounts::take_rule(std::string_view text) {
  const std::lock_guard lock(rules_mutex_);
  auto found = rules_.find(text);
  if (found == rules_.end()) {
    found = rules_
                .try_emplace(std::string(text),
                             std::make_unique<LedgerRule>(LedgerRule{std::string(text)}))
                .first;
  }
  ++found->second->accounts;
  return found->second.get();
}

void LedgerAccounts::release_rule(const LedgerRule* rule) {
  const std::lock_guard lock(rules_mutex_);
  const auto found = rules_.find(rule->text);
  if (--found->second->accounts == 0) rules_.erase(found);
}

// Looks at a bounded part of the shard, so that a flood of new subjects stays cheap to refuse.
bool LedgerAccounts::make_room(Shard& shard, Instant now, WallTime wall) {
  constexpr std::size_t kBucketsSeen = 64;
  const std::size_t seen = std::min(kBucketsSeen, shard.buckets.size());
  for (std::size_t i = 0; i < seen; ++i) {
    shard.hand = (shard.hand + 1) & (shard.buckets.size() - 1);
    for (LedgerAccount** at = &shard.buckets[shard.hand]; *at != nullptr; at = &(*at)->next) {
      if (!(*at)->at_rest(now, wall)) continue;
      LedgerAccount* gone = std::exchange(*at, (*at)->next);
      unmake(gone);
      --shard.size;
      count_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

}  // namespace tollgate::storage
