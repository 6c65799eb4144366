// The part of effective_json() for the `mcp` of a route.
#pragma once

#include <boost/json/object.hpp>

#include "config/config.h"

namespace tollgate::config {

boost::json::object effective_mcp(const Mcp& mcp, Bytes body);

}  // namespace tollgate::config
