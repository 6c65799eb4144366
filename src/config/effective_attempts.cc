#include "config/effective_attempts.h"

#include <fmt/format.h>

#include "config/effective_parts.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace json = boost::json;

json::object effective_queue(const overload::QueuePolicy& policy) {
  return {{"length", policy.length}, {"wait", format_duration(policy.wait)}};
}

json::object effective_health_check(const attempts::HealthCheck& check) {
  return {{"path", check.path}, {"every", format_duration(check.every)}};
}

json::object effective_breaker(const attempts::BreakerPolicy& policy) {
  return {{"consecutive_failures", policy.consecutive_failures},
          {"failed_share", fmt::format("{}", policy.failed_share)},
          {"open", format_duration(policy.open)},
          {"open_max", format_duration(policy.open_max)},
          {"slow_start", format_duration(policy.slow_start)}};
}

json::object effective_retries(const attempts::RetryPolicy& policy) {
  return {{"share", fmt::format("{}", policy.share)}, {"attempts", policy.attempts}};
}

void put_attempts(json::object& model, const Model& of) {
  if (!of.fallback.models.empty()) {
    model["fallback"] = texts(of.fallback.models);
    json::array on;
    for (std::size_t i = 0; i < attempts::kFailures.size(); ++i) {
      if (!of.fallback.on.contains(static_cast<attempts::Failure>(i))) continue;
      on.emplace_back(text(attempts::kFailures[i]));
    }
    model["fallback_on"] = std::move(on);
    if (of.fallback.after) model["fallback_after"] = format_duration(*of.fallback.after);
  }
  json::array lines;
  for (const attempts::Downgrade& line : of.downgrades) {
    json::object one{{"to", line.to}};
    if (line.budget_used) one["budget_used"] = fmt::format("{}", *line.budget_used);
    if (line.request_usd) one["request_usd"] = format_usd(*line.request_usd);
    if (!line.tenants.empty()) one["tenants"] = texts(line.tenants);
    lines.push_back(std::move(one));
  }
  if (!lines.empty()) model["downgrade"] = std::move(lines);
}

}  // namespace tollgate::config
