#include "storage/admin_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <utility>

#include "base/json_writer.h"
#include "controls/administration/grant_form.h"
#include "storage/key_room.h"
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

FaultOr<std::int64_t> count_of(Database& database, std::string_view sql) {
  TRY(query, database.prepare(sql));
  TRY(there, query.step());
  return there ? query.integer(0) : 0;
}

FaultOr<std::vector<std::string>> read_ids(Statement& query) {
  std::vector<std::string> ids;
  while (true) {
    TRY(there, query.step());
    if (!there) return ids;
    ids.emplace_back(query.text(0));
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
  write_tenants(json, token.grant);
  administration::write_moment(json, "created", token.created);
  json.member("created_by", std::string_view(token.created_by));
  write_expires(json, token.grant);
  administration::write_moment(json, "revoked", token.revoked);
  if (last_use == LastUse::kTold) administration::write_moment(json, "last_used", token.last_used);
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
  const std::string tenants = administration::tenants_json(token.grant.tenants);
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

// ---- Whose they are -------------------------------------------------------------------------

// Of the makers of a token, beside the first of them all, so many are kept.
constexpr std::int64_t kMakersMax = 64;

// Those of its maker are those of the token, too; with the maker itself as the nearest.
FaultOr<void> write_makers(Database& database, const TokenRecord& token, TokenShare share) {
  // By nobody: a command made it.
  if (token.created_by.empty()) return {};
  std::int64_t further = 0;
  {
    TRY(query, database.prepare("SELECT count(*) FROM admin_token_makers WHERE token = ?"));
    TRY(there, query.bind(token.created_by).step());
    further = there ? query.integer(0) : 0;
  }
  {
    TRY(copy, database.prepare(
                  "INSERT INTO admin_token_makers (maker, token, distance, limited) SELECT maker, "
                  "?, CASE distance WHEN 0 THEN 0 ELSE distance + 1 END, limited FROM "
                  "admin_token_makers WHERE token = ? AND distance < ?"));
    TRY_DO(copy.bind(token.id).bind(token.created_by).bind(kMakersMax).run());
  }
  TRY(nearest, database.prepare("INSERT INTO admin_token_makers (maker, token, distance, limited) "
                                "VALUES (?, ?, ?, ?)"));
  return nearest.bind(token.created_by)
      .bind(token.id)
      .bind(std::int64_t{further > 0})
      .bind(std::int64_t{share == TokenShare::kOfMaker})
      .run();
}

// Whether the share of the maker, or of one that made it, is used.
FaultOr<bool> share_is_used(Database& database, std::string_view maker, TokenShare share) {
  std::vector<std::string> limited;
  {
    TRY(query,
        database.prepare("SELECT maker FROM admin_token_makers WHERE token = ? AND limited = 1"));
    TRY(makers, read_ids(query.bind(maker)));
    limited = std::move(makers);
  }
  if (share == TokenShare::kOfMaker) limited.emplace_back(maker);
  TRY(count, database.prepare("SELECT count(*) FROM admin_token_makers WHERE maker = ?"));
  for (const std::string& each : limited) {
    TRY(there, count.bind(each).step());
    if (there && count.integer(0) >= administration::kTokensOfMakerMax) return true;
    count.reset();
  }
  return false;
}

FaultOr<std::vector<TokenRecord>> list_made(Database& database, std::string_view id, WallTime now) {
  TRY(query, database.prepare(std::string(kColumns) +
                              "WHERE id IN (SELECT token FROM admin_token_makers WHERE maker = ?) "
                              "AND ended_us IS NULL AND (expires_us IS NULL OR expires_us > ?) "
                              "ORDER BY created_us, id"));
  return read_rows(database, query.bind(id).bind(to_microseconds(now)));
}

// ---- Those that have ended ------------------------------------------------------------------

// In the open transaction. Whose it was is known no longer.
FaultOr<void> end(Database& database, std::string_view id, const std::optional<WallTime>& revoked) {
  {
    TRY(statement, database.prepare("UPDATE admin_tokens SET revoked_us = COALESCE(?, revoked_us), "
                                    "ended_us = COALESCE(?, revoked_us, expires_us) WHERE id = ?"));
    const std::optional<std::int64_t> revoked_us = microseconds_or_none(revoked);
    TRY_DO(statement.bind(revoked_us).bind(revoked_us).bind(id).run());
  }
  TRY(forget, database.prepare("DELETE FROM admin_token_makers WHERE token = ?"));
  return forget.bind(id).run();
}

FaultOr<std::vector<std::string>> ends_to_note(Database& database, WallTime now,
                                               std::int64_t most) {
  TRY(query, database.prepare("SELECT id FROM admin_tokens WHERE ended_us IS NULL AND "
                              "COALESCE(revoked_us, expires_us) <= ? LIMIT ?"));
  return read_ids(query.bind(to_microseconds(now)).bind(most));
}

// Few, as no more than kAdminTokensMax are in force; in steps all the same.
FaultOr<void> note_ended(Database& database, WallTime now) {
  while (true) {
    TRY(any, ends_to_note(database, now, 1));
    if (any.empty()) return {};
    TRY(transaction, Transaction::begin(database));
    TRY(ids, ends_to_note(database, now, kEndedAtOnce));
    for (const std::string& id : ids) TRY_DO(end(database, id, std::nullopt));
    TRY_DO(transaction.commit());
  }
}

// In the open transaction: those that ended first leave. False: there was none.
FaultOr<bool> remove_ended(Database& database, WallTime before) {
  std::vector<std::string> ids;
  {
    TRY(query, database.prepare("SELECT id FROM admin_tokens WHERE ended_us IS NOT NULL AND "
                                "ended_us < ? ORDER BY ended_us LIMIT ?"));
    TRY(found, read_ids(query.bind(to_microseconds(before)).bind(kEndedAtOnce)));
    ids = std::move(found);
  }
  TRY(statement, database.prepare("DELETE FROM admin_tokens WHERE id = ?"));
  for (const std::string& id : ids) TRY_DO(statement.bind(id).run());
  return !ids.empty();
}

FaultOr<TokenMade> find_room(Database& database, const TokenRecord& token, TokenShare share,
                             WallTime now) {
  TRY(in_force, count_of(database, "SELECT count(*) FROM admin_tokens WHERE ended_us IS NULL"));
  const std::int64_t most =
      kAdminTokensMax - (share == TokenShare::kOfMaker ? kAdminTokensForOwners : 0);
  if (in_force >= most) return TokenMade::kTooMany;
  TRY(used, share_is_used(database, token.created_by, share));
  if (used) return TokenMade::kTooManyOfMaker;
  TRY(old, remove_ended(database, now - kEndedKept));
  TRY(ended, count_of(database, "SELECT count(*) FROM admin_tokens WHERE ended_us IS NOT NULL"));
  const std::int64_t ended_most =
      kEndedTokensMax - (share == TokenShare::kOfMaker ? kEndedTokensForOwners : 0);
  if (old || ended < ended_most) return TokenMade::kDone;
  TRY(removed, remove_ended(database, now - kEndedKeptLeast));
  return removed ? TokenMade::kDone : TokenMade::kTooManyEnded;
}

// In the open transaction; of one that is not revoked.
FaultOr<void> revoke(Database& database, const Author& author, TokenRecord& token, WallTime now) {
  const std::string before = form_of(token, {}, LastUse::kNotTold);
  token.revoked = now;
  const std::string after = form_of(token, {}, LastUse::kNotTold);
  TRY_DO(end(database, token.id, now));
  return record_change(database, author, {"admin_token.revoke", token.id, {}, before, after});
}

// Behind which token a page begins.
struct Behind {
  std::int64_t created_us = std::numeric_limits<std::int64_t>::min();
  std::string id;
};

FaultOr<std::vector<TokenRecord>> tokens_behind(Database& database, const Behind& behind) {
  TRY(query, database.prepare(std::string(kColumns) +
                              "WHERE (created_us, id) > (?, ?) ORDER BY created_us, id LIMIT ?"));
  return read_rows(database, query.bind(behind.created_us).bind(behind.id).bind(kTokensOfPageMax));
}

}  // namespace

TokenShare share_of(const administration::Grant& maker) {
  const bool whole = maker.role == administration::Role::kOwner && !maker.is_bound();
  return whole ? TokenShare::kWhole : TokenShare::kOfMaker;
}

FaultOr<TokenMade> create_admin_token(Database& database, const Author& author,
                                      const TokenRecord& token, TokenShare share, WallTime now) {
  TRY_DO(note_ended(database, now));
  TRY(transaction, begin_change(database, author, now));
  TRY(room, find_room(database, token, share, now));
  if (room != TokenMade::kDone) return room;
  TRY_DO(insert(database, token));
  TRY_DO(write_makers(database, token, share));
  const std::string after = form_of(token, {}, LastUse::kNotTold);
  TRY_DO(record_change(database, author, {"admin_token.create", token.id, {}, {}, after}));
  TRY_DO(transaction.commit());
  return TokenMade::kDone;
}

FaultOr<std::optional<TokenPage>> query_admin_tokens(Database& database, const MaySee& may_see,
                                                     std::int64_t limit, std::string_view after) {
  Behind behind;
  if (!after.empty()) {
    TRY(last, find_admin_token(database, after));
    if (!last || (may_see && !may_see(*last))) return std::optional<TokenPage>();
    behind = {to_microseconds(last->created), last->id};
  }
  TokenPage page;
  while (true) {
    TRY(found, tokens_behind(database, behind));
    for (TokenRecord& token : found) {
      behind = {to_microseconds(token.created), token.id};
      if (may_see && !may_see(token)) continue;
      page.has_more = std::cmp_equal(page.tokens.size(), limit);
      if (page.has_more) return page;
      page.tokens.push_back(std::move(token));
    }
    if (std::cmp_less(found.size(), kTokensOfPageMax)) return page;
  }
}

FaultOr<std::optional<TokenRecord>> find_admin_token(Database& database, std::string_view id) {
  TRY(query, database.prepare(std::string(kColumns) + "WHERE id = ?"));
  TRY(rows, read_rows(database, query.bind(id)));
  if (rows.empty()) return std::optional<TokenRecord>();
  return std::move(rows.front());
}

FaultOr<TokenRevocation> revoke_admin_token(Database& database, const Author& author,
                                            std::string_view id, MadeTokens made, WallTime now) {
  TRY(transaction, begin_change(database, author, now));
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
