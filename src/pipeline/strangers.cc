#include "pipeline/strangers.h"

#include <algorithm>
#include <cstring>
#include <functional>
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

bool Strangers::takes(Instant& whole_at, Untold& untold, const IpAddress& from, Instant now) {
  if (take(whole_at, kBurst, kPerSecond, now) &&
      take(whole_at_, kBurstInAll, kPerSecondInAll, now)) {
    return true;
  }
  ++untold.count;
  ++untold_count_;
  untold.last = from;
  return false;
}

bool Strangers::records(const IpAddress& from, Instant now) {
  const IpAddress subscriber = subscriber_of(from);
  Address& address = addresses_[hash_of(subscriber) % kAddresses];
  if (address.from != subscriber) address = {subscriber, {}};
  return takes(address.whole_at, untold_, from, now);
}

bool Strangers::records(const authentication::Identity& holder, const IpAddress& from,
                        Instant now) {
  Holder& place = holders_[std::hash<std::string_view>{}(holder.credential_id) % kHolders];
  Untold& who = place.untold;
  if (who.credential_id != holder.credential_id) {
    // Whose place it was is counted among all others, and nobody begins with a burst by taking it.
    if (who.count > 0) {
      untold_.count += who.count;
      untold_.last = who.last;
    }
    const Instant whole_at = place.whole_at;
    place = {};
    place.whole_at = whole_at;
    who.tenant = holder.tenant;
    who.subject = holder.subject;
    who.credential_id = holder.credential_id;
  }
  return takes(place.whole_at, who, from, now);
}

std::vector<Strangers::Untold> Strangers::take_untold(Instant now) {
  if (!has_untold() || now - told_ < kTellEvery) return {};
  told_ = now;
  return take_all();
}

std::vector<Strangers::Untold> Strangers::take_all() {
  std::vector<Untold> all;
  const auto take_from = [&all](Untold& untold) {
    if (untold.count == 0) return;
    all.push_back(untold);
    untold.count = 0;
  };
  take_from(untold_);
  for (Holder& holder : holders_) take_from(holder.untold);
  untold_count_ = 0;
  return all;
}

}  // namespace tollgate::pipeline
