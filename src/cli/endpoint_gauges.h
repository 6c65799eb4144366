// The gauges of endpoints: which are left alone, and how much they are at work on.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "admin/metrics.h"
#include "controls/attempts/endpoints.h"

namespace tollgate::cli {

namespace endpoint_gauges {

// One series for each URL: the most of any model and credential there.
template <class Value>
admin::Gauge made(std::string name, std::string help, const attempts::Endpoints& endpoints,
                  Value value) {
  return {std::move(name), std::move(help), [&endpoints, value](const admin::Gauge::Emit& emit) {
            const Instant now =
                std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
            std::map<std::string, double> sums;
            endpoints.each([&](std::string_view upstream, std::string_view url,
                               const attempts::Endpoint& endpoint) {
              double& most =
                  sums[fmt::format("upstream=\"{}\",url=\"{}\"", admin::escape_label(upstream),
                                   admin::escape_label(url))];
              most = std::max(most, value(endpoint, now));
            });
            for (const auto& [labels, sum] : sums) emit(labels, sum);
          }};
}

}  // namespace endpoint_gauges

// `endpoints` outlives the gauges.
inline void register_endpoint_gauges(const attempts::Endpoints& endpoints,
                                     admin::Metrics& metrics) {
  using attempts::Endpoint;
  metrics.gauge(
      endpoint_gauges::made("tollgate_upstream_unavailable",
                            "Endpoints to which nothing is sent now: they failed, or asked for it.",
                            endpoints, [](const Endpoint& endpoint, Instant now) {
                              return endpoint.available(0, now) ? 0.0 : 1.0;
                            }));
  metrics.gauge(endpoint_gauges::made("tollgate_upstream_circuit_opened",
                                      "How often the circuit breaker opened, since the start.",
                                      endpoints, [](const Endpoint& endpoint, Instant) {
                                        return static_cast<double>(endpoint.times_opened());
                                      }));
  metrics.gauge(endpoint_gauges::made("tollgate_upstream_tokens_at_work",
                                      "Tokens that are held for requests at work there.", endpoints,
                                      [](const Endpoint& endpoint, Instant) {
                                        return static_cast<double>(endpoint.tokens_at_work());
                                      }));
}

}  // namespace tollgate::cli
