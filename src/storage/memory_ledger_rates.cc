// Limits that several gateways share: what is in hand, when the store is asked for more, and what
// is made of its answers.
//
// What a gateway has used is kept beside the hand as if the limit were its own: it bounds what a
// settlement gives back, and tells the store how much time has earned back of it.
#include <algorithm>

#include "base/check.h"
#include "storage/memory_ledger_slots.h"
#include "storage/memory_ledger_verdict.h"

namespace tollgate::storage {

using limits::Figure;
using pipeline::Charges;
using pipeline::LimitCharge;

namespace {

// An answer that left too little is not asked for again sooner. Slots come back at any moment.
constexpr Duration kAskAgain = std::chrono::milliseconds(100);
constexpr Duration kAskSlotAgain = std::chrono::milliseconds(20);
// Less is not worth a question ahead of need.
constexpr std::int64_t kLevelWorthAsking = 4;

audit::LimitEvidence evidence_of(const LimitCharge& charge, std::int64_t remaining) {
  return {charge.policy->scope,
          charge.subject,
          charge.policy->figure,
          charge.policy->limit,
          0,
          std::max<std::int64_t>(remaining, 0)};
}

Refusal refused_without(const limits::Policy& policy) {
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.rule = policy.rule;
  refusal.message =
      "The store of the rate limits cannot be asked. Nothing was forwarded; try again shortly.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

// As of the last hold, for its figures only.
limits::Policy policy_of(const SharedLimitAccount& account) {
  limits::Policy policy;
  policy.figure = account.figure;
  policy.limit = std::max<std::int64_t>(account.limit, 1);
  return policy;
}

// The words of a share are those of its limit, and no share is for ever.
Refusal refused_share(const limits::Policy& policy, Refusal refusal, std::string_view subject,
                      std::int64_t share) {
  refusal.rule = policy.rule;
  refusal.message = "Rate limit of " + limits::describe(policy, subject) + " reached (" +
                    policy.rule + "): its store cannot be asked, and this gateway lets " +
                    std::to_string(share) + " of it through alone; try again shortly.";
  if (!refusal.retry_after) refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

}  // namespace

// ---- Hold ------------------------------------------------------------------------------------

void MemoryLedger::take_shared(const LimitCharge& charge, Slot& slot, Verdict& verdict,
                               Instant now) const {
  const limits::Policy& policy = *charge.policy;
  const RateState state = rates_->state();
  SharedLimitAccount& account = slot.shared_account();
  RateHand& hand = account.hand;
  hand.renew(policy, state.generation, now);
  account.limit = policy.limit;
  account.figure = policy.figure;
  slot.shared->from = SharedSlot::From::kHand;
  slot.shared->gateways = state.gateways;
  slot.shared->generation = state.generation;
  slot.shared->units_before = hand.units;
  slot.shared->share_before = hand.share;
  slot.shared->all_used_before = hand.all_used;
  slot.rate.amount = std::clamp<std::int64_t>(charge.amount, 0, kTokensMax);
  slot.rate.after = account.rate;
  if (policy.figure == Figure::kConcurrentRequests) account.at_work_limit = policy.limit;
  if (state.mode == RateMode::kRefused && policy.mode == Mode::kEnforce) {
    verdict.refuse(refused_without(policy), evidence_of(charge, 0));
    return;
  }
  if (state.mode != RateMode::kLent) return take_share(charge, slot, verdict, state.gateways, now);
  if (policy.figure == Figure::kConcurrentRequests) return take_slot(charge, slot, verdict, now);
  take_units(charge, slot, verdict, now);
}

void MemoryLedger::take_units(const LimitCharge& charge, Slot& slot, Verdict& verdict,
                              Instant now) {
  const limits::Policy& policy = *charge.policy;
  SharedLimitAccount& account = slot.shared_account();
  RateHand& hand = account.hand;
  const std::int64_t amount = slot.rate.amount;
  const std::int64_t level = hand.level_at(policy, now);
  slot.shared->units = amount;
  if (policy.mode == Mode::kObserve) {
    // Nobody waits to be observed: what is not known yet is there.
    const std::int64_t there = hand.heard ? std::max<std::int64_t>(level + hand.units, 0) : amount;
    if (amount > std::min(there, policy.limit)) verdict.observe(policy.rule);
    slot.shared->units = std::min({amount, there, policy.limit});
  } else if (amount > policy.limit) {
    verdict.refuse(limits::reserve(policy, {}, amount, now, charge.subject).error(),
                   evidence_of(charge, level + hand.units));
    return;
  } else if (hand.units < amount) {
    const std::int64_t lack = amount - hand.units;
    const bool news = slot.answered || now - hand.asked_at <= kAskAgain;
    const bool hopeless = hand.heard && lack > level && hand.claim.units == 0 && news;
    Expected<limits::Balance> held;
    if (hopeless) held = limits::reserve(policy, hand.view(policy), amount, now, charge.subject);
    if (held) {
      verdict.need(rate_need(charge, slot, lack, now));
    } else {
      verdict.refuse(std::move(held.error()), evidence_of(charge, level + hand.units));
    }
    return;
  }
  hand.units -= slot.shared->units;
  hand.used = true;
  slot.shared->claim = hand.claim_on(policy, slot.shared->units, now);
  account.rate = limits::reserve_observed(policy, account.rate, amount, now);
  slot.rate.after = account.rate;
  slot.shared->remaining = std::clamp<std::int64_t>(level + hand.units + hand.claim.units, 0,
                                                    policy.limit - slot.shared->units);
}

void MemoryLedger::take_slot(const LimitCharge& charge, Slot& slot, Verdict& verdict, Instant now) {
  const limits::Policy& policy = *charge.policy;
  SharedLimitAccount& account = slot.shared_account();
  RateHand& hand = account.hand;
  if (policy.mode == Mode::kObserve) {
    const bool full =
        hand.heard ? hand.level + hand.units <= account.at_work : account.at_work >= policy.limit;
    if (full) verdict.observe(policy.rule);
  } else if (account.at_work >= hand.usable_slots()) {
    const bool news = slot.answered || now - hand.asked_at <= kAskSlotAgain;
    if (!hand.heard || hand.level > 0 || !news) {
      verdict.need(rate_need(charge, slot, 1, now));
    } else {
      // All gateways together have as many at work as there may be.
      const std::int64_t at_work = std::max(policy.limit, account.at_work);
      verdict.refuse(limits::enter(policy, at_work, charge.subject).error(),
                     evidence_of(charge, 0));
    }
    return;
  }
  ++account.at_work;
  hand.used = true;
  slot.at_work = account.at_work;
  slot.shared->remaining = std::max<std::int64_t>(hand.level + hand.units - account.at_work, 0);
}

// What is taken counts also as used of the whole, so that the store hears of it when it is back.
void MemoryLedger::take_share(const LimitCharge& charge, Slot& slot, Verdict& verdict,
                              std::uint32_t gateways, Instant now) {
  const limits::Policy& policy = *charge.policy;
  SharedLimitAccount& account = slot.shared_account();
  limits::Balance& balance = account.hand.share;
  const limits::Policy share = share_of(policy, gateways);
  slot.shared->from = SharedSlot::From::kShare;
  if (policy.figure == Figure::kConcurrentRequests) {
    Expected<std::int64_t> in = limits::enter(share, account.at_work, charge.subject);
    if (!in && policy.mode == Mode::kEnforce) {
      verdict.refuse(refused_share(policy, std::move(in.error()), charge.subject, share.limit),
                     evidence_of(charge, 0));
      return;
    }
    if (!in) verdict.observe(policy.rule);
    ++account.at_work;
    slot.at_work = account.at_work;
    slot.shared->remaining = std::max<std::int64_t>(share.limit - account.at_work, 0);
    return;
  }
  const std::int64_t amount = slot.rate.amount;
  Expected<limits::Balance> held = limits::reserve(share, balance, amount, now, charge.subject);
  if (!held && policy.mode == Mode::kEnforce) {
    verdict.refuse(refused_share(policy, std::move(held.error()), charge.subject, share.limit),
                   evidence_of(charge, limits::remaining(share, balance, now)));
    return;
  }
  if (!held) verdict.observe(policy.rule);
  balance = held ? *held : limits::reserve_observed(share, balance, amount, now);
  slot.shared->share = {amount, balance};
  account.rate = limits::reserve_observed(policy, account.rate, amount, now);
  slot.rate.after = account.rate;
  slot.shared->remaining = limits::remaining(share, balance, now);
}

RateNeed MemoryLedger::rate_need(const LimitCharge& charge, Slot& slot, std::int64_t least,
                                 Instant now) {
  const limits::Policy& policy = *charge.policy;
  RateHand& hand = slot.shared_account().hand;
  RateNeed need;
  need.id = {policy.rule, charge.subject};
  need.hash = slot.hash;
  need.figure = policy.figure;
  need.limit = policy.limit;
  need.least = least;
  if (policy.figure == Figure::kConcurrentRequests) {
    if (hand.asked == 0) hand.asked_at = now;
    need.ahead = hand.kept_slots(policy.limit);
  } else {
    hand.step_up(std::max(least, slot.rate.amount), now);
    need.ahead = hand.step;
  }
  return need;
}

// Backwards, as two charges may name the same account.
void MemoryLedger::give_up_shared(Slots& slots, std::span<const RateNeed> needs) {
  for (const RateNeed& need : needs) {
    for (Slot& slot : slots.limits) {
      if (slot.hash != need.hash) continue;
      ++slot.account->pins;
      ++slot.shared_account().hand.asked;
      break;
    }
  }
  for (std::size_t i = slots.limits.size(); i-- > 0;) {
    Slot& slot = slots.limits[i];
    if (slot.shared == nullptr) continue;
    slot.shared_account().hand.units = slot.shared->units_before;
    slot.shared_account().hand.share = slot.shared->share_before;
    slot.shared_account().hand.all_used = slot.shared->all_used_before;
  }
}

// What is to be asked for before a request has to wait for it, and of what is only observed.
std::span<const RateNeed> MemoryLedger::low_hands(const Charges& charges, Slots& slots, Instant now,
                                                  Arena& arena) const {
  std::span<RateNeed> needs;
  std::size_t count = 0;
  for (std::size_t i = 0; rates_ != nullptr && i < slots.limits.size(); ++i) {
    Slot& slot = slots.limits[i];
    SharedLimitAccount& account = slot.shared_account();
    RateHand& hand = account.hand;
    const limits::Policy& policy = *charges.limits[i].policy;
    if (slot.shared->from != SharedSlot::From::kHand || hand.asked > 0) continue;
    const bool work = policy.figure == Figure::kConcurrentRequests;
    // What is observed may be more than is in hand.
    const bool owed = hand.units < (work ? account.at_work : 0);
    const bool low = !work && hand.units < hand.step / 2;
    if (!owed && !(low && hand.level_at(policy, now) >= kLevelWorthAsking)) continue;
    if (owed && hand.heard && now - hand.asked_at <= kAskAgain) continue;
    if (needs.empty()) needs = arena.make<RateNeed>(slots.limits.size());
    needs[count++] = rate_need(charges.limits[i], slot, 0, now);
    ++account.pins;
    ++hand.asked;
  }
  return needs.first(count);
}

// ---- Settle ----------------------------------------------------------------------------------

// What comes back is claimed from the store, which knows what time has earned back meanwhile. What
// an earlier generation took it does not know any more.
void MemoryLedger::settle_shared(const LimitCharge& charge, Slot& slot,
                                 std::optional<std::int64_t> used, Instant now) const {
  const limits::Policy& policy = *charge.policy;
  SharedLimitAccount& account = slot.shared_account();
  if (policy.figure == Figure::kConcurrentRequests) {
    account.at_work = limits::leave(account.at_work);
    return;
  }
  if (!used) return;
  RateHand& hand = account.hand;
  if (slot.shared->from == SharedSlot::From::kShare) {
    const limits::Policy share = share_of(policy, slot.shared->gateways);
    hand.share = limits::settle(share, hand.share, slot.shared->share, *used, now);
  }
  if (*used > slot.rate.amount) {
    const std::int64_t beyond = std::min(*used - slot.rate.amount, kTokensMax);
    account.rate = limits::settle(policy, account.rate, slot.rate, *used, now);
    hand.renew(policy, rates_->state().generation, now);
    hand.units -= beyond;
    hand.all_taken = limits::reserve_observed(policy, hand.all_taken, beyond, now);
    (void)hand.claim_on(policy, beyond, now);
    return;
  }
  if (slot.shared->from != SharedSlot::From::kHand || hand.generation != slot.shared->generation)
    return;
  slot.shared->claim.units = std::min(slot.rate.amount - *used, slot.shared->units);
  hand.add_claim(policy, slot.shared->claim, now);
}

// Slots that nobody uses go back at once, and what is claimed: with a small limit every one is
// needed somewhere.
void MemoryLedger::mark_returns(const Charges& charges, Slots& slots) const {
  for (std::size_t i = 0; i < slots.limits.size(); ++i) {
    Slot& slot = slots.limits[i];
    if (slot.shared == nullptr) continue;
    slot.shared->giving_back = false;
    const limits::Policy& policy = *charges.limits[i].policy;
    SharedLimitAccount& account = slot.shared_account();
    const bool work = policy.figure == Figure::kConcurrentRequests;
    // One that was let through while the store was away has a slot by now, too.
    const bool lent = work ? rates_->state().mode == RateMode::kLent
                           : slot.shared->from == SharedSlot::From::kHand;
    if (!lent || account.hand.returning) continue;
    slot.shared->giving_back = work ? account.hand.spare_slots(account.at_work, policy.limit) > 0
                                    : account.hand.claim.units > 0;
    account.hand.returning = slot.shared->giving_back;
  }
}

void MemoryLedger::give_back_shared(const Charges& charges, Slots& slots) const {
  for (std::size_t i = 0; i < slots.limits.size(); ++i) {
    if (!std::exchange(slots.limits[i].shared->giving_back, false)) continue;
    RateNeed account;
    account.id = {charges.limits[i].policy->rule, charges.limits[i].subject};
    account.hash = slots.limits[i].hash;
    account.figure = charges.limits[i].policy->figure;
    account.limit = charges.limits[i].policy->limit;
    rates_->give_back(account);
  }
}

// ---- The store -------------------------------------------------------------------------------

std::optional<RateReport> MemoryLedger::report(const RateId& id, std::uint64_t hash,
                                               RateTelling telling, Instant now) {
  const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(hash));
  LedgerAccount* const found =
      accounts_.find({AccountKind::kSharedLimit, hash, id.rule, id.subject});
  if (found == nullptr) return {};
  SharedLimitAccount& account = found->as_shared_limit();
  RateHand& hand = account.hand;
  hand.renew(policy_of(account), rates_->state().generation, now);
  ++account.pins;
  ++hand.asked;
  hand.returning = false;
  const bool leaving = telling == RateTelling::kLeaving;
  RateReport told;
  if (account.at_work_limit > 0) {
    // What came just now, or was asked for before, has somebody on his way to it.
    const bool awaited = telling == RateTelling::kAsking || (telling == RateTelling::kReturning &&
                                                             now - hand.heard_at < kAskSlotAgain);
    const std::int64_t spare = std::max<std::int64_t>(hand.usable_slots() - account.at_work, 0);
    const std::int64_t kept = std::max<std::int64_t>(hand.kept_slots(account.at_work_limit), 0);
    hand.units = account.at_work + (leaving ? 0 : awaited ? spare : std::min(spare, kept));
  } else {
    const bool idle = telling == RateTelling::kRenewing && !hand.used;
    if ((leaving || idle) && hand.units > 0) told.back = std::exchange(hand.units, 0);
    told.debt = limits::until_full(account.rate, now);
    told.all_debt = limits::until_full(hand.all_taken, now);
    told.claim = std::exchange(hand.claim, {});
  }
  told.in_hand = hand.units;
  if (telling == RateTelling::kRenewing) hand.used = false;
  return told;
}

void MemoryLedger::answered(const RateId& id, std::uint64_t hash, int needs,
                            const std::optional<RateAnswer>& answer) {
  const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(hash));
  LedgerAccount* const found =
      accounts_.find({AccountKind::kSharedLimit, hash, id.rule, id.subject});
  CHECK(found != nullptr && found->pins > needs);
  SharedLimitAccount& account = found->as_shared_limit();
  RateHand& hand = account.hand;
  found->pins -= needs + 1;
  hand.asked -= needs + 1;
  if (!answer) return;
  found->rate.full_at -= answer->took_back;
  hand.take_answer(policy_of(account), *answer);
}

void MemoryLedger::unanswered(const RateId& id, std::uint64_t hash, int needs) {
  const LedgerAccounts::Locked locked(accounts_, LedgerAccounts::shard_bit(hash));
  LedgerAccount* const found =
      accounts_.find({AccountKind::kSharedLimit, hash, id.rule, id.subject});
  CHECK(found != nullptr && found->pins >= needs);
  found->pins -= needs;
  found->as_shared_limit().hand.asked -= needs;
}

void MemoryLedger::each_debt(Instant now, const std::function<void(const RateNeed&)>& visit) const {
  accounts_.each([&](LedgerAccount& found) {
    if (found.kind != AccountKind::kSharedLimit) return;
    const SharedLimitAccount& account = found.as_shared_limit();
    const Instant earned_at = std::max(found.rate.full_at, account.hand.all_taken.full_at);
    if (found.at_work == 0 && earned_at <= now) return;
    RateNeed need;
    need.id = {account.rule->text, account.subject()};
    need.hash = account.hash;
    need.figure = account.figure;
    need.limit = account.limit;
    visit(need);
  });
}

}  // namespace tollgate::storage
