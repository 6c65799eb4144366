#include "storage/storage_fixture.h"

#include <boost/json.hpp>
#include <cmath>

namespace tollgate::storage {

Totals totals_of(Database& database) {
  Totals totals;
  const auto add_record = [&](std::string_view line) {
    const boost::json::value parsed = boost::json::parse(line);
    const boost::json::object& record = parsed.get_object();
    if (record.at("phase").get_string() == "change") return true;
    if (record.at("phase").get_string() == "decision") {
      ++totals.decisions;
      return true;
    }
    ++totals.outcomes;
    if (record.at("decision").get_object().at("outcome").get_string() == "cut") ++totals.cut;
    if (const boost::json::value* cost = record.if_contains("cost_usd")) {
      totals.recorded.micro_usd += std::llround(cost->to_number<double>() * 1e6);
    }
    return true;
  };
  const FaultOr<void> walked = export_audit(database, {}, add_record);
  EXPECT_TRUE(walked) << walked.error().message;
  SpendQuery all;
  all.by = SpendBy::kTotal;
  const FaultOr<std::vector<SpendRow>> rows = query_spend(database, all);
  EXPECT_TRUE(rows) << rows.error().message;
  if (rows && !rows->empty()) {
    totals.booked = rows->front().spent.cost;
    totals.requests_booked = rows->front().spent.requests;
  }
  return totals;
}

}  // namespace tollgate::storage
