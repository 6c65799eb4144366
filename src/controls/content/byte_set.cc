#include "controls/content/byte_set.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <bit>

#include "controls/content/identifiers.h"
#include "controls/content/survey.h"

namespace tollgate::content {

#ifdef __AVX2__
namespace {

constexpr std::size_t kBlock = sizeof(__m256i);

// What 32 bytes are.
class Look {
 public:
  Look(const std::array<std::uint8_t, 16>& of_low, const std::array<std::uint8_t, 16>& of_high)
      : of_low_(halves(of_low)), of_high_(halves(of_high)) {}

  std::uint32_t specials(__m256i bytes) const {
    const __m256i mask = _mm256_set1_epi8(0x0F);
    const __m256i low = _mm256_shuffle_epi8(of_low_, _mm256_and_si256(bytes, mask));
    const __m256i high =
        _mm256_shuffle_epi8(of_high_, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask));
    return ~bits(_mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256()));
  }

  static std::uint32_t spaces(__m256i bytes) {
    const __m256i value = _mm256_sub_epi8(bytes, _mm256_set1_epi8('\t'));
    const __m256i most = _mm256_set1_epi8('\r' - '\t');
    return bits(_mm256_or_si256(_mm256_cmpeq_epi8(_mm256_min_epu8(value, most), value),
                                _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '))));
  }

  static __m256i at(const char* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  }

 private:
  static __m256i halves(const std::array<std::uint8_t, 16>& rows) {
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.data())));
  }
  static std::uint32_t bits(__m256i bytes) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes));
  }

  __m256i of_low_;
  __m256i of_high_;
};

}  // namespace
#endif

void ByteSet::add(unsigned char byte) {
  // Of each half that is met a bit: four of what begins characters, four of ASCII.
  const int high = byte >> 4;
  const int bit = high >= 0xC ? high - 0xC : high < 2 ? 4 + high : high == 5 ? 6 : 7;
  has_[byte] = true;
  of_low_[byte & 0xF] |= static_cast<std::uint8_t>(1 << bit);
  of_high_[byte >> 4] |= static_cast<std::uint8_t>(1 << bit);
}

std::size_t ByteSet::find(std::string_view text, std::size_t at) const {
#ifdef __AVX2__
  const Look look(of_low_, of_high_);
  for (; at + kBlock <= text.size(); at += kBlock) {
    const std::uint32_t found = look.specials(Look::at(text.data() + at));
    if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found));
  }
#endif
  while (at < text.size() && !has(text[at])) ++at;
  return at;
}

std::size_t ByteSet::find_or_gap(std::string_view text, std::size_t at) const {
  std::size_t run = 0;  // Of white space up to there.
#ifdef __AVX2__
  static_assert(kSpacesMax == 4);
  const Look look(of_low_, of_high_);
  std::uint64_t before = 0;  // The last four of the block before.
  for (; at + kBlock <= text.size(); at += kBlock) {
    const __m256i bytes = Look::at(text.data() + at);
    const std::uint64_t special = std::uint64_t{look.specials(bytes)} << kSpacesMax;
    const std::uint64_t spaces = std::uint64_t{Look::spaces(bytes)} << kSpacesMax | before;
    const std::uint64_t two = spaces & spaces >> 1;
    const std::uint64_t gap = two & two >> 2 & spaces >> 4;
    if ((special | gap) != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(special | gap)) - kSpacesMax;
    }
    before = spaces >> kBlock;
  }
  run = static_cast<std::size_t>(std::countl_one(before << (64 - kSpacesMax)));
#endif
  for (; at < text.size(); ++at) {
    if (has(text[at])) return at;
    run = is_space(text[at]) ? run + 1 : 0;
    if (run > kSpacesMax) return at + 1 - run;
  }
  return at;
}

}  // namespace tollgate::content
