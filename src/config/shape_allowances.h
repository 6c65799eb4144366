// The tables of shape.h for limits and budgets.
#pragma once

#include <cstdint>

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr std::int64_t kLimitMax = 1'000'000'000'000;

inline constexpr Field kMode{
    .key = "mode",
    .kind = Kind::kChoice,
    .doc = "`observe` records what would have been refused and lets it pass.",
    .fallback = "enforce",
    .names = choices::modes};

inline constexpr Field kWhenExhaustedFields[] = {
    {.key = "downgrade_to",
     .kind = Kind::kModelName,
     .doc = "Served by this model instead, on the same path, where that fits and the caller may "
            "use it."},
    {.key = "cap_output_tokens",
     .kind = Kind::kCount,
     .doc = "Served with at most so many output tokens for each choice, where that fits.",
     .min = 1,
     .max = kLimitMax},
};
inline constexpr Section kWhenExhausted{
    "when_exhausted",
    "One of the two. The request is decided anew: it passes every control and is counted, priced "
    "and held as the one that is really served. Where that does not fit either, what the budgets "
    "say that it does not fit is tried next, four times at most; then the request is refused.",
    kWhenExhaustedFields};

inline constexpr Field kBudgetFields[] = {
    {.key = "usd",
     .kind = Kind::kMoney,
     .doc = "The amount. 0 lets nothing priced pass.",
     .need = kRequired},
    {.key = "per",
     .kind = Kind::kChoice,
     .doc = "The window, of the calendar in `time_zone`; weeks begin on Monday.",
     .need = kRequired,
     .names = choices::windows},
    {.key = "time_zone",
     .kind = Kind::kTimeZone,
     .doc = "Whose midnight begins a day, a week and a month, also when the clocks change. Not "
            "written: the file's `time_zone`."},
    kMode,
    {.key = "alert_at",
     .kind = Kind::kList,
     .doc = "Shares of the amount, ascending, at which the log and the metric tell.",
     .max = 16,
     .of = Kind::kShare},
    {.key = "when_exhausted",
     .kind = Kind::kChoice,
     .doc = "What happens to a request whose worst case no longer fits. `allow_and_alert` lets it "
            "through: the record names the budget, and the log and the metric tell it once a "
            "window; the other budgets still hold.",
     .fallback = "refuse",
     .names = choices::whens,
     .section = &kWhenExhausted},
};
inline constexpr Section kBudget{
    "budget",
    "Money that may be spent in a window. The worst case of a request is "
    "held before it leaves.",
    kBudgetFields};

constexpr Field figure(std::string_view key, std::string_view doc) {
  return {.key = key, .kind = Kind::kCount, .doc = doc, .min = 1, .max = kLimitMax};
}
inline constexpr Field kLimitFields[] = {
    figure("requests_per_minute", "Requests in a minute; a rested subject may take all at once."),
    figure("requests_per_day", "Requests in 24 hours."),
    figure("input_tokens_per_minute", "Tokens of prompts."),
    figure("output_tokens_per_minute", "Tokens of answers; the output cap is held ahead."),
    figure("total_tokens_per_minute", "Both together."),
    figure("concurrent_requests", "Requests at work at the same time."),
    kMode,
};
inline constexpr Section kLimits{
    "limits",
    "What each distinct subject of a scope may take. A request takes from "
    "all its limits or from none.",
    kLimitFields};

}  // namespace tollgate::config
