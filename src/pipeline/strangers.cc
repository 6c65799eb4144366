#include "pipeline/strangers.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tollgate::pipeline {

namespace {

// Takes one of `burst`, which come back at `per_second`.
bool take(Instant& whole_at, int burst, int per_second, Instant now) {
  const Duration each = Duration(std::chrono::seconds(1)) / per_second;
  const Instant then = std::max(whole_at, now) + each;
  if (then - now > each * burst) return false;
  whole_at = then;
  return true;
}

std::size_t hash_of(const IpAddress& from) {
  std::uint64_t halves[2];
  std::memcpy(halves, from.bytes.data(), sizeof halves);
  return static_cast<std::size_t>(
      ((halves[0] ^ (halves[1] >> 7)) + halves[1]) * 0x9e3779b97f4a7c15ULL >> 40);
}

}  // namespace

bool Strangers::records(const IpAddress& from, Instant now) {
  Address& address = addresses_[hash_of(from) % kAddresses];
  if (address.from != from) address = {from, {}};
  if (take(address.whole_at, kBurst, kPerSecond, now) &&
      take(whole_at_, kBurstInAll, kPerSecondInAll, now)) {
    return true;
  }
  ++untold_.count;
  untold_.last = from;
  return false;
}

Strangers::Untold Strangers::take_untold(Instant now) {
  if (untold_.count == 0 || now - told_ < kTellEvery) return {};
  told_ = now;
  return std::exchange(untold_, {});
}

}  // namespace tollgate::pipeline
