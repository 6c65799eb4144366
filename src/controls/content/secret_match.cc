#include <algorithm>
#include <array>

#include "controls/content/secrets.h"

namespace tollgate::content {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_word(char c) { return is_digit(c) || is_upper(c) || is_lower(c); }

constexpr bool belongs(Alphabet alphabet, char c) {
  switch (alphabet) {
    case Alphabet::kDigits:
      return is_digit(c);
    case Alphabet::kHex:
      return is_digit(c) || (c >= 'a' && c <= 'f');
    case Alphabet::kHexDashes:
      return belongs(Alphabet::kHex, c) || c == '-';
    case Alphabet::kHexUnderscore:
      return belongs(Alphabet::kHex, c) || c == '_';
    case Alphabet::kUpper:
      return is_upper(c) || is_digit(c);
    case Alphabet::kLower:
      return is_lower(c) || is_digit(c);
    case Alphabet::kLowerDashes:
      return belongs(Alphabet::kLower, c) || c == '-';
    case Alphabet::kLetters:
      return is_upper(c) || is_lower(c);
    case Alphabet::kBase32:
      return is_upper(c) || (c >= '2' && c <= '7');
    case Alphabet::kAlnum:
      return is_word(c);
    case Alphabet::kWordDashes:
      return is_word(c) || c == '-';
    case Alphabet::kUrl:
      return is_word(c) || c == '-' || c == '_';
    case Alphabet::kUrlEquals:
      return belongs(Alphabet::kUrl, c) || c == '=';
    case Alphabet::kUrlDots:
      return belongs(Alphabet::kUrl, c) || c == '.';
    case Alphabet::kClientSecret:
      return belongs(Alphabet::kUrlDots, c) || c == '~';
    case Alphabet::kBase64:
      return is_word(c) || c == '+' || c == '/';
    case Alphabet::kBase64AndUrl:
      return belongs(Alphabet::kBase64, c) || belongs(Alphabet::kUrlEquals, c);
  }
  return false;
}

// A bit for each alphabet that a character belongs to.
constexpr std::array<std::uint32_t, 256> kMembers = [] {
  std::array<std::uint32_t, 256> members{};
  for (int c = 0; c < 128; ++c) {
    for (int i = 0; i < kAlphabetCount; ++i) {
      if (belongs(static_cast<Alphabet>(i), static_cast<char>(c))) members[c] |= 1U << i;
    }
  }
  return members;
}();

// Where the run ends that begins at `at`; one beyond its most where it is longer.
std::size_t run_end(const Run& run, std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.size(), at + run.most + 1);
  while (at < end && contains(run.alphabet, text[at])) ++at;
  return at;
}

// Whether the letter at `at` is that of an escape, which belongs to no word, however often the text
// was escaped.
bool is_escaped_letter(std::string_view text, std::size_t at) {
  constexpr std::string_view kLetters = "nrt";
  return at > 0 && text[at - 1] == '\\' && kLetters.contains(text[at]);
}

// Longer runs are looked at once: none begins within another, or the looks at one would add up.
constexpr std::size_t kLongRun = 256;

// Whether the secret that would begin at `at` goes on from something before it.
bool is_continued(const Secret& secret, std::string_view text, std::size_t at) {
  if (at == 0 || is_escaped_letter(text, at - 1)) return false;
  const char before = text[at - 1];
  return is_word(before) ||
         (secret.after.most > kLongRun && contains(secret.after.alphabet, before));
}

std::size_t run_begin(const Run& run, std::string_view text, std::size_t at) {
  const std::size_t begin = at - std::min<std::size_t>(at, run.most + 1);
  const std::size_t end = at;
  while (at > begin && contains(run.alphabet, text[at - 1])) --at;
  return at < end && is_escaped_letter(text, at) ? at + 1 : at;
}

bool is_within(const Run& run, std::size_t size) { return size >= run.least && size <= run.most; }

constexpr std::size_t kGapMax = 12;  // `": "`, ` := '`, a line break of an escaped escape.

// Behind the gap, or nothing where there is none.
std::optional<std::size_t> skip_gap(Gap gap, std::string_view text, std::size_t at) {
  if (gap == Gap::kNone) return at;
  const std::string_view rest = text.substr(at, kGapMax);
  if (gap == Gap::kLineBreak) {
    std::size_t size = rest.find_first_not_of("\r\n\t \\");
    // An escape that nobody has read: the letters belong to it.
    while (size != std::string_view::npos && size > 0 && rest[size - 1] == '\\' &&
           (rest[size] == 'n' || rest[size] == 'r')) {
      size = rest.find_first_not_of("\r\n\t \\", size + 1);
    }
    if (size == 0 || size == std::string_view::npos) return std::nullopt;
    return at + size;
  }
  const std::size_t size = rest.find_first_not_of("=:>\"'`\\ \t");
  if (size == std::string_view::npos ||
      rest.substr(0, size).find_first_of("=:") == std::string_view::npos) {
    return std::nullopt;
  }
  return at + size;
}

}  // namespace

bool contains(Alphabet alphabet, char c) {
  return ((kMembers[static_cast<unsigned char>(c)] >> static_cast<int>(alphabet)) & 1) != 0;
}

std::optional<Extent> match(const Secret& secret, std::string_view text, std::size_t anchor_end) {
  const std::size_t anchor = anchor_end - secret.anchor.size();
  Extent extent{anchor, anchor_end};
  if (secret.before.most > 0) {
    extent.begin = run_begin(secret.before, text, anchor);
    if (!is_within(secret.before, anchor - extent.begin)) return std::nullopt;
  } else if (secret.gap == Gap::kNone && is_continued(secret, text, anchor)) {
    return std::nullopt;
  }
  const std::optional<std::size_t> begin = skip_gap(secret.gap, text, anchor_end);
  if (!begin) return std::nullopt;
  extent.end = run_end(secret.after, text, *begin);
  if (!is_within(secret.after, extent.end - *begin)) return std::nullopt;
  // What is assigned is told alone: its name is no secret.
  if (secret.gap == Gap::kAssigned) extent.begin = *begin;
  const Parts parts{text.substr(extent.begin, secret.before.most > 0 ? anchor - extent.begin : 0),
                    text.substr(*begin, extent.end - *begin)};
  if (!secret.check(parts)) return std::nullopt;
  return extent;
}

}  // namespace tollgate::content
