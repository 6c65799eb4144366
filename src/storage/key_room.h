// How many keys there are, and whether there is room for more: bounds against whoever makes them
// without end.
//
// What is in force counts against its tenant (`keys_max`) and against the store. What has ended
// stays for kEndedKept, so that it is listed, and its digest is not imported again. Where a tenant
// has more of those than it may have in force (and than kEndedKeysLeast), the ones that ended first
// leave earlier, but none within kEndedKeptLeast; who has ended so many within that time makes no
// more for now. So what is stored is bounded, and nobody is kept from ending a key.
//
// Keys are counted where they change, in the same transaction, so that to ask costs one look,
// whoever has changed them and whatever has crashed. That one expires changes nothing by itself:
// gateways note it, a few at a time, as does whoever makes a key.
//
// Blocking I/O on a connection of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fault.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "storage/database.h"

namespace tollgate::storage {

inline constexpr std::int64_t kKeysMax = 1'000'000;
inline constexpr std::int64_t kEndedKeysLeast = 1000;
inline constexpr Duration kEndedKept = std::chrono::hours(24 * 400);
inline constexpr Duration kEndedKeptLeast = std::chrono::hours(1);
// So many of those that have ended are noted, or leave, in one transaction.
inline constexpr std::int64_t kEndedAtOnce = 1000;

struct KeyRoom {
  std::int64_t of_tenant = kKeysMax;
  std::int64_t in_all = kKeysMax;
};

struct KeyCounts {
  std::int64_t in_force = 0;
  std::int64_t ended = 0;
};

enum class RoomVerdict : std::uint8_t {
  kThereIs,
  kTenantIsFull,
  kStoreIsFull,
  kTooManyEnded,  // Within kEndedKeptLeast, of the tenant or in all.
};

// Whether a key is neither revoked nor at its end.
bool is_in_force(const authentication::KeyRecord& key, WallTime now);
// When it ended; nothing: it is in force.
std::optional<WallTime> end_of(const authentication::KeyRecord& key, WallTime now);

// As far as ends are noted. Of all keys where `tenant` is empty.
FaultOr<KeyCounts> key_counts(Database& database, std::string_view tenant);

// Notes which keys have ended: `steps` transactions of kEndedAtOnce at most, and a pause between
// two of them.
inline constexpr int kStepsOfAChange = 4;
FaultOr<void> note_ended_keys(Database& database, WallTime now, int steps = kStepsOfAChange);
// What no longer has to be there leaves: one step, in a transaction of its own. True: there may be
// more.
FaultOr<bool> remove_ended_keys(Database& database, WallTime now);

// ---- In the transaction of a change ---------------------------------------------------------

// Whether one more may be in force. What ended first may leave for it.
FaultOr<RoomVerdict> find_room(Database& database, std::string_view tenant, const KeyRoom& room,
                               WallTime now);

// So many more of a tenant, and in all.
FaultOr<void> add_to_counts(Database& database, std::string_view tenant, const KeyCounts& more);

// A row that is about to change is taken off the counts, and put on again as it is then.
enum class Counting : std::uint8_t { kOff, kOn };
FaultOr<void> count_key(Database& database, const authentication::KeyRecord& key, Counting how);

}  // namespace tollgate::storage
