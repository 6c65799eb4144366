// The letters by which byte-level vocabularies write bytes, so that a token is a printable text:
// each byte that ISO 8859-1 prints stands for itself, and the others for U+0100 and on.
//
// Source: bytes_to_unicode() of GPT-2's encoder.
//
// No I/O. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tollgate::tokens {

namespace byte_letters {

inline constexpr std::uint32_t kLetters = 0x144;

inline constexpr bool prints(std::uint32_t byte) {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

// From code point to byte; -1 for one that stands for none.
inline constexpr std::array<std::int16_t, kLetters> kByteOf = [] {
  std::array<std::int16_t, kLetters> made{};
  made.fill(-1);
  std::uint32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 0x100; ++byte) {
    made[prints(byte) ? byte : next++] = static_cast<std::int16_t>(byte);
  }
  return made;
}();

}  // namespace byte_letters

// The bytes that `written`, which is UTF-8, stands for; none if a character of it stands for none.
inline std::optional<std::string> bytes_of_letters(std::string_view written) {
  std::string bytes;
  for (std::size_t at = 0; at < written.size();) {
    std::uint32_t point = static_cast<unsigned char>(written[at++]);
    if (point >= 0x80) {
      // Of two bytes, or beyond the letters.
      if (point >= 0xe0 || at == written.size()) return std::nullopt;
      point = (point & 0x1f) << 6 | (static_cast<unsigned char>(written[at++]) & 0x3f);
    }
    if (point >= byte_letters::kLetters || byte_letters::kByteOf[point] < 0) return std::nullopt;
    bytes += static_cast<char>(byte_letters::kByteOf[point]);
  }
  return bytes;
}

}  // namespace tollgate::tokens
