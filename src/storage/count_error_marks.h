// What gateways have learned of how far providers count above us (tokens/count_errors.h), kept as
// marks, a model each, so that a start and other gateways know it.
//
// Blocking I/O on a connection of the caller's; one thread at a time.
#pragma once

#include "base/fault.h"
#include "storage/database.h"
#include "tokens/count_errors.h"

namespace tollgate::storage {

// Takes what is kept into `errors`.
FaultOr<void> load_count_errors(Database& database, tokens::CountErrors& errors, WallTime now);

// The same, and keeps what `errors` know beyond it. In the transaction of the caller.
FaultOr<void> save_count_errors(Database& database, tokens::CountErrors& errors, WallTime now);

}  // namespace tollgate::storage
