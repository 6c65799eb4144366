// Names of records that sort by time: a prefix and 26 characters (the layout of a ULID: 48 bits of
// milliseconds, 80 of chance, Crockford's base 32).
//
// Pure. An id is a name, never a secret.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/units.h"

namespace tollgate {

inline constexpr std::size_t kRecordPrefixBytes = 4;  // "req_"
inline constexpr std::size_t kRecordIdBytes = 30;

// 40 bits of each half of `chance` tell.
void write_record_id(std::string_view prefix, WallTime now,
                     const std::array<std::uint64_t, 2>& chance,
                     std::span<char, kRecordIdBytes> out);

}  // namespace tollgate
