#include "storage/whole_file.h"

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

FaultOr<void> replace_file(const std::string& path, std::string_view bytes) {
  const std::string draft = path + ".new";
  const int descriptor = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed(draft, "it cannot be made");
  const bool written = write_whole(descriptor, bytes);
  const bool closed = close(descriptor) == 0;
  const bool is_whole = written && closed;
  if (is_whole && rename(draft.c_str(), path.c_str()) == 0) return {};
  auto why =
      failed(is_whole ? path : draft, is_whole ? "it cannot be replaced" : "it cannot be written");
  (void)unlink(draft.c_str());
  return why;
}

std::optional<std::string> whole_file(const std::string& path, std::uintmax_t most) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) return std::nullopt;
  std::string bytes;
  if (!error && size <= most) {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  return bytes;
}

}  // namespace tollgate::storage
