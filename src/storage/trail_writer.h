// Puts groups of records and bookings into the database: sealed, in order, all or nothing.
//
// A booking becomes durable in the transaction that holds the outcome record of its request.
// So after any crash a decision without an outcome is a request that is not in the books yet,
// and recover() books it at what it held: money that may have been spent is never forgotten and
// none is counted twice.
//
// Blocking disk I/O. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "storage/database.h"
#include "storage/spend.h"
#include "storage/trail_item.h"

namespace tollgate::storage {

class TrailWriter {
 public:
  // A booking that waits in vain for an outcome record is booked alone after so many groups.
  static constexpr int kBookingWaits = 200;

  // Continues the chain that the database holds. `database` outlives the writer.
  static FaultOr<TrailWriter> open(Database& database);

  // Ends every request that an earlier gateway let pass and did not end: with an outcome
  // record `cut` / `gateway_stopped`, booked at what it held. How many there were.
  FaultOr<std::int64_t> recover(WallTime now);

  // Takes packed items over; they are kept until they are written.
  void take(std::string group);
  // Writes what was taken. After a Fault nothing of it is in the database and all of it is kept.
  FaultOr<void> write();
  // Writes bookings that still wait for their outcome, and how far every request has ended.
  FaultOr<void> finish();

  bool idle() const { return group_.empty() && spend_.empty(); }
  std::size_t kept_bytes() const { return group_.size(); }
  // Gives the buffer of a written group back for reuse.
  std::string spare();

  // Deletes the oldest records from before `keep_from`, at most a batch; the chain stays
  // provable from there on. True: there may be more.
  FaultOr<bool> prune(WallTime keep_from);

  std::uint64_t sequence() const { return sequence_; }

 private:
  struct Waiting {
    SpendKey key;
    Spent spent;
    int groups = 0;
  };

  explicit TrailWriter(Database& database) : database_(&database) {}

  FaultOr<void> insert_records(std::uint64_t& sequence, audit::Hash& hash);
  FaultOr<void> write_settled(std::uint64_t sequence);
  void release(std::unordered_multimap<std::string, Waiting>::iterator booking);

  Database* database_;
  std::uint64_t sequence_ = 0;  // Of the last record in the database.
  audit::Hash hash_{};
  std::int64_t writes_ = 0;

  std::string group_;    // Taken and not written.
  SpendGroup spend_;     // What is booked with it.
  std::unordered_multimap<std::string, Waiting> waiting_;       // Bookings by request.
  std::unordered_map<std::string, std::uint64_t> open_;         // Decisions without an outcome.
  std::string sealed_;
};

// The hash that a sealed record carries; a Fault where it has none.
FaultOr<audit::Hash> hash_of(const Database& database, std::string_view sealed);

// The marks of the trail: the hash before the first kept record, and the last sequence up to
// which every request has ended.
inline constexpr std::string_view kBeforeFirst = "audit_before_first";
inline constexpr std::string_view kSettled = "audit_settled";

std::string format_hash(const audit::Hash& hash);
std::optional<audit::Hash> parse_hash(std::string_view hex);

}  // namespace tollgate::storage
