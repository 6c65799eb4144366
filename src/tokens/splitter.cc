#include "tokens/splitter.h"

#include <algorithm>
#include <iterator>

#include "tokens/punctuation_ranges.h"
#include "tokens/unicode_ranges.h"

namespace tollgate::tokens {
namespace {

std::uint8_t class_of_letter(char letter) {
  switch (letter) {
    case 'U':
      return kUpper;
    case 'L':
      return kLower;
    case 'B':
      return kBoth;
    case 'M':
      return kMark;
    case 'N':
      return kNumber;
    case 'R':
      return kNewline;
    case 'S':
      return kSpace;
    default:
      return kOther;
  }
}

// What deepseek calls a character of that class.
std::uint8_t deepseek_class(std::uint32_t point, std::uint8_t known) {
  const bool east = (point >= 0x4e00 && point <= 0x9fa5) || (point >= 0x3040 && point <= 0x30ff);
  if (east) return kEast;
  if ((known & (kUpper | kLower | kBoth)) != 0) return kAnyLetter;
  if (known != kOther) return known;
  const auto* const behind =
      std::ranges::upper_bound(ranges::kPunctuation, point, {}, &PunctuationRange::first);
  const bool is_punctuation = behind != std::begin(ranges::kPunctuation) && point < behind[-1].end;
  return is_punctuation ? kOther : kLoose;
}

}  // namespace

Classes::Classes(Pattern pattern) {
  std::size_t range = 0;
  for (std::uint32_t block = 0; block < block_of_.size(); ++block) {
    std::array<std::uint8_t, 256> made;
    for (std::uint32_t low = 0; low < 256; ++low) {
      const std::uint32_t point = block << 8 | low;
      while (range + 1 < std::size(ranges::kUnicodeRanges) &&
             ranges::kUnicodeRanges[range + 1].first <= point) {
        ++range;
      }
      made[low] = class_of_letter(static_cast<char>(ranges::kUnicodeRanges[range].letter));
      if (pattern == Pattern::kDeepseek) made[low] = deepseek_class(point, made[low]);
    }
    const auto same = std::ranges::find(blocks_, made);
    block_of_[block] = static_cast<std::uint16_t>(same - blocks_.begin());
    if (same == blocks_.end()) blocks_.push_back(made);
  }
  for (std::uint32_t byte = 0; byte < 0x80; ++byte) ascii_[byte] = of(byte);
  for (std::uint32_t point = 0x80; point < two_.size(); ++point) two_[point] = of(point);
  // Below 0x800 a form of three bytes is overlong, and surrogates are no characters.
  for (std::uint32_t point = 0x800; point < 0x10000; point += 0x40) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const std::uint8_t first = of(point);
    bool alike = true;
    for (std::uint32_t low = 1; low < 0x40; ++low) alike = alike && of(point + low) == first;
    three_[point >> 6] = alike ? first : 0;
  }
}

}  // namespace tollgate::tokens
