#include "storage/rate_hand.h"

#include <algorithm>

namespace tollgate::storage {

namespace {

// What is in hand is to last about so long; and at first for so many requests.
constexpr Duration kHandLasts = std::chrono::seconds(1);
constexpr std::int64_t kRequestsAhead = 8;

}  // namespace

void RateHand::renew(std::uint32_t now_generation, Instant now) {
  if (generation != now_generation) {
    generation = now_generation;
    units = level = 0;
    part = {};
    until = {};
    share = {};
    heard = false;
  }
  // What is owed stays owed.
  if (now >= until) units = std::min<std::int64_t>(units, 0);
}

std::int64_t RateHand::level_at(const limits::Policy& policy, Instant now) const {
  const std::int64_t window = limits::window_of(policy.figure).count();
  if (window == 0) return level;
  const Duration since = std::max(now - heard_at, Duration(0)) + part;
  const __int128 earned = static_cast<__int128>(since.count()) * policy.limit / window;
  const __int128 most = policy.limit - std::max<std::int64_t>(units, 0);
  return static_cast<std::int64_t>(std::min(earned + level, most));
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

void RateHand::take_answer(const RateAnswer& answer) {
  if (answer.generation != generation) return;
  units += answer.in_hand + answer.granted - answer.told;
  until = answer.until;
  level = answer.level;
  part = answer.part;
  heard_at = answer.heard_at;
  heard = true;
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
