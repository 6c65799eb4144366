// Which configuration a gateway has in force, on record whenever it becomes another one.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/fault.h"
#include "config/config.h"
#include "storage/database.h"

namespace tollgate::storage {

enum class TakenOver : std::uint8_t { kAtStart, kAtReload };

// In the caller's transaction, before `now` is in force. Tells the versions and every leaf that
// differs from what the gateway had before, also by an earlier process; of the first the whole.
// Nothing is recorded where nothing differs. Secrets are masked: that one of them changed is seen
// by the version alone, and not at all where it lies in the environment or in a file.
FaultOr<void> record_configuration(Database& database, std::string_view gateway, TakenOver how,
                                   const config::Config& now);

}  // namespace tollgate::storage
