#include "storage/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "storage/try.h"

namespace tollgate::storage {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kFileBytesMax = 4096;

std::unexpected<Fault> failed(const std::string& path, std::string_view what) {
  return fault(FaultKind::kUnreachable,
               fmt::format("{}: {} ({}). The gateway's user must be able to read and write the "
                           "file and its directory.",
                           path, what, std::strerror(errno)));
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Nothing: there is no such file.
FaultOr<std::optional<std::string>> load(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.descriptor() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return failed(path, "the secret cannot be read");
  }
  struct stat status{};
  if (fstat(file.descriptor(), &status) != 0) return failed(path, "the secret cannot be read");
  if (!S_ISREG(status.st_mode)) {
    return fault(FaultKind::kRefusedByPeer, fmt::format("{}: a secret is an ordinary file.", path));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the secret has mode {:04o}, so others than its owner can reach "
                             "it. Run `chmod 600 {}`, and replace it if others may have read it.",
                             path, status.st_mode & 07777, path));
  }
  std::string bytes(kFileBytesMax, '\0');
  const ssize_t count = read(file.descriptor(), bytes.data(), bytes.size());
  if (count < 0) return failed(path, "the secret cannot be read");
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

// Another process may make it at the same moment: whoever links first wins.
FaultOr<void> make(const std::string& path, std::string_view content) {
  const std::string draft = fmt::format("{}.new-{}", path, getpid());
  unlink(draft.c_str());
  const File file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.descriptor() < 0) return failed(path, "the secret cannot be made");
  const ssize_t count = write(file.descriptor(), content.data(), content.size());
  bool made = count == static_cast<ssize_t>(content.size()) && fsync(file.descriptor()) == 0;
  made = made && (link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int error = errno;
  unlink(draft.c_str());
  errno = error;
  if (!made) return failed(path, "the secret cannot be made");
  return {};
}

FaultOr<std::string> load_or_make(const std::string& path, std::string_view fresh) {
  TRY(loaded, load(path));
  if (loaded) return std::move(*loaded);
  TRY_DO(make(path, fresh));
  TRY(made, load(path));
  if (!made) return failed(path, "the secret was made and is gone");
  return std::move(*made);
}

FaultOr<std::array<std::uint8_t, kSecretBytes>> random_bytes() {
  std::array<std::uint8_t, kSecretBytes> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
    return fault(FaultKind::kBroken, "The system gave no random bytes.");
  }
  return bytes;
}

}  // namespace

FaultOr<authentication::Pepper> load_or_make_pepper(const std::string& path) {
  TRY(random, random_bytes());
  TRY(bytes, load_or_make(path, {reinterpret_cast<const char*>(random.data()), random.size()}));
  if (bytes.size() < kSecretBytes) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: a pepper has at least {} bytes, this file has {}. Put the "
                             "backup back: without it no key is accepted.",
                             path, kSecretBytes, bytes.size()));
  }
  authentication::Pepper pepper(
      {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  OPENSSL_cleanse(bytes.data(), bytes.size());
  OPENSSL_cleanse(random.data(), random.size());
  return pepper;
}

FaultOr<std::string> load_or_make_gateway_name(const std::string& path) {
  constexpr std::size_t kDigits = 16;
  TRY(random, random_bytes());
  std::string fresh;
  for (const std::uint8_t byte : std::span(random).first(kDigits / 2)) {
    fmt::format_to(std::back_inserter(fresh), "{:02x}", byte);
  }
  TRY(name, load_or_make(path, fresh + "\n"));
  if (name.ends_with('\n')) name.pop_back();
  if (name.size() == kDigits && name.find_first_not_of("0123456789abcdef") == std::string::npos) {
    return name;
  }
  return fault(FaultKind::kCorrupt,
               fmt::format("{}: a gateway's name is {} digits of 0-9 and a-f. Put the backup back; "
                           "without it what this gateway leased stays taken.",
                           path, kDigits));
}

FaultOr<config::Secret> load_or_make_admin_token(const std::string& path) {
  TRY(random, random_bytes());
  std::string fresh;
  for (const std::uint8_t byte : random) fmt::format_to(std::back_inserter(fresh), "{:02x}", byte);
  TRY(bytes, load_or_make(path, fresh + "\n"));
  std::string_view token = bytes;
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.remove_suffix(1);
  if (token.size() < kSecretBytes || token.find_first_of(" \t\r\n") != std::string_view::npos) {
    return fault(FaultKind::kCorrupt,
                 fmt::format("{}: an admin token is one line of at least {} characters without "
                             "spaces. Delete the file to have a new one made.",
                             path, kSecretBytes));
  }
  return config::Secret(std::string(token));
}

}  // namespace tollgate::storage
