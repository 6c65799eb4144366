// What the operator writes of an upstream that has more to do than it can.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/units.h"

namespace tollgate::overload {

// `upstreams.NAME.queue`
struct QueuePolicy {
  std::int64_t length = 128;                // Requests that may wait, of all callers.
  Duration wait = std::chrono::seconds(2);  // The most that one waits.
};

// `routes.NAME.priority`: a share of what is free, not the first place.
enum class Priority : std::uint8_t { kHigh, kNormal, kLow };
inline constexpr std::array<std::string_view, 3> kPriorities = {"high", "normal", "low"};
constexpr double weight_of(Priority priority) {
  constexpr std::array<double, 3> kWeights = {4, 1, 0.25};
  return kWeights[static_cast<std::size_t>(priority)];
}

}  // namespace tollgate::overload
