// A small file that is replaced as a whole: after a crash the one before is there.
//
// Blocking disk I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fault.h"

namespace tollgate::storage {

// Durable when it returns.
FaultOr<void> replace_file(const std::string& path, std::string_view bytes);

// Nothing: there is none, or it is larger than `most` or cannot be read, which is empty bytes.
std::optional<std::string> whole_file(const std::string& path, std::uintmax_t most);

}  // namespace tollgate::storage
