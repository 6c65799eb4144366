// SHA-256, as the chain of the trail and what is too long for it are told.
#pragma once

#include <string>
#include <string_view>

#include "controls/audit/audit.h"

namespace tollgate::audit {

Hash sha256(std::string_view bytes);
// 64 hexadecimal digits.
void append_hex(const Hash& hash, std::string& out);

}  // namespace tollgate::audit
