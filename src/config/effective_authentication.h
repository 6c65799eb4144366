// The part of effective_json() for `authentication`.
#pragma once

#include <boost/json/object.hpp>

#include "config/config.h"

namespace tollgate::config {

boost::json::object effective_authentication(const Config& config);

}  // namespace tollgate::config
