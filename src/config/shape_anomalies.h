// The table of shape.h for what is done about unusual behaviour.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_allowances.h"

namespace tollgate::config {

inline constexpr Field kAnomaliesFields[] = {
    {.key = "on_anomaly",
     .kind = Kind::kChoice,
     .doc = "`alert`: the record and the metrics alone tell. `slow_down`: the caller gets one "
            "request through in 10 seconds, for 5 minutes after the last. `refuse` the request.",
     .fallback = "alert",
     .names = choices::on_anomalies},
    {.key = "threshold",
     .kind = Kind::kCount,
     .doc = "From which score on a request is an anomaly.",
     .fallback = "80",
     .min = 1,
     .max = 100},
    {.key = "ignore",
     .kind = Kind::kList,
     .doc = "Signs that count for nothing here.",
     .max = 16,
     .names = choices::anomaly_signs,
     .of = Kind::kChoice},
    kMode,
};
inline constexpr Section kAnomalies{
    "anomalies",
    "Requests that are unlike what their caller, and their route, had before, by a score of 0 to "
    "100 with the signs that make it. See [anomalies](anomalies.md).",
    kAnomaliesFields};

}  // namespace tollgate::config
