#include "storage/journal_segment.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "base/check.h"

namespace tollgate::storage {
namespace {

constexpr std::array<char, 8> kMagic = {'t', 'g', 'j', 'o', 'u', 'r', 'n', 'l'};
constexpr std::uint32_t kSkipLength = UINT32_MAX;

// A later format may change all but the place of these: magic, format and checksum.
struct HeaderBytes {
  std::array<char, 8> magic;
  std::uint32_t format;
  std::uint32_t reserved;
  JournalId id;
  std::uint64_t number;
  std::uint64_t bytes;
  std::uint64_t more_reserved;
  std::uint64_t checksum;  // Of what lies between it and the magic.
};
static_assert(sizeof(HeaderBytes) == kSegmentHeaderBytes);

std::uint64_t checksum_of(const HeaderBytes& header) {
  const char* from = reinterpret_cast<const char*>(&header) + sizeof header.magic;
  return XXH3_64bits(from, offsetof(HeaderBytes, checksum) - sizeof header.magic);
}

// One store that a kill cannot cut, and before which all stores of the program text were made.
void publish(char* at, std::uint64_t word) {
  CHECK(reinterpret_cast<std::uintptr_t>(at) % sizeof word == 0);
  std::atomic_ref(*reinterpret_cast<std::uint64_t*>(at)).store(word, std::memory_order_release);
}

std::uint64_t word_at(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

}  // namespace

void start_segment(char* segment, const SegmentHeader& header) {
  blank_segment(segment);
  if (header.bytes >= kSegmentHeaderBytes + sizeof(std::uint64_t)) {
    publish(segment + kSegmentHeaderBytes, 0);
  }
  HeaderBytes bytes;
  std::memset(&bytes, 0, sizeof bytes);
  bytes.magic = kMagic;
  bytes.format = header.format;
  bytes.id = header.id;
  bytes.number = header.number;
  bytes.bytes = header.bytes;
  bytes.checksum = checksum_of(bytes);
  std::memcpy(segment + sizeof kMagic, reinterpret_cast<const char*>(&bytes) + sizeof kMagic,
              sizeof bytes - sizeof kMagic);
  publish(segment, word_at(kMagic.data()));
}

void blank_segment(char* segment) { publish(segment, 0); }

SegmentKind read_segment_header(std::string_view segment, SegmentHeader& header) {
  const std::string_view magic = segment.substr(0, sizeof kMagic);
  // A file that was being made when the process was killed may have any length.
  if (std::ranges::all_of(magic, [](char byte) { return byte == 0; })) return SegmentKind::kBlank;
  if (magic != std::string_view(kMagic.data(), kMagic.size())) return SegmentKind::kForeign;
  if (segment.size() < kSegmentHeaderBytes) return SegmentKind::kDamaged;
  HeaderBytes bytes;
  std::memcpy(&bytes, segment.data(), sizeof bytes);
  if (bytes.checksum != checksum_of(bytes)) return SegmentKind::kDamaged;
  if (bytes.format != kJournalFormat) return SegmentKind::kNewer;
  if (bytes.number > INT32_MAX || bytes.bytes > INT32_MAX || bytes.bytes % kEntryAlignment != 0) {
    return SegmentKind::kDamaged;
  }
  header.id = bytes.id;
  header.number = bytes.number;
  header.bytes = bytes.bytes;
  return SegmentKind::kWhole;
}

EntrySeal::EntrySeal(const JournalId& id) { std::memcpy(&key_, id.data(), sizeof key_); }

std::uint64_t EntrySeal::word_of(std::uint32_t length, JournalPosition at) const {
  const std::uint64_t check = XXH3_64bits_withSeed(&length, sizeof length, key_ ^ at.value);
  return length | check << 32;
}

std::uint64_t EntrySeal::checksum_of(std::string_view item, JournalPosition at) const {
  return XXH3_64bits_withSeed(item.data(), item.size(), key_ ^ at.value);
}

void publish_entry(const EntrySeal& seal, char* segment, std::size_t segment_bytes,
                   JournalPosition at, std::size_t item_bytes) {
  const std::size_t behind = at.offset() + entry_bytes(item_bytes);
  CHECK(behind <= segment_bytes);
  if (behind < segment_bytes) publish(segment + behind, 0);
  char* entry = segment + at.offset();
  const std::uint64_t checksum = seal.checksum_of({entry + kEntryHeaderBytes, item_bytes}, at);
  std::memcpy(entry + sizeof checksum, &checksum, sizeof checksum);
  publish(entry, seal.word_of(static_cast<std::uint32_t>(item_bytes), at));
}

void publish_skip(const EntrySeal& seal, char* segment, std::size_t segment_bytes,
                  JournalPosition at) {
  if (at.offset() < segment_bytes) {
    publish(segment + at.offset(), seal.word_of(kSkipLength, at));
  }
}

EntryReading read_entry(const EntrySeal& seal, std::string_view segment, JournalPosition at) {
  using Found = EntryReading::Found;
  EntryReading reading;
  const std::size_t offset = at.offset();
  if (offset + sizeof(std::uint64_t) > segment.size()) {
    reading.found = Found::kFull;
    return reading;
  }
  const std::uint64_t word = word_at(segment.data() + offset);
  const auto length = static_cast<std::uint32_t>(word);
  if (word == 0) return reading;
  reading.found = Found::kUnreadable;
  if (word != seal.word_of(length, at)) return reading;
  if (length == kSkipLength) {
    reading.found = Found::kSkip;
    return reading;
  }
  reading.next = offset + entry_bytes(length);
  if (reading.next > segment.size()) {
    reading.next = segment.size();
    return reading;
  }
  const std::string_view item = segment.substr(offset + kEntryHeaderBytes, length);
  if (word_at(segment.data() + offset + sizeof word) != seal.checksum_of(item, at)) return reading;
  reading.found = Found::kEntry;
  reading.item = item;
  return reading;
}

std::size_t find_entry(const EntrySeal& seal, std::string_view segment, JournalPosition from) {
  // An item is read only where the check of its length is true, and such places are as far apart
  // as the items are long, but for one in four billion.
  for (std::size_t offset = from.offset(); offset + kEntryHeaderBytes <= segment.size();
       offset += kEntryAlignment) {
    const EntryReading reading =
        read_entry(seal, segment, JournalPosition::at(from.number(), offset));
    if (reading.found == EntryReading::Found::kEntry) return offset;
  }
  return 0;
}

bool EntryCursor::next(std::string_view& item) {
  if (rest_.empty()) return false;
  const auto length = static_cast<std::uint32_t>(word_at(rest_.data()));
  item = rest_.substr(kEntryHeaderBytes, length);
  rest_.remove_prefix(entry_bytes(length));
  return true;
}

}  // namespace tollgate::storage
