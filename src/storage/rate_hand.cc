#include "storage/rate_hand.h"

#include <algorithm>

namespace tollgate::storage {

namespace {

// What is in hand is to last about so long; and at first for so many requests.
constexpr Duration kHandLasts = std::chrono::seconds(1);
constexpr std::int64_t kRequestsAhead = 8;
// So long after an answer what was in hand then may be used, which time earns back from then on.
constexpr Duration kUsedWithin = std::chrono::seconds(3);

}  // namespace

void RateHand::renew(const limits::Policy& policy, std::uint32_t now_generation, Instant now) {
  if (generation != now_generation) {
    // What is in hand here is not used, and never will be.
    if (units > 0 && policy.figure != limits::Figure::kConcurrentRequests)
      all_taken.full_at -= limits::owing(policy, units, Instant{}).full_at.time_since_epoch();
    generation = now_generation;
    units = level = 0;
    part = {};
    until = {};
    all_used = {};
    claim = {};
    born_us = 0;
    heard = returning = false;
  }
  // What is owed stays owed.
  if (now >= until) units = std::min<std::int64_t>(units, 0);
}

std::int64_t RateHand::level_at(const limits::Policy& policy, Instant now) const {
  if (policy.figure == limits::Figure::kConcurrentRequests) return level;
  const Duration since = std::max(now - heard_at, Duration(0)) + part;
  const std::int64_t most = policy.limit - std::max<std::int64_t>(units, 0);
  const std::int64_t earned = std::min(limits::earned_in(policy, since), kTokensMax * 2);
  return std::min(level + earned, most);
}

limits::Balance RateHand::view(const limits::Policy& policy) const {
  const std::int64_t taken = std::clamp<std::int64_t>(policy.limit - level - units, 0, kTokensMax);
  limits::Balance made = limits::owing(policy, taken, heard_at);
  made.full_at -= part;
  return made;
}

std::int64_t RateHand::spare_slots(std::int64_t at_work, std::int64_t limit) const {
  return std::max<std::int64_t>(units - at_work - kept_slots(limit), 0);
}

void RateHand::step_up(std::int64_t least, Instant now) {
  if (asked > 0) return;  // A crowd that asks at once is one question.
  const bool soon = step > 0 && now - asked_at < kHandLasts;
  const std::int64_t usual = soon ? std::min(step, kTokensMax) * 2 : step / 2;
  step = std::max(usual, std::min(least, kTokensMax) * kRequestsAhead);
  asked_at = now;
}

void RateHand::take_answer(const limits::Policy& policy, const RateAnswer& answer) {
  if (answer.generation != generation) return;
  if (!answer.gathers && policy.figure != limits::Figure::kConcurrentRequests) {
    const std::int64_t taken = std::clamp<std::int64_t>(policy.limit - answer.level, 0, kTokensMax);
    all_taken = limits::owing(policy, taken, answer.heard_at);
    if (taken > 0) all_taken.full_at += kUsedWithin - answer.part;
  }
  units += answer.in_hand + answer.granted - answer.told;
  until = answer.until;
  level = answer.level;
  part = answer.part;
  heard_at = answer.heard_at;
  heard = true;
  all_used = {heard_at + answer.debt, 0, 0};
  store_ahead_us = answer.now_us - heard_at.time_since_epoch().count();
  returned = answer.returned;
  born_us = answer.born_us;
}

RateClaim RateHand::claim_on(const limits::Policy& policy, std::int64_t taken, Instant now) {
  if (born_us == 0) return {};
  all_used = limits::reserve_observed(policy, all_used, taken, now);
  const std::int64_t until = all_used.full_at.time_since_epoch().count() + store_ahead_us;
  return {0, until, returned, born_us};
}

// What the store would take back of it now, as far as is known here.
std::int64_t RateHand::worth(const limits::Policy& policy, const RateClaim& of, Instant now) const {
  const Duration left(of.until_us - now.time_since_epoch().count() - store_ahead_us);
  if (left <= Duration(0) || of.born_us != born_us) return 0;
  return std::clamp<std::int64_t>(limits::earned_in(policy, left) + 1 - (returned - of.returned), 0,
                                  of.units);
}

// Two claims are one with the less of both bounds; where that is worth less than one of them, the
// other is dropped.
void RateHand::add_claim(const limits::Policy& policy, RateClaim more, Instant now) {
  const std::int64_t worth_more = worth(policy, more, now);
  if (worth_more == 0) return;
  const std::int64_t worth_now = worth(policy, claim, now);
  if (worth_now == 0) {
    claim = more;
    return;
  }
  RateClaim both = more;
  both.units = std::min(claim.units + more.units, kTokensMax);
  both.until_us = std::min(claim.until_us, more.until_us);
  both.returned = std::min(claim.returned, more.returned);
  const std::int64_t worth_both = worth(policy, both, now);
  if (worth_both >= std::max(worth_now, worth_more))
    claim = both;
  else if (worth_more > worth_now)
    claim = more;
}

limits::Policy share_of(const limits::Policy& policy, std::uint32_t gateways) {
  limits::Policy share;
  share.mode = policy.mode;
  share.scope = policy.scope;
  share.figure = policy.figure;
  share.limit = std::max<std::int64_t>(policy.limit / std::max<std::uint32_t>(gateways, 1), 1);
  return share;
}

}  // namespace tollgate::storage
