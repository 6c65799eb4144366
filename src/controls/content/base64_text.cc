#include "controls/content/base64_text.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tollgate::content {

#ifdef __AVX2__
namespace {

constexpr std::size_t kLetters = 32;  // Of one turn.
constexpr int kBytes = 24;            // That they stand for.
constexpr std::uint32_t kAll = (1U << kBytes) - 1;
constexpr std::size_t kOffsets = 4;
constexpr std::size_t kChunk = 8 * kLetters;  // Letters that are looked at from each offset.

__m256i bytes_of(char c) { return _mm256_set1_epi8(c); }

// What each letter is worth.
__m256i values_of(__m256i letters) {
  const __m256i is_small = _mm256_cmpgt_epi8(letters, bytes_of('a' - 1));
  const __m256i is_letter = _mm256_cmpgt_epi8(letters, bytes_of('A' - 1));
  __m256i value = _mm256_add_epi8(letters, bytes_of(52 - '0'));
  value = _mm256_blendv_epi8(value, _mm256_sub_epi8(letters, bytes_of('A')), is_letter);
  value = _mm256_blendv_epi8(value, _mm256_sub_epi8(letters, bytes_of('a' - 26)), is_small);
  const auto is = [&](char c) { return _mm256_cmpeq_epi8(letters, bytes_of(c)); };
  value = _mm256_blendv_epi8(value, bytes_of(62), _mm256_or_si256(is('+'), is('-')));
  return _mm256_blendv_epi8(value, bytes_of(63), _mm256_or_si256(is('/'), is('_')));
}

// The values that they have in ROT13: 13 more or less, within their case.
__m256i turned(__m256i values) {
  const auto is_over = [&](char most) { return _mm256_cmpgt_epi8(values, bytes_of(most)); };
  const __m256i adds = _mm256_or_si256(_mm256_andnot_si256(is_over(12), bytes_of(-1)),
                                       _mm256_andnot_si256(is_over(38), is_over(25)));
  const __m256i by = _mm256_blendv_epi8(bytes_of(-13), bytes_of(13), adds);
  return _mm256_add_epi8(values, _mm256_andnot_si256(is_over(51), by));
}

// The bytes, twelve in each half.
__m256i decoded(__m256i values) {
  const __m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
  const __m128i order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  return _mm256_shuffle_epi8(fours, _mm256_broadcastsi128_si256(order));
}

std::uint32_t mask_of(__m256i is) {
  const auto bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(is));
  constexpr std::uint32_t kHalf = 0xFFF;
  return (bits & kHalf) | (bits >> 16 & kHalf) << 12;
}

// Which of the bytes may be of text. What is cut at either end may go on there.
std::uint32_t textual(__m256i bytes) {
  // As signed numbers.
  const auto is_between = [&](char first, char last) {
    return mask_of(
        _mm256_and_si256(_mm256_cmpgt_epi8(bytes, bytes_of(static_cast<char>(first - 1))),
                         _mm256_cmpgt_epi8(bytes_of(static_cast<char>(last + 1)), bytes)));
  };
  const std::uint32_t ascii = is_between(' ', '~') | is_between('\t', '\r');
  const std::uint32_t follows = mask_of(_mm256_cmpgt_epi8(bytes_of('\xC0'), bytes));
  if (follows == 0) return ascii;
  const auto behind = [&](int by) { return follows >> by | (kAll & ~(kAll >> by)); };
  const std::uint32_t twos = is_between('\xC2', '\xDF') & behind(1);
  const std::uint32_t threes = is_between('\xE0', '\xEF') & behind(1) & behind(2);
  const std::uint32_t fours = is_between('\xF0', '\xF4') & behind(1) & behind(2) & behind(3);
  const std::uint32_t second = (twos | threes | fours) << 1;
  const std::uint32_t third = (threes | fours) << 2;
  constexpr std::uint32_t kBegun = 7;  // Of a character before.
  return (ascii | twos | threes | fours | second | third | fours << 3 | (follows & kBegun)) & kAll;
}

bool has_stretch(std::uint32_t mask) {
  const std::uint32_t two = mask & mask >> 1;
  const std::uint32_t four = two & two >> 2;
  const std::uint32_t eight = four & four >> 4;
  return (eight & four >> 8) != 0;
}
static_assert(kStretchMin == 12);

// What is known of the bytes up to somewhere.
struct Stretch {
  bool is_all = true;     // All of them may be of text…
  bool is_found = false;  // …or kStretchMin in a row…
  int run = 0;            // …or so many at the end.

  // As many as there are letters for from there on, at most kBytes.
  void go_on(const char* values, std::size_t letters) {
    const int count = static_cast<int>(std::min(letters, kLetters)) * 6 / 8;
    const std::uint32_t is_there = (1U << count) - 1;
    const __m256i read = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
    const std::uint32_t mask = textual(decoded(read)) & is_there;
    is_all = is_all && mask == is_there;
    is_found = is_found || has_stretch(mask) ||
               run + std::countr_one(mask) >= static_cast<int>(kStretchMin);
    run = mask == is_there ? run + count : std::countl_one(mask << (32 - count));
  }
};

}  // namespace

unsigned may_be_text_in_base64(std::string_view letters, Turned is_turned) {
  std::array<Stretch, kOffsets> stretches;
  const std::size_t offsets = is_turned == Turned::kYes ? 1 : kOffsets;
  for (std::size_t from = 0; from < letters.size(); from += kChunk) {
    // The letters of the chunk, and those that the last of its turns has in the next.
    std::array<char, kChunk + 2 * kLetters> values;
    const std::string_view some = letters.substr(from, kChunk + kLetters);
    for (std::size_t at = 0; at < some.size(); at += kLetters) {
      std::array<char, kLetters> turn;
      const std::size_t size = std::min(some.size() - at, kLetters);
      if (size < kLetters) turn.fill('A');
      std::memcpy(turn.data(), some.data() + at, size);
      const __m256i read = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(turn.data()));
      __m256i made = values_of(read);
      if (is_turned == Turned::kYes) made = turned(made);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(values.data() + at), made);
    }
    for (std::size_t offset = 0; offset < offsets; ++offset) {
      Stretch& stretch = stretches[offset];
      for (std::size_t at = offset; at < kChunk + offset && at < some.size(); at += kLetters) {
        stretch.go_on(values.data() + at, some.size() - at);
      }
    }
  }
  unsigned told = 0;
  for (std::size_t offset = 0; offset < offsets; ++offset) {
    if (stretches[offset].is_found || stretches[offset].is_all) told |= 1U << offset;
  }
  return told;
}
#else
unsigned may_be_text_in_base64(std::string_view, Turned) { return 15; }
#endif

}  // namespace tollgate::content
