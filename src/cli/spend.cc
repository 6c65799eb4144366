// `tollgate spend`: the books as a table, JSON or CSV.
#include "storage/spend.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "admin/forms.h"
#include "admin/query.h"
#include "base/money.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/wall_time.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

// RFC 4180: quoted where it must be. A leading = + - @ would be a formula in a spreadsheet.
std::string csv_field(const std::string& text) {
  const bool formula = !text.empty() && std::string("=+-@\t\r").find(text[0]) != std::string::npos;
  const std::string safe = formula ? "'" + text : text;
  if (safe.find_first_of(",\"\r\n") == std::string::npos) return safe;
  std::string quoted = "\"";
  for (const char c : safe) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void print_csv(storage::SpendBy by, const std::vector<storage::SpendRow>& rows) {
  fmt::print("{},tenant,requests,input_tokens,cached_input_tokens,output_tokens,cost_usd\n",
             storage::name_of(by));
  for (const storage::SpendRow& row : rows) {
    fmt::print("{},{},{},{},{},{},{}\n", csv_field(admin::spend_name(by, row)),
               csv_field(row.tenant), row.spent.requests, row.spent.input, row.spent.cached_input,
               row.spent.output, format_usd(row.spent.cost));
  }
}

void print_table(storage::SpendBy by, const std::vector<storage::SpendRow>& rows) {
  fmt::print("{:<28} {:>10} {:>14} {:>14} {:>16}\n", storage::name_of(by), "requests",
             "input tokens", "output tokens", "cost USD");
  storage::Spent sum;
  for (const storage::SpendRow& row : rows) {
    fmt::print("{:<28} {:>10} {:>14} {:>14} {:>16}\n", admin::spend_name(by, row),
               row.spent.requests, row.spent.input, row.spent.output, format_usd(row.spent.cost));
    sum += row.spent;
  }
  fmt::print("{:<28} {:>10} {:>14} {:>14} {:>16}\n", "in all", sum.requests, sum.input, sum.output,
             format_usd(sum.cost));
}

}  // namespace

int spend(const SpendOptions& options) {
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  admin::Parameters parameters{{"by", options.by}};
  if (!options.since.empty()) parameters.emplace_back("since", options.since);
  if (!options.until.empty()) parameters.emplace_back("until", options.until);
  if (!options.tenant.empty()) parameters.emplace_back("tenant", options.tenant);
  const admin::OrWords<storage::SpendQuery> query = admin::spend_query(parameters, wall_now());
  if (!query) {
    fmt::print(stderr, "tollgate: {}\n", query.error());
    return kWrongUse;
  }
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) {
    fmt::print(stderr, "tollgate: {}\n", database.error().message);
    return kRuntimeFault;
  }
  const FaultOr<std::vector<storage::SpendRow>> rows = storage::query_spend(**database, *query);
  if (!rows) {
    fmt::print(stderr, "tollgate: {}\n", rows.error().message);
    return kRuntimeFault;
  }
  if (options.format == "json") {
    fmt::print("{}\n", admin::spend_json(query->by, *rows));
  } else if (options.format == "csv") {
    print_csv(query->by, *rows);
  } else {
    print_table(query->by, *rows);
  }
  return kDone;
}

}  // namespace tollgate::cli
