#include "controls/content/escapes.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <cstdint>

#include "base/hex.h"
#include "base/utf8.h"
#include "controls/content/characters.h"
#include "controls/content/entity_names.h"

namespace tollgate::content {

namespace {

bool is_text(std::uint32_t value) { return value >= ' ' || (value >= '\t' && value <= '\r'); }

constexpr std::uint32_t kPointsEnd = 0x110000;

// A number in `base` that begins at `at`, of at most `digits_max` digits; the end is `at` where
// there is none, or none that is a character.
struct Number {
  std::uint32_t value = 0;
  std::size_t end = 0;
};
Number number_at(std::string_view text, std::size_t at, std::uint32_t base,
                 std::size_t digits_max) {
  Number made{0, at};
  const std::size_t end = std::min(text.size(), at + digits_max);
  while (made.end < end && hex(text[made.end]) < base) {
    made.value = std::min(made.value * base + hex(text[made.end]), kPointsEnd);
    ++made.end;
  }
  const bool is_character = made.value < kPointsEnd && (made.value < 0xD800 || made.value > 0xDFFF);
  if (!is_character) made.end = at;
  return made;
}

// Behind a percent sign: u and four digits.
Number unit_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kDigits = 4;
  if (at >= text.size() || (text[at] | 0x20) != 'u') return {0, at};
  const Number number = number_at(text, at + 1, 16, kDigits);
  return number.end == at + 1 + kDigits ? number : Number{0, at};
}

}  // namespace

std::size_t percent_at(std::string_view text, std::size_t at, std::string& read) {
  std::size_t digits = at + 1;
  const auto is_one = [&](std::size_t first) {
    return is_pair(text, first) || unit_at(text, first).end > first;
  };
  // The percent sign itself, encoded.
  while (text.substr(digits, 2) == "25" && is_one(digits + 2)) digits += 2;
  if (const Number unit = unit_at(text, digits); unit.end > digits) {
    read = utf8(unit.value).view();
    return unit.end - at;
  }
  if (!is_pair(text, digits)) return 0;
  read.push_back(byte_of(text, digits));
  return digits + 2 - at;
}

std::size_t entity_at(std::string_view text, std::size_t at, std::string& read) {
  constexpr std::string_view kAmpersand = "amp;";
  constexpr std::size_t kNameMax = 32;  // CounterClockwiseContourIntegral has 31.
  std::size_t name = at + 1;
  while (text.substr(name, kAmpersand.size()) == kAmpersand) name += kAmpersand.size();
  const bool has_ampersand = name > at + 1;
  std::size_t end = name;
  if (name < text.size() && text[name] == '#') {
    constexpr std::size_t kDigitsMax = 12;
    const bool is_hexadecimal = name + 1 < text.size() && (text[name + 1] | 0x20) == 'x';
    const std::size_t digits = name + (is_hexadecimal ? 2 : 1);
    const Number number = number_at(text, digits, is_hexadecimal ? 16 : 10, kDigitsMax);
    const bool is_closed = number.end < text.size() && text[number.end] == ';';
    if (number.end > digits && (is_closed || is_text(number.value))) {
      read = utf8(number.value).view();
      return number.end + (is_closed ? 1 : 0) - at;
    }
  } else {
    const std::size_t last = std::min(text.size(), name + kNameMax);
    while (end < last && u_isalnum(static_cast<unsigned char>(text[end])) != 0) ++end;
    if (end > name && end < text.size() && text[end] == ';') {
      if (const std::string* const known = entity_named(text.substr(name, end - name))) {
        read = *known;
        return end + 1 - at;
      }
    }
  }
  if (!has_ampersand) return 0;
  read = "&";
  return name - at;
}

std::size_t escape_at(std::string_view text, std::size_t at, std::string& read,
                      std::size_t& looked_to) {
  std::size_t letter = at;
  while (letter < text.size() && text[letter] == '\\') ++letter;
  looked_to = letter;
  if (letter == text.size()) return 0;
  const std::size_t digits = letter + 1;
  if (text[letter] == 'x' && is_pair(text, digits)) {
    read.push_back(byte_of(text, digits));
    return digits + 2 - at;
  }
  constexpr std::size_t kDigits = 8;
  constexpr std::size_t kOctal = 3;
  Number number;
  if (text[letter] == '0' || text[letter] == '1') {
    number = number_at(text, letter, 8, kOctal);
    if (number.end != letter + kOctal || !is_text(number.value)) return 0;
  } else if (text[letter] == 'U') {
    number = number_at(text, digits, 16, kDigits);
    if (number.end != digits + kDigits) return 0;
  } else if ((text[letter] == 'u' || text[letter] == 'x') && text.substr(digits, 1) == "{") {
    number = number_at(text, digits + 1, 16, kDigits);
    if (number.end <= digits + 1 || text.substr(number.end, 1) != "}") return 0;
    ++number.end;
  } else {
    return 0;
  }
  read = utf8(number.value).view();
  return number.end - at;
}

}  // namespace tollgate::content
