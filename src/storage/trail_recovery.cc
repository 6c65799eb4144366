// How a start ends what an earlier one left open.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/allowances.h"
#include "storage/journal_open.h"
#include "storage/lease_expiry.h"
#include "storage/record_facts.h"
#include "storage/trail_writer.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// About so many requests are ended in one group, some milliseconds' work.
constexpr std::size_t kEndedAGroup = 512;
// Decisions that have ended are forgotten when there are so many, and more than are open.
constexpr std::size_t kEndedKept = 4096;

// The outcome of a request of which only the decision is known, and what it spent.
void pack_cut(const RecordFacts& decision, const Spent& spent, WallTime now,
              TrailWriter::Cause cause, std::string& packed) {
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
  const bool retired = cause == TrailWriter::Cause::kRetired;
  record.code = retired ? TrailWriter::kRetiredCode : "gateway_stopped";
  record.message =
      retired ? "The gateway stopped before this request ended, and never came back. What it held "
                "is booked as spent, since it may have been, unless it was settled already."
              : "The gateway stopped before this request ended. What it held is booked as "
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

// Marks those that ended; both are in the order of their sequences.
void strike(std::vector<OpenDecision>& open, std::uint64_t sequence, std::size_t& ended) {
  const auto found = std::ranges::lower_bound(open, sequence, {}, &OpenDecision::sequence);
  if (found == open.end() || found->sequence != sequence || found->ended) return;
  found->ended = true;
  ++ended;
}

void forget_ended(std::vector<OpenDecision>& open, std::size_t& ended) {
  std::erase_if(open, [](const OpenDecision& decision) { return decision.ended; });
  ended = 0;
}

}  // namespace

FaultOr<std::int64_t> read_settled(Database& database, std::string_view gateway) {
  TRY(mark, read_mark(database, mark_of(gateway, kSettled)));
  std::int64_t settled = 0;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), settled);
  return settled;
}

std::string earlier_of(std::string_view gateway) { return std::string(gateway) + "/earlier"; }

// Reads the columns alone, and no record: there may be a million that are open.
FaultOr<void> TrailWriter::load_open() {
  TRY(settled, read_settled(*database_, gateway_));
  TRY(start, row_of(*database_, gateway_, settled + 1));
  TRY(rows, database_->prepare("SELECT opened, ended FROM audit_groups WHERE gateway = ? AND "
                               "first_sequence >= ? ORDER BY first_sequence"));
  rows.bind(gateway_).bind(start);
  std::vector<OpenDecision> open;
  std::size_t ended = 0;
  while (true) {
    TRY(there, rows.step());
    if (!there) break;
    const std::vector<OpenDecision> opened = read_opened(rows.blob(0));
    open.insert(open.end(), opened.begin(), opened.end());
    for (const std::uint64_t sequence : read_sequences(rows.blob(1))) {
      strike(open, sequence, ended);
    }
    if (ended > kEndedKept && ended > open.size() / 2) forget_ended(open, ended);
  }
  forget_ended(open, ended);
  open_.reserve(open.size());
  for (const OpenDecision& decision : open) {
    if (!decision.request) {
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: an earlier version of tollgate stopped before its requests had "
                               "ended. Start that version once and stop it with SIGTERM.",
                               database_->name()));
    }
    open_.try_emplace(*decision.request, decision);
  }
  return {};
}

FaultOr<std::int64_t> TrailWriter::begin_recovery(Allowances::Books books, WallTime now,
                                                  Cause cause) {
  book_unclaimed();
  TRY_DO(write());
  earlier_.clear();
  for (const auto& [key, decision] : open_) earlier_.push_back(decision);
  std::ranges::sort(earlier_, {}, &OpenDecision::sequence);
  earlier_ended_ = 0;
  earlier_last_ = sequence_;
  earlier_books_ = books;
  earlier_end_ = now;
  cause_ = cause;
  {
    TRY(transaction, Transaction::begin(*database_));
    TRY_DO(check_seat());
    // The journal may have taken so long that they have expired since the seat was taken.
    TRY(expired, read_mark(*database_, expiry_mark(gateway_)));
    if (expired) TRY_DO(take_back_leases(*database_, gateway_));
    TRY_DO(Allowances(*database_, gateway_).hand_over(earlier_of(gateway_), now));
    TRY_DO(transaction.commit());
  }
  const auto found = static_cast<std::int64_t>(earlier_.size());
  recovering_ = true;
  if (found == 0) TRY_DO(write());
  return found;
}

void TrailWriter::take_over(const TrailWriter& before) {
  part_ = before.part_;
  seat_ = before.seat_;
  earlier_last_ = before.earlier_last_;
  earlier_books_ = before.earlier_books_;
  earlier_end_ = before.earlier_end_;
  cause_ = before.cause_;
  unproven_ = before.unproven_;
  for (const auto& [key, decision] : open_) {
    if (decision.sequence <= earlier_last_) earlier_.push_back(decision);
  }
  std::ranges::sort(earlier_, {}, &OpenDecision::sequence);
  recovering_ = true;  // The end of its leases may be lost as well.
}

FaultOr<void> TrailWriter::recover_some(WallTime now) {
  if (earlier_ended_ == earlier_.size()) return {};
  Stretch stretch;
  stretch.gateway = gateway_;
  stretch.from = static_cast<std::int64_t>(earlier_[earlier_ended_].sequence);
  TRY(rows, GroupWalk::begin(*database_, stretch, Direction::kOldestFirst));
  std::string packed;
  FactReader reader;
  std::size_t at = earlier_ended_;
  // Rows are taken whole: none is unpacked twice.
  while (at < earlier_.size() && at - earlier_ended_ < kEndedAGroup) {
    TRY(there, rows.step());
    const auto next = static_cast<std::int64_t>(earlier_[at].sequence);
    if (!there || next < rows.first()) return damaged_trail(*database_);
    if (next > rows.last()) continue;
    TRY(lines, rows.lines());
    std::string_view rest = lines;
    for (std::int64_t sequence = rows.first(); sequence <= rows.last(); ++sequence) {
      const std::string_view line = take_line(rest);
      if (at == earlier_.size() || static_cast<std::int64_t>(earlier_[at].sequence) != sequence) {
        continue;
      }
      const std::optional<RecordFacts> decision = reader.read(line);
      if (!decision || decision->sequence != sequence) return damaged_trail(*database_);
      Spent spent;
      spent.cost = earlier_[at].held;
      if (const auto booking = waiting_.find(decision->id); booking != waiting_.end()) {
        spent = booking->second.spent;  // It was settled; only its outcome is missing.
      } else {
        pack_held(*decision, spent.cost, packed);
      }
      recovered_cost_ = add_saturated(recovered_cost_, spent.cost);
      pack_cut(*decision, spent, now, cause_, packed);
      ++at;
    }
  }
  lessee_ = Lessee::kEarlier;
  take_all(packed);
  lessee_ = Lessee::kOwn;
  earlier_ended_ = at;
  return {};
}

// Their outcomes never come: neither the decision nor the outcome survived the loss of power.
void TrailWriter::book_unclaimed() {
  for (auto booking = waiting_.begin(); booking != waiting_.end();) {
    const auto next = std::next(booking);
    if (!open_.contains(key_of(booking->first))) book_waiting(booking);
    booking = next;
  }
}

// What the earlier start's requests are booked at; once that is all, its leases end.
FaultOr<void> TrailWriter::write_earlier() {
  if (!recovering_) return {};
  Allowances allowances(*database_, earlier_of(gateway_));
  TRY_DO(earlier_sums_.write(allowances, from_microseconds(reached_us_)));
  if (earlier_ended_ < earlier_.size()) return {};
  TRY(rest, allowances.end_leases(earlier_books_, earlier_end_));
  if (earlier_books_ == Allowances::Books::kWhole) return {};
  unproven_ = rest;
  return forget_lack(*database_, gateway_);
}

}  // namespace tollgate::storage
