#include "storage/trail_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "storage/record_facts.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::int64_t kWritesBetweenMarks = 64;
// So many keys of the books stay known from one group to the next.
constexpr std::size_t kKeysKept = 4096;

SpendKey spend_key_of(const Item& item) {
  SpendKey key;
  key.quarter_us = quarter_of(from_microseconds(item.time_us));
  key.tenant = item.tenant;
  key.user = item.user;
  key.key_id = item.key_id;
  key.route = item.route;
  key.model = item.model;
  return key;
}

bool used_any(const Item& item) {
  return item.amount != Money{} || item.input != 0 || item.output != 0;
}

Spent spent_of(const Item& item) {
  Spent spent;
  spent.requests = 1;
  spent.input = item.input;
  spent.cached_input = item.cached_input;
  spent.output = item.output;
  spent.cost = item.amount;
  return spent;
}

FaultOr<std::int64_t> read_settled(Database& database, std::string_view gateway) {
  TRY(mark, read_mark(database, mark_of(gateway, kSettled)));
  std::int64_t settled = 0;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), settled);
  return settled;
}

std::unexpected<Fault> damaged(const Database& database) {
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: a record of the audit trail is damaged, so the chain cannot be "
                           "continued. `tollgate audit verify` names it; restore a backup.",
                           database.name()));
}

// Of a line that audit::write() made, which begins with it; empty: it is none.
std::string_view id_of(std::string_view line) {
  constexpr std::string_view kBefore = R"({"id":")";
  if (!line.starts_with(kBefore)) return {};
  line.remove_prefix(kBefore.size());
  return line.substr(0, line.find('"'));
}

// The outcome of a request of which only the decision is known, and what it spent.
void pack_cut(const RecordFacts& decision, const Spent& spent, WallTime now, std::string& packed) {
  audit::Record record;
  authentication::Identity actor;
  record.id = decision.id;
  record.time = now;
  actor.tenant = decision.tenant;
  actor.subject = decision.subject;
  actor.credential_id = decision.key_id;
  record.actor = &actor;
  record.route = decision.route;
  record.model_served = decision.model;
  record.outcome = audit::Outcome::kCut;
  record.code = "gateway_stopped";
  record.message =
      "The gateway stopped before this request ended. What it held is booked as "
      "spent, since it may have been, unless it was settled already.";
  record.input = spent.input;
  record.cached_input = spent.cached_input;
  record.output = spent.output;
  record.cost = spent.cost;
  record.usage_source = audit::UsageSource::kCounted;  // Ours; the provider's never came.
  std::string written;
  audit::write(record, audit::Phase::kOutcome, written);

  Item item;
  item.kind = ItemKind::kRecord;
  item.phase = audit::Phase::kOutcome;
  item.outcome = record.outcome;
  item.time_us = to_microseconds(now);
  item.id = decision.id;
  item.written = written;
  pack(item, packed);
}

// Books what a request held.
void pack_held(const RecordFacts& decision, Money held, std::string& packed) {
  Item item;
  item.kind = ItemKind::kBooking;
  item.time_us = to_microseconds(decision.time);  // Spent in the window in which it was held.
  item.amount = held;
  item.id = decision.id;
  item.tenant = decision.tenant;
  item.user = decision.subject;
  item.key_id = decision.key_id;
  item.route = decision.route;
  item.model = decision.model;
  item.accounts = decision.accounts;
  pack(item, packed);
}

}  // namespace

std::string format_hash(const audit::Hash& hash) {
  std::string hex;
  for (const std::uint8_t byte : hash) fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
  return hex;
}

std::optional<audit::Hash> parse_hash(std::string_view hex) {
  audit::Hash hash{};
  if (hex.size() != 2 * hash.size()) return std::nullopt;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const char* start = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(start, start + 2, hash[i], 16);
    if (error != std::errc() || end != start + 2) return std::nullopt;
  }
  return hash;
}

std::optional<audit::Hash> hash_from(std::span<const std::uint8_t> bytes) {
  audit::Hash hash{};
  if (bytes.size() != hash.size()) return std::nullopt;
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

TrailWriter::TrailWriter(Database& database, std::string_view gateway)
    : database_(&database),
      gateway_(gateway),
      pool_(std::make_unique<std::pmr::unsynchronized_pool_resource>()),
      waiting_(pool_.get()),
      open_(pool_.get()) {}

FaultOr<TrailWriter> TrailWriter::open(Database& database, std::string_view gateway) {
  TrailWriter writer(database, gateway);
  TRY(last, database.prepare("SELECT last_sequence, last_hash, reached_us, text_bytes, records, "
                             "journal_written FROM audit_groups WHERE gateway = ? "
                             "ORDER BY first_sequence DESC LIMIT 1"));
  TRY(there, last.bind(gateway).step());
  TRY(mark, read_mark(database, mark_of(gateway, kJournalWritten)));
  if (mark) {
    std::from_chars(mark->data(), mark->data() + mark->size(), writer.journal_written_);
  }
  writer.journal_taken_ = writer.journal_written_;
  TRY_DO(writer.load_waiting());
  if (!there) return writer;
  writer.journal_written_ =
      std::max(writer.journal_written_, static_cast<std::uint64_t>(last.integer(5)));
  writer.journal_taken_ = writer.journal_written_;
  const std::optional<audit::Hash> hash = hash_from(last.blob(1));
  if (!hash || !uncompress(last.blob(4), last.integer(3), writer.lines_)) {
    return damaged(database);
  }
  // The column is believed if the last record carries the same.
  std::string_view line = writer.lines_;
  line.remove_suffix(line.ends_with('\n') ? 1 : 0);
  line.remove_prefix(line.find_last_of('\n') + 1);
  if (!line.ends_with(fmt::format("\"hash\":\"{}\"}}", format_hash(*hash)))) {
    return damaged(database);
  }
  writer.sequence_ = static_cast<std::uint64_t>(last.integer(0));
  writer.hash_ = *hash;
  writer.reached_us_ = last.integer(2);
  writer.lines_.clear();
  TRY_DO(writer.load_open());
  return writer;
}

// ---- After a crash --------------------------------------------------------------------------

FaultOr<TrailWriter::Holds> TrailWriter::find_open() {
  TRY(settled, read_settled(*database_, gateway_));
  TRY(start, row_of(*database_, gateway_, settled + 1));
  TRY(rows, database_->prepare("SELECT opened, ended FROM audit_groups WHERE gateway = ? AND "
                               "first_sequence >= ? ORDER BY first_sequence"));
  rows.bind(gateway_).bind(start);
  Holds holds;
  while (true) {
    TRY(there, rows.step());
    if (!there) return holds;
    for (const OpenDecision& decision : read_opened(rows.blob(0))) {
      holds[static_cast<std::int64_t>(decision.sequence)] = decision.held;
    }
    for (const std::uint64_t sequence : read_sequences(rows.blob(1))) {
      holds.erase(static_cast<std::int64_t>(sequence));
    }
  }
}

template <class Take>
FaultOr<void> TrailWriter::walk_open(Holds holds, const Take& take) {
  if (holds.empty()) return {};
  Stretch stretch;
  stretch.gateway = gateway_;
  stretch.from = holds.begin()->first;
  TRY(rows, GroupWalk::begin(*database_, stretch, Direction::kOldestFirst));
  while (!holds.empty()) {
    TRY(there, rows.step());
    if (!there || holds.begin()->first < rows.first()) return damaged(*database_);
    if (holds.begin()->first > rows.last()) continue;
    TRY(lines, rows.lines());
    std::string_view rest = lines;
    for (std::int64_t sequence = rows.first(); sequence <= rows.last(); ++sequence) {
      const std::string_view line = take_line(rest);
      if (holds.empty() || holds.begin()->first != sequence) continue;
      TRY_DO(take(sequence, holds.begin()->second, line));
      holds.erase(holds.begin());
    }
  }
  return {};
}

FaultOr<void> TrailWriter::load_open() {
  TRY(holds, find_open());
  const auto load = [&](std::int64_t sequence, Money held, std::string_view line) -> FaultOr<void> {
    const std::string_view id = id_of(line);
    if (id.empty()) return damaged(*database_);
    const OpenDecision open{static_cast<std::uint64_t>(sequence), held};
    open_.try_emplace(std::pmr::string(id, pool_.get()), open);
    return {};
  };
  return walk_open(std::move(holds), load);
}

FaultOr<std::int64_t> TrailWriter::recover(WallTime now) {
  Holds holds;
  for (const auto& [id, open] : open_) {
    holds[static_cast<std::int64_t>(open.sequence)] = open.held;
  }
  const auto found = static_cast<std::int64_t>(holds.size());
  std::string packed;
  FactReader reader;
  const auto cut = [&](std::int64_t sequence, Money held, std::string_view line) -> FaultOr<void> {
    const std::optional<RecordFacts> decision = reader.read(line);
    if (!decision || decision->sequence != sequence) return damaged(*database_);
    Spent spent;
    spent.cost = held;
    if (const auto booking = waiting_.find(decision->id); booking != waiting_.end()) {
      spent = booking->second.spent;  // It was settled; only its outcome is missing.
    } else {
      pack_held(*decision, held, packed);
    }
    pack_cut(*decision, spent, now, packed);
    return {};
  };
  TRY_DO(walk_open(std::move(holds), cut));
  take_all(packed);
  end_group(journal_taken_);
  TRY_DO(write());
  TRY_DO(finish());
  return found;
}

// ---- Sealing --------------------------------------------------------------------------------

bool TrailWriter::take(std::string_view packed) {
  const std::string_view all = packed;
  const std::optional<Item> item = unpack(packed);
  if (!item || !packed.empty()) return false;
  if (item->kind == ItemKind::kBooking) {
    take_booking(*item, all);
  } else {
    take_record(*item);
  }
  return true;
}

void TrailWriter::take_all(std::string_view packed) {
  while (!packed.empty()) {
    std::string_view rest = packed;
    CHECK(unpack(rest));
    CHECK(take(packed.substr(0, packed.size() - rest.size())));
    packed = rest;
  }
}

void TrailWriter::end_group(std::uint64_t reached) {
  close_row();
  // What goes on waiting is in no group that is written: it gets a place of its own.
  for (auto& [id, booking] : waiting_) {
    if (booking.packed.empty()) continue;
    changes_.push_back({std::string(id), std::string(std::exchange(booking.packed, {}))});
    booking.stored = true;
  }
  journal_taken_ = reached;
}

void TrailWriter::book_waiting(ById<Waiting>::iterator booking) {
  spend_.add(*booking->second.entry, booking->second.spent);
  sums_.add(booking->second.accounts, booking->second.spent.cost);
  if (booking->second.stored) changes_.push_back({std::string(booking->first), {}});
  waiting_.erase(booking);
}

void TrailWriter::take_booking(const Item& item, std::string_view packed) {
  // The records of a request that never left may have found no room, so nobody waits for them.
  if (!used_any(item) && !open_.contains(item.id)) return book_now(item);
  wait_for_outcome(item, packed);
}

void TrailWriter::wait_for_outcome(const Item& item, std::string_view packed) {
  Waiting waiting;
  waiting.accounts = std::pmr::string(item.accounts, pool_.get());
  waiting.packed = packed;
  waiting.entry = &spend_.entry_of(spend_key_of(item));
  waiting.spent = spent_of(item);
  const auto [booking, fresh] =
      waiting_.try_emplace(std::pmr::string(item.id, pool_.get()), std::move(waiting));
  if (fresh) return;
  // A second booking of one request: neither may be lost.
  spend_.add(*booking->second.entry, booking->second.spent);
  sums_.add(booking->second.accounts, booking->second.spent.cost);
  waiting.stored = booking->second.stored;  // The place is taken over.
  booking->second = std::move(waiting);
}

void TrailWriter::book_now(const Item& item) {
  spend_.add(spend_key_of(item), spent_of(item));
  sums_.add(item.accounts, item.amount);
}

void TrailWriter::take_record(const Item& item) {
  open_row(item.time_us);
  Row& row = rows_[ready_];
  row.last = ++sequence_;
  hash_ = audit::seal(item.written, sequence_, hash_, lines_);
  lines_.push_back('\n');

  if (item.phase == audit::Phase::kDecision) {
    if (lets_leave(item.outcome)) {
      const OpenDecision decision{sequence_, item.amount};
      if (open_.try_emplace(std::pmr::string(item.id, pool_.get()), decision).second) {
        opened_.push_back(decision);
      }
    }
  } else {
    if (const auto booking = waiting_.find(item.id); booking != waiting_.end()) {
      book_waiting(booking);
    } else if (used_any(item)) {
      book_now(item);
    }
    if (const auto open = open_.find(item.id); open != open_.end()) {
      const std::uint64_t decided = open->second.sequence;
      open_.erase(open);
      if (decided < row.first) {
        append_sequence(decided, row.ended);
      } else {
        std::ranges::lower_bound(opened_, decided, {}, &OpenDecision::sequence)->ended = true;
      }
    }
  }
  if (lines_.size() >= kGroupTextBytes) close_row();
}

void TrailWriter::open_row(std::int64_t time_us) {
  if (ready_ == rows_.size()) rows_.emplace_back();
  Row& row = rows_[ready_];
  if (lines_.empty()) {
    row.first = sequence_ + 1;
    row.earliest_us = row.latest_us = time_us;
    row.opened.clear();
    row.ended.clear();
    opened_.clear();
  }
  row.earliest_us = std::min(row.earliest_us, time_us);
  row.latest_us = std::max(row.latest_us, time_us);
  reached_us_ = std::max(reached_us_, time_us);
}

void TrailWriter::close_row() {
  if (lines_.empty()) return;
  Row& row = rows_[ready_++];
  row.reached_us = reached_us_;
  row.text_bytes = static_cast<std::int64_t>(lines_.size());
  row.last_hash = hash_;
  for (const OpenDecision& decision : opened_) {
    if (!decision.ended) append_opened(decision, row.opened);
  }
  compress(lines_, row.records);
  lines_.clear();
}

// ---- Writing --------------------------------------------------------------------------------

FaultOr<void> TrailWriter::insert_rows() {
  TRY(insert, database_->prepare(
                  "INSERT INTO audit_groups (gateway, first_sequence, last_sequence, earliest_us, "
                  "latest_us, reached_us, last_hash, text_bytes, opened, ended, records, "
                  "journal_written) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const Row& row : std::span(rows_).first(ready_)) {
    TRY_DO(insert.bind(gateway_)
               .bind(static_cast<std::int64_t>(row.first))
               .bind(static_cast<std::int64_t>(row.last))
               .bind(row.earliest_us)
               .bind(row.latest_us)
               .bind(row.reached_us)
               .bind_blob(row.last_hash)
               .bind(row.text_bytes)
               .bind_blob(bytes_of(row.opened))
               .bind_blob(bytes_of(row.ended))
               .bind_blob(bytes_of(row.records))
               .bind(static_cast<std::int64_t>(journal_taken_))
               .run());
  }
  // A mark would be one more page in every commit.
  if (ready_ > 0 || journal_taken_ == journal_written_) return {};
  return write_mark(*database_, mark_of(gateway_, kJournalWritten), std::to_string(journal_taken_));
}

FaultOr<void> TrailWriter::load_waiting() {
  TRY(rows, database_->prepare("SELECT packed FROM waiting_bookings WHERE gateway = ?"));
  rows.bind(gateway_);
  while (true) {
    TRY(there, rows.step());
    if (!there) return {};
    const std::span<const std::uint8_t> bytes = rows.blob(0);
    std::string_view packed(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::optional<Item> item = unpack(packed);
    if (!item || item->kind != ItemKind::kBooking) {
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: a booking that waits for its outcome is damaged. Restore a "
                               "backup.",
                               database_->name()));
    }
    wait_for_outcome(*item, {});
    waiting_.find(item->id)->second.stored = true;
  }
}

FaultOr<void> TrailWriter::write_waiting() {
  if (changes_.empty()) return {};
  TRY(put, database_->prepare("INSERT INTO waiting_bookings (gateway, id, packed) "
                              "VALUES (?, ?, ?) ON CONFLICT (gateway, id) DO UPDATE SET "
                              "packed = excluded.packed"));
  TRY(remove, database_->prepare("DELETE FROM waiting_bookings WHERE gateway = ? AND id = ?"));
  for (const Change& change : changes_) {
    if (change.packed.empty()) {
      TRY_DO(remove.bind(gateway_).bind(change.id).run());
    } else {
      TRY_DO(put.bind(gateway_).bind(change.id).bind_blob(bytes_of(change.packed)).run());
    }
  }
  return {};
}

FaultOr<void> TrailWriter::write_settled() {
  std::uint64_t settled = sequence_;
  for (const auto& [id, decision] : open_) settled = std::min(settled, decision.sequence - 1);
  return write_mark(*database_, mark_of(gateway_, kSettled), std::to_string(settled));
}

FaultOr<void> TrailWriter::write() {
  if (idle()) return {};
  const FaultOr<void> written = write_group();
  if (part_ == nullptr) return written;
  written ? part_->committed() : part_->failed(written.error());
  return written;
}

FaultOr<void> TrailWriter::write_group() {
  TRY(transaction, Transaction::begin(*database_));
  if (uncertain_) {
    // Behind the lock, so that the commit in question has ended one way or the other.
    TRY(there, seat_->was_committed(*database_));
    uncertain_ = false;
    if (there) forget_group();
  }
  TRY_DO(fill_group());
  if (FaultOr<void> done = transaction.commit(); !done) {
    uncertain_ = seat_ != nullptr && done.error().kind == FaultKind::kUncertain;
    return done;
  }
  if (seat_ != nullptr) seat_->committed();
  forget_group();
  return {};
}

FaultOr<void> TrailWriter::fill_group() {
  if (seat_ != nullptr) TRY_DO(seat_->count_group(*database_));
  if (part_ != nullptr) TRY_DO(part_->write(*database_));
  TRY_DO(insert_rows());
  TRY_DO(book(*database_, spend_));
  Allowances allowances(*database_, gateway_);
  TRY_DO(sums_.write(allowances, from_microseconds(reached_us_)));
  TRY_DO(write_waiting());
  if (writes_ % kWritesBetweenMarks == 0) TRY_DO(write_settled());
  return {};
}

// It is in the store.
void TrailWriter::forget_group() {
  ++writes_;
  ready_ = 0;
  changes_.clear();
  journal_written_ = journal_taken_;
  spend_.clear();
  sums_.clear();
  if (spend_.keys() > kKeysKept && waiting_.empty()) spend_.forget();
}

FaultOr<void> TrailWriter::finish() {
  while (!waiting_.empty()) book_waiting(waiting_.begin());
  TRY_DO(write());
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(write_settled());
  return transaction.commit();
}

FaultOr<bool> TrailWriter::prune(WallTime keep_from) {
  std::int64_t last = 0;
  audit::Hash before_first{};
  int count = 0;
  {
    TRY(settled, read_settled(*database_, gateway_));
    // The last row stays: the chain goes on from it.
    TRY(oldest,
        database_->prepare(
            "SELECT last_sequence, latest_us, last_hash FROM audit_groups WHERE gateway = ? AND "
            "last_sequence <= ? AND first_sequence < "
            "(SELECT max(first_sequence) FROM audit_groups WHERE gateway = ?) "
            "ORDER BY first_sequence LIMIT ?"));
    oldest.bind(gateway_).bind(settled).bind(gateway_).bind(std::int64_t{kPruneBatch});
    while (true) {
      TRY(there, oldest.step());
      if (!there || oldest.integer(1) >= to_microseconds(keep_from)) break;
      const std::optional<audit::Hash> hash = hash_from(oldest.blob(2));
      if (!hash) return damaged(*database_);
      last = oldest.integer(0);
      before_first = *hash;
      ++count;
    }
    if (count == 0) return false;
  }
  TRY(transaction, Transaction::begin(*database_));
  TRY(remove, database_->prepare("DELETE FROM audit_groups WHERE gateway = ? AND "
                                 "first_sequence <= ?"));
  TRY_DO(remove.bind(gateway_).bind(last).run());
  TRY_DO(write_mark(*database_, mark_of(gateway_, kBeforeFirst), format_hash(before_first)));
  TRY_DO(transaction.commit());
  return count == kPruneBatch;
}

}  // namespace tollgate::storage
