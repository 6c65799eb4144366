#include "controls/content/named_numbers.h"

#include <algorithm>
#include <cstdint>

#include "base/hex.h"
#include "base/utf8.h"
#include "controls/content/characters.h"
#include "controls/content/codes.h"
#include "controls/content/identifiers.h"

namespace tollgate::content {

namespace {

constexpr std::size_t kSeparatorsMax = 4;
constexpr std::size_t kNameMax = 16;                      // Of a function.
constexpr std::size_t kNumberMax = kNameMax + 1 + 4 + 1;  // With "(0x69)" behind it.

bool is_separator(char c) { return std::string_view(" ,:;-/|.+&_'\"\t\r\n").contains(c); }
bool is_letter(char c) { return is_upper(c) || is_lower(c); }
char small(char c) { return static_cast<char>(c | 0x20); }

struct Number {
  std::size_t end = 0;  // 0: there is none.
  std::uint32_t value = 0;
  bool is_byte = false;
};

// Digits from `at` on, `least` to `most` of them.
Number digits_at(std::string_view text, std::size_t at, std::uint32_t base, std::size_t least,
                 std::size_t most) {
  Number made{.end = at};
  const std::size_t end = std::min(text.size(), at + most);
  while (made.end < end && hex(text[made.end]) < base) {
    made.value = made.value * base + hex(text[made.end++]);
  }
  return made.end >= at + least ? made : Number{};
}

bool is_point(std::string_view text, std::size_t at) {
  return at + 1 < text.size() && small(text[at]) == 'u' && text[at + 1] == '+';
}

// 0b…, 0o…: bytes, or characters.
Number prefixed_at(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return {};
  const bool is_binary = small(text[at + 1]) == 'b';
  Number made;
  if (is_binary) made = digits_at(text, at + 2, 2, 7, 8);
  if (small(text[at + 1]) == 'o') made = digits_at(text, at + 2, 8, 2, 3);
  if (made.end < text.size() && is_alnum(text[made.end])) return {};
  made.is_byte = is_binary;
  return made;
}

// chr(105) and the like, whatever the name, or with its number in hex.
Number call_at(std::string_view text, std::size_t at) {
  std::size_t open = at;
  const std::size_t end = std::min(text.size(), at + kNameMax);
  while (open < end && is_letter(text[open])) ++open;
  if (open == at || open == text.size() || text[open] != '(') return {};
  const std::size_t digits = open + 1;
  const bool is_in_hex = text.substr(digits, 2) == "0x";
  Number made =
      is_in_hex ? digits_at(text, digits + 2, 16, 2, 2) : digits_at(text, digits, 10, 2, 3);
  if (made.end == 0 || made.end == text.size() || text[made.end] != ')') return {};
  ++made.end;
  return made;
}

Number number_at(std::string_view text, std::size_t at) {
  Number made;
  if (is_point(text, at)) {
    made = digits_at(text, at + 2, 16, 4, 6);
  } else if (at > 0 && is_alnum(text[at - 1])) {
    return {};
  } else {
    made = text[at] == '0' ? prefixed_at(text, at) : call_at(text, at);
  }
  const bool is_text = (made.value >= ' ' && made.value != 0x7F) || made.value == '\n' ||
                       made.value == '\r' || made.value == '\t';
  const bool is_character = made.value < 0x110000 && (made.value < 0xD800 || made.value > 0xDFFF);
  return is_text && is_character ? made : Number{};
}

// Where the number begins whose digits stand at `at`.
std::size_t number_begin(std::string_view text, std::size_t at, std::size_t from) {
  if (at >= from + 2 && is_point(text, at - 2)) return at - 2;
  if (at < from + 2 || text[at - 1] != '(') return at;
  std::size_t begin = at - 1;
  const std::size_t least = begin - std::min(begin - from, kNameMax);
  while (begin > least && is_letter(text[begin - 1])) --begin;
  return begin;
}

// Where the number begins that stands before the one at `at`; `at`, where none does.
std::size_t number_before(std::string_view text, std::size_t at, std::size_t from) {
  std::size_t end = at;
  const std::size_t least_end = at - std::min(at - from, kSeparatorsMax);
  while (end > least_end && is_separator(text[end - 1])) --end;
  const std::size_t least = end - std::min(end - from, kNumberMax);
  for (std::size_t begin = end; begin-- > least;) {
    if (!is_alnum(text[begin]) && text[begin] != '(' && text[begin] != ')' && text[begin] != '+') {
      return at;
    }
    if (is_alnum(text[begin]) && number_at(text, begin).end == end) return begin;
  }
  return at;
}

}  // namespace

std::optional<std::size_t> named_numbers_begin(std::string_view text, std::size_t at,
                                               std::size_t from) {
  std::size_t begin = number_begin(text, at, from);
  if (number_at(text, begin).end <= at) return std::nullopt;
  for (std::size_t before = number_before(text, begin, from); before != begin;
       before = number_before(text, begin, from)) {
    begin = before;
  }
  return begin;
}

std::size_t named_numbers_at(std::string_view text, std::size_t at, std::string& read,
                             std::size_t& looked_to) {
  const std::size_t kept = read.size();
  std::size_t count = 0;
  std::size_t end = at;
  for (std::size_t next = at; next < text.size();) {
    const Number number = number_at(text, next);
    if (number.end == 0) break;
    if (number.is_byte) {
      read.push_back(static_cast<char>(number.value));
    } else {
      read += utf8(number.value).view();
    }
    ++count;
    end = number.end;
    next = end;
    const std::size_t last = std::min(text.size(), next + kSeparatorsMax);
    while (next < last && is_separator(text[next])) ++next;
  }
  if (count >= kCodeMin) return end - at;
  read.resize(kept);
  looked_to = std::max(looked_to, end);
  return 0;
}

}  // namespace tollgate::content
