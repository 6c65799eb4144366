// The gauges of what is kept in memory.
#pragma once

#include "admin/metrics.h"
#include "controls/answers/answers.h"
#include "controls/overload/buffered_bytes.h"

namespace tollgate::cli {

// `buffered` and `answers` outlive the gauges.
inline void register_buffer_gauges(const overload::BufferedBytes& buffered,
                                   const answers::Answers& answers, admin::Metrics& metrics) {
  metrics.gauge({"tollgate_buffered_bytes", "Of requests and answers that are in memory now.",
                 [&buffered](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(buffered.bytes()));
                 }});
  metrics.gauge({"tollgate_kept_answers_bytes",
                 "Of tollgate_buffered_bytes, those of answers that are kept to be given again.",
                 [&answers](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(answers.bytes()));
                 }});
  metrics.gauge({"tollgate_buffered_bytes_max", "As edge.buffered_bytes_max says.",
                 [&buffered](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(buffered.most()));
                 }});
  metrics.gauge({"tollgate_buffered_bytes_refused",
                 "How often there was no room for a request or an answer, since the start.",
                 [&buffered](const admin::Gauge::Emit& emit) {
                   emit("", static_cast<double>(buffered.refused()));
                 }});
}

}  // namespace tollgate::cli
