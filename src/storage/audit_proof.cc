// The walk along the chain: every record, and every column that searching and recovery trust.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "storage/audit_query.h"
#include "storage/changes.h"
#include "storage/record_facts.h"
#include "storage/trail_group.h"
#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

enum Column : int {
  kFirst,
  kLast,
  kEarliest,
  kLatest,
  kReached,
  kLastHash,
  kTextBytes,
  kOpened,
  kEnded,
  kRecords,
  kBeforeFirstMark
};

// So many rows, which may be large, are in memory at once.
constexpr std::int64_t kPageRows = 16;

class Prover {
 public:
  explicit Prover(std::string_view gateway) { proof_.gateway = gateway; }
  // What is wrong with the row; empty: nothing.
  std::string check(const Statement& row);
  const Proof& proof() const { return proof_; }

 private:
  std::string check_line(std::string_view line);
  std::string_view lying_column(const Statement& row) const;
  void begin_row(const Statement& row);
  void follow(const RecordFacts& facts);
  std::string broken_at(std::int64_t sequence, std::string why);

  Proof proof_;
  audit::Hash previous_{};
  std::int64_t expected_ = 1;
  std::int64_t reached_us_ = INT64_MIN;
  FactReader reader_;
  std::string lines_;
  std::unordered_map<std::string, std::uint64_t> open_;  // Decisions without an outcome so far.

  // What the columns of the row should say.
  std::int64_t earliest_us_ = 0;
  std::int64_t latest_us_ = 0;
  std::vector<std::uint64_t> opened_;
  std::vector<std::uint64_t> ended_;
};

std::string Prover::broken_at(std::int64_t sequence, std::string why) {
  proof_.broken = sequence;
  proof_.why = why;
  return why;
}

void Prover::begin_row(const Statement& row) {
  if (proof_.first == 0) {
    proof_.first = row.integer(kFirst);
    // After a prune the chain begins behind the last record that was deleted.
    if (const std::optional<audit::Hash> before = parse_hash(row.text(kBeforeFirstMark))) {
      previous_ = *before;
      expected_ = proof_.first;
      reached_us_ = row.integer(kReached);
    }
  }
  earliest_us_ = INT64_MAX;
  latest_us_ = INT64_MIN;
  opened_.clear();
  ended_.clear();
}

void Prover::follow(const RecordFacts& facts) {
  earliest_us_ = std::min(earliest_us_, to_microseconds(facts.time));
  latest_us_ = std::max(latest_us_, to_microseconds(facts.time));
  if (facts.phase == audit::Phase::kChange) return;
  const auto sequence = static_cast<std::uint64_t>(facts.sequence);
  if (facts.phase == audit::Phase::kDecision) {
    if (lets_leave(facts.outcome) && open_.try_emplace(std::string(facts.id), sequence).second) {
      opened_.push_back(sequence);
    }
    return;
  }
  const auto decision = open_.find(std::string(facts.id));
  if (decision == open_.end()) return;
  if (std::erase(opened_, decision->second) == 0) ended_.push_back(decision->second);
  open_.erase(decision);
}

std::string Prover::check_line(std::string_view line) {
  audit::Hash own{};
  if (!audit::verify(line, previous_, own)) {
    return "its text is not what was written, or it does not follow the record before it";
  }
  const std::optional<RecordFacts> facts = reader_.read(line);
  if (!facts) return "it is not a record";
  if ((facts->phase == audit::Phase::kChange) != (proof_.gateway == kChangesChain)) {
    return "it is a record of another chain";
  }
  if (facts->sequence != expected_) {
    return fmt::format("it says that it is record {}", facts->sequence);
  }
  follow(*facts);
  previous_ = own;
  proof_.last = expected_++;
  ++proof_.records;
  return {};
}

std::string_view Prover::lying_column(const Statement& row) const {
  if (row.integer(kLast) != proof_.last) return "last_sequence";
  if (hash_from(row.blob(kLastHash)) != previous_) return "last_hash";
  if (row.integer(kEarliest) != earliest_us_) return "earliest_us";
  if (row.integer(kLatest) != latest_us_) return "latest_us";
  if (row.integer(kReached) != std::max(reached_us_, latest_us_)) return "reached_us";
  std::vector<std::uint64_t> opened;
  for (const OpenDecision& decision : read_opened(row.blob(kOpened))) {
    opened.push_back(decision.sequence);
  }
  if (opened != opened_) return "opened";
  std::vector<std::uint64_t> ended = read_sequences(row.blob(kEnded));
  // Decisions that were pruned are not known here.
  std::erase_if(ended, [&](std::uint64_t sequence) {
    return sequence < static_cast<std::uint64_t>(proof_.first);
  });
  return ended != ended_ ? "ended" : std::string_view();
}

std::string Prover::check(const Statement& row) {
  begin_row(row);
  const std::int64_t first = row.integer(kFirst);
  if (first != expected_) {
    return broken_at(first, fmt::format("record {} is missing", expected_));
  }
  if (!uncompress(row.blob(kRecords), row.integer(kTextBytes), lines_)) {
    return broken_at(first, "it cannot be unpacked, nor can the others of its row");
  }
  std::string_view rest = lines_;
  while (!rest.empty()) {
    std::string why = check_line(take_line(rest));
    if (!why.empty()) return broken_at(expected_, std::move(why));
  }
  const std::string_view column = lying_column(row);
  if (!column.empty()) {
    return broken_at(first, fmt::format("the column {} of its row differs from the text of the "
                                        "records",
                                        column));
  }
  reached_us_ = row.integer(kReached);
  return {};
}

}  // namespace

FaultOr<Proof> verify_audit(Database& database, std::string_view gateway) {
  // The mark and the rows of one moment: records may be pruned while we walk.
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  const std::string mark = mark_of(gateway, kBeforeFirst);
  Prover prover(gateway);
  std::int64_t behind = INT64_MIN;
  while (true) {
    TRY(page,
        database.prepare(
            "SELECT first_sequence, last_sequence, earliest_us, latest_us, reached_us, last_hash, "
            "text_bytes, opened, ended, records, (SELECT value FROM marks WHERE name = ?) "
            "FROM audit_groups WHERE gateway = ? AND first_sequence > ? ORDER BY first_sequence "
            "LIMIT ?"));
    page.bind(mark).bind(gateway).bind(behind).bind(kPageRows);
    std::int64_t rows = 0;
    for (; true; ++rows) {
      TRY(there, page.step());
      if (!there) break;
      if (!prover.check(page).empty()) return prover.proof();
      behind = page.integer(kFirst);
    }
    if (rows < kPageRows) return prover.proof();
  }
}

FaultOr<std::vector<Proof>> verify_chains(Database& database) {
  TRY(moment, Snapshot::begin(database));
  (void)moment;  // Until the answer is whole.
  TRY(names, chains(database));
  std::vector<Proof> proofs;
  for (const std::string& name : names) {
    TRY(proof, verify_audit(database, name));
    proofs.push_back(std::move(proof));
  }
  return proofs;
}

}  // namespace tollgate::storage
