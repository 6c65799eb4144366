// What is done about callers by itself (controls/alerts), in the store: told to every gateway that
// shares it, kept across restarts, released by whoever administers.
//
// Each is a mark, `answer/ID`; that it begins, ends or is released is on record with its author
// (changes.h), in the same commit. Blocking I/O on a connection of the caller's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/alerts/in_force.h"
#include "storage/changes.h"
#include "storage/database.h"

namespace tollgate::storage {

// At most InForce::kAnswersMax. What cannot be read is left out.
FaultOr<std::vector<alerts::Answer>> list_answers(Database& database);

// In the caller's transaction, after end_answers(). One of the same id is replaced. False: there
// are as many as may be, and nothing was changed.
FaultOr<bool> begin_answer(Database& database, const Author& author, const alerts::Answer& answer);

// In the caller's transaction. Those that are over at `now`.
FaultOr<void> end_answers(Database& database, const Author& author, WallTime now);

// In a transaction of its own. False: there is none of that id, or it is not of `tenants` (empty:
// of all).
FaultOr<bool> release_answer(Database& database, const Author& author, std::string_view id,
                             const std::vector<std::string>& tenants, WallTime now);

// Something that a gateway told or did by itself, on record. In the caller's transaction.
struct AlertNote {
  std::string action;  // "alert.raise", "alert.deliver"
  std::string object;  // The rule, or the target.
  std::string tenant;
  std::string after;  // A JSON object.
};
FaultOr<void> record_note(Database& database, const Author& author, const AlertNote& note);

}  // namespace tollgate::storage
