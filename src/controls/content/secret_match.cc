#include <algorithm>
#include <array>

#include "controls/content/key_lines.h"
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
         (secret.after.most > kLongRun && before != '=' && contains(secret.after.alphabet, before));
}

std::size_t run_begin(const Run& run, std::string_view text, std::size_t at) {
  const std::size_t begin = at - std::min<std::size_t>(at, run.most + 1);
  const std::size_t end = at;
  while (at > begin && contains(run.alphabet, text[at - 1])) --at;
  return at < end && is_escaped_letter(text, at) ? at + 1 : at;
}

bool is_within(const Run& run, std::size_t size) { return size >= run.least && size <= run.most; }

constexpr std::size_t kGapMax = 12;  // `": "`, ` := '`, a line break of an escaped escape.
constexpr std::size_t kNotYet = std::string_view::npos;

// Behind a line break, which may be an escape that nobody has read, and what the lines of a key may
// be set in with, quoted by or put together from.
std::size_t skip_between_lines(std::string_view text, std::size_t at) {
  constexpr std::size_t kBetweenMax = 64;
  constexpr std::string_view kBetween = "\r\n\t \\\"'+,>|#*";
  const std::size_t end = std::min(text.size(), at + kBetweenMax);
  const std::size_t begin = at;
  while (at < end && (kBetween.contains(text[at]) ||
                      (at > begin && is_escaped_letter(text, at) && text[at] != 't'))) {
    ++at;
  }
  return at;
}

// Where the header at `at` of a block ends ("Proc-Type: 4,ENCRYPTED", "Comment: of the office"), or
// nothing where there is none; kNotYet where all that there is could be of one.
std::optional<std::size_t> skip_header(std::string_view text, std::size_t at) {
  constexpr std::size_t kNameMax = 31;  // Less than a line of a key.
  constexpr std::size_t kHeaderMax = 512;
  constexpr std::string_view kInName = "-_. ";
  std::size_t end = at;
  const std::size_t most = std::min(text.size(), at + kNameMax);
  while (end < most && (is_word(text[end]) || kInName.contains(text[end]))) ++end;
  if (end == text.size()) return kNotYet;
  if (end == at || text[end] != ':') return std::nullopt;
  const std::size_t last = std::min(text.size(), at + kHeaderMax);
  for (; end < last; ++end) {
    if (text[end] == '\r' || text[end] == '\n') return end;
    if (end + 1 < last && text[end] == '\\' && (text[end + 1] == 'n' || text[end + 1] == 'r')) {
      return end;
    }
  }
  return text.size() - at < kHeaderMax ? std::optional(kNotYet) : std::nullopt;
}

// Behind the break, and the headers that may stand before the lines of a key.
std::optional<std::size_t> skip_to_key(std::string_view text, std::size_t at) {
  constexpr int kHeadersMax = 16;
  for (int headers = 0; headers <= kHeadersMax; ++headers) {
    const std::size_t line = skip_between_lines(text, at);
    if (line == text.size()) return kNotYet;
    if (line == at) return std::nullopt;
    const std::optional<std::size_t> header = skip_header(text, line);
    if (!header) return line;
    if (*header == kNotYet) return kNotYet;
    at = *header;
  }
  return std::nullopt;
}

// Behind the gap, or nothing where there is none; kNotYet where all that there is could be of one.
std::optional<std::size_t> skip_gap(Gap gap, std::string_view text, std::size_t at) {
  if (gap == Gap::kNone) return at;
  if (gap == Gap::kLineBreak) return skip_to_key(text, at);
  const std::string_view rest = text.substr(at, kGapMax);
  const std::size_t size = rest.find_first_not_of("=:>\"'`\\ \t");
  if (size == std::string_view::npos) {
    return rest.size() < kGapMax ? std::optional(kNotYet) : std::nullopt;
  }
  if (rest.substr(0, size).find_first_of("=:") == std::string_view::npos) return std::nullopt;
  return at + size;
}

constexpr std::string_view kBlockBegin = "-----BEGIN ";
constexpr std::string_view kBlockEnd = "-----END ";

bool is_of_key(char c) { return contains(Alphabet::kBase64, c) || c == '='; }

// How long a line of a key is that begins at `at`; 0: what stands there is rather a word. The last
// line may be short, and so is the sum of OpenPGP, which begins with an equals sign.
std::size_t key_line_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kLineMin = 16;
  std::size_t end = at;
  while (end < text.size() && is_of_key(text[end])) ++end;
  const std::string_view line = text.substr(at, end - at);
  const bool is_last = end == text.size() || line.contains('=') ||
                       text.substr(skip_between_lines(text, end)).starts_with(kBlockEnd);
  return line.size() >= kLineMin || is_last ? line.size() : 0;
}

// Behind the last line that is of the same block as what stands at `at`, if it follows; whatever
// stands between.
std::optional<std::size_t> end_by_mark(const Secret& secret, std::string_view text,
                                       std::size_t at) {
  const std::string_view rest = text.substr(at, kBlockMax);
  const std::string_view label = secret.anchor.substr(kBlockBegin.size());
  const std::size_t mark = rest.find(kBlockEnd);
  if (mark == std::string_view::npos || rest.substr(0, mark).contains(kBlockBegin)) {
    return std::nullopt;
  }
  const std::size_t name = mark + kBlockEnd.size();
  if (!rest.substr(name).starts_with(label)) return std::nullopt;
  return at + name + label.size();
}

// Whether the characters are more than of their alphabets. `run` is where those behind the anchor
// begin.
bool is_one(const Secret& secret, std::string_view text, const Extent& extent, std::size_t run) {
  Parts parts{{}, text.substr(run, extent.end - run)};
  if (secret.before.most > 0) {
    parts.before = text.substr(extent.begin, run - secret.anchor.size() - extent.begin);
  }
  return secret.check(parts);
}

Look look_at_run(const Secret& secret, std::string_view text, std::size_t anchor_end) {
  const std::size_t anchor = anchor_end - secret.anchor.size();
  const std::optional<std::size_t> begin = secret_begin(secret, text, anchor);
  if (!begin) return {};
  const std::optional<std::size_t> run = skip_gap(secret.gap, text, anchor_end);
  if (!run) return {};
  // What is assigned is told alone: its name is no secret.
  const bool is_assigned = secret.gap == Gap::kAssigned;
  using enum Look::Answer;
  if (*run == kNotYet) {
    return {kOpen, {is_assigned ? text.size() : *begin, text.size()}, text.size()};
  }
  const Extent extent{is_assigned ? *run : *begin, run_end(secret.after, text, *run)};
  const std::size_t size = extent.end - *run;
  if (extent.end == text.size() && size <= secret.after.most) return {kOpen, extent, *run};
  if (!is_within(secret.after, size) || !is_one(secret, text, extent, *run)) return {};
  return {kMatch, extent, *run};
}

std::optional<Extent> match_run(const Secret& secret, std::string_view text,
                                std::size_t anchor_end) {
  const Look told = look_at_run(secret, text, anchor_end);
  if (told.answer == Look::Answer::kMatch) return told.extent;
  if (told.answer == Look::Answer::kNo) return std::nullopt;
  // There is no more to come.
  const std::size_t size = told.extent.end - told.run;
  if (!is_within(secret.after, size) || !is_one(secret, text, told.extent, told.run)) {
    return std::nullopt;
  }
  return told.extent;
}

}  // namespace

bool contains(Alphabet alphabet, char c) {
  return ((kMembers[static_cast<unsigned char>(c)] >> static_cast<int>(alphabet)) & 1) != 0;
}

std::optional<std::size_t> secret_begin(const Secret& secret, std::string_view text, std::size_t at,
                                        Before before) {
  if (secret.before.most == 0) {
    if (secret.gap == Gap::kNone && is_continued(secret, text, at)) return std::nullopt;
    return at;
  }
  const std::size_t begin = run_begin(secret.before, text, at);
  const std::size_t size = at - begin;
  const std::size_t least = before == Before::kGrows ? 1 : secret.before.least;
  if (size < least || size > secret.before.most) return std::nullopt;
  return begin;
}

Look look(const Secret& secret, std::string_view text, std::size_t anchor_end) {
  if (secret.gap != Gap::kLineBreak) return look_at_run(secret, text, anchor_end);
  // First of all, so that what is told is the same however the text is cut.
  const KeyLook lines = look_at_key_lines(secret, text, anchor_end, MoreText::kMayCome);
  if (lines.answer == Look::Answer::kNo) return look_at_run(secret, text, anchor_end);
  return {lines.answer, {anchor_end - secret.anchor.size(), lines.end}, text.size()};
}

std::size_t end_of_block(const Secret& secret, std::string_view text, std::size_t at) {
  if (secret.gap != Gap::kLineBreak) return at;
  if (const std::optional<std::size_t> end = end_by_mark(secret, text, at)) return *end;
  constexpr std::string_view kMark = "-----";
  constexpr std::size_t kMarkMax = 64;
  std::size_t end = at;
  while (end < text.size() && is_of_key(text[end])) ++end;
  while (true) {
    const std::size_t line = skip_between_lines(text, end);
    if (text.substr(line).starts_with(kBlockEnd)) {
      const std::size_t mark = text.substr(line, kMarkMax).find(kMark, kBlockEnd.size());
      return line + (mark == std::string_view::npos ? kBlockEnd.size() : mark + kMark.size());
    }
    const std::size_t size = key_line_at(text, line);
    if (size == 0) return end_of_key_lines(text, end);
    end = line + size;
  }
}

std::optional<Extent> match(const Secret& secret, std::string_view text, std::size_t anchor_end) {
  if (secret.gap != Gap::kLineBreak) return match_run(secret, text, anchor_end);
  const KeyLook lines = look_at_key_lines(secret, text, anchor_end, MoreText::kNone);
  if (lines.answer != Look::Answer::kMatch) return match_run(secret, text, anchor_end);
  return Extent{anchor_end - secret.anchor.size(), lines.end};
}

}  // namespace tollgate::content
