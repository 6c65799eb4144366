// How many keys may be in force at once, of a tenant and of the store: a bound against whoever
// makes them without end.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/fault.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/database.h"

namespace tollgate::storage {

inline constexpr std::int64_t kKeysMax = 1'000'000;

struct KeyRoom {
  std::int64_t of_tenant = kKeysMax;
  std::int64_t in_all = kKeysMax;
};

// Whether a key is neither revoked nor at its end.
bool is_in_force(const authentication::KeyRecord& key, WallTime now);

// How many of a tenant are, or of all where it is empty; at most `most` are counted. Looks at each
// of them, so those of all are counted before the transaction that makes more, and whoever makes
// others at that moment is not seen.
FaultOr<std::int64_t> keys_in_force(Database& database, std::string_view tenant, WallTime now,
                                    std::int64_t most);

}  // namespace tollgate::storage
