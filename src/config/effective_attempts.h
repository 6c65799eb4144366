// The parts of effective.cc for attempts.
#pragma once

#include <boost/json.hpp>

#include "config/config.h"

namespace tollgate::config {

boost::json::object effective_queue(const overload::QueuePolicy& policy);
boost::json::object effective_health_check(const attempts::HealthCheck& check);
boost::json::object effective_breaker(const attempts::BreakerPolicy& policy);
boost::json::object effective_retries(const attempts::RetryPolicy& policy);
// `fallback` and `downgrade` of a model, where it has any.
void put_attempts(boost::json::object& model, const Model& of);

}  // namespace tollgate::config
