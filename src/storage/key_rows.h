// Tenant API keys in the database: for commands, the admin API and the gateway's picture of them
// (stored_keys.h).
//
// Every change counts up one number in the transaction that makes it, and puts a record into the
// audit trail (changes.h) that says who made it; a key's row holds the number of its last one. What
// changes nothing does neither. No key is ever removed.
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

namespace tollgate::storage {

// The last change that a gateway has in force, among its marks.
inline constexpr std::string_view kKeysSeen = "keys_seen";

// A Fault where the id is there already.
FaultOr<void> create_key(Database& database, const Author& author,
                         const authentication::KeyRecord& key);
// All of them or, at a Fault, none; those whose id is there already stay as they are. Says how many
// are new. On record they are together, tenant by tenant.
FaultOr<std::size_t> import_keys(Database& database, const Author& author,
                                 std::span<const authentication::KeyRecord> keys);
// Oldest first; of one tenant, or of all where it is empty.
FaultOr<std::vector<authentication::KeyRecord>> list_keys(Database& database,
                                                          std::string_view tenant);
FaultOr<std::optional<authentication::KeyRecord>> show_key(Database& database, std::string_view id);
// False: no such key. Revoking a revoked key keeps the first moment.
FaultOr<bool> revoke_key(Database& database, const Author& author, std::string_view id,
                         WallTime now);
FaultOr<bool> expire_key(Database& database, const Author& author, std::string_view id,
                         std::optional<WallTime> expires);
// `fresh` takes the place of the key `id`: it gets tenant, user, roles, name, scopes and expiry of
// it, the two name each other, and the old one works until `grace_end`, whatever becomes of the
// new one. Each is on record.
enum class Rotation : std::uint8_t { kDone, kNoSuchKey, kRevoked, kExpired, kRotatedBefore };
FaultOr<Rotation> rotate_key(Database& database, const Author& author, std::string_view id,
                             const authentication::KeyRecord& fresh, WallTime grace_end);

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
