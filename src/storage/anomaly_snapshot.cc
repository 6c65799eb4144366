#include "storage/anomaly_snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tollgate::storage {
namespace {

constexpr std::uintmax_t kBytesMax = std::uintmax_t{256} << 20;
constexpr std::size_t kChecksum = 32;

std::unexpected<Fault> failed(const std::string& path, std::string_view what) {
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: {} ({}).", path, what, std::strerror(errno)));
}

bool write_whole(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return fsync(descriptor) == 0;
}

}  // namespace

FaultOr<bool> load_anomalies(const std::string& path, anomalies::Anomalies& anomalies) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) return false;
  std::string bytes;
  if (!error && size <= kBytesMax) {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (!anomalies.restore(bytes)) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: what was learned of how callers behave cannot be read; it is "
                             "learned anew, and until then little is unusual.",
                             path));
  }
  return true;
}

FaultOr<void> AnomalySnapshot::save() {
  const std::string bytes = anomalies_.snapshot();
  if (bytes.size() < kChecksum) return {};
  const std::string_view checksum = std::string_view(bytes).substr(bytes.size() - kChecksum);
  if (checksum == last_) return {};
  const std::string draft = path_ + ".new";
  const int descriptor = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed(draft, "it cannot be made");
  const bool written = write_whole(descriptor, bytes);
  const bool closed = close(descriptor) == 0;
  if (!written || !closed) return failed(draft, "it cannot be written");
  if (rename(draft.c_str(), path_.c_str()) != 0) return failed(path_, "it cannot be replaced");
  last_ = checksum;
  return {};
}

}  // namespace tollgate::storage
