// The machine's own clock, for tests and benches of this folder.
#pragma once

#include <chrono>

#include "pipeline/ports.h"

namespace tollgate::storage {

class SystemClock final : public pipeline::Clock {
 public:
  Instant now() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
  }
  WallTime wall() const override {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  }
};

}  // namespace tollgate::storage
