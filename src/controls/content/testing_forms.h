// Encoding and forms, for the tests of this folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "controls/content/forms.h"

namespace tollgate::content::testing {

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string made;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = at; i < at + 3; ++i) {
      group = group << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    }
    for (int i = 3; i >= 0; --i) made.push_back(kLetters[group >> (6 * i) & 0x3F]);
  }
  for (std::size_t i = 0; i < (3 - bytes.size() % 3) % 3; ++i) made[made.size() - 1 - i] = '=';
  return made;
}

inline std::string base32(std::string_view bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string made;
  unsigned value = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    value = value << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 5; bits -= 5) made += kLetters[value >> (bits - 5) & 31];
  }
  if (bits > 0) made += kLetters[value << (5 - bits) & 31];
  while (made.size() % 8 != 0) made += '=';
  return made;
}

// Each byte in two digits, `before` each and `between` them.
inline std::string hex(std::string_view bytes, std::string_view before = {},
                       std::string_view between = {}) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string made;
  for (const char c : bytes) {
    if (!made.empty()) made += between;
    made += before;
    made.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    made.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return made;
}

// Replaces parts of what next() told last by where they stand in the text.
inline void lead_to_text(Forms& forms, const Forms::Seen& seen, std::span<Extent> extents) {
  forms.lead_to_layer(seen, extents);
  forms.lead_back(seen, extents);
}

inline std::string with_between(std::string_view text, std::string_view what) {
  std::string made;
  for (const char c : text) {
    made.push_back(c);
    made += what;
  }
  return made;
}

}  // namespace tollgate::content::testing
