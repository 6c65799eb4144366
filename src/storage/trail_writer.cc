#include "storage/trail_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr int kPruneBatch = 500;
constexpr std::int64_t kWritesBetweenMarks = 64;

SpendKey spend_key_of(const Item& item) {
  SpendKey key;
  key.hour_us = hour_of(from_microseconds(item.time_us));
  key.tenant = item.tenant;
  key.user = item.user;
  key.key_id = item.key_id;
  key.route = item.route;
  key.model = item.model;
  return key;
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

bool lets_leave(audit::Outcome outcome) {
  return outcome == audit::Outcome::kAllowed || outcome == audit::Outcome::kDowngraded;
}

FaultOr<std::int64_t> read_settled(Database& database) {
  TRY(mark, read_mark(database, kSettled));
  std::int64_t settled = 0;
  if (mark) std::from_chars(mark->data(), mark->data() + mark->size(), settled);
  return settled;
}

// The two items that end a request of which only the decision is known, the row of `open`.
void pack_cut(const Statement& open, WallTime now, std::string& group) {
  audit::Record record;
  authentication::Identity actor;
  record.id = open.text(0);
  record.time = now;
  actor.tenant = open.text(1);
  actor.subject = open.text(2);
  actor.credential_id = open.text(3);
  record.actor = &actor;
  record.route = open.text(4);
  record.model_served = open.text(5);
  record.outcome = audit::Outcome::kCut;
  record.code = "gateway_stopped";
  record.message = "The gateway stopped before this request ended. What it held is booked as "
                   "spent, since it may have been.";
  record.cost = Money{open.integer(6)};
  record.usage_source = audit::UsageSource::kCounted;  // Ours; the provider's never came.
  std::string written;
  audit::write(record, audit::Phase::kOutcome, written);

  Item item;
  item.kind = ItemKind::kBooking;
  item.time_us = open.integer(7);  // Money is spent in the window in which it was held.
  item.amount = record.cost;
  item.id = record.id;
  item.tenant = actor.tenant;
  item.user = actor.subject;
  item.key_id = actor.credential_id;
  item.route = record.route;
  item.model = record.model_served;
  pack(item, group);
  item.kind = ItemKind::kRecord;
  item.phase = audit::Phase::kOutcome;
  item.outcome = record.outcome;
  item.time_us = to_microseconds(now);
  item.amount = Money{};
  item.code = record.code;
  item.written = written;
  pack(item, group);
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

FaultOr<audit::Hash> hash_of(const Database& database, std::string_view sealed) {
  boost::system::error_code error;
  const boost::json::value record = boost::json::parse(sealed, error);
  if (!error && record.is_object()) {
    const boost::json::value* hex = record.get_object().if_contains("hash");
    if (hex != nullptr && hex->is_string()) {
      const std::optional<audit::Hash> hash = parse_hash(hex->get_string());
      if (hash) return *hash;
    }
  }
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: a record of the audit trail is damaged, so the chain cannot be "
                           "continued. `tollgate audit verify` names it; restore a backup.",
                           database.path()));
}

FaultOr<TrailWriter> TrailWriter::open(Database& database) {
  TrailWriter writer(database);
  TRY(last, database.prepare("SELECT sequence, record FROM audit ORDER BY sequence DESC LIMIT 1"));
  TRY(there, last.step());
  if (there) {
    writer.sequence_ = static_cast<std::uint64_t>(last.integer(0));
    TRY(hash, hash_of(database, last.text(1)));
    writer.hash_ = hash;
  }
  return writer;
}

FaultOr<std::int64_t> TrailWriter::recover(WallTime now) {
  TRY(settled, read_settled(*database_));
  std::string group;
  std::int64_t found = 0;
  {
    TRY(open, database_->prepare(
        "SELECT id, tenant, user, key_id, route, model, sum(held_micro_usd), min(time_us) "
        "FROM audit d WHERE sequence > ? AND phase = ? AND outcome IN (?, ?) AND NOT EXISTS "
        "(SELECT 1 FROM audit o WHERE o.id = d.id AND o.phase = ?) GROUP BY id ORDER BY id"));
    open.bind(settled).bind(static_cast<std::int64_t>(audit::Phase::kDecision))
        .bind(static_cast<std::int64_t>(audit::Outcome::kAllowed))
        .bind(static_cast<std::int64_t>(audit::Outcome::kDowngraded))
        .bind(static_cast<std::int64_t>(audit::Phase::kOutcome));
    while (true) {
      TRY(there, open.step());
      if (!there) break;
      pack_cut(open, now, group);
      ++found;
    }
  }
  take(std::move(group));
  TRY_DO(write());
  TRY_DO(finish());
  return found;
}

void TrailWriter::release(std::unordered_multimap<std::string, Waiting>::iterator booking) {
  spend_[booking->second.key] += booking->second.spent;
  waiting_.erase(booking);
}

void TrailWriter::take(std::string group) {
  for (auto booking = waiting_.begin(); booking != waiting_.end();) {
    const auto next = std::next(booking);
    if (++booking->second.groups > kBookingWaits) release(booking);
    booking = next;
  }
  std::string_view rest = group;
  std::string id;
  while (!rest.empty()) {
    const Item item = unpack(rest);
    id.assign(item.id);
    if (item.kind == ItemKind::kBooking) {
      Waiting waiting;
      waiting.key = spend_key_of(item);
      waiting.spent = spent_of(item);
      waiting_.emplace(id, std::move(waiting));
    } else if (item.phase == audit::Phase::kOutcome) {
      auto booking = waiting_.find(id);
      while (booking != waiting_.end()) {
        release(booking);
        booking = waiting_.find(id);
      }
    }
  }
  if (group_.empty()) {
    group_ = std::move(group);
  } else {
    group_ += group;
  }
}

std::string TrailWriter::spare() {
  std::string spare = std::move(group_);
  group_.clear();
  return spare;
}

FaultOr<void> TrailWriter::insert_records(std::uint64_t& sequence, audit::Hash& hash) {
  TRY(insert, database_->prepare(
      "INSERT INTO audit (sequence, id, time_us, phase, outcome, code, tenant, user, key_id, "
      "route, model, held_micro_usd, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  std::string_view rest = group_;
  while (!rest.empty()) {
    const Item item = unpack(rest);
    if (item.kind != ItemKind::kRecord) continue;
    ++sequence;
    sealed_.clear();
    hash = audit::seal(item.written, sequence, hash, sealed_);
    TRY_DO(insert.bind(static_cast<std::int64_t>(sequence)).bind(item.id).bind(item.time_us)
               .bind(static_cast<std::int64_t>(item.phase))
               .bind(static_cast<std::int64_t>(item.outcome)).bind(item.code).bind(item.tenant)
               .bind(item.user).bind(item.key_id).bind(item.route).bind(item.model)
               .bind(item.amount.micro_usd).bind(sealed_).run());
    if (item.phase == audit::Phase::kOutcome) {
      open_.erase(std::string(item.id));
    } else if (lets_leave(item.outcome)) {
      open_.try_emplace(std::string(item.id), sequence);
    }
  }
  return {};
}

FaultOr<void> TrailWriter::write_settled(std::uint64_t sequence) {
  for (const auto& [id, decided] : open_) sequence = std::min(sequence, decided - 1);
  return write_mark(*database_, kSettled, std::to_string(sequence));
}

FaultOr<void> TrailWriter::write() {
  if (idle()) {
    group_.clear();
    return {};
  }
  std::uint64_t sequence = sequence_;
  audit::Hash hash = hash_;
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(insert_records(sequence, hash));
  TRY_DO(book(*database_, spend_));
  if (writes_ % kWritesBetweenMarks == 0) TRY_DO(write_settled(sequence));
  TRY_DO(transaction.commit());
  ++writes_;
  sequence_ = sequence;
  hash_ = hash;
  group_.clear();
  spend_.clear();
  return {};
}

FaultOr<void> TrailWriter::finish() {
  while (!waiting_.empty()) release(waiting_.begin());
  TRY_DO(write());
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(write_settled(sequence_));
  return transaction.commit();
}

FaultOr<bool> TrailWriter::prune(WallTime keep_from) {
  std::int64_t last = 0;
  std::string before_first;
  int count = 0;
  {
    TRY(settled, read_settled(*database_));
    // The last record stays: the chain goes on from it.
    const std::int64_t end = std::min(settled, static_cast<std::int64_t>(sequence_) - 1);
    TRY(oldest, database_->prepare("SELECT sequence, time_us, record FROM audit "
                                   "WHERE sequence <= ? ORDER BY sequence LIMIT ?"));
    oldest.bind(end).bind(std::int64_t{kPruneBatch});
    std::string record;
    while (true) {
      TRY(there, oldest.step());
      if (!there || oldest.integer(1) >= to_microseconds(keep_from)) break;
      last = oldest.integer(0);
      record = oldest.text(2);
      ++count;
    }
    if (count == 0) return false;
    TRY(hash, hash_of(*database_, record));
    before_first = format_hash(hash);
  }
  TRY(transaction, Transaction::begin(*database_));
  TRY(remove, database_->prepare("DELETE FROM audit WHERE sequence <= ?"));
  TRY_DO(remove.bind(last).run());
  TRY_DO(write_mark(*database_, kBeforeFirst, before_first));
  TRY_DO(transaction.commit());
  return count == kPruneBatch;
}

}  // namespace tollgate::storage
