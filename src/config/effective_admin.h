// The part of effective_json() for `admin`.
#pragma once

#include <boost/json/object.hpp>

#include "config/config.h"

namespace tollgate::config {

boost::json::object effective_admin(const Config& config);
boost::json::object effective_tls(const Tls& tls);

}  // namespace tollgate::config
