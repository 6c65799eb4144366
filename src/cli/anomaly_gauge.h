// The gauge of anomalies, by what is done about them.
#pragma once

#include <fmt/format.h>

#include "admin/metrics.h"
#include "controls/anomalies/anomalies.h"

namespace tollgate::cli {

// `watch` outlives the gauge.
inline admin::Gauge anomaly_gauge(const anomalies::Anomalies& watch) {
  return {"tollgate_anomalies",
          "Requests whose score reached the threshold of their route, since the start, by what is "
          "done about them.",
          [&watch](const admin::Gauge::Emit& emit) {
            const anomalies::Anomalies::Counts counts = watch.counts();
            for (const auto action : {anomalies::OnAnomaly::kAlert, anomalies::OnAnomaly::kSlowDown,
                                      anomalies::OnAnomaly::kRefuse}) {
              emit(fmt::format("action=\"{}\"", anomalies::name_of(action)),
                   static_cast<double>(counts.by_action[static_cast<std::size_t>(action)]));
            }
            emit("action=\"observe\"", static_cast<double>(counts.observed));
          }};
}

}  // namespace tollgate::cli
