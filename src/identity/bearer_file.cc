#include "identity/bearer_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

namespace tollgate::identity {

BearerFiles::Stamp BearerFiles::stamp_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {static_cast<std::int64_t>(found.st_dev), static_cast<std::int64_t>(found.st_ino),
          static_cast<std::int64_t>(found.st_size),
          found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
}

std::string BearerFiles::read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string token(kBytesMax + 1, '\0');
  in.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(in.gcount()));
  token.erase(token.find_last_not_of(" \t\r\n") + 1);
  const bool plain = std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7F; });
  if (token.size() > kBytesMax || !plain) token.clear();
  return token;
}

FaultOr<std::string> BearerFiles::token(const std::string& path, Instant now) {
  auto at = kept_.find(path);
  if (at == kept_.end()) {
    if (kept_.size() >= kKept) kept_.clear();
    at = kept_.try_emplace(path).first;
    at->second.looked = now - kLookEvery;
  }
  Kept& kept = at->second;
  if (now - kept.looked >= kLookEvery) {
    kept.looked = now;
    // Before it is read: what is written meanwhile is seen the next time.
    const Stamp stamp = stamp_of(path);
    if (stamp != kept.stamp || kept.token.empty()) kept.token = read(path);
    kept.stamp = stamp;
  }
  if (!kept.token.empty()) return kept.token;
  return fault(FaultKind::kBroken, fmt::format("there is no token to ask with in `{}`", path));
}

}  // namespace tollgate::identity
