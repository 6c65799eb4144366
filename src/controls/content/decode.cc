#include "controls/content/decode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/hex.h"
#include "controls/content/base64_text.h"
#include "controls/content/characters.h"
#include "controls/content/codes.h"
#include "controls/content/decoded_text.h"
#include "controls/content/encoded_bytes.h"
#include "controls/content/escapes.h"
#include "controls/content/identifiers.h"
#include "controls/content/places.h"
#include "controls/content/rot13.h"
#include "controls/content/survey.h"

namespace tollgate::content {

namespace {

constexpr std::uint8_t kNotOne = 0xFF;

constexpr std::array<std::uint8_t, 256> kBase64 = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNotOne);
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    values[static_cast<unsigned char>(kLetters[i])] = static_cast<std::uint8_t>(i);
  }
  values['-'] = values['+'];
  values['_'] = values['/'];
  return values;
}();

// What a character can begin.
enum class Begins : std::uint8_t { kNothing, kRun, kSign };

constexpr std::array<Begins, 256> kBegins = [] {
  std::array<Begins, 256> begins{};
  for (std::size_t c = 0; c < begins.size(); ++c) {
    if (kBase64[c] != kNotOne) begins[c] = Begins::kRun;
  }
  for (const char c : {'%', '&', '\\'}) begins[static_cast<unsigned char>(c)] = Begins::kSign;
  return begins;
}();

Begins begins(char c) { return kBegins[static_cast<unsigned char>(c)]; }

void read_base64(std::string_view letters, std::string& bytes) {
  bytes.clear();
  std::uint32_t group = 0;
  int held = 0;
  for (const char c : letters) {
    group = group << 6 | kBase64[static_cast<unsigned char>(c)];
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>(group >> held));
  }
}

// Behind a line break and what a line may be set in with, where letters go on; else `at`.
std::size_t next_line(std::string_view text, std::size_t at) {
  constexpr std::size_t kSetInMax = 16;
  std::size_t next = at;
  if (next < text.size() && text[next] == '\r') ++next;
  if (next == text.size() || text[next] != '\n') return at;
  ++next;
  const std::size_t end = std::min(text.size(), next + kSetInMax);
  while (next < end && (text[next] == ' ' || text[next] == '\t' || text[next] == '>')) ++next;
  return next < text.size() && begins(text[next]) == Begins::kRun ? next : at;
}

std::size_t run_end(std::string_view text, std::size_t at) {
  while (at < text.size() && begins(text[at]) == Begins::kRun) ++at;
  return at;
}

// The same with what joins the parts of a token: full stops, and equals signs before a low line.
std::size_t token_end(std::string_view text, std::size_t at) {
  while (true) {
    at = run_end(text, at);
    if (at == text.size()) return at;
    const bool is_equals = text[at] == '=';
    const std::size_t next = is_equals ? text.find_first_not_of('=', at) : at + 1;
    if (next >= text.size()) return at;
    const bool goes_on =
        is_equals ? text[next] == '_' : text[at] == '.' && begins(text[next]) == Begins::kRun;
    if (!goes_on) return at;
    at = next;
  }
}

// What may stand between two numbers; at most two of them.
std::size_t skip_separator(std::string_view text, std::size_t at) {
  constexpr std::string_view kSeparators = " ,:;-\t\n";
  const std::size_t end = std::min(text.size(), at + 2);
  while (at < end && kSeparators.contains(text[at])) ++at;
  return at;
}

// The first of the pairs of hex digits that stand before the one at `at`, from `from` on.
std::size_t first_pair(std::string_view text, std::size_t at, std::size_t from) {
  while (true) {
    std::size_t pair = at;
    for (int separators = 1; separators <= 2; ++separators) {
      const std::size_t back = static_cast<std::size_t>(separators) + 2;
      if (at < from + back || !is_pair(text, at - back)) continue;
      const std::size_t end = at - back + 2;
      if (skip_separator(text, end) == at) pair = at - back;
    }
    if (pair == at || (pair > from && begins(text[pair - 1]) == Begins::kRun)) return at;
    at = pair;
  }
}

// Of lines of which the first is hex, those that are.
void drop_behind_hex(std::string_view text, std::vector<Extent>& lines, std::string& letters) {
  const auto is_of_hex = [&](const Extent& line) {
    return std::ranges::all_of(text.substr(line.begin, line.end - line.begin), is_hex);
  };
  if (!is_of_hex(lines.front())) return;
  const auto other = std::ranges::find_if_not(lines, is_of_hex);
  for (auto line = other; line != lines.end(); ++line) {
    letters.resize(letters.size() - (line->end - line->begin));
  }
  lines.erase(other, lines.end());
}

}  // namespace

// `free(from, to)`: nothing begins between them, and at `to` is the next look.
template <class Put, class Free>
void Decoder::each_piece(std::string_view text, const Candidates& candidates, Put put, Free free) {
  std::size_t kept = 0;  // Up to where it was put…
  std::size_t seen = 0;  // …and looked at…
  std::size_t from = 0;  // …but for signs that are none, which may stand between letters of a code.
  bool is_behind_one = false;
  groups_looked_to_ = 0;
  letters_looked_to_ = 0;
  run_ = {};
  no_base64_to_ = 0;
  no_pairs_to_ = 0;
  joined_to_ = 0;
  lines_end_ = 0;
  while (seen < text.size()) {
    std::size_t at = seen;
    // What stands right behind a piece is a run by itself, though it began in the piece.
    if (!is_behind_one || begins(text[at]) != Begins::kRun) {
      at = candidates.next(seen);
      if (at == Candidates::kNone) break;
    }
    const std::size_t candidate = at;
    if (!is_behind_one && is_pair(text, at)) at = first_pair(text, at, seen);
    is_behind_one = false;
    std::size_t size = encoded_at(text, at);
    if (size == 0 && !is_in_run_) size = code_around(text, candidate, from, at);
    free(std::min(seen, at), at);
    if (size == 0) {
      seen = looked_to_;
      if (begins(text[candidate]) != Begins::kSign) from = seen;
      is_behind_one = is_in_run_;
      continue;
    }
    const bool is_sign = begins(text[at]) == Begins::kSign || text[at] == '=';
    if (!is_sign) set_apart(text, {at, at + size}, at > 0 && kept == at);
    if (kept < at && !put(Extent{kept, at}, text.substr(kept, at - kept), true)) return;
    seen = kept = at + size;
    // Behind a sign the rest of a word is of the same layer as the sign is of.
    if (is_sign) seen = token_end(text, kept);
    from = seen;
    is_behind_one = !is_sign;
    if (!put(Extent{at, kept}, std::string_view(read_), false)) return;
  }
  free(seen, text.size());
  if (kept < text.size()) put(Extent{kept, text.size()}, text.substr(kept), true);
}

void Decoder::decode(std::string_view text, const Candidates& candidates, Reads reads,
                     std::string& decoded, std::vector<Window>& windows) {
  DecodedText made(text, reads, decoded, windows);
  each_piece(
      text, candidates,
      [&](Extent original, std::string_view becomes, bool stays) {
        return made.put(original, becomes, stays);
      },
      [&](std::size_t from, std::size_t to) { made.is_free(from, to); });
  made.end();
}

bool Decoder::is_encoded(std::string_view text, const Candidates& candidates) {
  bool is_one = false;
  each_piece(
      text, candidates,
      [&](Extent, std::string_view, bool stays) {
        is_one = is_one || !stays;
        return !is_one;
      },
      [](std::size_t, std::size_t) {});
  return is_one;
}

void Decoder::lead_back(std::string_view text, const Window& window, std::span<Extent> extents) {
  const std::string_view part =
      text.substr(window.original.begin, window.original.end - window.original.begin);
  survey(part, candidates_);
  Places places(extents);
  each_piece(
      part, candidates_,
      [&](Extent original, std::string_view becomes, bool stays) {
        return places.pass(original, becomes, stays);
      },
      [](std::size_t, std::size_t) {});
  places.end(part.size());
  for (Extent& extent : extents) {
    extent = {window.original.begin + extent.begin, window.original.begin + extent.end};
  }
}

void Decoder::trim(std::size_t bytes) {
  for (std::string* kept :
       {&read_, &said_, &said_of_all_, &letters_, &other_letters_, &turned_, &bytes_, &other_}) {
    if (kept->capacity() > bytes) *kept = {};
  }
  if (lines_.capacity() * sizeof(Extent) > bytes) lines_ = {};
  candidates_.trim(bytes);
}

std::size_t Decoder::encoded_at(std::string_view text, std::size_t at) {
  read_.clear();
  is_in_run_ = false;
  looked_to_ = at + 1;
  switch (text[at]) {
    case '%':
      return percent_at(text, at, read_);
    case '&':
      return entity_at(text, at, read_);
    case '\\':
      return escape_at(text, at, read_, looked_to_);
    case '=':
      return 0;
    default:
      break;
  }
  if (at < run_.begin || at >= run_.end) {
    run_ = {at, run_end(text, at)};
    looked_at_ += run_.end - at;
    is_run_of_sign_ = run_.end - at >= kEncodedMin && is_sign_at(text, run_.end);
  }
  const std::size_t end = run_.end;
  looked_to_ = std::max(end, looked_to_);
  if (const std::size_t size = pairs_at(text, at); size > 0) return size;
  // What a sign stands in is read once that is.
  if (end - at < kEncodedMin || is_run_of_sign_) return 0;
  // Nothing in it was: what stands behind a code is none either.
  if (at < no_base64_to_) {
    looked_to_ = no_base64_to_;
    return 0;
  }
  const std::size_t hex_size = hex_at(text, at, end);
  // A line of it may go on in the next.
  if (hex_size == end - at && next_line(text, end) != end) {
    looked_to_ = lines_at(text, at, end, {.bytes = read_.size()});
    return looked_to_ - at;
  }
  if (hex_size > 0 || is_in_run_) return hex_size;
  looked_at_ += end - at;
  const std::size_t size = base64_at(text, at, end);
  if (size == 0) no_base64_to_ = looked_to_;
  return size;
}

// A code that has a part at `candidate`, and begins at `at` or from `from` on, where `at` is moved
// to then.
std::size_t Decoder::code_around(std::string_view text, std::size_t candidate, std::size_t from,
                                 std::size_t& at) {
  read_.clear();
  std::size_t begin = code_begin(text, candidate, from);
  std::size_t size = code_at(text, begin, read_, looked_to_, letters_looked_to_);
  // A run is none of the groups.
  const bool is_run = at == candidate && looked_to_ >= at + kEncodedMin;
  if (size == 0 && !is_run && candidate >= groups_looked_to_) {
    begin = groups_begin(text, candidate, from);
    size = groups_at(text, begin, letters_, groups_looked_to_);
    if (size > 0 && read_letters(letters_).bytes == 0) size = 0;
  }
  if (size > 0) at = begin;
  // What begins with a number that is none of it may begin with the next.
  const std::size_t end = number_end(text, candidate);
  if (size == 0 && end > candidate) looked_to_ = end;
  return size;
}

// Beside a letter or digit that is no part of it, what is read may be a word of its own, or half of
// one: both are read. Morse code behind something else that is one is never a part of that.
void Decoder::set_apart(std::string_view text, const Extent& piece, bool is_behind_piece) {
  constexpr std::size_t kHalfMax = 64;
  const bool is_behind_word = piece.begin > 0 && is_alnum(text[piece.begin - 1]);
  const bool is_before_word = piece.end < text.size() && is_alnum(text[piece.end]);
  const std::string_view read = read_;
  other_.clear();
  if (is_behind_piece && (text[piece.begin] == '.' || text[piece.begin] == '-')) {
    other_.push_back('\n');
  } else if (is_behind_word) {
    std::size_t half = std::min(read.size(), kHalfMax);
    while (half < read.size() && (read[half] & 0xC0) == 0x80) ++half;
    other_ += read.substr(0, half);
    other_.push_back('\n');
  } else if (!is_before_word) {
    return;
  }
  other_ += read;
  if (is_before_word) {
    std::size_t half = read.size() - std::min(read.size(), kHalfMax);
    while (half > 0 && (read[half] & 0xC0) == 0x80) --half;
    other_.push_back('\n');
    other_ += read.substr(half);
  }
  read_.swap(other_);
}

bool Decoder::is_sign_at(std::string_view text, std::size_t at) {
  if (at == text.size() || begins(text[at]) != Begins::kSign) return false;
  std::size_t looked_to = at;
  const bool is_one = (text[at] == '%'   ? percent_at(text, at, read_)
                       : text[at] == '&' ? entity_at(text, at, read_)
                                         : escape_at(text, at, read_, looked_to)) > 0;
  read_.clear();
  return is_one;
}

// A stretch of digits in the run, with something else of it on either side. Where it begins behind
// `at`, it is the next look.
std::size_t Decoder::hex_at(std::string_view text, std::size_t at, std::size_t end) {
  for (std::size_t begin = at; begin + kEncodedMin <= end;) {
    std::size_t digits = begin;
    if (text[begin] == '0' && (text[begin + 1] | 0x20) == 'x') digits += 2;
    std::size_t last = digits;
    while (last < end && is_hex(text[last])) ++last;
    const bool is_one =
        last - digits >= kEncodedMin && read_hex(text.substr(digits, last - digits));
    if (is_one && begin == at) return last - at;
    if (is_one) {
      read_.clear();
      looked_to_ = begin;
      is_in_run_ = true;
      return 0;
    }
    begin = last;
    while (begin < end && !is_hex(text[begin])) ++begin;
  }
  return 0;
}

// From the first digit, or, where another letter stands before it, from the second.
bool Decoder::read_hex(std::string_view digits) {
  for (const std::size_t skipped : {0, 1}) {
    bytes_.clear();
    for (std::size_t i = skipped; i + 1 < digits.size(); i += 2) {
      bytes_.push_back(byte_of(digits, i));
    }
    if (append_texts(bytes_, read_) > 0) return true;
    if (append_wide_texts(bytes_, read_) > 0) return true;
  }
  return false;
}

std::size_t Decoder::pairs_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kPairsMin = kEncodedMin / 2;
  if (at < no_pairs_to_ || (at > 0 && is_alnum(text[at - 1]))) return 0;
  bytes_.clear();
  std::size_t end = at;
  std::size_t before = at;  // Where the pair before the last ends.
  for (std::size_t next = at; next + 1 < text.size();) {
    if (text[next] == '0' && (text[next + 1] | 0x20) == 'x') next += 2;
    if (!is_pair(text, next)) break;
    bytes_.push_back(byte_of(text, next));
    before = end;
    end = next + 2;
    next = skip_separator(text, end);
    if (next == end) break;
  }
  // What goes on behind the last was no pair: a number or a word behind the row.
  if (end < text.size() && is_hex(text[end]) && !bytes_.empty()) {
    bytes_.pop_back();
    end = before;
  }
  if (bytes_.size() < kPairsMin) return 0;
  const bool is_one = append_texts(bytes_, read_) > 0 || append_wide_texts(bytes_, read_) > 0;
  if (!is_one) no_pairs_to_ = end;
  const std::size_t decimal_end = append_decimal(text, {at, is_one ? end : at + 1});
  return std::max(decimal_end, is_one ? end : at) - at;
}

// In decimal it may be other texts, from any of its numbers on. Returns where the last ends, or
// where the pairs begin.
std::size_t Decoder::append_decimal(std::string_view text, const Extent& pairs) {
  std::size_t end = pairs.begin;
  for (std::size_t at = pairs.begin; at < pairs.end;) {
    const std::size_t behind = number_end(text, at);
    std::size_t looked_to = at;
    other_.clear();
    const std::size_t size =
        behind == at ? 0 : code_at(text, at, other_, looked_to, letters_looked_to_);
    if (size > 0) {
      if (!read_.empty()) read_.push_back('\n');
      read_ += other_;
      end = at + size;
    }
    at = std::max(at + std::max<std::size_t>(size, 1), behind);
  }
  return end;
}

std::size_t Decoder::base64_at(std::string_view text, std::size_t at, std::size_t end) {
  const Told alone = read_letters(text.substr(at, end - at));
  const std::size_t last = next_line(text, end) == end ? end : lines_at(text, at, end, alone);
  looked_to_ = last;
  if (last == end && alone.bytes == 0) return 0;
  end = last;
  constexpr std::size_t kPaddingMax = 6;  // Of base32.
  for (std::size_t i = 0; i < kPaddingMax && end < text.size() && text[end] == '='; ++i) ++end;
  return end - at;
}

// Where the lines end that the run up to `end` is the first of, if they are one text, with what
// they say in `read_`; else `end`, with what it says `alone` there.
std::size_t Decoder::lines_at(std::string_view text, std::size_t at, std::size_t end, Told alone) {
  // What stands above a text, as a heading or a ruler, is mostly one line; so lines are joined from
  // their first and from their second.
  constexpr int kJoinsMax = 2;
  if (at < joined_to_) return end;
  join_lines(text, at, end);
  drop_behind_hex(text, lines_, letters_);
  const std::size_t last = lines_.back().end;
  joins_ = last == lines_end_ ? joins_ + 1 : 1;
  lines_end_ = last;
  if (joins_ == kJoinsMax) joined_to_ = last;
  looked_at_ += last - at;
  said_.swap(read_);
  const Told joined = read_lines();
  const std::size_t more = joined.bytes - std::min(joined.bytes, alone.bytes);
  // What the next lines hold may be some letters by chance.
  const std::size_t rest = (letters_.size() - (end - at)) * 6 / 8;
  const bool is_one = more > 0 && (joined.is_all || more >= std::min(kStretchMin, (rest + 1) / 2));
  said_.swap(read_);
  if (!is_one) return end;
  // They may be one text each as well.
  for (const Extent& line : lines_) append_line(text, line);
  read_.swap(said_);
  return lines_.back().end;
}

// All of `lines_` as one text, or all but the last, where that is short and not all of it is one:
// it is a word, or a code begins there.
Decoder::Told Decoder::read_lines() {
  const auto read = [&](std::string_view letters) -> Told {
    read_.clear();
    if (!std::ranges::all_of(letters, is_hex) || !read_hex(letters)) return read_letters(letters);
    return {read_.size(), true, read_.size() == letters.size() / 2};
  };
  const Told all = read(letters_);
  const std::size_t size = lines_.back().end - lines_.back().begin;
  if (all.is_all || size >= kEncodedMin) return all;
  said_of_all_.swap(read_);
  const std::string_view letters = letters_;
  const Told without = read(letters.substr(0, letters.size() - size));
  if (all.bytes >= without.bytes + size * 6 / 8) {
    said_of_all_.swap(read_);
    return all;
  }
  letters_.resize(letters_.size() - size);
  lines_.pop_back();
  return without;
}

// All lines from the run up to `end` on, of which only the last is short.
void Decoder::join_lines(std::string_view text, std::size_t at, std::size_t end) {
  lines_.assign(1, {at, end});
  letters_.assign(text.substr(at, end - at));
  for (std::size_t next = next_line(text, end); next != end; next = next_line(text, end)) {
    if (end - lines_.back().begin < kEncodedMin) return;
    end = run_end(text, next);
    lines_.push_back({next, end});
    letters_ += text.substr(next, end - next);
  }
}

// What the line says alone, behind what is said. One that is too short is mostly a word.
void Decoder::append_line(std::string_view text, const Extent& line) {
  const std::string_view letters = text.substr(line.begin, line.end - line.begin);
  read_.clear();
  if (letters.size() < kEncodedMin) {
    read_ = letters;
  } else {
    if (hex_at(text, line.begin, line.end) == 0 && is_in_run_) hex_at(text, looked_to_, line.end);
    is_in_run_ = false;
    if (read_.empty()) read_letters(letters);
  }
  if (read_.empty()) return;
  said_.push_back('\n');
  said_ += read_;
}

// As many as the bytes that tell UTF-16.
constexpr std::size_t kSampleLetters = 44;
// …and as tell that it is text in ROT13, from its first letter on.
constexpr std::size_t kTurnedLetters = 32;

// As base64, or that in ROT13, or base32: what most of is text.
Decoder::Told Decoder::read_letters(std::string_view letters) {
  std::string& best = read_;
  best.clear();
  read_base32(letters, bytes_);
  const std::size_t told = append_texts(bytes_, best);
  if (told > 0 && told == bytes_.size()) return {told, true, told == letters.size() * 5 / 8};
  best.clear();
  const Told plain = read_base64_text(letters, best);
  if (plain.is_all || !is_mixed_base64(letters)) return plain;
  if (may_be_text_in_base64(letters.substr(0, kTurnedLetters), Turned::kYes) != 0) {
    turn(letters, other_letters_);
    const Told turned = read_base64_text(other_letters_, turned_);
    if (turned.bytes > plain.bytes) {
      best.swap(turned_);
      return turned;
    }
  }
  if (plain.bytes > 0) return plain;
  read_base64(letters.substr(0, kSampleLetters), bytes_);
  if (!may_be_wide_scripts(bytes_)) return plain;
  read_base64(letters, bytes_);
  const std::size_t wide = append_wide_scripts(bytes_, best);
  return {wide, true, wide == bytes_.size()};
}

Decoder::Told Decoder::read_base64_text(std::string_view letters, std::string& text) {
  Told best;
  const bool is_wide = may_be_wide(letters);
  const unsigned may_be_text = is_wide ? 15 : may_be_text_in_base64(letters);
  for (std::size_t skipped = 0; skipped < 4 && !best.is_most; ++skipped) {
    if ((may_be_text >> skipped & 1) == 0) continue;
    read_base64(letters.substr(skipped), bytes_);
    other_.clear();
    std::size_t told = append_texts(bytes_, other_);
    if (told == 0 && is_wide) told = append_wide_latin(bytes_, other_);
    if (told > best.bytes) {
      best.bytes = told;
      text.swap(other_);
    }
    best.is_most = best.bytes * 2 >= bytes_.size();
    best.is_all = best.bytes == bytes_.size();
  }
  // In the middle of something else only Latin letters are told.
  if (!is_wide || best.is_all) return best;
  read_base64(letters, bytes_);
  other_.clear();
  const std::size_t told = append_wide_scripts(bytes_, other_);
  if (!is_clearly_more(told, best.bytes)) return best;
  text.swap(other_);
  return {told, true, told == bytes_.size()};
}

}  // namespace tollgate::content
