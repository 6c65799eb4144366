// The steps of Splitter, apart from its header so that the loops which count inline them; for
// those alone to include.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tokens/splitter.h"

namespace tollgate::tokens {
namespace scan {

inline constexpr std::uint8_t kLetter = kUpper | kLower | kBoth;
inline constexpr std::uint8_t kUpperSet = kUpper | kBoth | kMark;
inline constexpr std::uint8_t kLowerSet = kLower | kBoth | kMark;
inline constexpr std::uint8_t kSymbol = kOther | kMark;

inline std::uint8_t byte_at(const char* at) { return static_cast<std::uint8_t>(*at); }

// What the patterns have in common.
constexpr bool is_o200k(Pattern pattern) {
  return pattern == Pattern::kO200k || pattern == Pattern::kTekken;
}
constexpr bool contracts(Pattern pattern) {
  return pattern != Pattern::kTekken && pattern != Pattern::kDeepseek;
}
constexpr int digits_max(Pattern pattern) {
  return pattern == Pattern::kQwen2 || pattern == Pattern::kTekken ? 1 : 3;
}

enum class Fold : std::uint64_t { kNone = 0, kCase = 0x2020202020202020u };

// The end of the ASCII letters at `at`, eight bytes a step: of small ones, or folded, of any.
inline const char* ascii_letters(const char* at, const char* end, Fold fold) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kHigh = 0x80 * kOnes;
  while (end - at >= 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, at, 8);
    const std::uint64_t low = (bytes | static_cast<std::uint64_t>(fold)) & ~kHigh;
    // The high bit of each byte: at least 'a', above 'z'. No byte carries into the next.
    const std::uint64_t from_a = low + (0x80 - 'a') * kOnes;
    const std::uint64_t above_z = low + (0x7f - 'z') * kOnes;
    const std::uint64_t outside = ~(from_a & ~above_z & ~bytes) & kHigh;
    if (outside != 0) return at + std::countr_zero(outside) / 8;
    at += 8;
  }
  const auto fold_byte = static_cast<unsigned char>(fold);
  while (at != end && static_cast<unsigned>((byte_at(at) | fold_byte) - 'a') < 26) ++at;
  return at;
}

inline char lower(char letter) { return static_cast<char>(letter | 0x20); }

// How many bytes are read at `at`, and the longest piece that plain_word() tells.
inline constexpr std::ptrdiff_t kPlainBytes = 16;

// The length of the piece at `at` where it is of the commonest form: perhaps one ASCII character
// that is no letter, digit, line end or apostrophe, perhaps one capital, then small letters, ended
// by an ASCII character that cannot belong to it. 0: of another form, or too long to tell. Most
// words of prose and code are found so, without a branch per character.
template <Pattern kPattern>
inline std::size_t plain_word(const char* at) {
#ifdef __SSE2__
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  // Compared as signed: bytes above 0x7f are below every letter.
  const auto letters_in = [](__m128i of) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_and_si128(
        _mm_cmpgt_epi8(of, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(of, _mm_set1_epi8('z' + 1)))));
  };
  const std::uint32_t small = letters_in(bytes);
  const std::uint32_t any = letters_in(folded);
  const char first = *at;
  std::uint32_t begin = 0;
  if ((any & 1) == 0) {
    if (kPattern == Pattern::kGpt2 && first != ' ') return 0;
    if (first < ' ' || first == '\'' || (first >= '0' && first <= '9')) return 0;
    begin = 1;
  }
  const std::uint32_t capital = (any & ~small) >> begin & 1;
  const std::uint32_t tail = small >> (begin + capital);
  const auto run = static_cast<std::uint32_t>(std::countr_one(tail));
  const std::uint32_t length = begin + capital + run;
  if (run == 0 || length >= kPlainBytes) return 0;
  const char next = at[length];
  if (next < 0 || next == '\'') return 0;
  if (!is_o200k(kPattern) && (any >> length & 1) != 0) return 0;
  return length;
#else
  static_cast<void>(at);
  return 0;
#endif
}

// Where pieces begin in a block of text that begins with one, bit by byte. Only as far as the
// commonest forms go, words with a space or an ASCII symbol before or behind them; what the last
// bit begins is not known to end, and everything before it is.
//
// Any two of them that follow each other are decided by the bytes up to the second one alone, so
// what comes behind the block cannot change them.
inline constexpr std::ptrdiff_t kBlockBytes = 64;

template <Pattern kPattern>
inline std::uint64_t plain_starts(const char* at) {
#ifdef __SSE2__
  std::uint64_t small = 0;
  std::uint64_t capital = 0;
  std::uint64_t space = 0;
  std::uint64_t symbol = 0;
  for (int part = 0; part < 4; ++part) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at) + part);
    // Compared as signed: bytes above 0x7f are below everything.
    const auto within = [](__m128i of, char from, char to) {
      return _mm_and_si128(_mm_cmpgt_epi8(of, _mm_set1_epi8(static_cast<char>(from - 1))),
                           _mm_cmplt_epi8(of, _mm_set1_epi8(static_cast<char>(to + 1))));
    };
    const auto mask = [part](__m128i of) {
      return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(of)))
             << (16 * part);
    };
    const __m128i letters = within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
    const __m128i capitals = within(bytes, 'A', 'Z');
    const __m128i blank = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    const __m128i apostrophe = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\''));
    const __m128i digits = within(bytes, '0', '9');
    const __m128i none = _mm_or_si128(_mm_or_si128(letters, digits), apostrophe);
    small |= mask(_mm_andnot_si128(capitals, letters));
    capital |= mask(_mm_and_si128(capitals, letters));
    space |= mask(blank);
    symbol |= mask(_mm_andnot_si128(none, within(bytes, '!', '~')));
  }
  const std::uint64_t letter = small | capital;
  const std::uint64_t after_letter = letter << 1;
  const std::uint64_t after_space = space << 1;
  const std::uint64_t after_symbol = symbol << 1;
  // A second space, and a symbol behind a space or another symbol, belong together in ways that
  // take a closer look, and so does every byte of another kind.
  const std::uint64_t unclear =
      ~(letter | space | symbol) | (space & after_space) | (symbol & (after_space | after_symbol));
  std::uint64_t starts = 1 | space | (symbol & after_letter);
  if constexpr (is_o200k(kPattern)) starts |= capital & (small << 1);
  if constexpr (kPattern == Pattern::kGpt2) starts |= letter & after_symbol;
  // Below the first unclear byte; all of them where there is none.
  return starts & ((unclear & (0 - unclear)) - 1);
#else
  static_cast<void>(at);
  return 0;
#endif
}

}  // namespace scan

template <Pattern kPattern>
std::uint64_t Splitter<kPattern>::block_starts() const {
  if (end_ - at_ < scan::kBlockBytes + scan::kPlainBytes) return 0;
  return scan::plain_starts<kPattern>(at_);
}

template <Pattern kPattern>
[[gnu::always_inline]] inline auto Splitter<kPattern>::peek(const char* at) -> Character {
  if (at == end_) [[unlikely]] {
    touched_end_ = true;
    return {0, 0};
  }
  const std::uint8_t mask = classes_.of_byte(*at);
  if (mask != 0) [[likely]]
    return {mask, 1};
  return decode(at);
}

template <Pattern kPattern>
[[gnu::noinline]] auto Splitter<kPattern>::decode(const char* at) -> Character {
  if (end_ - at >= 3) [[likely]] {
    const std::uint8_t lead = scan::byte_at(at);
    const std::uint8_t second = scan::byte_at(at + 1);
    if ((lead & 0xf0) == 0xe0 && (second & 0xc0) == 0x80 &&
        (scan::byte_at(at + 2) & 0xc0) == 0x80) {
      const std::uint8_t mask = classes_.of_three(lead, second);
      if (mask != 0) return {mask, 3};
    } else if ((lead & 0xe0) == 0xc0 && (second & 0xc0) == 0x80) {
      const std::uint8_t mask = classes_.of_two(lead, second);
      if (mask != 0) return {mask, 2};
    }
  }
  return decode_closely(at);
}

template <Pattern kPattern>
[[gnu::noinline]] auto Splitter<kPattern>::decode_closely(const char* at) -> Character {
  const std::uint8_t lead = scan::byte_at(at);
  const int length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return {kOther, 1};
  if (end_ - at < length) {
    touched_end_ = true;  // The rest of the character may be still to come.
    return {kOther, 1};
  }
  std::uint32_t point = lead & (0xffu >> (length + 1));
  for (int i = 1; i < length; ++i) {
    const std::uint8_t byte = scan::byte_at(at + i);
    if ((byte & 0xc0) != 0x80) return {kOther, 1};
    point = point << 6 | (byte & 0x3f);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  const bool surrogate = point >= 0xd800 && point < 0xe000;
  if (overlong || surrogate || point > 0x10ffff) return {kOther, 1};
  return {classes_.of(point), static_cast<std::uint8_t>(length)};
}

// The end of the characters of three bytes and of a class in `mask` at `at`, as far as their
// first two bytes tell it.
template <Pattern kPattern>
[[gnu::always_inline]] inline const char* Splitter<kPattern>::wide_run(const char* at,
                                                                       std::uint8_t mask) const {
  for (; end_ - at >= 3; at += 3) {
    const std::uint8_t lead = scan::byte_at(at);
    const std::uint8_t second = scan::byte_at(at + 1);
    if ((lead & 0xf0) != 0xe0 || (second & 0xc0) != 0x80 ||
        (scan::byte_at(at + 2) & 0xc0) != 0x80 || (classes_.of_three(lead, second) & mask) == 0) {
      break;
    }
  }
  return at;
}

// The end of the run of characters in `mask` that begins at `at`; it may be empty.
template <Pattern kPattern>
const char* Splitter<kPattern>::run(const char* at, std::uint8_t mask) {
  for (;;) {
    while (at != end_ && (classes_.of_byte(*at) & mask) != 0) ++at;
    if (at != end_ && classes_.of_byte(*at) != 0) return at;
    at = wide_run(at, mask);
    const Character character = peek(at);
    if ((character.mask & mask) == 0) return at;
    at += character.length;
  }
}

// The end of an `'s` and its like, else `at`. The long s folds to s, as the patterns have it.
template <Pattern kPattern>
const char* Splitter<kPattern>::contraction(const char* at) {
  if constexpr (!scan::contracts(kPattern)) return at;
  if (at == end_) {
    touched_end_ = true;
    return at;
  }
  if (*at != '\'') [[likely]]
    return at;
  const std::ptrdiff_t left = end_ - at;
  if (left < 3) touched_end_ = true;
  if (left < 2) return at;
  const auto folded = [](char letter) {
    return kPattern == Pattern::kGpt2 ? letter : scan::lower(letter);
  };
  const char first = folded(at[1]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if (left < 3) return at;
  const char second = folded(at[2]);
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  if (kPattern != Pattern::kGpt2 && scan::byte_at(at + 1) == 0xc5 && scan::byte_at(at + 2) == 0xbf)
    return at + 3;
  return at;
}

// The letters of one word of o200k, which begin at `at`: capitals and then small letters.
// Letters without case and marks are both, so a run of capitals with no small letter behind it
// ends at its last such character; what follows that is a word of its own.
template <Pattern kPattern>
auto Splitter<kPattern>::word(const char* at) -> Word {
  const char* after_both = nullptr;
  Character character;
  for (;;) {
    while (at != end_ && classes_.of_byte(*at) == kUpper) ++at;
    const char* const wide = wide_run(at, kBoth);
    if (wide != at) after_both = at = wide;
    character = peek(at);
    if ((character.mask & scan::kUpperSet) == 0) break;
    at += character.length;
    if ((character.mask & scan::kLowerSet) != 0) after_both = at;
  }
  if (character.mask == kLower) {
    at = scan::ascii_letters(at + character.length, end_, scan::Fold::kNone);
    return {run(at, scan::kLowerSet), true};
  }
  if (after_both != nullptr) return {after_both, true};
  return {at, false};
}

template <Pattern kPattern>
const char* Splitter<kPattern>::letters(const char* at, Character first) {
  if constexpr (!scan::is_o200k(kPattern)) {
    return run(scan::ascii_letters(at + first.length, end_, scan::Fold::kCase), scan::kLetter);
  } else {
    return contraction(word(at).end);
  }
}

template <Pattern kPattern>
const char* Splitter<kPattern>::number(const char* at) {
  if constexpr (kPattern == Pattern::kGpt2) return run(at, kNumber);
  for (int digits = 0; digits < scan::digits_max(kPattern); ++digits) {
    const Character character = peek(at);
    if (character.mask != kNumber) break;
    at += character.length;
  }
  return at;
}

template <Pattern kPattern>
const char* Splitter<kPattern>::symbols(const char* at) {
  at = run(at, kPattern == Pattern::kDeepseek ? std::uint8_t{kOther} : scan::kSymbol);
  if constexpr (kPattern == Pattern::kGpt2) return at;
  while (at != end_ && (*at == '\n' || *at == '\r' || (scan::is_o200k(kPattern) && *at == '/'))) {
    ++at;
  }
  if (at == end_) touched_end_ = true;
  return at;
}

// White space up to its last line end; without one, all of it but the last character, which
// goes to the word behind it.
template <Pattern kPattern>
const char* Splitter<kPattern>::white_space(const char* at) {
  const char* const begin = at;
  const char* last = at;
  const char* after_newline = nullptr;
  std::uint8_t behind;
  for (;;) {
    const Character character = peek(at);
    behind = character.mask;
    if ((behind & (kSpace | kNewline)) == 0) break;
    last = at;
    at += character.length;
    if (behind == kNewline) after_newline = at;
  }
  if (kPattern != Pattern::kGpt2 && after_newline != nullptr) return after_newline;
  if (at == end_ || last == begin) return at;
  if (kPattern == Pattern::kDeepseek && (behind & (kNumber | kEast)) != 0) return at;
  return last;
}

// Numbers and Chinese or Japanese are cut out first, so that for the rest a text ends there.
template <Pattern kPattern>
const char* Splitter<kPattern>::deepseek_end(const char* at) {
  constexpr std::uint8_t kWord = kAnyLetter | kMark;
  const Character first = peek(at);
  const char* const behind = at + first.length;
  if (first.mask == kNumber) return number(at);
  if ((first.mask & (kEast | kWord)) != 0) {
    return run(behind, first.mask == kEast ? std::uint8_t{kEast} : kWord);
  }
  if (first.mask == kNewline) return white_space(at);
  const Character second = peek(behind);
  if (first.mask == kOther) {
    const char* const led = *at < 0 ? behind : scan::ascii_letters(behind, end_, scan::Fold::kCase);
    if (led == end_) touched_end_ = true;
    return led != behind ? led : symbols(at);
  }
  if ((second.mask & kWord) != 0) return run(behind, kWord);
  if (first.mask == kSpace) {
    return *at == ' ' && second.mask == kOther ? symbols(behind) : white_space(at);
  }
  // What no alternative matches is one piece, but for the last if it leads a word.
  const char* before = at;
  for (at = behind;;) {
    const Character character = peek(at);
    if ((character.mask & kWord) != 0) return before;
    if (character.mask != kLoose) return at;
    before = at;
    at += character.length;
  }
}

template <Pattern kPattern>
const char* Splitter<kPattern>::piece_end(const char* at) {
  if constexpr (kPattern == Pattern::kDeepseek) return deepseek_end(at);
  const Character first = peek(at);
  if ((first.mask & scan::kLetter) != 0) return letters(at, first);
  if (first.mask == kNumber) return number(at);
  if (first.mask == kNewline) return white_space(at);

  if constexpr (!scan::is_o200k(kPattern)) {
    const char* const contracted = contraction(at);
    if (contracted != at) return contracted;
  }
  if constexpr (kPattern == Pattern::kGpt2) {
    // Nothing but a space leads what is behind it.
    if (first.mask != kSpace) return symbols(at);
    if (*at != ' ') return white_space(at);
    const std::uint8_t second = peek(at + 1).mask;
    if ((second & scan::kLetter) != 0) return run(at + 1, scan::kLetter);
    if (second == kNumber) return number(at + 1);
    return (second & scan::kSymbol) != 0 ? symbols(at + 1) : white_space(at);
  }
  // From here on `first` is a space, a mark or a symbol, any of which may lead a word.
  const char* const behind = at + first.length;
  const Character second = peek(behind);
  if constexpr (scan::is_o200k(kPattern)) {
    if (first.mask == kMark) {
      // A mark is a small letter too: alone, if no other follows in its word.
      const Word led = word(behind);
      return contraction(led.lower ? led.end : behind);
    }
    if (second.mask == kMark) return letters(behind, second);
  }
  if ((second.mask & scan::kLetter) != 0) return letters(behind, second);
  if (first.mask != kSpace) return symbols(at);
  if (*at == ' ' && (second.mask & scan::kSymbol) != 0) return symbols(behind);
  return white_space(at);
}

template <Pattern kPattern>
std::string_view Splitter<kPattern>::next() {
  const char* const begin = at_;
  if (end_ - begin > scan::kPlainBytes) [[likely]] {
    if (const std::size_t length = scan::plain_word<kPattern>(begin); length != 0) [[likely]] {
      at_ = begin + length;
      return {begin, length};
    }
  }
  at_ = piece_end(begin);
  return {begin, at_};
}

}  // namespace tollgate::tokens
