#include "storage/memory_ledger.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace tollgate::storage {

using limits::Figure;
using pipeline::BudgetCharge;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::LimitCharge;
using pipeline::Shortfall;
using pipeline::Used;

// ---- The table ------------------------------------------------------------------------------

// One subject of one rule. Which of the balances is used follows from the rule.
struct MemoryLedger::Account {
  Account* next = nullptr;  // In its bucket.
  std::uint64_t hash = 0;
  std::string rule;
  std::string subject;
  std::int64_t pins = 0;  // Open holds that point here.

  limits::Scope scope{};
  limits::Balance rate;
  std::int64_t at_work = 0;
  std::int64_t at_work_limit = 0;  // 0: this is no rule on concurrency.
  cost::Balance budget;
  cost::Window window{};
  Money budget_limit;
  bool is_budget = false;
  WallTime told_window = WallTime::min();  // The last of which it was told that it is over.

  // Whether a new account would say the same.
  bool at_rest(Instant now, WallTime wall) const {
    if (pins != 0 || at_work != 0 || budget.held != Money{} || rate.full_at >= now) return false;
    return budget.spent == Money{} || cost::start_of(window, wall) > budget.window_start;
  }
};

struct alignas(64) MemoryLedger::Shard {
  std::mutex mutex;
  std::vector<Account*> buckets = std::vector<Account*>(16);
  std::size_t size = 0;
  std::size_t hand = 0;  // Where the search for accounts at rest goes on.

  Account*& bucket(std::uint64_t hash) { return buckets[hash & (buckets.size() - 1)]; }

  void add(Account* account) {
    if (size >= buckets.size()) grow();
    Account*& head = bucket(account->hash);
    account->next = head;
    head = account;
    ++size;
  }

  void grow() {
    std::vector<Account*> old(buckets.size() * 2);
    old.swap(buckets);
    for (Account* account : old) {
      while (account != nullptr) {
        Account* next = account->next;
        Account*& head = bucket(account->hash);
        account->next = head;
        head = account;
        account = next;
      }
    }
  }
};

// What a hold took of one charge, and what was there before it.
struct MemoryLedger::Slot {
  Account* account = nullptr;
  std::uint64_t hash = 0;
  limits::Balance rate_before;
  limits::Taken rate;
  std::int64_t at_work_before = 0;
  std::int64_t at_work = 0;
  cost::Balance budget_before;
  cost::Balance budget;
  Money amount;
  bool over = false;   // Let through beyond the limit, and to be told.
  Money spent_before;  // In the window, at the settlement.
  Money spent_after;
};

struct MemoryLedger::Slots {
  std::span<Slot> limits;
  std::span<Slot> budgets;
  std::uint64_t shards = 0;  // One bit each.
  bool open = false;
};

// Holds the locks of a set of shards, taken in ascending order so that two never wait for each
// other.
class MemoryLedger::Locked {
 public:
  Locked(const MemoryLedger& ledger, std::uint64_t shards) : ledger_(ledger), shards_(shards) {
    for (std::uint64_t left = shards_; left != 0; left &= left - 1)
      ledger_.shards_[std::countr_zero(left)].mutex.lock();
  }
  ~Locked() {
    for (std::uint64_t left = shards_; left != 0; left &= left - 1)
      ledger_.shards_[std::countr_zero(left)].mutex.unlock();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  const MemoryLedger& ledger_;
  const std::uint64_t shards_;
};

// Collects what the rules say: the refusal that matters most, and who would have refused.
class MemoryLedger::Verdict {
 public:
  Verdict(const Charges& charges, Arena& arena)
      : most_(charges.limits.size() + charges.budgets.size()), arena_(arena) {}

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

  bool refused() const { return refusal_.has_value(); }
  Shortfall shortfall() {
    Shortfall made{*std::move(refusal_), {}, {}, exhausted_.first(exhausted_count_)};
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
  Arena& arena_;
  std::optional<Refusal> refusal_;
  std::optional<audit::LimitEvidence> limit_;
  std::optional<audit::BudgetEvidence> budget_;
  std::span<std::string_view> observed_;
  std::size_t count_ = 0;
  std::span<const cost::Policy*> exhausted_;
  std::size_t exhausted_count_ = 0;
};

MemoryLedger::MemoryLedger(const Options& options, SettlementSink* sink)
    : options_(options), sink_(sink), shards_(std::make_unique<Shard[]>(kShards)) {}

MemoryLedger::~MemoryLedger() {
  for (std::size_t i = 0; i < kShards; ++i) {
    for (Account* account : shards_[i].buckets) {
      while (account != nullptr) delete std::exchange(account, account->next);
    }
  }
}

std::uint64_t MemoryLedger::hash_of(std::string_view rule, std::string_view subject) const {
  return audit::fingerprint(subject, audit::fingerprint(rule, options_.key));
}

// The bucket is chosen by the low bits, the shard by the high ones.
MemoryLedger::Shard& MemoryLedger::shard_of(std::uint64_t hash) const {
  return shards_[hash >> 58];
}

MemoryLedger::Account* MemoryLedger::find_or_open(std::uint64_t hash, std::string_view rule,
                                                  std::string_view subject, Instant now,
                                                  WallTime wall) {
  Shard& shard = shard_of(hash);
  for (Account* account = shard.bucket(hash); account != nullptr; account = account->next) {
    if (account->hash == hash && account->subject == subject && account->rule == rule)
      return account;
  }
  if (accounts_.fetch_add(1, std::memory_order_relaxed) >= options_.accounts_max &&
      !make_room(shard, now, wall)) {
    accounts_.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  auto account = std::make_unique<Account>();
  account->hash = hash;
  account->rule = rule;
  account->subject = subject;
  shard.add(account.get());
  return account.release();
}

// Looks at a bounded part of the shard, so that a flood of new subjects stays cheap to refuse.
bool MemoryLedger::make_room(Shard& shard, Instant now, WallTime wall) {
  constexpr std::size_t kBucketsSeen = 64;
  const std::size_t seen = std::min(kBucketsSeen, shard.buckets.size());
  for (std::size_t i = 0; i < seen; ++i) {
    shard.hand = (shard.hand + 1) & (shard.buckets.size() - 1);
    for (Account** at = &shard.buckets[shard.hand]; *at != nullptr; at = &(*at)->next) {
      if (!(*at)->at_rest(now, wall)) continue;
      const std::unique_ptr<Account> gone(*at);
      *at = gone->next;
      --shard.size;
      accounts_.fetch_sub(1, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

// ---- Hold -----------------------------------------------------------------------------------

Task<Expected<Hold, Shortfall>> MemoryLedger::hold(const Charges& charges, Arena& arena,
                                                   pipeline::Executor&, Instant now,
                                                   WallTime wall) {
  co_return hold_now(charges, arena, now, wall);
}

MemoryLedger::Slots& MemoryLedger::find_places(const Charges& charges, Arena& arena) const {
  Slots& slots = arena.make<Slots>(1).front();
  slots.limits = arena.make<Slot>(charges.limits.size());
  slots.budgets = arena.make<Slot>(charges.budgets.size());
  const auto place = [&](Slot& slot, std::string_view rule, std::string_view subject) {
    slot.hash = hash_of(rule, subject);
    slots.shards |= std::uint64_t{1} << (slot.hash >> 58);
  };
  for (std::size_t i = 0; i < slots.limits.size(); ++i)
    place(slots.limits[i], charges.limits[i].policy->rule, charges.limits[i].subject);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    place(slots.budgets[i], charges.budgets[i].policy->rule, charges.budgets[i].subject);
  return slots;
}

// Every account is pinned as soon as it is found: opening the next may not evict it.
bool MemoryLedger::open_accounts(const Charges& charges, Slots& slots, Instant now, WallTime wall) {
  const auto open = [&](Slot& slot, const auto& charge) {
    slot.account = find_or_open(slot.hash, charge.policy->rule, charge.subject, now, wall);
    if (slot.account == nullptr) return false;
    ++slot.account->pins;
    slot.account->scope = charge.policy->scope;
    return true;
  };
  bool all = true;
  for (std::size_t i = 0; all && i < slots.limits.size(); ++i)
    all = open(slots.limits[i], charges.limits[i]);
  for (std::size_t i = 0; all && i < slots.budgets.size(); ++i)
    all = open(slots.budgets[i], charges.budgets[i]);
  if (all) return true;
  for (const std::span<Slot> part : {slots.limits, slots.budgets}) {
    for (Slot& slot : part)
      if (slot.account != nullptr) --slot.account->pins;
  }
  return false;
}

void MemoryLedger::take_limit(const LimitCharge& charge, Slot& slot, Verdict& verdict,
                              Instant now) {
  const limits::Policy& policy = *charge.policy;
  Account& account = *slot.account;
  slot.rate_before = account.rate;
  slot.at_work_before = account.at_work;
  if (policy.figure == Figure::kConcurrentRequests) {
    account.at_work_limit = policy.limit;
    if (policy.mode == Mode::kObserve) {
      if (account.at_work >= policy.limit) verdict.observe(policy.rule);
      ++account.at_work;
    } else if (Expected<std::int64_t> in = limits::enter(policy, account.at_work, charge.subject)) {
      account.at_work = *in;
    } else {
      verdict.refuse(std::move(in.error()),
                     {policy.scope, charge.subject, policy.figure, policy.limit, 0,
                      std::max<std::int64_t>(policy.limit - account.at_work, 0)});
    }
    slot.at_work = account.at_work;
    return;
  }
  // More than kTokensMax is over every limit just the same.
  slot.rate.amount = std::clamp<std::int64_t>(charge.amount, 0, kTokensMax);
  if (policy.mode == Mode::kObserve) {
    if (!limits::passes(policy, account.rate, slot.rate.amount, now)) verdict.observe(policy.rule);
    account.rate = limits::reserve_observed(policy, account.rate, slot.rate.amount, now);
  } else if (Expected<limits::Balance> held =
                 limits::reserve(policy, account.rate, slot.rate.amount, now, charge.subject)) {
    account.rate = *held;
  } else {
    verdict.refuse(std::move(held.error()),
                   {policy.scope, charge.subject, policy.figure, policy.limit, 0,
                    limits::remaining(policy, account.rate, now)});
  }
  slot.rate.after = account.rate;
}

void MemoryLedger::take_budget(const BudgetCharge& charge, Slot& slot, Verdict& verdict,
                               WallTime wall) {
  const cost::Policy& policy = *charge.policy;
  Account& account = *slot.account;
  account.is_budget = true;
  account.window = policy.window;
  account.budget_limit = policy.limit;
  slot.budget_before = account.budget;
  slot.amount = charge.amount;
  if (cost::lets_through(policy)) {
    const bool over = !cost::passes(policy, account.budget, charge.amount, wall);
    if (over) verdict.observe(policy.rule);
    slot.over = over && policy.mode == Mode::kEnforce;
    account.budget = cost::hold_observed(policy, account.budget, charge.amount, wall);
  } else if (Expected<cost::Balance> held =
                 cost::hold(policy, account.budget, charge.amount, wall, charge.subject)) {
    account.budget = *held;
  } else {
    // What others hold is what stands between the spent and the limit.
    const cost::Balance now = cost::roll(policy, account.budget, wall);
    verdict.refuse(
        std::move(held.error()), policy,
        {policy.scope, charge.subject, policy.window, policy.limit, now.held, now.spent});
  }
  slot.budget = account.budget;
}

// Backwards, as two charges may name the same account.
void MemoryLedger::give_up(Slots& slots) {
  for (std::size_t i = slots.budgets.size(); i-- > 0;) {
    slots.budgets[i].account->budget = slots.budgets[i].budget_before;
    --slots.budgets[i].account->pins;
  }
  for (std::size_t i = slots.limits.size(); i-- > 0;) {
    slots.limits[i].account->rate = slots.limits[i].rate_before;
    slots.limits[i].account->at_work = slots.limits[i].at_work_before;
    --slots.limits[i].account->pins;
  }
}

// Leaves `over` to the budgets that were not told of in their window yet.
void MemoryLedger::mark_told(Slots& slots) {
  for (Slot& slot : slots.budgets) {
    if (!slot.over) continue;
    const WallTime window = slot.budget.window_start;
    slot.over = std::exchange(slot.account->told_window, window) != window;
  }
}

void MemoryLedger::tell_over(const BudgetCharge& charge, const Slot& slot, WallTime wall) const {
  if (!slot.over || sink_ == nullptr) return;
  const Money balance = add_saturated(slot.budget.spent, slot.budget.held);
  const auto limit = static_cast<double>(charge.policy->limit.micro_usd);
  const double share = limit > 0 ? static_cast<double>(balance.micro_usd) / limit : 1;
  sink_->budget_reached(*charge.policy, charge.subject, share, balance, wall);
}

Expected<Hold, Shortfall> MemoryLedger::hold_now(const Charges& charges, Arena& arena, Instant now,
                                                 WallTime wall) {
  Slots& slots = find_places(charges, arena);
  Verdict verdict(charges, arena);
  {
    const Locked locked(*this, slots.shards);
    if (!open_accounts(charges, slots, now, wall))
      return std::unexpected(Shortfall{
          refuse(Reason::kStoreUnavailable, "store",
                 "There is no room to keep the books of one more subject; try again later.")
              .error(),
          {},
          {},
          {}});
    for (std::size_t i = 0; i < slots.limits.size(); ++i)
      take_limit(charges.limits[i], slots.limits[i], verdict, now);
    for (std::size_t i = 0; i < slots.budgets.size(); ++i)
      take_budget(charges.budgets[i], slots.budgets[i], verdict, wall);
    if (verdict.refused()) {
      give_up(slots);
    } else {
      mark_told(slots);
    }
  }
  if (verdict.refused()) return std::unexpected(verdict.shortfall());
  // From here on everything is held; the evidence is as of this moment.
  slots.open = true;
  open_holds_.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    tell_over(charges.budgets[i], slots.budgets[i], wall);

  const std::span<audit::LimitEvidence> limits =
      arena.make<audit::LimitEvidence>(slots.limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const limits::Policy& policy = *charges.limits[i].policy;
    const Slot& slot = slots.limits[i];
    const bool work = policy.figure == Figure::kConcurrentRequests;
    limits[i] = {policy.scope,
                 charges.limits[i].subject,
                 policy.figure,
                 policy.limit,
                 work ? 1 : slot.rate.amount,
                 work ? std::max<std::int64_t>(policy.limit - slot.at_work, 0)
                      : limits::remaining(policy, slot.rate.after, now)};
  }
  const std::span<audit::BudgetEvidence> budgets =
      arena.make<audit::BudgetEvidence>(slots.budgets.size());
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const cost::Policy& policy = *charges.budgets[i].policy;
    const Slot& slot = slots.budgets[i];
    budgets[i] = {policy.scope, charges.budgets[i].subject, policy.window, policy.limit,
                  slot.amount,  slot.budget.spent};
  }
  return Hold{limits, budgets, verdict.observed(), &slots, true};
}

// ---- Settle ---------------------------------------------------------------------------------

namespace {

// What a limit counts of what was used; nothing: it is not given back.
std::optional<std::int64_t> counted(Figure figure, const Used& used) {
  switch (figure) {
    case Figure::kInputTokensPerMinute:
      return used.input;
    case Figure::kOutputTokensPerMinute:
      return used.output;
    case Figure::kTotalTokensPerMinute:
      return used.input + used.output;
    case Figure::kRequestsPerMinute:
    case Figure::kRequestsPerDay:
      if (used.never_left) return 0;
      break;
    case Figure::kConcurrentRequests:
      break;
  }
  return std::nullopt;
}

}  // namespace

// By the window that the account has now: a reload may have changed it since the hold.
void MemoryLedger::settle_budget(const BudgetCharge& charge, Slot& slot, Money used,
                                 WallTime wall) {
  Account& account = *slot.account;
  cost::Policy now;
  now.window = account.window;
  account.budget = cost::roll(now, account.budget, wall);
  slot.spent_before = account.budget.spent;
  cost::Taken taken{slot.amount, slot.budget.window_start};
  // Held in a window that lies within the wider one of now.
  if (charge.policy->window != account.window)
    taken.window_start = std::min(taken.window_start, account.budget.window_start);
  account.budget = cost::settle(now, account.budget, taken, used, wall);
  slot.spent_after = account.budget.spent;
}

void MemoryLedger::tell_reached(const BudgetCharge& charge, const Slot& slot, WallTime wall) const {
  for (const double share : charge.policy->alert_at) {
    const double mark = std::round(share * static_cast<double>(charge.policy->limit.micro_usd));
    if (static_cast<double>(slot.spent_before.micro_usd) < mark &&
        static_cast<double>(slot.spent_after.micro_usd) >= mark)
      sink_->budget_reached(*charge.policy, charge.subject, share, slot.spent_after, wall);
  }
}

void MemoryLedger::settle(Hold& hold, const Charges& charges, const Used& used,
                          const pipeline::Booking& booking, Instant now, WallTime wall) {
  CHECK(hold.open && hold.slots != nullptr);
  Slots& slots = *static_cast<Slots*>(hold.slots);
  // A copy of a hold is the same hold.
  CHECK(slots.open && slots.limits.size() == charges.limits.size() &&
        slots.budgets.size() == charges.budgets.size());
  hold.open = slots.open = false;

  // A provider's figures are foreign: none of them may leave the range.
  const Used real = {std::clamp<Tokens>(used.input, 0, kTokensMax),
                     std::clamp<Tokens>(used.output, 0, kTokensMax), std::max(used.cost, Money{}),
                     used.never_left};
  bool overrun = false;
  {
    const Locked locked(*this, slots.shards);
    for (std::size_t i = 0; i < slots.limits.size(); ++i) {
      const limits::Policy& policy = *charges.limits[i].policy;
      Account& account = *slots.limits[i].account;
      --account.pins;
      if (policy.figure == Figure::kConcurrentRequests)
        account.at_work = limits::leave(account.at_work);
      else if (const std::optional<std::int64_t> amount = counted(policy.figure, real))
        account.rate = limits::settle(policy, account.rate, slots.limits[i].rate, *amount, now);
    }
    for (std::size_t i = 0; i < slots.budgets.size(); ++i) {
      Slot& slot = slots.budgets[i];
      --slot.account->pins;
      overrun |= real.cost > slot.amount;
      settle_budget(charges.budgets[i], slot, real.cost, wall);
    }
  }
  open_holds_.fetch_sub(1, std::memory_order_relaxed);
  if (overrun) overruns_.fetch_add(1, std::memory_order_relaxed);
  if (sink_ == nullptr) return;
  sink_->booked(booking, real, wall);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    tell_reached(charges.budgets[i], slots.budgets[i], wall);
}

// ---- The rest -------------------------------------------------------------------------------

bool MemoryLedger::restore(const cost::Policy& policy, std::string_view subject,
                           WallTime window_start, Money spent) {
  const std::uint64_t hash = hash_of(policy.rule, subject);
  const Locked locked(*this, std::uint64_t{1} << (hash >> 58));
  Account* account = find_or_open(hash, policy.rule, subject, Instant::min(), window_start);
  if (account == nullptr) return false;
  const bool other_window = account->is_budget && account->window != policy.window;
  account->is_budget = true;
  account->scope = policy.scope;
  account->window = policy.window;
  account->budget_limit = policy.limit;
  cost::Balance& budget = account->budget;
  if (other_window || window_start > budget.window_start) {
    budget = {window_start, spent, budget.held};
  } else if (window_start == budget.window_start) {
    budget.spent = std::max(budget.spent, spent);
  }
  return true;
}

Standings MemoryLedger::snapshot(WallTime wall) const {
  Standings all;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard locked(shards_[i].mutex);
    for (const Account* head : shards_[i].buckets) {
      for (const Account* at = head; at != nullptr; at = at->next) {
        if (at->is_budget) {
          cost::Policy policy;
          policy.window = at->window;
          const cost::Balance budget = cost::roll(policy, at->budget, wall);
          all.budgets.push_back({at->rule, at->subject, at->scope, at->window, budget.window_start,
                                 at->budget_limit, budget.spent, budget.held});
        }
        if (at->at_work_limit > 0)
          all.work.push_back({at->rule, at->subject, at->scope, at->at_work_limit, at->at_work});
      }
    }
  }
  return all;
}

}  // namespace tollgate::storage
