// What the books keep no longer.
//
// Rows that nobody asks for any more go: what was leased and entered in windows that ended long
// ago, adjustments, and who spent what in which quarter of an hour. Of the last the sums stay, as
// spent at the beginning of time, since a budget with `per: total` counts all that ever was. Of
// such a budget's own rows the entries are folded: those of an account that move between the same
// parts become one, as far as a step sees them together. So no budget that is in force sees a
// difference.
//
// Kept is what the trail keeps (audit.keep), and never less than kBooksKeptLeast: the longest
// window, a month, and as long again for usage that comes late.
//
// In small steps, each in a transaction of the caller's. Blocking I/O.
#pragma once

#include <optional>

#include "base/fault.h"
#include "base/units.h"
#include "storage/database.h"

namespace tollgate::storage {

inline constexpr Duration kWindowLongest = std::chrono::hours(24 * 32);
inline constexpr Duration kBooksKeptLeast = 2 * kWindowLongest;
// So many rows of a table go in one step.
inline constexpr std::int64_t kBooksPruneBatch = 256;
inline constexpr std::int64_t kEntriesFoldedAtOnce = 1024;

// From which moment on the books are kept whole, by a policy that keeps records for `keep`.
WallTime books_keep_from(Duration keep, WallTime now);

// Whether prune_books() would find something. Takes no lock.
FaultOr<bool> has_old_books(Database& database, WallTime keep_from);
// One step. True: there may be more.
FaultOr<bool> prune_books(Database& database, WallTime keep_from);

// Before this moment the books have sums alone and the trail may lack records, so that they cannot
// be held against each other. Nothing: nothing was pruned yet.
FaultOr<std::optional<WallTime>> books_kept_from(Database& database);
FaultOr<std::optional<WallTime>> trail_kept_from(Database& database);
// The trail is pruned up to there, in the caller's transaction.
FaultOr<void> note_trail_pruned(Database& database, WallTime keep_from);

}  // namespace tollgate::storage
