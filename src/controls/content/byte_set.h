// Finds bytes of a set in a text, 32 at a time.
//
// Pure; safe from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tollgate::content {

// Some of the control characters and the backslash, 0x7F, and bytes from 0xC0 on, which begin the
// characters beyond ASCII.
class ByteSet {
 public:
  void add(unsigned char byte);
  bool has(char c) const { return has_[static_cast<unsigned char>(c)]; }

  // The first place from `at` on with one of them; the size where there is none.
  std::size_t find(std::string_view text, std::size_t at) const;
  // The same, or the first of more than kSpacesMax white space in a row.
  std::size_t find_or_gap(std::string_view text, std::size_t at) const;

 private:
  std::array<bool, 256> has_{};
  // Of half bytes, which have a bit in common for a byte of the set.
  std::array<std::uint8_t, 16> of_low_{};
  std::array<std::uint8_t, 16> of_high_{};
};

}  // namespace tollgate::content
