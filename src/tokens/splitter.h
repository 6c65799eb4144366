// Cuts a text into the pieces that are tokenized one by one, as the published splitting
// pattern of the vocabulary does, in one pass without backtracking over the text.
//
// The patterns, as regular expressions (leftmost, first alternative that matches):
//   o200k:  [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+C?
//         | [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*C?
//         | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//   cl100k: C | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n]*
//         | \s*[\r\n]+ | \s+(?!\S) | \s+
//   gpt2:   's|'t|'re|'ve|'m|'ll|'d |  ?\p{L}+ |  ?\p{N}+ |  ?[^\s\p{L}\p{N}]+
//         | \s+(?!\S) | \s+
//   qwen2:  cl100k with \p{N} for \p{N}{1,3}
//   tekken: o200k without C, and with \p{N} for \p{N}{1,3}
// with C = (?i:'s|'t|'re|'ve|'m|'ll|'d). Three patterns one after the other, each in what the ones
// before have left, where what a pattern leaves is a piece too:
//   deepseek: \p{N}{1,3}
//         then [\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+
//         then [!-/:-@\[-`{-~][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
//         |  ?[\p{P}\p{S}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
// No pattern, for vocabularies that write spaces as U+2581 and merge across everything:
//   whole:      between two characters that are neighbours in no token
//   each space: before every space too
//
// A byte that begins no valid UTF-8 character counts as a character of its own that is neither
// letter, mark, number nor space.
//
// No I/O. Classes: const is safe from any thread. Splitter: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokens/joins.h"
#include "tokens/vocabulary.h"

namespace tollgate::tokens {

// A character's class, one bit each, so that a set of classes is a mask. 0 is the text's end.
enum Class : std::uint8_t {
  kUpper = 1,
  kLower = 2,
  kBoth = 4,  // Letters without case: Lm, Lo.
  kMark = 8,
  kNumber = 16,
  kSpace = 32,  // White space but the line ends.
  kNewline = 64,
  kOther = 128,
  // deepseek speaks of others, so for it alone
  kAnyLetter = kUpper,  // is any letter but those of
  kEast = kBoth,        // the ranges of its second pattern, kOther is punctuation and symbols, and
  kLoose = kLower,      // this is what is nothing of all that.
};

// From code point to class: blocks of 256, each distinct block once.
class Classes {
 public:
  explicit Classes(Pattern pattern);
  std::uint8_t of(std::uint32_t code_point) const {
    return blocks_[block_of_[code_point >> 8]][code_point & 0xff];
  }
  // By first byte; 0 if more bytes belong to the character.
  std::uint8_t of_byte(char byte) const { return ascii_[static_cast<unsigned char>(byte)]; }
  // Of a whole character of two or three bytes, which are a lead of so many and continuations; 0
  // if it takes a closer look: at a bad one, or among characters of several classes.
  std::uint8_t of_two(std::uint8_t lead, std::uint8_t second) const {
    return two_[(lead & 0x1f) << 6 | (second & 0x3f)];
  }
  std::uint8_t of_three(std::uint8_t lead, std::uint8_t second) const {
    return three_[(lead & 0xf) << 6 | (second & 0x3f)];
  }

 private:
  std::array<std::uint8_t, 256> ascii_{};
  std::array<std::uint8_t, 0x800> two_{};
  std::array<std::uint8_t, 0x400> three_{};  // By the first two bytes.
  std::array<std::uint16_t, 0x1100> block_of_{};
  std::vector<std::array<std::uint8_t, 256>> blocks_;
};

// Its steps are in splitter_scan.h.
template <Pattern kPattern>
class Splitter {
 public:
  // Both are borrowed.
  Splitter(const Classes& classes, std::string_view text)
      : classes_(classes), at_(text.data()), end_(text.data() + text.size()) {}

  bool done() const { return at_ == end_; }

  // Where the next pieces begin, by the distance from at(), as far as it is cheap to tell for
  // many at once: the first bit is the next piece's. What the last bit begins is not known to
  // end, so with one bit or none nothing is told. At least 16 bytes can be read at each.
  [[gnu::always_inline]] std::uint64_t block_starts() const;
  const char* at() const { return at_; }
  // Takes the pieces before the byte at that distance, which is one of block_starts().
  void skip(int distance) { at_ += distance; }

  // The next piece; not when done().
  std::string_view next();

  // Whether a piece so far might have been another one, had the text gone on.
  bool touched_end() const { return touched_end_; }

 private:
  struct Character {
    std::uint8_t mask;
    std::uint8_t length;
  };
  struct Word {
    const char* end;
    bool lower;  // It matches the alternative that ends in lower case.
  };

  Character peek(const char* at);
  Character decode(const char* at);
  Character decode_closely(const char* at);
  const char* wide_run(const char* at, std::uint8_t mask) const;
  const char* run(const char* at, std::uint8_t mask);
  Word word(const char* at);
  const char* contraction(const char* at);
  const char* letters(const char* at, Character first);
  const char* number(const char* at);
  const char* symbols(const char* at);
  const char* white_space(const char* at);
  const char* deepseek_end(const char* at);
  const char* piece_end(const char* at);

  const Classes& classes_;
  const char* at_;
  const char* end_;
  bool touched_end_ = false;
};

// Of a text without a pattern. A piece is not longer than what is merged to one token unless
// nothing in it is sure to end a merge.
enum class Spaces : std::uint8_t { kJoin, kBegin };

class JoinSplitter {
 public:
  JoinSplitter(const Joins& joins, Spaces spaces, std::string_view text)
      : joins_(joins), spaces_(spaces), at_(text.data()), end_(text.data() + text.size()) {}

  bool done() const { return at_ == end_; }
  std::uint64_t block_starts() const { return 0; }
  const char* at() const { return at_; }
  void skip(int distance) { at_ += distance; }
  bool touched_end() const { return at_ == end_; }

  std::string_view next() {
    const char* const begin = at_++;
    while (at_ != end_ && joins_.across(at_[-1], *at_) &&
           !(spaces_ == Spaces::kBegin && *at_ == ' ')) {
      ++at_;
    }
    return {begin, at_};
  }

 private:
  const Joins& joins_;
  Spaces spaces_;
  const char* at_;
  const char* end_;
};

}  // namespace tollgate::tokens
