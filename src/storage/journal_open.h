// Which journal belongs to a database, and how it is taken up at start.
//
// The database names its journal by a random id and says how the last gateway ended: cleanly, or
// in which run of the machine it was at work. A journal that does not fit is refused with what
// to do about it. The operator's word to go on without it is the file accept-loss in its
// directory; the directory is set aside then, never deleted.
//
// Blocking disk I/O, at start and stop only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "storage/database.h"
#include "storage/journal.h"
#include "storage/journal_replay.h"
#include "storage/trail_writer.h"

namespace tollgate::storage {

// The directory of the journal that lies beside the database at `path`.
std::string journal_directory(const std::string& path);

struct FoundJournal {
  std::string gateway;
  std::string directory;
  JournalId id{};
  std::uint64_t next_number = 1;  // Of the segment to begin with.
  JournalContents contents;       // What an earlier process left.
  std::vector<std::string> files;
  // What an earlier gateway held may be in no journal: the power was lost, its end cannot be
  // read, or the operator went on without it. It is so at every start until forget_lack().
  bool may_lack = false;
};

// Finds what belongs to `database`, which has the journal up to `written`, and makes a directory
// where there is none. What is told to the operator goes to stderr, a line each.
FaultOr<FoundJournal> find_journal(Database& database, JournalPosition written,
                                   const JournalOptions& options);

// Puts what was found into the database, in its order. How many items there were.
FaultOr<std::int64_t> replay(const FoundJournal& found, TrailWriter& writer);

// From here on the database has all that was found, the journal goes on at `next_number`, and a
// gateway is at work. The files are deleted.
FaultOr<void> mark_at_work(Database& database, const FoundJournal& found,
                           const JournalOptions& options);
// Says that what may be lacking is made up for, in the caller's transaction.
FaultOr<void> forget_lack(Database& database, std::string_view gateway);
// Says that the journal holds nothing that the database does not have.
// In the caller's transaction.
FaultOr<void> mark_clean(Database& database, std::string_view gateway);

}  // namespace tollgate::storage
