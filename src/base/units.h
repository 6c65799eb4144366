// The quantities that everything else is written in. The unit is in the type.
//
// Source for nothing but the standard library. No I/O. Safe from any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace tollgate {

using Bytes = std::int64_t;
using Tokens = std::int64_t;

using Duration = std::chrono::microseconds;

// A moment of the monotonic clock: for waits, rates and deadlines, never for a calendar.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// A moment of the calendar, UTC: for budget windows, expiry and records.
using WallTime = std::chrono::sys_time<Duration>;

// No count of tokens in the gateway exceeds this: 2^40. With prices of at most
// kPriceMax a product stays far inside 128 bits and a sum inside 63.
inline constexpr Tokens kTokensMax = Tokens{1} << 40;

// Every control has a mode. An observed control decides and is recorded, but does not refuse.
enum class Mode : std::uint8_t { kEnforce, kObserve };

}  // namespace tollgate
