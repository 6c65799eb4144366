// SHA-256, for digests that are made by the thousand.
//
// Pure. Safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tollgate {

std::array<std::uint8_t, 32> sha256(std::string_view bytes);

}  // namespace tollgate
