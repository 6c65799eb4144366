// When a budget will be spent, if it goes on as it did lately.
//
// Pure.
#pragma once

#include <optional>

#include "controls/cost/cost.h"

namespace tollgate::cost {

struct Pace {
  Money limit;
  Money spent;   // In the window that holds `now`.
  Money recent;  // Within the last `over`, which may reach before the window.
  Duration over{};
  WallTime now{};
  std::optional<WallTime> window_end;  // Nothing: it has none.
};

struct Forecast {
  Money an_hour;                       // As lately.
  std::optional<WallTime> exhausted;   // Nothing: not in this window, or never.
  std::optional<Money> at_window_end;  // What will be spent by then, without the limit.
};
Forecast forecast(const Pace& pace);

// Over how much of the past the pace of a budget is judged: an hour of one by the hour, else a day.
Duration pace_over(Window window);

}  // namespace tollgate::cost
