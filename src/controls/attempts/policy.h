// What the operator writes of attempts: which other model steps in and when, how many further
// attempts there may be, and when an endpoint is left alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/money.h"
#include "base/units.h"
#include "controls/attempts/failure.h"

namespace tollgate::attempts {

// `upstreams.NAME.circuit_breaker`, of each endpoint by itself.
struct BreakerPolicy {
  double failed_share = 0.5;     // Of its last endings, at least 16 of 32, that opens it.
  int consecutive_failures = 5;  // After so many in a row it opens.
  Duration open = std::chrono::seconds(1);      // The first time; twice as long each further time…
  Duration open_max = std::chrono::seconds(4);  // …up to this.
  Duration slow_start = std::chrono::seconds(10);  // Until it has its full share again.
};

// `upstreams.NAME.health_check`: each endpoint is asked, whether or not requests go there.
struct HealthCheck {
  std::string path;  // Of the endpoint's host, "/health"; 200 to 299 is well.
  Duration every = std::chrono::seconds(5);
};

// `retries`: of all attempts but the first of each request.
struct RetryPolicy {
  double share = 0.1;  // Of the requests that were let through to the upstream.
  int attempts = 3;    // Of one request, the first among them.
};

// A line of `models.NAME.downgrade`: all that it names must hold.
struct Downgrade {
  std::string to;                     // A model.
  std::optional<double> budget_used;  // Share of any of the request's budgets, 0 to 1.
  std::optional<Money> request_usd;   // The most that the request may cost is above this.
  std::vector<std::string> tenants;   // Empty: any.
  std::string rule;                   // "models.NAME.downgrade[0]"
};

// Of one model.
struct Fallback {
  std::vector<std::string> models;  // In the order in which they are tried.
  Failures on;                      // Which failures lead to them.
  std::optional<Duration> after;    // No first byte for so long counts as kTimeout.
  std::string rule;                 // "models.NAME.fallback"
};

}  // namespace tollgate::attempts
