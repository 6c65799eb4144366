// Texts of protocols, whose letters are those of ASCII.
#pragma once

#include <algorithm>
#include <string_view>

namespace tollgate {

// Whether both are the same but for the case of their letters; no other bytes are folded.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    return lower(x) == lower(y);
  });
}

}  // namespace tollgate
