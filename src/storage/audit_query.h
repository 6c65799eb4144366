// Questions to the audit trail: find, follow, export, prove.
//
// Reads on a connection of the caller's, while the gateway writes. A walk sees one moment of
// the trail. Rows of many records are unpacked one at a time; those that by their times or by
// the moment that an id tells cannot hold what is asked for are passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "storage/database.h"

namespace tollgate::storage {

// What must hold of a record; empty: anything.
struct AuditQuery {
  std::string id;
  std::string tenant;
  std::string subject;
  std::string key_id;
  std::string route;
  std::string model;  // The one served.
  std::string code;
  std::optional<audit::Outcome> outcome;
  std::optional<audit::Phase> phase;
  std::optional<WallTime> since;  // Not before…
  std::optional<WallTime> until;  // …and before.
};

struct AuditRow {
  std::int64_t sequence = 0;
  std::string record;  // One line of JSON, as sealed.
};

inline constexpr std::int64_t kAuditRowsMax = 100'000;  // Of one answer in memory.

// The newest `limit` records, newest first. With `before` only those of a smaller sequence: the
// next page.
FaultOr<std::vector<AuditRow>> query_audit(Database& database, const AuditQuery& query,
                                           std::int64_t limit,
                                           std::optional<std::int64_t> before = std::nullopt);

// The oldest `limit` records of a larger sequence than `after`, oldest first: to follow a trail.
FaultOr<std::vector<AuditRow>> follow_audit(Database& database, const AuditQuery& query,
                                            std::int64_t after, std::int64_t limit);

// Sequence of the last record; 0: none.
FaultOr<std::int64_t> last_sequence(Database& database);

// Hands every record to `line`, oldest first, until it returns false.
FaultOr<void> export_audit(Database& database, const AuditQuery& query,
                           const std::function<bool(std::string_view)>& line);

// What a walk along the chain found.
struct Proof {
  std::int64_t records = 0;  // That are proven, from the first kept one.
  std::int64_t first = 0;    // Their sequences; 0: there are none.
  std::int64_t last = 0;
  std::optional<std::int64_t> broken;  // The first record that is not as it was written.
  std::string why;                     // What is wrong with it.
};
// Proves that no record was changed, moved, added or removed since it was written, and that the
// columns that queries use say what the records say. That the newest records were cut off
// cannot be seen from the chain alone.
FaultOr<Proof> verify_audit(Database& database);

}  // namespace tollgate::storage
