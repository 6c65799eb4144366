// The words that people write beside a number, and which kinds of numbers each of them names.
// Internal to content.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tollgate::content {

// Immutable.
class PiiWords {
 public:
  static constexpr std::size_t kKindsMax = 128;
  using Kinds = std::bitset<kKindsMax>;

  PiiWords();
  static const PiiWords& get();

  // The kinds that a text in lower case names. Linear in it.
  Kinds in(std::string_view text) const;

 private:
  struct Word {
    std::uint64_t key = 0;  // By which it is looked up; 0: none.
    std::string_view text;
    Kinds kinds;
  };
  static constexpr std::size_t kSlots = 1024;
  static std::uint64_t key_at(std::string_view text, std::size_t at, std::size_t& end);
  static std::size_t slot_of(std::uint64_t key);
  void add(std::string_view text, std::size_t kind);

  std::vector<Word> words_{kSlots};  // By slot; the next one where it is taken.
};

}  // namespace tollgate::content
