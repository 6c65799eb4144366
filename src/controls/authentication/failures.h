// Guessing at credentials: failed authentications are limited by address, by key and in all.
//
// An address (a /64 of IPv6) may fail `per_address` times; each further failure delays it, 1 s and
// then twice as long each time, at most `delay_max`. While it is delayed what it shows is refused
// at once, unverified: a guess tells nothing, and no connection is held open for the one who
// guesses. One failure is forgotten each minute.
//
// Nobody can lock out the owner of a key. A key or all of them together that are guessed at faster
// than `per_key` and `in_all` a minute are never refused for that: it only makes each address's
// first failure its last before a delay. And an address that is delayed may still show what was
// good from there before, so that whoever shares it with the one who guesses goes on.
//
// In memory, of a fixed size, each gateway for itself: where a table is full, who failed least is
// forgotten. No clock: the caller passes `now`. Safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/refusal.h"
#include "base/units.h"

namespace tollgate::authentication {

// What the operator writes under `authentication.failures`.
struct FailurePolicy {
  Mode mode = Mode::kEnforce;
  std::int64_t per_address = 10;  // Before it is delayed. 1 to 1'000'000, as the others.
  std::int64_t per_key = 10;      // A minute.
  std::int64_t in_all = 600;      // A minute.
  Duration delay_max = std::chrono::seconds(60);  // 1 s to 60 s.
};

// What one failure may be worth telling the operator, at most once a minute of each kind.
enum class Alarm : std::uint8_t { kNone, kAddress, kKey, kAll };

// How often one subject failed lately.
struct Failed {
  std::int64_t level_us = 0;  // Failures times what one of them takes to be forgotten.
  Instant at{};               // As of then.
  Instant until{};            // It is delayed.
};

class Failures {
 public:
  // How many subjects are remembered: powers of two.
  struct Sizes {
    std::size_t addresses = 1 << 16;
    std::size_t keys = 1 << 14;
    std::size_t good = 1 << 16;
  };

  // `seed` must be secret: it keeps who guesses from choosing where in the tables they are kept.
  explicit Failures(std::uint64_t seed) : Failures(seed, Sizes{}) {}
  Failures(std::uint64_t seed, const Sizes& sizes);

  // How long it takes until `from` may show this credential. Nothing: it may now. `credential` is
  // all that it shows.
  std::optional<Duration> delay(const IpAddress& from, std::string_view credential,
                                Instant now) const;

  // It was good from there.
  void succeeded(const IpAddress& from, std::string_view credential);

  // It was not. `key` is the public part of it; may be empty.
  Alarm failed(const FailurePolicy& policy, const IpAddress& from, std::string_view key,
               Instant now);

 private:
  static constexpr std::size_t kWays = 4;  // Places that one subject can have.

  struct Entry {
    std::uint64_t name = 0;  // A hash of the key, or the first half of the address.
    std::uint64_t rest = 0;  // The second half.
    Failed failed;
  };
  class Table {
   public:
    explicit Table(std::size_t size) : entries_(size) {}
    const Failed* find(std::uint64_t place, std::uint64_t name, std::uint64_t rest) const;
    Failed& at(std::uint64_t place, std::uint64_t name, std::uint64_t rest, Instant now);

   private:
    std::vector<Entry> entries_;
  };

  std::uint64_t mix(std::uint64_t hash, std::uint64_t more) const;
  std::uint64_t hash_of(const IpAddress& from, std::string_view credential) const;
  bool alarm_is_due(Alarm alarm, Instant now);

  const std::uint64_t seed_;
  std::atomic<std::int64_t> delayed_until_us_;  // No address is delayed beyond it.
  std::vector<std::atomic<std::uint64_t>> good_;
  mutable std::mutex mutex_;  // Of what follows.
  Table addresses_;
  Table keys_;
  Failed all_;
  std::array<Instant, 4> alarmed_;
};

}  // namespace tollgate::authentication
