// Any request target: what is accepted is in canonical form, and stays so when read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/check.h"
#include "controls/authorization/authorization.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tollgate;
  Arena arena;
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  const Expected<std::string_view> path = authorization::canonical_path(target, arena);
  if (!path) {
    CHECK(path.error().reason == Reason::kInvalidRequest);
    return 0;
  }
  CHECK(path->starts_with('/') && path->size() <= 4096);
  CHECK(path->find("//") == std::string_view::npos);
  CHECK(path->find("/./") == std::string_view::npos && !path->ends_with("/."));
  CHECK(path->find("/../") == std::string_view::npos && !path->ends_with("/.."));
  for (const char c : *path) CHECK(c > ' ' && c < 0x7f && c != '\\' && c != '%' && c != '?');
  const Expected<std::string_view> again = authorization::canonical_path(*path, arena);
  CHECK(again && *again == *path);
  return 0;
}
