#include "controls/content/single_letters.h"

#include <algorithm>

#include "controls/content/identifiers.h"

namespace tollgate::content {

namespace {

// So many in a row are of it for certain.
constexpr std::size_t kRowMin = 6;
// Between two letters of a word.
constexpr std::size_t kGapMax = 3;
// Between two letters at all: a row of five signs that stand one by one, and more.
constexpr std::size_t kBetweenMax = 24;

bool is_letter(char c) { return is_upper(c) || is_lower(c); }
bool is_between(char c) {
  return !is_alnum(c) && c != 0x7F && (static_cast<unsigned char>(c) >= ' ' || is_space(c));
}

// Whether the letter there is one of "\u{69}", "\x{69}" or "U+0069".
bool is_of_sign(std::string_view text, std::size_t at) {
  if (at == 0 || at + 1 >= text.size()) return false;
  const char next = text[at + 1];
  return (text[at - 1] == '\\' && next == '{') || ((text[at] | 0x20) == 'u' && next == '+');
}

// Where the next of the row stands behind the one at `at`; `at`, where none does.
std::size_t next_in_row(std::string_view text, std::size_t at) {
  std::size_t next = at + 1;
  const std::size_t end = std::min(text.size(), next + kBetweenMax + 1);
  while (next < end && is_between(text[next])) ++next;
  const bool is_one = next > at + 1 && next < end && is_alnum(text[next]) && is_alone(text, next) &&
                      !is_of_sign(text, next);
  return is_one ? next : at;
}

// What stands between those at `at` and `next`.
std::string_view between(std::string_view text, std::size_t at, std::size_t next) {
  return text.substr(at + 1, next - at - 1);
}

struct Row {
  std::size_t last = 0;     // Of its letters, where it stands.
  std::size_t letters = 0;  // But for digits.
  std::string_view gap;     // Of the longest stretch with one gap…
  std::size_t longest = 0;  // …which has so many letters and digits.
};

Row row_at(std::string_view text, std::size_t at) {
  Row row{.last = at};
  std::string_view gap;
  std::size_t stretch = 1;
  while (true) {
    if (is_letter(text[row.last])) ++row.letters;
    const std::size_t next = next_in_row(text, row.last);
    if (next == row.last) return row;
    const std::string_view before = gap;
    gap = between(text, row.last, next);
    stretch = gap == before ? stretch + 1 : 2;
    if (stretch > row.longest && gap.size() <= kGapMax) {
      row.longest = stretch;
      row.gap = gap;
    }
    row.last = next;
  }
}

bool has_space(std::string_view text) { return std::ranges::any_of(text, is_space); }

// Signs that stand one by one, each between two gaps; none, where it is not so.
bool append_signs(std::string_view text, std::string_view gap, std::string& read) {
  const std::size_t kept = read.size();
  std::size_t at = gap.size();
  while (text.substr(0, gap.size()) == gap && at + 1 + gap.size() <= text.size() &&
         text.substr(at + 1, gap.size()) == gap) {
    read.push_back(text[at]);
    at += 1 + gap.size();
  }
  if (at == text.size() && read.size() > kept) return true;
  read.resize(kept);
  return false;
}

// What `text` between two letters says, where it is not the gap: mostly that a word ends.
void append_between(std::string_view text, std::string_view gap, std::string& read) {
  if (append_signs(text, gap, read)) return;
  const bool is_space_between = (has_space(text) && !has_space(gap)) ||
                                std::ranges::all_of(text, is_space) ||
                                std::ranges::all_of(text, [&](char c) { return gap.contains(c); });
  if (is_space_between) {
    read.push_back(' ');
  } else {
    read += text;
  }
}

}  // namespace

bool is_alone(std::string_view text, std::size_t at) {
  return is_alnum(text[at]) && (at == 0 || !is_alnum(text[at - 1])) &&
         (at + 1 >= text.size() || !is_alnum(text[at + 1]));
}

std::size_t letters_begin(std::string_view text, std::size_t at, std::size_t from) {
  while (true) {
    std::size_t before = at;
    const std::size_t least = at - std::min(at - from, kBetweenMax);
    while (before > least && is_between(text[before - 1])) --before;
    if (before == at || before == from || !is_alone(text, before - 1)) return at;
    at = before - 1;
  }
}

std::size_t letters_at(std::string_view text, std::size_t at, std::string& read,
                       std::size_t& looked_to) {
  if (at < looked_to) return 0;
  const Row row = row_at(text, at);
  if (row.longest < kRowMin || row.letters < kRowMin) {
    looked_to = std::max(looked_to, row.last + 1);
    return 0;
  }
  for (std::size_t next = at; next != row.last;) {
    read.push_back(text[next]);
    const std::size_t letter = next_in_row(text, next);
    const std::string_view some = between(text, next, letter);
    if (some != row.gap) append_between(some, row.gap, read);
    next = letter;
  }
  read.push_back(text[row.last]);
  return row.last + 1 - at;
}

}  // namespace tollgate::content
