// The quantities in which the tables of shape.h write their bounds.
#pragma once

#include <cstdint>

#include "config/shape.h"

namespace tollgate::config {

inline constexpr std::int64_t kMs = 1'000;
inline constexpr std::int64_t kSecond = 1'000 * kMs;
inline constexpr std::int64_t kHour = 3600 * kSecond;
inline constexpr std::int64_t kDay = 24 * kHour;
inline constexpr std::int64_t kKiB = 1 << 10;
inline constexpr std::int64_t kMiB = 1 << 20;

inline constexpr auto kRequired = Need::kRequired;

}  // namespace tollgate::config
