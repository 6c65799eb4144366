// Questions to the audit trail: find, follow, export, prove.
//
// Reads on a connection of the caller's, while gateways write. An answer is of one moment of the
// trail. Each gateway of a store has a chain with sequences of its own, and changes have one
// (changes.h); answers hold records of all, group by group in the order of the times that groups
// reach (so records of two gateways that are milliseconds apart may change places). Rows of many
// records are unpacked one at a time; those that by their times or by the moment that an id tells
// cannot hold what is asked for are passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "storage/database.h"
#include "storage/gateway_name.h"

namespace tollgate::storage {

// What must hold of a record; empty: anything.
struct AuditQuery {
  std::string id;
  std::string tenant;
  std::vector<std::string> only;  // Of these tenants, and of none that has none; empty: of all.
  std::string subject;
  std::string key_id;
  std::string route;
  std::string model;  // The one served.
  std::string code;
  std::string actor;   // A subject or the id of a credential.
  std::string action;  // Of a change, as the next.
  std::string object;
  std::optional<audit::Outcome> outcome;
  std::optional<audit::Phase> phase;
  std::optional<WallTime> since;  // Not before…
  std::optional<WallTime> until;  // …and before.
};

struct AuditRow {
  std::string gateway;          // Or kChangesChain.
  std::int64_t sequence = 0;    // In the chain.
  std::string record;           // One line of JSON, as sealed.
  std::int64_t reached_us = 0;  // The time that its group reaches.
};

// Before which record a page ends. Of all chains: a record's place in the order of answers, which
// no record that comes later changes. Of the only gateway of a store its sequence is enough.
struct AuditCursor {
  std::int64_t sequence = 0;
  std::string gateway;  // Empty: the only one.
  std::int64_t reached_us = 0;
  friend bool operator==(const AuditCursor&, const AuditCursor&) = default;
};
// As text for whoever asks for the page behind `last`; and back. A whole number is a sequence.
// Nothing: it is no cursor.
std::string cursor_behind(const AuditRow& last);
std::optional<AuditCursor> read_cursor(std::string_view text);

inline constexpr std::int64_t kAuditRowsMax = 100'000;  // Of one answer in memory.

// The newest `limit` records, newest first. With `before` only those behind it: the next page. A
// Fault where it names a sequence alone and several gateways have such a one.
FaultOr<std::vector<AuditRow>> query_audit(Database& database, const AuditQuery& query,
                                           std::int64_t limit,
                                           const std::optional<AuditCursor>& before = {});

// How far a trail was read: the last sequence of each chain.
using AuditPlaces = std::map<std::string, std::int64_t, std::less<>>;
FaultOr<AuditPlaces> last_places(Database& database);

// The oldest `limit` records behind `after`, oldest first, and moves it behind them: to follow a
// trail.
FaultOr<std::vector<AuditRow>> follow_audit(Database& database, const AuditQuery& query,
                                            AuditPlaces& after, std::int64_t limit);

// Sequence of the gateway's last record; 0: none.
FaultOr<std::int64_t> last_sequence(Database& database, std::string_view gateway = kOnlyGateway);

// Hands every record to `line`, oldest first, until it returns false.
FaultOr<void> export_audit(Database& database, const AuditQuery& query,
                           const std::function<bool(std::string_view)>& line);

// What a walk along the chain found.
struct Proof {
  std::string gateway;       // Whose chain it is.
  std::int64_t records = 0;  // That are proven, from the first kept one.
  std::int64_t first = 0;    // Their sequences; 0: there are none.
  std::int64_t last = 0;
  std::optional<std::int64_t> broken;  // The first record that is not as it was written.
  std::string why;                     // What is wrong with it.
};
// Proves that no record was changed, moved, added or removed since it was written, and that the
// columns that queries use say what the records say. That the newest records were cut off
// cannot be seen from the chain alone.
FaultOr<Proof> verify_audit(Database& database, std::string_view gateway = kOnlyGateway);
// Of every chain that is there.
FaultOr<std::vector<Proof>> verify_chains(Database& database);

}  // namespace tollgate::storage
