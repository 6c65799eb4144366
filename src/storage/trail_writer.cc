#include "storage/trail_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "storage/changes.h"
#include "storage/gateways.h"
#include "storage/lease_expiry.h"
#include "storage/prune_books.h"
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

}  // namespace

TrailWriter::TrailWriter(Database& database, std::string_view gateway)
    : database_(&database),
      gateway_(gateway),
      pool_(std::make_unique<std::pmr::unsynchronized_pool_resource>()),
      waiting_(pool_.get()),
      open_(pool_.get()) {}

FaultOr<TrailWriter> TrailWriter::open(Database& database, std::string_view gateway) {
  TrailWriter writer(database, gateway);
  TRY(end, end_of_chain(database, gateway));
  TRY(mark, read_mark(database, mark_of(gateway, kJournalWritten)));
  if (mark) {
    std::from_chars(mark->data(), mark->data() + mark->size(), writer.journal_written_);
  }
  writer.journal_taken_ = writer.journal_written_;
  TRY_DO(writer.load_waiting());
  if (!end) return writer;
  writer.journal_written_ = std::max(writer.journal_written_, end->journal_written);
  writer.journal_taken_ = writer.journal_written_;
  writer.sequence_ = end->sequence;
  writer.hash_ = end->hash;
  writer.reached_us_ = end->reached_us;
  TRY_DO(writer.load_open());
  return writer;
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
  charged().add(booking->second.accounts, booking->second.spent.cost);
  if (booking->second.stored) changes_.push_back({std::string(booking->first), {}});
  waiting_.erase(booking);
}

void TrailWriter::take_booking(const Item& item, std::string_view packed) {
  if (passed_over_.contains(key_of(item.id))) {
    ++passed_;
    return;
  }
  // The records of a request that never left may have found no room, so nobody waits for them.
  if (!used_any(item) && !open_.contains(key_of(item.id))) return book_now(item);
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
  charged().add(booking->second.accounts, booking->second.spent.cost);
  waiting.stored = booking->second.stored;  // The place is taken over.
  booking->second = std::move(waiting);
}

void TrailWriter::book_now(const Item& item) {
  spend_.add(spend_key_of(item), spent_of(item));
  charged().add(item.accounts, item.amount);
}

void TrailWriter::take_record(const Item& item) {
  open_row(item.time_us);
  ChainRow& row = rows_[ready_];
  row.last = ++sequence_;
  hash_ = audit::seal(item.written, sequence_, hash_, lines_);
  tools_.take(item);
  lines_.push_back('\n');

  if (item.phase == audit::Phase::kDecision) {
    if (lets_leave(item.outcome)) {
      const RequestKey request = key_of(item.id);
      const OpenDecision decision{sequence_, item.amount, request};
      if (open_.try_emplace(request, decision).second) opened_.push_back(decision);
    }
  } else {
    if (const auto booking = waiting_.find(item.id); booking != waiting_.end()) {
      book_waiting(booking);
    } else if (used_any(item) && !passed_over_.contains(key_of(item.id))) {
      book_now(item);
    }
    if (const auto open = open_.find(key_of(item.id)); open != open_.end()) {
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
  ChainRow& row = rows_[ready_];
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
  ChainRow& row = rows_[ready_++];
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
  TRY_DO(append_rows(*database_, gateway_, std::span(rows_).first(ready_), journal_taken_));
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
  if (earlier_ended_ < earlier_.size()) {
    settled = earlier_[earlier_ended_].sequence - 1;
  } else {
    for (const auto& [key, decision] : open_) settled = std::min(settled, decision.sequence - 1);
  }
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
  TRY_DO(check_seat());
  TRY_DO(fill_group());
  if (FaultOr<void> done = transaction.commit(); !done) {
    uncertain_ = seat_ != nullptr && done.error().kind == FaultKind::kUncertain;
    return done;
  }
  if (seat_ != nullptr) seat_->committed();
  forget_group();
  return {};
}

FaultOr<void> TrailWriter::check_seat() {
  if (seat_ == nullptr) return {};
  if (uncertain_) {
    // Behind the lock, so that the commit in question has ended one way or the other.
    TRY(there, seat_->was_committed(*database_));
    uncertain_ = false;
    if (there) forget_group();
  }
  return seat_->check(*database_);
}

FaultOr<void> TrailWriter::fill_group() {
  if (seat_ != nullptr) TRY_DO(seat_->count_group(*database_));
  TRY_DO(write_earlier());  // First: what comes back is there for those who ask.
  if (part_ != nullptr) TRY_DO(part_->write(*database_));
  TRY_DO(insert_rows());
  TRY_DO(book(*database_, spend_));
  TRY_DO(tools_.book(*database_));
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
  tools_.clear();
  sums_.clear();
  earlier_sums_.clear();
  if (recovering_ && earlier_ended_ == earlier_.size()) {
    recovering_ = false;
    earlier_ = {};
    earlier_ended_ = 0;
  }
  if (spend_.keys() > kKeysKept && waiting_.empty()) spend_.forget();
}

FaultOr<void> TrailWriter::finish() {
  book_unclaimed();
  TRY_DO(write());
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(check_seat());
  TRY_DO(write_settled());
  return transaction.commit();
}

FaultOr<bool> TrailWriter::prune(WallTime keep_from) {
  TRY(more, prune(gateway_, keep_from));
  bool more_to_prune = more;
  TRY(others, retired_gateways(*database_));
  others.emplace_back(kChangesChain);
  for (const std::string& chain : others) {
    TRY(more_of_it, prune(chain, keep_from));
    more_to_prune |= more_of_it;
  }
  return more_to_prune;
}

FaultOr<void> TrailWriter::expire_leases() {
  TRY(names, with_overdue_leases(*database_));
  if (names.empty()) return {};
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(check_seat());
  TRY_DO(storage::expire_leases(*database_));
  return transaction.commit();
}

FaultOr<bool> TrailWriter::prune_books(WallTime keep_from) {
  TRY(found, has_old_books(*database_, keep_from));
  if (!found) return false;
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(check_seat());
  TRY(more, storage::prune_books(*database_, keep_from));
  TRY_DO(transaction.commit());
  return more;
}

FaultOr<TrailWriter::Prunable> TrailWriter::find_prunable(const std::string& gateway,
                                                          WallTime keep_from) {
  Prunable found;
  // A change ends with its record.
  std::int64_t settled = INT64_MAX;
  if (gateway != kChangesChain) {
    TRY(ended, read_settled(*database_, gateway));
    settled = ended;
  }
  // The last row stays: the chain goes on from it.
  TRY(oldest, database_->prepare(
                  "SELECT last_sequence, latest_us, last_hash FROM audit_groups WHERE gateway = ? "
                  "AND last_sequence <= ? AND first_sequence < "
                  "(SELECT max(first_sequence) FROM audit_groups WHERE gateway = ?) "
                  "ORDER BY first_sequence LIMIT ?"));
  oldest.bind(gateway).bind(settled).bind(gateway).bind(std::int64_t{kPruneBatch});
  while (true) {
    TRY(there, oldest.step());
    if (!there || oldest.integer(1) >= to_microseconds(keep_from)) return found;
    const std::optional<audit::Hash> hash = hash_from(oldest.blob(2));
    if (!hash) return damaged_trail(*database_);
    found.last = oldest.integer(0);
    found.before_first = *hash;
    ++found.rows;
  }
}

FaultOr<bool> TrailWriter::prune(const std::string& gateway, WallTime keep_from) {
  {
    TRY(seen, find_prunable(gateway, keep_from));
    if (seen.rows == 0) return false;
  }
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(check_seat());
  // Again, as others may have pruned a retired one's meanwhile.
  TRY(found, find_prunable(gateway, keep_from));
  if (found.rows == 0) return false;
  TRY(remove, database_->prepare("DELETE FROM audit_groups WHERE gateway = ? AND "
                                 "first_sequence <= ?"));
  TRY_DO(remove.bind(gateway).bind(found.last).run());
  TRY_DO(write_mark(*database_, mark_of(gateway, kBeforeFirst), format_hash(found.before_first)));
  if (gateway != kChangesChain) TRY_DO(note_trail_pruned(*database_, keep_from));
  TRY_DO(transaction.commit());
  return found.rows == kPruneBatch;
}

}  // namespace tollgate::storage
