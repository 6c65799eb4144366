// What is valid and weak in the `mcp` of a route.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/posture_authentication.h"

namespace tollgate::config {

// Whether a role is given anything by itself.
bool asks_for(const Mcp& mcp, const std::string& role);

// `field` is "routes[3].mcp".
std::vector<Weakness> weaknesses_of_mcp(const Config& config, const Mcp& mcp,
                                        const std::string& field);

// Whether a call of some tool of it is paid.
bool is_paid(const Mcp& mcp);

}  // namespace tollgate::config
