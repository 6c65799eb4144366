#include "tokens/doubled_member.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>

#include "tokens/keyed_hash.h"

namespace tollgate::tokens {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// So many names are compared one by one, which is faster than a table of them.
constexpr std::size_t kFew = 16;
constexpr std::size_t kToldBytes = 60;

// Of the names of one object.
class Names {
 public:
  // Whether it is there already.
  bool add(std::string_view name) {
    if (count_ < kFew) {
      if (std::ranges::count(few_.begin(), few_.begin() + count_, name) != 0) return true;
      few_[count_++] = name;
      return false;
    }
    if (many_.empty()) many_.insert(few_.begin(), few_.end());
    return !many_.insert(name).second;
  }

 private:
  std::array<std::string_view, kFew> few_;
  std::size_t count_ = 0;
  std::unordered_set<std::string_view, KeyedHash> many_;
};

std::string shown(std::string_view name) {
  if (name.size() <= kToldBytes) return fmt::format("`{}`", name);
  std::size_t end = kToldBytes;
  while ((static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;
  return fmt::format("`{}…`", name.substr(0, end));
}

// What is found further in, as seen from one step further out.
std::string behind(std::string place, std::string_view found) {
  const bool is_place = !found.starts_with('`') && !found.starts_with('[');
  return place.append(found.starts_with('`') ? ": " : is_place ? "." : "").append(found);
}

}  // namespace

std::optional<std::string> doubled_member(element root) {
  object members;
  if (root.get(members) == simdjson::SUCCESS) {
    Names names;
    for (const auto member : members) {
      if (names.add(member.key)) return shown(member.key);
      if (!member.value.is_object() && !member.value.is_array()) continue;
      if (const auto found = doubled_member(member.value)) {
        return behind(std::string(member.key.substr(0, kToldBytes)), *found);
      }
    }
    return std::nullopt;
  }
  array items;
  if (root.get(items) != simdjson::SUCCESS) return std::nullopt;
  std::size_t number = 0;
  for (const element item : items) {
    if (item.is_object() || item.is_array()) {
      if (const auto found = doubled_member(item)) {
        return behind(fmt::format("[{}]", number), *found);
      }
    }
    ++number;
  }
  return std::nullopt;
}

}  // namespace tollgate::tokens
