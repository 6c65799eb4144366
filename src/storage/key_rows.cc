#include "storage/key_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "base/json_writer.h"
#include "controls/audit/audit.h"
#include "storage/gateway_name.h"
#include "storage/gateway_seat.h"
#include "storage/key_form.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;
using authentication::KeyScopes;

constexpr std::string_view kColumns =
    "SELECT id, digest, tenant, \"user\", roles, name, created_us, expires_us, revoked_us, scopes, "
    "replaces, replaced_by, used_us, changed FROM keys ";
constexpr int kChangedColumn = 13;

// So many keys of an import are on record by their ids; of more, the hash of them.
constexpr std::int64_t kImportedNamedMost = 1000;

std::optional<WallTime> time_or_none(const std::optional<std::int64_t>& microseconds) {
  if (!microseconds) return std::nullopt;
  return from_microseconds(*microseconds);
}

std::optional<std::int64_t> microseconds_or_none(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return to_microseconds(*time);
}

boost::json::array listed(const std::vector<std::string>& texts) {
  boost::json::array made;
  for (const std::string& text : texts) made.emplace_back(text);
  return made;
}

std::string roles_text(const std::vector<std::string>& roles) {
  return boost::json::serialize(listed(roles));
}

std::string scopes_text(const KeyScopes& scopes) {
  if (scopes == KeyScopes()) return {};
  std::vector<std::string> addresses;
  for (const AddressRange& range : scopes.addresses) {
    addresses.push_back(format_address_range(range));
  }
  boost::json::object made;
  made["routes"] = listed(scopes.routes);
  made["models"] = listed(scopes.models);
  made["tools"] = listed(scopes.tools);
  made["addresses"] = listed(addresses);
  return boost::json::serialize(made);
}

bool read_texts(const boost::json::value& from, std::vector<std::string>& texts) {
  if (!from.is_array()) return false;
  for (const boost::json::value& text : from.get_array()) {
    if (!text.is_string()) return false;
    texts.emplace_back(text.get_string());
  }
  return true;
}

// A scope that is not understood would narrow nothing: then the whole key is damaged.
bool read_scopes(std::string_view text, KeyScopes& scopes) {
  if (text.empty()) return true;
  boost::system::error_code error;
  const boost::json::value read = boost::json::parse(text, error);
  if (error || !read.is_object()) return false;
  std::vector<std::string> addresses;
  const std::pair<std::string_view, std::vector<std::string>*> lists[] = {
      {"routes", &scopes.routes},
      {"models", &scopes.models},
      {"tools", &scopes.tools},
      {"addresses", &addresses}};
  if (read.get_object().size() != std::size(lists)) return false;
  for (const auto& [name, list] : lists) {
    const boost::json::value* found = read.get_object().if_contains(name);
    if (found == nullptr || !read_texts(*found, *list)) return false;
  }
  for (const std::string& address : addresses) {
    const std::optional<AddressRange> range = read_address_range(address);
    if (!range) return false;
    scopes.addresses.push_back(*range);
  }
  return true;
}

FaultOr<KeyRecord> read_row(const Database& database, const Statement& row) {
  KeyRecord key;
  key.id = row.text(0);
  const std::unexpected<Fault> damaged = fault(
      FaultKind::kCorrupt, fmt::format("{}: the key {} is damaged. Revoke it and make a new one.",
                                       database.name(), key.id));
  const std::span<const std::uint8_t> digest = row.blob(1);
  if (digest.size() != key.digest.size()) return damaged;
  std::copy(digest.begin(), digest.end(), key.digest.begin());
  key.tenant = row.text(2);
  key.user = row.text(3);
  boost::system::error_code error;
  const boost::json::value roles = boost::json::parse(row.text(4), error);
  if (error || !read_texts(roles, key.roles)) return damaged;
  key.name = row.text(5);
  key.created = from_microseconds(row.integer(6));
  key.expires = time_or_none(row.integer_or_null(7));
  key.revoked = time_or_none(row.integer_or_null(8));
  if (!read_scopes(row.text(9), key.scopes)) return damaged;
  key.replaces = row.text(10);
  key.replaced_by = row.text(11);
  key.last_used = time_or_none(row.integer_or_null(12));
  return key;
}

FaultOr<std::vector<KeyRecord>> read_rows(const Database& database, Statement& query) {
  std::vector<KeyRecord> keys;
  while (true) {
    TRY(row, query.step());
    if (!row) return keys;
    TRY(key, read_row(database, query));
    keys.push_back(std::move(key));
  }
}

FaultOr<std::int64_t> read_number(Database& database, std::string_view name,
                                  std::int64_t otherwise) {
  TRY(mark, read_mark(database, name));
  std::int64_t number = otherwise;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), number);
  return number;
}

// The number of the change that the open transaction makes.
FaultOr<std::int64_t> count_change(Database& database) {
  TRY(changes, key_changes(database));
  TRY_DO(write_mark(database, "key_changes", std::to_string(changes + 1)));
  return changes + 1;
}

FaultOr<void> insert(Database& database, const KeyRecord& key, std::int64_t change) {
  TRY(there, show_key(database, key.id));
  if (there) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: a key with the id {} is there already.", database.name(), key.id));
  }
  TRY(statement,
      database.prepare(
          "INSERT INTO keys (id, digest, tenant, \"user\", roles, name, created_us, expires_us, "
          "revoked_us, changed, scopes, replaces) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::string roles = roles_text(key.roles);
  const std::string scopes = scopes_text(key.scopes);
  return statement.bind(key.id)
      .bind_blob(key.digest)
      .bind(key.tenant)
      .bind(key.user)
      .bind(roles)
      .bind(key.name)
      .bind(to_microseconds(key.created))
      .bind(microseconds_or_none(key.expires))
      .bind(microseconds_or_none(key.revoked))
      .bind(change)
      .bind(scopes)
      .bind(key.replaces)
      .run();
}

// Replaces what may change of a key that is there.
FaultOr<void> update(Database& database, const KeyRecord& key, std::int64_t change) {
  TRY(statement,
      database.prepare("UPDATE keys SET expires_us = ?, revoked_us = ?, replaced_by = ?, "
                       "changed = ? WHERE id = ?"));
  return statement.bind(microseconds_or_none(key.expires))
      .bind(microseconds_or_none(key.revoked))
      .bind(key.replaced_by)
      .bind(change)
      .bind(key.id)
      .run();
}

// `before` is null where there was no such key.
FaultOr<void> record(Database& database, const Author& author, std::string_view action,
                     const KeyRecord* before, const KeyRecord& after) {
  const std::string was = before == nullptr ? std::string() : key_form(*before);
  const std::string is = key_form(after);
  return record_change(database, author, {action, after.id, after.tenant, was, is});
}

// Changes the key `id` by `act(key)`, which may leave its end as it is. False: no such key.
template <class Act>
FaultOr<bool> change_key(Database& database, const Author& author, std::string_view action,
                         std::string_view id, Act&& act) {
  TRY(transaction, Transaction::begin(database));
  TRY(key, show_key(database, id));
  if (!key) return false;
  const KeyRecord before = *key;
  act(*key);
  if (key->expires == before.expires && key->revoked == before.revoked) return true;
  TRY(number, count_change(database));
  TRY_DO(update(database, *key, number));
  TRY_DO(record(database, author, action, &before, *key));
  TRY_DO(transaction.commit());
  return true;
}

// What an import did for one tenant.
struct Batch {
  std::vector<const KeyRecord*> made;
  std::int64_t known_before = 0;
};

std::string batch_form(const Batch& batch) {
  std::string ids;
  JsonWriter list(ids);
  list.begin_array();
  for (const KeyRecord* key : batch.made) list.value(std::string_view(key->id));
  list.end_array();
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("imported", static_cast<std::int64_t>(batch.made.size()));
  json.member("known_before", batch.known_before);
  json.key("ids");
  json.raw(std::cmp_greater(batch.made.size(), kImportedNamedMost) ? audit::told_by_hash(ids)
                                                                   : ids);
  json.end_object();
  return out;
}

}  // namespace

FaultOr<void> create_key(Database& database, const Author& author, const KeyRecord& key) {
  TRY(transaction, Transaction::begin(database));
  TRY(number, count_change(database));
  TRY_DO(insert(database, key, number));
  TRY_DO(record(database, author, "key.create", nullptr, key));
  return transaction.commit();
}

FaultOr<std::size_t> import_keys(Database& database, const Author& author,
                                 std::span<const KeyRecord> keys) {
  TRY(transaction, Transaction::begin(database));
  TRY(number, count_change(database));
  std::map<std::string_view, Batch> batches;
  std::size_t made = 0;
  for (const KeyRecord& key : keys) {
    Batch& batch = batches[key.tenant];
    TRY(there, show_key(database, key.id));
    if (there) {
      ++batch.known_before;
      continue;
    }
    TRY_DO(insert(database, key, number));
    batch.made.push_back(&key);
    ++made;
  }
  if (made == 0) return made;
  for (const auto& [tenant, batch] : batches) {
    if (batch.made.empty()) continue;
    const std::string after = batch_form(batch);
    TRY_DO(record_change(database, author, {"key.import", {}, tenant, {}, after}));
  }
  TRY_DO(transaction.commit());
  return made;
}

FaultOr<std::vector<KeyRecord>> list_keys(Database& database, std::string_view tenant) {
  TRY(query, database.prepare(std::string(kColumns) +
                              "WHERE ? = '' OR tenant = ? ORDER BY created_us, id"));
  return read_rows(database, query.bind(tenant).bind(tenant));
}

FaultOr<std::optional<KeyRecord>> show_key(Database& database, std::string_view id) {
  TRY(query, database.prepare(std::string(kColumns) + "WHERE id = ?"));
  TRY(rows, read_rows(database, query.bind(id)));
  if (rows.empty()) return std::optional<KeyRecord>();
  return std::move(rows.front());
}

FaultOr<bool> revoke_key(Database& database, const Author& author, std::string_view id,
                         WallTime now) {
  return change_key(database, author, "key.revoke", id, [&](KeyRecord& key) {
    if (!key.revoked) key.revoked = now;
  });
}

FaultOr<bool> expire_key(Database& database, const Author& author, std::string_view id,
                         std::optional<WallTime> expires) {
  return change_key(database, author, "key.expire", id,
                    [&](KeyRecord& key) { key.expires = expires; });
}

FaultOr<Rotation> rotate_key(Database& database, const Author& author, std::string_view id,
                             const KeyRecord& fresh, WallTime grace_end) {
  TRY(transaction, Transaction::begin(database));
  TRY(old, show_key(database, id));
  if (!old) return Rotation::kNoSuchKey;
  if (old->revoked) return Rotation::kRevoked;
  if (!old->replaced_by.empty()) return Rotation::kRotatedBefore;
  if (old->expires && *old->expires <= fresh.created) return Rotation::kExpired;
  const KeyRecord before = *old;
  KeyRecord made = *old;
  made.id = fresh.id;
  made.digest = fresh.digest;
  made.created = fresh.created;
  made.replaces = old->id;
  old->replaced_by = made.id;
  if (!old->expires || *old->expires > grace_end) old->expires = grace_end;
  TRY(number, count_change(database));
  TRY_DO(update(database, *old, number));
  TRY_DO(insert(database, made, number));
  TRY_DO(record(database, author, "key.rotate", &before, *old));
  TRY_DO(record(database, author, "key.rotate", nullptr, made));
  TRY_DO(transaction.commit());
  return Rotation::kDone;
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
  TRY(query, database.prepare(std::string(kColumns) +
                              "WHERE (changed, id) > (?, ?) ORDER BY changed, id LIMIT ?"));
  query.bind(seen).bind(after).bind(most);
  std::vector<ChangedKey> found;
  while (true) {
    TRY(row, query.step());
    if (!row) return found;
    TRY(key, read_row(database, query));
    found.push_back({std::move(key), query.integer(kChangedColumn)});
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
