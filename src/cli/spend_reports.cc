#include "cli/spend_reports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <memory>
#include <set>

#include "base/rfc3339.h"
#include "cli/csv.h"
#include "cli/load_config.h"
#include "cli/wall_time.h"
#include "controls/audit/audit.h"
#include "controls/cost/forecast.h"
#include "controls/cost/invoice.h"
#include "storage/charges.h"
#include "storage/store.h"
#include "storage/whole_file.h"

namespace tollgate::cli {

namespace {

namespace json = boost::json;

// Invoices are in cents.
constexpr Money kTolerance{10'000};

struct Outlook {
  const cost::Policy* budget = nullptr;
  std::string subject;
  Money spent;
  cost::Forecast forecast;
  std::optional<WallTime> window_end;
};

FaultOr<std::vector<Outlook>> outlooks_of(storage::Database& database, const cost::Policy& budget,
                                          const std::string& only, WallTime now) {
  const WallTime start = cost::start_of(budget.window, budget.zone, now);
  const Duration over = cost::pace_over(budget.window);
  FaultOr<std::vector<storage::SubjectSpent>> spent =
      storage::spent_by_subject(database, budget.scope, start);
  if (!spent) return std::unexpected(spent.error());
  const FaultOr<std::vector<storage::SubjectSpent>> recent =
      storage::spent_by_subject(database, budget.scope, now - over);
  if (!recent) return std::unexpected(recent.error());
  std::map<std::string, std::pair<Money, Money>> subjects;
  for (const storage::SubjectSpent& one : *spent) subjects[one.subject].first = one.cost;
  for (const storage::SubjectSpent& one : *recent) subjects[one.subject].second = one.cost;
  std::vector<Outlook> made;
  for (const auto& [subject, amounts] : subjects) {
    if (!only.empty() && subject != only) continue;
    Outlook one;
    one.budget = &budget;
    one.subject = subject;
    one.spent = amounts.first;
    one.window_end = cost::end_of(budget.window, budget.zone, now);
    one.forecast =
        cost::forecast({budget.limit, amounts.first, amounts.second, over, now, one.window_end});
    made.push_back(std::move(one));
  }
  return made;
}

std::string moment_of(const std::optional<WallTime>& time) {
  return time ? rfc3339(*time) : std::string("-");
}

void print_outlooks(const std::vector<Outlook>& rows) {
  fmt::print("{:<28} {:<24} {:>14} {:>14} {:>12} {:>14} {:<20} {}\n", "budget", "subject",
             "limit USD", "spent USD", "USD an hour", "at its end", "window ends", "spent by");
  for (const Outlook& row : rows) {
    const auto& at_end = row.forecast.at_window_end;
    fmt::print("{:<28} {:<24} {:>14} {:>14} {:>12} {:>14} {:<20} {}\n", row.budget->rule,
               audit::visible(row.subject), format_usd(row.budget->limit), format_usd(row.spent),
               format_usd(row.forecast.an_hour), at_end ? format_usd(*at_end) : "-",
               moment_of(row.window_end), moment_of(row.forecast.exhausted));
  }
}

void print_outlooks_json(const std::vector<Outlook>& rows) {
  json::array all;
  for (const Outlook& row : rows) {
    json::object one;
    one["budget"] = row.budget->rule;
    one["subject"] = row.subject;
    one["limit_usd"] = format_usd(row.budget->limit);
    one["spent_usd"] = format_usd(row.spent);
    one["usd_an_hour"] = format_usd(row.forecast.an_hour);
    if (row.forecast.at_window_end)
      one["at_window_end_usd"] = format_usd(*row.forecast.at_window_end);
    if (row.window_end) one["window_end"] = rfc3339(*row.window_end);
    if (row.forecast.exhausted) one["exhausted"] = rfc3339(*row.forecast.exhausted);
    all.push_back(std::move(one));
  }
  fmt::print("{}\n", json::serialize(all));
}

storage::ChargeQuery query_of(const storage::SpendQuery& asked) {
  return {asked.since, asked.until, asked.tenant};
}

// As the upstream calls the model, which is what its invoice names.
std::string invoiced_name(const config::Config& config, std::string_view model) {
  const auto found = std::ranges::find_if(
      config.models, [&](const config::Model& one) { return one.name == model; });
  return found == config.models.end() ? std::string(model) : found->upstream_name;
}

std::string_view verdict_on(const cost::Compared& row) {
  if (!row.differs) return "";
  if (row.where == cost::Where::kBooks) return "in the books alone";
  return row.where == cost::Where::kInvoice ? "in the invoice alone" : "differs";
}

// Whose costs the invoice can be held against: those of the models that it names, or of all of one
// upstream.
class Invoiced {
 public:
  Invoiced(const config::Config& config, const cost::Charged& invoice, std::string_view upstream)
      : config_(config), upstream_(upstream) {
    for (const auto& [key, amount] : invoice) {
      days_.insert(key.second);
      models_.insert(key.first);
    }
  }
  bool has_day(const std::string& day) const { return days_.contains(day); }
  bool has_model(std::string_view model) const {
    const auto found = std::ranges::find(config_.models, model, &config::Model::name);
    const bool is_known = found != config_.models.end();
    if (upstream_.empty()) {
      return models_.contains(is_known ? found->upstream_name : std::string(model));
    }
    return is_known &&
           config_.upstreams[static_cast<std::size_t>(found->upstream)].name == upstream_;
  }

 private:
  const config::Config& config_;
  const std::string_view upstream_;
  std::set<std::string> days_;
  std::set<std::string> models_;
};

void print_compared(const std::vector<cost::Compared>& rows) {
  fmt::print("{:<32} {:<12} {:>14} {:>14} {:>14} {}\n", "model", "day", "booked USD",
             "invoiced USD", "difference", "");
  for (const cost::Compared& row : rows) {
    fmt::print("{:<32} {:<12} {:>14} {:>14} {:>14} {}\n",
               row.model.empty() ? "(no model)" : audit::visible(row.model), row.day,
               format_usd(row.booked), format_usd(row.invoiced), format_usd(row.difference),
               verdict_on(row));
  }
}

void print_compared_json(const std::vector<cost::Compared>& rows) {
  json::array all;
  for (const cost::Compared& row : rows) {
    all.push_back(json::object{{"model", row.model},
                               {"day", row.day},
                               {"booked_usd", format_usd(row.booked)},
                               {"invoiced_usd", format_usd(row.invoiced)},
                               {"difference_usd", format_usd(row.difference)},
                               {"in", cost::name_of(row.where)},
                               {"differs", row.differs}});
  }
  fmt::print("{}\n", json::serialize(all));
}

}  // namespace

int forecast_budgets(const SpendOptions& options) {
  if (options.format == "csv") return wrong_use("--forecast is a table or --json");
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  std::vector<Outlook> all;
  const auto add = [&](const cost::Policy& budget, const std::string& only) -> FaultOr<void> {
    FaultOr<std::vector<Outlook>> made = outlooks_of(**database, budget, only, wall_now());
    if (!made) return std::unexpected(made.error());
    std::ranges::move(*made, std::back_inserter(all));
    return {};
  };
  for (const cost::Policy& budget : config->budgets) {
    if (const FaultOr<void> done = add(budget, {}); !done) return faulty(done.error());
  }
  for (const config::Tenant& tenant : config->tenants) {
    if (!tenant.budget) continue;
    if (const FaultOr<void> done = add(*tenant.budget, tenant.name); !done) {
      return faulty(done.error());
    }
  }
  options.format == "json" ? print_outlooks_json(all) : print_outlooks(all);
  return kDone;
}

int chargeback(const SpendOptions& options, const storage::SpendQuery& asked,
               storage::Database& database) {
  if (options.format == "json") return wrong_use("--chargeback is CSV");
  fmt::print(
      "day,tenant,user,key,route,model,requests,input_tokens,cached_input_tokens,output_tokens,"
      "cost_usd\n");
  const FaultOr<void> told =
      storage::each_charge(database, query_of(asked), [](const storage::ChargeRow& row) {
        const auto field = [](std::string_view text) { return csv_field(audit::visible(text)); };
        fmt::print("{},{},{},{},{},{},{},{},{},{},{}\n", row.day, field(row.tenant),
                   field(row.user), field(row.key_id), field(row.route), field(row.model),
                   row.spent.requests, row.spent.input, row.spent.cached_input, row.spent.output,
                   format_usd(row.spent.cost));
      });
  return told ? kDone : faulty(told.error());
}

int compare_invoice(const SpendOptions& options, const storage::SpendQuery& asked) {
  if (options.format == "csv") return wrong_use("--invoice is a table or --json");
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  if (!options.upstream.empty() &&
      std::ranges::find(config->upstreams, options.upstream, &config::Upstream::name) ==
          config->upstreams.end()) {
    return wrong_use(fmt::format("there is no upstream `{}`", options.upstream));
  }
  const std::optional<std::string> text =
      storage::whole_file(options.invoice, cost::kInvoiceBytesMax);
  if (!text) return wrong_use(fmt::format("there is no file {}", options.invoice));
  const auto invoiced = cost::read_invoice(*text);
  if (!invoiced) return wrong_use(fmt::format("{}: {}", options.invoice, invoiced.error()));
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  cost::Charged booked;
  const Invoiced of(*config, *invoiced, options.upstream);
  std::set<std::string> passed_over;
  Money passed_usd;
  const FaultOr<void> read =
      storage::each_charge(**database, query_of(asked), [&](const storage::ChargeRow& row) {
        if (!of.has_day(row.day) || row.spent.cost == Money{}) return;
        if (!of.has_model(row.model)) {
          passed_over.emplace(row.model);
          passed_usd = add_saturated(passed_usd, row.spent.cost);
          return;
        }
        Money& sum = booked[{invoiced_name(*config, row.model), row.day}];
        sum = add_saturated(sum, row.spent.cost);
      });
  if (!read) return faulty(read.error());
  const std::vector<cost::Compared> rows = cost::compare(booked, *invoiced, kTolerance);
  options.format == "json" ? print_compared_json(rows) : print_compared(rows);
  if (!passed_over.empty()) {
    fmt::print(stderr,
               "tollgate: not compared, as {}: {}, for which {} USD are booked on these "
               "days\n",
               options.upstream.empty() ? "the invoice does not name them"
                                        : "they are of another upstream",
               audit::visible(fmt::format("{}", fmt::join(passed_over, ", "))),
               format_usd(passed_usd));
  }
  return std::ranges::any_of(rows, &cost::Compared::differs) ? kFindings : kDone;
}

}  // namespace tollgate::cli
