#include "storage/charges.h"

#include <limits>

#include "base/rfc3339.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::size_t kDayBytes = 10;  // "2026-11-27"

std::int64_t day_of(WallTime time) {
  return to_microseconds(std::chrono::floor<std::chrono::days>(time));
}

}  // namespace

FaultOr<void> each_charge(Database& database, const ChargeQuery& query,
                          const std::function<void(const ChargeRow&)>& tell) {
  TRY(rows, database.prepare(
                "SELECT quarter_us - quarter_us % 86400000000, tenant, \"user\", key_id, route, "
                "model, CAST(sum(requests) AS BIGINT), CAST(sum(input) AS BIGINT), "
                "CAST(sum(cached_input) AS BIGINT), CAST(sum(output) AS BIGINT), "
                "CAST(sum(cost_micro_usd) AS BIGINT) FROM spend WHERE quarter_us >= ? AND "
                "quarter_us < ? AND (? = '' OR tenant = ?) GROUP BY 1, tenant, \"user\", key_id, "
                "route, model ORDER BY 1, 2, 3, 4, 5, 6"));
  constexpr auto kDay = Duration(std::chrono::days(1));
  const std::int64_t from =
      query.since ? day_of(*query.since) : std::numeric_limits<std::int64_t>::min();
  const std::int64_t to = query.until ? day_of(*query.until - Duration(1)) + kDay.count()
                                      : std::numeric_limits<std::int64_t>::max();
  rows.bind(from).bind(to).bind(query.tenant).bind(query.tenant);
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    ChargeRow row;
    const std::int64_t day_us = rows.integer(0);
    row.day = day_us == kEarlierQuarter ? "earlier"
                                        : rfc3339(from_microseconds(day_us)).substr(0, kDayBytes);
    row.tenant = rows.text(1);
    row.user = rows.text(2);
    row.key_id = rows.text(3);
    row.route = rows.text(4);
    row.model = rows.text(5);
    row.spent = {rows.integer(6), rows.integer(7), rows.integer(8), rows.integer(9),
                 Money{rows.integer(10)}};
    tell(row);
  }
}

}  // namespace tollgate::storage
