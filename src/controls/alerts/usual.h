// What one subject spends, and whether that is more than is usual for it.
//
// Three windows are looked at at once: ten seconds, a minute, and the rule's own. In each the sum
// is held against what is usual at this hour, on working days or at the weekend: what it spends on
// average, how that comes in pieces, and the most that such a window has had. A window is out of
// the ordinary where its sum is
//   - at least `at_least`,
//   - at least `times_usual` times the average,
//   - at least kBeyondPeak times the most that it usually has, in such an hour and, by how uneven
//     its hours are, in any, and
//   - more than chance makes of requests of that size: by Bennett's inequality (1962) for a sum of
//     independent costs, at most exp(-kSurprise).
// So a subject of a few dear requests is not alerted for two of them at once, and one that has many
// cheap ones is within seconds.
//
// An hour is learned at its end, at most kLearnedAtMost times what was usual: one spike does not
// make the next one usual, a use that grows does within hours.
//
// Pure, no clock: the caller passes `now`. One thread. About a kilobyte a subject.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/units.h"
#include "controls/alerts/policy.h"

namespace tollgate::alerts {

// Sums of the last so many parts of a window, each as long.
template <std::size_t N>
class Ring {
 public:
  explicit Ring(std::int64_t part_us) : part_us_(part_us) {}
  void add(std::int64_t now_us, double amount) {
    turn(now_us);
    parts_[static_cast<std::size_t>(at_ % static_cast<std::int64_t>(N))] += amount;
    sum_ += amount;
  }
  double sum(std::int64_t now_us) {
    turn(now_us);
    return sum_;
  }

 private:
  void turn(std::int64_t now_us) {
    const std::int64_t at = now_us / part_us_;
    if (at <= at_) return;  // The clock was set back: what is there stays.
    if (at - at_ >= static_cast<std::int64_t>(N)) {
      parts_ = {};
    } else {
      for (std::int64_t i = at_ + 1; i <= at; ++i) {
        parts_[static_cast<std::size_t>(i % static_cast<std::int64_t>(N))] = 0;
      }
    }
    at_ = at;
    sum_ = 0;
    for (const double part : parts_) sum_ += part;
  }

  std::int64_t part_us_;
  std::int64_t at_ = 0;
  std::array<double, N> parts_{};
  double sum_ = 0;
};

inline constexpr int kWindows = 3;
inline constexpr int kSlots = 48;  // Hours of a working day, then of one of the weekend.

class Usual {
 public:
  static constexpr double kBeyondPeak = 1.5;
  static constexpr double kSurprise = 25;  // At most 1.4e-11.
  static constexpr double kLearnedAtMost = 3;
  static constexpr double kBurstMost = 6;
  static constexpr double kForgets = 0.25;  // Of what was known of an hour, with the next like it.

  Usual(const Rule& rule, WallTime now);

  // What was spent since the last time. `squares`: the sum of the squares of each cost, in dollars.
  void add(double usd, double squares, WallTime now);

  // How a window is out of the ordinary.
  struct Finding {
    Duration window{};
    double spent = 0;  // Dollars within it.
    double usual = 0;  // Nothing is known: 0.
    bool newcomer = false;
  };
  std::optional<Finding> judge(const Rule& rule, WallTime now);

  // What is kept across a restart; the windows begin anew.
  struct Learned {
    struct Slot {
      float usd = 0;      // An hour.
      float squares = 0;  // The same of the squares.
      std::array<float, kWindows> peak{};
      std::uint32_t hours = 0;  // Learned of it.
    };
    std::array<Slot, kSlots> slots{};
    Slot before;  // The hour before this one, and as many as are known.
    // The most that a window had of what it would have on average, in any hour; fades in weeks.
    std::array<float, kWindows> burst{};
  };
  const Learned& learned() const { return learned_; }
  void take(const Learned& learned) { learned_ = learned; }

 private:
  struct Expected {
    double usd = 0;  // A second.
    double squares = 0;
    std::array<double, kWindows> peak{};
    bool known = false;
  };
  Expected expected(WallTime now) const;
  void end_hours(WallTime now);
  void learn(std::int64_t hour);
  std::array<double, kWindows> sums(std::int64_t now_us);

  std::array<Duration, kWindows> windows_;
  Ring<10> seconds_{1'000'000};
  Ring<12> minute_{5'000'000};
  Ring<30> longest_;
  Learned learned_;
  std::int64_t hour_;  // That is summed up now, since the epoch.
  double usd_ = 0;
  double squares_ = 0;
  std::array<double, kWindows> peak_{};
};

}  // namespace tollgate::alerts
