// Any bytes as a segment: reading ends, and gives items that lie within them.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "storage/journal_segment.h"
#include "storage/trail_item.h"

using namespace tollgate::storage;

namespace {

// Reads as the replay does: from entry to entry, past what cannot be read.
std::size_t read_items(const EntrySeal& seal, std::string_view segment, std::uint64_t number) {
  using Found = EntryReading::Found;
  std::size_t items = 0;
  JournalPosition at = JournalPosition::start_of(number);
  while (true) {
    const EntryReading reading = read_entry(seal, segment, at);
    if (reading.found == Found::kSkip || reading.found == Found::kFull) return items;
    std::size_t next = reading.next;
    if (reading.found == Found::kEntry) {
      CHECK(reading.item.data() >= segment.data() &&
            reading.item.data() + reading.item.size() <= segment.data() + segment.size());
      std::string_view packed = reading.item;
      items += unpack(packed).has_value() ? 1 : 0;
    } else {
      next = find_entry(seal, segment, JournalPosition::at(number, at.offset() + kEntryAlignment));
      if (next == 0) return items;
    }
    CHECK(next > at.offset() && next <= segment.size());
    at = JournalPosition::at(number, next);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view segment(reinterpret_cast<const char*>(data), size);
  SegmentHeader header;
  if (read_segment_header(segment, header) == SegmentKind::kWhole) {
    read_items(EntrySeal(header.id), segment, header.number);
  }
  // The checks stop a fuzzer at the first byte: these inputs are items behind true ones.
  if (size >= 2 && size <= 4096) {
    const std::size_t cut = data[0] % size;
    std::string whole(kSegmentHeaderBytes + 3 * entry_bytes(size) + 8, '\0');
    start_segment(whole.data(), {JournalId{data[1]}, 7, whole.size()});
    const EntrySeal seal(JournalId{data[1]});
    JournalPosition at = JournalPosition::start_of(7);
    std::size_t put = 0;
    for (const std::string_view item : {segment, segment.substr(cut), segment.substr(0, cut)}) {
      item.copy(whole.data() + at.offset() + kEntryHeaderBytes, item.size());
      publish_entry(seal, whole.data(), whole.size(), at, item.size());
      at = JournalPosition::at(7, at.offset() + entry_bytes(item.size()));
      std::string_view packed = item;
      put += unpack(packed).has_value() ? 1 : 0;
    }
    CHECK(read_segment_header(whole, header) == SegmentKind::kWhole);
    CHECK(read_items(seal, whole, 7) == put);
    // One changed byte is never another item.
    whole[kSegmentHeaderBytes + data[0] % (whole.size() - kSegmentHeaderBytes)] ^= 0x20;
    CHECK(read_items(seal, whole, 7) <= put);
  }
  std::string_view packed = segment;
  while (unpack(packed)) continue;
  return 0;
}
