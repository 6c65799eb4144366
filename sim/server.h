// The store of a world, and the connections to it: a SQLite file that stands for both kinds.
//
// What a server and a network can do to whoever asks, happens here, by chance:
// it is away, too slow, cut off, it starts anew in the middle of a transaction,
// the answer to a commit is lost, whether it was done or not, or the commit
// comes late and holds the lock until then. A process is killed at any of its
// calls. It fails over to a standby that lacks the last commits: an earlier
// copy of the file. What is read and written in between is the shipped code on
// a real database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/chance.h"
#include "sim/settings.h"
#include "storage/database.h"

namespace tollgate::sim {

// Thrown where a process dies in a call.
struct Killed {};

// Between one process and the store.
struct Line {
  const bool& cut_off;
  int dies_in = 0;  // Calls; 0: it does not.
  // What others do while this one waits: for the lock, or for the answer to a commit.
  std::function<void()> before_lock;
  std::function<void()> before_answer;

  void call() {
    if (dies_in > 0 && --dies_in == 0) throw Killed{};
  }
};

// A commit on its way, with the connection that it is of.
struct FlyingCommit {
  std::unique_ptr<storage::Database> database;
  std::optional<storage::Transaction> transaction;
  bool arrives = false;
  std::int64_t due_us = 0;
};

class Server {
 public:
  Server(std::string path, const Plan& plan, Chance& chance, const std::int64_t& now_us)
      : first_path_(std::move(path)),
        path_(first_path_),
        plan_(plan),
        chance_(chance),
        now_us_(now_us) {}

  // `line` outlives the connection.
  std::unique_ptr<storage::Database> connect(Line& line);
  // For checks: nothing befalls it, and it sees what was committed.
  storage::Database& reader();
  // A commit that is late takes effect or not, once its time has come.
  enum class Late : std::uint8_t { kWhenDue, kNow };
  void end_late(Late when);
  // One is under way, and has the lock.
  bool has_late() const { return late_.has_value(); }
  // The standby has everything up to here, and takes the place of the server.
  // Nobody is in a call.
  void replicate();
  void fail_over();
  // When that was; nothing: there is no standby.
  std::optional<std::int64_t> replicated_us() const { return replicated_us_; }
  std::string timeline() const { return std::to_string(timeline_); }
  void heal();

  bool away = false;
  std::int64_t skew_us = 0;

 private:
  friend class Connection;

  std::unique_ptr<storage::Database> open();
  std::optional<Fault> trouble(const Line& line);

  std::string standby() const { return first_path_ + ".standby"; }

  const std::string first_path_;
  std::string path_;
  const Plan& plan_;
  Chance& chance_;
  const std::int64_t& now_us_;
  bool healed_ = false;
  std::vector<std::unique_ptr<storage::Database>> idle_;  // Connections that nobody uses.
  std::unique_ptr<storage::Database> reader_;
  std::optional<FlyingCommit> late_;
  std::int64_t timeline_ = 1;
  std::string timeline_sql_ = "'1'";
  std::optional<std::int64_t> replicated_us_;
};

}  // namespace tollgate::sim
