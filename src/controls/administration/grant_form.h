// A grant as JSON, in the one form that the store, the trail and the admin API have of it.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/units.h"
#include "controls/administration/administration.h"

namespace tollgate::administration {

// ["acme", "globex"]; empty: of all.
std::string tenants_json(const std::vector<std::string>& tenants);

// Into an object that is open. A moment that is not there is null.
void write_moment(JsonWriter& json, std::string_view name, const std::optional<WallTime>& moment);
void write_tenants(JsonWriter& json, const Grant& grant);
void write_expires(JsonWriter& json, const Grant& grant);

}  // namespace tollgate::administration
