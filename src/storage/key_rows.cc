#include "storage/key_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "storage/gateway_name.h"
#include "storage/gateway_seat.h"
#include "storage/key_columns.h"
#include "storage/key_form.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;

FaultOr<std::int64_t> read_number(Database& database, std::string_view name,
                                  std::int64_t otherwise) {
  TRY(mark, read_mark(database, name));
  std::int64_t number = otherwise;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), number);
  return number;
}

// Replaces what may change of a key that is there, and counts it as what it is then.
FaultOr<void> update(Database& database, const KeyRecord& key, std::int64_t change, WallTime now) {
  TRY_DO(count_key(database, key, Counting::kOff));
  {
    TRY(statement,
        database.prepare("UPDATE keys SET expires_us = ?, revoked_us = ?, replaced_by = ?, "
                         "changed = ?, ended_us = ? WHERE id = ?"));
    TRY_DO(statement.bind(microseconds_or_none(key.expires))
               .bind(microseconds_or_none(key.revoked))
               .bind(key.replaced_by)
               .bind(change)
               .bind(microseconds_or_none(end_of(key, now)))
               .bind(key.id)
               .run());
  }
  return count_key(database, key, Counting::kOn);
}

// `before` is null where there was no such key.
FaultOr<void> record(Database& database, const Author& author, std::string_view action,
                     const KeyRecord* before, const KeyRecord& after) {
  const std::string was = before == nullptr ? std::string() : key_form(*before);
  const std::string is = key_form(after);
  return record_change(database, author, {action, after.id, after.tenant, was, is});
}

// In the open transaction; a Fault where the id is not free.
FaultOr<void> insert(Database& database, const KeyRecord& key, std::int64_t number) {
  TRY(there, show_key(database, key.id));
  if (there) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: a key with the id {} is there already.", database.name(), key.id));
  }
  TRY_DO(insert_key_row(database, key, number));
  return count_key(database, key, Counting::kOn);
}

// In the open transaction, as a change of its own.
FaultOr<void> change(Database& database, const Author& author, std::string_view action,
                     const KeyRecord& before, const KeyRecord& after, WallTime now) {
  TRY(number, count_key_change(database));
  TRY_DO(update(database, after, number, now));
  return record(database, author, action, &before, after);
}

KeyVerdict verdict_of(RoomVerdict room) {
  switch (room) {
    case RoomVerdict::kThereIs:
      break;
    case RoomVerdict::kTenantIsFull:
      return KeyVerdict::kTenantIsFull;
    case RoomVerdict::kStoreIsFull:
      return KeyVerdict::kStoreIsFull;
    case RoomVerdict::kTooManyEnded:
      return KeyVerdict::kTooManyEnded;
  }
  return KeyVerdict::kDone;
}

bool is_later(const std::optional<WallTime>& end, const std::optional<WallTime>& than) {
  return than && (!end || *end > *than);
}

}  // namespace

FaultOr<KeyVerdict> create_key(Database& database, const Author& author, const KeyRecord& key,
                               const KeyRoom& room) {
  TRY_DO(note_ended_keys(database, key.created));
  TRY(transaction, begin_change(database, author, key.created));
  TRY(found, find_room(database, key.tenant, room, key.created));
  if (found != RoomVerdict::kThereIs) return verdict_of(found);
  TRY(number, count_key_change(database));
  TRY_DO(insert(database, key, number));
  TRY_DO(record(database, author, "key.create", nullptr, key));
  TRY_DO(transaction.commit());
  return KeyVerdict::kDone;
}

FaultOr<bool> revoke_key(Database& database, const Author& author, std::string_view id,
                         WallTime now) {
  TRY(transaction, begin_change(database, author, now));
  TRY(key, show_key(database, id));
  if (!key) return false;
  if (key->revoked) return true;
  const KeyRecord before = *key;
  key->revoked = now;
  TRY_DO(change(database, author, "key.revoke", before, *key, now));
  TRY_DO(transaction.commit());
  return true;
}

FaultOr<KeyVerdict> expire_key(Database& database, const Author& author, std::string_view id,
                               const NewEnd& end) {
  TRY_DO(note_ended_keys(database, end.now));
  TRY(transaction, begin_change(database, author, end.now));
  TRY(key, show_key(database, id));
  if (!key) return KeyVerdict::kNoSuchKey;
  if (key->expires == end.expires) return KeyVerdict::kDone;
  const KeyRecord before = *key;
  key->expires = end.expires;
  if (is_later(key->expires, before.expires)) {
    if (!key->replaced_by.empty()) return KeyVerdict::kRotatedBefore;
    if (end.later == LaterEnd::kRefused) return KeyVerdict::kEndsEarlier;
  }
  if (is_in_force(*key, end.now) && !is_in_force(before, end.now)) {
    TRY(found, find_room(database, key->tenant, end.room, end.now));
    if (found != RoomVerdict::kThereIs) return verdict_of(found);
  }
  TRY_DO(change(database, author, "key.expire", before, *key, end.now));
  TRY_DO(transaction.commit());
  return KeyVerdict::kDone;
}

FaultOr<KeyVerdict> rotate_key(Database& database, const Author& author, std::string_view id,
                               const Rotation& rotation) {
  const KeyRecord& fresh = rotation.fresh;
  const WallTime now = fresh.created;
  TRY_DO(note_ended_keys(database, now));
  TRY(transaction, begin_change(database, author, now));
  TRY(old, show_key(database, id));
  if (!old) return KeyVerdict::kNoSuchKey;
  if (old->revoked) return KeyVerdict::kRevoked;
  if (!old->replaced_by.empty()) return KeyVerdict::kRotatedBefore;
  if (old->expires && *old->expires <= now) return KeyVerdict::kExpired;
  TRY(found, find_room(database, old->tenant, rotation.room, now));
  if (found != RoomVerdict::kThereIs) return verdict_of(found);
  const KeyRecord before = *old;
  KeyRecord made = *old;
  made.id = fresh.id;
  made.digest = fresh.digest;
  made.created = now;
  made.replaces = old->id;
  old->replaced_by = made.id;
  if (is_later(old->expires, rotation.grace_end)) old->expires = rotation.grace_end;
  TRY(number, count_key_change(database));
  TRY_DO(update(database, *old, number, now));
  TRY_DO(insert(database, made, number));
  TRY_DO(record(database, author, "key.rotate", &before, *old));
  TRY_DO(record(database, author, "key.rotate", nullptr, made));
  TRY_DO(transaction.commit());
  return KeyVerdict::kDone;
}

FaultOr<void> write_uses(Database& database, std::span<const KeyUse> uses) {
  TRY(transaction, Transaction::begin(database));
  {
    TRY(statement, database.prepare("UPDATE keys SET used_us = ? WHERE id = ? AND "
                                    "COALESCE(used_us, 0) < ?"));
    for (const KeyUse& use : uses) {
      const std::int64_t at_us = to_microseconds(use.at);
      TRY_DO(statement.bind(at_us).bind(use.id).bind(at_us).run());
    }
  }
  return transaction.commit();
}

FaultOr<std::vector<ChangedKey>> changed_keys(Database& database, std::int64_t seen,
                                              std::string_view after, std::int64_t most) {
  TRY(query, database.prepare(std::string(kKeyColumns) +
                              "WHERE (changed, id) > (?, ?) ORDER BY changed, id LIMIT ?"));
  query.bind(seen).bind(after).bind(most);
  std::vector<ChangedKey> found;
  while (true) {
    TRY(row, query.step());
    if (!row) return found;
    TRY(key, read_key_row(database, query));
    found.push_back({std::move(key), query.integer(kKeyChangedColumn)});
  }
}

FaultOr<std::int64_t> key_changes(Database& database) {
  return read_number(database, "key_changes", 0);
}

FaultOr<std::int64_t> key_changes_in_force(Database& database) {
  TRY(gateways, gateways_alive(database));
  if (gateways.empty()) return read_number(database, kKeysSeen, -1);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const std::string& gateway : gateways) {
    TRY(seen, read_number(database, mark_of(gateway, kKeysSeen), -1));
    least = std::min(least, seen);
  }
  return least;
}

FaultOr<void> check_pepper(Database& database, const authentication::Pepper& pepper) {
  constexpr std::string_view kPepperMark = "pepper_check";
  std::string shown;
  for (const std::uint8_t byte : pepper.digest("tollgate")) {
    fmt::format_to(std::back_inserter(shown), "{:02x}", byte);
  }
  TRY(transaction, Transaction::begin(database));
  TRY(mark, read_mark(database, kPepperMark));
  if (!mark) {
    TRY_DO(write_mark(database, kPepperMark, shown));
    return transaction.commit();
  }
  if (*mark == shown) return {};
  return fault(
      FaultKind::kRefusedByPeer,
      fmt::format("{}: the keys were made with another pepper than this one, so none would "
                  "be accepted. authentication.api_keys.pepper_file must be the file that "
                  "they were made with, the same for every gateway.",
                  database.name()));
}

}  // namespace tollgate::storage
