// `tollgate keys import`, and the wait of all that changes keys until gateways have it in force.
#pragma once

#include "cli/commands.h"
#include "config/config.h"
#include "storage/database.h"

namespace tollgate::cli {

void wait_until_in_force(storage::Database& database, const config::Store& where);

// Line by line and batch by batch: a line at fault leaves what stands before it imported, and the
// same file again goes on behind that.
int import_keys(const KeysOptions& options, const config::Config& config,
                storage::Database& database);

}  // namespace tollgate::cli
