// `tollgate prices`: what models cost, what of that can hardly be meant, and what recorded requests
// would have cost at other prices.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "admin/query.h"
#include "cli/commands.h"
#include "cli/csv.h"
#include "cli/load_config.h"
#include "cli/wall_time.h"
#include "cli/what_if.h"
#include "config/price_findings.h"
#include "storage/audit_query.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

namespace json = boost::json;

void print_text(const config::Config& config, const std::vector<config::Finding>& findings) {
  for (const config::Finding& finding : findings) {
    fmt::print("{}:{}: {}: warning: [{}] {}\n    mend: {}\n", config.file, finding.line,
               finding.field, finding.id, finding.message, finding.mend);
  }
  fmt::print("{}: {} model{}, {} finding{}; published prices are of {}\n", config.file,
             config.models.size(), config.models.size() == 1 ? "" : "s", findings.size(),
             findings.size() == 1 ? "" : "s", config::kPublishedPricesOf);
}

void print_json(const config::Config& config, const std::vector<config::Finding>& findings) {
  json::object prices;
  const WallTime now = wall_now();
  for (const config::Model& model : config.models) {
    prices[model.name] = config::prices_at(model, now).price_version;
  }
  json::array weak;
  for (const config::Finding& finding : findings) {
    weak.push_back(json::object{{"id", finding.id},
                                {"line", finding.line},
                                {"field", finding.field},
                                {"message", finding.message},
                                {"mend", finding.mend}});
  }
  const json::object root{{"file", config.file},
                          {"price_versions", prices},
                          {"published_prices_of", config::kPublishedPricesOf},
                          {"findings", weak}};
  fmt::print("{}\n", json::serialize(root));
}

// The table, or nothing where there are problems, which are on stderr then.
std::optional<config::PriceTable> load_table(const std::string& file) {
  config::PriceTable table;
  std::vector<config::Problem> problems;
  config::load_price_table(file, table, problems);
  for (const config::Problem& problem : problems) {
    fmt::print(stderr, "tollgate: {}\n", config::format(problem));
  }
  if (!problems.empty()) return std::nullopt;
  return table;
}

std::string day_of(WallTime from) {
  if (from == WallTime{}) return "always";
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(from));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

int check_table(const PricesOptions& options) {
  const std::optional<config::PriceTable> table = load_table(options.table);
  if (!table) return kWrongUse;
  json::array entries;
  for (const auto& [name, lists] : *table) {
    for (const config::PriceList& list : lists) {
      if (!options.json) {
        fmt::print("{:<28} {:<12} {}\n", name, day_of(list.from), list.price_version);
      }
      entries.push_back(json::object{
          {"name", name}, {"from", day_of(list.from)}, {"price_version", list.price_version}});
    }
  }
  if (options.json) {
    fmt::print("{}\n", json::serialize(json::object{{"file", options.table}, {"prices", entries}}));
  } else {
    fmt::print("{}: {} entr{}, 0 problems\n", options.table, entries.size(),
               entries.size() == 1 ? "y" : "ies");
  }
  return kDone;
}

// The entry of the table for a model of that name: the one that it names in the configuration, or
// one that is called like it.
const std::vector<config::PriceList>* lists_of(const config::PriceTable& table,
                                               const config::Config& config,
                                               const std::string& model) {
  std::string entry = model;
  for (const config::Model& one : config.models) {
    if (one.name == model && !one.price_entry.empty()) entry = one.price_entry;
  }
  const auto found = table.find(entry);
  return found == table.end() || found->second.empty() ? nullptr : &found->second;
}

FaultOr<WhatIf> walk(storage::Database& database, const storage::AuditQuery& query,
                     const config::PriceTable& table, const config::Config& config,
                     std::optional<WallTime> as_of) {
  WhatIf made;
  RecordedUsageReader reader;
  std::string padded;
  const auto with_padding = [&](std::string_view line) {
    padded.assign(line);
    padded.append(simdjson::SIMDJSON_PADDING, ' ');
    return std::string_view(padded).substr(0, line.size());
  };
  const auto note = [&](std::string_view line) {
    reader.note_images(with_padding(line));
    return true;
  };
  const auto add = [&](std::string_view line) {
    const auto usage = reader.read(with_padding(line));
    if (!usage) return true;
    const std::vector<config::PriceList>* lists = lists_of(table, config, usage->model);
    if (lists == nullptr) {
      made.add(*usage, std::unexpected("the model has no entry in the table"));
    } else {
      made.add(*usage, reprice(list_at(*lists, as_of.value_or(usage->time)), *usage));
    }
    return true;
  };
  storage::AuditQuery decisions = query;
  decisions.phase = audit::Phase::kDecision;
  if (const FaultOr<void> read = storage::export_audit(database, decisions, note); !read) {
    return std::unexpected(read.error());
  }
  if (const FaultOr<void> read = storage::export_audit(database, query, add); !read) {
    return std::unexpected(read.error());
  }
  return made;
}

std::string difference(const WhatIfRow& row) {
  return format_usd({row.what_if.micro_usd - row.recorded.micro_usd});
}

void tell_table(const WhatIf& what) {
  fmt::print("{:<24} {:<16} {:>9} {:>16} {:>16} {:>16} {:>9}\n", "model", "tenant", "requests",
             "recorded USD", "what-if USD", "difference", "unpriced");
  WhatIfRow sum;
  const auto line = [](const std::string& model, const std::string& tenant, const WhatIfRow& row) {
    fmt::print("{:<24} {:<16} {:>9} {:>16} {:>16} {:>16} {:>9}\n", audit::visible(model),
               audit::visible(tenant), row.requests, format_usd(row.recorded),
               format_usd(row.what_if), difference(row), row.unpriced);
  };
  for (const auto& [of, row] : what.rows) {
    line(of.first, of.second, row);
    sum.requests += row.requests;
    sum.recorded = add_saturated(sum.recorded, row.recorded);
    sum.what_if = add_saturated(sum.what_if, row.what_if);
    sum.unpriced += row.unpriced;
  }
  line("in all", {}, sum);
  for (const auto& [why, requests] : what.unpriced) {
    fmt::print("not priced, and in neither sum: {} of `{}`: {}\n", requests,
               audit::visible(why.first), why.second);
  }
}

void tell_csv(const WhatIf& what) {
  fmt::print(
      "model,tenant,requests,recorded_usd,what_if_usd,difference_usd,unpriced_requests,"
      "unpriced_recorded_usd\n");
  for (const auto& [of, row] : what.rows) {
    fmt::print("{},{},{},{},{},{},{},{}\n", csv_field(audit::visible(of.first)),
               csv_field(audit::visible(of.second)), row.requests, format_usd(row.recorded),
               format_usd(row.what_if), difference(row), row.unpriced,
               format_usd(row.unpriced_recorded));
  }
}

void tell_json(const WhatIf& what) {
  json::array rows;
  for (const auto& [of, row] : what.rows) {
    rows.push_back(json::object{{"model", of.first},
                                {"tenant", of.second},
                                {"requests", row.requests},
                                {"recorded_usd", format_usd(row.recorded)},
                                {"what_if_usd", format_usd(row.what_if)},
                                {"difference_usd", difference(row)},
                                {"unpriced_requests", row.unpriced},
                                {"unpriced_recorded_usd", format_usd(row.unpriced_recorded)}});
  }
  json::array unpriced;
  for (const auto& [why, requests] : what.unpriced) {
    unpriced.push_back(
        json::object{{"model", why.first}, {"why", why.second}, {"requests", requests}});
  }
  fmt::print("{}\n",
             audit::visible(json::serialize(json::object{{"rows", rows}, {"unpriced", unpriced}})));
}

}  // namespace

int prices(const PricesOptions& options) {
  if (!options.table.empty()) return check_table(options);
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (config == nullptr) return kWrongUse;
  std::ifstream stream(options.config, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const std::vector<config::Finding> findings = config::price_findings(*config, text);
  options.json ? print_json(*config, findings) : print_text(*config, findings);
  return findings.empty() ? kDone : kFindings;
}

int what_if(const WhatIfOptions& options) {
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (config == nullptr) return kWrongUse;
  const std::optional<config::PriceTable> table = load_table(options.prices);
  if (!table) return kWrongUse;
  admin::Parameters parameters{{"by", "model"}};
  if (!options.since.empty()) parameters.emplace_back("since", options.since);
  if (!options.until.empty()) parameters.emplace_back("until", options.until);
  if (!options.tenant.empty()) parameters.emplace_back("tenant", options.tenant);
  const admin::OrWords<storage::SpendQuery> asked = admin::spend_query(parameters, wall_now());
  if (!asked) return wrong_use(asked.error());
  std::optional<WallTime> as_of;
  if (!options.as_of.empty()) {
    const admin::OrWords<WallTime> moment = admin::parse_moment(options.as_of, wall_now());
    if (!moment) return wrong_use(moment.error());
    as_of = *moment;
  }
  storage::AuditQuery query;
  query.phase = audit::Phase::kOutcome;
  query.tenant = options.tenant;
  query.model = options.model;
  query.since = asked->since;
  query.until = asked->until;
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  const FaultOr<WhatIf> what = walk(**database, query, *table, *config, as_of);
  if (!what) return faulty(what.error());
  if (options.format == "json") {
    tell_json(*what);
  } else if (options.format == "csv") {
    tell_csv(*what);
  } else {
    tell_table(*what);
  }
  return what->unpriced.empty() ? kDone : kFindings;
}

}  // namespace tollgate::cli
