// Names as an operator lists them: exact ones, and with a trailing `*` all that begin so.
//
// A look-up costs the same however many there are. const is safe from any thread. No I/O.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace tollgate::authorization {

class NamePatterns {
 public:
  NamePatterns() = default;
  explicit NamePatterns(std::vector<std::string> entries);
  NamePatterns(std::initializer_list<std::string> entries)
      : NamePatterns(std::vector<std::string>(entries)) {}

  bool matches(std::string_view name) const;

  // As they were written.
  const std::vector<std::string>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  std::vector<std::string> entries_;
  std::unordered_set<std::string, Hash, std::equal_to<>> exact_;
  // Sorted, none a prefix of another: the one before a name is the only one it can begin with.
  std::vector<std::string> prefixes_;
};

}  // namespace tollgate::authorization
