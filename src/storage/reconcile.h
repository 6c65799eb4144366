// Do the books and the trail say the same, and how well does our counting agree with the
// provider's?
//
// The trail has what each request held and what it cost; the books have sums. Both were written in
// the same transactions, so over the same requests they must be equal to the micro-dollar. What the
// provider reported is held against what was counted before the request was admitted: a ratio that
// leaves 1 tells of a vocabulary or a chat template that is not the model's.
//
// Reads a connection of the caller's, at one moment, while gateways write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "storage/database.h"

namespace tollgate::storage {

// By the moment of the decision, widened to whole hours, as questions to the books are. What was
// before compared_from() is passed over: there the trail lacks records, or the books have sums
// alone.
struct ReconcileQuery {
  WallTime since;
  std::optional<WallTime> until;
};

struct Reconciled {
  std::string model;          // As it was served.
  std::int64_t requests = 0;  // That went upstream and have ended.
  Money held;                 // By those of them that had a budget.
  Money settled;              // Their cost, by the trail.
  Money adjusted;             // What late usage added to it, or took off.
  Money booked;               // Both, by the books.
  std::int64_t open = 0;      // That went upstream and have not ended…
  Money open_held;            // …and what they hold.
  std::int64_t by_count = 0;  // Of `requests`, those settled by our own count.
  Tokens counted_input = 0;   // Where it was counted before and the provider said: that,
  Tokens reported_input = 0;  // and what he said, also where less is charged.
  Money difference() const { return {booked.micro_usd - settled.micro_usd - adjusted.micro_usd}; }
};

// The first whole hour of which both have everything. Nothing: they have it of all times.
FaultOr<std::optional<WallTime>> compared_from(Database& database);

// By the model's name. kCorrupt where a record cannot be read.
FaultOr<std::vector<Reconciled>> reconcile(Database& database, const ReconcileQuery& query);

}  // namespace tollgate::storage
