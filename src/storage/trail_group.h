// Records of the trail as they lie in the database: sealed lines, many to a row, compressed.
//
// One row a commit costs a fraction of one row a record: records of one moment say mostly the
// same, so they shrink to a tenth, and what the database does by the row it does once. LZ4 is
// the compression that costs the least CPU on real records; see docs/decisions/0005.
//
// Pure but for the reading of rows. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/money.h"
#include "base/units.h"
#include "controls/audit/audit.h"
#include "storage/database.h"

namespace tollgate::storage {

// A row is cut when its lines reach so many bytes; a reader unpacks one row at a time.
inline constexpr std::size_t kGroupTextBytes = 1 << 20;

// ---- Coding ---------------------------------------------------------------------------------

// Replaces `packed`.
void compress(std::string_view lines, std::string& packed);

// False where the bytes are not those of `text_bytes` that compress() made. `lines` gets room
// behind its end for a parser that reads past it.
bool uncompress(std::span<const std::uint8_t> packed, std::int64_t text_bytes, std::string& lines);

// Takes the first line off, without its end.
std::string_view take_line(std::string_view& lines);

// Tells a request from all others by 128 bits of a hash of its id. Ids are our own.
struct RequestKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const RequestKey&, const RequestKey&) = default;
};
RequestKey key_of(std::string_view id);

// A decision that left and had not ended when its row was written. While the request is at work
// this is all that is known of what it holds.
struct OpenDecision {
  std::uint64_t sequence = 0;
  Money held;
  std::optional<RequestKey> request;  // Unknown in rows of earlier versions.
  bool ended = false;                 // While its row is being filled.
};
void append_opened(const OpenDecision& decision, std::string& bytes);
std::vector<OpenDecision> read_opened(std::span<const std::uint8_t> bytes);
void append_sequence(std::uint64_t sequence, std::string& bytes);
std::vector<std::uint64_t> read_sequences(std::span<const std::uint8_t> bytes);

std::span<const std::uint8_t> bytes_of(std::string_view text);

// ---- Rows -----------------------------------------------------------------------------------

enum class Direction : std::uint8_t { kOldestFirst, kNewestFirst };

// Which rows a walk sees: of one gateway those with a record of these sequences, or those of all;
// with a record that is not before `since_us`, and one before `until_us`.
struct Stretch {
  // A place in the order of all rows, and of a record in its chain.
  struct Place {
    std::int64_t reached_us = INT64_MAX;
    std::string_view gateway;
    std::int64_t sequence = 0;
  };
  std::string_view gateway;  // Empty: all. Borrowed while a walk begins.
  std::int64_t from = 1;     // Of one gateway only.
  std::int64_t below = INT64_MAX;
  std::int64_t since_us = INT64_MIN;
  std::int64_t until_us = INT64_MAX;
  Place behind;  // Of all, newest first only. Borrowed while a walk begins.
};

// Steps through rows: of one gateway in the order of its chain, of all in that of the times that
// they reach, which keeps each chain in its order. It reads rows in pages, so whoever wants those
// of one moment holds a Snapshot meanwhile.
class GroupWalk {
 public:
  static FaultOr<GroupWalk> begin(Database& database, const Stretch& stretch, Direction direction);

  // True: a row is here.
  FaultOr<bool> step();
  const std::string& gateway() const { return row().gateway; }
  std::int64_t first() const { return row().first; }
  std::int64_t last() const { return row().last; }
  std::int64_t earliest_us() const { return row().earliest_us; }
  std::int64_t reached_us() const { return row().reached_us; }
  // Its lines, valid until the next call. kCorrupt where they cannot be read.
  FaultOr<std::string_view> lines();

 private:
  struct Row {
    std::string gateway;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t earliest_us = 0;
    std::int64_t reached_us = 0;
    std::int64_t text_bytes = 0;
  };
  GroupWalk(Database& database, const Stretch& stretch, Direction direction)
      : database_(&database), gateway_(stretch.gateway), stretch_(stretch), direction_(direction) {}

  const Row& row() const { return page_[at_]; }
  FaultOr<void> read_page();

  Database* database_;
  std::string gateway_;
  Stretch stretch_;  // Of the pages that were not read yet; gateway_ has the name.
  Direction direction_;
  Row last_read_;  // Where the next page begins in a walk through all.
  bool has_more_ = true;
  std::vector<Row> page_;
  std::size_t at_ = 0;
  std::string lines_;
};

// The gateways that have a trail, in the order of their names.
FaultOr<std::vector<std::string>> chains(Database& database);

// First sequence of the gateway's row that holds `sequence`, or of the one before it; 0: none.
FaultOr<std::int64_t> row_of(Database& database, std::string_view gateway, std::int64_t sequence);

}  // namespace tollgate::storage
