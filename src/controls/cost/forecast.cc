#include "controls/cost/forecast.h"

#include <algorithm>
#include <limits>

namespace tollgate::cost {

namespace {

using Wide = __int128;

constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
// What is farther away is never.
constexpr Duration kFar = std::chrono::hours(24 * 365 * 100);

Money times(Money amount, Duration span, Duration over) {
  const Wide made = Wide{amount.micro_usd} * span.count() / std::max<std::int64_t>(1, over.count());
  return {static_cast<std::int64_t>(std::clamp(made, -kMost, kMost))};
}

}  // namespace

Duration pace_over(Window window) {
  return window == Window::kHour ? std::chrono::hours(1) : std::chrono::hours(24);
}

Forecast forecast(const Pace& pace) {
  Forecast made;
  made.an_hour = times(pace.recent, std::chrono::hours(1), pace.over);
  if (pace.window_end) {
    made.at_window_end =
        add_saturated(pace.spent, times(pace.recent, *pace.window_end - pace.now, pace.over));
  }
  const std::int64_t left = pace.limit.micro_usd - pace.spent.micro_usd;
  if (left <= 0) {
    made.exhausted = pace.now;
    return made;
  }
  if (pace.recent.micro_usd <= 0) return made;
  const Wide wait = Wide{left} * pace.over.count() / pace.recent.micro_usd;
  if (wait > Wide{kFar.count()}) return made;
  const WallTime at = pace.now + Duration(static_cast<std::int64_t>(wait));
  if (!pace.window_end || at < *pace.window_end) made.exhausted = at;
  return made;
}

}  // namespace tollgate::cost
