// What an earlier process left in its journal.
//
// Reading tells the end of a journal from damage. A killed process leaves whole entries and a
// zero behind them, so what is unreadable at the end is told and passed over, and what is
// unreadable with whole entries behind it refuses: records of requests that left are behind it.
// A machine that lost its power left of each page what it had written by then; there all that is
// whole is taken.
//
// Blocking disk I/O, at start only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "storage/journal_segment.h"

namespace tollgate::storage {

// How the process ended that wrote the journal last.
enum class JournalEnd : std::uint8_t {
  kClean,      // All is in the database.
  kKilled,     // The process ended, the machine did not.
  kPowerLoss,  // The machine ended as well.
};

struct JournalItem {
  std::string_view packed;
  JournalPosition end;  // Behind it.
};

struct JournalContents {
  std::vector<std::string> segments;  // What the items point into.
  std::vector<JournalItem> items;     // In the order of their appending.
  std::uint64_t last_number = 0;      // Of a segment; 0: there is none.
  Bytes unreadable = 0;               // At most so many bytes may have been entries.
};

// The files of segments in a directory; none where it is missing.
FaultOr<std::vector<std::string>> segment_files(const std::string& directory);

// Reads what lies behind `written` in the journal `id`. kCorrupt says what is wrong with the
// journal and what to do.
FaultOr<JournalContents> read_journal(const std::string& directory, const JournalId& id,
                                      JournalPosition written, JournalEnd end);

}  // namespace tollgate::storage
