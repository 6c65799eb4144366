#include "storage/tool_spend.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <limits>
#include <optional>

#include "storage/try.h"

namespace tollgate::storage {

namespace {

namespace json = boost::json;

constexpr std::size_t kTexts = 5;  // Of a key.

const json::object* object_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

std::string_view text_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  const json::string* text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

// Dollars as records write them, decimals of at most six places.
Money money_at(const json::object* in, std::string_view key) {
  const json::value* found = in == nullptr ? nullptr : in->if_contains(key);
  if (found == nullptr || !found->is_number()) return {};
  const double usd = found->to_number<double>();
  return Money{static_cast<std::int64_t>(usd * 1e6 + 0.5)};
}

// Whether the text may tell of tools at all: quotes in strings are escaped, so these are names.
// Few records have the word that is looked for first, and memmem leaps where find() walks.
bool may_name_tools(std::string_view written) {
  constexpr std::string_view kWord = "tool";
  if (memmem(written.data(), written.size(), kWord.data(), kWord.size()) == nullptr) return false;
  return written.find("\"tool_calls\":{") != std::string_view::npos ||
         written.find("\"mcp\":{\"method\":\"tools/call\"") != std::string_view::npos;
}

constexpr std::string_view kWhere =
    " WHERE quarter_us >= ? AND quarter_us < ? AND (? = '' OR tenant = ?) ";

std::string with_tenants(std::string sql, const SpendQuery& query) {
  sql += kWhere;
  for (std::size_t i = 0; i < query.only.size(); ++i) {
    sql += i == 0 ? "AND tenant IN (?" : ", ?";
  }
  if (!query.only.empty()) sql += ") ";
  return sql;
}

void bind_range(Statement& statement, const SpendQuery& query) {
  using std::chrono::hours;
  const auto hour_of = [](WallTime time) {
    return to_microseconds(std::chrono::floor<hours>(time));
  };
  statement.bind(query.since ? hour_of(*query.since) : std::numeric_limits<std::int64_t>::min())
      .bind(query.until ? hour_of(*query.until - Duration(1)) + Duration(hours(1)).count()
                        : std::numeric_limits<std::int64_t>::max())
      .bind(query.tenant)
      .bind(query.tenant);
  for (const std::string& tenant : query.only) statement.bind(tenant);
}

}  // namespace

void ToolSpend::take(const Item& item) {
  if (item.phase != audit::Phase::kOutcome || !may_name_tools(item.written)) return;
  boost::system::error_code error;
  const json::value record = json::parse(item.written, error);
  const json::object* of = error ? nullptr : record.if_object();
  if (of == nullptr) return;
  const auto key = [&](std::string tool) {
    return Key{quarter_of(from_microseconds(item.time_us)),
               std::string(item.tenant),
               std::string(item.user),
               std::string(item.key_id),
               std::string(item.route),
               std::move(tool)};
  };
  if (const json::object* mcp = object_at(*of, "mcp")) {
    if (text_at(*mcp, "method") == "tools/call" && !text_at(*mcp, "name").empty()) {
      const json::value* failed = mcp->if_contains("failed");
      const Money cost = money_at(of, "cost_usd");
      // What was refused before it was sent, and what the server refused, is paid by nobody.
      const bool was_made = item.outcome != audit::Outcome::kRefused && failed == nullptr;
      if (was_made || cost > Money{}) {
        add(key("mcp:" + std::string(text_at(*mcp, "name"))), {1, cost});
      }
    }
  }
  const json::object* usage = object_at(*of, "usage");
  const json::object* calls = usage == nullptr ? nullptr : object_at(*usage, "tool_calls");
  if (calls == nullptr) return;
  const json::object* costs = object_at(*usage, "tool_cost_usd");
  for (const auto& [tool, count] : *calls) {
    const std::int64_t* const number = count.if_int64();
    if (number != nullptr) add(key(std::string(tool)), {*number, money_at(costs, tool)});
  }
}

void ToolSpend::add(Key key, const Sum& sum) {
  Sum& at = sums_[std::move(key)];
  at.calls += sum.calls;
  at.cost = add_saturated(at.cost, sum.cost);
}

FaultOr<void> ToolSpend::book(Database& database) const {
  if (sums_.empty()) return {};
  TRY(upsert,
      database.prepare(
          "INSERT INTO spend_tools (quarter_us, tenant, \"user\", key_id, route, tool, calls, "
          "cost_micro_usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (quarter_us, tenant, "
          "\"user\", key_id, route, tool) DO UPDATE SET calls = spend_tools.calls + "
          "excluded.calls, cost_micro_usd = spend_tools.cost_micro_usd + excluded.cost_micro_usd"));
  for (const auto& [key, sum] : sums_) {
    TRY_DO(upsert.bind(key.quarter_us)
               .bind(key.tenant)
               .bind(key.user)
               .bind(key.key_id)
               .bind(key.route)
               .bind(key.tool)
               .bind(sum.calls)
               .bind(sum.cost.micro_usd)
               .run());
  }
  return {};
}

FaultOr<std::vector<SpendRow>> query_tool_spend(Database& database, const SpendQuery& query) {
  SpendQuery of_all = query;
  of_all.by = SpendBy::kTotal;
  TRY(all, query_spend(database, of_all));
  SpendRow rest = all.empty() ? SpendRow{} : std::move(all.front());
  TRY(rows, database.prepare(with_tenants("SELECT tool, CAST(sum(calls) AS BIGINT), "
                                          "CAST(sum(cost_micro_usd) AS BIGINT) FROM spend_tools",
                                          query) +
                             "GROUP BY tool ORDER BY 3 DESC, 1"));
  bind_range(rows, query);
  std::vector<SpendRow> made;
  while (true) {
    TRY(there, rows.step());
    if (!there) break;
    SpendRow row;
    row.name = rows.text(0);
    row.spent.requests = rows.integer(1);
    row.spent.cost = Money{rows.integer(2)};
    rest.spent.cost.micro_usd =
        std::max<std::int64_t>(0, rest.spent.cost.micro_usd - row.spent.cost.micro_usd);
    made.push_back(std::move(row));
  }
  rest.name.clear();
  rest.tenant.clear();
  if (rest.spent.requests > 0) made.push_back(std::move(rest));
  return made;
}

FaultOr<bool> has_old_tool_spend(Database& database, WallTime before) {
  TRY(row, database.prepare(
               "SELECT 1 FROM spend_tools WHERE quarter_us > 0 AND quarter_us < ? LIMIT 1"));
  TRY(there, row.bind(to_microseconds(before)).step());
  return there;
}

FaultOr<bool> sum_up_tool_spend(Database& database, WallTime before, std::int64_t most) {
  std::vector<std::pair<ToolSpend::Key, ToolSpend::Sum>> old;
  {
    TRY(rows, database.prepare(
                  "SELECT quarter_us, tenant, \"user\", key_id, route, tool, calls, cost_micro_usd "
                  "FROM spend_tools WHERE quarter_us > 0 AND quarter_us < ? ORDER BY quarter_us "
                  "LIMIT ?"));
    rows.bind(to_microseconds(before)).bind(most);
    while (true) {
      TRY(there, rows.step());
      if (!there) break;
      const auto text = [&](int column) { return std::string(rows.text(column)); };
      old.push_back({{rows.integer(0), text(1), text(2), text(3), text(4), text(kTexts)},
                     {rows.integer(6), Money{rows.integer(7)}}});
    }
  }
  if (old.empty()) return false;
  ToolSpend sums;
  TRY(remove, database.prepare("DELETE FROM spend_tools WHERE quarter_us = ? AND tenant = ? AND "
                               "\"user\" = ? AND key_id = ? AND route = ? AND tool = ?"));
  for (auto& [key, sum] : old) {
    TRY_DO(remove.bind(key.quarter_us)
               .bind(key.tenant)
               .bind(key.user)
               .bind(key.key_id)
               .bind(key.route)
               .bind(key.tool)
               .run());
    key.quarter_us = kEarlierQuarter;
    sums.add(std::move(key), sum);
  }
  TRY_DO(sums.book(database));
  return std::cmp_equal(old.size(), most);
}

}  // namespace tollgate::storage
