// What one request looks like, in figures: never what it says.
//
// One pass over the texts that are given, whole: no text is sampled but for the figures that say
// so. What tells one template from another are its content words: those of four bytes and more,
// folded to lower case; a word with a digit is left out, so that numbers do not make a text another
// one. Where a script has no spaces its pairs of characters are the words.
//
// Two sketches of those words tell how near two texts are, whatever their order:
//   simhash   64 bits, each the majority of that bit in the hashes of all words. Two texts at an
//             angle t (of the vectors of their words) differ in t/pi of the bits; unrelated ones in
//             32 of them, give or take 4. Variants that share nine words in ten differ in about 9.
//   minhash   the smallest of each of 16 hashes of all words: two texts agree in one with the
//             probability of the words that they share among all that either has.
// Which hashes is a secret of the gateway, so that nobody can make texts that look alike to it.
//
// Pure. Safe from any thread. Sources: Charikar, "Similarity Estimation Techniques from Rounding
// Algorithms" (2002); Manku et al., "Detecting Near-Duplicates for Web Crawling" (2007); Broder,
// "On the resemblance and containment of documents" (1997).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/units.h"

namespace tollgate::anomalies {

// Scripts that letters are of, each a bit of Features::scripts.
enum class Script : std::uint8_t {
  kLatin,  // Plain ASCII letters.
  kLatinBeyond,
  kGreek,
  kCyrillic,
  kHebrewArabic,
  kIndic,
  kKana,
  kHangul,
  kHan,
  kOther,
};
inline constexpr int kScriptCount = 10;
std::string_view name_of(Script script);  // "latin"

inline constexpr std::size_t kMinhashes = 16;
using Minhash = std::array<std::uint32_t, kMinhashes>;

struct Features {
  Bytes bytes = 0;
  std::uint32_t words = 0;           // Content words.
  std::uint32_t distinct_words = 0;  // As a sketch counts them: within 3 % below 1000.
  std::uint32_t longest_run = 0;     // Of one byte.
  // Parts of 1000.
  std::uint16_t entropy = 0;         // Of the bytes that are sampled: 1000 is 8 bits a byte.
  std::uint16_t distinct_grams = 0;  // Of the sampled sequences of four bytes: what compresses
                                     // well has few.
  std::uint16_t encoded = 0;         // Bytes in runs that look like base64 or hex, or escaped.
  std::uint16_t beyond_ascii = 0;
  std::uint16_t sampled = 0;  // Bytes of the sample.
  std::uint16_t scripts = 0;  // By Script.
  std::uint64_t simhash = 0;  // 0: too few words.
  std::uint64_t exact = 0;    // The same for texts that differ in nothing but numbers and
                              // names (words with a capital that begin no sentence).
  Minhash minhash{};

  // Part of 1000 of the words that are there again.
  std::uint32_t repetition() const {
    return words <= distinct_words ? 0 : 1000 - distinct_words * 1000 / words;
  }
};

// With fewer content words nothing can be said of whether two texts are variants of one.
inline constexpr std::uint32_t kWordsMin = 8;

inline int distance(std::uint64_t a, std::uint64_t b) { return std::popcount(a ^ b); }
int agreeing(const Minhash& a, const Minhash& b);

// `key` is the gateway's secret; the same texts and key give the same features.
//
// The sample of entropy and grams is 256 bytes at most: blocks of 64 whose places in the texts
// follow from the key and the length, so that a caller cannot tell what will be looked at.
Features measure(std::span<const std::string_view> texts, std::uint64_t key);

}  // namespace tollgate::anomalies
