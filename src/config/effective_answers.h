// The answers that are given again of `tollgate check --print-effective`. Internal to the folder.
#pragma once

#include <boost/json.hpp>

#include "controls/answers/policy.h"

namespace tollgate::config {

// `cache` and `idempotency`, where there are any.
void put_answers(boost::json::object& route, const answers::Policy& of);

}  // namespace tollgate::config
