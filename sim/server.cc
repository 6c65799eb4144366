#include "sim/server.h"

#include <filesystem>
#include <utility>

#include "sim/clock.h"
#include "sim/story.h"
#include "storage/try.h"

namespace tollgate::sim {

using storage::Database;
using storage::Snapshot;
using storage::Statement;
using storage::Transaction;

// One process's.
class Connection final : public Database {
 public:
  Connection(Server& server, Line& line)
      : Database("the store"),
        server_(server),
        line_(line),
        inner_(server.open()),
        timeline_(server.timeline_) {}
  ~Connection() override {
    roll_back();
    if (timeline_ == server_.timeline_) server_.idle_.push_back(std::move(inner_));
  }

  void set_busy_timeout(Duration timeout) override { busy_timeout_ = timeout; }
  FaultOr<Statement> prepare(std::string_view sql) override {
    TRY_DO(call());
    return inner_->prepare(sql);
  }
  FaultOr<void> execute(const char* sql) override {
    TRY_DO(call());
    return inner_->execute(sql);
  }
  FaultOr<WallTime> now() override {
    TRY_DO(call());
    return wall_at(server_.now_us_ + server_.skew_us);
  }
  FaultOr<void> check_whole() override { return inner_->check_whole(); }
  std::string_view timeline() const override {
    if (server_.plan_.shape == Shape::kOwnStore) return "''";
    return server_.timeline_sql_;
  }

 private:
  FaultOr<void> call() {
    line_.call();
    if (std::exchange(timeline_, server_.timeline_) != server_.timeline_) {
      inner_ = server_.open();
      return fault(FaultKind::kUnreachable, "the server has failed over");
    }
    if (std::optional<Fault> fault = server_.trouble(line_)) return std::unexpected(*fault);
    return {};
  }
  FaultOr<void> begin(Begin what) override {
    if (what == Begin::kWriting && line_.before_lock) line_.before_lock();
    TRY_DO(call());
    if (what == Begin::kReading) {
      TRY(snapshot, Snapshot::begin(*inner_));
      snapshot_.emplace(std::move(snapshot));
      return {};
    }
    auto transaction = Transaction::begin(*inner_);
    if (!transaction) return fault(transaction.error().kind, "somebody else has the lock");
    transaction_.emplace(*std::move(transaction));
    return {};
  }
  FaultOr<void> commit() override;
  void roll_back() override {
    transaction_.reset();
    snapshot_.reset();
  }
  bool in_transaction() const override { return transaction_ || snapshot_; }
  void leave_flying();

  Server& server_;
  Line& line_;
  std::unique_ptr<Database> inner_;
  std::int64_t timeline_;
  std::optional<Transaction> transaction_;
  std::optional<Snapshot> snapshot_;
};

// From here on the commit is the network's: it may still arrive.
void Connection::leave_flying() {
  server_.late_.emplace();
  server_.late_->database = std::exchange(inner_, nullptr);
  server_.late_->transaction.emplace(*std::move(transaction_));
  transaction_.reset();
  server_.late_->arrives = server_.chance_.one_in(2);
  server_.late_->due_us = server_.now_us_ + server_.chance_.between(0, 3'000'000);
  inner_ = server_.open();
}

FaultOr<void> Connection::commit() {
  const bool shared = server_.plan_.shape == Shape::kSharedStore;
  try {
    TRY_DO(call());
  } catch (const Killed&) {
    if (shared && server_.chance_.one_in(2)) leave_flying();
    throw;
  }
  const bool lost =
      shared && !server_.healed_ && server_.chance_.one_in(server_.plan_.answer_lost_in);
  if (lost && server_.chance_.one_in(2)) {
    leave_flying();
  } else {
    TRY_DO(transaction_->commit());
    transaction_.reset();
    line_.call();
    if (line_.before_answer) line_.before_answer();
  }
  if (lost) return fault(FaultKind::kUncertain, "nobody knows whether it was committed");
  return {};
}

// ---- The server -----------------------------------------------------------------------------

std::unique_ptr<Database> Server::connect(Line& line) {
  return std::make_unique<Connection>(*this, line);
}

std::unique_ptr<Database> Server::open() {
  if (!idle_.empty()) {
    std::unique_ptr<Database> database = std::move(idle_.back());
    idle_.pop_back();
    return database;
  }
  storage::DatabaseOptions options;
  options.durability = storage::Durability::kProcess;  // What the disk loses is the journal's.
  options.busy_timeout = {};
  FaultOr<std::unique_ptr<Database>> opened = Database::open(path_, options);
  if (!opened) throw Violation{"the store cannot be opened: " + opened.error().message};
  return *std::move(opened);
}

Database& Server::reader() {
  if (!reader_) reader_ = open();
  return *reader_;
}

std::optional<Fault> Server::trouble(const Line& line) {
  if (plan_.shape == Shape::kOwnStore) {
    if (away) return Fault{FaultKind::kRefusedByPeer, "the disk is full"};
    return std::nullopt;
  }
  if (away || line.cut_off) return Fault{FaultKind::kUnreachable, "nobody answers"};
  if (healed_ || !chance_.one_in(plan_.call_fails_in)) return std::nullopt;
  if (chance_.one_in(2)) return Fault{FaultKind::kTimeout, "no answer in time"};
  // It starts anew, and what is under way is gone.
  if (late_) late_->arrives = false;
  end_late(Late::kNow);
  return Fault{FaultKind::kUnreachable, "the store starts anew"};
}

void Server::end_late(Late when) {
  if (!late_ || (when == Late::kWhenDue && now_us_ < late_->due_us)) return;
  if (late_->arrives) {
    if (const FaultOr<void> done = late_->transaction->commit(); !done) {
      throw Violation{"a commit that is late fails: " + done.error().message};
    }
  }
  late_->transaction.reset();
  idle_.push_back(std::move(late_->database));
  late_.reset();
}

// A SQLite file and its log, at a moment when nobody writes; of a transaction
// that is open the log has no end, so the copy has nothing.
void Server::replicate() {
  for (const char* part : {"", "-wal"}) {
    std::error_code missing;  // The log, where all of it is in the file.
    std::filesystem::remove(standby() + part, missing);
    std::filesystem::copy_file(path_ + part, standby() + part, missing);
  }
  replicated_us_ = now_us_;
}

void Server::fail_over() {
  if (late_) late_->arrives = false;
  end_late(Late::kNow);
  idle_.clear();
  reader_.reset();
  path_ = first_path_ + "." + std::to_string(++timeline_);
  timeline_sql_ = "'" + timeline() + "'";
  for (const char* part : {"", "-wal"}) {
    std::error_code missing;
    std::filesystem::rename(standby() + part, path_ + part, missing);
  }
  replicate();
}

void Server::heal() {
  away = false;
  healed_ = true;
  end_late(Late::kNow);
}

}  // namespace tollgate::sim
