// A Database in one SQLite file.
#pragma once

#include <memory>
#include <string>

#include "storage/database.h"

namespace tollgate::storage {

FaultOr<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                               const DatabaseOptions& options);

}  // namespace tollgate::storage
