// Where a character of a text ends, for texts that may be no UTF-8.
//
// No I/O. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace tollgate::tokens {

// The bytes of the character that `text`, which is not empty, begins with: as many as its first
// byte says, if continuations follow; else one.
inline std::size_t character_bytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0xc2   ? 1
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 1;
  if (length > text.size()) return 1;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 1;
  }
  return length;
}

}  // namespace tollgate::tokens
