#include "storage/admin_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/json_writer.h"
#include "base/rfc3339.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

using administration::TokenRecord;

constexpr std::string_view kColumns =
    "SELECT id, digest, name, role, tenants, created_us, created_by, expires_us, revoked_us, "
    "used_us FROM admin_tokens ";

std::optional<WallTime> time_or_none(const std::optional<std::int64_t>& microseconds) {
  if (!microseconds) return std::nullopt;
  return from_microseconds(*microseconds);
}

std::optional<std::int64_t> microseconds_or_none(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return to_microseconds(*time);
}

std::string tenants_text(const std::vector<std::string>& tenants) {
  boost::json::array made;
  for (const std::string& tenant : tenants) made.emplace_back(tenant);
  return boost::json::serialize(made);
}

// A list that is not understood would bind to nothing: then the whole token is damaged.
bool read_tenants(std::string_view text, std::vector<std::string>& tenants) {
  boost::system::error_code error;
  const boost::json::value read = boost::json::parse(text, error);
  if (error || !read.is_array()) return false;
  for (const boost::json::value& tenant : read.get_array()) {
    if (!tenant.is_string() || tenant.get_string().empty()) return false;
    tenants.emplace_back(tenant.get_string());
  }
  return true;
}

FaultOr<TokenRecord> read_row(const Database& database, const Statement& row) {
  TokenRecord token;
  token.id = row.text(0);
  const std::span<const std::uint8_t> digest = row.blob(1);
  const std::optional<administration::Role> role = administration::role_named(row.text(3));
  if (digest.size() != token.digest.size() || !role ||
      !read_tenants(row.text(4), token.grant.tenants)) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: the admin token {} is damaged: nobody is let in with it.",
                             database.name(), token.id));
  }
  std::ranges::copy(digest, token.digest.begin());
  token.name = row.text(2);
  token.grant.role = *role;
  token.created = from_microseconds(row.integer(5));
  token.created_by = row.text(6);
  token.grant.expires = time_or_none(row.integer_or_null(7));
  token.revoked = time_or_none(row.integer_or_null(8));
  token.last_used = time_or_none(row.integer_or_null(9));
  return token;
}

FaultOr<std::vector<TokenRecord>> read_rows(const Database& database, Statement& query) {
  std::vector<TokenRecord> tokens;
  while (true) {
    TRY(there, query.step());
    if (!there) return tokens;
    TRY(token, read_row(database, query));
    tokens.push_back(std::move(token));
  }
}

FaultOr<std::int64_t> count_in_force(Database& database, WallTime now) {
  TRY(query, database.prepare("SELECT count(*) FROM admin_tokens WHERE revoked_us IS NULL AND "
                              "(expires_us IS NULL OR expires_us > ?)"));
  TRY(there, query.bind(to_microseconds(now)).step());
  return there ? query.integer(0) : 0;
}

void write_time(JsonWriter& json, std::string_view name, const std::optional<WallTime>& time) {
  json.key(name);
  if (time) {
    json.value(std::string_view(rfc3339(*time)));
  } else {
    json.null();
  }
}

enum class LastUse : std::uint8_t { kTold, kNotTold };

// Into an object that is open.
void write_members(JsonWriter& json, const TokenRecord& token, std::string_view secret,
                   LastUse last_use) {
  json.member("id", std::string_view(token.id));
  if (!secret.empty()) json.member("secret", secret);
  json.member("name", std::string_view(token.name));
  json.member("role", administration::name_of(token.grant.role));
  json.key("tenants");
  json.begin_array();
  for (const std::string& tenant : token.grant.tenants) json.value(std::string_view(tenant));
  json.end_array();
  write_time(json, "created", token.created);
  json.member("created_by", std::string_view(token.created_by));
  write_time(json, "expires", token.grant.expires);
  write_time(json, "revoked", token.revoked);
  if (last_use == LastUse::kTold) write_time(json, "last_used", token.last_used);
}

std::string form_of(const TokenRecord& token, std::string_view secret, LastUse last_use) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_members(json, token, secret, last_use);
  json.end_object();
  return out;
}

FaultOr<void> insert(Database& database, const TokenRecord& token) {
  TRY(statement,
      database.prepare("INSERT INTO admin_tokens (id, digest, name, role, tenants, created_us, "
                       "created_by, expires_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  const std::string tenants = tenants_text(token.grant.tenants);
  return statement.bind(token.id)
      .bind_blob(token.digest)
      .bind(token.name)
      .bind(administration::name_of(token.grant.role))
      .bind(tenants)
      .bind(to_microseconds(token.created))
      .bind(token.created_by)
      .bind(microseconds_or_none(token.grant.expires))
      .run();
}

FaultOr<std::vector<TokenRecord>> list_made(Database& database, std::string_view id, WallTime now) {
  // By nobody: commands made those.
  if (id.empty()) return std::vector<TokenRecord>();
  TRY(query, database.prepare(
                 "WITH RECURSIVE made (id) AS (SELECT id FROM admin_tokens WHERE created_by "
                 "= ? UNION SELECT one.id FROM admin_tokens AS one JOIN made ON "
                 "one.created_by = made.id) " +
                 std::string(kColumns) +
                 "WHERE id IN (SELECT id FROM made) AND revoked_us IS NULL AND (expires_us IS "
                 "NULL OR expires_us > ?) ORDER BY created_us, id"));
  return read_rows(database, query.bind(id).bind(to_microseconds(now)));
}

// In the open transaction; of one that is not revoked.
FaultOr<void> revoke(Database& database, const Author& author, TokenRecord& token, WallTime now) {
  const std::string before = form_of(token, {}, LastUse::kNotTold);
  token.revoked = now;
  const std::string after = form_of(token, {}, LastUse::kNotTold);
  {
    TRY(statement, database.prepare("UPDATE admin_tokens SET revoked_us = ? WHERE id = ?"));
    TRY_DO(statement.bind(to_microseconds(now)).bind(token.id).run());
  }
  return record_change(database, author, {"admin_token.revoke", token.id, {}, before, after});
}

}  // namespace

FaultOr<TokenMade> create_admin_token(Database& database, const Author& author,
                                      const TokenRecord& token, WallTime now) {
  TRY(transaction, Transaction::begin(database));
  TRY(count, count_in_force(database, now));
  if (count >= kAdminTokensMax) return TokenMade::kTooMany;
  TRY_DO(insert(database, token));
  const std::string after = form_of(token, {}, LastUse::kNotTold);
  TRY_DO(record_change(database, author, {"admin_token.create", token.id, {}, {}, after}));
  TRY_DO(transaction.commit());
  return TokenMade::kDone;
}

FaultOr<std::vector<TokenRecord>> list_admin_tokens(Database& database) {
  TRY(query, database.prepare(std::string(kColumns) + "ORDER BY created_us, id"));
  return read_rows(database, query);
}

FaultOr<std::optional<TokenRecord>> find_admin_token(Database& database, std::string_view id) {
  TRY(query, database.prepare(std::string(kColumns) + "WHERE id = ?"));
  TRY(rows, read_rows(database, query.bind(id)));
  if (rows.empty()) return std::optional<TokenRecord>();
  return std::move(rows.front());
}

FaultOr<TokenRevocation> revoke_admin_token(Database& database, const Author& author,
                                            std::string_view id, MadeTokens made, WallTime now) {
  TRY(transaction, Transaction::begin(database));
  TRY(found, find_admin_token(database, id));
  TRY(others, list_made(database, id, now));
  if (found && !found->revoked) TRY_DO(revoke(database, author, *found, now));
  if (made == MadeTokens::kAreRevoked) {
    for (TokenRecord& other : others) TRY_DO(revoke(database, author, other, now));
  }
  TRY_DO(transaction.commit());
  return TokenRevocation{found.has_value(), std::move(others)};
}

FaultOr<void> use_admin_token(Database& database, const TokenRecord& token, WallTime now) {
  if (token.last_used && now - *token.last_used < kTokenUseKept) return {};
  TRY(statement, database.prepare("UPDATE admin_tokens SET used_us = ? WHERE id = ? AND "
                                  "COALESCE(used_us, 0) < ?"));
  const std::int64_t now_us = to_microseconds(now);
  return statement.bind(now_us).bind(token.id).bind(now_us).run();
}

std::string admin_token_form(const TokenRecord& token, std::string_view secret) {
  return form_of(token, secret, LastUse::kTold);
}

std::string admin_token_form(const TokenRecord& token, const std::vector<TokenRecord>& made) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_members(json, token, {}, LastUse::kTold);
  json.key("made");
  json.begin_array();
  for (const TokenRecord& one : made) json.raw(form_of(one, {}, LastUse::kTold));
  json.end_array();
  json.end_object();
  return out;
}

}  // namespace tollgate::storage
