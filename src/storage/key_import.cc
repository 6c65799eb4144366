#include "storage/key_import.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json_writer.h"
#include "storage/key_columns.h"
#include "storage/key_list.h"
#include "storage/try.h"

namespace tollgate::storage {

using authentication::KeyRecord;

namespace {

// What an import did for one tenant.
struct Share {
  std::vector<const KeyRecord*> made;
  std::int64_t known_before = 0;
  std::int64_t room = 0;               // For how many more in force.
  std::optional<RoomVerdict> verdict;  // On the first of them.
};
struct Shares {
  std::map<std::string_view, Share> of_tenant;
  std::int64_t room = 0;  // Of the store.
};

std::string share_form(const Share& share) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("imported", static_cast<std::int64_t>(share.made.size()));
  json.member("known_before", share.known_before);
  json.key("ids");
  json.begin_array();
  for (const KeyRecord* key : share.made) json.value(std::string_view(key->id));
  json.end_array();
  json.end_object();
  return out;
}

FaultOr<Share*> share_of(Database& database, Shares& shares, std::string_view tenant,
                         const ImportTerms& terms) {
  Share& share = shares.of_tenant[tenant];
  if (!share.verdict) {
    const KeyRoom room{terms.of_tenant ? terms.of_tenant(tenant) : kKeysMax, terms.in_all};
    TRY(found, find_room(database, tenant, room, terms.now));
    TRY(counts, key_counts(database, tenant));
    share.verdict = found;
    share.room = room.of_tenant - counts.in_force;
  }
  return &share;
}

Imported::Refused refusal_of(RoomVerdict room) {
  switch (room) {
    case RoomVerdict::kThereIs:
      break;
    case RoomVerdict::kTenantIsFull:
      return Imported::Refused::kTenantIsFull;
    case RoomVerdict::kStoreIsFull:
      return Imported::Refused::kStoreIsFull;
    case RoomVerdict::kTooManyEnded:
      return Imported::Refused::kTooManyEnded;
  }
  return Imported::Refused::kNo;
}

// Takes the room of one more key.
FaultOr<Imported::Refused> take_room(Database& database, const KeyRecord& key,
                                     const ImportTerms& terms, Shares& shares) {
  using enum Imported::Refused;
  if (!is_in_force(key, terms.now)) return kHasEnded;
  TRY(share, share_of(database, shares, key.tenant, terms));
  if (share->verdict != RoomVerdict::kThereIs) return refusal_of(*share->verdict);
  if (share->room-- <= 0) return kTenantIsFull;
  return shares.room-- <= 0 ? kStoreIsFull : kNo;
}

FaultOr<void> make(Database& database, const KeyRecord& key, std::int64_t number, Share& share) {
  TRY_DO(insert_key_row(database, key, number));
  share.made.push_back(&key);
  return {};
}

// Of what its tenant has already nothing is looked at but that.
FaultOr<Imported::Refused> take(Database& database, const KeyRecord& key, std::int64_t number,
                                const ImportTerms& terms, Shares& shares) {
  using enum Imported::Refused;
  TRY(there, show_key(database, key.id));
  if (there) {
    if (there->tenant != key.tenant) return kOfAnother;
    ++shares.of_tenant[key.tenant].known_before;
    return kNo;
  }
  TRY(refused, take_room(database, key, terms, shares));
  if (refused != kNo) return refused;
  TRY_DO(make(database, key, number, shares.of_tenant[key.tenant]));
  return kNo;
}

FaultOr<Imported> take_unknown(Database& database, std::span<const KeyRecord> keys,
                               const ImportTerms& terms, Shares& shares) {
  TRY(number, count_key_change(database));
  Imported done;
  for (; done.at < keys.size(); ++done.at) {
    TRY(refused, take(database, keys[done.at], number, terms, shares));
    done.refused = refused;
    if (refused != Imported::Refused::kNo) return done;
  }
  return done;
}

// Every one is looked up in the same way, whatever was found of those before it: how long the
// answer takes tells nothing of where in the batch a known one is.
FaultOr<bool> holds_known(Database& database, std::span<const KeyRecord> keys) {
  std::set<std::string_view> ids;
  std::int64_t known = 0;
  TRY(look, database.prepare("SELECT count(*) FROM keys WHERE id = ?"));
  for (const KeyRecord& key : keys) {
    TRY(there, look.bind(key.id).step());
    known += there ? look.integer(0) : 0;
    look.reset();
    known += ids.insert(key.id).second ? 0 : 1;
  }
  return known > 0;
}

// Who tried is on record, tenant by tenant: it is how one would find out which digests are in use.
FaultOr<void> record_refused(Database& database, const Author& author,
                             std::span<const KeyRecord> keys) {
  std::map<std::string_view, std::int64_t> asked;
  for (const KeyRecord& key : keys) ++asked[key.tenant];
  for (const auto& [tenant, count] : asked) {
    const std::string after = fmt::format(R"({{"refused":"known_keys","asked":{}}})", count);
    TRY_DO(record_change(database, author, {"key.import_refused", {}, tenant, {}, after}));
  }
  return {};
}

// Where all must be new, all need room, and whether it is there tells nothing of which are known.
FaultOr<Imported> take_new(Database& database, const Author& author,
                           std::span<const KeyRecord> keys, const ImportTerms& terms,
                           Shares& shares) {
  Imported done;
  for (; done.at < keys.size(); ++done.at) {
    TRY(refused, take_room(database, keys[done.at], terms, shares));
    done.refused = refused;
    if (refused != Imported::Refused::kNo) return done;
  }
  done.at = 0;
  TRY(known, holds_known(database, keys));
  if (known) {
    done.refused = Imported::Refused::kKnown;
    TRY_DO(record_refused(database, author, keys));
    return done;
  }
  TRY(number, count_key_change(database));
  for (const KeyRecord& key : keys) {
    TRY_DO(make(database, key, number, shares.of_tenant[key.tenant]));
  }
  return done;
}

FaultOr<std::size_t> record_made(Database& database, const Author& author, const Shares& shares) {
  std::size_t made = 0;
  for (const auto& [tenant, share] : shares.of_tenant) {
    if (share.made.empty()) continue;
    made += share.made.size();
    TRY_DO(add_to_counts(database, tenant,
                         {.in_force = static_cast<std::int64_t>(share.made.size())}));
    const std::string after = share_form(share);
    TRY_DO(record_change(database, author, {"key.import", {}, tenant, {}, after}));
  }
  return made;
}

}  // namespace

FaultOr<Imported> import_keys(Database& database, const Author& author,
                              std::span<const KeyRecord> keys, const ImportTerms& terms) {
  using enum Imported::Refused;
  CHECK(keys.size() <= kKeysOfBatchMax);
  TRY_DO(note_ended_keys(database, terms.now));
  TRY(transaction, begin_change(database, author, terms.now));
  TRY(all, key_counts(database, {}));
  Shares shares{{}, terms.in_all - all.in_force};
  TRY(done, terms.known == KnownKeys::kRefuseBatch ? take_new(database, author, keys, terms, shares)
                                                   : take_unknown(database, keys, terms, shares));
  if (done.refused == kKnown) TRY_DO(transaction.commit());
  if (done.refused != kNo) return done;
  TRY(made, record_made(database, author, shares));
  if (made > 0) TRY_DO(transaction.commit());
  return Imported{.made = made};
}

}  // namespace tollgate::storage
