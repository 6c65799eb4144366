// What nobody can guess, as text of a URL.
#pragma once

#include <string>

#include "base/fault.h"

namespace tollgate::admin {

// 32 random bytes.
FaultOr<std::string> random_text();

}  // namespace tollgate::admin
