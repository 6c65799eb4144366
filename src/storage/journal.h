// What waits for the trail's writer, in files that outlive the process.
//
// The queue is a ring of memory-mapped segments in a directory of its own: what is appended is
// in the kernel's memory at once, so a process that is killed at any instruction loses nothing of
// it, and no system call was made for it. (A machine that loses its power may lose it; the
// database has what was committed.) A segment has its blocks on the disk before it is used, so a
// full disk is a Fault when the next one is made and never a SIGBUS in the middle of a copy. One
// that is in the database as a whole is used again.
//
// append() and take() are called under the mutex of the owner, tend() by the one thread that
// writes to the database. Reading what an earlier process left: journal_replay.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "storage/gateway_name.h"
#include "storage/journal_segment.h"
#include "storage/trail_item.h"

namespace tollgate::storage {

// What becomes of decisions while the database cannot be asked: they are refused at once, or wait
// in the journal, which has room for them up to a bound.
enum class WhileAway : std::uint8_t { kRefuse, kSpool };

struct JournalOptions {
  std::string gateway{kOnlyGateway};  // Whose it is.
  std::string directory;              // Empty: beside the database.
  Bytes segment_bytes = 8 << 20;      // A multiple of 4096, at most 1 GiB.
  int spares = 1;  // Segments that lie ready beyond the one that is being filled.
  WhileAway while_away = WhileAway::kRefuse;
  // So many requests that an earlier process left open are ended before serving; more of them
  // while it serves.
  std::int64_t ended_at_start = 4096;
  std::string boot;  // Names the machine's run; empty: as the kernel does.
};

class Journal {
 public:
  // Begins a journal, or goes on with one, at the segment `number`. Its directory is there.
  static FaultOr<std::unique_ptr<Journal>> begin(const std::string& directory, const JournalId& id,
                                                 std::uint64_t number,
                                                 const JournalOptions& options);
  ~Journal();

  // Keeps an item. A Fault: it is longer than a segment, or the disk has no room for another
  // segment; that is not asked for again before tend() has.
  FaultOr<void> append(const Item& item);
  JournalPosition end() const { return end_; }
  // Most bytes that an item may have packed.
  std::size_t item_bytes_max() const;

  // The stretches of entries that were appended since the last take, for EntryCursor. They stay
  // as they are until tend() is told of a position behind them.
  void take(std::vector<std::string_view>& stretches) { take_until(end_, stretches); }
  // Of these only what lies before `position`, which was the journal's end once.
  void take_until(JournalPosition position, std::vector<std::string_view>& stretches);

  // The next take() gives what lies behind `position`, an entry's end, once more. False: the
  // segment is taken back already.
  bool go_back(JournalPosition position);

  // Takes back segments wholly below `written` and makes spares. Blocking disk I/O.
  FaultOr<void> tend(JournalPosition written);

  // Whether append() would fail for want of a segment.
  bool is_short() const;
  // How many segments there are. Any thread.
  std::size_t segments() const;
  // For tests: from here on no segment can be made, or they can.
  enum class Disk : std::uint8_t { kFree, kFull };
  void disk_is(Disk disk);

 private:
  class Segment;

  Journal(std::string directory, const JournalId& id, const JournalOptions& options);
  FaultOr<std::unique_ptr<Segment>> make_segment(std::uint64_t file_number);
  FaultOr<void> next_segment();

  const std::string directory_;
  const JournalId id_;
  const EntrySeal seal_;
  const JournalOptions options_;

  // Of the owner's mutex.
  JournalPosition end_;    // Behind the last entry.
  JournalPosition taken_;  // Up to where take() has given.

  // Those in use, in order, the last one being filled; only the owner's mutex and tend() touch
  // them, and both take this one.
  mutable std::mutex segments_mutex_;
  std::deque<std::unique_ptr<Segment>> used_;
  std::vector<std::unique_ptr<Segment>> spares_;
  std::uint64_t next_file_ = 0;
  std::string short_because_;

  Segment* filling_ = nullptr;  // used_.back(), of the owner's mutex.
  std::atomic<bool> refuses_{false};
};

// What the file of a segment is called.
inline constexpr std::string_view kSegmentSuffix = ".segment";

}  // namespace tollgate::storage
