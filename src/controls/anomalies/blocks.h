// 64 bytes of a text at a time, classified into bits. Internal to the room.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tollgate::anomalies {

// A bit a byte, the first the lowest.
struct Block {
  std::uint64_t word = 0;  // Letters and digits, and all beyond ASCII.
  std::uint64_t digit = 0;
  std::uint64_t upper = 0;
  std::uint64_t beyond = 0;    // Not ASCII.
  std::uint64_t escape = 0;    // Per cent signs and backslashes.
  std::uint64_t ending = 0;    // What ends a sentence, or a line.
  std::uint64_t repeated = 0;  // The byte before is the same.
};

// The same without vectors, byte by byte: what the other is held to.
inline Block classify_plain(const char* at, char before) {
  Block block;
  for (int i = 0; i < 64; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    const std::uint64_t bit = std::uint64_t{1} << i;
    const bool digit = byte >= '0' && byte <= '9';
    const bool upper = byte >= 'A' && byte <= 'Z';
    if (digit) block.digit |= bit;
    if (upper) block.upper |= bit;
    if (byte >= 0x80) block.beyond |= bit;
    if (digit || byte >= 0x80 || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z')) block.word |= bit;
    if (byte == '%' || byte == '\\') block.escape |= bit;
    if (byte == '.' || byte == '!' || byte == '?' || byte == '\n' || byte == ':') {
      block.ending |= bit;
    }
    if (at[i] == (i == 0 ? before : at[i - 1])) block.repeated |= bit;
  }
  return block;
}

#if defined(__AVX2__)
inline std::uint64_t bits_of(__m256i low, __m256i high) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
         std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(high))} << 32;
}

// The bytes of `at` in `first` and the `count - 1` after it.
inline __m256i within(__m256i bytes, char first, char count) {
  const __m256i from = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(from, _mm256_set1_epi8(static_cast<char>(count - 1))),
                           from);
}

inline Block classify(const char* at, char before) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
  const auto both = [&](auto of) { return bits_of(of(low), of(high)); };
  const auto is = [](__m256i bytes, char byte) {
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
  };
  Block block;
  block.beyond = bits_of(low, high);
  block.digit = both([](__m256i bytes) { return within(bytes, '0', 10); });
  block.upper = both([](__m256i bytes) { return within(bytes, 'A', 26); });
  const std::uint64_t letters = both([](__m256i bytes) {
    return within(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'a', 26);
  });
  block.word = letters | block.digit | block.beyond;
  block.escape =
      both([&](__m256i bytes) { return _mm256_or_si256(is(bytes, '%'), is(bytes, '\\')); });
  // By the low half of a byte, what of the few there are has it.
  const __m256i endings = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(-1, '!', -1, -1, -1, -1, -1, -1, -1, -1, '\n', -1, -1, -1, '.', '?'));
  block.ending = both([&](__m256i bytes) {
    const __m256i listed = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(endings, bytes), bytes);
    return _mm256_or_si256(listed, is(bytes, ':'));
  });
  block.ending &= ~block.beyond;
  std::uint64_t same = 0;
  const __m256i low_before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 31));
  same = std::uint64_t{static_cast<std::uint32_t>(
             _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, low_before)))}
         << 32;
  const __m256i carried = _mm256_permute2x128_si256(low, low, 0x08);
  const __m256i shifted = _mm256_alignr_epi8(low, carried, 15);
  same |= static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, shifted)));
  block.repeated = (same & ~std::uint64_t{1}) | static_cast<std::uint64_t>(*at == before);
  return block;
}
#else
inline Block classify(const char* at, char before) { return classify_plain(at, before); }
#endif

}  // namespace tollgate::anomalies
