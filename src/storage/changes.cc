#include "storage/changes.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/record_id.h"
#include "controls/audit/audit.h"
#include "storage/chain.h"
#include "storage/random_number.h"
#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kIdPrefix = "chg_";

std::string written(const Author& author, const Change& change, std::string_view id, WallTime now) {
  audit::ChangeRecord record;
  record.id = id;
  record.time = now;
  record.actor_kind = name_of(author.kind);
  record.subject = author.subject;
  record.credential_id = author.credential_id;
  record.role = author.role;
  record.client_ip = author.address;
  record.action = change.action;
  record.object = change.object;
  record.tenant = change.tenant;
  record.before = change.before;
  record.after = change.after;
  std::string text;
  audit::write(record, text);
  return text;
}

}  // namespace

std::string_view name_of(Author::Kind kind) {
  switch (kind) {
    case Author::Kind::kCommand:
      return "command";
    case Author::Kind::kAdminToken:
      return "admin_token";
    case Author::Kind::kOidc:
      return "oidc";
    case Author::Kind::kGateway:
      return "gateway";
    case Author::Kind::kUnknown:
      return "unknown";
  }
  CHECK(false);
}

FaultOr<Transaction> begin_change(Database& database, const Author& author,
                                  std::optional<WallTime> now) {
  TRY(transaction, Transaction::begin(database));
  if (author.kind != Author::Kind::kAdminToken) return std::move(transaction);
  TRY(token, database.prepare("SELECT revoked_us, expires_us FROM admin_tokens WHERE id = ?"));
  TRY(there, token.bind(author.credential_id).step());
  if (!there) return std::move(transaction);
  const std::optional<std::int64_t> expires_us = token.integer_or_null(1);
  const bool over = expires_us && now && *expires_us <= to_microseconds(*now);
  if (!token.integer_or_null(0) && !over) return std::move(transaction);
  return fault(FaultKind::kRevoked,
               "The admin token has ended while this waited for its turn; nothing was changed.");
}

FaultOr<void> record_change(Database& database, const Author& author, const Change& change) {
  TRY(end, end_of_chain(database, kChangesChain));
  const ChainEnd before = end.value_or(ChainEnd{});
  TRY(now, database.now());
  TRY(one, random_number());
  TRY(other, random_number());
  std::array<char, kRecordIdBytes> id;
  write_record_id(kIdPrefix, now, {one, other}, id);

  std::string line;
  ChainRow row;
  row.first = row.last = before.sequence + 1;
  row.last_hash = audit::seal(written(author, change, {id.data(), id.size()}, now), row.last,
                              before.hash, line);
  line.push_back('\n');
  row.earliest_us = row.latest_us = to_microseconds(now);
  row.reached_us = end ? std::max(before.reached_us, row.latest_us) : row.latest_us;
  row.text_bytes = static_cast<std::int64_t>(line.size());
  compress(line, row.records);
  return append_rows(database, kChangesChain, {&row, 1}, 0);
}

}  // namespace tollgate::storage
