#include "controls/authentication/failures.h"

#include <algorithm>
#include <cstring>

namespace tollgate::authentication {

namespace {

constexpr Duration kMinute = std::chrono::minutes(1);
constexpr Duration kDelayFirst = std::chrono::seconds(1);
constexpr int kDoublingsMax = 6;  // 64 s.

// An address as it is counted, in two halves.
struct Counted64 {
  std::uint64_t first = 0;
  std::uint64_t rest = 0;
};
Counted64 counted(const IpAddress& address) {
  const IpAddress subscriber = subscriber_of(address);
  Counted64 made;
  std::memcpy(&made.first, subscriber.bytes.data(), sizeof made.first);
  std::memcpy(&made.rest, subscriber.bytes.data() + 8, sizeof made.rest);
  return made;
}

std::int64_t level_at(const Failed& failed, Instant now) {
  const std::int64_t passed = std::max<std::int64_t>((now - failed.at).count(), 0);
  return std::max<std::int64_t>(failed.level_us - passed, 0);
}

std::int64_t counted_in(std::int64_t level_us, Duration each) {
  return (level_us + each.count() - 1) / each.count();
}

// Counts one more, of which one is forgotten in `each`; how many there are with it. No more are
// kept than lengthen the delay beyond `limit`: what is over would only be forgotten later.
std::int64_t count(Failed& failed, Duration each, std::int64_t limit, Instant now) {
  const std::int64_t most = (limit + kDoublingsMax + 1) * each.count();
  failed.level_us = std::min(level_at(failed, now) + each.count(), most);
  failed.at = std::max(failed.at, now);
  return counted_in(failed.level_us, each);
}

Duration delay_of(std::int64_t beyond, Duration most) {
  const auto doublings = static_cast<int>(std::min<std::int64_t>(beyond - 1, kDoublingsMax));
  return std::min(kDelayFirst * (std::int64_t{1} << doublings), most);
}

}  // namespace

Failed* Failures::Table::find(std::uint64_t place, std::uint64_t name, std::uint64_t rest) {
  for (std::size_t way = 0; way < kWays; ++way) {
    Entry& entry = entries_[(place + way) & (entries_.size() - 1)];
    if (entry.name == name && entry.rest == rest) return &entry.failed;
  }
  return nullptr;
}

Failures::Entry* Failures::Table::least(std::uint64_t place, Instant now) {
  Entry* found = nullptr;
  const auto weight = [now](const Failed& failed) {
    return level_at(failed, now) + failed.looks * kMinute.count();
  };
  for (std::size_t way = 0; way < kWays; ++way) {
    Entry& entry = entries_[(place + way) & (entries_.size() - 1)];
    if (found == nullptr || weight(entry.failed) < weight(found->failed)) found = &entry;
  }
  return found;
}

Failed& Failures::Table::at(std::uint64_t place, std::uint64_t name, std::uint64_t rest,
                            Instant now) {
  if (Failed* const known = find(place, name, rest)) return *known;
  Entry* const taken = least(place, now);
  *taken = {name, rest, {}};
  return taken->failed;
}

Failed* Failures::Table::room(std::uint64_t place, std::uint64_t name, std::uint64_t rest,
                              Instant now) {
  if (Failed* const known = find(place, name, rest)) return known;
  Entry* const taken = least(place, now);
  if (level_at(taken->failed, now) > 0 || taken->failed.looks > 0) return nullptr;
  *taken = {name, rest, {}};
  return &taken->failed;
}

Failures::Failures(std::uint64_t seed, const Sizes& sizes)
    : seed_(seed),
      good_(sizes.good),
      wrong_(sizes.wrong),
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

std::uint64_t Failures::wrong_name(std::uint64_t credential, Instant now) const {
  const auto period = static_cast<std::uint64_t>(now.time_since_epoch() / kSameGuess);
  const std::uint64_t name = mix(credential, period);
  return name == 0 ? 1 : name;
}

std::uint64_t Failures::place_of(const IpAddress& from) const {
  const Counted64 address = counted(from);
  return mix(mix(0, address.first), address.rest);
}

bool Failures::is_good(std::uint64_t credential) const {
  return good_[credential & (good_.size() - 1)].load(std::memory_order_relaxed) == credential;
}

void Failures::keep_good(std::uint64_t credential) {
  if (is_good(credential)) return;
  good_[credential & (good_.size() - 1)].store(credential, std::memory_order_relaxed);
}

bool Failures::is_wrong(std::uint64_t credential, Instant now) const {
  const std::uint64_t name = wrong_name(credential, now);
  return wrong_[name & (wrong_.size() - 1)].load(std::memory_order_relaxed) == name;
}

std::expected<Look, Duration> Failures::begin(const FailurePolicy& policy, const Guess& guess,
                                              Instant now) {
  bool unseen = false;
  bool untried = false;
  for (const std::string_view credential : guess.guessable) {
    const std::uint64_t name = hash_of(guess.from, credential);
    if (is_good(name)) continue;
    unseen = true;
    untried = untried || !is_wrong(name, now);
  }
  if (!unseen) return Look{};
  const Counted64 address = counted(guess.from);
  const std::lock_guard lock(mutex_);
  Failed* const failed = addresses_.room(place_of(guess.from), address.first, address.rest, now);
  if (failed == nullptr) return Look{};  // So many fail that nobody new can be kept.
  const bool delayed = now < failed->until;
  const bool near = counted_in(level_at(*failed, now), kMinute) >= policy.per_address;
  const std::uint32_t most = delayed ? 0 : near ? 1 : kLooksMax;
  if (failed->looks >= most) {
    if (!untried || now < failed->trickled + kTrickle) {
      return std::unexpected(delayed ? failed->until - now : kTrickle);
    }
    failed->trickled = now;
  }
  ++failed->looks;
  return Look{.charged = true};
}

Judged Failures::end(const FailurePolicy& policy, const Guess& guess, Look look, LookEnd how,
                     Instant now) {
  if (how == LookEnd::kGood) {
    for (const std::string_view credential : guess.guessable) {
      keep_good(hash_of(guess.from, credential));
    }
  }
  if (how != LookEnd::kWrong && !look.charged) return {};
  // Which of them was wrong is not known: it is none that was good from there before.
  bool guessed = false;
  bool counts = false;
  if (how == LookEnd::kWrong) {
    for (const auto& kind : {guess.guessable, guess.others}) {
      for (const std::string_view credential : kind) {
        const std::uint64_t hash = hash_of(guess.from, credential);
        if (is_good(hash)) continue;
        guessed = true;
        counts = counts || !is_wrong(hash, now);
        const std::uint64_t name = wrong_name(hash, now);
        wrong_[name & (wrong_.size() - 1)].store(name, std::memory_order_relaxed);
      }
    }
  }
  const Counted64 address = counted(guess.from);
  const std::lock_guard lock(mutex_);
  Failed* failed = addresses_.find(place_of(guess.from), address.first, address.rest);
  const bool delayed = failed != nullptr && now < failed->until;
  if (look.charged && failed != nullptr && failed->looks > 0) --failed->looks;
  if (!guessed) return {};
  Judged made;
  // What is beyond guessing does not lengthen the delay that it is shown in.
  if (counts && (!delayed || look.charged)) {
    made.alarm = count_failure(policy, guess.from, guess.key, now);
  }
  if (delayed) made.delay = failed->until - now;
  return made;
}

Alarm Failures::count_failure(const FailurePolicy& policy, const IpAddress& from,
                              std::string_view key, Instant now) {
  const std::int64_t all = count(all_, kMinute / policy.in_all, policy.in_all, now);
  std::int64_t of_key = 0;
  if (!key.empty()) {
    const std::uint64_t name = hash_of({}, key);
    of_key = count(keys_.at(name, name, 0, now), kMinute / policy.per_key, policy.per_key, now);
  }
  const Counted64 address = counted(from);
  Failed& failed = addresses_.at(place_of(from), address.first, address.rest, now);
  const std::int64_t here = count(failed, kMinute, policy.per_address, now);

  const bool all_too_often = all > policy.in_all;
  const bool key_too_often = of_key > policy.per_key;
  const std::int64_t beyond = all_too_often || key_too_often ? here : here - policy.per_address;
  if (beyond <= 0) return Alarm::kNone;
  failed.until = now + delay_of(beyond, policy.delay_max);
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
