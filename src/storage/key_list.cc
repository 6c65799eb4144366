#include "storage/key_list.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "storage/key_columns.h"
#include "storage/try.h"

namespace tollgate::storage {

using authentication::KeyRecord;

namespace {

struct StateRow {
  KeyState state;
  std::string_view name;
  std::string_view condition;  // Its parameter, where it has one, is the moment.
};
constexpr std::array<StateRow, 3> kStates = {{
    {KeyState::kActive, "active",
     "AND revoked_us IS NULL AND (expires_us IS NULL OR expires_us > ?) "},
    {KeyState::kExpired, "expired", "AND revoked_us IS NULL AND expires_us <= ? "},
    {KeyState::kRevoked, "revoked", "AND revoked_us IS NOT NULL "},
}};

// Behind which key a page begins.
struct Behind {
  std::string tenant;
  std::int64_t created_us = std::numeric_limits<std::int64_t>::min();
  std::string id;
};

// Keys of one tenant, or of all where it is empty, from `behind` on. The conditions are such that
// an index leads to the first of them and on in their order.
FaultOr<void> add_keys(Database& database, const KeyQuery& query, std::string_view tenant,
                       const Behind& behind, std::size_t most, WallTime now,
                       std::vector<KeyRecord>& keys) {
  // The ids come from an index alone, so that a state which few keys are in costs no look at
  // others.
  std::string sql(kKeyColumns);
  sql.append("WHERE id IN (SELECT id FROM keys ");
  sql.append(tenant.empty() ? "WHERE (tenant, created_us, id) > (?, ?, ?) "
                            : "WHERE tenant = ? AND (created_us, id) > (?, ?) ");
  if (!query.user.empty()) sql.append("AND \"user\" = ? ");
  const std::string_view condition =
      query.state ? kStates[static_cast<std::size_t>(*query.state)].condition : "";
  sql.append(condition);
  sql.append("ORDER BY tenant, created_us, id LIMIT ?) ORDER BY tenant, created_us, id");
  TRY(statement, database.prepare(sql));
  statement.bind(tenant.empty() ? std::string_view(behind.tenant) : tenant)
      .bind(behind.created_us)
      .bind(behind.id);
  if (!query.user.empty()) statement.bind(query.user);
  if (condition.contains('?')) statement.bind(to_microseconds(now));
  statement.bind(static_cast<std::int64_t>(most - keys.size()));
  TRY(found, read_key_rows(database, statement));
  std::ranges::move(found, std::back_inserter(keys));
  return {};
}

// The tenants that are asked for, in order; empty: all of them.
std::vector<std::string> tenants_of(const KeyQuery& query) {
  if (!query.tenant.empty()) return {query.tenant};
  std::vector<std::string> tenants = query.only;
  std::ranges::sort(tenants);
  const auto twice = std::ranges::unique(tenants);
  tenants.erase(twice.begin(), twice.end());
  return tenants;
}

bool may_see(const KeyQuery& query, std::string_view tenant) {
  return (query.tenant.empty() || query.tenant == tenant) &&
         (query.only.empty() || std::ranges::count(query.only, tenant) != 0);
}

}  // namespace

std::optional<KeyState> key_state_named(std::string_view name) {
  for (const StateRow& row : kStates) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

FaultOr<std::optional<KeyPage>> query_keys(Database& database, const KeyQuery& query,
                                           std::int64_t limit, std::string_view after,
                                           WallTime now) {
  Behind behind;
  if (!after.empty()) {
    TRY(last, show_key(database, after));
    if (!last || !may_see(query, last->tenant)) return std::optional<KeyPage>();
    behind = {last->tenant, to_microseconds(last->created), last->id};
  }
  KeyPage page;
  if (!query.tenant.empty() && !may_see(query, query.tenant)) return page;
  const std::size_t most = static_cast<std::size_t>(limit) + 1;
  const std::vector<std::string> tenants = tenants_of(query);
  if (tenants.empty()) TRY_DO(add_keys(database, query, {}, behind, most, now, page.keys));
  for (const std::string& tenant : tenants) {
    if (page.keys.size() == most) break;
    if (tenant < behind.tenant) continue;
    const Behind from = tenant == behind.tenant ? behind : Behind();
    TRY_DO(add_keys(database, query, tenant, from, most, now, page.keys));
  }
  page.has_more = page.keys.size() == most;
  if (page.has_more) page.keys.pop_back();
  return page;
}

FaultOr<std::optional<KeyRecord>> show_key(Database& database, std::string_view id) {
  TRY(query, database.prepare(std::string(kKeyColumns) + "WHERE id = ?"));
  TRY(rows, read_key_rows(database, query.bind(id)));
  if (rows.empty()) return std::optional<KeyRecord>();
  return std::move(rows.front());
}

}  // namespace tollgate::storage
