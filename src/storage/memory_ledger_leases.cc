// When a ledger asks its store for more, and what it makes of the answers.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/memory_ledger_slots.h"

namespace tollgate::storage {

using pipeline::BudgetCharge;
using pipeline::Charges;

namespace {

// A lease is to last about so long; and at first for so many requests.
constexpr Duration kLeaseLasts = std::chrono::seconds(1);
constexpr std::int64_t kRequestsAhead = 8;

Money times(Money money, std::int64_t factor) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(money.micro_usd, factor, &product)) return {INT64_MAX};
  return {product};
}

// How much to ask for ahead of need: twice as much each time that a lease did not last.
Money next_step(const BudgetAccount& account, Money least, Instant now) {
  const bool soon = account.step > Money{} && now - account.asked_at < kLeaseLasts;
  const Money usual = soon ? times(account.step, 2) : Money{account.step.micro_usd / 2};
  return std::max(usual, times(least, kRequestsAhead));
}

}  // namespace

AccountId MemoryLedger::account_of(const BudgetCharge& charge, const Slot& slot) {
  return {charge.policy->rule, charge.subject, slot.budget.window_start};
}

LeaseNeed MemoryLedger::need_of(const BudgetCharge& charge, Slot& slot, Money least,
                                Instant now) const {
  BudgetAccount& account = slot.budget_account();
  // A crowd that asks at once is one question.
  if (account.asked == 0) {
    account.step = next_step(account, std::max(least, charge.amount), now);
    account.asked_at = now;
  } else if (!lender_->exclusive()) {
    // Behind a question that is long on its way: this one need not be asked again at once either.
    account.asked_at = std::max(account.asked_at, now);
  }
  LeaseNeed need;
  need.account = {charge.policy->rule, charge.subject, account.budget.window_start};
  need.hash = slot.hash;
  need.limit = charge.policy->limit;
  need.least = least;
  if (!cost::lets_through(*charge.policy)) need.ahead = account.step;
  return need;
}

// After a hold: what is to be asked for before a request has to wait for it.
std::span<const LeaseNeed> MemoryLedger::low_leases(const Charges& charges, Slots& slots,
                                                    Instant now, Arena& arena) const {
  std::span<LeaseNeed> needs;
  std::size_t count = 0;
  if (lender_ == nullptr) return needs;
  for (std::size_t i = 0; i < slots.budgets.size(); ++i) {
    BudgetAccount& account = slots.budgets[i].budget_account();
    account.held_at = now;
    const Money rest{-account.lack(account.budget.held).micro_usd};
    const bool low = rest < Money{account.step.micro_usd / 2};
    const bool more = add_saturated(account.leased, account.others) < account.limit;
    if (account.asked > 0 || !low || !more || cost::lets_through(*charges.budgets[i].policy))
      continue;
    if (needs.empty()) needs = arena.make<LeaseNeed>(slots.budgets.size());
    needs[count++] = need_of(charges.budgets[i], slots.budgets[i], Money{}, now);
    ++account.pins;
    ++account.asked;
  }
  return needs.first(count);
}

bool MemoryLedger::know(const cost::Policy& policy, std::string_view subject, WallTime window_start,
                        const Lease& lease) {
  const std::uint64_t hash = accounts_.hash_of(policy.rule, subject);
  const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(hash));
  LedgerAccount* const found = accounts_.find_or_open(
      {AccountKind::kBudget, hash, policy.rule, subject}, Instant::min(), window_start);
  if (found == nullptr) return false;
  BudgetAccount& account = found->as_budget();
  account.scope = policy.scope;
  roll(policy, account, window_start);
  if (account.budget.window_start != window_start || account.asked > 0) return true;
  if (!account.leased_known) take_answer(account, lease);
  account.others = add_saturated(lease.taken, Money{-account.leased.micro_usd});
  return true;
}

void MemoryLedger::take_answer(BudgetAccount& account, const Lease& lease) {
  if (!account.leased_known) {
    account.leased_known = true;
    // A shorter window may have begun with this one and ended since: what was leased in it counts
    // as spent, as nobody here knows any more what was.
    const Money before{account.came_back ? lease.leased.micro_usd - lease.granted.micro_usd : 0};
    const Money spent = std::max(lease.spent, take_left(account).value_or(before));
    account.came_back = false;
    account.budget.spent = add_saturated(account.budget.spent, spent);
  }
  // Where no more is to be had nobody asks ahead of need.
  if (lease.leased <= account.leased) account.step = Money{};
  account.granted = lease.leased > account.leased;
  account.unsure = false;
  account.leased = lease.leased;
  account.others = add_saturated(lease.taken, Money{-lease.leased.micro_usd});
}

namespace {

std::string packed(const AccountId& id) {
  std::string bytes(packed_bytes(id), '\0');
  pack(id, bytes.data());
  return bytes;
}

AccountId id_of(const BudgetAccount& account) {
  return {account.rule->text, account.subject(), account.budget.window_start};
}

}  // namespace

void MemoryLedger::note_left(const BudgetAccount& account) {
  const std::lock_guard lock(left_mutex_);
  Money& spent = left_[packed(id_of(account))];
  spent = add_saturated(spent, account.budget.spent);
  has_left_.store(true, std::memory_order_relaxed);
}

void MemoryLedger::spend_left(const AccountId& account, Money used) {
  if (!has_left_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(left_mutex_);
  const auto found = left_.find(packed(account));
  if (found != left_.end()) found->second = add_saturated(found->second, used);
}

std::optional<Money> MemoryLedger::take_left(const BudgetAccount& account) {
  if (!has_left_.load(std::memory_order_relaxed)) return std::nullopt;
  const std::lock_guard lock(left_mutex_);
  const auto found = left_.find(packed(id_of(account)));
  if (found == left_.end()) return std::nullopt;
  const Money spent = found->second;
  left_.erase(found);
  return spent;
}

void MemoryLedger::note_lent(BudgetAccount& account) {
  if (lender_->exclusive() || std::exchange(account.lent, true)) return;
  const std::lock_guard lock(lent_mutex_);
  lent_.push_back({account.hash, account.rule->text, std::string(account.subject())});
}

void MemoryLedger::give_back_idle(Instant now) {
  std::vector<Lent> all;
  {
    const std::lock_guard lock(lent_mutex_);
    all.swap(lent_);
  }
  for (Lent& lent : all) {
    const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(lent.hash));
    LedgerAccount* const found =
        accounts_.find({AccountKind::kBudget, lent.hash, lent.rule, lent.subject});
    if (found == nullptr) continue;
    BudgetAccount* const account = &found->as_budget();
    const Money keep = add_saturated(account->budget.spent, account->budget.held);
    // Where it is not known what is leased, as in a window that has just begun, nothing is held on
    // it either; the next answer lists it again.
    if (!account->leased_known || (!account->unsure && account->leased <= keep)) {
      account->lent = false;
      continue;
    }
    // What was granted since the last time may have somebody on his way to it.
    const bool fresh = std::exchange(account->granted, false);
    if (!fresh && account->asked == 0 && now - account->held_at >= kIdle) {
      account->lent = account->unsure = false;
      account->leased = std::min(account->leased, keep);
      ++account->asked;
      ++account->pins;
      const LeaseReturn back{
          {lent.rule, lent.subject, account->budget.window_start}, lent.hash, keep};
      lender_->give_back({&back, 1});
      continue;
    }
    const std::lock_guard lock(lent_mutex_);
    lent_.push_back(std::move(lent));
  }
}

void MemoryLedger::each_lease(Extent extent, const VisitLease& visit) {
  accounts_.each([&](LedgerAccount& entry) {
    if (entry.kind != AccountKind::kBudget) return;
    BudgetAccount& account = entry.as_budget();
    if (!account.leased_known) return;
    if (extent == Extent::kUsed) {
      account.leased =
          std::min(account.leased, add_saturated(account.budget.spent, account.budget.held));
      account.unsure = true;
    }
    if (account.leased > Money{}) visit(id_of(account), account.leased);
  });
}

void MemoryLedger::answered(const AccountId& id, std::uint64_t hash, int needs,
                            const std::optional<Lease>& lease) {
  const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(hash));
  LedgerAccount* const found = accounts_.find({AccountKind::kBudget, hash, id.rule, id.subject});
  CHECK(found != nullptr && found->pins >= needs);
  BudgetAccount& account = found->as_budget();
  account.pins -= needs;
  account.asked -= needs;
  account.unsure |= !lease;
  if (!lease) note_lent(account);
  // The window may have ended meanwhile: what was leased is of the old one.
  if (!lease || id.window_start != account.budget.window_start) return;
  take_answer(account, *lease);
  account.heard_at = account.asked_at;
  note_lent(account);
}

}  // namespace tollgate::storage
