// Hexadecimal digits in a text, small or capital.
//
// Pure; safe from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tollgate {

inline constexpr std::uint8_t kNoDigit = 0xFF;

inline constexpr std::array<std::uint8_t, 256> kHex = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 10; ++i) values[static_cast<std::size_t>('0') + i] = i;
  for (std::uint8_t i = 10; i < 16; ++i) {
    values[static_cast<std::size_t>('a') + i - 10] = i;
    values[static_cast<std::size_t>('A') + i - 10] = i;
  }
  return values;
}();

// The digit's value; kNoDigit, which is more than any, where it is none.
inline std::uint8_t hex(char c) { return kHex[static_cast<unsigned char>(c)]; }
inline bool is_hex(char c) { return hex(c) != kNoDigit; }
// Two digits, which are one byte.
inline bool is_pair(std::string_view text, std::size_t at) {
  return at + 1 < text.size() && is_hex(text[at]) && is_hex(text[at + 1]);
}
inline char byte_of(std::string_view text, std::size_t at) {
  return static_cast<char>(hex(text[at]) << 4 | hex(text[at + 1]));
}

}  // namespace tollgate
