// Usage that comes when a request is settled already, as from a provider's invoice: the difference
// goes into the books as an entry of its own, and nothing that was written before is changed.
//
// Priced at the prices that the request was held at. The books, and every budget that the request
// was held on, count the request as if it had been settled so; a budget may be over its limit then,
// as the money is spent. A gateway that runs hears of it with its next lease.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "controls/cost/cost.h"
#include "storage/changes.h"
#include "storage/database.h"

namespace tollgate::storage {

struct LateUsage {
  std::string request;    // Its id.
  cost::Amounts amounts;  // All that it used, not only the difference. Sound is what was settled.
  std::string because;    // For whoever reads the books.
};
struct Adjusted {
  Money before;
  Money after;
};

// The same usage again changes nothing; what changes something is on record (changes.h). A Fault of
// kind kRefusedByPeer where there is no such request, or it has not ended, or its record names no
// prices.
FaultOr<Adjusted> adjust(Database& database, const Author& author, const LateUsage& late,
                         WallTime now);

// What adjustments have changed, by model, of requests that were decided in a stretch of time.
FaultOr<std::map<std::string, Money>> adjusted_by_model(Database& database, std::int64_t since_us,
                                                        std::int64_t until_us);

}  // namespace tollgate::storage
