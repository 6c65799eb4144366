// How far providers' counts of the input were seen to lie above ours, model by model, so that
// nothing is held below what was seen.
//
// A vocabulary or a chat template that is not quite the model's makes every count too low, by a
// part of it or by some tokens a request; what was not held cannot be charged. So each figure that
// a provider reports is learned from: from then on a request is held at its count, that part more
// and those tokens more. What was learned holds for one to two weeks after it was last seen, and
// for the tokenizer by which was counted.
//
// Any thread. In the steady state no lock and no allocation.
#pragma once

#include <atomic>
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
  // Beyond kInputSlack tokens a request an error is a part of the count. What is more than three
  // times the count on top is nonsense, and taken for that much.
  static constexpr std::int64_t kMillionthsMost = 3'000'000;
  static constexpr std::int64_t kWeek = 7 * 24 * 3600;

  struct Seen {
    std::int64_t millionths = 0;  // Of the count.
    Tokens tokens = 0;            // A request.
    bool operator==(const Seen&) const = default;
  };
  // What was seen in a week, by the seconds since the epoch, and in the one before.
  struct Learned {
    std::int64_t week = 0;
    Seen now;
    Seen before;
    bool operator==(const Learned&) const = default;
  };

  // How many tokens more than `counted` are held.
  Tokens margin(Tokens counted) const;
  // What a request was counted, or bounded, at and what its provider reported. True: that is more
  // than was known.
  bool learn(Tokens counted, Tokens reported, WallTime now);

  Seen seen() const { return unpacked(in_force_.load(std::memory_order_relaxed)); }
  Learned learned() const;
  // What was learned elsewhere as well.
  void take(const Learned& other);

 private:
  static std::uint64_t packed(const Seen& seen);
  static Seen unpacked(std::uint64_t packed);
  void turn(std::int64_t week);  // Behind the mutex.

  std::atomic<std::uint64_t> in_force_ = 0;
  std::atomic<std::uint64_t> now_ = 0;  // Of `learned_`.
  std::atomic<std::int64_t> week_ = 0;
  mutable std::mutex mutex_;
  Learned learned_;
};

class CountErrors {
 public:
  // Lives as long as this.
  CountError& of(std::string_view model, std::string_view tokenizer);

  void learn(CountError& of, Tokens counted, Tokens reported, WallTime now) {
    if (of.learn(counted, reported, now)) changes_.fetch_add(1, std::memory_order_release);
  }
  // Grows with whatever is learned.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  struct Row {
    std::string model;
    std::string tokenizer;  // Empty: bounded by bytes.
    CountError::Learned learned;
  };
  std::vector<Row> all() const;

 private:
  struct Named {
    std::string model;
    std::string tokenizer;
    CountError error;
  };
  mutable std::mutex mutex_;
  std::deque<Named> all_;  // Few: of the models of all configurations so far.
  std::atomic<std::uint64_t> changes_ = 0;
};

}  // namespace tollgate::tokens
