#include "storage/stored_trail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json_writer.h"
#include "storage/prune_books.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

// What the memory beside the journal grew to in a bad hour goes back to the system.
constexpr std::size_t kOverflowKept = 1 << 20;

std::unexpected<Fault> too_late() {
  return fault(FaultKind::kTimeout, "the trail has not come to it in time: too much is before it");
}

}  // namespace

FaultOr<std::unique_ptr<StoredTrail>> StoredTrail::open(std::unique_ptr<Database> database,
                                                        const audit::Policy& policy,
                                                        const pipeline::Clock& clock,
                                                        const JournalOptions& options) {
  TRY(writer, TrailWriter::open(*database, options.gateway));
  TRY(found, find_journal(*database, {writer.journal_written()}, options));
  TRY(journal, Journal::begin(found.directory, found.id, found.next_number, options));
  // First what is in the journal alone, then the ends of what is open after it.
  TRY(replayed, replay(found, writer));
  TRY_DO(mark_at_work(*database, found, options));
  using Books = Allowances::Books;
  TRY(recovered,
      writer.begin_recovery(found.may_lack ? Books::kMayLack : Books::kWhole, clock.wall()));
  while (writer.recovering() && recovered <= options.ended_at_start) {
    TRY_DO(writer.recover_some(clock.wall()));
    writer.end_group();
    TRY_DO(writer.write());
  }
  std::unique_ptr<StoredTrail> trail(
      new StoredTrail(std::move(database), std::move(writer), std::move(journal), policy, clock));
  trail->journal_directory_ = found.directory;
  trail->replayed_ = replayed;
  trail->recovered_ = recovered;
  trail->recovering_ = trail->writer_->recovering();
  trail->unended_ = static_cast<std::int64_t>(trail->writer_->unended());
  if (trail->recovering_) {
    fmt::print(stderr,
               "tollgate: {}: {} requests had not ended when the last gateway was killed; they are "
               "ended while this one serves\n",
               trail->database_->name(), recovered);
  } else {
    trail->note_recovered();
  }
  trail->begin_to_trust_clock();
  trail->may_lack_ = found.may_lack;
  trail->while_away_ = options.while_away;
  const Duration wait = options.while_away == WhileAway::kSpool ? kSharedLockWait : kLockWait;
  trail->database_->set_busy_timeout(std::min(trail->lock_wait_, wait));
  return trail;
}

StoredTrail::~StoredTrail() { (void)stop(); }

FaultOr<void> StoredTrail::append(const audit::Record& record, audit::Phase phase, Money held,
                                  std::string_view written) {
  Item item;
  item.kind = ItemKind::kRecord;
  item.phase = phase;
  item.outcome = record.outcome;
  item.time_us = to_microseconds(record.time);
  item.amount = held;
  item.id = record.id;
  item.written = written;
  if (record.actor == nullptr && record.outcome == audit::Outcome::kRefused) {
    const bool kept = enqueue(item, Room::kStranger).has_value();
    // Its two records count as one refusal.
    if (!kept && phase == audit::Phase::kDecision) {
      refusals_unrecorded_.fetch_add(1, std::memory_order_relaxed);
    }
    return {};
  }
  // A request that never left needs no room of those that did. The outcome of one that did is
  // never lost alone: the next start would find it open.
  const bool left = phase == audit::Phase::kOutcome &&
                    (record.outcome != audit::Outcome::kRefused || !record.attempts.empty());
  if (left && record.actor != nullptr) {
    item.amount = record.cost;
    item.input = record.input;
    item.cached_input = record.cached_input;
    item.output = record.output;
    item.tenant = record.actor->tenant;
    item.user = record.actor->subject;
    item.key_id = record.actor->credential_id;
    item.route = record.route;
    item.model = record.model_served;
    item.accounts = record.accounts;
  }
  return enqueue(item, left ? Room::kUnbounded : Room::kDecision);
}

Task<FaultOr<void>> StoredTrail::committed(std::string_view id, Executor& executor) {
  Commit commit{*this, id, executor, {}, {}};
  co_return co_await commit;
}

bool StoredTrail::wait(Commit& commit, std::coroutine_handle<> handle) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ == 0 && writing_bytes_ == 0 && fault_message_.empty()) return false;
    commit.waiter = handle;
    commits_.push_back(&commit);
    asleep_ = false;
  }
  // From here on the writer may end it at any moment.
  wake_.notify_one();
  return true;
}

void StoredTrail::end_commits(std::vector<Commit*>& commits, const FaultOr<void>& written) {
  for (Commit* commit : commits) {
    commit->result = written;
    Executor& executor = commit->executor;
    executor.post([handle = commit->waiter] { handle.resume(); });
  }
  commits.clear();
}

void StoredTrail::booked(const pipeline::Booking& booking, const pipeline::Used& used,
                         std::string_view accounts, WallTime at) {
  Item item;
  item.kind = ItemKind::kBooking;
  item.time_us = to_microseconds(at);
  item.amount = used.cost;
  item.input = used.input;
  item.cached_input = booking.cached_input;
  item.output = used.output;
  item.id = booking.id;
  item.tenant = booking.tenant;
  item.user = booking.user;
  item.key_id = booking.key_id;
  item.route = booking.route;
  item.model = booking.model;
  item.accounts = accounts;
  // Nothing used: the decision may have found no room, and there can be any number of those.
  const bool used_any = used.cost != Money{} || used.input != 0 || used.output != 0;
  (void)enqueue(item, used_any ? Room::kUnbounded : Room::kDecision);
}

void StoredTrail::budget_reached(const BudgetReached& reached) {
  if (tell_budget_) tell_budget_(reached);
  budget_alerts_.fetch_add(1, std::memory_order_relaxed);
  // The subject is a caller's own word: written so that it stays in its line.
  std::string name;
  JsonWriter(name).value(reached.subject);
  const std::string_view shown = std::string_view(name).substr(1, name.size() - 2);
  fmt::print(stderr, "tollgate: budget {} of {} has reached {:g} % ({} of {} USD)\n",
             reached.policy.rule, shown.empty() ? "all callers" : shown, reached.share * 100,
             format_usd(reached.spent), format_usd(reached.policy.limit));
}

FaultOr<void> StoredTrail::enqueue(const Item& item, Room room) {
  {
    const std::lock_guard lock(mutex_);
    if (!withdrawn_.empty() && item.kind == ItemKind::kRecord &&
        item.phase == audit::Phase::kOutcome) {
      if (const auto found = withdrawn_.find(item.id); found != withdrawn_.end()) {
        withdrawn_.erase(found);
        room = Room::kUnbounded;
      }
    }
    TRY_DO(keep(item, room));
    if (!asleep_) return {};
    asleep_ = false;
  }
  wake_.notify_one();
  return {};
}

FaultOr<void> StoredTrail::keep(const Item& item, Room room) {
  const std::size_t bytes = packed_bytes(item);
  if (room <= Room::kDecision && !fault_message_.empty() && !spooling_) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("The audit trail cannot be written: {}", fault_message_));
  }
  if (!has_room(bytes, room)) {
    if (room == Room::kDecision) {
      is_full_ = true;
      healthy_.store(false, std::memory_order_relaxed);
    }
    return fault(FaultKind::kRefusedByPeer, full_words(queued_bytes_ + writing_bytes_));
  }
  // What overflowed goes first, so all that comes behind it has to wait with it.
  FaultOr<void> kept = overflow_.empty() ? journal_->append(item)
                                         : fault(FaultKind::kRefusedByPeer, overflow_because_);
  if (!kept) {
    if (overflow_.empty() && journal_->is_short()) {
      journal_fault_ = kept.error().message;
      healthy_.store(false, std::memory_order_relaxed);
    }
    if (room != Room::kUnbounded) return kept;
    overflow_because_ = kept.error().message;
    pack(item, overflow_);
  }
  queued_bytes_ += bytes;
  if (room == Room::kStranger) strangers_queued_ += bytes;
  return {};
}

bool StoredTrail::has_room(std::size_t bytes, Room room) const {
  const auto most = static_cast<std::size_t>(policy_.queue_bytes);
  const std::size_t filled = queued_bytes_ + writing_bytes_ + bytes;
  switch (room) {
    case Room::kStranger:
      return filled <= most / 4 * 3 && strangers_queued_ + strangers_writing_ + bytes <= most / 4;
    case Room::kDecision:
      return filled <= most / 4 * 3;
    case Room::kUnbounded:
      break;
  }
  return true;
}

std::string StoredTrail::full_words(std::size_t filled) const {
  return fmt::format(
      "The audit trail's queue is full ({} of {} bytes wait): the disk is slower "
      "than the requests, or locked. See audit.queue.",
      filled, policy_.queue_bytes);
}

void StoredTrail::start() {
  const std::lock_guard lock(mutex_);
  if (running_) return;
  running_ = true;
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

FaultOr<void> StoredTrail::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  {
    // What is lost now is lost for good: a command that writes for a moment is waited for.
    const std::lock_guard writer_lock(writer_mutex_);
    database_->set_busy_timeout(lock_wait_);
  }
  FaultOr<void> written = write_queue();
  const std::lock_guard writer_lock(writer_mutex_);
  if (written) written = writer_->finish();
  if (written) {
    written = write_alone(
        [this](Database& database) { return mark_clean(database, writer_->gateway()); });
  }
  if (!written) {
    written.error().message += fmt::format(
        " What the trail had not written yet is in the journal {}, and is written at the next "
        "start.",
        journal_directory_);
    const std::lock_guard lock(mutex_);
    if (const std::size_t lost = overflow_.size() + overflow_taken_.size(); lost > 0) {
      written.error().message +=
          fmt::format(" {} bytes that it had no room for are lost with this process.", lost);
    }
  }
  return written;
}

FaultOr<void> StoredTrail::flush() { return flush_until(std::nullopt); }

// kTimeout: it is not durable at `until` yet.
FaultOr<void> StoredTrail::flush_until(std::optional<std::chrono::steady_clock::time_point> until) {
  std::unique_lock lock(mutex_);
  if (!running_) {
    lock.unlock();
    return write_queue();
  }
  const std::uint64_t ticket = ++flush_asked_;
  asleep_ = false;
  wake_.notify_one();
  const auto done = [&] { return flush_done_ >= ticket || !running_; };
  if (!until) {
    flushed_.wait(lock, done);
  } else if (!flushed_.wait_until(lock, *until, done)) {
    return too_late();
  }
  if (flush_done_ >= ticket && flush_fault_) return std::unexpected(*flush_fault_);
  return {};
}

void StoredTrail::join(GroupPart& part) {
  const std::lock_guard lock(writer_mutex_);
  writer_->join(part);
}

void StoredTrail::sit(GatewaySeat& seat) {
  const std::lock_guard lock(writer_mutex_);
  writer_->sit(seat);
  seat_ = &seat;
}

void StoredTrail::when_recovered(std::function<void()> tell) {
  const std::lock_guard lock(writer_mutex_);
  tell_recovered_ = std::move(tell);
  if (!recovering()) tell_recovered_();
}

void StoredTrail::write_now() {
  {
    const std::lock_guard lock(mutex_);
    write_asked_ = true;
    if (!running_) return;
    asleep_ = false;
  }
  wake_.notify_one();
}

FaultOr<void> StoredTrail::write_with(
    const std::function<FaultOr<void>(Database& database)>& work) {
  TRY_DO(flush());
  const std::lock_guard lock(writer_mutex_);
  return write_alone(work);
}

FaultOr<void> StoredTrail::write_within(
    Duration patience, const std::function<FaultOr<void>(Database& database)>& work) {
  const auto until = std::chrono::steady_clock::now() + patience;
  TRY_DO(flush_until(until));
  const std::unique_lock lock(writer_mutex_, until);
  if (!lock) return too_late();
  return write_alone(work);
}

FaultOr<void> StoredTrail::write_alone(
    const std::function<FaultOr<void>(Database& database)>& work) {
  TRY(transaction, Transaction::begin(*database_));
  TRY_DO(writer_->check_seat());
  TRY_DO(work(*database_));
  return transaction.commit();
}

FaultOr<void> StoredTrail::write_queue() {
  std::vector<Commit*> ended;
  const std::lock_guard writer_lock(writer_mutex_);
  // What failed before goes first: the writer keeps it.
  FaultOr<void> written;
  if (writer_->keeps()) written = writer_->write();
  if (written) {
    const FaultOr<void> ended = writer_->recover_some(clock_.wall());
    take_queue();
    written = writer_->write();
    if (written) written = ended;
  }
  if (!written && seat_ != nullptr && seat_->has_lost()) written = write_again();
  unended_.store(static_cast<std::int64_t>(writer_->unended()), std::memory_order_relaxed);
  if (recovering() && !writer_->recovering()) note_recovered();
  if (written) overflow_taken_.clear();
  // A Fault here is told to whoever needs a segment that is not there.
  note_reached({writer_->journal_written()});
  (void)journal_->tend(kept_from());
  {
    const std::lock_guard lock(mutex_);
    std::swap(ended, commits_writing_);
    if (written) {
      writing_bytes_ = strangers_writing_ = 0;
      is_full_ = false;
    } else {
      // Who came meanwhile is not asked to wait for the next attempt either.
      ended.insert(ended.end(), commits_.begin(), commits_.end());
      commits_.clear();
      for (const Commit* commit : ended) withdrawn_.emplace(commit->id);
    }
    fault_message_ = written ? std::string() : written.error().message;
    if (!journal_->is_short()) journal_fault_.clear();
    spooling_ = !written && spools(written.error());
    reachable_.store(written.has_value(), std::memory_order_relaxed);
    healthy_.store((written || spooling_) && journal_fault_.empty(), std::memory_order_relaxed);
  }
  end_commits(ended, written);
  return written;
}

// The server failed over and lacks what was committed last. The journal has it still: all that is
// behind the position which is left goes into the trail and the books once more.
FaultOr<void> StoredTrail::write_again() {
  TRY(fresh, TrailWriter::open(*database_, writer_->gateway()));
  std::vector<std::string_view> behind;
  JournalPosition reached;
  {
    const std::lock_guard lock(mutex_);
    if (!journal_->go_back({fresh.journal_written()})) {
      seat_->give_up();
      return fault(FaultKind::kCorrupt,
                   fmt::format("{}: the store has lost more commits than the journal keeps. Start "
                               "this gateway again.",
                               database_->name()));
    }
    // What came meanwhile is among it, but for what overflowed since. What overflowed before has
    // its place: a request's booking may be there, and its outcome in the journal behind it.
    journal_->take_until(overflow_at_, stretches_);
    journal_->take(behind);
    reached = journal_->end();
    writing_bytes_ += queued_bytes_ - overflow_.size();
    queued_bytes_ = overflow_.size();
    strangers_writing_ += std::exchange(strangers_queued_, 0);
  }
  fmt::print(stderr, "tollgate: {}: the store has lost its last commits; they are written again\n",
             database_->name());
  fresh.take_over(*writer_);
  writer_.emplace(std::move(fresh));
  seat_->accept_loss();
  give_stretches();
  writer_->take_all(overflow_taken_);
  std::swap(stretches_, behind);
  give_stretches();
  writer_->end_group(reached.value);
  const FaultOr<void> written = writer_->write();
  recovering_.store(writer_->recovering(), std::memory_order_relaxed);
  return written;
}

// Only what is committed counts, so nothing is forgotten while the server is away.
void StoredTrail::note_reached(JournalPosition written) {
  if (seat_ == nullptr || (!reached_.empty() && written == last_reached_.position)) return;
  // Commits were lost: what lay behind them is not committed any more.
  while (!reached_.empty() && reached_.back().position > written) reached_.pop_back();
  last_reached_ = {clock_.now(), written};
  const Instant now = last_reached_.at;
  if (reached_.empty() || now - reached_.back().at >= std::chrono::seconds(1)) {
    reached_.push_back(last_reached_);
  }
  while (reached_.size() > 1 && now - reached_[1].at >= kKeptFor) reached_.pop_front();
}

JournalPosition StoredTrail::kept_from() {
  const JournalPosition written{writer_->journal_written()};
  if (seat_ == nullptr || reached_.empty()) return written;
  // What waits for its commit stays however much it is.
  const std::uint64_t least = std::max<std::uint64_t>(written.number(), kKeptSegments);
  return std::min(written, std::max(reached_.front().position,
                                    JournalPosition::start_of(least - kKeptSegments)));
}

// Where another gateway has our name, or the clock is wrong, nothing may be decided.
bool StoredTrail::spools(const Fault& fault) const {
  return while_away_ == WhileAway::kSpool && fault.kind != FaultKind::kCorrupt &&
         (seat_ == nullptr || seat_->is_good());
}

void StoredTrail::note_recovered() {
  recovering_.store(false, std::memory_order_relaxed);
  if (writer_->unproven() > Money{}) {
    fmt::print(stderr,
               "tollgate: {}: {} USD that the last gateway had leased count as spent, as what "
               "it did with them may be lost\n",
               database_->name(), format_usd(writer_->unproven()));
  }
  if (tell_recovered_) tell_recovered_();
}

void StoredTrail::take_queue() {
  overflow_taken_.clear();
  if (overflow_taken_.capacity() > kOverflowKept) overflow_taken_.shrink_to_fit();
  JournalPosition reached;
  {
    const std::lock_guard lock(mutex_);
    journal_->take(stretches_);
    reached = journal_->end();
    overflow_at_ = reached;
    std::swap(overflow_taken_, overflow_);
    std::swap(commits_writing_, commits_);
    writing_bytes_ = std::exchange(queued_bytes_, 0);
    strangers_writing_ = std::exchange(strangers_queued_, 0);
  }
  give_stretches();
  writer_->take_all(overflow_taken_);
  writer_->end_group(reached.value);
}

void StoredTrail::give_stretches() {
  for (const std::string_view stretch : stretches_) {
    EntryCursor entries(stretch);
    for (std::string_view packed; entries.next(packed);) CHECK(writer_->take(packed));
  }
}

void StoredTrail::finish_flushes(std::uint64_t ticket, const FaultOr<void>& written) {
  if (ticket == flush_done_) return;
  flush_done_ = ticket;
  flush_fault_.reset();
  if (!written) flush_fault_ = written.error();
  flushed_.notify_all();
}

void StoredTrail::run() {
  Instant pruned = clock_.now();
  bool more_to_prune = false;
  std::unique_lock lock(mutex_);
  const auto asked = [this] {
    return stopping_ || write_asked_ || flush_asked_ != flush_done_ || !commits_.empty();
  };
  while (!stopping_ || flush_asked_ != flush_done_ || !commits_.empty()) {
    const bool waits = queued_bytes_ == 0 && fault_message_.empty() && journal_fault_.empty();
    if (waits && !recovering() && !asked()) {
      asleep_ = true;
      wake_.wait_for(lock, more_to_prune ? kRetryEvery : kPruneEvery,
                     [&] { return !asleep_ || asked(); });
      asleep_ = false;
    }
    wake_.wait_for(lock, fault_message_.empty() ? kGroupEvery : kRetryEvery, asked);
    const std::uint64_t ticket = flush_asked_;
    write_asked_ = false;
    lock.unlock();
    const FaultOr<void> written = write_queue();
    if (written && (more_to_prune || clock_.now() - pruned >= kPruneEvery)) {
      (void)expire_leases();  // What fails now is tried again a minute later.
      more_to_prune = prune().value_or(false);
      pruned = clock_.now();
    }
    lock.lock();
    finish_flushes(ticket, written);
  }
}

void StoredTrail::begin_to_trust_clock() {
  const std::optional<WallTime> last = writer_->last_record();
  if (last && clock_.wall() - *last > kClockLeapKnown) trust_.doubt();
}

FaultOr<bool> StoredTrail::prune() {
  const std::lock_guard writer_lock(writer_mutex_);
  if (!trust_.holds()) return false;
  const WallTime now = clock_.wall();
  TRY(records, writer_->prune(now - policy_.keep));
  TRY(books, writer_->prune_books(books_keep_from(policy_.keep, now)));
  return records || books;
}

FaultOr<void> StoredTrail::expire_leases() {
  const std::lock_guard writer_lock(writer_mutex_);
  return writer_->expire_leases();
}

Bytes StoredTrail::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<Bytes>(queued_bytes_ + writing_bytes_);
}

std::string StoredTrail::unhealthy_because() const {
  const std::lock_guard lock(mutex_);
  if (!fault_message_.empty() && !healthy()) return fault_message_;
  if (!journal_fault_.empty()) return journal_fault_;
  return is_full_ ? full_words(queued_bytes_ + writing_bytes_) : std::string();
}

}  // namespace tollgate::storage
