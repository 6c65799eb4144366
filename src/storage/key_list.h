// Which keys there are: pages of those that somebody asks for.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/database.h"

namespace tollgate::storage {

enum class KeyState : std::uint8_t { kActive, kExpired, kRevoked };
std::optional<KeyState> key_state_named(std::string_view name);  // "active"

struct KeyQuery {
  std::string tenant;  // Empty: any, as of the next.
  std::string user;
  std::optional<KeyState> state;
  std::vector<std::string> only;  // Of these tenants alone; empty: of all.
};

inline constexpr std::int64_t kKeysOfPageMax = 1000;

struct KeyPage {
  std::vector<authentication::KeyRecord> keys;
  bool has_more = false;
};
// Tenant by tenant, the oldest first; at most `limit`, which is 1 to kKeysOfPageMax, behind the key
// of the id `after`, or from the first where that is empty. Nothing: no key of the tenants that are
// asked for has that id.
FaultOr<std::optional<KeyPage>> query_keys(Database& database, const KeyQuery& query,
                                           std::int64_t limit, std::string_view after,
                                           WallTime now);

FaultOr<std::optional<authentication::KeyRecord>> show_key(Database& database, std::string_view id);

}  // namespace tollgate::storage
