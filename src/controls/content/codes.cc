#include "controls/content/codes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "controls/content/identifiers.h"
#include "controls/content/named_numbers.h"
#include "controls/content/single_letters.h"

namespace tollgate::content {

namespace {

bool is_letter(char c) { return is_upper(c) || is_lower(c); }
bool is_visible(unsigned value) { return value >= ' ' && value < 0x7F; }
bool is_text(unsigned value) { return is_visible(value) || value == '\n' || value == '\t'; }

// ---- Numbers ------------------------------------------------------------------------------------

bool is_separator(char c) { return std::string_view(" ,:;-/|.\t\r\n").contains(c); }
constexpr std::size_t kSeparatorsMax = 2;
constexpr std::size_t kBits = 8;

// Digits of a number that is a character, or of a byte in binary.
bool is_width(std::size_t digits) { return digits == 2 || digits == 3 || digits == kBits; }

// The digits of a number that stands by itself at `at`, or none.
std::string_view digits_at(std::string_view text, std::size_t at) {
  if (at > 0 && is_alnum(text[at - 1])) return {};
  std::size_t end = at;
  while (end < text.size() && end - at <= kBits && is_digit(text[end])) ++end;
  const bool is_alone = end == text.size() || !is_alnum(text[end]);
  return is_alone && is_width(end - at) ? text.substr(at, end - at) : std::string_view();
}

std::size_t behind_separators(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.size(), at + kSeparatorsMax);
  while (at < end && is_separator(text[at])) ++at;
  return at;
}

// The number before the one at `at`, where there is one from `from` on; else `at`.
std::size_t number_before(std::string_view text, std::size_t at, std::size_t from) {
  for (std::size_t separators = 1; separators <= kSeparatorsMax; ++separators) {
    if (at < from + separators || !is_separator(text[at - separators])) break;
    const std::size_t end = at - separators;
    std::size_t begin = end;
    while (begin > from && end - begin <= kBits && is_digit(text[begin - 1])) --begin;
    if (begin < end && digits_at(text, begin).size() == end - begin) return begin;
  }
  return at;
}

std::optional<unsigned> number_in(std::string_view digits, unsigned base) {
  unsigned value = 0;
  for (const char c : digits) {
    const auto digit = static_cast<unsigned>(c - '0');
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

// Reads numbers for as long as each is a character in that base.
struct Numbers {
  std::size_t end = 0;
  std::size_t count = 0;
};
Numbers numbers_at(std::string_view text, std::size_t at, unsigned base, std::string& read) {
  Numbers made{at, 0};
  const std::size_t kept = read.size();
  for (std::size_t next = at; next < text.size();) {
    const std::string_view digits = digits_at(text, next);
    if (digits.empty() || (digits.size() == kBits) != (base == 2)) break;
    const std::optional<unsigned> value = number_in(digits, base);
    // Of what is beyond ASCII bytes are read, which only binary has.
    if (!value || !(is_text(*value) || (base == 2 && *value >= 0x80))) break;
    read.push_back(static_cast<char>(*value));
    made.end = next + digits.size();
    ++made.count;
    next = behind_separators(text, made.end);
    if (next == made.end) break;
  }
  if (made.count < kCodeMin) read.resize(kept);
  return made;
}

// A run of zeros and ones alone.
std::size_t bits_at(std::string_view text, std::size_t at, std::string& read,
                    std::size_t& looked_to) {
  std::size_t end = at;
  while (end < text.size() && (text[end] == '0' || text[end] == '1')) ++end;
  looked_to = std::max(looked_to, end);
  if (end - at < kBits * kCodeMin || (end < text.size() && is_alnum(text[end]))) return 0;
  for (std::size_t byte = at; byte + kBits <= end; byte += kBits) {
    const unsigned value = *number_in(text.substr(byte, kBits), 2);
    if (!is_text(value) && value < 0x80) {
      read.clear();
      return 0;
    }
    read.push_back(static_cast<char>(value));
  }
  return end - at;
}

std::size_t number_code_at(std::string_view text, std::size_t at, std::string& read,
                           std::size_t& looked_to) {
  if (const std::size_t size = bits_at(text, at, read, looked_to); size > 0) return size;
  // Capitals in octal are characters in decimal as well: both are read.
  std::size_t end = at;
  for (const unsigned base : {10, 8, 2}) {
    const std::size_t kept = read.size();
    if (kept > 0) read.push_back('\n');
    const Numbers made = numbers_at(text, at, base, read);
    if (made.count >= kCodeMin) end = std::max(end, made.end);
    if (made.count < kCodeMin) read.resize(kept);
  }
  return end - at;
}

// ---- Morse code ---------------------------------------------------------------------------------

struct Sign {
  std::string_view signs;
  char means;
};
constexpr Sign kMorse[] = {
    {".-", 'a'},     {"-...", 'b'},   {"-.-.", 'c'},   {"-..", 'd'},    {".", 'e'},
    {"..-.", 'f'},   {"--.", 'g'},    {"....", 'h'},   {"..", 'i'},     {".---", 'j'},
    {"-.-", 'k'},    {".-..", 'l'},   {"--", 'm'},     {"-.", 'n'},     {"---", 'o'},
    {".--.", 'p'},   {"--.-", 'q'},   {".-.", 'r'},    {"...", 's'},    {"-", 't'},
    {"..-", 'u'},    {"...-", 'v'},   {".--", 'w'},    {"-..-", 'x'},   {"-.--", 'y'},
    {"--..", 'z'},   {"-----", '0'},  {".----", '1'},  {"..---", '2'},  {"...--", '3'},
    {"....-", '4'},  {".....", '5'},  {"-....", '6'},  {"--...", '7'},  {"---..", '8'},
    {"----.", '9'},  {".-.-.-", '.'}, {"--..--", ','}, {"..--..", '?'}, {".----.", '\''},
    {"-.-.--", '!'}, {"-..-.", '/'},  {"---...", ':'}, {"-.-.-.", ';'}, {"-...-", '='},
    {".-..-.", '"'}, {"-....-", '-'}, {"..--.-", '_'}, {".--.-.", '@'}, {"-.--.", '('},
    {"-.--.-", ')'},
};
constexpr std::size_t kSignsMax = 6;

// By the signs of a letter, a one before them and each a bit.
constexpr std::array<char, 128> kMeans = [] {
  std::array<char, 128> means{};
  for (const Sign& sign : kMorse) {
    std::size_t at = 1;
    for (const char c : sign.signs) at = at << 1 | (c == '-' ? 1U : 0U);
    means[at] = sign.means;
  }
  return means;
}();

bool is_mark(char c) { return c == '.' || c == '-'; }
bool is_between_marks(char c) { return c == ' ' || c == '/' || c == '|' || c == '\n'; }

// A full stop or a hyphen there is one of the text.
bool is_behind_word(std::string_view text, std::size_t at) {
  return at > 0 && is_alnum(text[at - 1]);
}

std::size_t morse_at(std::string_view text, std::size_t at, std::string& read,
                     std::size_t& looked_to) {
  // As long as one that is seen at any place of a block.
  constexpr std::size_t kLengthMin = 33;
  std::size_t end = at;
  std::size_t letters = 0;
  for (std::size_t next = at; next < text.size() && !is_behind_word(text, at);) {
    std::size_t signs = 1;
    std::size_t behind = next;
    while (behind < text.size() && behind - next <= kSignsMax && is_mark(text[behind])) {
      signs = signs << 1 | (text[behind++] == '-' ? 1U : 0U);
    }
    const bool is_letter = behind > next && behind - next <= kSignsMax && kMeans[signs] != '\0';
    if (!is_letter || (behind < text.size() && !is_between_marks(text[behind]))) break;
    read.push_back(kMeans[signs]);
    ++letters;
    end = behind;
    next = behind;
    while (next < text.size() && is_between_marks(text[next])) ++next;
    if (next > behind + 1 || (next > behind && text[behind] != ' ')) read.push_back(' ');
  }
  if (letters >= kCodeMin && end - at >= kLengthMin) {
    // The first may be the sign of a list.
    if (text[at] == '-' && !is_mark(text[at + 1])) read += '\n' + read.substr(1);
    return end - at;
  }
  read.clear();
  while (end < text.size() && is_mark(text[end])) ++end;
  looked_to = std::max(looked_to, end);
  return 0;
}

// ---- Quoted-printable ---------------------------------------------------------------------------

std::optional<unsigned> quoted(std::string_view text, std::size_t at) {
  if (at + 3 > text.size() || text[at] != '=') return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(at + 1, 2)) {
    if (is_digit(c)) {
      value = value << 4 | static_cast<unsigned>(c - '0');
    } else if (c >= 'A' && c <= 'F') {
      value = value << 4 | static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  if (!is_text(value) && value < 0x80) return std::nullopt;
  return value;
}

// One by itself is one where it stands within a word.
std::size_t quoted_at(std::string_view text, std::size_t at, std::string& read) {
  constexpr std::size_t kSize = 3;
  const bool is_behind_letter = at > 0 && is_letter(text[at - 1]);
  if (const std::optional<unsigned> value = quoted(text, at)) {
    const bool is_one =
        quoted(text, at + kSize) || (at >= kSize && quoted(text, at - kSize)) ||
        (is_behind_letter && at + kSize < text.size() && is_letter(text[at + kSize]));
    if (!is_one) return 0;
    read.push_back(static_cast<char>(*value));
    return kSize;
  }
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '\r') ++end;
  const bool is_break =
      end + 1 < text.size() && text[end] == '\n' && is_behind_letter && is_letter(text[end + 1]);
  return is_break ? end + 1 - at : 0;
}

// ---- Base64 in groups ---------------------------------------------------------------------------

bool is_of_base64(char c) { return is_alnum(c) || c == '+' || c == '/' || c == '-' || c == '_'; }

// No word: letters in both cases but for a capital at its beginning, or digits among them.
bool is_mixed(std::string_view group) {
  bool has_small = false;
  bool has_digit = false;
  bool has_letter = false;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const char c = group[i];
    if (has_small && is_upper(c)) return true;
    has_small = has_small || is_lower(c);
    has_digit = has_digit || is_digit(c);
    has_letter = has_letter || is_letter(c);
    if (has_digit && has_letter) return true;
  }
  // "IGFs": two capitals before a small letter.
  for (std::size_t i = 0; i + 2 < group.size(); ++i) {
    if (is_upper(group[i]) && is_upper(group[i + 1]) && is_lower(group[i + 2])) {
      return true;
    }
  }
  return false;
}

constexpr std::size_t kGroupMax = 15;
constexpr std::size_t kSetInMax = 16;
bool is_gap(char c) { return is_space(c) || c == '>'; }

// Behind a space, or a line break and what a line may be set in with.
std::size_t behind_gap(std::string_view text, std::size_t at) {
  if (at == text.size()) return at;
  std::size_t next = at;
  if (text[next] == ' ') {
    ++next;
    if (next < text.size() && text[next] == ' ') ++next;
    if (next < text.size() && is_of_base64(text[next])) return next;
  }
  if (next < text.size() && text[next] == '\r') ++next;
  if (next == text.size() || text[next] != '\n') return at;
  ++next;
  const std::size_t end = std::min(text.size(), next + kSetInMax);
  while (next < end && (text[next] == ' ' || text[next] == '\t' || text[next] == '>')) ++next;
  return next < text.size() && is_of_base64(text[next]) ? next : at;
}

// Groups of base64 that stand in a row, from `at` on; a longer run ends them.
struct Group {
  std::size_t begin = 0;
  std::size_t end = 0;
};
Group group_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && end - at <= kGroupMax && is_of_base64(text[end])) ++end;
  return {at, end - at > kGroupMax ? at : end};
}

// The group before the one at `at`, from `from` on; an empty one where there is none.
Group group_before(std::string_view text, std::size_t at, std::size_t from) {
  std::size_t end = at;
  const std::size_t least = at - std::min(at - from, kSetInMax + 2);
  while (end > least && is_gap(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > from && end - begin <= kGroupMax && is_of_base64(text[begin - 1])) --begin;
  const bool is_one = begin < end && end - begin <= kGroupMax &&
                      (begin == 0 || !is_of_base64(text[begin - 1])) && behind_gap(text, end) == at;
  return is_one ? Group{begin, end} : Group{at, at};
}

// Words that stand beside the groups may be letters of theirs.
constexpr std::size_t kWordsBeside = 2;

// Whether places where a group is mixed are near each other, so that a block of the survey has two.
class Density {
 public:
  void mix(std::size_t at) {
    const std::size_t before = last_[count_ % kMixes];
    if (count_ >= kMixes && at - before <= kNear) is_dense_ = true;
    last_[count_++ % kMixes] = at;
  }
  bool is_dense() const { return is_dense_; }

 private:
  static constexpr std::size_t kMixes = 3;  // Before the fourth.
  static constexpr std::size_t kNear = 40;
  std::array<std::size_t, kMixes> last_{};
  std::size_t count_ = 0;
  bool is_dense_ = false;
};

bool is_mix(char c, char next) {
  return (is_lower(c) && is_upper(next)) || (is_letter(c) && is_digit(next)) ||
         (is_digit(c) && is_letter(next));
}

}  // namespace

// Where the groups begin in the row that has one at `at`: kWordsBeside before the first that is no
// word.
std::size_t groups_begin(std::string_view text, std::size_t at, std::size_t from) {
  if (!is_of_base64(text[at])) return at;
  if (at > 0 && is_of_base64(text[at - 1])) return at;
  Group group = group_at(text, at);
  if (group.begin == group.end) return at;
  std::size_t first = at;
  for (Group before = group_before(text, first, from); before.begin != before.end;
       before = group_before(text, first, from)) {
    first = before.begin;
  }
  std::array<std::size_t, kWordsBeside + 1> begins;
  begins.fill(first);
  for (std::size_t next = first;;) {
    group = group_at(text, next);
    if (group.begin == group.end) return at;
    std::ranges::rotate(begins, begins.begin() + 1);
    begins.back() = next;
    if (is_mixed(text.substr(group.begin, group.end - group.begin))) return begins.front();
    next = behind_gap(text, group.end);
    if (next == group.end) return at;
  }
}

std::size_t groups_at(std::string_view text, std::size_t at, std::string& letters,
                      std::size_t& looked_to) {
  constexpr std::size_t kMixedMin = 3;
  constexpr std::size_t kLettersMin = 16;
  letters.clear();
  if (at > 0 && is_of_base64(text[at - 1])) return 0;
  Density density;
  std::size_t mixed = 0;
  std::size_t words = 0;  // Since the last that is none.
  std::size_t end = at;
  std::size_t kept = 0;  // Of the letters, up to `end`.
  for (std::size_t next = at;;) {
    const Group group = group_at(text, next);
    if (group.begin == group.end) break;
    const std::string_view characters = text.substr(next, group.end - next);
    words = is_mixed(characters) ? 0 : words + 1;
    if (words == 0) ++mixed;
    looked_to = std::max(looked_to, group.end);
    if (words <= kWordsBeside) {
      for (std::size_t i = group.begin; i + 1 < group.end; ++i) {
        if (is_mix(text[i], text[i + 1])) density.mix(i);
      }
      letters += characters;
      kept = letters.size();
      end = group.end;
    } else if (mixed >= kMixedMin) {
      break;
    }
    next = behind_gap(text, group.end);
    if (next == group.end) break;
  }
  letters.resize(kept);
  const bool is_one = mixed >= kMixedMin && kept >= kLettersMin && density.is_dense();
  return is_one ? end - at : 0;
}

void read_base32(std::string_view letters, std::string& bytes) {
  constexpr std::size_t kLettersMin = 16;
  bytes.clear();
  std::uint64_t value = 0;
  unsigned bits = 0;
  std::size_t read = 0;
  const auto* const first = std::ranges::find_if(letters, is_letter);
  const bool is_in_small = first != letters.end() && is_lower(*first);
  for (const char c : letters) {
    unsigned five = 0;
    if (is_letter(c) && is_lower(c) == is_in_small) {
      five = static_cast<unsigned>((c | 0x20) - 'a');
    } else if (c >= '2' && c <= '7') {
      five = static_cast<unsigned>(c - '2') + 26;
    } else {
      break;
    }
    ++read;
    value = value << 5 | five;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>(value >> bits));
  }
  // A word in the next line, say, is none of it, nor is what its first letter makes.
  if (read < letters.size() && !bytes.empty()) bytes.pop_back();
  if (read < kLettersMin) bytes.clear();
}

std::size_t code_begin(std::string_view text, std::size_t at, std::size_t from) {
  const char c = text[at];
  if (is_mark(c)) {
    std::size_t begin = at;
    while (begin > from && (is_mark(text[begin - 1]) || is_between_marks(text[begin - 1]))) --begin;
    while (begin < at && !is_mark(text[begin])) ++begin;
    if (!is_behind_word(text, begin)) return begin;
    while (begin < at && is_mark(text[begin])) ++begin;
    while (begin < at && !is_mark(text[begin])) ++begin;
    return begin;
  }
  if (!is_alnum(c)) return at;
  if (const auto begin = named_numbers_begin(text, at, from)) return *begin;
  if (is_alone(text, at)) return letters_begin(text, at, from);
  if (is_digit(c) && !digits_at(text, at).empty()) {
    for (std::size_t before = number_before(text, at, from); before != at;
         before = number_before(text, at, from)) {
      at = before;
    }
  }
  return at;
}

std::size_t number_end(std::string_view text, std::size_t at) {
  if (at > 0 && is_alnum(text[at - 1])) return at;
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end == text.size() || !is_alnum(text[end]) ? end : at;
}

std::size_t code_at(std::string_view text, std::size_t at, std::string& read,
                    std::size_t& looked_to, std::size_t& letters_looked_to) {
  const char c = text[at];
  if (c == '=') return quoted_at(text, at, read);
  if (is_mark(c)) return morse_at(text, at, read, looked_to);
  if (!is_alnum(c)) return 0;
  if (const std::size_t size = named_numbers_at(text, at, read, looked_to); size > 0) return size;
  if (is_alone(text, at)) return letters_at(text, at, read, letters_looked_to);
  return is_digit(c) ? number_code_at(text, at, read, looked_to) : 0;
}

}  // namespace tollgate::content
