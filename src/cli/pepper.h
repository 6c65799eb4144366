// The pepper of keys and admin tokens, for commands on a store.
#pragma once

#include "base/fault.h"
#include "config/config.h"
#include "controls/authentication/authentication.h"
#include "storage/database.h"

namespace tollgate::cli {

// A Fault where it cannot be read, or where what is in the database was made with another one.
FaultOr<authentication::Pepper> pepper_of(const config::Config& config,
                                          storage::Database& database);

}  // namespace tollgate::cli
