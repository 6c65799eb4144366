// Puts groups of records and bookings into the database: sealed, in order, all or nothing.
//
// A booking becomes durable in the transaction that holds the outcome record of its request.
// So after any crash a decision without an outcome is a request that is not in the books yet,
// and recovery books it at what it held: money that may have been spent is never forgotten and
// none is counted twice. A booking whose outcome is not there yet lies in a table of its own; an
// outcome whose booking was lost with the power is booked at what it says itself.
//
// Items come from the journal, and how far it is read is written in the transaction that holds
// what was read: whatever a crash leaves of the two, every item is taken once.
//
// Blocking disk I/O. One thread at a time. In the steady state writing allocates nothing of its
// own: rows, sums and the tables of open requests are used again.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "storage/account_sums.h"
#include "storage/allowances.h"
#include "storage/chain.h"
#include "storage/database.h"
#include "storage/gateway_seat.h"
#include "storage/group_part.h"
#include "storage/spend.h"
#include "storage/tool_spend.h"
#include "storage/trail_group.h"
#include "storage/trail_item.h"

namespace tollgate::storage {

class TrailWriter {
 public:
  // Continues the chain that the database holds of this gateway, knowing the requests that are
  // open in it. `database` outlives the writer.
  static FaultOr<TrailWriter> open(Database& database, std::string_view gateway);

  // Begins to end every request that an earlier start of this gateway let pass and did not end:
  // each gets an outcome record `cut` / `gateway_stopped`, booked at what it held or, if it was
  // settled, at that. How many there are. New requests need not wait for it: what the earlier
  // start had leased stays taken, under a name of its own, until all of them are ended. Where it
  // is broken off the next start goes on with the rest.
  // `cause` is what their outcomes say; of a gateway that never comes back `gateway_retired`.
  enum class Cause : std::uint8_t { kStopped, kRetired };
  static constexpr std::string_view kRetiredCode = "gateway_retired";
  FaultOr<std::int64_t> begin_recovery(Allowances::Books books, WallTime now,
                                       Cause cause = Cause::kStopped);
  // Takes the ends of some of them into the group that is being taken.
  FaultOr<void> recover_some(WallTime now);
  bool recovering() const { return recovering_; }
  // How many of them are not ended yet.
  std::size_t unended() const { return earlier_.size() - earlier_ended_; }
  // What those that have ended so are booked at.
  Money recovered_cost() const { return recovered_cost_; }
  // How many decisions have no outcome.
  std::size_t open_requests() const { return open_.size(); }
  // What of the earlier leases stays taken for good, as the books may lack it.
  Money unproven() const { return unproven_; }

  // Requests that are in the books already, at what they held: what is taken of them from here on
  // is recorded and not booked. And how many bookings that were.
  void pass_over(std::span<const RequestKey> requests) {
    passed_over_.insert(requests.begin(), requests.end());
  }
  std::int64_t passed() const { return passed_; }

  // Seals items, one group up to end_group(); what comes of them is kept until it is written.
  // `packed` is one item by pack(), borrowed until the group's end. False: it is none.
  bool take(std::string_view packed);
  // Several behind one another, that this process packed.
  void take_all(std::string_view packed);
  // `reached`: the journal's position behind the group.
  void end_group(std::uint64_t reached);
  // Of a group that has nothing of the journal.
  void end_group() { end_group(journal_taken_); }
  // Writes what was taken. After a Fault nothing of it is in the database and all of it is kept.
  FaultOr<void> write();
  // Writes bookings that still wait for their outcome, and how far every request has ended.
  FaultOr<void> finish();

  // After the store lost commits: this writer was opened on what is left and takes the place of
  // `before`, with what that knew of an earlier start. The rest of `before` is in the journal.
  void take_over(const TrailWriter& before);

  // Whether something was taken and is not written, as far as is known: nothing else may be taken
  // before that.
  bool keeps() const { return ready_ > 0 || !spend_.empty() || uncertain_; }
  const std::string& gateway() const { return gateway_; }
  // The latest time of a record, where there is one.
  std::optional<WallTime> last_record() const {
    if (sequence_ == 0) return std::nullopt;
    return from_microseconds(reached_us_);
  }
  bool idle() const { return !keeps() && !recovering_ && (part_ == nullptr || part_->idle()); }

  // From here on `part` writes with each group.
  void join(GroupPart& part) { part_ = &part; }
  // Whether this process may still write under its gateway's name. In every transaction that does.
  FaultOr<void> check_seat();
  // From here on each group is written from a seat in a shared store, which outlives the writer.
  void sit(GatewaySeat& seat) { seat_ = &seat; }

  // Up to where the journal is in the database.
  std::uint64_t journal_written() const { return journal_written_; }

  // Deletes the oldest rows that are all from before `keep_from`, at most a batch, of this
  // gateway's trail, of those of retired ones and of the chain of changes; the chains stay provable
  // from there on. True: there may be more.
  static constexpr int kPruneBatch = 64;
  FaultOr<bool> prune(WallTime keep_from);
  // The same of the books; see prune_books.h.
  FaultOr<bool> prune_books(WallTime keep_from);
  // Ends the leases of gateways that are heard of no more; see lease_expiry.h.
  FaultOr<void> expire_leases();

 private:
  struct Waiting {
    SpendGroup::Entry* entry = nullptr;
    Spent spent;
    std::pmr::string accounts;  // Of its budgets, packed.
    std::string_view packed;    // Until the group's end, while it is in no table.
    bool stored = false;        // Or is about to be.
  };
  // To the table of waiting bookings: put there, or taken off where `packed` is empty.
  struct Change {
    std::string id;
    std::string packed;
  };
  struct HashId {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };
  struct HashKey {
    std::size_t operator()(const RequestKey& key) const noexcept { return key.low; }
  };
  // On whose lease a booking is charged.
  enum class Lessee : std::uint8_t { kOwn, kEarlier };
  template <class Value>
  using ById = std::pmr::unordered_map<std::pmr::string, Value, HashId, std::equal_to<>>;

  TrailWriter(Database& database, std::string_view gateway);

  // The rows up to `last`, whose hash is `before_first`.
  struct Prunable {
    std::int64_t last = 0;
    audit::Hash before_first{};
    int rows = 0;
  };
  FaultOr<Prunable> find_prunable(const std::string& gateway, WallTime keep_from);
  FaultOr<bool> prune(const std::string& gateway, WallTime keep_from);
  FaultOr<void> load_open();
  FaultOr<void> load_waiting();
  void book_unclaimed();
  FaultOr<void> write_earlier();
  AccountSums& charged() { return lessee_ == Lessee::kOwn ? sums_ : earlier_sums_; }
  void take_booking(const Item& item, std::string_view packed);
  void wait_for_outcome(const Item& item, std::string_view packed);
  void book_now(const Item& item);
  void take_record(const Item& item);
  void open_row(std::int64_t time_us);
  void close_row();
  void book_waiting(ById<Waiting>::iterator booking);
  FaultOr<void> write_group();
  FaultOr<void> fill_group();
  void forget_group();
  FaultOr<void> write_waiting();
  FaultOr<void> insert_rows();
  FaultOr<void> write_settled();

  Database* database_;
  std::string gateway_;
  std::uint64_t sequence_ = 0;  // Of the last record that was sealed.
  audit::Hash hash_{};
  std::int64_t reached_us_ = 0;  // The latest time of a record.
  std::int64_t writes_ = 0;
  std::uint64_t journal_taken_ = 0;
  std::uint64_t journal_written_ = 0;

  std::string lines_;  // Of the row that is being filled.
  std::vector<OpenDecision> opened_;
  std::vector<ChainRow> rows_;  // The first ready_ wait to be written; all are used again.
  std::size_t ready_ = 0;
  SpendGroup spend_;  // What is booked with them,
  ToolSpend tools_;   // …and of that by tool,
  AccountSums sums_;  // and on which accounts of budgets.
  GroupPart* part_ = nullptr;
  GatewaySeat* seat_ = nullptr;
  bool uncertain_ = false;  // Whether the group that was written last is in the store.

  std::unique_ptr<std::pmr::unsynchronized_pool_resource> pool_;
  ById<Waiting> waiting_;  // Bookings by request.
  std::vector<Change> changes_;
  // Decisions without an outcome.
  std::pmr::unordered_map<RequestKey, OpenDecision, HashKey> open_;

  // Those of them that an earlier start made, by sequence, and how many of them are ended.
  std::vector<OpenDecision> earlier_;
  std::size_t earlier_ended_ = 0;
  std::uint64_t earlier_last_ = 0;  // Decisions up to this sequence are an earlier start's.
  AccountSums earlier_sums_;
  Lessee lessee_ = Lessee::kOwn;
  Allowances::Books earlier_books_{};
  Cause cause_{};
  WallTime earlier_end_{};
  Money unproven_;
  Money recovered_cost_;
  std::unordered_set<RequestKey, HashKey> passed_over_;
  std::int64_t passed_ = 0;
  bool recovering_ = false;
};

// The marks of a trail: the hash before the first kept record, and the last sequence up to
// which every request has ended.
inline constexpr std::string_view kBeforeFirst = "audit_before_first";
inline constexpr std::string_view kSettled = "audit_settled";
// Up to where the journal is in the database, where the last row of the trail says less.
inline constexpr std::string_view kJournalWritten = "journal_written";

// Up to which sequence every request of the gateway has ended.
FaultOr<std::int64_t> read_settled(Database& database, std::string_view gateway);
// Under which name the leases of earlier starts wait until all of their requests are ended.
std::string earlier_of(std::string_view gateway);

}  // namespace tollgate::storage
