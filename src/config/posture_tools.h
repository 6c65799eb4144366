// What is valid and weak in the tools that a route lets its models' providers run, and in those of
// a tenant's callers.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/posture_authentication.h"

namespace tollgate::config {

std::vector<Weakness> weaknesses_of_tools(const Config& config, const Route& route,
                                          const std::string& field);
std::vector<Weakness> weaknesses_of_tools(const Tenant& tenant);

}  // namespace tollgate::config
