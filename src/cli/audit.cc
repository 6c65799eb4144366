// `tollgate audit`: the trail, found, followed and proven.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "admin/query.h"
#include "cli/commands.h"
#include "cli/load_config.h"
#include "cli/signals.h"
#include "cli/wall_time.h"
#include "storage/audit_query.h"
#include "storage/store.h"

namespace tollgate::cli {

namespace {

constexpr Duration kFollowEvery = std::chrono::milliseconds(200);
constexpr std::int64_t kFollowRows = 1000;

int faulty(const Fault& fault) {
  fmt::print(stderr, "tollgate: {}\n", fault.message);
  return kRuntimeFault;
}

std::string_view text_at(const simdjson::dom::element& root, std::string_view pointer) {
  std::string_view text;
  return root.at_pointer(pointer).get(text) == simdjson::SUCCESS ? text : std::string_view("-");
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
  fmt::print("{} {:<8} {} {:<10} {:<14} {:<12} {:<10} {}\n", text_at(root, "/time"),
             text_at(root, "/phase"), text_at(root, "/id"), text_at(root, "/actor/tenant"),
             text_at(root, "/route"), text_at(root, "/model/served"),
             text_at(root, "/decision/outcome"), text_at(root, "/decision/code"));
}

int verify(storage::Database& database, bool json) {
  const FaultOr<storage::Proof> proof = storage::verify_audit(database);
  if (!proof) return faulty(proof.error());
  if (json) {
    fmt::print("{{\"records\":{},\"first\":{},\"last\":{},\"broken\":{}}}\n", proof->records,
               proof->first, proof->last,
               proof->broken ? std::to_string(*proof->broken) : std::string("null"));
  } else if (proof->broken) {
    fmt::print("broken at record {}: {}\n", *proof->broken, proof->why);
  } else {
    fmt::print("{} records proven, {} to {}\n", proof->records, proof->first, proof->last);
  }
  return proof->broken ? kFindings : kDone;
}

int tail(const AuditOptions& options, const admin::AuditQuestion& question,
         storage::Database& database) {
  FaultOr<std::vector<storage::AuditRow>> rows =
      storage::query_audit(database, question.query, question.limit);
  if (!rows) return faulty(rows.error());
  std::reverse(rows->begin(), rows->end());
  for (const storage::AuditRow& row : *rows) print_row(row, options.json);
  if (!options.follow) return kDone;
  const FaultOr<std::int64_t> newest = storage::last_sequence(database);
  if (!newest) return faulty(newest.error());
  std::int64_t after = rows->empty() ? *newest : rows->back().sequence;
  block_signals();
  while (wait_signal(kFollowEvery) != Signal::kStop) {
    rows = storage::follow_audit(database, question.query, after, kFollowRows);
    if (!rows) return faulty(rows.error());
    for (const storage::AuditRow& row : *rows) print_row(row, options.json);
    if (!rows->empty()) after = rows->back().sequence;
    std::fflush(stdout);
  }
  return kDone;
}

}  // namespace

int audit(const AuditOptions& options) {
  const std::shared_ptr<const config::Config> config = load_config(options.config);
  if (!config) return kWrongUse;
  admin::Parameters parameters{{"limit", std::to_string(options.limit)}};
  const std::pair<const char*, const std::string*> filters[] = {
      {"tenant", &options.tenant},   {"user", &options.user},   {"code", &options.code},
      {"outcome", &options.outcome}, {"route", &options.route}, {"model", &options.model},
      {"id", &options.id},           {"phase", &options.phase}, {"since", &options.since},
      {"until", &options.until}};
  for (const auto& [name, value] : filters) {
    if (!value->empty()) parameters.emplace_back(name, *value);
  }
  const admin::OrWords<admin::AuditQuestion> question =
      admin::audit_question(parameters, wall_now());
  if (!question) {
    fmt::print(stderr, "tollgate: {}\n", question.error());
    return kWrongUse;
  }
  const FaultOr<std::unique_ptr<storage::Database>> database =
      storage::open_for_command(config->store);
  if (!database) return faulty(database.error());
  if (options.action == AuditOptions::Action::kVerify) return verify(**database, options.json);
  if (options.action == AuditOptions::Action::kTail) return tail(options, *question, **database);
  const FaultOr<std::vector<storage::AuditRow>> rows =
      storage::query_audit(**database, question->query, question->limit);
  if (!rows) return faulty(rows.error());
  for (const storage::AuditRow& row : *rows) print_row(row, options.json);
  return kDone;
}

}  // namespace tollgate::cli
