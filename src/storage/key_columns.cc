#include "storage/key_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <utility>

#include "storage/key_room.h"
#include "storage/key_rows.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

using authentication::KeyRecord;
using authentication::KeyScopes;

std::optional<WallTime> time_or_none(const std::optional<std::int64_t>& microseconds) {
  if (!microseconds) return std::nullopt;
  return from_microseconds(*microseconds);
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

}  // namespace

std::optional<std::int64_t> microseconds_or_none(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return to_microseconds(*time);
}

FaultOr<KeyRecord> read_key_row(const Database& database, const Statement& row) {
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

FaultOr<std::vector<KeyRecord>> read_key_rows(const Database& database, Statement& query) {
  std::vector<KeyRecord> keys;
  while (true) {
    TRY(row, query.step());
    if (!row) return keys;
    TRY(key, read_key_row(database, query));
    keys.push_back(std::move(key));
  }
}

FaultOr<void> insert_key_row(Database& database, const KeyRecord& key, std::int64_t change) {
  TRY(statement,
      database.prepare(
          "INSERT INTO keys (id, digest, tenant, \"user\", roles, name, created_us, expires_us, "
          "revoked_us, changed, scopes, replaces, ended_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?)"));
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
      .bind(microseconds_or_none(end_of(key, key.created)))
      .run();
}

FaultOr<std::int64_t> count_key_change(Database& database) {
  TRY(changes, key_changes(database));
  TRY_DO(write_mark(database, "key_changes", std::to_string(changes + 1)));
  return changes + 1;
}

}  // namespace tollgate::storage
