// Guessing at credentials: failed authentications are limited by address, by key and in all.
//
// An address (a /64 of IPv6) may fail `per_address` times; each further failure delays it, 1 s and
// then twice as long each time, at most `delay_max`. One failure is forgotten each minute, and no
// more are remembered than lengthen a delay.
//
// What a delay holds back is what could be guessed: opaque tokens, sessions in a store, keys that
// were imported. While an address is delayed they are refused at once, unverified; no connection
// is held open for the one who guesses. Keys of ours and what is signed are beyond guessing, so
// they are verified always, and only who shows a wrong one is told of the delay.
//
// A look is on the address's account before it is waited for: as many as kLooksMax at once where
// few have failed from there, one where the next failure delays.
//
// Nobody can lock out the owner of a key. A key or all of them together that are guessed at faster
// than `per_key` and `in_all` a minute are never refused for that: it only makes each address's
// first failure its last before a delay. What was good from an address before may be shown from
// there while it is delayed; and of what is new there, one in kTrickle is looked at.
//
// No guess is what was good from there before, for that has ended; nor is the same credential
// again within kSameGuess.
//
// In memory, of a fixed size, each gateway for itself: where a table is full, who failed least is
// forgotten. No clock: the caller passes `now`. Safe from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <mutex>
#include <optional>
#include <span>
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
  Instant trickled{};         // When one was last let through in spite of that.
  std::uint32_t looks = 0;    // At work, at what is new there.
};

// All credentials that one request shows.
struct Guess {
  IpAddress from;
  std::span<const std::string_view> guessable;
  std::span<const std::string_view> others;  // Beyond guessing.
  std::string_view key;                      // The public part of a key of ours; may be empty.
};

// One look at them, from begin() to end().
struct Look {
  bool charged = false;
};
enum class LookEnd : std::uint8_t {
  kGood,       // All that was shown.
  kWrong,      // Something of it.
  kUndecided,  // Nobody could tell, or who showed it has proven to hold it.
};
struct Judged {
  Alarm alarm = Alarm::kNone;
  std::optional<Duration> delay;  // What was wrong was shown in a delay, which has so long to go.
};

class Failures {
 public:
  static constexpr std::uint32_t kLooksMax = 256;
  static constexpr Duration kTrickle = std::chrono::seconds(1);
  static constexpr Duration kSameGuess = std::chrono::minutes(10);

  // How many subjects are remembered: powers of two.
  struct Sizes {
    std::size_t addresses = 1 << 16;
    std::size_t keys = 1 << 14;
    std::size_t good = 1 << 16;
    std::size_t wrong = 1 << 16;
  };

  // `seed` must be secret: it keeps who guesses from choosing where in the tables they are kept.
  explicit Failures(std::uint64_t seed) : Failures(seed, Sizes{}) {}
  Failures(std::uint64_t seed, const Sizes& sizes);

  // Before it is verified. The wait, where it may not be looked at now.
  std::expected<Look, Duration> begin(const FailurePolicy& policy, const Guess& guess, Instant now);
  // After it, exactly once for each that began.
  Judged end(const FailurePolicy& policy, const Guess& guess, Look look, LookEnd how, Instant now);

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
    Failed* find(std::uint64_t place, std::uint64_t name, std::uint64_t rest);
    // Takes the place of who failed least where there is none.
    Failed& at(std::uint64_t place, std::uint64_t name, std::uint64_t rest, Instant now);
    // Null where that would forget somebody.
    Failed* room(std::uint64_t place, std::uint64_t name, std::uint64_t rest, Instant now);

   private:
    Entry* least(std::uint64_t place, Instant now);

    std::vector<Entry> entries_;
  };
  using Names = std::vector<std::atomic<std::uint64_t>>;

  std::uint64_t mix(std::uint64_t hash, std::uint64_t more) const;
  std::uint64_t hash_of(const IpAddress& from, std::string_view credential) const;
  // As what it is wrong now: another name in each kSameGuess.
  std::uint64_t wrong_name(std::uint64_t credential, Instant now) const;
  std::uint64_t place_of(const IpAddress& from) const;
  bool is_good(std::uint64_t credential) const;
  void keep_good(std::uint64_t credential);
  bool is_wrong(std::uint64_t credential, Instant now) const;
  // With the lock.
  Alarm count_failure(const FailurePolicy& policy, const IpAddress& from, std::string_view key,
                      Instant now);
  bool alarm_is_due(Alarm alarm, Instant now);

  const std::uint64_t seed_;
  Names good_;
  Names wrong_;
  std::mutex mutex_;  // Of what follows.
  Table addresses_;
  Table keys_;
  Failed all_;
  std::array<Instant, 4> alarmed_;
};

}  // namespace tollgate::authentication
