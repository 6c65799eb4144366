// `tollgate audit`: the trail, found, followed and proven.
#include "controls/audit/audit.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "admin/query.h"
#include "cli/audit_content.h"
#include "cli/change_line.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/signals.h"
#include "cli/wall_time.h"
#include "storage/audit_query.h"
#include "storage/changes.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

constexpr Duration kFollowEvery = std::chrono::milliseconds(200);
constexpr std::int64_t kFollowRows = 1000;

// A record's escapes are undone by the parser, so what is shown is escaped anew.
std::string text_at(const simdjson::dom::element& root, std::string_view pointer) {
  std::string_view text;
  return root.at_pointer(pointer).get(text) == simdjson::SUCCESS ? audit::visible(text) : "-";
}

std::string count_at(const simdjson::dom::element& root, std::string_view pointer) {
  std::int64_t count = 0;
  if (root.at_pointer(pointer).get(count) != simdjson::SUCCESS) return "-";
  return std::to_string(count);
}

std::string usd_at(const simdjson::dom::element& root, std::string_view pointer) {
  double usd = 0;
  if (root.at_pointer(pointer).get(usd) != simdjson::SUCCESS) return "-";
  return fmt::format("{:.6f}", usd);
}

constexpr const char* kColumns =
    "{:<24} {:<8} {:<30} {:<12} {:<14} {:<16} {:<10} {:>8} {:>8} {:>11}  {}\n";

// A change has no route, model or tokens: there stand what was done and to what, and by whom.
constexpr const char* kChangeColumns = "{:<24} {:<8} {:<30} {:<12} {:<14} {}\n";

void print_header(bool json) {
  if (json) return;
  fmt::print(fmt::runtime(kColumns), "TIME", "PHASE", "ID", "TENANT", "ROUTE", "MODEL", "OUTCOME",
             "INPUT", "OUTPUT", "COST USD", "CODE");
}

// One line for a person; the JSON has the rest.
void print_row(const storage::AuditRow& row, bool json) {
  if (json) {
    fmt::print("{}\n", row.record);
    return;
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(row.record).get(root) != simdjson::SUCCESS) {
    fmt::print("{} (a record that is no JSON)\n", row.sequence);
    return;
  }
  if (text_at(root, "/phase") == audit::name_of(audit::Phase::kChange)) {
    fmt::print(fmt::runtime(kChangeColumns), text_at(root, "/time"), text_at(root, "/phase"),
               text_at(root, "/id"), text_at(root, "/tenant"), text_at(root, "/action"),
               change_line(root));
    return;
  }
  fmt::print(fmt::runtime(kColumns), text_at(root, "/time"), text_at(root, "/phase"),
             text_at(root, "/id"), text_at(root, "/actor/tenant"), text_at(root, "/route"),
             text_at(root, "/model/served"), text_at(root, "/decision/outcome"),
             count_at(root, "/usage/input"), count_at(root, "/usage/output"),
             usd_at(root, "/cost_usd"), text_at(root, "/decision/code"));
}

std::string proof_json(const storage::Proof& proof) {
  return fmt::format("\"records\":{},\"first\":{},\"last\":{},\"broken\":{}", proof.records,
                     proof.first, proof.last,
                     proof.broken ? std::to_string(*proof.broken) : std::string("null"));
}

// A gateway that has the store for itself has no name that anybody gave it.
std::string whose(const storage::Proof& proof) {
  if (proof.gateway == storage::kChangesChain) return "changes: ";
  return proof.gateway == storage::kOnlyGateway ? "" : "gateway " + proof.gateway + ": ";
}

int verify(storage::Database& database, bool json) {
  const FaultOr<std::vector<storage::Proof>> proofs = storage::verify_chains(database);
  if (!proofs) return faulty(proofs.error());
  bool is_broken = false;
  std::string chains;
  storage::Proof all;  // Of several chains; of one, that.
  for (const storage::Proof& proof : *proofs) {
    const bool is_changes = proof.gateway == storage::kChangesChain;
    if (!is_broken && (!is_changes || proof.broken || proofs->size() == 1)) all = proof;
    is_broken = is_broken || proof.broken.has_value();
    chains += fmt::format("{}{{\"gateway\":\"{}\",{}}}", chains.empty() ? "" : ",", proof.gateway,
                          proof_json(proof));
    if (json) continue;
    if (proof.broken) {
      fmt::print("{}broken at record {}: {}\n", whose(proof), *proof.broken, proof.why);
    } else {
      fmt::print("{}{} records proven, {} to {}\n", whose(proof), proof.records, proof.first,
                 proof.last);
    }
  }
  if (json) {
    all.records = 0;
    for (const storage::Proof& proof : *proofs) all.records += proof.records;
    fmt::print("{{{},\"gateways\":[{}]}}\n", proof_json(all), chains);
  } else if (proofs->empty()) {
    fmt::print("0 records proven, 0 to 0\n");
  }
  return is_broken ? kFindings : kDone;
}

int tail(const AuditOptions& options, const admin::AuditQuestion& question,
         storage::Database& database) {
  FaultOr<storage::AuditPlaces> seen;
  FaultOr<std::vector<storage::AuditRow>> rows;
  {
    const FaultOr<storage::Snapshot> moment = storage::Snapshot::begin(database);
    if (!moment) return faulty(moment.error());
    rows = storage::query_audit(database, question.query, question.limit);
    seen = storage::last_places(database);
  }
  if (!rows) return faulty(rows.error());
  if (!seen) return faulty(seen.error());
  std::reverse(rows->begin(), rows->end());
  print_header(options.json);
  for (const storage::AuditRow& row : *rows) print_row(row, options.json);
  if (!options.follow) return kDone;
  block_signals();
  while (wait_signal(kFollowEvery) != Signal::kStop) {
    rows = storage::follow_audit(database, question.query, *seen, kFollowRows);
    if (!rows) return faulty(rows.error());
    for (const storage::AuditRow& row : *rows) print_row(row, options.json);
    std::fflush(stdout);
  }
  return kDone;
}

}  // namespace

int audit(const AuditOptions& options) {
  const std::shared_ptr<const config::Config> config = load_store_settings(options.config);
  if (!config) return kWrongUse;
  admin::Parameters parameters{{"limit", std::to_string(options.limit)}};
  const std::pair<const char*, const std::string*> filters[] = {
      {"tenant", &options.tenant}, {"user", &options.user},
      {"code", &options.code},     {"outcome", &options.outcome},
      {"route", &options.route},   {"model", &options.model},
      {"id", &options.id},         {"phase", &options.phase},
      {"actor", &options.actor},   {"action", &options.action_name},
      {"object", &options.object}, {"since", &options.since},
      {"until", &options.until},   {"before", &options.before}};
  for (const auto& [name, value] : filters) {
    if (!value->empty()) parameters.emplace_back(name, *value);
  }
  if (options.action == AuditOptions::Action::kContent && options.since.empty()) {
    parameters.emplace_back("since", kReportedByDefault);
  }
  const admin::OrWords<admin::AuditQuestion> question =
      admin::audit_question(parameters, wall_now());
  if (!question) return wrong_use(question.error());
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  if (options.action == AuditOptions::Action::kContent) {
    return audit_content(question->query, options.json, **database);
  }
  if (options.action == AuditOptions::Action::kVerify) return verify(**database, options.json);
  if (options.action == AuditOptions::Action::kTail) return tail(options, *question, **database);
  const FaultOr<std::vector<storage::AuditRow>> rows =
      storage::query_audit(**database, question->query, question->limit, question->before);
  if (!rows) return faulty(rows.error());
  print_header(options.json);
  for (const storage::AuditRow& row : *rows) print_row(row, options.json);
  if (std::cmp_equal(rows->size(), question->limit)) {
    std::fflush(stdout);
    fmt::print(stderr, "older: --before {}\n", storage::cursor_behind(rows->back()));
  }
  return kDone;
}

}  // namespace tollgate::cli
