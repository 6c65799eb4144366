#include "storage/key_import.h"

#include <map>
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
  std::int64_t room = 0;  // For how many more in force.
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
  const auto [place, is_new] = shares.of_tenant.try_emplace(tenant);
  if (is_new) {
    const std::int64_t most = terms.of_tenant ? terms.of_tenant(tenant) : kKeysMax;
    TRY(count, keys_in_force(database, tenant, terms.now, most));
    place->second.room = most - count;
  }
  return &place->second;
}

// Takes the room of one more key, where it needs any.
FaultOr<Imported::Refused> take_room(Database& database, const KeyRecord& key,
                                     const ImportTerms& terms, Shares& shares) {
  using enum Imported::Refused;
  TRY(share, share_of(database, shares, key.tenant, terms));
  if (!is_in_force(key, terms.now)) return kNo;
  if (share->room-- <= 0) return kTenantIsFull;
  return shares.room-- <= 0 ? kStoreIsFull : kNo;
}

FaultOr<Imported::Refused> take(Database& database, const KeyRecord& key, std::int64_t number,
                                const ImportTerms& terms, Shares& shares) {
  using enum Imported::Refused;
  TRY(share, share_of(database, shares, key.tenant, terms));
  TRY(there, show_key(database, key.id));
  if (there) {
    if (terms.known == KnownKeys::kRefuseBatch) return kKnown;
    if (there->tenant != key.tenant) return kOfAnother;
    ++share->known_before;
    return kNo;
  }
  if (terms.known == KnownKeys::kLeaveThem) {
    TRY(refused, take_room(database, key, terms, shares));
    if (refused != kNo) return refused;
  }
  TRY_DO(insert_key_row(database, key, number));
  share->made.push_back(&key);
  return kNo;
}

}  // namespace

FaultOr<Imported> import_keys(Database& database, const Author& author,
                              std::span<const KeyRecord> keys, const ImportTerms& terms) {
  CHECK(keys.size() <= kKeysOfBatchMax);
  Imported done;
  TRY(count, keys_in_force(database, {}, terms.now, terms.in_all));
  TRY(transaction, Transaction::begin(database));
  TRY(number, count_key_change(database));
  Shares shares{{}, terms.in_all - count};
  // Where all must be new, all need room, and whether it is there tells nothing of which are known.
  for (; terms.known == KnownKeys::kRefuseBatch && done.at < keys.size(); ++done.at) {
    TRY(refused, take_room(database, keys[done.at], terms, shares));
    done.refused = refused;
    if (refused != Imported::Refused::kNo) return done;
  }
  for (done.at = 0; done.at < keys.size(); ++done.at) {
    TRY(refused, take(database, keys[done.at], number, terms, shares));
    done.refused = refused;
    if (refused != Imported::Refused::kNo) return done;
  }
  done.at = 0;
  for (const auto& [tenant, share] : shares.of_tenant) {
    if (share.made.empty()) continue;
    done.made += share.made.size();
    const std::string after = share_form(share);
    TRY_DO(record_change(database, author, {"key.import", {}, tenant, {}, after}));
  }
  if (done.made > 0) TRY_DO(transaction.commit());
  return done;
}

}  // namespace tollgate::storage
