// `tollgate audit content`: what content policies did, and what they would do if enforced.
#pragma once

#include "storage/audit_query.h"
#include "storage/database.h"

namespace tollgate::cli {

inline constexpr const char* kReportedByDefault = "24h";

// Prints the report as tables, or as JSON, a line a route; an exit code.
int audit_content(const storage::AuditQuery& query, bool as_json, storage::Database& database);

}  // namespace tollgate::cli
