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

// What of the usage has a price of its own. Absent: as it was settled, as far as there is room for
// it beside those that are said.
struct LateParts {
  std::optional<Tokens> audio_input;
  std::optional<Tokens> image_input;
  std::optional<Tokens> cache_write_5m;
  std::optional<Tokens> cache_write_1h;
  std::optional<Tokens> reasoning;
  std::optional<Tokens> audio_output;
  std::optional<ServiceTier> service_tier;
};
// All that a request used, not only the difference.
struct LateUsage {
  std::string request;  // Its id.
  Tokens input = 0;     // The parts of it among them, as those of the output.
  Tokens cached_input = 0;
  Tokens output = 0;
  LateParts parts;
  std::string because;  // For whoever reads the books.
};
struct Adjusted {
  Money before;
  Money after;
};

// The same usage again changes nothing; what changes something is on record (changes.h). A Fault of
// kind kRefusedByPeer where there is no such request, or it has not ended, or its record names no
// prices, or none of the tier or the writes to a cache that are said, or where the parts are more
// than what they are of.
FaultOr<Adjusted> adjust(Database& database, const Author& author, const LateUsage& late,
                         WallTime now);

// What adjustments have changed, by model, of requests that were decided in a stretch of time.
FaultOr<std::map<std::string, Money>> adjusted_by_model(Database& database, std::int64_t since_us,
                                                        std::int64_t until_us);

}  // namespace tollgate::storage
