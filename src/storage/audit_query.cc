#include "storage/audit_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <tuple>

#include "storage/changes.h"
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
    for (const std::string* text :
         {&query.id, &query.tenant, &query.subject, &query.key_id, &query.route, &query.model,
          &query.code, &query.actor, &query.action, &query.object}) {
      takes_all_ = takes_all_ && text->empty();
    }
    takes_all_ = takes_all_ && query.only.empty() && !query.outcome && !query.phase &&
                 !query.since && !query.until;
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

  // Of the id that is asked for, whether its decision and its outcome were taken, or its change.
  bool has_whole() const { return !query_.id.empty() && (changed_ || (decided_ && ended_)); }
  bool has_decision() const { return decided_; }

 private:
  bool fits(const RecordFacts& facts) {
    if (!is_text(query_.id, facts.id)) return false;
    see(facts.phase);
    return is_text(query_.tenant, facts.tenant) && is_seen(facts.tenant) &&
           is_text(query_.subject, facts.subject) && is_text(query_.key_id, facts.key_id) &&
           is_text(query_.route, facts.route) && is_text(query_.model, facts.model) &&
           is_text(query_.code, facts.code) && is_text(query_.action, facts.action) &&
           is_text(query_.object, facts.object) &&
           (is_text(query_.actor, facts.subject) || is_text(query_.actor, facts.key_id)) &&
           (!query_.outcome ||
            (facts.phase != audit::Phase::kChange && facts.outcome == *query_.outcome)) &&
           (!query_.phase || facts.phase == *query_.phase) &&
           (!query_.since || facts.time >= *query_.since) &&
           (!query_.until || facts.time < *query_.until);
  }

  bool is_seen(std::string_view tenant) const {
    return query_.only.empty() || std::ranges::any_of(query_.only, [tenant](const auto& one) {
             return !one.empty() && is_text(one, tenant);
           });
  }

  void see(audit::Phase phase) {
    decided_ = decided_ || phase == audit::Phase::kDecision;
    ended_ = ended_ || phase == audit::Phase::kOutcome;
    changed_ = changed_ || phase == audit::Phase::kChange;
  }

  const AuditQuery& query_;
  FactReader reader_;
  bool takes_all_ = true;
  bool decided_ = false;
  bool ended_ = false;
  bool changed_ = false;
};

using Take =
    std::function<bool(const GroupWalk& row, std::int64_t sequence, std::string_view line)>;

// Whether nothing but changes is asked for.
bool wants_changes(const AuditQuery& query) {
  return query.phase == audit::Phase::kChange || is_change_id(query.id) || !query.action.empty() ||
         !query.object.empty();
}

// The rows that by their times and their chain can hold what is asked for.
Stretch stretch_of(const AuditQuery& query) {
  Stretch stretch;
  if (wants_changes(query)) stretch.gateway = kChangesChain;
  if (query.since) stretch.since_us = to_microseconds(*query.since);
  if (query.until) stretch.until_us = to_microseconds(*query.until);
  // A request is on record after it was named.
  if (const std::optional<WallTime> named = time_of_id(query.id)) {
    stretch.since_us = std::max(stretch.since_us, to_microseconds(*named));
  }
  return stretch;
}

// Hands over the lines of one row in the walk's direction. False: no more is wanted.
bool take_lines(const GroupWalk& row, std::string_view text, Direction direction, Filter& filter,
                const Take& take) {
  const auto offer = [&](std::int64_t sequence, std::string_view line) {
    return !filter.takes(line) || take(row, sequence, line);
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
  while (!filter.has_whole()) {
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

// The place of the record that `sequence` names, in a store of one gateway.
FaultOr<AuditCursor> place_of(Database& database, std::int64_t sequence) {
  TRY(found, chains(database));
  std::erase(found, kChangesChain);
  if (found.size() > 1) {
    return fault(
        FaultKind::kRefusedByPeer,
        fmt::format("{}: {} gateways write here, each with sequences of its own: a sequence names "
                    "no place. Give the cursor that came with the page before.",
                    database.name(), found.size()));
  }
  AuditCursor cursor{sequence, std::string(found.empty() ? kChangesChain : found.front()),
                     INT64_MAX};
  TRY(last, last_sequence(database, cursor.gateway));
  if (sequence > last) return cursor;
  TRY(row, database.prepare("SELECT reached_us FROM audit_groups WHERE gateway = ? AND "
                            "first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1"));
  TRY(there, row.bind(cursor.gateway).bind(sequence).step());
  // What was before it is no longer kept.
  cursor.reached_us = there ? row.integer(0) : INT64_MIN;
  return cursor;
}

bool is_behind(const AuditCursor& cursor, const GroupWalk& row, std::int64_t sequence) {
  return std::tuple(row.reached_us(), std::string_view(row.gateway()), sequence) <
         std::tuple(cursor.reached_us, std::string_view(cursor.gateway), cursor.sequence);
}

}  // namespace

std::string cursor_behind(const AuditRow& last) {
  return fmt::format("{}.{}.{}", last.reached_us, last.sequence, last.gateway);
}

std::optional<AuditCursor> read_cursor(std::string_view text) {
  const auto number = [&](std::int64_t& into) {
    const char* const end = text.data() + text.size();
    const auto [behind, error] = std::from_chars(text.data(), end, into);
    text.remove_prefix(static_cast<std::size_t>(behind - text.data()));
    return error == std::errc();
  };
  AuditCursor cursor;
  if (!number(cursor.sequence)) return std::nullopt;
  if (text.empty() && cursor.sequence > 0) return cursor;
  cursor.reached_us = cursor.sequence;
  if (!text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  if (!number(cursor.sequence) || cursor.sequence < 1 || !text.starts_with('.')) {
    return std::nullopt;
  }
  cursor.gateway = text.substr(1);
  if (cursor.gateway.empty()) return std::nullopt;
  return cursor;
}

FaultOr<std::vector<AuditRow>> query_audit(Database& database, const AuditQuery& query,
                                           std::int64_t limit,
                                           const std::optional<AuditCursor>& asked_before) {
  const auto most = static_cast<std::size_t>(std::clamp(limit, std::int64_t{0}, kAuditRowsMax));
  std::vector<AuditRow> rows;
  if (most == 0) return rows;
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  // The few records of one request lie near the moment of its id, which may be long ago.
  const bool forward = time_of_id(query.id).has_value();
  std::optional<AuditCursor> before = asked_before;
  if (before && before->gateway.empty()) {
    TRY(place, place_of(database, before->sequence));
    before = std::move(place);
  }
  const auto take = [&](const GroupWalk& row, std::int64_t sequence, std::string_view line) {
    if (!before || is_behind(*before, row, sequence)) {
      rows.push_back({row.gateway(), sequence, std::string(line), row.reached_us()});
    }
    return forward || rows.size() < most;
  };
  Stretch stretch = stretch_of(query);
  if (before && stretch.gateway == before->gateway) {
    stretch.below = before->sequence;
  } else if (before && !forward && stretch.gateway.empty()) {
    stretch.behind = {before->reached_us, before->gateway, before->sequence};
  }
  TRY_DO(walk(database, query, stretch, forward ? Direction::kOldestFirst : Direction::kNewestFirst,
              take));
  if (forward) {
    std::ranges::reverse(rows);
    rows.resize(std::min(rows.size(), most));
  }
  return rows;
}

namespace {

// At most `most` of one chain. True: all that is there.
FaultOr<bool> follow_chain(Database& database, const AuditQuery& query, const Stretch& stretch,
                           std::int64_t after, std::size_t most, std::vector<AuditRow>& found) {
  Filter filter(query);
  const std::size_t end = found.size() + most;
  TRY(rows, GroupWalk::begin(database, stretch, Direction::kOldestFirst));
  while (true) {
    TRY(there, rows.step());
    if (!there) return true;
    if (rows.last() <= after) continue;
    TRY(lines, rows.lines());
    const auto take = [&](const GroupWalk& row, std::int64_t sequence, std::string_view line) {
      if (sequence > after) {
        found.push_back({row.gateway(), sequence, std::string(line), row.reached_us()});
      }
      return found.size() < end;
    };
    if (!take_lines(rows, lines, Direction::kOldestFirst, filter, take)) return false;
  }
}

}  // namespace

FaultOr<AuditPlaces> last_places(Database& database) {
  AuditPlaces places;
  TRY(names, chains(database));
  for (const std::string& name : names) {
    TRY(last, last_sequence(database, name));
    places[name] = last;
  }
  return places;
}

FaultOr<std::vector<AuditRow>> follow_audit(Database& database, const AuditQuery& query,
                                            AuditPlaces& after, std::int64_t limit) {
  const auto most = static_cast<std::size_t>(std::clamp(limit, std::int64_t{0}, kAuditRowsMax));
  if (most == 0) return std::vector<AuditRow>();
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  TRY(last, last_places(database));
  std::vector<AuditRow> found;
  for (auto& [gateway, end] : last) {
    const std::int64_t seen = after[gateway];
    if (end <= seen) continue;
    Stretch stretch = stretch_of(query);
    if (!stretch.gateway.empty() && stretch.gateway != gateway) continue;
    stretch.gateway = gateway;
    stretch.from = seen + 1;
    TRY(all, follow_chain(database, query, stretch, seen, most, found));
    if (!all) end = found.back().sequence;
  }
  std::ranges::sort(found, {}, [](const AuditRow& one) {
    return std::tuple(one.reached_us, std::string_view(one.gateway), one.sequence);
  });
  // What does not fit comes with the next question.
  for (std::size_t i = found.size(); i-- > most;) {
    last[found[i].gateway] = found[i].sequence - 1;
  }
  found.resize(std::min(found.size(), most));
  after = std::move(last);
  return found;
}

FaultOr<std::int64_t> last_sequence(Database& database, std::string_view gateway) {
  TRY(statement, database.prepare("SELECT last_sequence FROM audit_groups WHERE gateway = ? "
                                  "ORDER BY first_sequence DESC LIMIT 1"));
  TRY(there, statement.bind(gateway).step());
  return there ? statement.integer(0) : 0;
}

FaultOr<void> export_audit(Database& database, const AuditQuery& query,
                           const std::function<bool(std::string_view)>& line) {
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  return walk(
      database, query, stretch_of(query), Direction::kOldestFirst,
      [&](const GroupWalk&, std::int64_t, std::string_view record) { return line(record); });
}

}  // namespace tollgate::storage
