// How fast places come up at an upstream that is saturated, from when they did: so that whoever
// would wait for longer than it may is told at once.
//
// A place that comes up while somebody waits tells how long one takes; what lies between two times
// of somebody waiting tells nothing. The mean is of about the last kRemembered of them. Where none
// has come up for longer than that mean, the time since then is what one takes. Before kKnownFrom
// have come up nothing is known, and nobody is turned away; nor is who waits alone, as nothing
// would be learned any more of a pace that was too slow for all.
//
// Pure, no clock: the caller passes `now`. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/units.h"

namespace tollgate::overload {

class Pace {
 public:
  static constexpr double kRemembered = 16;
  static constexpr std::int64_t kKnownFrom = 8;

  // From now on somebody waits; until idle().
  void begin(Instant now) {
    since_ = now;
    waits_ = true;
  }
  void idle() { waits_ = false; }

  // So many places came up.
  void came_up(std::int64_t places, Instant now) {
    if (places <= 0 || !waits_) return;
    const double each = static_cast<double>(std::max(Duration{}, now - since_).count()) /
                        static_cast<double>(places);
    const auto count = static_cast<double>(std::min<std::int64_t>(places, 16));
    const double weight =
        known_ < kKnownFrom ? count / (static_cast<double>(known_) + count) : count / kRemembered;
    each_us_ += (each - each_us_) * std::min(1.0, weight);
    known_ = std::min(known_ + places, kKnownFrom);
    since_ = now;
  }

  // Until so many more have come up; nothing: that is not known.
  std::optional<Duration> wait_for(std::int64_t places, Instant now) const {
    if (known_ < kKnownFrom) return std::nullopt;
    const double since = waits_ ? static_cast<double>((now - since_).count()) : 0;
    const double wait =
        std::max(each_us_, since) * static_cast<double>(places) - std::min(since, each_us_);
    constexpr double kMost = 1e15;
    return Duration(static_cast<std::int64_t>(std::clamp(wait, 0.0, kMost)));
  }

 private:
  double each_us_ = 0;
  std::int64_t known_ = 0;
  Instant since_;
  bool waits_ = false;
};

}  // namespace tollgate::overload
