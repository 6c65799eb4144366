// What becomes of the leases of a gateway that is heard of no more.
//
// A gateway of a shared store that has not written for kLeasesLast, by the store's clock, has no
// leases any more: what it had leased and not spent by the books is set apart under a name of its
// own, counts as spent, and belongs to nobody. It is not free either, since it may have been
// spent: only the gateway's journal can tell (docs/decisions/0008-leases.md). So the same gateway
// gets it back with the first thing that it writes, whether it was cut off or starts again, and
// from there on the journal proves what was used of it, as after any other start.
//
// Everything happens in the transaction of the caller. One thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "storage/database.h"

namespace tollgate::storage {

// Longer than a store is usually away, from which many come back at once.
inline constexpr Duration kLeasesLast = std::chrono::minutes(10);

// Whose leases have lasted for longer and were not taken from them yet. Takes no lock.
FaultOr<std::vector<std::string>> with_overdue_leases(Database& database,
                                                      Duration leases_last = kLeasesLast);

// Ends the leases of all of them.
FaultOr<void> expire_leases(Database& database, Duration leases_last = kLeasesLast);

// Whether the gateway's leases have expired, as SQL that has one parameter: expiry_mark().
inline constexpr std::string_view kHasExpiredSql =
    "CASE WHEN EXISTS (SELECT 1 FROM marks WHERE name = ?) THEN 1 ELSE 0 END";
std::string expiry_mark(std::string_view gateway);

// They have, and it is heard of again: it has them as it had them.
FaultOr<void> take_back_leases(Database& database, std::string_view gateway);

// Under which name leases that were `gateway`'s wait for its journal.
std::string expired_of(std::string_view gateway);

}  // namespace tollgate::storage
