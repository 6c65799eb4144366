// The audit trail in a database: a bounded queue in a journal and one thread that writes it in
// groups.
//
// A record costs the request a copy under a mutex, into memory that outlives the process: what
// was appended is kept whatever instruction a kill hits, and the next start goes on with it
// (journal.h). The writer takes all that is there, at most every kGroupEvery, seals it and commits
// it together with the bookings of the same requests. While nothing comes it sleeps, and the
// first record wakes it; under load nobody wakes it. A decision that must survive the loss of
// power waits for its commit (committed()); then groups are written one after another, each with
// all that came meanwhile.
//
// When the database refuses (disk full, locked, read-only) the group is kept and tried again,
// healthy() is false and decisions are refused, so nothing leaves unrecorded. Where it is a server
// that several gateways share and that is out of reach, decisions go on into the journal for as
// long as the queue has room, and are refused then. The same holds while
// the queue has no room for a decision: the disk is slow, or a write waits for a lock, or there is
// no room on the disk for the journal to go on. Outcomes of what has left already and their
// bookings are always taken: the last quarter of the queue is theirs, and beyond it there is one
// of each at most for each request at work; where the journal cannot go on they wait in ordinary
// memory. Refusals of callers that nobody knows fill a quarter of the queue at most: what is
// beyond is counted and dropped, so that a flood of them takes no decision's place.
#pragma once

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fault.h"
#include "controls/audit/audit.h"
#include "pipeline/ports.h"
#include "storage/clock_trust.h"
#include "storage/database.h"
#include "storage/journal.h"
#include "storage/journal_open.h"
#include "storage/memory_ledger.h"
#include "storage/trail_writer.h"

namespace tollgate::storage {

class StoredTrail final : public pipeline::Trail, public SettlementSink {
 public:
  static constexpr Duration kGroupEvery = std::chrono::milliseconds(50);
  static constexpr Duration kRetryEvery = std::chrono::milliseconds(250);
  // So long a group waits for a lock of another process before decisions are refused. Opening and
  // stopping wait as long as the database was opened to.
  static constexpr Duration kLockWait = std::chrono::milliseconds(100);
  // The same where other gateways write groups of their own.
  static constexpr Duration kSharedLockWait = std::chrono::seconds(1);
  static constexpr Duration kPruneEvery = std::chrono::minutes(1);
  // What so long a time of commits has written stays in the journal where several gateways share a
  // store, at most so many segments of it: a server that fails over may lack it, after an outage of
  // any length.
  static constexpr Duration kKeptFor = std::chrono::seconds(30);
  static constexpr std::size_t kKeptSegments = 16;

  // Continues the trail in `database`, whose journal lies beside it, and ends what an earlier
  // gateway left open: first, or where that is much while it serves. `clock` outlives the trail.
  static FaultOr<std::unique_ptr<StoredTrail>> open(std::unique_ptr<Database> database,
                                                    const audit::Policy& policy,
                                                    const pipeline::Clock& clock,
                                                    const JournalOptions& options = {});
  ~StoredTrail() override;

  // A refusal without an actor is no Fault where it is not kept: it is counted.
  FaultOr<void> append(const audit::Record& record, audit::Phase phase, Money held,
                       std::string_view written) override;
  Task<FaultOr<void>> committed(std::string_view id, Executor& executor) override;
  bool healthy() const override { return healthy_.load(std::memory_order_relaxed); }

  // Durable together with the outcome record of `booking.id`. Any thread.
  void booked(const pipeline::Booking& booking, const pipeline::Used& used,
              std::string_view accounts, WallTime at) override;

  // Says it in one line on stderr, and counts it.
  void budget_reached(const BudgetReached& reached) override;
  // From here on `tell` hears of it, too, on the thread of the request. Before start().
  using TellBudget = std::function<void(const BudgetReached& reached)>;
  void when_budget_reached(TellBudget tell) { tell_budget_ = std::move(tell); }
  std::int64_t budget_alerts() const { return budget_alerts_.load(std::memory_order_relaxed); }

  // From start() to stop() the trail writes on a thread of its own. Without it flush() writes
  // on the caller's, for tests and commands.
  void start();
  // Writes all that is left and ends the thread. A Fault tells what could not be written; it is
  // in the journal, but for what the journal had no room for.
  FaultOr<void> stop();

  // Waits until all that was appended before is durable. A Fault after one attempt that failed;
  // what was appended is kept for the next. Any thread.
  FaultOr<void> flush();

  // From here on `part` writes in the transaction of each group; write_now() begins one as soon
  // as it may. Any thread.
  void join(GroupPart& part);
  void sit(GatewaySeat& seat);
  void write_now();
  // Does `work` in a transaction of its own, behind all that was appended before. Any thread.
  FaultOr<void> write_with(const std::function<FaultOr<void>(Database& database)>& work);
  // The same for whoever cannot wait for all that is before him: within `patience` it has begun, or
  // it is not done (kTimeout).
  FaultOr<void> write_within(Duration patience,
                             const std::function<FaultOr<void>(Database& database)>& work);

  // Whoever sets the clock wrong for a while does not lose records and books by it: nothing is
  // pruned while the clock is doubted (clock_trust.h), also after a start that finds no record of
  // the last kClockLeapKnown.
  static constexpr Duration kClockLeapKnown = std::chrono::hours(24);
  // Deletes records, and rows of the books, that the policy keeps no longer: a little of each.
  // True: there may be more.
  FaultOr<bool> prune();
  // Ends the leases of gateways that are heard of no more (lease_expiry.h).
  FaultOr<void> expire_leases();

  // How many requests an earlier gateway had left open.
  std::int64_t recovered() const { return recovered_; }
  // Whether some of them are not ended yet. Then each group ends some.
  bool recovering() const { return recovering_.load(std::memory_order_relaxed); }
  std::int64_t unended() const { return unended_.load(std::memory_order_relaxed); }
  // `tell` is called once all of them are ended, which may be now. On the writer's thread.
  void when_recovered(std::function<void()> tell);
  // How many records and bookings of an earlier gateway were taken from the journal at open.
  std::int64_t replayed() const { return replayed_; }
  // Whether what an earlier gateway held may not be among them.
  bool may_lack() const { return may_lack_; }
  // How many refusals of callers that nobody knows were not kept.
  std::int64_t refusals_unrecorded() const {
    return refusals_unrecorded_.load(std::memory_order_relaxed);
  }
  // Bytes that wait, and the files of the journal that they wait in, for the metrics.
  Bytes queued_bytes() const;
  std::size_t journal_segments() const { return journal_->segments(); }
  // Why it is not healthy; empty when it is.
  std::string unhealthy_because() const;
  // Whether the database answered last.
  bool reachable() const { return reachable_.load(std::memory_order_relaxed); }
  // For tests: the writer's own connection, while no thread runs.
  Database& database() { return *database_; }
  Journal& journal() { return *journal_; }

 private:
  StoredTrail(std::unique_ptr<Database> database, TrailWriter writer,
              std::unique_ptr<Journal> journal, const audit::Policy& policy,
              const pipeline::Clock& clock)
      : database_(std::move(database)),
        lock_wait_(database_->busy_timeout()),
        writer_(std::move(writer)),
        policy_(policy),
        clock_(clock),
        journal_(std::move(journal)) {}

  enum class Room : std::uint8_t { kStranger, kDecision, kUnbounded };
  // A decision that waits for its commit.
  struct Commit {
    StoredTrail& trail;
    std::string_view id;
    Executor& executor;
    FaultOr<void> result;
    std::coroutine_handle<> waiter;

    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> handle) { return trail.wait(*this, handle); }
    FaultOr<void> await_resume() { return std::move(result); }
  };
  bool wait(Commit& commit, std::coroutine_handle<> handle);
  void end_commits(std::vector<Commit*>& commits, const FaultOr<void>& written);

  FaultOr<void> enqueue(const Item& item, Room room);
  FaultOr<void> keep(const Item& item, Room room);
  bool has_room(std::size_t bytes, Room room) const;
  std::string full_words(std::size_t filled) const;
  void run();
  void note_recovered();
  FaultOr<void> write_queue();
  FaultOr<void> write_again();
  JournalPosition kept_from();  // With writer_mutex_.
  void note_reached(JournalPosition written);
  void begin_to_trust_clock();
  void take_queue();
  void give_stretches();
  FaultOr<void> flush_until(std::optional<std::chrono::steady_clock::time_point> until);
  FaultOr<void> write_alone(const std::function<FaultOr<void>(Database& database)>& work);
  bool spools(const Fault& fault) const;  // With writer_mutex_.
  void finish_flushes(std::uint64_t ticket, const FaultOr<void>& written);

  std::unique_ptr<Database> database_;
  const Duration lock_wait_;           // As it was opened.
  std::timed_mutex writer_mutex_;      // Guards the writer and its connection; taken before mutex_.
  std::optional<TrailWriter> writer_;  // Always there.
  std::vector<std::string_view> stretches_;  // Of the journal, given to the writer last.
  std::string overflow_taken_;
  JournalPosition overflow_at_;  // Where in the journal's order that stands.
  std::string journal_directory_;
  std::function<void()> tell_recovered_;
  TellBudget tell_budget_;
  const audit::Policy policy_;
  const pipeline::Clock& clock_;
  std::int64_t recovered_ = 0;
  bool may_lack_ = false;
  GatewaySeat* seat_ = nullptr;
  WhileAway while_away_ = WhileAway::kRefuse;
  struct Reached {
    Instant at;
    JournalPosition position;
  };
  std::deque<Reached> reached_;  // How far commits have come, by the second.
  Reached last_reached_{};       // By the last one.
  std::int64_t replayed_ = 0;
  ClockTrust trust_{clock_};  // Looked at while pruning.

  mutable std::mutex mutex_;  // Guards all below.
  std::condition_variable wake_;
  std::condition_variable flushed_;
  std::unique_ptr<Journal> journal_;  // The pointer is fixed.
  std::string overflow_;              // What must be kept and the journal had no room for…
  std::string overflow_because_;      // …and why.
  std::size_t queued_bytes_ = 0;      // In both, not given to the writer yet.
  std::size_t writing_bytes_ = 0;     // Taken off the queue and not durable yet.
  std::size_t strangers_queued_ = 0;  // Of these bytes, refusals without an actor.
  std::size_t strangers_writing_ = 0;
  std::string fault_message_;  // Of the last attempt; empty: it went well.
  bool spooling_ = false;      // That attempt failed, and decisions wait in the journal.
  std::string journal_fault_;  // Why the journal could not go on, while it cannot.
  bool is_full_ = false;       // A decision found no room, and none has been made since.
  bool asleep_ = false;        // The writer waits for a first record.
  bool running_ = false;
  bool write_asked_ = false;  // By write_now().
  bool stopping_ = false;
  std::uint64_t flush_asked_ = 0;
  std::uint64_t flush_done_ = 0;
  std::optional<Fault> flush_fault_;
  std::vector<Commit*> commits_;          // Wait for the next group…
  std::vector<Commit*> commits_writing_;  // …or for the one that is being written.
  // Requests whose decision was appended and not committed in time: they never left, but their
  // outcome must be kept, else they look as if they had.
  std::set<std::string, std::less<>> withdrawn_;

  std::atomic<bool> healthy_{true};
  std::atomic<bool> reachable_{true};
  std::atomic<bool> recovering_{false};
  std::atomic<std::int64_t> unended_{0};
  std::atomic<std::int64_t> refusals_unrecorded_{0};
  std::atomic<std::int64_t> budget_alerts_{0};
  std::thread thread_;
};

}  // namespace tollgate::storage
