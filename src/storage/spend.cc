#include "storage/spend.h"

#include <array>
#include <limits>

#include "storage/tool_spend.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::int64_t kHour = Duration(std::chrono::hours(1)).count();
using Quarters = std::chrono::duration<std::int64_t, std::ratio<15 * 60>>;

std::int64_t hour_of(WallTime time) {
  return to_microseconds(std::chrono::floor<std::chrono::hours>(time));
}

constexpr std::string_view kSums =
    "CAST(sum(requests) AS BIGINT), CAST(sum(input) AS BIGINT), CAST(sum(cached_input) AS BIGINT), "
    "CAST(sum(output) AS BIGINT), CAST(sum(cost_micro_usd) AS BIGINT) "
    "FROM spend WHERE quarter_us >= ? AND quarter_us < ? AND (? = '' OR tenant = ?) ";

struct By {
  SpendBy by;
  std::string_view name;
  std::string_view columns;  // Name and tenant of a row, as SQL of ours.
  std::string_view order;
};
constexpr std::array<By, 9> kBy = {{
    {SpendBy::kTotal, "total", "'', ''", ""},
    {SpendBy::kTenant, "tenant", "tenant, ''", "GROUP BY tenant ORDER BY 7 DESC, 1"},
    {SpendBy::kUser, "user", R"("user", tenant)",
     R"(GROUP BY tenant, "user" ORDER BY 7 DESC, 1, 2)"},
    {SpendBy::kKey, "key", "key_id, tenant", "GROUP BY tenant, key_id ORDER BY 7 DESC, 1, 2"},
    {SpendBy::kRoute, "route", "route, ''", "GROUP BY route ORDER BY 7 DESC, 1"},
    {SpendBy::kModel, "model", "model, ''", "GROUP BY model ORDER BY 7 DESC, 1"},
    {SpendBy::kHour, "hour", "CAST(quarter_us - quarter_us % 3600000000 AS TEXT), ''",
     "GROUP BY quarter_us - quarter_us % 3600000000 "
     "ORDER BY quarter_us - quarter_us % 3600000000"},
    {SpendBy::kDay, "day", "CAST(quarter_us - quarter_us % 86400000000 AS TEXT), ''",
     "GROUP BY quarter_us - quarter_us % 86400000000 "
     "ORDER BY quarter_us - quarter_us % 86400000000"},
    {SpendBy::kTool, "tool", "", ""},  // A table of its own.
}};

// The subject of a row, as pipeline::subject_of makes it. Empty: not in the books.
std::string_view column_of(limits::Scope scope) {
  switch (scope) {
    case limits::Scope::kGlobal:
      return "''";
    case limits::Scope::kTenantId:
      return "tenant";
    case limits::Scope::kUserId:
      return R"(CASE WHEN "user" = '' THEN tenant || '/key:' || key_id
                WHEN substr("user", 1, 4) = 'key:' OR substr("user", 1, 5) = 'user:'
                THEN tenant || '/user:' || "user" ELSE tenant || '/' || "user" END)";
    case limits::Scope::kKeyId:
      // Only what a verifier vouches for has a slash.
      return "CASE WHEN key_id LIKE '%/%' THEN tenant || '/' || key_id ELSE key_id END";
    case limits::Scope::kRoute:
      return "route";
    case limits::Scope::kModel:
      return "model";
    case limits::Scope::kClientIp:
      return "";
  }
  return "";
}

}  // namespace

Spent& operator+=(Spent& sum, const Spent& more) {
  sum.requests += more.requests;
  sum.input += more.input;
  sum.cached_input += more.cached_input;
  sum.output += more.output;
  sum.cost = add_saturated(sum.cost, more.cost);
  return sum;
}

std::size_t SpendGroup::HashKey::operator()(const SpendKey& key) const {
  std::size_t hash = std::hash<std::int64_t>()(key.quarter_us);
  for (const std::string_view text : {key.tenant, key.user, key.key_id, key.route, key.model}) {
    hash = hash * 0x9e3779b97f4a7c15U ^ std::hash<std::string_view>()(text);
  }
  return hash;
}

SpendGroup::Entry& SpendGroup::entry_of(const SpendKey& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) return *found;
  SpendKey own = key;
  std::size_t bytes = 0;
  const std::array<std::string_view*, 5> texts = {&own.tenant, &own.user, &own.key_id, &own.route,
                                                  &own.model};
  for (const std::string_view* text : texts) bytes += text->size();
  Sum sum;
  sum.texts = std::make_unique_for_overwrite<char[]>(bytes);
  char* at = sum.texts.get();
  for (std::string_view* text : texts) {
    text->copy(at, text->size());
    *text = {at, text->size()};
    at += text->size();
  }
  return *entries_.emplace(own, std::move(sum)).first;
}

void SpendGroup::add(Entry& entry, const Spent& spent) {
  if (!entry.second.used) used_.push_back(&entry);
  entry.second.used = true;
  entry.second.spent += spent;
}

void SpendGroup::clear() {
  for (Entry* entry : used_) {
    entry->second.spent = Spent{};
    entry->second.used = false;
  }
  used_.clear();
}

void SpendGroup::forget() {
  used_.clear();
  entries_.clear();
}

std::int64_t quarter_of(WallTime time) {
  return to_microseconds(std::chrono::floor<Quarters>(time));
}

FaultOr<void> book(Database& database, const SpendGroup& group) {
  if (group.empty()) return {};
  TRY(upsert,
      database.prepare(
          "INSERT INTO spend (quarter_us, tenant, \"user\", key_id, route, model, requests, input, "
          "cached_input, output, cost_micro_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT (quarter_us, tenant, \"user\", key_id, route, model) DO UPDATE SET "
          "requests = spend.requests + excluded.requests, input = spend.input + excluded.input, "
          "cached_input = spend.cached_input + excluded.cached_input, output = spend.output + "
          "excluded.output, "
          "cost_micro_usd = spend.cost_micro_usd + excluded.cost_micro_usd"));
  for (const SpendGroup::Entry* entry : group.used()) {
    const SpendKey& key = entry->first;
    const Spent& spent = entry->second.spent;
    TRY_DO(upsert.bind(key.quarter_us)
               .bind(key.tenant)
               .bind(key.user)
               .bind(key.key_id)
               .bind(key.route)
               .bind(key.model)
               .bind(spent.requests)
               .bind(spent.input)
               .bind(spent.cached_input)
               .bind(spent.output)
               .bind(spent.cost.micro_usd)
               .run());
  }
  return {};
}

std::string_view name_of(SpendBy by) { return kBy[static_cast<std::size_t>(by)].name; }

std::optional<SpendBy> spend_by_named(std::string_view name) {
  for (const By& by : kBy) {
    if (by.name == name) return by.by;
  }
  return std::nullopt;
}

FaultOr<std::vector<SpendRow>> query_spend(Database& database, const SpendQuery& query) {
  if (query.by == SpendBy::kTool) return query_tool_spend(database, query);
  const By& by = kBy[static_cast<std::size_t>(query.by)];
  std::string sql = "SELECT ";
  sql.append(by.columns).append(", ").append(kSums);
  for (std::size_t i = 0; i < query.only.size(); ++i) {
    sql.append(i == 0 ? "AND tenant IN (?" : ", ?");
  }
  if (!query.only.empty()) sql.append(") ");
  sql.append(by.order);
  TRY(statement, database.prepare(sql));
  const std::int64_t from =
      query.since ? hour_of(*query.since) : std::numeric_limits<std::int64_t>::min();
  const std::int64_t to = query.until ? hour_of(*query.until - Duration(1)) + kHour
                                      : std::numeric_limits<std::int64_t>::max();
  statement.bind(from).bind(to).bind(query.tenant).bind(query.tenant);
  for (const std::string& tenant : query.only) statement.bind(tenant);
  std::vector<SpendRow> rows;
  while (true) {
    TRY(there, statement.step());
    if (!there) return rows;
    SpendRow row;
    row.name = statement.text(0);
    row.tenant = statement.text(1);
    row.spent.requests = statement.integer(2);
    row.spent.input = statement.integer(3);
    row.spent.cached_input = statement.integer(4);
    row.spent.output = statement.integer(5);
    row.spent.cost.micro_usd = statement.integer(6);
    rows.push_back(std::move(row));
  }
}

FaultOr<std::vector<SubjectSpent>> spent_by_subject(Database& database, limits::Scope scope,
                                                    WallTime since) {
  std::vector<SubjectSpent> subjects;
  const std::string_view column = column_of(scope);
  if (column.empty()) return subjects;
  std::string sql = "SELECT ";
  sql.append(column).append(
      " AS subject, CAST(sum(cost_micro_usd) AS BIGINT) FROM spend "
      "WHERE quarter_us >= ? GROUP BY subject");
  TRY(statement, database.prepare(sql));
  statement.bind(quarter_of(since));
  while (true) {
    TRY(there, statement.step());
    if (!there) return subjects;
    subjects.push_back({std::string(statement.text(0)), Money{statement.integer(1)}});
  }
}

FaultOr<Money> spent_since(Database& database, limits::Scope scope, std::string_view subject,
                           WallTime since) {
  const std::string_view column = column_of(scope);
  if (column.empty()) return Money{};
  std::string sql =
      "SELECT CAST(sum(cost_micro_usd) AS BIGINT) FROM spend WHERE quarter_us >= ? AND ";
  sql.append(column).append(" = ?");
  TRY(statement, database.prepare(sql));
  statement.bind(quarter_of(since)).bind(scope == limits::Scope::kGlobal ? "" : subject);
  TRY(there, statement.step());
  return Money{there ? statement.integer(0) : 0};
}

}  // namespace tollgate::storage
