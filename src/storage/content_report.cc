#include "storage/content_report.h"

#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "storage/record_facts.h"
#include "storage/try.h"

namespace tollgate::storage {

namespace {

using Element = simdjson::dom::element;

std::string_view text_of(const simdjson::simdjson_result<Element>& found) {
  std::string_view text;
  return found.get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// From the least to the most.
enum class Done : std::uint8_t { kObserved, kFlagged, kRedacted, kRefused };

Done done_of(std::string_view action) {
  if (action == "observe") return Done::kObserved;
  if (action == "flag") return Done::kFlagged;
  if (action == "redact") return Done::kRedacted;
  return Done::kRefused;
}

void count(ContentCounts& counts, Done done) {
  switch (done) {
    case Done::kObserved:
      ++counts.observed;
      return;
    case Done::kFlagged:
      ++counts.flagged;
      return;
    case Done::kRedacted:
      ++counts.redacted;
      return;
    case Done::kRefused:
      ++counts.refused;
      return;
  }
}

struct Sum {
  ContentRow row;
  std::set<std::size_t> actors;  // By hash.
};
// Of, pack, rule.
using Place = std::tuple<ContentOf, std::string, std::string>;
struct RouteSums {
  ContentTotals requests;
  ContentTotals answers;
  std::map<Place, Sum> sums;
};

// What one record says.
struct Seen {
  std::string_view id;
  WallTime time{};
  std::size_t actor = 0;
  std::map<Place, Done> found;
};

bool has(const Seen& seen, ContentOf of, Done done) {
  return std::ranges::any_of(seen.found, [&](const auto& one) {
    return std::get<ContentOf>(one.first) == of && one.second == done;
  });
}

class Summing {
 public:
  void take(std::string_view line);
  ContentReport report() &&;

 private:
  static void add(Seen& seen, ContentOf of, std::string_view rule, Done done);
  static void read_findings(const Element& record, bool is_decision, Seen& seen);
  static void read_uninspected(const Element& record, bool is_decision, std::string_view policy,
                               Seen& seen);
  Sum* sum_of(RouteSums& route, const Place& place, WallTime time);
  void keep(RouteSums& route, const Seen& seen);

  simdjson::dom::parser parser_;
  std::map<std::string, RouteSums, std::less<>> routes_;
  std::size_t rows_ = 0;
  bool is_whole_ = true;
};

// The strongest that was done by a rule, and by its pack.
void Summing::add(Seen& seen, ContentOf of, std::string_view rule, Done done) {
  const std::string pack(rule.substr(0, rule.find('.')));
  const auto keep = [&](std::string name) {
    const auto [there, is_new] = seen.found.try_emplace({of, pack, std::move(name)}, done);
    if (!is_new) there->second = std::max(there->second, done);
  };
  keep({});
  if (pack != rule) keep(std::string(rule));
}

void Summing::read_findings(const Element& record, bool is_decision, Seen& seen) {
  simdjson::dom::array findings;
  if (record["content"].get(findings) != simdjson::SUCCESS) return;
  for (const Element finding : findings) {
    // A guard that is asked about a request tells so in the outcome, which also has the answer's.
    const bool is_request = is_decision || text_of(finding["where"]) == "request";
    add(seen, is_request ? ContentOf::kRequest : ContentOf::kAnswer, text_of(finding["rule"]),
        done_of(text_of(finding["action"])));
  }
}

// Whether an outcome is of a request that was answered: what never left has an outcome, too.
bool has_answer(const Element& record) {
  simdjson::dom::array attempts;
  if (record["attempts"].get(attempts) != simdjson::SUCCESS || attempts.size() == 0) return false;
  return text_of(record["decision"]["outcome"]) != audit::name_of(audit::Outcome::kRefused) ||
         text_of(record["decision"]["code"]) == "content_refused";
}

// By whom it asks.
std::size_t hash_of(const simdjson::simdjson_result<Element>& actor) {
  constexpr std::size_t kOdd = 0x9E3779B97F4A7C15;
  std::size_t made = 0;
  for (const char* part : {"tenant", "subject", "credential_id"}) {
    made = (made ^ std::hash<std::string_view>()(text_of(actor[part]))) * kOdd;
  }
  return made;
}

bool is_named(const simdjson::simdjson_result<Element>& names, std::string_view name) {
  simdjson::dom::array all;
  if (names.get(all) != simdjson::SUCCESS) return false;
  return std::ranges::any_of(all, [&](const Element& one) {
    std::string_view text;
    return one.get(text) == simdjson::SUCCESS && text == name;
  });
}

// Refused, or observed, by the policy and for no rule. An outcome repeats what its decision
// observed, so of an answer only refusals can be told.
void Summing::read_uninspected(const Element& record, bool is_decision, std::string_view policy,
                               Seen& seen) {
  const ContentOf of = is_decision ? ContentOf::kRequest : ContentOf::kAnswer;
  const std::string_view rule = text_of(record["decision"]["rule"]);
  if (text_of(record["decision"]["code"]) == "content_refused" &&
      (rule == policy || (rule.empty() && !is_decision)) && !has(seen, of, Done::kRefused)) {
    add(seen, of, kNotInspected, Done::kRefused);
  }
  if (is_decision && is_named(record["decision"]["observed"], policy) &&
      !has(seen, of, Done::kObserved)) {
    add(seen, of, kNotInspected, Done::kObserved);
  }
}

void Summing::take(std::string_view line) {
  Element record;
  if (parser_.parse(line.data(), line.size(), false).get(record) != simdjson::SUCCESS) return;
  const std::string_view phase = text_of(record["phase"]);
  const std::string_view name = text_of(record["route"]);
  const bool is_decision = phase == audit::name_of(audit::Phase::kDecision);
  if (name.empty() || (!is_decision && phase != audit::name_of(audit::Phase::kOutcome))) return;
  auto route = routes_.find(name);
  if (route == routes_.end()) {
    if (rows_ >= kContentRowsMax) {
      is_whole_ = false;
      return;
    }
    ++rows_;
    route = routes_.try_emplace(std::string(name)).first;
  }

  Seen seen;
  seen.id = text_of(record["id"]);
  seen.time = parse_record_time(text_of(record["time"])).value_or(WallTime{});
  seen.actor = hash_of(record["actor"]);
  read_findings(record, is_decision, seen);
  const bool is_answer = !is_decision && has_answer(record);
  if (is_decision || is_answer) {
    read_uninspected(record, is_decision, "routes." + std::string(name) + ".content", seen);
  }
  keep(route->second, seen);
  if (is_decision) {
    ++route->second.requests.all;
  } else if (is_answer) {
    ++route->second.answers.all;
  }
}

// Null: there is no room for one more.
Sum* Summing::sum_of(RouteSums& route, const Place& place, WallTime time) {
  const auto there = route.sums.find(place);
  if (there != route.sums.end()) return &there->second;
  if (rows_ >= kContentRowsMax) {
    is_whole_ = false;
    return nullptr;
  }
  ++rows_;
  Sum& made = route.sums[place];
  std::tie(made.row.of, made.row.pack, made.row.rule) = place;
  made.row.first = made.row.last = time;
  return &made;
}

void Summing::keep(RouteSums& route, const Seen& seen) {
  for (const auto& [place, done] : seen.found) {
    Sum* const sum = sum_of(route, place, seen.time);
    if (sum == nullptr) continue;
    ContentRow& row = sum->row;
    count(row.counts, done);
    row.first = std::min(row.first, seen.time);
    row.last = std::max(row.last, seen.time);
    if (sum->actors.size() < kContentActorsMax) {
      sum->actors.insert(seen.actor);
    } else if (!sum->actors.contains(seen.actor)) {
      row.has_more_actors = true;
    }
    row.examples.insert(row.examples.begin(), std::string(seen.id));
    row.examples.resize(std::min(row.examples.size(), kContentExamplesMax));
  }
  if (has(seen, ContentOf::kRequest, Done::kRefused)) {
    ++route.requests.refused;
  } else if (has(seen, ContentOf::kRequest, Done::kObserved)) {
    ++route.requests.would_be_refused;
  }
  if (has(seen, ContentOf::kAnswer, Done::kRefused)) {
    ++route.answers.refused;
  } else if (has(seen, ContentOf::kAnswer, Done::kObserved)) {
    ++route.answers.would_be_refused;
  }
}

ContentReport Summing::report() && {
  ContentReport made;
  made.is_whole = is_whole_;
  for (auto& [name, sums] : routes_) {
    ContentRoute& route = made.routes.emplace_back();
    route.route = name;
    route.requests = sums.requests;
    route.answers = sums.answers;
    for (auto& [place, sum] : sums.sums) {
      sum.row.actors = static_cast<std::int64_t>(sum.actors.size());
      route.rows.push_back(std::move(sum.row));
    }
  }
  return made;
}

}  // namespace

std::string_view name_of(ContentOf of) { return of == ContentOf::kRequest ? "request" : "answer"; }

FaultOr<ContentReport> report_content(Database& database, const AuditQuery& query) {
  Summing summing;
  TRY_DO(export_audit(database, query, [&](std::string_view line) {
    summing.take(line);
    return true;
  }));
  return std::move(summing).report();
}

}  // namespace tollgate::storage
