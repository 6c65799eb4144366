// Which two characters stand side by side in some token, told by the byte that ends the one and
// the byte that begins the other: between two that stand so in none every merge ends, and a text
// that no pattern splits can be split there.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tollgate::tokens {

class Joins {
 public:
  // Learns what the token `word` joins.
  void add(std::string_view word) {
    for (std::size_t i = 1; i < word.size(); ++i) bit_of(word[i - 1], word[i]) |= mask(word[i]);
  }

  // Joins everything, but for what is before a space.
  void join_all_but_spaces() {
    for (std::size_t left = 0; left < 256; ++left) {
      for (std::size_t part = 0; part < 4; ++part) {
        const std::uint64_t space = part == 0 ? mask(' ') : 0;
        bits_[left * 4 + part] |= ~space;
      }
    }
  }

  // Whether a token may reach across from the byte `left` to `right`. Within a character, always.
  bool across(char left, char right) const {
    return (static_cast<unsigned char>(right) & 0xc0) == 0x80 ||
           (bits_[index(left, right)] & mask(right)) != 0;
  }

 private:
  static std::size_t index(char left, char right) {
    return static_cast<std::size_t>(static_cast<unsigned char>(left)) * 4 +
           static_cast<unsigned char>(right) / 64;
  }
  static std::uint64_t mask(char right) {
    return std::uint64_t{1} << static_cast<unsigned char>(right) % 64;
  }
  std::uint64_t& bit_of(char left, char right) { return bits_[index(left, right)]; }

  std::array<std::uint64_t, 256 * 4> bits_{};
};

}  // namespace tollgate::tokens
