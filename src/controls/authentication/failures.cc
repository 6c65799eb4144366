#include "controls/authentication/failures.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace tollgate::authentication {

namespace {

constexpr Duration kMinute = std::chrono::minutes(1);
constexpr Duration kDelayFirst = std::chrono::seconds(1);
constexpr int kDoublingsMax = 6;  // 64 s.

// An address as it is counted: IPv4 whole, of IPv6 what a subscriber has.
struct Counted64 {
  std::uint64_t first = 0;
  std::uint64_t rest = 0;
};
Counted64 counted(const IpAddress& address) {
  Counted64 made;
  std::memcpy(&made.first, address.bytes.data(), sizeof made.first);
  const bool v4 = std::all_of(address.bytes.begin(), address.bytes.begin() + 10,
                              [](std::uint8_t byte) { return byte == 0; });
  if (v4) std::memcpy(&made.rest, address.bytes.data() + 8, sizeof made.rest);
  return made;
}

std::int64_t level_at(const Failed& failed, Instant now) {
  const std::int64_t passed = std::max<std::int64_t>((now - failed.at).count(), 0);
  return std::max<std::int64_t>(failed.level_us - passed, 0);
}

// Counts one more, of which one is forgotten in `each`; how many there are with it.
std::int64_t count(Failed& failed, Duration each, Instant now) {
  // What is beyond any delay adds nothing but the time to forget it.
  constexpr std::int64_t kLevelMax = std::int64_t{1} << 50;
  failed.level_us = std::min(level_at(failed, now) + each.count(), kLevelMax);
  failed.at = std::max(failed.at, now);
  return (failed.level_us + each.count() - 1) / each.count();
}

Duration delay_of(std::int64_t beyond, Duration most) {
  const auto doublings = static_cast<int>(std::min<std::int64_t>(beyond - 1, kDoublingsMax));
  return std::min(kDelayFirst * (std::int64_t{1} << doublings), most);
}

}  // namespace

const Failed* Failures::Table::find(std::uint64_t place, std::uint64_t name,
                                    std::uint64_t rest) const {
  for (std::size_t way = 0; way < kWays; ++way) {
    const Entry& entry = entries_[(place + way) & (entries_.size() - 1)];
    if (entry.name == name && entry.rest == rest) return &entry.failed;
  }
  return nullptr;
}

Failed& Failures::Table::at(std::uint64_t place, std::uint64_t name, std::uint64_t rest,
                            Instant now) {
  Entry* least = nullptr;
  for (std::size_t way = 0; way < kWays; ++way) {
    Entry& entry = entries_[(place + way) & (entries_.size() - 1)];
    if (entry.name == name && entry.rest == rest) return entry.failed;
    if (least == nullptr || level_at(entry.failed, now) < level_at(least->failed, now)) {
      least = &entry;
    }
  }
  *least = {name, rest, {}};
  return least->failed;
}

Failures::Failures(std::uint64_t seed, const Sizes& sizes)
    : seed_(seed),
      delayed_until_us_(std::numeric_limits<std::int64_t>::min()),
      good_(sizes.good),
      addresses_(sizes.addresses),
      keys_(sizes.keys) {
  alarmed_.fill(Instant::min());
}

// The finish of MurmurHash3: each bit of what goes in turns about half of those that come out.
std::uint64_t Failures::mix(std::uint64_t hash, std::uint64_t more) const {
  hash = (hash ^ more ^ seed_) * 0xff51afd7ed558ccdULL;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return hash ^ (hash >> 33);
}

std::uint64_t Failures::hash_of(const IpAddress& from, std::string_view credential) const {
  const Counted64 address = counted(from);
  std::uint64_t hash = mix(mix(credential.size(), address.first), address.rest);
  while (!credential.empty()) {
    std::uint64_t piece = 0;
    const std::size_t size = std::min(credential.size(), sizeof piece);
    std::memcpy(&piece, credential.data(), size);
    credential.remove_prefix(size);
    hash = mix(hash, piece);
  }
  return hash == 0 ? 1 : hash;
}

std::optional<Duration> Failures::delay(const IpAddress& from, std::string_view credential,
                                        Instant now) const {
  if (now.time_since_epoch().count() >= delayed_until_us_.load(std::memory_order_relaxed)) {
    return std::nullopt;
  }
  const Counted64 address = counted(from);
  Instant until;
  {
    const std::lock_guard lock(mutex_);
    const Failed* failed =
        addresses_.find(mix(mix(0, address.first), address.rest), address.first, address.rest);
    if (failed == nullptr || now >= failed->until) return std::nullopt;
    until = failed->until;
  }
  const std::uint64_t known = hash_of(from, credential);
  if (good_[known & (good_.size() - 1)].load(std::memory_order_relaxed) == known)
    return std::nullopt;
  return until - now;
}

void Failures::succeeded(const IpAddress& from, std::string_view credential) {
  const std::uint64_t known = hash_of(from, credential);
  std::atomic<std::uint64_t>& place = good_[known & (good_.size() - 1)];
  if (place.load(std::memory_order_relaxed) != known) {
    place.store(known, std::memory_order_relaxed);
  }
}

Alarm Failures::failed(const FailurePolicy& policy, const IpAddress& from, std::string_view key,
                       Instant now) {
  const Counted64 address = counted(from);
  const std::lock_guard lock(mutex_);
  const std::int64_t all = count(all_, kMinute / policy.in_all, now);
  std::int64_t of_key = 0;
  if (!key.empty()) {
    const std::uint64_t name = hash_of({}, key);
    of_key = count(keys_.at(name, name, 0, now), kMinute / policy.per_key, now);
  }
  Failed& failed =
      addresses_.at(mix(mix(0, address.first), address.rest), address.first, address.rest, now);
  const std::int64_t here = count(failed, kMinute, now);

  const bool all_too_often = all > policy.in_all;
  const bool key_too_often = of_key > policy.per_key;
  const std::int64_t beyond = all_too_often || key_too_often ? here : here - policy.per_address;
  if (beyond <= 0) return Alarm::kNone;
  failed.until = now + delay_of(beyond, policy.delay_max);
  const std::int64_t until_us = failed.until.time_since_epoch().count();
  if (until_us > delayed_until_us_.load(std::memory_order_relaxed)) {
    delayed_until_us_.store(until_us, std::memory_order_relaxed);
  }
  const Alarm alarm = all_too_often ? Alarm::kAll : key_too_often ? Alarm::kKey : Alarm::kAddress;
  return alarm_is_due(alarm, now) ? alarm : Alarm::kNone;
}

bool Failures::alarm_is_due(Alarm alarm, Instant now) {
  Instant& last = alarmed_[static_cast<std::size_t>(alarm)];
  if (last != Instant::min() && now - last < kMinute) return false;
  last = now;
  return true;
}

}  // namespace tollgate::authentication
