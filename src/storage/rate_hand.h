// What one gateway has in hand of one subject's limit that several gateways share.
//
// Pure: no I/O, no clock, no lock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "controls/limits/limits.h"
#include "storage/rate_lender.h"

namespace tollgate::storage {

struct RateHand {
  std::int64_t units = 0;  // Of a rate, below 0: owed to the store. Of concurrency: slots.
  Instant until{};         // From then on they are nobody's.
  std::uint32_t generation = 0;
  std::int32_t asked = 0;  // Needs and reports that are not answered.
  bool heard = false;      // The store has answered in this generation.
  bool used = false;       // Since it was renewed.
  bool returning = false;  // The lender knows that something is to be given back.

  // As the store said last.
  std::int64_t level = 0;  // What nobody has in hand.
  Duration part{};         // The time that was earned already of the next unit.
  Instant heard_at{};

  std::int64_t step = 0;  // Asked for ahead of need last…
  Instant asked_at{};     // …at this time.

  // What all gateways together have used or had in hand, at most: all that was not left in the
  // store when it was heard last. Outlives the store's data.
  limits::Balance all_taken;

  // What all gateways together have used, at least, as the store told it and with what was taken
  // here since; and where the store's clock and counts stood.
  limits::Balance all_used;
  std::int64_t store_ahead_us = 0;  // Of the clock here, at least.
  std::int64_t returned = 0;
  std::int64_t born_us = 0;  // 0: not known.
  RateClaim claim;           // To be told with the next question.

  // Taken of the local share, while the store is away. It outlasts an outage: a store that comes
  // and goes brings nobody a share each time.
  limits::Balance share;

  // Forgets what is of an earlier generation, or too old.
  void renew(const limits::Policy& policy, std::uint32_t now_generation, Instant now);
  // What the store should have by `now`, if nobody else took of it.
  std::int64_t level_at(const limits::Policy& policy, Instant now) const;
  // The balance that says the same: to refuse from, in the words of all refusals.
  limits::Balance view(const limits::Policy& policy) const;
  // Slots that requests may take. More may be at work in all than there should be, as gateways let
  // requests through while the store was away: then one that ends makes no room for another.
  std::int64_t usable_slots() const { return units + std::min<std::int64_t>(level, 0); }
  // How many slots are kept that nobody uses: none where they are scarce.
  std::int64_t kept_slots(std::int64_t limit) const { return level > limit / 4 ? limit / 16 : 0; }
  std::int64_t spare_slots(std::int64_t at_work, std::int64_t limit) const;
  // Before a question: how much to ask for ahead of need.
  void step_up(std::int64_t least, Instant now);
  // What may be claimed of `units` that are taken now: they come out of what all have used.
  RateClaim claim_on(const limits::Policy& policy, std::int64_t units, Instant now);
  // Claims `units` of a claim_on(), as far as it is worth anything by now.
  void add_claim(const limits::Policy& policy, RateClaim more, Instant now);
  void take_answer(const limits::Policy& policy, const RateAnswer& answer);
  // What the store would take back of a claim now, as far as is known here.
  std::int64_t worth(const limits::Policy& policy, const RateClaim& of, Instant now) const;
};

// The part of a limit that one of `gateways` lets through alone, at least 1. For its figures only:
// it has no rule.
limits::Policy share_of(const limits::Policy& policy, std::uint32_t gateways);

}  // namespace tollgate::storage
