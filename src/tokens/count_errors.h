// How far providers' counts of the input were seen to lie above ours, model by model, so that
// nothing is held below what was seen.
//
// A vocabulary or a chat template that is not quite the model's makes every count too low, by a
// part of it or by some tokens a request; what was not held cannot be charged. So each figure that
// a provider reports is learned from: what was seen three times in a week is held from then on, a
// part of the count and tokens a request, until one to two weeks after it was last seen. Once
// alone may be a caller's trick or a provider's slip. A part is learned from large counts, where
// it cannot be tokens a request, and tokens from small ones.
//
// Any thread. In the steady state no lock and no allocation.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace tollgate::tokens {

// How far a provider's count of the input may lie above an exact count of ours: control tokens of
// a chat template that no formula tells.
inline constexpr Tokens kInputSlack = 64;

class CountError {
 public:
  static constexpr std::size_t kSightings = 3;
  // From so many counted tokens on what is beyond kInputSlack is a part of the count. What is more
  // than three times the count on top is nonsense, and taken for that much.
  static constexpr Tokens kPartFrom = 1000;
  static constexpr std::int64_t kMillionthsMost = 3'000'000;
  // Of a smaller count at most so many are learned.
  static constexpr Tokens kTokensMost = 1024;
  static constexpr std::int64_t kWeek = 7 * 24 * 3600;

  struct Seen {
    std::int64_t millionths = 0;  // Of the count.
    Tokens tokens = 0;            // A request.
    bool operator==(const Seen&) const = default;
  };
  // The largest of a week, the largest first.
  struct Sightings {
    std::array<std::int64_t, kSightings> millionths{};
    std::array<Tokens, kSightings> tokens{};
    // What was seen so often.
    Seen often() const { return {millionths.back(), tokens.back()}; }
    bool operator==(const Sightings&) const = default;
  };
  // Those of a week, by the seconds since the epoch, and of the one before.
  struct Learned {
    std::int64_t week = 0;
    Sightings now;
    Sightings before;
    bool operator==(const Learned&) const = default;
  };

  // How many tokens more than `counted` are held.
  Tokens margin(Tokens counted) const;
  Seen in_force() const { return unpacked(in_force_.load(std::memory_order_relaxed)); }
  // What a request was counted, or bounded, at and what its provider reported. True: more is in
  // force now.
  bool learn(Tokens counted, Tokens reported, WallTime now);
  // It is now: what was seen too long ago is forgotten. True: something was.
  bool turn(WallTime now);

  Learned learned() const;
  // What was learned elsewhere as well, but for what was learned in weeks to come.
  void take(const Learned& other, WallTime now);

 private:
  static std::uint64_t packed(const Seen& seen);
  static Seen unpacked(std::uint64_t packed);
  void turn_to(std::int64_t week);  // Behind the mutex, as is the next.
  void put_in_force();

  std::atomic<std::uint64_t> in_force_ = 0;
  std::atomic<std::uint64_t> often_ = 0;  // Of this week.
  std::atomic<std::int64_t> week_ = 0;
  mutable std::mutex mutex_;
  Learned learned_;
};

class CountErrors {
 public:
  // `counted_by` is the tokenizer and what else the count is made by: of another nothing is known.
  // Lives as long as this.
  CountError& of(std::string_view model, std::string_view counted_by);

  void learn(CountError& of, Tokens counted, Tokens reported, WallTime now) {
    if (of.learn(counted, reported, now)) changes_.fetch_add(1, std::memory_order_release);
  }
  // To be called now and then.
  void turn(WallTime now);
  // Grows with whatever is learned or forgotten.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  struct Row {
    std::string model;
    std::string counted_by;
    CountError::Learned learned;
    CountError::Seen in_force;
  };
  std::vector<Row> all() const;

 private:
  struct Named {
    std::string model;
    std::string counted_by;
    CountError error;
  };
  mutable std::mutex mutex_;
  std::deque<Named> all_;  // Few: of the models of all configurations so far.
  std::atomic<std::uint64_t> changes_ = 0;
};

}  // namespace tollgate::tokens
