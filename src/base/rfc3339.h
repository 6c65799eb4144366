// A moment of the calendar as people and programs read it: "2026-11-25T18:00:00Z".
#pragma once

#include <string>

#include "base/units.h"

namespace tollgate {

// In UTC, to the second.
std::string rfc3339(WallTime time);

}  // namespace tollgate
