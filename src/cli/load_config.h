// What several commands do first: read a configuration and tell its problems.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"

namespace tollgate::cli {

// Null where there are problems: they are on stderr then, and the command ends with kWrongUse.
std::shared_ptr<const config::Config> load_config(const std::string& file);
// As above, of store, authentication and tenants alone: what is wrong elsewhere is no problem.
std::shared_ptr<const config::Config> load_store_settings(const std::string& file);

}  // namespace tollgate::cli
