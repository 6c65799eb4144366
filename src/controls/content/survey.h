// One look at the bytes of a text, which tells what there is no need to look for.
//
// Pure; safe from any thread. 16 bytes at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace tollgate::content {

// Runs that are shorter hold nothing that is worth decoding.
inline constexpr std::size_t kEncodedMin = 16;

struct Survey {
  bool has_others = false;   // Bytes beyond ASCII, or control characters but white space.
  bool has_escapes = false;  // Backslashes.
  bool has_marks = false;    // % or &.
  bool has_spaces = false;   // White space next to white space.
  // Either kEncodedMin letters, digits and +-/_ in a row, or pairs of hex digits, or numbers in
  // hex: what may be base64 or hex.
  bool has_runs = false;
};

Survey survey(std::string_view text);

}  // namespace tollgate::content
