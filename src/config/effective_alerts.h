// The parts of effective_json() for alerts.
#pragma once

#include <boost/json.hpp>

#include "controls/alerts/policy.h"

namespace tollgate::config {

// Nothing where there are none.
void put_alerts(boost::json::object& root, const alerts::Policy& policy);

}  // namespace tollgate::config
