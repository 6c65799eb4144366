// The calendar's now, for commands; the gateway has a Clock.
#pragma once

#include "base/units.h"

namespace tollgate::cli {

inline WallTime wall_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

}  // namespace tollgate::cli
