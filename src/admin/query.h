// The words of questions to the books, as the admin API and the commands take them: a query
// string, spans of time, the filters of the trail.
//
// Pure. What cannot be understood is told in a sentence.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "storage/audit_query.h"
#include "storage/key_list.h"
#include "storage/spend.h"

namespace tollgate::admin {

template <class T>
using OrWords = std::expected<T, std::string>;

// "a=1&b=x%20y", decoded. One that is there twice is told, as is whoever has more than can be
// known.
inline constexpr std::size_t kParametersMax = 32;
using Parameters = std::vector<std::pair<std::string, std::string>>;
OrWords<Parameters> parse_query(std::string_view query);

// "90d", "24h", "10m", "30s": a whole number and a unit, at most ten years.
std::optional<Duration> parse_span(std::string_view text);

// A span back from now, a date (2026-11-25) or a moment (2026-11-25T18:00:00Z).
OrWords<WallTime> parse_moment(std::string_view text, WallTime now);

// by, since, until, tenant; anything else is said to be unknown.
OrWords<storage::SpendQuery> spend_query(const Parameters& parameters, WallTime now);

struct KeyQuestion {
  storage::KeyQuery query;
  std::int64_t limit = 100;
  std::string after;
};
// tenant, user, state, limit, after.
OrWords<KeyQuestion> key_question(const Parameters& parameters);

struct PageQuestion {
  std::int64_t limit = 100;
  std::string after;
};
// limit, which is at most `most`, and after.
OrWords<PageQuestion> page_question(const Parameters& parameters, std::int64_t most);

struct AuditQuestion {
  storage::AuditQuery query;
  std::int64_t limit = 100;
  std::optional<storage::AuditCursor> before;
};
OrWords<AuditQuestion> audit_question(const Parameters& parameters, WallTime now);

}  // namespace tollgate::admin
