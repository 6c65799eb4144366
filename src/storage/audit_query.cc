#include "storage/audit_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "storage/record_facts.h"
#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

bool is_text(std::string_view asked, std::string_view written) {
  if (asked.empty() || asked == written) return true;
  // A record cuts long text, at most three bytes before the bound to spare a character.
  return asked.size() > audit::kTextBytesMax && written.size() + 3 >= audit::kTextBytesMax &&
         asked.starts_with(written);
}

// Holds lines to a query.
class Filter {
 public:
  explicit Filter(const AuditQuery& query) : query_(query) {
    for (const std::string* text : {&query.id, &query.tenant, &query.subject, &query.key_id,
                                    &query.route, &query.model, &query.code}) {
      takes_all_ = takes_all_ && text->empty();
    }
    takes_all_ = takes_all_ && !query.outcome && !query.phase && !query.since && !query.until;
  }

  // Readable behind its end, as FactReader asks.
  bool takes(std::string_view line) {
    if (takes_all_) return true;
    // Finding bytes is faster than parsing, and ids need no escape.
    if (!query_.id.empty() &&
        memmem(line.data(), line.size(), query_.id.data(), query_.id.size()) == nullptr) {
      return false;
    }
    const std::optional<RecordFacts> facts = reader_.read(line);
    return facts && fits(*facts);
  }

  // Of the id that is asked for, whether its decision and its outcome were taken.
  bool has_whole_request() const { return !query_.id.empty() && decided_ && ended_; }
  bool has_decision() const { return decided_; }

 private:
  bool fits(const RecordFacts& facts) {
    if (!is_text(query_.id, facts.id)) return false;
    (facts.phase == audit::Phase::kDecision ? decided_ : ended_) = true;
    return is_text(query_.tenant, facts.tenant) && is_text(query_.subject, facts.subject) &&
           is_text(query_.key_id, facts.key_id) && is_text(query_.route, facts.route) &&
           is_text(query_.model, facts.model) && is_text(query_.code, facts.code) &&
           (!query_.outcome || facts.outcome == *query_.outcome) &&
           (!query_.phase || facts.phase == *query_.phase) &&
           (!query_.since || facts.time >= *query_.since) &&
           (!query_.until || facts.time < *query_.until);
  }

  const AuditQuery& query_;
  FactReader reader_;
  bool takes_all_ = true;
  bool decided_ = false;
  bool ended_ = false;
};

using Take = std::function<bool(std::int64_t sequence, std::string_view line)>;

// The rows that can hold what is asked for; `from` and `below` narrow them further.
FaultOr<Stretch> stretch_of(Database& database, const AuditQuery& query, std::int64_t from,
                            std::int64_t below) {
  Stretch stretch;
  stretch.from = from;
  stretch.below = below;
  std::optional<WallTime> since = query.since;
  // A request is on record after it was named.
  const std::optional<WallTime> named = time_of_id(query.id);
  if (named && (!since || *named > *since)) since = named;
  if (since) {
    TRY(first, database.prepare("SELECT first_sequence FROM audit_groups WHERE reached_us >= ? "
                                "ORDER BY reached_us, first_sequence LIMIT 1"));
    TRY(there, first.bind(to_microseconds(*since)).step());
    stretch.from = std::max(stretch.from, there ? first.integer(0) : stretch.below);
  }
  if (query.until) {
    stretch.until_us = to_microseconds(*query.until);
    TRY(last, database.prepare("SELECT coalesce(max(first_sequence), 0) FROM audit_groups "
                               "WHERE earliest_us < ?"));
    TRY(there, last.bind(stretch.until_us).step());
    stretch.below = std::min(stretch.below, there ? last.integer(0) + 1 : 0);
  }
  return stretch;
}

// Hands over the lines of one row in the walk's direction. False: no more is wanted.
bool take_lines(const GroupWalk& row, std::string_view text, Direction direction, Filter& filter,
                const Take& take) {
  const auto offer = [&](std::int64_t sequence, std::string_view line) {
    return !filter.takes(line) || take(sequence, line);
  };
  if (direction == Direction::kOldestFirst) {
    for (std::int64_t sequence = row.first(); !text.empty(); ++sequence) {
      if (!offer(sequence, take_line(text))) return false;
    }
    return true;
  }
  std::vector<std::string_view> lines;
  while (!text.empty()) lines.push_back(take_line(text));
  for (std::size_t i = lines.size(); i-- > 0;) {
    if (!offer(row.first() + static_cast<std::int64_t>(i), lines[i])) return false;
  }
  return true;
}

FaultOr<void> walk(Database& database, const AuditQuery& query, const Stretch& stretch,
                   Direction direction, const Take& take) {
  Filter filter(query);
  const std::optional<WallTime> named = time_of_id(query.id);
  TRY(rows, GroupWalk::begin(database, stretch, direction));
  while (!filter.has_whole_request()) {
    TRY(there, rows.step());
    if (!there) return {};
    // The decision bears the moment of the id. Its outcome may be any later record: a request
    // that a stopped gateway left open is ended by the next one.
    if (named && direction == Direction::kOldestFirst && !filter.has_decision() &&
        rows.earliest_us() > to_microseconds(*named) + 999) {
      continue;
    }
    TRY(lines, rows.lines());
    if (!take_lines(rows, lines, direction, filter, take)) return {};
  }
  return {};
}

}  // namespace

FaultOr<std::vector<AuditRow>> query_audit(Database& database, const AuditQuery& query,
                                           std::int64_t limit, std::optional<std::int64_t> before) {
  const auto most = static_cast<std::size_t>(std::clamp(limit, std::int64_t{0}, kAuditRowsMax));
  std::vector<AuditRow> rows;
  if (most == 0) return rows;
  // The few records of one request lie near the moment of its id, which may be long ago.
  const bool forward = time_of_id(query.id).has_value();
  const auto take = [&](std::int64_t sequence, std::string_view line) {
    if (!before || sequence < *before) rows.push_back({sequence, std::string(line)});
    return forward || rows.size() < most;
  };
  TRY(stretch, stretch_of(database, query, 1, before.value_or(INT64_MAX)));
  TRY_DO(walk(database, query, stretch, forward ? Direction::kOldestFirst : Direction::kNewestFirst,
              take));
  if (forward) {
    std::ranges::reverse(rows);
    rows.resize(std::min(rows.size(), most));
  }
  return rows;
}

FaultOr<std::vector<AuditRow>> follow_audit(Database& database, const AuditQuery& query,
                                            std::int64_t after, std::int64_t limit) {
  const auto most = static_cast<std::size_t>(std::clamp(limit, std::int64_t{0}, kAuditRowsMax));
  std::vector<AuditRow> rows;
  if (most == 0) return rows;
  const auto take = [&](std::int64_t sequence, std::string_view line) {
    if (sequence > after) rows.push_back({sequence, std::string(line)});
    return rows.size() < most;
  };
  TRY(last, last_sequence(database));
  if (last <= after) return rows;
  TRY(stretch, stretch_of(database, query, after + 1, INT64_MAX));
  TRY_DO(walk(database, query, stretch, Direction::kOldestFirst, take));
  return rows;
}

FaultOr<std::int64_t> last_sequence(Database& database) {
  TRY(statement, database.prepare("SELECT last_sequence FROM audit_groups "
                                  "ORDER BY first_sequence DESC LIMIT 1"));
  TRY(there, statement.step());
  return there ? statement.integer(0) : 0;
}

FaultOr<void> export_audit(Database& database, const AuditQuery& query,
                           const std::function<bool(std::string_view)>& line) {
  TRY(stretch, stretch_of(database, query, 1, INT64_MAX));
  return walk(database, query, stretch, Direction::kOldestFirst,
              [&](std::int64_t, std::string_view record) { return line(record); });
}

}  // namespace tollgate::storage
