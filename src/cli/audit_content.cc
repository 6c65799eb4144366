#include "cli/audit_content.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cstdio>
#include <string>

#include "base/rfc3339.h"
#include "cli/commands.h"
#include "controls/audit/audit.h"
#include "storage/content_report.h"

namespace tollgate::cli {

namespace {

namespace json = boost::json;

std::string share_of(std::int64_t part, std::int64_t all) {
  if (all == 0) return "0 %";
  return fmt::format("{:.2f} %", 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

constexpr const char* kColumns =
    "  {:<44} {:<8} {:>8} {:>8} {:>8} {:>8} {:>7}  {:<20}  {:<20}  {}\n";

void print_row(const storage::ContentRow& row) {
  // A rule stands below its pack.
  const std::string name =
      row.rule.empty() ? audit::visible(row.pack) : "  " + audit::visible(row.rule);
  const storage::ContentCounts& counts = row.counts;
  fmt::print(fmt::runtime(kColumns), name, storage::name_of(row.of), counts.refused,
             counts.redacted, counts.flagged, counts.observed,
             fmt::format("{}{}", row.has_more_actors ? ">" : "", row.actors), rfc3339(row.first),
             rfc3339(row.last), audit::visible(fmt::format("{}", fmt::join(row.examples, " "))));
}

void print_totals(const char* what, const storage::ContentTotals& totals) {
  fmt::print("  {} {}: {} refused ({}); if all were enforced, {} more ({})\n", totals.all, what,
             totals.refused, share_of(totals.refused, totals.all), totals.would_be_refused,
             share_of(totals.would_be_refused, totals.all));
}

void print_route(const storage::ContentRoute& route) {
  fmt::print("{}\n", audit::visible(route.route));
  print_totals("requests", route.requests);
  print_totals("answers", route.answers);
  if (route.rows.empty()) {
    fmt::print("  nothing was found\n");
    return;
  }
  fmt::print(fmt::runtime(kColumns), "RULE", "OF", "REFUSED", "REDACTED", "FLAGGED", "OBSERVED",
             "CALLERS", "FIRST", "LAST", "REQUESTS, THE NEWEST");
  for (const storage::ContentRow& row : route.rows) print_row(row);
}

json::object totals_of(const storage::ContentTotals& totals) {
  return {{"all", totals.all},
          {"refused", totals.refused},
          {"would_be_refused", totals.would_be_refused}};
}

json::object row_of(const storage::ContentRow& row) {
  json::object made{{"of", storage::name_of(row.of)}, {"pack", row.pack}};
  // None: the sum of the pack.
  made["rule"] = row.rule.empty() ? json::value(nullptr) : json::value(row.rule);
  made["refused"] = row.counts.refused;
  made["redacted"] = row.counts.redacted;
  made["flagged"] = row.counts.flagged;
  made["observed"] = row.counts.observed;
  made["callers"] = row.actors;
  made["has_more_callers"] = row.has_more_actors;
  made["first"] = rfc3339(row.first);
  made["last"] = rfc3339(row.last);
  made["requests"] = json::value_from(row.examples);
  return made;
}

void print_json(const storage::ContentRoute& route) {
  json::array rows;
  for (const storage::ContentRow& row : route.rows) rows.push_back(row_of(row));
  const json::object root{{"route", route.route},
                          {"requests", totals_of(route.requests)},
                          {"answers", totals_of(route.answers)},
                          {"findings", std::move(rows)}};
  fmt::print("{}\n", audit::visible(json::serialize(root)));
}

}  // namespace

int audit_content(const storage::AuditQuery& query, bool as_json, storage::Database& database) {
  const FaultOr<storage::ContentReport> report = storage::report_content(database, query);
  if (!report) return faulty(report.error());
  for (const storage::ContentRoute& route : report->routes) {
    as_json ? print_json(route) : print_route(route);
  }
  std::fflush(stdout);
  if (report->routes.empty()) {
    fmt::print(stderr, "tollgate: the trail has no requests of {} in that time\n",
               query.route.empty() ? std::string("any route")
                                   : fmt::format("a route `{}`", audit::visible(query.route)));
  }
  if (!report->is_whole) {
    fmt::print(stderr,
               "tollgate: there is more than {} routes and rules, and the rest is left out: ask "
               "for one --route, or for less time\n",
               storage::kContentRowsMax);
  }
  return kDone;
}

}  // namespace tollgate::cli
