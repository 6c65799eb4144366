#include "storage/reconcile.h"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <unordered_map>

#include "storage/adjust.h"
#include "storage/prune_books.h"
#include "storage/record_facts.h"
#include "storage/spend.h"
#include "storage/trail_group.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

struct HashKey {
  std::size_t operator()(const RequestKey& key) const { return key.low; }
};

class Reconciliation {
 public:
  Reconciliation(std::int64_t since_us, std::int64_t until_us)
      : since_us_(since_us), until_us_(until_us) {}

  // False: it is no record.
  bool take(std::string_view line) {
    const std::optional<RecordFacts> facts = facts_.read(line);
    if (!facts) return false;
    if (facts->phase == audit::Phase::kChange) return true;
    if (facts->phase == audit::Phase::kDecision) {
      const std::int64_t time_us = to_microseconds(facts->time);
      if (!lets_leave(facts->outcome) || time_us < since_us_ || time_us >= until_us_) return true;
      open_[key_of(facts->id)] = {std::string(facts->model), facts->held, facts->counted};
      return true;
    }
    const auto decision = open_.find(key_of(facts->id));
    if (decision == open_.end()) return true;  // Refused, or of another time.
    end(decision->second, *facts);
    open_.erase(decision);
    return true;
  }

  std::vector<Reconciled> finish(const std::vector<SpendRow>& books,
                                 const std::map<std::string, Money>& adjusted) {
    for (const auto& [key, decision] : open_) {
      Reconciled& row = row_of(decision.model);
      ++row.open;
      row.open_held = add_saturated(row.open_held, decision.held);
    }
    for (const SpendRow& booked : books) row_of(booked.name).booked = booked.spent.cost;
    for (const auto& [model, amount] : adjusted) row_of(model).adjusted = amount;
    std::vector<Reconciled> rows;
    for (auto& [model, row] : rows_) rows.push_back(std::move(row));
    return rows;
  }

 private:
  struct Decision {
    std::string model;
    Money held;
    Tokens counted = 0;
  };

  Reconciled& row_of(const std::string& model) {
    Reconciled& row = rows_[model];
    row.model = model;
    return row;
  }

  void end(const Decision& decision, const RecordFacts& outcome) {
    Reconciled& row = row_of(decision.model);
    ++row.requests;
    row.held = add_saturated(row.held, decision.held);
    row.settled = add_saturated(row.settled, outcome.cost);
    if (!outcome.by_provider) ++row.by_count;
    if (decision.counted > 0 && outcome.input_reported) {
      row.counted_input += decision.counted;
      row.reported_input += *outcome.input_reported;
    }
  }

  const std::int64_t since_us_;
  const std::int64_t until_us_;
  FactReader facts_;
  std::unordered_map<RequestKey, Decision, HashKey> open_;
  std::map<std::string, Reconciled> rows_;
};

}  // namespace

FaultOr<std::optional<WallTime>> compared_from(Database& database) {
  TRY(books, books_kept_from(database));
  TRY(trail, trail_kept_from(database));
  if (!books && !trail) return std::optional<WallTime>();
  const WallTime both = std::max(books.value_or(WallTime::min()), trail.value_or(WallTime::min()));
  return WallTime(std::chrono::ceil<std::chrono::hours>(both));
}

FaultOr<std::vector<Reconciled>> reconcile(Database& database, const ReconcileQuery& query) {
  using std::chrono::hours;
  SpendQuery books_query;
  books_query.by = SpendBy::kModel;
  books_query.since = std::chrono::floor<hours>(query.since);
  TRY(kept, compared_from(database));
  if (kept) books_query.since = std::max(*books_query.since, *kept);
  if (query.until) books_query.until = std::chrono::ceil<hours>(*query.until);
  Stretch stretch;
  stretch.since_us = to_microseconds(*books_query.since);
  const std::int64_t until_us = books_query.until ? to_microseconds(*books_query.until)
                                                  : std::numeric_limits<std::int64_t>::max();

  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Both are of it.
  Reconciliation sums(stretch.since_us, until_us);
  TRY(rows, GroupWalk::begin(database, stretch, Direction::kOldestFirst));
  while (true) {
    TRY(there, rows.step());
    if (!there) break;
    TRY(lines, rows.lines());
    std::string_view rest = lines;
    while (!rest.empty()) {
      if (sums.take(take_line(rest))) continue;
      return fault(
          FaultKind::kCorrupt,
          fmt::format("{}: a record of the audit trail is damaged. `tollgate audit verify` "
                      "names it.",
                      database.name()));
    }
  }
  TRY(books, query_spend(database, books_query));
  TRY(adjusted, adjusted_by_model(database, stretch.since_us, until_us));
  return sums.finish(books, adjusted);
}

}  // namespace tollgate::storage
