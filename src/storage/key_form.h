// A tenant API key as JSON, for those who may see keys and for the record of their changes: all but
// its secret and digest, which no form has.
//
// Pure.
#pragma once

#include <string>

#include "base/json_writer.h"
#include "controls/authentication/authentication.h"

namespace tollgate::storage {

// From "tenant" to "replaced_by", into an object that is open: what changes of a key tell.
void write_key_members(JsonWriter& json, const authentication::KeyRecord& key);

// {"id": …} with these. Without the last use, which is no change of a key.
std::string key_form(const authentication::KeyRecord& key);

}  // namespace tollgate::storage
