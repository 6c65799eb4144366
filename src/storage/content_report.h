// What the content policy did to requests and answers, and what it would do where it only
// observes: the trail, summed up by route, pack and rule.
//
// One walk along the trail, at one moment of it, with memory for at most kContentRowsMax rows
// however long it is. A record names at most 16 findings, so what matched beside those is not
// counted, nor are answers that could not be inspected where that is only observed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "storage/audit_query.h"
#include "storage/database.h"

namespace tollgate::storage {

inline constexpr std::size_t kContentRowsMax = 2'000;
inline constexpr std::size_t kContentActorsMax = 500;  // Of a row, told apart.
inline constexpr std::size_t kContentExamplesMax = 3;  // Of a row; the newest.
inline constexpr std::string_view kNotInspected = "not_inspected";

// Where something was found: in what was asked, or in what was answered.
enum class ContentOf : std::uint8_t { kRequest, kAnswer };
std::string_view name_of(ContentOf of);  // "request"

// Requests, or answers, by the most that was done about what was found in them.
struct ContentCounts {
  std::int64_t refused = 0;
  std::int64_t redacted = 0;
  std::int64_t flagged = 0;
  std::int64_t observed = 0;  // Would have been refused.
};

// Of a pack ("pii"), or of one of its rules ("pii.email"). What could not be inspected is of the
// pack kNotInspected, which has no rules.
struct ContentRow {
  ContentOf of = ContentOf::kRequest;
  std::string pack;
  std::string rule;  // Empty: of the whole pack.
  ContentCounts counts;
  std::int64_t actors = 0;
  bool has_more_actors = false;
  WallTime first{};
  WallTime last{};
  std::vector<std::string> examples;  // Ids of requests, newest first.
};

struct ContentTotals {
  std::int64_t all = 0;  // Decisions; of answers, outcomes.
  std::int64_t refused = 0;
  std::int64_t would_be_refused = 0;  // Beside those, were all enforced.
};

struct ContentRoute {
  std::string route;
  ContentTotals requests;
  ContentTotals answers;
  std::vector<ContentRow> rows;  // By of, pack and rule; a pack before its rules.
};

struct ContentReport {
  std::vector<ContentRoute> routes;  // By name; each of which there are requests.
  bool is_whole = true;              // There was no row more.
};

FaultOr<ContentReport> report_content(Database& database, const AuditQuery& query);

}  // namespace tollgate::storage
