#include "storage/memory_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "storage/memory_ledger_slots.h"
#include "storage/memory_ledger_verdict.h"

namespace tollgate::storage {

using limits::Figure;
using pipeline::BudgetCharge;
using pipeline::Charges;
using pipeline::Hold;
using pipeline::LimitCharge;
using pipeline::Shortfall;
using pipeline::Used;

MemoryLedger::MemoryLedger(const Options& options, SettlementSink* sink)
    : accounts_(options.accounts_max, options.key), sink_(sink) {}

// ---- Hold -----------------------------------------------------------------------------------

namespace {

// So often a request asks for what others of its gateway take before it. Each time the stores lend
// to all who wait, and more ahead of need: nobody is overtaken so often who is not in a rush that
// the gateway is too small for.
constexpr int kAsksMax = 64;
// An answer that left too little is not asked for again sooner.
constexpr Duration kAskAgain = std::chrono::milliseconds(100);
Shortfall unavailable(std::string_view why) {
  Shortfall made;
  made.refusal.reason = Reason::kStoreUnavailable;
  made.refusal.rule = "store";
  made.refusal.message = fmt::format("{} Nothing was forwarded; try again shortly.", why);
  made.refusal.retry_after = std::chrono::seconds(1);
  return made;
}

Shortfall overtaken() {
  Shortfall made;
  made.refusal.reason = Reason::kOverloaded;
  made.refusal.rule = "store";
  made.refusal.message =
      "Too many requests share what is left of a budget or limit. Nothing was forwarded; try again "
      "shortly.";
  made.refusal.retry_after = std::chrono::seconds(1);
  return made;
}

}  // namespace

Task<Expected<Hold, Shortfall>> MemoryLedger::hold(const Charges& charges, Arena& arena,
                                                   Executor& executor, Instant now, WallTime wall) {
  Slots& slots = find_places(charges, arena);
  for (int round = 0; round < kAsksMax; ++round) {
    Needs needs;
    Expected<Hold, Shortfall> held = hold_now(charges, slots, arena, now, wall, needs);
    if (needs.empty()) co_return held;
    Instant answered_at{};
    if (!needs.rates.empty()) {
      // What happens when they cannot be had is decided when they are tried again.
      RateWait answers(*rates_, needs.rates, executor);
      answered_at = co_await answers;
    } else {
      LeaseWait answers(*lender_, needs.money, executor);
      const FaultOr<Instant> answered = co_await answers;
      if (!answered)
        co_return std::unexpected(unavailable("The store of the budgets cannot be asked."));
      answered_at = *answered;
    }
    mark_answered(slots, needs);
    // What is taken now is used now, not when the request came.
    const Duration waited = std::max(answered_at - now, Duration(0));
    now += waited;
    wall += waited;
  }
  co_return std::unexpected(overtaken());
}

// What a store has said since the request came is news enough to refuse it.
void MemoryLedger::mark_answered(Slots& slots, const Needs& needs) {
  for (Slot& slot : slots.limits) {
    for (const RateNeed& need : needs.rates) slot.answered |= need.hash == slot.hash;
  }
  for (Slot& slot : slots.budgets) {
    for (const LeaseNeed& need : needs.money) slot.answered |= need.hash == slot.hash;
  }
}

MemoryLedger::Slots& MemoryLedger::find_places(const Charges& charges, Arena& arena) const {
  Slots& slots = arena.make<Slots>(1).front();
  slots.limits = arena.make<Slot>(charges.limits.size());
  slots.budgets = arena.make<Slot>(charges.budgets.size());
  if (rates_ != nullptr) {
    const std::span<SharedSlot> shared = arena.make<SharedSlot>(charges.limits.size());
    for (std::size_t i = 0; i < shared.size(); ++i) slots.limits[i].shared = &shared[i];
  }
  const auto place = [&](Slot& slot, std::string_view rule, std::string_view subject) {
    slot.hash = accounts_.hash_of(rule, subject);
    slots.shards |= LedgerAccounts::shard_bit(slot.hash);
  };
  for (std::size_t i = 0; i < slots.limits.size(); ++i)
    place(slots.limits[i], charges.limits[i].policy->rule, charges.limits[i].subject);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    place(slots.budgets[i], charges.budgets[i].policy->rule, charges.budgets[i].subject);
  return slots;
}

// Every account is pinned as soon as it is found: opening the next may not evict it.
bool MemoryLedger::open_accounts(const Charges& charges, Slots& slots, Instant now, WallTime wall) {
  const auto open = [&](Slot& slot, const auto& charge, AccountKind kind) {
    slot.account =
        accounts_.find_or_open({kind, slot.hash, charge.policy->rule, charge.subject}, now, wall);
    if (slot.account == nullptr) return false;
    ++slot.account->pins;
    slot.account->scope = charge.policy->scope;
    return true;
  };
  for (const std::span<Slot> part : {slots.limits, slots.budgets}) {
    for (Slot& slot : part) slot.account = nullptr;
  }
  bool all = true;
  for (std::size_t i = 0; all && i < slots.limits.size(); ++i)
    all = open(slots.limits[i], charges.limits[i],
               rates_ == nullptr ? AccountKind::kLimit : AccountKind::kSharedLimit);
  for (std::size_t i = 0; all && i < slots.budgets.size(); ++i)
    all = open(slots.budgets[i], charges.budgets[i], AccountKind::kBudget);
  if (all) return true;
  for (const std::span<Slot> part : {slots.limits, slots.budgets}) {
    for (Slot& slot : part)
      if (slot.account != nullptr) --slot.account->pins;
  }
  return false;
}

void MemoryLedger::take_limit(const LimitCharge& charge, Slot& slot, Verdict& verdict,
                              Instant now) const {
  const limits::Policy& policy = *charge.policy;
  LedgerAccount& account = *slot.account;
  slot.rate_before = account.rate;
  slot.at_work_before = account.at_work;
  if (rates_ != nullptr) return take_shared(charge, slot, verdict, now);
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

// A new window begins with nothing spent and nothing leased. So does the one of another calendar
// that a reload brings: what was spent in it until now the store knows.
void MemoryLedger::roll(const cost::Policy& policy, BudgetAccount& account, WallTime wall) {
  const bool other =
      account.has_window && (account.window != policy.window || account.zone != policy.zone);
  account.has_window = true;
  account.limit = policy.limit;
  if (!other && account.budget.lasts(wall)) [[likely]]
    return;
  account.window = policy.window;
  account.zone = policy.zone;
  cost::Balance now = account.budget;
  if (other) {
    now.window_start = WallTime::min();
    now.window_end = {};
  }
  now = cost::roll(policy, now, wall);
  const bool fresh = now.window_start != account.budget.window_start;
  if (other && fresh && lender_ != nullptr) {
    account.came_back = now.window_start < account.budget.window_start;
    note_left(account);
  }
  if (other && now.window_start <= account.budget.window_start) now.spent = account.budget.spent;
  account.budget = now;
  if (!fresh) return;
  account.forget_lease();
  if (lender_ != nullptr) account.budget.spent = Money{};
}

// Whether what others have taken may be less by now, and was not asked for just so.
bool MemoryLedger::may_have_more(const Slot& slot, Instant now) const {
  const BudgetAccount& account = slot.budget_account();
  if (lender_->is_current(account.heard_at)) return false;
  if (!lender_->exclusive()) return !slot.answered && now - account.asked_at > kAskAgain;
  // What was said while an earlier start had leases is no answer any more once they have ended.
  if (slot.answered && !lender_->is_current(Instant::max())) return false;
  return account.asked > 0 || now > account.asked_at;
}

void MemoryLedger::take_budget(const BudgetCharge& charge, Slot& slot, Verdict& verdict,
                               Instant now, WallTime wall) {
  const cost::Policy& policy = *charge.policy;
  BudgetAccount& account = slot.budget_account();
  roll(policy, account, wall);
  slot.budget_before = account.budget;
  slot.amount = charge.amount;
  const bool lets_through = cost::lets_through(policy);
  if (lender_ != nullptr && !account.leased_known) {
    verdict.need(need_of(charge, slot, lets_through ? Money{} : charge.amount, now));
    return;
  }
  cost::Balance view = account.view();
  if (lets_through) {
    const bool over = !cost::passes(policy, view, charge.amount, wall);
    if (over) verdict.observe(policy.rule);
    slot.over = over && policy.mode == Mode::kEnforce;
    view = cost::hold_observed(policy, view, charge.amount, wall);
  } else if (Expected<cost::Balance> held =
                 cost::hold(policy, view, charge.amount, wall, charge.subject)) {
    view = *held;
    const Money lack = account.lack(view.held);
    if (lender_ != nullptr && lack > Money{}) {
      verdict.need(need_of(charge, slot, lack, now));
      return;
    }
  } else if (lender_ != nullptr && may_have_more(slot, now)) {
    // Others may have given back.
    verdict.need(need_of(charge, slot, account.lack(add_saturated(view.held, charge.amount)), now));
    return;
  } else {
    // What others hold is what stands between the spent and the limit.
    verdict.refuse(std::move(held.error()), policy,
                   {policy.scope, charge.subject, policy.window, policy.limit, view.held,
                    view.spent, policy.rule, view.window_start, view.window_end, policy.zone});
  }
  account.budget.held = view.held;
  slot.budget = view;
}

// Backwards, as two charges may name the same account.
// Accounts that the store is asked about stay pinned until it answers.
void MemoryLedger::give_up(Slots& slots, const Needs& needs) {
  give_up_shared(slots, needs.rates);
  for (const LeaseNeed& need : needs.money) {
    for (Slot& slot : slots.budgets) {
      if (slot.hash != need.hash) continue;
      ++slot.account->pins;
      ++slot.budget_account().asked;
      break;
    }
  }
  for (std::size_t i = slots.budgets.size(); i-- > 0;) {
    slots.budgets[i].budget_account().budget = slots.budgets[i].budget_before;
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
    slot.over = std::exchange(slot.budget_account().over_told, window) != window;
  }
}

void MemoryLedger::tell_over(const Charges& charges, std::size_t budget, const Slot& slot,
                             WallTime wall) const {
  const BudgetCharge& charge = charges.budgets[budget];
  if (!slot.over || sink_ == nullptr) return;
  const Money balance = add_saturated(slot.budget.spent, slot.budget.held);
  const auto limit = static_cast<double>(charge.policy->limit.micro_usd);
  const double share = limit > 0 ? static_cast<double>(balance.micro_usd) / limit : 1;
  sink_->budget_reached({*charge.policy, charge.subject, charges.tenant, share, balance, wall});
}

namespace {

Money left_of(const cost::Policy& policy, const cost::Balance& balance) {
  return {policy.limit.micro_usd - add_saturated(balance.spent, balance.held).micro_usd};
}

// Nobody is told: the hold is made of a count then.
Refusal near_by() {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.message = "A limit or budget is near, so that the input has to be counted.";
  return refusal;
}

}  // namespace

Expected<Hold, Shortfall> MemoryLedger::hold_now(const Charges& charges, Slots& slots, Arena& arena,
                                                 Instant now, WallTime wall, Needs& needs) {
  Verdict verdict(charges, arena);
  Needs ahead;
  {
    const LedgerAccounts::Locked locked(accounts_, slots.shards);
    if (!open_accounts(charges, slots, now, wall)) {
      return std::unexpected(
          unavailable("There is no room to keep the books of one more subject."));
    }
    for (std::size_t i = 0; i < slots.limits.size(); ++i)
      take_limit(charges.limits[i], slots.limits[i], verdict, now);
    for (std::size_t i = 0; i < slots.budgets.size(); ++i)
      take_budget(charges.budgets[i], slots.budgets[i], verdict, now, wall);
    // A refusal that more money does not mend is given at once.
    if (!verdict.refused()) needs = verdict.needs();
    if (charges.at_a_bound && !verdict.refused() && needs.empty() && !is_far(charges, slots, now))
      verdict.refuse(near_by(), audit::LimitEvidence{});
    if (verdict.refused() || !needs.empty()) {
      give_up(slots, needs);
      if (needs.empty()) mark_returns(charges, slots);
    } else {
      mark_told(slots);
      ahead = {low_hands(charges, slots, now, arena), low_leases(charges, slots, now, arena)};
    }
  }
  if (rates_ != nullptr) give_back_shared(charges, slots);
  if (verdict.refused()) return std::unexpected(verdict.shortfall());
  if (!needs.empty()) return Hold{};
  // From here on everything is held; the evidence is as of this moment.
  slots.open = true;
  slots.held_at = wall;
  open_holds_.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    tell_over(charges, i, slots.budgets[i], wall);
  if (!ahead.rates.empty()) rates_->ask(ahead.rates, nullptr);
  if (!ahead.money.empty()) lender_->ask(ahead.money, nullptr);
  return evidence(charges, slots, verdict.observed(), arena, now);
}

std::int64_t MemoryLedger::remaining(const LimitCharge& charge, const Slot& slot, Instant now) {
  if (slot.shared != nullptr) return slot.shared->remaining;
  if (charge.policy->figure == Figure::kConcurrentRequests)
    return std::max<std::int64_t>(charge.policy->limit - slot.at_work, 0);
  return limits::remaining(*charge.policy, slot.rate.after, now);
}

bool MemoryLedger::is_far(const Charges& charges, const Slots& slots, Instant now) {
  for (std::size_t i = 0; i < charges.limits.size(); ++i) {
    const LimitCharge& charge = charges.limits[i];
    if (pipeline::counts_input(charge.policy->figure) &&
        !pipeline::leaves_plenty(remaining(charge, slots.limits[i], now), charge.policy->limit))
      return false;
  }
  for (std::size_t i = 0; i < charges.budgets.size(); ++i) {
    const cost::Policy& policy = *charges.budgets[i].policy;
    const Money left = left_of(policy, slots.budgets[i].budget);
    if (!pipeline::leaves_plenty(left.micro_usd, policy.limit.micro_usd)) return false;
  }
  return true;
}

Hold MemoryLedger::evidence(const Charges& charges, Slots& slots,
                            std::span<const std::string_view> observed, Arena& arena, Instant now) {
  const std::span<audit::LimitEvidence> limits =
      arena.make<audit::LimitEvidence>(slots.limits.size());
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const limits::Policy& policy = *charges.limits[i].policy;
    const bool work = policy.figure == Figure::kConcurrentRequests;
    limits[i] = {policy.scope,
                 charges.limits[i].subject,
                 policy.figure,
                 policy.limit,
                 work ? 1 : slots.limits[i].rate.amount,
                 remaining(charges.limits[i], slots.limits[i], now)};
  }
  const std::span<audit::BudgetEvidence> budgets =
      arena.make<audit::BudgetEvidence>(slots.budgets.size());
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const cost::Policy& policy = *charges.budgets[i].policy;
    const Slot& slot = slots.budgets[i];
    budgets[i] = {policy.scope,
                  charges.budgets[i].subject,
                  policy.window,
                  policy.limit,
                  slot.amount,
                  slot.budget.spent,
                  policy.rule,
                  slot.budget.window_start,
                  slot.budget.window_end,
                  policy.zone,
                  left_of(policy, slot.budget)};
    bytes += packed_bytes(account_of(charges.budgets[i], slot));
  }
  const std::span<char> packed = arena.make<char>(bytes);
  char* at = packed.data();
  for (std::size_t i = 0; i < budgets.size(); ++i)
    at = pack(account_of(charges.budgets[i], slots.budgets[i]), at);
  slots.accounts = {packed.data(), packed.size()};
  Hold made;
  made.limits = limits;
  made.budgets = budgets;
  made.accounts = slots.accounts;
  made.observed = observed;
  made.slots = &slots;
  made.open = true;
  return made;
}

// ---- Settle ---------------------------------------------------------------------------------

namespace {

// What a limit counts of what was used; nothing: it is not given back.
std::optional<std::int64_t> counted(const limits::Policy& policy, const Used& used) {
  switch (policy.figure) {
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

void MemoryLedger::settle_limit(const LimitCharge& charge, Slot& slot, const Used& used,
                                Instant now) {
  const limits::Policy& policy = *charge.policy;
  LedgerAccount& account = *slot.account;
  if (policy.figure == Figure::kConcurrentRequests)
    account.at_work = limits::leave(account.at_work);
  else if (const std::optional<std::int64_t> amount = counted(policy, used))
    account.rate = limits::settle(policy, account.rate, slot.rate, *amount, now);
}

// By the calendar that the account has now: a reload may have changed it since the hold.
void MemoryLedger::settle_budget(const BudgetCharge& charge, Slot& slot, Money used,
                                 WallTime held_at, WallTime wall) {
  BudgetAccount& account = slot.budget_account();
  const auto settle = [&](const cost::Policy& now, cost::Taken taken) {
    if (!account.budget.lasts(wall)) {
      const WallTime before = account.budget.window_start;
      account.budget = cost::roll(now, account.budget, wall);
      // What was leased was of the window that has ended.
      if (account.budget.window_start != before) account.forget_lease();
    }
    // Held in a window of another calendar, at a moment that lies in the one of now.
    if (&now != charge.policy && held_at >= account.budget.window_start)
      taken.window_start = account.budget.window_start;
    slot.spent_before = account.view().spent;
    account.budget = cost::settle(now, account.budget, taken, used, wall);
    slot.spent_after = account.view().spent;
  };
  if (slot.budget.window_start != account.budget.window_start)
    spend_left(account_of(charge, slot), used);
  const cost::Taken taken{slot.amount, slot.budget.window_start};
  if (account.window == charge.policy->window && account.zone == charge.policy->zone) [[likely]]
    return settle(*charge.policy, taken);
  cost::Policy now;
  now.window = account.window;
  now.zone = account.zone;
  settle(now, taken);
}

void MemoryLedger::tell_reached(const Charges& charges, std::size_t budget, const Slot& slot,
                                WallTime wall) const {
  const BudgetCharge& charge = charges.budgets[budget];
  for (const double share : charge.policy->alert_at) {
    const double mark = std::round(share * static_cast<double>(charge.policy->limit.micro_usd));
    if (static_cast<double>(slot.spent_before.micro_usd) < mark &&
        static_cast<double>(slot.spent_after.micro_usd) >= mark)
      sink_->budget_reached(
          {*charge.policy, charge.subject, charges.tenant, share, slot.spent_after, wall});
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
    const LedgerAccounts::Locked locked(accounts_, slots.shards);
    for (std::size_t i = 0; i < slots.limits.size(); ++i) {
      --slots.limits[i].account->pins;
      if (rates_ != nullptr)
        settle_shared(charges.limits[i], slots.limits[i], counted(*charges.limits[i].policy, real),
                      now);
      else
        settle_limit(charges.limits[i], slots.limits[i], real, now);
    }
    if (rates_ != nullptr) mark_returns(charges, slots);
    for (std::size_t i = 0; i < slots.budgets.size(); ++i) {
      Slot& slot = slots.budgets[i];
      --slot.account->pins;
      overrun |= real.cost > slot.amount;
      settle_budget(charges.budgets[i], slot, real.cost, slots.held_at, wall);
    }
  }
  if (rates_ != nullptr) give_back_shared(charges, slots);
  open_holds_.fetch_sub(1, std::memory_order_relaxed);
  if (overrun) overruns_.fetch_add(1, std::memory_order_relaxed);
  if (sink_ == nullptr) return;
  sink_->booked(booking, real, slots.accounts, slots.held_at);
  for (std::size_t i = 0; i < slots.budgets.size(); ++i)
    tell_reached(charges, i, slots.budgets[i], wall);
}

// ---- The rest -------------------------------------------------------------------------------

Standings MemoryLedger::snapshot(WallTime wall) const {
  Standings all;
  accounts_.each([&](const LedgerAccount& each) {
    const std::string& rule = each.rule->text;
    const std::string subject(each.subject());
    if (each.kind == AccountKind::kBudget && each.as_budget().has_window) {
      const BudgetAccount& account = each.as_budget();
      cost::Policy policy;
      policy.window = account.window;
      policy.zone = account.zone;
      const cost::Balance budget = cost::roll(policy, account.view(), wall);
      all.budgets.push_back({rule, subject, account.scope, account.window, budget.window_start,
                             cost::end_of(account.window, account.zone, budget.window_start),
                             account.zone, account.limit, budget.spent, budget.held});
    }
    if (each.at_work_limit > 0) {
      all.work.push_back({rule, subject, each.scope, each.at_work_limit, each.at_work});
    }
  });
  return all;
}

}  // namespace tollgate::storage
