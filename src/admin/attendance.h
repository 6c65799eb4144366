// Who came to the admin address, on record: the sessions that begin and end, and those who were
// refused. In the chain of changes, so that what an administrator did and how he came to it are one
// story (docs/decisions/0015).
//
// A session begins when that is on record, and not before. For the record of a refusal nobody
// waits; those that are not written yet share the next commit. How many get a record of their own
// is bounded as it is for those who call the gateway (pipeline/strangers.h), so that whoever is
// refused cannot fill the disk; the others are counted, and one record tells how many.
//
// Of the loop of the admin address, except where said.
#pragma once

#include <cstdint>
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
  std::string asked;                             // "POST keys/import"
  const administration::Admin* admin = nullptr;  // Null: it is not known who…
  std::string_view credential_id;                // …but the public part of what he showed, if any.
  Reason reason{};
  std::string_view right = {};  // That he lacks; empty: that was not it.
};

class Attendance {
 public:
  // Entries that may wait to be written.
  static constexpr std::size_t kWaitingMax = 4096;

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

  // Those who were only counted are told now: when the last has come.
  void close();

 private:
  void add(Entry entry);
  void tell(const std::vector<pipeline::Strangers::Untold>& untold);
  void begin_writing();  // With the lock.
  void write();          // At the desk.

  const Parts parts_;
  pipeline::Strangers strangers_;
  std::mutex mutex_;
  std::vector<Entry> waiting_;
  std::uint64_t lost_ = 0;  // Found no room, or could not be written.
  bool at_work_ = false;
};

}  // namespace tollgate::admin
