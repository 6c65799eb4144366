#include "cli/author.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace tollgate::cli {

namespace {

// A user without a name is told by its number.
std::string user_name(uid_t user) {
  constexpr std::size_t kEntryBytes = 16 << 10;
  std::vector<char> room(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, room.data(), room.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return fmt::format("uid {}", user);
}

}  // namespace

storage::Author command_author() {
  storage::Author author;
  author.kind = storage::Author::Kind::kCommand;
  author.subject = user_name(getuid());
  const char* caller = std::getenv("SUDO_USER");
  if (caller != nullptr && *caller != 0) {
    author.subject += fmt::format(" (SUDO_USER {})", caller);
  }
  return author;
}

}  // namespace tollgate::cli
