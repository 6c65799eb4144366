// Tenant API keys in the database: for commands, the admin API and the gateway's picture of them
// (stored_keys.h).
//
// Every change counts up one number in the transaction that makes it, and puts a record into the
// audit trail (changes.h) that says who made it; a key's row holds the number of its last one. What
// changes nothing does neither. One that has ended leaves long after (key_room.h), which is
// nobody's change. Whoever is let in no longer when his change is about to be made, makes none
// (begin_change()).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "controls/authentication/authentication.h"
#include "storage/changes.h"
#include "storage/database.h"
#include "storage/key_import.h"
#include "storage/key_list.h"
#include "storage/key_room.h"

namespace tollgate::storage {

// The last change that a gateway has in force, among its marks.
inline constexpr std::string_view kKeysSeen = "keys_seen";

// What became of a change.
enum class KeyVerdict : std::uint8_t {
  kDone,
  kNoSuchKey,
  kRevoked,
  kExpired,
  kRotatedBefore,  // A key is rotated once, and has no later end afterwards.
  kEndsEarlier,    // It has an end before that which was asked for, and keeps it.
  kTenantIsFull,   // As many are in force as may be…
  kStoreIsFull,    // …in all.
  kTooManyEnded,   // Just now; see key_room.h.
};

// A Fault where the id is there already.
FaultOr<KeyVerdict> create_key(Database& database, const Author& author,
                               const authentication::KeyRecord& key, const KeyRoom& room = {});
// False: no such key. Revoking a revoked key keeps the first moment.
FaultOr<bool> revoke_key(Database& database, const Author& author, std::string_view id,
                         WallTime now);

// Whether a key may get a later end than it has. One that was rotated never does: what took its
// place is all that is left of it.
enum class LaterEnd : std::uint8_t { kAllowed, kRefused };
struct NewEnd {
  std::optional<WallTime> expires;  // Nothing: never.
  WallTime now{};
  LaterEnd later = LaterEnd::kAllowed;
  KeyRoom room;  // Of one that is in force again.
};
FaultOr<KeyVerdict> expire_key(Database& database, const Author& author, std::string_view id,
                               const NewEnd& end);

// `fresh` takes the place of the key `id`: it gets tenant, user, roles, name, scopes and expiry of
// it, the two name each other, and the old one works until `grace_end`, whatever becomes of the
// new one. Each is on record.
struct Rotation {
  authentication::KeyRecord fresh;  // Created now.
  WallTime grace_end{};
  KeyRoom room;
};
FaultOr<KeyVerdict> rotate_key(Database& database, const Author& author, std::string_view id,
                               const Rotation& rotation);

struct KeyUse {
  std::string id;
  WallTime at;
};
// Keeps the latest moment of each; no change that gateways read.
FaultOr<void> write_uses(Database& database, std::span<const KeyUse> uses);

// What changed behind the id `after` of the change `seen`, in the order of both, at most `most`
// keys. `change` of each is the number of its last.
struct ChangedKey {
  authentication::KeyRecord key;
  std::int64_t change = 0;
};
FaultOr<std::vector<ChangedKey>> changed_keys(Database& database, std::int64_t seen,
                                              std::string_view after, std::int64_t most);

// The number of the last change.
FaultOr<std::int64_t> key_changes(Database& database);
// The last change that every gateway has in force which serves from this database, as far as they
// have said; -1 where none ever did.
FaultOr<std::int64_t> key_changes_in_force(Database& database);

// Whether the keys were made with this pepper, as far as the database knows; it takes the first one
// that it is shown for true.
FaultOr<void> check_pepper(Database& database, const authentication::Pepper& pepper);

}  // namespace tollgate::storage
