// The time of a world, and what each machine's clocks make of it.
#pragma once

#include <cstdint>

#include "pipeline/ports.h"

namespace tollgate::sim {

// Worlds begin ten minutes before a month ends.
inline WallTime wall_at(std::int64_t now_us) {
  return WallTime(Duration(1'772'322'600'000'000 + now_us));
}

class GatewayClock final : public pipeline::Clock {
 public:
  explicit GatewayClock(const std::int64_t& now_us) : now_us_(now_us) {}
  Instant now() const override { return Instant(Duration(kStart + now_us_ + ahead_us)); }
  WallTime wall() const override { return wall_at(now_us_ + skew_us); }

  std::int64_t ahead_us = 0;  // Only grows.
  std::int64_t skew_us = 0;

 private:
  static constexpr std::int64_t kStart = 3'600'000'000;

  const std::int64_t& now_us_;
};

}  // namespace tollgate::sim
