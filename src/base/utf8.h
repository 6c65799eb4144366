// Characters as UTF-8.
//
// Pure; safe from any thread. Source: RFC 3629.
#pragma once

#include <cstdint>
#include <string_view>

namespace tollgate {

struct Utf8 {
  char bytes[4] = {};
  std::uint8_t size = 0;
  constexpr std::string_view view() const { return {bytes, size}; }
};

// Of a code point up to U+10FFFF.
constexpr Utf8 utf8(std::uint32_t c) {
  Utf8 made;
  const auto put = [&](std::uint32_t byte) { made.bytes[made.size++] = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
    return made;
  }
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
  return made;
}

}  // namespace tollgate
