#include "controls/content/survey.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tollgate::content {

namespace {

constexpr std::size_t kBlock = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_between(char c, char first, char last) {
  const auto small = static_cast<char>(c | 0x20);
  return small >= first && small <= last;
}

// A bit for each byte of a block that is of the class.
struct Masks {
  std::uint64_t spaces = 0;
  std::uint64_t base64 = 0;
  bool has_others = false;
  bool has_escapes = false;
  bool has_marks = false;
  bool has_crosses = false;
};

#ifdef __AVX2__
// A byte is of a class where the rows of its halves have a bit in common: letters in two sorts,
// digits, + - and /, _, line breaks, the space and 0x7F.
constexpr char kBase64Bits = 0x1F;
constexpr char kSpaceBits = 0x60;
constexpr std::array<std::uint8_t, 16> kHighHalves{0x20, 0, 0x48, 0x04, 0x01, 0x12, 0x01, 0x82};
constexpr std::array<std::uint8_t, 16> kLowHalves = [] {
  std::array<std::uint8_t, 16> rows{};
  for (std::size_t low = 0; low < rows.size(); ++low) {
    int row = low >= 1 ? 0x01 : 0x40;
    if (low <= 0xA) row |= 0x02;
    if (low <= 9) row |= 0x04;
    if (low == 0xB || low == 0xD || low == 0xF) row |= 0x08;
    if (low == 0xF) row |= 0x90;
    if (low >= 9 && low <= 0xD) row |= 0x20;
    rows[low] = static_cast<std::uint8_t>(row);
  }
  return rows;
}();

__m256i rows_of(const std::array<std::uint8_t, 16>& halves) {
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves.data())));
}
__m256i equal(__m256i bytes, char c) { return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)); }

struct Half {
  __m256i spaces;
  __m256i base64;
  __m256i others;
  __m256i escapes;
  __m256i marks;
  __m256i crosses;
};

Half half_of(const char* at) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
  const __m256i rows = _mm256_and_si256(_mm256_shuffle_epi8(rows_of(kHighHalves), high),
                                        _mm256_shuffle_epi8(rows_of(kLowHalves), bytes));
  const auto is_of = [&](char of) {
    const __m256i not_of = equal(_mm256_and_si256(rows, _mm256_set1_epi8(of)), 0);
    return _mm256_xor_si256(not_of, _mm256_set1_epi8(-1));
  };
  const __m256i spaces = is_of(kSpaceBits);
  // Compared as signed: bytes beyond ASCII are below all others, and 0x7F is the top bit of a row.
  const __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes);
  return {
      .spaces = spaces,
      .base64 = is_of(kBase64Bits),
      .others = _mm256_or_si256(_mm256_andnot_si256(spaces, low), rows),
      .escapes = equal(bytes, '\\'),
      .marks = _mm256_or_si256(equal(bytes, '%'), equal(bytes, '&')),
      .crosses = equal(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'x'),
  };
}

std::uint64_t bits(__m256i low, __m256i high) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
         std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(high))} << 32;
}
bool any(__m256i low, __m256i high) {
  return _mm256_movemask_epi8(_mm256_or_si256(low, high)) != 0;
}

Masks masks_of(const char* at) {
  const Half low = half_of(at);
  const Half high = half_of(at + kBlock / 2);
  return {
      .spaces = bits(low.spaces, high.spaces),
      .base64 = bits(low.base64, high.base64),
      .has_others = any(low.others, high.others),
      .has_escapes = any(low.escapes, high.escapes),
      .has_marks = any(low.marks, high.marks),
      .has_crosses = any(low.crosses, high.crosses),
  };
}
#else
bool is_break(char c) { return c >= '\t' && c <= '\r'; }

Masks masks_of(const char* at) {
  Masks made;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const char c = at[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    const bool is_letter = is_between(c, 'a', 'z');
    if (static_cast<signed char>(c) < ' ' || c == 0x7F) made.has_others |= !is_break(c);
    made.has_escapes |= c == '\\';
    made.has_marks |= c == '%' || c == '&';
    made.has_crosses |= is_between(c, 'x', 'x');
    if (c == ' ' || is_break(c)) made.spaces |= bit;
    if (is_digit(c) || is_letter || c == '+' || c == '/' || c == '-' || c == '_') {
      made.base64 |= bit;
    }
  }
  return made;
}
#endif

class Looking {
 public:
  // The block that begins at `at`, which is that of `text` from `from` on.
  void take(const char* at, std::string_view text, std::size_t from) {
    constexpr int kLast = kBlock - 1;
    const Masks masks = masks_of(at);
    told_.has_others |= masks.has_others;
    told_.has_escapes |= masks.has_escapes;
    told_.has_marks |= masks.has_marks;
    spaces_ |= masks.spaces & (masks.spaces << 1 | space_before_);
    space_before_ = masks.spaces >> kLast;
    // A bit stays where as many follow it as were asked for.
    const std::uint64_t base64 = masks.base64;
    std::uint64_t long_run = base64;
    for (const int step : {1, 2, 4, 8}) long_run &= long_run >> step;
    told_.has_runs |=
        long_run != 0 || run_ + std::countr_one(base64) >= static_cast<int>(kEncodedMin);
    run_ = std::countl_one(base64);
    // Three pairs of them: of eight in a row, so many are within a block.
    const std::uint64_t pair = base64 & base64 >> 1 & ~(base64 >> 2);
    if (are_three(pair)) told_.has_runs |= has_hex_pairs(at);
    if (masks.has_crosses) told_.has_runs |= has_hex_numbers(text, from);
  }

  Survey told() const {
    Survey made = told_;
    made.has_spaces = spaces_ != 0;
    return made;
  }

 private:
  static_assert(kEncodedMin == 16);  // As the steps add up.

  // With one byte between them, or two.
  static bool are_three(std::uint64_t pair) {
    return ((pair & pair >> 3 & pair >> 6) | (pair & pair >> 4 & pair >> 8)) != 0;
  }

  static bool has_hex_pairs(const char* at) {
    std::uint64_t hex = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      if (is_digit(at[i]) || is_between(at[i], 'a', 'f')) hex |= std::uint64_t{1} << i;
    }
    const std::uint64_t pair = hex & hex >> 1 & ~(hex >> 2);
    return are_three(pair);
  }

  // One of two digits, and the beginning of the next.
  static bool has_hex_numbers(std::string_view text, std::size_t from) {
    constexpr std::size_t kNumber = 4;
    const std::size_t end = std::min(text.size(), from + kBlock);
    for (std::size_t i = from; i < end; ++i) {
      if (!is_between(text[i], 'x', 'x') || i == 0 || text[i - 1] != '0') continue;
      const std::string_view next = text.substr(i - 1, 2 * kNumber);
      const std::size_t second = next.find('0', kNumber);
      if (second <= kNumber + 2 && second + 1 < next.size() &&
          is_between(next[second + 1], 'x', 'x')) {
        return true;
      }
    }
    return false;
  }

  Survey told_;
  std::uint64_t spaces_ = 0;
  std::uint64_t space_before_ = 0;
  int run_ = 0;  // Bytes of base64 that the last block ended with.
};

}  // namespace

Survey survey(std::string_view text) {
  Looking looking;
  std::size_t at = 0;
  for (; at + kBlock <= text.size(); at += kBlock) looking.take(text.data() + at, text, at);
  if (at < text.size()) {
    std::array<char, kBlock> rest{};
    rest.fill('.');  // Of no class.
    std::memcpy(rest.data(), text.data() + at, text.size() - at);
    looking.take(rest.data(), text, at);
  }
  return looking.told();
}

}  // namespace tollgate::content
