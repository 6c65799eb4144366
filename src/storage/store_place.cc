#include "storage/store_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace tollgate::storage {
namespace {

// The whole file, of the open file itself: unlike flock(2), such a lock can be asked about
// without being taken, so that a command never stands in the way of a gateway that starts.
struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

FaultOr<std::unique_ptr<StoreLock>> StoreLock::take(const std::string& file,
                                                    std::string_view what) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::unique_ptr<StoreLock> lock(new StoreLock(descriptor));
  if (descriptor < 0) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("{}: cannot be opened ({}). Its directory must be there and writable "
                             "for the gateway's user.",
                             file, std::strerror(errno)));
  }
  struct flock wanted = whole_file();
  if (fcntl(descriptor, F_OFD_SETLK, &wanted) != 0) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: another gateway serves from it. Stop it, or give this one its "
                             "own: see store.ledger and store.state_directory.",
                             what));
  }
  return lock;
}

bool StoreLock::is_taken(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;  // No gateway ever served from it.
  struct flock found = whole_file();
  const bool asked = fcntl(descriptor, F_OFD_GETLK, &found) == 0;
  close(descriptor);
  return asked && found.l_type != F_UNLCK;
}

StoreLock::~StoreLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

FaultOr<std::unique_ptr<TemporaryDirectory>> TemporaryDirectory::make() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  std::string name = (parent / "tollgate-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    return fault(FaultKind::kUnreachable,
                 fmt::format("No directory can be made in {} ({}). Set TMPDIR to one that the "
                             "gateway's user can write.",
                             parent.string(), std::strerror(errno)));
  }
  return std::unique_ptr<TemporaryDirectory>(new TemporaryDirectory(name));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // The system empties its own directory of temporary files.
  std::filesystem::remove_all(path_, ignored);
}

FaultOr<void> make_state_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: cannot be made ({}). store.state_directory names a directory that "
                           "the gateway's user can write.",
                           path, std::strerror(errno)));
}

}  // namespace tollgate::storage
