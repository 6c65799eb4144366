// The gateways of a store, and the end of one that never comes back.
//
// What a gateway leased, left open and recorded waits for its next start, as only its journal can
// tell what became of it. Where that start never comes an operator retires the name: its open
// requests get an outcome `cut` / `gateway_retired` and are booked at what they held, what is left
// of its leases counts as spent until their windows end, and its trail is pruned by those who live.
// Nobody serves under the name any more. Should its journal turn up all the same, a start with it
// puts into the trail and the books what they lack, gives back what the journal proves to be
// unspent, and ends.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "storage/changes.h"
#include "storage/database.h"
#include "storage/journal.h"

namespace tollgate::storage {

struct GatewayStanding {
  std::string name;
  std::string seat;                 // Which process took it last; empty: the store has no seats.
  std::int64_t groups = 0;          // That this process has committed.
  std::optional<WallTime> seen;     // When it said so last, by the store's clock.
  std::optional<WallTime> retired;  // Since when nobody serves under the name.
  bool alive = false;
  Money leased;   // By it and its earlier starts, and not known to be spent.
  Money expired;  // Of leases that it had; counts as spent until it is heard of again.
  // Requests that were let through and have not ended; nothing: its trail is damaged.
  std::optional<std::int64_t> open;
  std::int64_t records = 0;
  Bytes trail_bytes = 0;  // As they lie in the store, judged by the latest of them.
};

// By their names. `serving` is alive whatever the store says; empty: nobody.
FaultOr<std::vector<GatewayStanding>> list_gateways(Database& database, std::string_view serving);

struct Retirement {
  std::string gateway;
  std::int64_t closed = 0;  // Requests…
  Money booked;             // …and what they are booked at.
  Money unproven;           // Of its leases; counts as spent until their windows end.
  // Why nothing of it was done, in words as well.
  enum class Refused : std::uint8_t { kNo, kUnknown, kAlive };
  Refused refused = Refused::kNo;
  std::string because;
};
// Refused where there is no such gateway, or it is alive. Goes on where an earlier call was broken
// off. That the name is retired is on record (changes.h). A gateway that is silent is watched for a
// moment first, by `wait`: while the store was away nobody could say that he is there.
using Wait = std::function<void(Duration)>;
void sleep_for(Duration duration);
FaultOr<Retirement> retire_gateway(Database& database, const Author& author,
                                   std::string_view gateway, const Wait& wait = sleep_for);

// Since when nobody serves under the name; nothing: it is not retired.
FaultOr<std::optional<WallTime>> retired_since(Database& database, std::string_view gateway);
FaultOr<std::vector<std::string>> retired_gateways(Database& database);

// What the journal of a retired gateway held that the store lacked.
struct LateJournal {
  std::int64_t items = 0;   // Records and bookings.
  std::int64_t passed = 0;  // Of them, bookings of requests that are booked at their holds.
};
// Takes it into the store and marks the journal as read. Requests that the retirement closed stay
// booked at what they held; that they ended is in the trail.
FaultOr<LateJournal> take_in_journal(Database& database, const JournalOptions& options);

}  // namespace tollgate::storage
