// One look at the bytes of a text, which tells what there is no need to look for.
//
// Pure; safe from any thread. 32 bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tollgate::content {

// Runs that are shorter hold nothing that is worth decoding.
inline constexpr std::size_t kEncodedMin = 16;

// So much white space may be as it is between words.
inline constexpr std::size_t kSpacesMax = 4;

// Where in a text something may begin that is encoded: kEncodedMin letters, digits and +-/_ in a
// row, pairs of hex digits, numbers in hex, and the signs that begin an escape or an entity.
class Candidates {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  // The first from `at` on.
  std::size_t next(std::size_t at) const;
  // Gives back what is more than `bytes`.
  void trim(std::size_t bytes);

 private:
  friend class Surveyor;
  std::vector<std::uint64_t> blocks_;  // A bit for each byte.
};

struct Survey {
  bool has_others = false;   // Bytes beyond ASCII, or control characters but white space.
  bool has_escapes = false;  // Backslashes.
  bool has_gaps = false;     // More than kSpacesMax white space in a row.
  bool may_mix = false;  // Letters of ASCII in one word with some of a script that looks like it.
  bool may_be_encoded = false;  // There are candidates.
};

Survey survey(std::string_view text, Candidates& candidates);

// The first place from `at` on where a letter of ASCII and a character beyond it stand together;
// the size where there is none.
std::size_t next_mix(std::string_view text, std::size_t at);

}  // namespace tollgate::content
