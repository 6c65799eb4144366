#include "storage/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::size_t kPageBytes = 4096;

std::unexpected<Fault> no_segment(const std::string& file, int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the disk has no room for the journal to go on ({}). Free space "
                             "on its file system; the gateway goes on by itself.",
                             file, std::strerror(error)));
  }
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: a segment of the journal cannot be made ({}). The gateway's user "
                           "must be able to write the directory.",
                           file, std::strerror(error)));
}

// False: errno says why.
bool sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const int result = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  errno = error;
  return result == 0;
}

// One behind the highest number that a file here has.
std::uint64_t next_file_in(const std::string& directory) {
  std::uint64_t next = 0;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = file.path().filename();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc()) next = std::max(next, number + 1);
  }
  return next;
}

}  // namespace

// A mapped file.
class Journal::Segment {
 public:
  // Blank, with all its blocks.
  static FaultOr<std::unique_ptr<Segment>> make(const std::string& file, std::size_t bytes) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) return no_segment(file, errno);
    // Unlike most calls this one returns its error.
    int error = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    void* mapped = MAP_FAILED;
    if (error == 0) {
      mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
      if (mapped == MAP_FAILED) error = errno;
    }
    close(descriptor);
    if (error != 0) {
      unlink(file.c_str());
      return no_segment(file, error);
    }
    return std::unique_ptr<Segment>(new Segment(file, static_cast<char*>(mapped), bytes));
  }
  Segment(const Segment&) = delete;
  ~Segment() { munmap(start_, bytes_); }

  // What each first touch of a page costs, paid by the thread that has the time.
  void touch() {
#ifdef MADV_POPULATE_WRITE
    // An older kernel refuses; then the first touch costs what it costs.
    (void)madvise(start_, bytes_, MADV_POPULATE_WRITE);
#endif
  }
  void remove() { unlink(file_.c_str()); }
  // The file and its header, on the disk.
  FaultOr<void> keep(const std::string& directory) {
    const std::string parent = std::filesystem::path(directory).parent_path();
    const bool kept = msync(start_, kPageBytes, MS_SYNC) == 0 && sync_directory(directory) &&
                      sync_directory(parent.empty() ? "." : parent);
    if (!kept) return no_segment(file_, errno);
    return {};
  }

  char* start() { return start_; }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t number = 0;
  std::size_t filled = 0;  // Behind the last entry, once another segment is being filled.

 private:
  Segment(std::string file, char* start, std::size_t bytes)
      : file_(std::move(file)), start_(start), bytes_(bytes) {}

  const std::string file_;
  char* const start_;
  const std::size_t bytes_;
};

Journal::Journal(std::string directory, const JournalId& id, const JournalOptions& options)
    : directory_(std::move(directory)), id_(id), seal_(id), options_(options) {}

Journal::~Journal() = default;

FaultOr<std::unique_ptr<Journal>> Journal::begin(const std::string& directory, const JournalId& id,
                                                 std::uint64_t number,
                                                 const JournalOptions& options) {
  std::unique_ptr<Journal> journal(new Journal(directory, id, options));
  journal->next_file_ = next_file_in(directory);
  TRY(segment, journal->make_segment(journal->next_file_++));
  segment->number = number;
  start_segment(segment->start(), {id, number, segment->bytes()});
  // That the journal is missing then always means that somebody took it away.
  TRY_DO(segment->keep(directory));
  segment->touch();
  journal->end_ = journal->taken_ = JournalPosition::start_of(number);
  journal->filling_ = segment.get();
  journal->used_.push_back(std::move(segment));
  return journal;
}

std::size_t Journal::item_bytes_max() const {
  return static_cast<std::size_t>(options_.segment_bytes) - kSegmentHeaderBytes -
         kEntryHeaderBytes - kEntryAlignment;
}

FaultOr<void> Journal::append(const Item& item) {
  const std::size_t packed = packed_bytes(item);
  if (packed > item_bytes_max()) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: a record of {} bytes is longer than a segment of the journal.",
                             directory_, packed));
  }
  if (end_.offset() + entry_bytes(packed) > filling_->bytes()) TRY_DO(next_segment());
  pack(item, filling_->start() + end_.offset() + kEntryHeaderBytes);
  publish_entry(seal_, filling_->start(), filling_->bytes(), end_, packed);
  end_.value += entry_bytes(packed);
  return {};
}

FaultOr<void> Journal::next_segment() {
  const std::lock_guard lock(segments_mutex_);
  if (spares_.empty()) {
    if (!short_because_.empty()) return fault(FaultKind::kRefusedByPeer, short_because_);
    FaultOr<std::unique_ptr<Segment>> made = make_segment(next_file_++);
    if (!made) {
      short_because_ = made.error().message;
      return std::unexpected(std::move(made.error()));
    }
    spares_.push_back(std::move(*made));
  }
  std::unique_ptr<Segment> next = std::move(spares_.back());
  spares_.pop_back();
  next->number = filling_->number + 1;
  next->filled = 0;
  start_segment(next->start(), {id_, next->number, next->bytes()});
  // From here on a reader finds the next segment, so the one before may name it.
  publish_skip(seal_, filling_->start(), filling_->bytes(), end_);
  filling_->filled = end_.offset();
  filling_ = next.get();
  end_ = JournalPosition::start_of(next->number);
  used_.push_back(std::move(next));
  return {};
}

FaultOr<std::unique_ptr<Journal::Segment>> Journal::make_segment(std::uint64_t file_number) {
  const std::string file = fmt::format("{}/{:08}{}", directory_, file_number, kSegmentSuffix);
  if (refuses_.load()) return no_segment(file, ENOSPC);
  return Segment::make(file, static_cast<std::size_t>(options_.segment_bytes));
}

void Journal::take_until(JournalPosition position, std::vector<std::string_view>& stretches) {
  stretches.clear();
  if (taken_ >= position) return;
  const std::lock_guard lock(segments_mutex_);
  for (const std::unique_ptr<Segment>& segment : used_) {
    if (segment->number < taken_.number()) continue;
    if (segment->number > position.number()) break;
    const std::size_t from =
        segment->number == taken_.number() ? taken_.offset() : kSegmentHeaderBytes;
    const std::size_t to =
        segment->number == position.number() ? position.offset() : segment->filled;
    if (from < to) stretches.emplace_back(segment->start() + from, to - from);
  }
  taken_ = position;
}

bool Journal::go_back(JournalPosition position) {
  const std::lock_guard lock(segments_mutex_);
  if (position > taken_ || used_.front()->number > position.number()) return false;
  taken_ = position;
  return true;
}

FaultOr<void> Journal::tend(JournalPosition written) {
  const auto wanted = static_cast<std::size_t>(options_.spares);
  std::vector<std::unique_ptr<Segment>> back;
  std::size_t ready = 0;
  {
    const std::lock_guard lock(segments_mutex_);
    while (used_.size() > 1 && used_.front()->number < written.number()) {
      back.push_back(std::move(used_.front()));
      used_.pop_front();
    }
    ready = spares_.size();
    if (back.empty() && ready >= wanted) return {};
  }
  for (std::unique_ptr<Segment>& segment : back) {
    // What a bad hour made beyond that goes back to the system.
    if (ready >= wanted) {
      segment->remove();
      continue;
    }
    blank_segment(segment->start());
    segment->touch();
    ++ready;
    const std::lock_guard lock(segments_mutex_);
    spares_.push_back(std::move(segment));
    short_because_.clear();
  }
  while (ready < wanted) {
    std::unique_lock lock(segments_mutex_);
    const std::uint64_t file_number = next_file_++;
    lock.unlock();
    FaultOr<std::unique_ptr<Segment>> made = make_segment(file_number);
    if (made) (*made)->touch();
    lock.lock();
    if (!made) {
      short_because_ = made.error().message;
      return std::unexpected(std::move(made.error()));
    }
    spares_.push_back(std::move(*made));
    short_because_.clear();
    ++ready;
  }
  return {};
}

bool Journal::is_short() const {
  const std::lock_guard lock(segments_mutex_);
  return spares_.empty() && !short_because_.empty();
}

std::size_t Journal::segments() const {
  const std::lock_guard lock(segments_mutex_);
  return used_.size() + spares_.size();
}

void Journal::disk_is(Disk disk) { refuses_.store(disk == Disk::kFull); }

}  // namespace tollgate::storage
