#include "storage/journal_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "storage/journal.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::string_view kGoOn =
    "Put the directory back as it was when the gateway stopped. To go on without what it holds, "
    "and with the loss of what the database does not have, create the file accept-loss in it: it "
    "is then set aside and a new journal begun";

FaultOr<std::string> read_file(const std::string& file) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  const std::streamoff bytes = stream ? static_cast<std::streamoff>(stream.tellg()) : -1;
  std::string content;
  if (bytes >= 0 && bytes <= INT32_MAX) {
    content.resize(static_cast<std::size_t>(bytes));
    stream.seekg(0);
    stream.read(content.data(), bytes);
  }
  if (!stream || bytes < 0 || bytes > INT32_MAX) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: a segment of the journal cannot be read ({}). The gateway's "
                             "user must be able to read it; check the disk and the kernel's log.",
                             file, std::strerror(errno)));
  }
  return content;
}

class Reader {
 public:
  Reader(std::string directory, const JournalId& id, JournalPosition written, JournalEnd end)
      : directory_(std::move(directory)),
        id_(id),
        seal_(id),
        written_(written),
        tolerant_(end == JournalEnd::kPowerLoss) {}

  FaultOr<JournalContents> read() {
    TRY(files, segment_files(directory_));
    for (const std::string& file : files) TRY_DO(take_file(file));
    if (segments_.empty()) return std::move(contents_);
    contents_.last_number = segments_.rbegin()->first;
    TRY_DO(find_start());
    bool follows = true;  // Whether the entry that comes next is the one behind the last.
    for (auto segment = segments_.begin(); segment != segments_.end(); ++segment) {
      if (segment->first < written_.number()) continue;
      TRY(goes_on, read_segment(segment->first, segment->second, follows));
      const auto next = std::next(segment);
      const bool is_next = next != segments_.end() && next->first == segment->first + 1;
      if (goes_on == GoesOn::kMust && !is_next) {
        TRY_DO(tell(file_of_[segment->first], "the segment behind it is missing"));
      }
      follows = goes_on != GoesOn::kNo && is_next;
    }
    for (auto& [number, bytes] : segments_) {
      if (number >= written_.number()) contents_.segments.push_back(std::move(bytes));
    }
    return std::move(contents_);
  }

 private:
  enum class GoesOn : std::uint8_t { kNo, kMay, kMust };

  std::unexpected<Fault> damage(const std::string& file, std::string_view what) const {
    return fault(FaultKind::kCorrupt, fmt::format("{}: {}. {}.", file, what, kGoOn));
  }
  // Damage, unless the power went.
  FaultOr<void> tell(const std::string& file, std::string_view what) const {
    if (tolerant_) return {};
    return damage(file, what);
  }

  FaultOr<void> take_file(const std::string& file) {
    TRY(bytes, read_file(file));
    SegmentHeader header;
    switch (read_segment_header(bytes, header)) {
      case SegmentKind::kBlank:
        return {};
      case SegmentKind::kForeign:
        return damage(file, "this is no segment of a journal, or its first bytes are damaged");
      case SegmentKind::kNewer:
        return damage(file,
                      "this segment was written by another version of tollgate. Start that one "
                      "once and stop it with SIGTERM, so that nothing is left in the journal");
      case SegmentKind::kDamaged:
        contents_.unreadable += static_cast<Bytes>(bytes.size());
        return tell(file, "the header of this segment is damaged");
      case SegmentKind::kWhole:
        break;
    }
    if (header.id != id_) {
      return damage(file, "this segment belongs to another database, or to another state of it");
    }
    // A file that was cut ends in zeroes, as if nothing had been published there.
    cut_bytes_[header.number] = header.bytes > bytes.size() ? header.bytes - bytes.size() : 0;
    bytes.resize(std::min<std::size_t>(header.bytes, bytes.size() + kEntryHeaderBytes));
    if (!segments_.try_emplace(header.number, std::move(bytes)).second) {
      return damage(file, "another file has the same segment of the journal");
    }
    file_of_[header.number] = file;
    return {};
  }

  // The segment in which the database's position lies must be there, or nothing fits it.
  FaultOr<void> find_start() {
    const auto start = segments_.find(written_.number());
    if (start != segments_.end()) {
      const std::size_t offset = written_.offset();
      if (offset >= kSegmentHeaderBytes && offset <= start->second.size() &&
          offset % kEntryAlignment == 0) {
        return {};
      }
      return damage(file_of_[written_.number()],
                    "the database has more of this segment than there is of it");
    }
    if (segments_.rbegin()->first < written_.number()) {
      return tell(directory_,
                  "the database has more than this journal does, so it is one of an earlier time");
    }
    return tell(directory_,
                "entries between the database and this journal are missing. Either the database "
                "was restored from a backup, or files of the journal were removed");
  }

  FaultOr<GoesOn> read_segment(std::uint64_t number, std::string_view segment, bool follows) {
    using Found = EntryReading::Found;
    const std::string& file = file_of_[number];
    JournalPosition at = JournalPosition::start_of(number);
    if (number == written_.number()) at = written_;
    if (!follows && !tolerant_) {
      // The journal has ended before this segment: a spare that was never used, or a wrong end.
      if (find_entry(seal_, segment, at) == 0) return GoesOn::kNo;
      return damage(file, "whole records are behind a place that cannot be read");
    }
    while (true) {
      const EntryReading reading = read_entry(seal_, segment, at);
      if (reading.found == Found::kEntry) {
        at = JournalPosition::at(number, reading.next);
        contents_.items.push_back({reading.item, at});
        continue;
      }
      if (reading.found == Found::kSkip) return GoesOn::kMust;
      if (reading.found == Found::kFull) return GoesOn::kMay;
      const std::size_t from = at.offset() + kEntryAlignment;
      const std::size_t whole = find_entry(seal_, segment, JournalPosition::at(number, from));
      const std::size_t until = whole != 0          ? whole
                                : reading.next != 0 ? reading.next
                                                    : segment.size();
      if (reading.found == Found::kUnreadable) {
        contents_.unreadable += static_cast<Bytes>(until - at.offset());
      } else if (whole == 0) {
        contents_.unreadable += static_cast<Bytes>(cut_bytes_[number]);
      }
      if (whole == 0) return tolerant_ ? GoesOn::kMay : GoesOn::kNo;
      TRY_DO(tell(file, fmt::format("whole records are behind byte {}, which cannot be read",
                                    at.offset())));
      at = JournalPosition::at(number, whole);
    }
  }

  const std::string directory_;
  const JournalId id_;
  const EntrySeal seal_;
  const JournalPosition written_;
  const bool tolerant_;
  std::map<std::uint64_t, std::string> segments_;  // By number.
  std::map<std::uint64_t, std::string> file_of_;
  std::map<std::uint64_t, std::size_t> cut_bytes_;
  JournalContents contents_;
};

}  // namespace

FaultOr<std::vector<std::string>> segment_files(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator files_of(directory, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  for (; !error && files_of != std::filesystem::directory_iterator(); files_of.increment(error)) {
    if (files_of->path().extension() == kSegmentSuffix) files.push_back(files_of->path());
  }
  if (error) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: the directory of the journal cannot be read ({}). The gateway's "
                             "user must be able to read and write it.",
                             directory, error.message()));
  }
  std::ranges::sort(files);
  return files;
}

FaultOr<JournalContents> read_journal(const std::string& directory, const JournalId& id,
                                      JournalPosition written, JournalEnd end) {
  return Reader(directory, id, written, end).read();
}

}  // namespace tollgate::storage
