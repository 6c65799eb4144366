// `tollgate spend`: the books as a table, JSON or CSV.
#include "storage/spend.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "admin/forms.h"
#include "admin/query.h"
#include "base/money.h"
#include "cli/author.h"
#include "cli/commands.h"
#include "cli/csv.h"
#include "cli/load_config.h"
#include "cli/spend_reports.h"
#include "cli/wall_time.h"
#include "controls/audit/audit.h"
#include "storage/adjust.h"
#include "storage/reconcile.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

// Users and keys are of a tenant; elsewhere there is none to show.
bool has_tenant(storage::SpendBy by) {
  return by == storage::SpendBy::kUser || by == storage::SpendBy::kKey;
}

void print_csv(storage::SpendBy by, const std::vector<storage::SpendRow>& rows) {
  fmt::print("{},{}requests,input_tokens,cached_input_tokens,output_tokens,cost_usd\n",
             storage::name_of(by), has_tenant(by) ? "tenant," : "");
  for (const storage::SpendRow& row : rows) {
    fmt::print("{},{}{},{},{},{},{}\n", csv_field(audit::visible(admin::spend_name(by, row))),
               has_tenant(by) ? csv_field(audit::visible(row.tenant)) + "," : std::string(),
               row.spent.requests, row.spent.input, row.spent.cached_input, row.spent.output,
               format_usd(row.spent.cost));
  }
}

// Always with six decimals, so that the points of a column stand below each other.
std::string aligned_usd(Money amount) {
  constexpr std::int64_t kMicro = 1'000'000;
  return fmt::format("{}.{:06}", amount.micro_usd / kMicro, amount.micro_usd % kMicro);
}

void print_line(storage::SpendBy by, const std::string& name, const std::string& tenant,
                const storage::Spent& spent) {
  fmt::print("{:<28} ", audit::visible(name));
  if (has_tenant(by)) fmt::print("{:<16} ", audit::visible(tenant));
  fmt::print("{:>10} {:>14} {:>14} {:>16}\n", spent.requests, spent.input, spent.output,
             aligned_usd(spent.cost));
}

void print_table(storage::SpendBy by, const std::vector<storage::SpendRow>& rows) {
  fmt::print("{:<28} ", storage::name_of(by));
  if (has_tenant(by)) fmt::print("{:<16} ", "tenant");
  fmt::print("{:>10} {:>14} {:>14} {:>16}\n", "requests", "input tokens", "output tokens",
             "cost USD");
  storage::Spent sum;
  for (const storage::SpendRow& row : rows) {
    print_line(by, admin::spend_name(by, row), row.tenant, row.spent);
    // Calls of tools are no requests.
    const bool is_tool = by == storage::SpendBy::kTool && !row.name.empty();
    sum += is_tool ? storage::Spent{.cost = row.spent.cost} : row.spent;
  }
  print_line(by, "in all", {}, sum);
}

constexpr std::chrono::hours kReconciledByDefault{24};

std::string ratio_of(const storage::Reconciled& row) {
  if (row.counted_input == 0 || row.reported_input == 0) return "-";
  return fmt::format(
      "{:.3f}", static_cast<double>(row.counted_input) / static_cast<double>(row.reported_input));
}

void print_reconciled(const std::vector<storage::Reconciled>& rows) {
  fmt::print("{:<24} {:>9} {:>14} {:>14} {:>14} {:>14} {:>12} {:>6} {:>14} {:>9} {:>16}\n", "model",
             "requests", "held USD", "settled USD", "adjusted USD", "booked USD", "difference",
             "open", "open held USD", "by count", "counted/reported");
  for (const storage::Reconciled& row : rows) {
    fmt::print("{:<24} {:>9} {:>14} {:>14} {:>14} {:>14} {:>12} {:>6} {:>14} {:>9} {:>16}\n",
               row.model, row.requests, aligned_usd(row.held), aligned_usd(row.settled),
               format_usd(row.adjusted), aligned_usd(row.booked), format_usd(row.difference()),
               row.open, aligned_usd(row.open_held), row.by_count, ratio_of(row));
  }
}

void print_reconciled_json(const std::vector<storage::Reconciled>& rows) {
  boost::json::array all;
  for (const storage::Reconciled& row : rows) {
    boost::json::object one;
    one["model"] = row.model;
    one["requests"] = row.requests;
    one["held_usd"] = format_usd(row.held);
    one["settled_usd"] = format_usd(row.settled);
    one["adjusted_usd"] = format_usd(row.adjusted);
    one["booked_usd"] = format_usd(row.booked);
    one["difference_usd"] = format_usd(row.difference());
    one["open"] = row.open;
    one["open_held_usd"] = format_usd(row.open_held);
    one["settled_by_count"] = row.by_count;
    one["input_tokens_counted"] = row.counted_input;
    one["input_tokens_reported"] = row.reported_input;
    all.push_back(std::move(one));
  }
  fmt::print("{}\n", boost::json::serialize(all));
}

int reconcile(const SpendOptions& options, const storage::SpendQuery& asked,
              storage::Database& database) {
  if (options.format == "csv") return wrong_use("--reconcile is a table or --json");
  storage::ReconcileQuery query;
  query.since = asked.since.value_or(wall_now() - kReconciledByDefault);
  query.until = asked.until;
  const FaultOr<std::vector<storage::Reconciled>> rows = storage::reconcile(database, query);
  if (!rows) return faulty(rows.error());
  if (const auto kept = storage::compared_from(database); kept && *kept && **kept > query.since) {
    fmt::print(stderr,
               "tollgate: what was before {} is not compared: the trail keeps it no longer, or the "
               "books have its sums alone (audit.keep)\n",
               admin::rfc3339(**kept));
  }
  options.format == "json" ? print_reconciled_json(*rows) : print_reconciled(*rows);
  const bool differ = std::ranges::any_of(
      *rows, [](const storage::Reconciled& row) { return row.difference() != Money{}; });
  return differ ? kFindings : kDone;
}

int adjust(const SpendOptions& options, storage::Database& database) {
  storage::LateUsage late;
  late.request = options.adjust;
  late.input = options.input;
  late.cached_input = options.cached_input;
  late.output = options.output;
  late.parts = {options.audio_input,
                options.image_input,
                options.cache_write_5m,
                options.cache_write_1h,
                options.reasoning,
                options.audio_output,
                service_tier_named(options.service_tier)};
  late.because = options.because;
  const storage::LateParts& parts = late.parts;
  for (const std::optional<Tokens> tokens :
       {std::optional(late.input), std::optional(late.cached_input), std::optional(late.output),
        parts.audio_input, parts.image_input, parts.cache_write_5m, parts.cache_write_1h,
        parts.reasoning, parts.audio_output}) {
    if (tokens && (*tokens < 0 || *tokens > kTokensMax))
      return wrong_use("what --adjust books are numbers of tokens");
  }
  if (options.cached_input > options.input)
    return wrong_use("--cached-input is a part of --input, so it cannot be more");
  const FaultOr<storage::Adjusted> done =
      storage::adjust(database, command_author(), late, wall_now());
  if (!done) return faulty(done.error());
  if (options.format == "json") {
    boost::json::object told{{"request", late.request},
                             {"before_usd", format_usd(done->before)},
                             {"after_usd", format_usd(done->after)}};
    fmt::print("{}\n", boost::json::serialize(told));
  } else {
    fmt::print("{}: {} USD, before {} USD\n", late.request, format_usd(done->after),
               format_usd(done->before));
  }
  return kDone;
}

}  // namespace

int spend(const SpendOptions& options) {
  if (options.forecast) return forecast_budgets(options);
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  admin::Parameters parameters{{"by", options.by}};
  if (!options.since.empty()) parameters.emplace_back("since", options.since);
  if (!options.until.empty()) parameters.emplace_back("until", options.until);
  if (!options.tenant.empty()) parameters.emplace_back("tenant", options.tenant);
  const admin::OrWords<storage::SpendQuery> query = admin::spend_query(parameters, wall_now());
  if (!query) return wrong_use(query.error());
  if (!options.invoice.empty()) return compare_invoice(options, *query);
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  if (!options.adjust.empty()) return adjust(options, **database);
  if (options.chargeback) return chargeback(options, *query, **database);
  if (options.reconcile) return reconcile(options, *query, **database);
  const FaultOr<std::vector<storage::SpendRow>> rows = storage::query_spend(**database, *query);
  if (!rows) return faulty(rows.error());
  if (options.format == "json") {
    fmt::print("{}\n", audit::visible(admin::spend_json(query->by, *rows)));
  } else if (options.format == "csv") {
    print_csv(query->by, *rows);
  } else {
    print_table(query->by, *rows);
  }
  return kDone;
}

}  // namespace tollgate::cli
