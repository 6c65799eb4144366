// Who came to the admin address, on record: the sessions that begin and end, and those who were
// refused. In the chain of changes, so that what an administrator did and how he came to it are one
// story (docs/decisions/0015).
//
// A session begins when that is on record, and not before. For the record of a refusal nobody
// waits; those that are not written yet share the next commit. How many get a record of their own
// is bounded as it is for those who call the gateway (pipeline/strangers.h), so that whoever is
// refused cannot fill the disk; the others are counted, and one record tells how many. What could
// not be written waits and is written once the store takes it: no refusal that is counted here goes
// untold while the gateway lives, and at its end stderr says how many did.
//
// Of the loop of the admin address, except where said.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "admin/desk_line.h"
#include "admin/register.h"
#include "base/refusal.h"
#include "base/task.h"
#include "pipeline/strangers.h"

namespace tollgate::admin {

// An administrator as the author of what he does.
storage::Author author_of(const administration::Admin& admin, const IpAddress& from);

// Somebody who was not let in.
struct TurnedAway {
  IpAddress from;
  std::string asked;                             // "POST /admin/v1/keys/{id}/revoke"
  std::string_view id = {};                      // What he named, as it came.
  const administration::Admin* admin = nullptr;  // Null: it is not known who…
  std::string_view credential_id;                // …but the public part of what he showed, if any.
  Reason reason{};
  std::string_view right = {};  // That he lacks; empty: that was not it.
};

class Attendance {
 public:
  // Entries that may wait to be written; further refusals are counted.
  static constexpr std::size_t kWaitingMax = 4096;
  // Of one commit, so that nobody at the desk waits for long.
  static constexpr std::size_t kBatchMax = 256;
  // So long nothing is tried after it failed: whoever is to be known shares the desk.
  static constexpr Duration kRetryEvery = std::chrono::seconds(1);
  // So often it is tried at the end, for kPatience of the register each.
  static constexpr int kClosingTries = 5;

  // All outlive it. `line` leads to `desk`, where `kept` is of.
  struct Parts {
    const pipeline::Clock& clock;
    DeskLine& line;
    Executor& desk;
    Register& kept;
  };
  explicit Attendance(const Parts& parts) : parts_(parts) {}

  // A Fault where it is not on record: then it must not begin. `name` is public
  // (administration::public_name_of()), as is that of the session whose place it takes, if any.
  Task<FaultOr<void>> session_begins(const administration::Admin& admin, const IpAddress& from,
                                     std::string name, std::string_view replaces);
  void session_ended(const administration::Admin& admin, const IpAddress& from,
                     std::string_view name);
  void turned_away(const TurnedAway& who);

  // Tells what was only counted, once a second, and tries again what could not be written: from
  // time to time, whether anybody comes or not.
  void tend();
  // Posts all that is left to the desk: when the last has come.
  void close();

 private:
  // Something to be told, and of how many refusals it tells.
  struct Waiting {
    Entry entry;
    std::uint64_t refusals = 0;
  };

  void add(Waiting waiting);
  void tell(const std::vector<pipeline::Strangers::Untold>& untold);
  void begin_writing();
  bool is_failing();
  // At the desk.
  void write();
  void write_all();
  bool take_batch();
  FaultOr<void> write_batch();

  const Parts parts_;
  pipeline::Strangers strangers_;
  Instant retry_at_{};

  std::mutex mutex_;
  std::deque<Waiting> waiting_;
  std::uint64_t uncounted_ = 0;  // Refusals that found no room in `waiting_`.
  bool at_work_ = false;

  // Of the desk. A batch that could not be written is tried again as it is.
  std::vector<Entry> batch_;
  std::uint64_t batch_refusals_ = 0;
  std::uint64_t batch_number_ = 0;
  bool failing_ = false;
};

}  // namespace tollgate::admin
