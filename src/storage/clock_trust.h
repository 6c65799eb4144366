// Whether the wall clock is believed, for what cannot be undone: pruning, and letting go of keys.
//
// Whoever sets a clock wrong for a while must not lose anything by it. A clock that goes on by more
// than kLeapMost beside the steady one is doubted for kDoubted.
//
// No I/O. One thread at a time.
#pragma once

#include <chrono>
#include <utility>

#include "pipeline/ports.h"

namespace tollgate::storage {

class ClockTrust {
 public:
  static constexpr Duration kDoubted = std::chrono::hours(24);
  static constexpr Duration kLeapMost = std::chrono::hours(1);

  // Believed from the beginning. `clock` outlives it.
  explicit ClockTrust(const pipeline::Clock& clock)
      : clock_(clock), ahead_(ahead()), trusted_from_(clock.now()) {}

  void doubt() { trusted_from_ = clock_.now() + kDoubted; }

  // Looks at the clock: to be asked more often than every few minutes.
  bool holds() {
    const Duration before = std::exchange(ahead_, ahead());
    if (std::chrono::abs(ahead_ - before) > kLeapMost) doubt();
    return clock_.now() >= trusted_from_;
  }

 private:
  Duration ahead() const {
    return clock_.wall().time_since_epoch() - clock_.now().time_since_epoch();
  }

  const pipeline::Clock& clock_;
  Duration ahead_;        // Of the steady clock, when it was looked at last.
  Instant trusted_from_;  // From then on it is believed.
};

}  // namespace tollgate::storage
