// `tollgate check`: problems first, then the posture of a configuration that has none.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>

#include "cli/commands.h"
#include "config/load.h"

namespace tollgate::cli {

namespace {

namespace json = boost::json;

std::string_view name_of(config::Finding::Level level) {
  return level == config::Finding::Level::kNote ? "note" : "warning";
}

std::string read_text(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void print_text(const std::string& file, const config::Loaded& loaded,
                const std::vector<config::Finding>& findings) {
  for (const config::Problem& problem : loaded.problems) {
    fmt::print("{}\n", config::format(problem));
  }
  for (const config::Finding& finding : findings) {
    fmt::print("{}:{}: {}: {}: [{}] {}\n    mend: {}\n", file, finding.line, finding.field,
               name_of(finding.level), finding.id, finding.message, finding.mend);
  }
  if (!loaded.config) {
    fmt::print("{}: {} problem{}\n", file, loaded.problems.size(),
               loaded.problems.size() == 1 ? "" : "s");
  } else {
    fmt::print("{}: valid, {} finding{}\n", file, findings.size(), findings.size() == 1 ? "" : "s");
  }
}

void print_json(const std::string& file, const config::Loaded& loaded,
                const std::vector<config::Finding>& findings) {
  json::array problems;
  for (const config::Problem& problem : loaded.problems) {
    problems.push_back(json::object{{"file", problem.file},
                                    {"line", problem.line},
                                    {"column", problem.column},
                                    {"field", problem.field},
                                    {"message", problem.message}});
  }
  json::array weak;
  for (const config::Finding& finding : findings) {
    weak.push_back(json::object{{"id", finding.id},
                                {"level", name_of(finding.level)},
                                {"line", finding.line},
                                {"field", finding.field},
                                {"message", finding.message},
                                {"mend", finding.mend}});
  }
  const json::object root{{"file", file},
                          {"valid", loaded.config != nullptr},
                          {"problems", problems},
                          {"findings", weak}};
  fmt::print("{}\n", json::serialize(root));
}

json::object sarif_result(const std::string& file, std::string_view rule, std::string_view level,
                          int line, const std::string& message) {
  return {{"ruleId", rule},
          {"level", level},
          {"message", json::object{{"text", message}}},
          {"locations",
           json::array{json::object{
               {"physicalLocation",
                json::object{{"artifactLocation", json::object{{"uri", file}}},
                             {"region", json::object{{"startLine", std::max(line, 1)}}}}}}}}};
}

// Each kind of finding once, as SARIF wants its rules.
json::array sarif_rules(const config::Loaded& loaded,
                        const std::vector<config::Finding>& findings) {
  json::array rules;
  std::set<std::string> told;
  const auto add = [&](const std::string& id, std::string_view level, std::string_view says) {
    if (!told.insert(id).second) return;
    rules.push_back(json::object{{"id", id},
                                 {"shortDescription", json::object{{"text", says}}},
                                 {"defaultConfiguration", json::object{{"level", level}}}});
  };
  if (!loaded.problems.empty()) add("invalid", "error", "The configuration is not valid.");
  for (const config::Finding& finding : findings) {
    add(finding.id, name_of(finding.level), "mend: " + finding.mend);
  }
  return rules;
}

// SARIF 2.1.0 (OASIS), so that code-scanning tools show problems where they are.
void print_sarif(const std::string& file, const config::Loaded& loaded,
                 const std::vector<config::Finding>& findings) {
  json::array results;
  for (const config::Problem& problem : loaded.problems) {
    results.push_back(sarif_result(file, "invalid", "error", problem.line,
                                   problem.field + ": " + problem.message));
  }
  for (const config::Finding& finding : findings) {
    results.push_back(sarif_result(file, finding.id, name_of(finding.level), finding.line,
                                   finding.field + ": " + finding.message + " " + finding.mend));
  }
  const json::object root{
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", json::array{json::object{
                   {"tool", json::object{{"driver",
                                          json::object{{"name", "tollgate"},
                                                       {"version", TOLLGATE_VERSION},
                                                       {"rules", sarif_rules(loaded, findings)}}}}},
                   {"results", results}}}}};
  fmt::print("{}\n", json::serialize(root));
}

}  // namespace

int check(const CheckOptions& options) {
  config::Loaded loaded = config::load_file(options.config, config::process_environment());
  // A file that is not there is wrong use of the command, whatever the format of what it says.
  if (!std::ifstream(options.config)) {
    for (const config::Problem& problem : loaded.problems) {
      fmt::print(stderr, "tollgate: {}: {}\n", problem.file, problem.message);
    }
    if (options.format == "text") return kWrongUse;
  }
  if (loaded.config) {
    loaded.problems = config::tokenizer_problems(*loaded.config, read_text(options.config));
    if (!loaded.problems.empty()) loaded.config = nullptr;
  }
  std::vector<config::Finding> findings;
  if (loaded.config) findings = config::posture(*loaded.config, read_text(options.config));
  if (options.format == "json") {
    print_json(options.config, loaded, findings);
  } else if (options.format == "sarif") {
    print_sarif(options.config, loaded, findings);
  } else {
    print_text(options.config, loaded, findings);
  }
  if (!loaded.config) return kWrongUse;
  const bool fails = std::ranges::any_of(findings, [&](const config::Finding& finding) {
    return options.strict || finding.level == config::Finding::Level::kWarning;
  });
  return fails ? kFindings : kDone;
}

}  // namespace tollgate::cli
