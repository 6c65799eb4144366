// The gauges of the journal: what waits in it, and what an earlier start had left.
#pragma once

#include "admin/metrics.h"
#include "storage/stored_trail.h"

namespace tollgate::cli {

// `trail` outlives the metrics' use.
inline void register_journal_gauges(admin::Metrics& metrics, const storage::StoredTrail& trail) {
  metrics.gauge({"tollgate_journal_segments", "Files in which records wait for the store.",
                 [&trail](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(trail.journal_segments()));
                 }});
  metrics.gauge({"tollgate_journal_replayed",
                 "Records and bookings of a killed gateway that were in its journal at the start.",
                 [&trail](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(trail.replayed()));
                 }});
  metrics.gauge({"tollgate_recovery_open",
                 "Requests of a killed gateway that are not ended and booked yet.",
                 [&trail](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(trail.unended()));
                 }});
}

}  // namespace tollgate::cli
