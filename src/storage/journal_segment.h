// How the journal's bytes lie in a segment.
//
// A segment is a header and entries behind one another. An entry is a word (its length and a
// check of that), a checksum of its item and the item, at a multiple of eight. The word is
// published last and the word behind it is zero by then, so a process that is killed in the
// middle of a copy leaves the end of the journal where it was. Both checks are seeded by the
// journal's id and by the entry's own position: what an earlier round left in a segment that is
// used again, or another journal in another file, is never taken for an entry.
//
// Pure, and linear in the bytes read. Bytes of a file are foreign: whatever they hold, reading
// them ends.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace tollgate::storage {

// Raised when the layout of segments or of packed items changes.
inline constexpr std::uint32_t kJournalFormat = 1;

using JournalId = std::array<std::uint8_t, 16>;

inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kEntryHeaderBytes = 16;
inline constexpr std::size_t kEntryAlignment = 8;

// A place in the journal, as one value that only grows: the number of a segment and an offset in
// its file.
struct JournalPosition {
  std::uint64_t value = 0;

  static JournalPosition at(std::uint64_t number, std::size_t offset) {
    return {number << 32 | static_cast<std::uint32_t>(offset)};
  }
  static JournalPosition start_of(std::uint64_t number) { return at(number, kSegmentHeaderBytes); }
  std::uint64_t number() const { return value >> 32; }
  std::size_t offset() const { return static_cast<std::uint32_t>(value); }
  friend auto operator<=>(const JournalPosition&, const JournalPosition&) = default;
};

// ---- The header -----------------------------------------------------------------------------

struct SegmentHeader {
  JournalId id{};
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;  // Of the file.
  std::uint32_t format = kJournalFormat;
};

// Makes `segment` the empty segment that `header` tells of. Killed half way it is a blank one.
void start_segment(char* segment, const SegmentHeader& header);
// Makes it one that holds nothing and has no number.
void blank_segment(char* segment);

enum class SegmentKind : std::uint8_t { kWhole, kBlank, kForeign, kDamaged, kNewer };
// `header` is filled where the answer is kWhole.
SegmentKind read_segment_header(std::string_view segment, SegmentHeader& header);

// ---- Entries --------------------------------------------------------------------------------

// What an item takes up in a segment.
constexpr std::size_t entry_bytes(std::size_t item_bytes) {
  return (kEntryHeaderBytes + item_bytes + kEntryAlignment - 1) & ~(kEntryAlignment - 1);
}

// Seals checks with the id of the journal.
class EntrySeal {
 public:
  explicit EntrySeal(const JournalId& id);
  std::uint64_t word_of(std::uint32_t length, JournalPosition at) const;
  std::uint64_t checksum_of(std::string_view item, JournalPosition at) const;

 private:
  std::uint64_t key_;
};

// Publishes the entry whose `item_bytes` lie behind the room for its header at `at` already. The
// word behind it is made zero where `segment_bytes` have room for one.
void publish_entry(const EntrySeal& seal, char* segment, std::size_t segment_bytes,
                   JournalPosition at, std::size_t item_bytes);
// Says that the journal goes on in the next segment, where there is room to say so.
void publish_skip(const EntrySeal& seal, char* segment, std::size_t segment_bytes,
                  JournalPosition at);

struct EntryReading {
  enum class Found : std::uint8_t {
    kEntry,
    kSkip,        // The journal goes on in the next segment.
    kFull,        // No room for more: it may go on there.
    kEnd,         // Nothing was published here.
    kUnreadable,  // Something else lies here.
  };
  Found found = Found::kEnd;
  std::string_view item;  // Of an entry.
  std::size_t next = 0;   // Offset behind it; of what is unreadable, where its word can be told.
};
EntryReading read_entry(const EntrySeal& seal, std::string_view segment, JournalPosition at);

// Offset of the first whole entry at `from` or behind it; 0: there is none.
std::size_t find_entry(const EntrySeal& seal, std::string_view segment, JournalPosition from);

// Steps through entries that this process has published.
class EntryCursor {
 public:
  // From an entry to the end of another.
  explicit EntryCursor(std::string_view entries) : rest_(entries) {}
  bool next(std::string_view& item);

 private:
  std::string_view rest_;
};

}  // namespace tollgate::storage
