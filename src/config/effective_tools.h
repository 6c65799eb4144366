// The parts of effective_json() for tools.
#pragma once

#include <boost/json.hpp>

#include "controls/tools/tools.h"

namespace tollgate::config {

boost::json::object effective_tools(const tools::Policy& policy);
// Under `tools`; nothing where a tenant says nothing of them.
void put_tenant_tools(boost::json::object& tenant, const tools::TenantPolicy& policy);

}  // namespace tollgate::config
