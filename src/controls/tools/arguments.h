// The arguments of a call of a tool.
//
// Pure. Linear in the arguments.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tollgate::tools {

// What keeps arguments from being a JSON object, in words that quote none of them; nothing: they
// are one, or there are none at all, which stands for an empty one.
std::optional<std::string> mistake_in(std::string_view arguments);

}  // namespace tollgate::tools
