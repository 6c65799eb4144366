// What a provider tells of something that it keeps: a JSON object. Internal to this room.
#pragma once

#include <simdjson.h>

#include <expected>
#include <string_view>

#include "base/fault.h"

namespace tollgate::dialects {

// "The upstream's answer {what}."
std::unexpected<Fault> broken_kept(std::string_view what);

// kBroken where it is no object, or has a field twice. The object is `parser`'s, and goes with what
// that reads next.
FaultOr<simdjson::dom::object> read_kept_object(simdjson::dom::parser& parser,
                                                std::string_view body);

}  // namespace tollgate::dialects
