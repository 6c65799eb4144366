// Callers that come back before they were told to, while there is no place for them: each time they
// are told to wait for twice as long.
//
// By the request itself (who asks, and what), so that a tenant's other callers are told the true
// wait. What is remembered is bounded: of two that share a slot the later one is.
//
// One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/units.h"

namespace tollgate::overload {

class Insistence {
 public:
  static constexpr std::size_t kSlots = 4096;
  static constexpr Duration kWaitMax = std::chrono::seconds(10);
  // Clocks and timers differ by so much.
  static constexpr Duration kEarly = std::chrono::milliseconds(50);

  // What the request `key` is told, where `wait` is true.
  Duration told(std::uint64_t key, Duration wait, Instant now) {
    if (slots_.empty()) slots_.resize(kSlots);
    Slot& slot = slots_[key % kSlots];
    const bool insists = slot.key == key && now + kEarly < slot.until;
    slot.times = insists ? std::min(slot.times + 1, kTimesMax) : 0;
    slot.key = key;
    const Duration longer = std::min(kWaitMax, wait * (std::int64_t{1} << slot.times));
    const Duration told = std::max(wait, longer);
    slot.until = now + told;
    return told;
  }

 private:
  static constexpr int kTimesMax = 10;
  struct Slot {
    std::uint64_t key = 0;
    Instant until;
    int times = 0;
  };
  std::vector<Slot> slots_;  // None, until one is needed.
};

}  // namespace tollgate::overload
