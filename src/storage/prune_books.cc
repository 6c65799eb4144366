#include "storage/prune_books.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "storage/moment_mark.h"
#include "storage/spend.h"
#include "storage/tool_spend.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kBooksMark = "books_kept_from";
constexpr std::string_view kTrailMark = "trail_kept_from";

FaultOr<void> raise_moment(Database& database, std::string_view name, WallTime moment) {
  TRY(before, read_moment(database, name));
  if (before && *before >= moment) return {};
  return write_moment(database, name, moment);
}

// Windows that began before have ended before `keep_from`.
WallTime windows_before(WallTime keep_from) { return keep_from - kWindowLongest; }

// What is deleted step by step: rows of old windows, entries first, and adjustments. A window that
// begins with the clock has no end.
struct Old {
  const char* look;
  const char* remove;
};
constexpr std::array<Old, 3> kOfWindows = {{
    {"SELECT 1 FROM allowance_entries WHERE window_start_us > 0 AND window_start_us < ? LIMIT 1",
     "DELETE FROM allowance_entries WHERE sequence IN (SELECT sequence FROM allowance_entries "
     "WHERE "
     "window_start_us > 0 AND window_start_us < ? ORDER BY window_start_us LIMIT ?)"},
    {"SELECT 1 FROM leases WHERE window_start_us > 0 AND window_start_us < ? LIMIT 1",
     "DELETE FROM leases WHERE (rule, subject, window_start_us, gateway) IN (SELECT rule, subject, "
     "window_start_us, gateway FROM leases WHERE window_start_us > 0 AND window_start_us < ? "
     "ORDER BY window_start_us LIMIT ?)"},
    {"SELECT 1 FROM allowances WHERE window_start_us > 0 AND window_start_us < ? LIMIT 1",
     "DELETE FROM allowances WHERE (rule, subject, window_start_us) IN (SELECT rule, subject, "
     "window_start_us FROM allowances WHERE window_start_us > 0 AND window_start_us < ? "
     "ORDER BY window_start_us LIMIT ?)"},
}};
constexpr Old kAdjustments = {
    "SELECT 1 FROM adjustments WHERE decided_us < ? LIMIT 1",
    "DELETE FROM adjustments WHERE sequence IN (SELECT sequence FROM adjustments WHERE decided_us "
    "< ? ORDER BY sequence LIMIT ?)"};
constexpr const char* kOldSpend =
    "SELECT 1 FROM spend WHERE quarter_us > 0 AND quarter_us < ? LIMIT 1";

FaultOr<bool> finds(Database& database, const char* sql, WallTime before) {
  TRY(row, database.prepare(sql));
  TRY(there, row.bind(to_microseconds(before)).step());
  return there;
}

// True: there may be more.
FaultOr<bool> remove_some(Database& database, const Old& old, WallTime before) {
  TRY(there, finds(database, old.look, before));
  if (!there) return false;
  TRY(remove, database.prepare(old.remove));
  TRY_DO(remove.bind(to_microseconds(before)).bind(kBooksPruneBatch).run());
  return true;
}

// Some rows of the books become part of the sums of their keys.
FaultOr<bool> sum_up_some(Database& database, WallTime before) {
  struct Row {
    std::int64_t quarter_us;
    std::array<std::string, 5> texts;
    Spent spent;
  };
  std::vector<Row> rows;
  {
    TRY(oldest, database.prepare(
                    "SELECT quarter_us, tenant, \"user\", key_id, route, model, requests, input, "
                    "cached_input, output, cost_micro_usd FROM spend WHERE quarter_us > 0 AND "
                    "quarter_us < ? ORDER BY quarter_us LIMIT ?"));
    oldest.bind(to_microseconds(before)).bind(kBooksPruneBatch);
    while (true) {
      TRY(there, oldest.step());
      if (!there) break;
      Row& row = rows.emplace_back();
      row.quarter_us = oldest.integer(0);
      for (std::size_t i = 0; i < row.texts.size(); ++i) {
        row.texts[i] = oldest.text(static_cast<int>(i) + 1);
      }
      row.spent = {oldest.integer(6), oldest.integer(7), oldest.integer(8), oldest.integer(9),
                   Money{oldest.integer(10)}};
    }
  }
  if (rows.empty()) return false;
  SpendGroup sums;
  TRY(remove, database.prepare("DELETE FROM spend WHERE quarter_us = ? AND tenant = ? AND \"user\" "
                               "= ? AND key_id = ? AND route = ? AND model = ?"));
  for (const Row& row : rows) {
    const auto& [tenant, user, key_id, route, model] = row.texts;
    sums.add({kEarlierQuarter, tenant, user, key_id, route, model}, row.spent);
    remove.bind(row.quarter_us);
    for (const std::string& text : row.texts) remove.bind(text);
    TRY_DO(remove.run());
  }
  TRY_DO(book(database, sums));
  return std::cmp_equal(rows.size(), kBooksPruneBatch);
}

// ---- Entries of budgets without an end --------------------------------------------------------

// Up to which entry they are folded, and by which `keep_from`.
constexpr std::string_view kFoldedMark = "entries_folded";

struct Folding {
  std::int64_t behind = 0;  // A sequence.
  WallTime keep_from;
};

// Goes on with the last pass over them; a day later the next one begins, which folds what that one
// has left.
FaultOr<Folding> read_folding(Database& database, WallTime keep_from) {
  TRY(mark, read_mark(database, kFoldedMark));
  Folding folding{0, keep_from};
  if (!mark) return folding;
  const std::size_t space = std::min(mark->find(' '), mark->size() - 1);
  const WallTime last = moment_in(std::string_view(*mark).substr(space + 1));
  if (keep_from - last >= std::chrono::hours(24)) return folding;
  std::from_chars(mark->data(), mark->data() + space, folding.behind);
  folding.keep_from = last;
  return folding;
}

// What a journal that turns up late may ask for stays as it is.
FaultOr<Statement> entries_behind(Database& database, const Folding& folding, std::int64_t most) {
  TRY(rows, database.prepare(
                "SELECT sequence, rule, subject, kind, from_part, to_part, amount_micro_usd, at_us "
                "FROM allowance_entries WHERE sequence > ? AND window_start_us = 0 AND kind NOT IN "
                "('unproven', 'revive') ORDER BY sequence LIMIT ?"));
  rows.bind(folding.behind).bind(most);
  return std::move(rows);
}

FaultOr<bool> has_entries_to_fold(Database& database, WallTime keep_from) {
  TRY(folding, read_folding(database, keep_from));
  TRY(row, entries_behind(database, folding, 1));
  TRY(there, row.step());
  return there && row.integer(7) < to_microseconds(folding.keep_from);
}

// Of an account, entries that move between the same two parts for the same reason become one, the
// first of them: what the entries of the account say together stays the same.
FaultOr<bool> fold_some(Database& database, WallTime keep_from) {
  struct Sum {
    std::int64_t sequence = 0;
    Money amount;
    std::int64_t at_us = 0;
    bool grew = false;
  };
  std::map<std::array<std::string, 5>, Sum> sums;
  std::vector<std::int64_t> folded;
  TRY(folding, read_folding(database, keep_from));
  std::int64_t read = 0;
  {
    TRY(rows, entries_behind(database, folding, kEntriesFoldedAtOnce));
    while (true) {
      TRY(there, rows.step());
      if (!there || rows.integer(7) >= to_microseconds(folding.keep_from)) break;
      ++read;
      folding.behind = rows.integer(0);
      std::array<std::string, 5> key;
      for (std::size_t i = 0; i < key.size(); ++i) key[i] = rows.text(static_cast<int>(i) + 1);
      Sum& sum = sums[std::move(key)];
      sum.grew = sum.sequence != 0;
      if (sum.grew) folded.push_back(folding.behind);
      if (!sum.grew) sum.sequence = folding.behind;
      sum.amount = add_saturated(sum.amount, Money{rows.integer(6)});
      sum.at_us = std::max(sum.at_us, rows.integer(7));
    }
  }
  if (read == 0) return false;
  TRY(update, database.prepare("UPDATE allowance_entries SET amount_micro_usd = ?, at_us = ? WHERE "
                               "sequence = ?"));
  for (const auto& [key, sum] : sums) {
    if (!sum.grew) continue;
    TRY_DO(update.bind(sum.amount.micro_usd).bind(sum.at_us).bind(sum.sequence).run());
  }
  TRY(remove, database.prepare("DELETE FROM allowance_entries WHERE sequence = ?"));
  for (const std::int64_t sequence : folded) TRY_DO(remove.bind(sequence).run());
  TRY_DO(write_mark(database, kFoldedMark,
                    fmt::format("{} {}", folding.behind, to_microseconds(folding.keep_from))));
  return read == kEntriesFoldedAtOnce;
}

}  // namespace

// By the hour, so that questions by the hour see all of one or nothing.
WallTime books_keep_from(Duration keep, WallTime now) {
  return std::chrono::floor<std::chrono::hours>(now - std::max(keep, kBooksKeptLeast));
}

FaultOr<bool> has_old_books(Database& database, WallTime keep_from) {
  for (const Old& old : kOfWindows) {
    TRY(found, finds(database, old.look, windows_before(keep_from)));
    if (found) return true;
  }
  TRY(adjusted, finds(database, kAdjustments.look, keep_from));
  if (adjusted) return true;
  TRY(foldable, has_entries_to_fold(database, keep_from));
  if (foldable) return true;
  TRY(tools, has_old_tool_spend(database, keep_from));
  if (tools) return true;
  return finds(database, kOldSpend, keep_from);
}

FaultOr<bool> prune_books(Database& database, WallTime keep_from) {
  TRY_DO(raise_moment(database, kBooksMark, keep_from));
  bool more = false;
  for (const Old& old : kOfWindows) {
    TRY(found, remove_some(database, old, windows_before(keep_from)));
    more |= found;
  }
  TRY(adjusted, remove_some(database, kAdjustments, keep_from));
  TRY(folded, fold_some(database, keep_from));
  TRY(summed, sum_up_some(database, keep_from));
  TRY(tools, sum_up_tool_spend(database, keep_from, kBooksPruneBatch));
  return more || adjusted || folded || summed || tools;
}

FaultOr<std::optional<WallTime>> books_kept_from(Database& database) {
  return read_moment(database, kBooksMark);
}

FaultOr<std::optional<WallTime>> trail_kept_from(Database& database) {
  return read_moment(database, kTrailMark);
}

FaultOr<void> note_trail_pruned(Database& database, WallTime keep_from) {
  return raise_moment(database, kTrailMark, keep_from);
}

}  // namespace tollgate::storage
