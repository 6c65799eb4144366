// A row of the table of keys, and the record that it is: for the files that read and change keys.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/authentication/authentication.h"
#include "storage/database.h"

namespace tollgate::storage {

// Selects all columns, up to the condition; the last is the number of the row's last change.
inline constexpr std::string_view kKeyColumns =
    "SELECT id, digest, tenant, \"user\", roles, name, created_us, expires_us, revoked_us, scopes, "
    "replaces, replaced_by, used_us, changed FROM keys ";
inline constexpr int kKeyChangedColumn = 13;

// kCorrupt for a row that is not understood.
FaultOr<authentication::KeyRecord> read_key_row(const Database& database, const Statement& row);
FaultOr<std::vector<authentication::KeyRecord>> read_key_rows(const Database& database,
                                                              Statement& query);

// In the caller's transaction, as what the change of that number made. The id is free; whoever
// calls counts the key (key_room.h).
FaultOr<void> insert_key_row(Database& database, const authentication::KeyRecord& key,
                             std::int64_t change);

// The number of the change that the open transaction makes.
FaultOr<std::int64_t> count_key_change(Database& database);

std::optional<std::int64_t> microseconds_or_none(const std::optional<WallTime>& time);

}  // namespace tollgate::storage
