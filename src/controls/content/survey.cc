#include "controls/content/survey.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tollgate::content {

namespace {

constexpr std::size_t kBlock = 64;

// A bit for each byte of a block that is of the class.
struct Masks {
  std::uint64_t base64 = 0;
  std::uint64_t letters = 0;
  std::uint64_t digits = 0;
  std::uint64_t high = 0;  // Beyond ASCII.
  std::uint64_t escapes = 0;
  std::uint64_t marks = 0;  // % and &.
  std::uint64_t spaces = 0;
  std::uint64_t equals = 0;
  std::uint64_t capitals = 0;
  bool has_others = false;
};

// The letter of a prefix like 0x, 0b and 0o.
bool is_base(char c) {
  const int small = c | 0x20;
  return small == 'x' || small == 'b' || small == 'o';
}

// What is asked of a block only where it has signs.
struct Signs {
  std::uint64_t percents = 0;
  std::uint64_t hashes = 0;
  std::uint64_t codes = 0;  // x and u, of either case.
};

#ifdef __AVX2__
// A byte is of a class where the rows of its halves have a bit in common: letters in two sorts,
// digits, + - and /, _, line breaks, the space and 0x7F.
constexpr char kBase64Bits = 0x1F;
constexpr char kLetterBits = 0x03;
constexpr char kDigitBits = 0x04;
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
__m256i loaded(const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
__m256i equal(__m256i bytes, char c) { return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)); }
std::uint32_t bits(__m256i bytes) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes));
}
std::uint64_t joined(std::uint32_t low, std::uint32_t high) {
  return low | std::uint64_t{high} << 32;
}

// Both halves of a block, by `of` each.
template <class Of>
std::uint64_t both(const char* at, Of of) {
  return joined(bits(of(loaded(at))), bits(of(loaded(at + kBlock / 2))));
}

struct Half {
  std::uint32_t base64, letters, digits, high, escapes, marks, spaces, equals, capitals, others;
};

Half half_of(const char* at) {
  const __m256i bytes = loaded(at);
  const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
  const __m256i rows = _mm256_and_si256(_mm256_shuffle_epi8(rows_of(kHighHalves), upper),
                                        _mm256_shuffle_epi8(rows_of(kLowHalves), bytes));
  const auto none_of = [&](char of) {
    return equal(_mm256_and_si256(rows, _mm256_set1_epi8(of)), 0);
  };
  // Compared as signed: bytes beyond ASCII are below all others, and 0x7F is the top bit of a row.
  const __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes);
  const __m256i no_space = none_of(kSpaceBits);
  return {.base64 = ~bits(none_of(kBase64Bits)),
          .letters = ~bits(none_of(kLetterBits)),
          .digits = ~bits(none_of(kDigitBits)),
          .high = bits(bytes),
          .escapes = bits(equal(bytes, '\\')),
          .marks = bits(_mm256_or_si256(equal(bytes, '%'), equal(bytes, '&'))),
          .spaces = ~bits(no_space),
          .equals = bits(equal(bytes, '=')),
          .capitals = bits(_mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('A' - 1)),
                                            _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), bytes))),
          .others = bits(_mm256_or_si256(_mm256_and_si256(no_space, low), rows))};
}

Masks masks_of(const char* at) {
  const Half low = half_of(at);
  const Half high = half_of(at + kBlock / 2);
  return {.base64 = joined(low.base64, high.base64),
          .letters = joined(low.letters, high.letters),
          .digits = joined(low.digits, high.digits),
          .high = joined(low.high, high.high),
          .escapes = joined(low.escapes, high.escapes),
          .marks = joined(low.marks, high.marks),
          .spaces = joined(low.spaces, high.spaces),
          .equals = joined(low.equals, high.equals),
          .capitals = joined(low.capitals, high.capitals),
          .has_others = (low.others | high.others) != 0};
}

Signs signs_of(const char* at) {
  return {.percents = both(at, [](__m256i bytes) { return equal(bytes, '%'); }),
          .hashes = both(at, [](__m256i bytes) { return equal(bytes, '#'); }),
          .codes = both(at, [](__m256i bytes) {
            const __m256i small = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
            return _mm256_or_si256(equal(small, 'x'), equal(small, 'u'));
          })};
}

// Letters a to f, of either case.
std::uint64_t hex_letters(const char* at) {
  return both(at, [](__m256i bytes) {
    const __m256i value =
        _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(5)), value);
  });
}

// Dots and dashes, and what may stand between words of them beside white space.
std::uint64_t either(const char* at, char one, char other) {
  return both(
      at, [&](__m256i bytes) { return _mm256_or_si256(equal(bytes, one), equal(bytes, other)); });
}
std::uint64_t signs_of_morse(const char* at) { return either(at, '.', '-'); }
std::uint64_t between_morse(const char* at) { return either(at, '/', '|'); }
// What may stand before a number that is named.
std::uint64_t before_numbers(const char* at) { return either(at, '(', '+'); }

// The first bytes of what is Greek, Cyrillic or Armenian: U+0340 to U+05BF.
std::uint64_t like_latin(const char* at) {
  return both(at, [](__m256i bytes) {
    return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('\xCC')),
                            _mm256_cmpgt_epi8(_mm256_set1_epi8('\xD7'), bytes));
  });
}
#else
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_between(char c, char first, char last) {
  const auto small = static_cast<char>(c | 0x20);
  return small >= first && small <= last;
}

template <class Is>
std::uint64_t each(const char* at, Is is) {
  std::uint64_t made = 0;
  for (std::size_t i = 0; i < kBlock; ++i) made |= std::uint64_t{is(at[i]) ? 1U : 0U} << i;
  return made;
}

Masks masks_of(const char* at) {
  Masks made;
  made.letters = each(at, [](char c) { return is_between(c, 'a', 'z'); });
  made.digits = each(at, is_digit);
  made.base64 = made.letters | made.digits |
                each(at, [](char c) { return c == '+' || c == '/' || c == '-' || c == '_'; });
  made.high = each(at, [](char c) { return (c & 0x80) != 0; });
  made.escapes = each(at, [](char c) { return c == '\\'; });
  made.marks = each(at, [](char c) { return c == '%' || c == '&'; });
  made.has_others =
      each(at, [](char c) {
        return (static_cast<signed char>(c) < ' ' && !(c >= '\t' && c <= '\r')) || c == 0x7F;
      }) != 0;
  made.spaces = each(at, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  made.equals = each(at, [](char c) { return c == '='; });
  made.capitals = each(at, [](char c) { return c >= 'A' && c <= 'Z'; });
  return made;
}

Signs signs_of(const char* at) {
  return {
      .percents = each(at, [](char c) { return c == '%'; }),
      .hashes = each(at, [](char c) { return c == '#'; }),
      .codes = each(at, [](char c) { return is_between(c, 'x', 'x') || is_between(c, 'u', 'u'); })};
}

std::uint64_t hex_letters(const char* at) {
  return each(at, [](char c) { return is_between(c, 'a', 'f'); });
}

std::uint64_t signs_of_morse(const char* at) {
  return each(at, [](char c) { return c == '.' || c == '-'; });
}
std::uint64_t between_morse(const char* at) {
  return each(at, [](char c) { return c == '/' || c == '|'; });
}
std::uint64_t before_numbers(const char* at) {
  return each(at, [](char c) { return c == '(' || c == '+'; });
}

std::uint64_t like_latin(const char* at) {
  return each(at, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xCD && byte <= 0xD6;
  });
}
#endif

}  // namespace

// Goes through the blocks of a text.
class Surveyor {
 public:
  Surveyor(std::string_view text, Candidates& found) : text_(text), blocks_(found.blocks_) {
    blocks_.assign((text.size() + kBlock - 1) / kBlock, 0);
  }

  Survey all() {
    std::size_t at = 0;
    for (; at + kBlock <= text_.size(); at += kBlock) take(text_.data() + at, at / kBlock);
    if (at < text_.size()) {
      std::array<char, kBlock> rest{};
      rest.fill(',');  // Of no class.
      std::memcpy(rest.data(), text_.data() + at, text_.size() - at);
      take(rest.data(), at / kBlock);
    }
    told_.may_be_encoded = any_ != 0;
    told_.may_mix = is_next_to_high_ && has_like_latin_;
    return told_;
  }

 private:
  static_assert(kEncodedMin == 16 && kSpacesMax == 4);  // As the steps add up.

  void take(const char* at, std::size_t block) {
    const Masks masks = masks_of(at);
    told_.has_others |= masks.has_others;
    told_.has_escapes |= masks.escapes != 0;
    const std::uint64_t two = masks.spaces & masks.spaces >> 1;
    told_.has_gaps |= (two & two >> 2 & masks.spaces >> 4) != 0 ||
                      spaces_ + std::countr_one(masks.spaces) > static_cast<int>(kSpacesMax);
    spaces_ = masks.spaces >> 63 == 0 ? 0 : std::countl_one(masks.spaces);
    std::uint64_t begins = runs(masks.base64, block) | pairs(at, masks) | codes(at, masks);
    if ((masks.escapes | masks.marks) != 0) begins |= signs(at, masks);
    if ((masks.high | was_high_) != 0) look_at_high(at, masks);
    was_letter_ = masks.letters >> 63;
    was_alnum_ = (masks.letters | masks.digits) >> 63;
    was_base64_ = masks.base64 >> 63;
    was_high_ = masks.high >> 63;
    blocks_[block] |= begins;
    any_ |= begins;
  }

  // Where runs begin that are long enough; one may have begun in the block before.
  std::uint64_t runs(std::uint64_t base64, std::size_t block) {
    std::uint64_t long_run = base64;
    for (const int step : {1, 2, 4, 8}) long_run &= long_run >> step;
    const std::uint64_t before = run_ > 0 ? 1 : 0;
    const std::uint64_t begins = long_run & ~(base64 << 1 | before);
    if (run_ > 0 && run_ < static_cast<int>(kEncodedMin) &&
        run_ + std::countr_one(base64) >= static_cast<int>(kEncodedMin)) {
      const std::uint64_t begun = std::uint64_t{1} << (kBlock - static_cast<std::size_t>(run_));
      blocks_[block - 1] |= begun;
      any_ |= begun;
    }
    run_ = base64 == ~std::uint64_t{0} ? static_cast<int>(kBlock) : std::countl_one(base64);
    return begins;
  }

  // Pairs of hex digits of which there are three in a row, and numbers that begin with 0x: of the
  // eight that hold something, so many are within a block.
  std::uint64_t pairs(const char* at, const Masks& masks) const {
    const std::uint64_t behind_one = masks.base64 << 1 | was_base64_;
    const std::uint64_t pair =
        masks.base64 & masks.base64 >> 1 & ~(masks.base64 >> 2) & ~behind_one;
    std::uint64_t begins = 0;
    if (are_three(pair)) {
      const std::uint64_t hex = masks.digits | hex_letters(at);
      const std::uint64_t of_hex = pair & hex & hex >> 1;
      if (are_three(of_hex)) begins = of_hex;
    }
    const std::uint64_t digits = masks.digits & ~behind_one & behind(masks.letters);
    if (digits != 0) begins |= numbers(at, digits);
    return begins;
  }

  // What codes.h reads. All that is one has a place in some block, however the text is cut, that
  // shows it; what else is shown is looked at in vain.
  std::uint64_t codes(const char* at, const Masks& masks) const {
    const std::uint64_t alnum = masks.letters | masks.digits;
    const std::uint64_t behind_alnum = alnum << 1 | was_alnum_;
    std::uint64_t begins = 0;
    // Letters that stand by themselves, three in a row with the same gap, of one to three bytes.
    const std::uint64_t alone = alnum & ~behind_alnum & ~behind(alnum);
    begins |= alone & alone >> 2 & alone >> 4;
    const std::uint64_t letters = alone & masks.letters;
    begins |= (letters & letters >> 3 & letters >> 6) | (letters & letters >> 4 & letters >> 8);
    if (masks.equals != 0) begins |= quoted(masks);
    if (std::popcount(masks.digits) >= kDigits) begins |= codes_in_digits(at, masks.digits, alnum);
    const std::uint64_t mixed = mixes(masks);
    if (std::popcount(mixed) >= kMixes) begins |= groups(masks, mixed);
    if ((long_runs(~(alnum | masks.high)) & ~masks.spaces) != 0) {
      const std::uint64_t signs = signs_of_morse(at);
      begins |= long_runs(signs | masks.spaces | between_morse(at)) & signs & ~(signs << 1);
    }
    return begins;
  }

  static constexpr int kDigits = 6;
  static constexpr int kMixes = 2;

  static std::uint64_t long_runs(std::uint64_t mask) {
    for (const int step : {1, 2, 4, 8}) mask &= mask >> step;
    return mask;
  }

  // With two more letters of hex behind it, and another such or a letter on both sides; or a line
  // break. What is in another block may be so.
  static std::uint64_t quoted(const Masks& masks) {
    const auto ahead = [](std::uint64_t mask, int by) {
      return mask >> by | ~(~std::uint64_t{0} >> by);
    };
    const std::uint64_t before = masks.letters << 1 | 1;
    const std::uint64_t pair =
        ahead(masks.digits | masks.capitals, 1) & ahead(masks.digits | masks.capitals, 2);
    const std::uint64_t beside =
        ahead(masks.equals, 3) | masks.equals << 3 | 7 | (before & ahead(masks.letters, 3));
    return masks.equals & ((pair & beside) | (before & ahead(masks.spaces, 1)));
  }

  // Numbers of two or three digits, three in a row with one or two bytes between, and of eight; and
  // two behind U+, or in brackets.
  std::uint64_t codes_in_digits(const char* at, std::uint64_t digits, std::uint64_t alnum) const {
    const std::uint64_t begins = digits & ~(alnum << 1 | was_alnum_);
    const std::uint64_t twos = begins & digits >> 1;
    const std::uint64_t brief = twos & (~(alnum >> 2) | (digits >> 2 & ~(alnum >> 3)));
    const std::uint64_t two = brief & (brief >> 3 | brief >> 4 | brief >> 5);
    std::uint64_t told = (two & (two >> 3 | two >> 4 | two >> 5)) != 0 ? brief : 0;
    std::uint64_t eights = digits;
    for (const int step : {1, 2, 4}) eights &= eights >> step;
    eights &= begins & ~(alnum >> 8);
    if ((eights & (eights >> 9 | eights >> 10)) != 0) told |= eights;
    const std::uint64_t named = begins & before_numbers(at) << 1;
    if (std::popcount(named) >= 2) told |= named;
    return told;
  }

  // Where letters change their case within a word, or digits stand among them.
  static std::uint64_t mixes(const Masks& masks) {
    const std::uint64_t small = masks.letters & ~masks.capitals;
    return (small & masks.capitals >> 1) | (masks.letters & masks.digits >> 1) |
           (masks.digits & masks.letters >> 1);
  }

  // In a row of base64 and white space that is mixed twice: the beginning of a word of it.
  std::uint64_t groups(const Masks& masks, std::uint64_t mixed) const {
    const std::uint64_t row = masks.base64 | masks.spaces;
    const std::uint64_t words = masks.base64 & ~(masks.base64 << 1 | was_base64_);
    std::uint64_t begins = 0;
    while (mixed != 0) {
      const int at = std::countr_zero(mixed);
      const int before =
          at - std::countl_one(row << (kBlock - 1 - static_cast<std::size_t>(at))) + 1;
      const int behind = at + std::countr_one(row >> at);
      const std::uint64_t up_to =
          behind >= static_cast<int>(kBlock) ? ~std::uint64_t{0} : (std::uint64_t{1} << behind) - 1;
      const std::uint64_t here = up_to & ~((std::uint64_t{1} << before) - 1);
      if (std::popcount(mixed & here) >= kMixes) begins |= (words & here) & -(words & here);
      mixed &= ~up_to;
    }
    return begins;
  }

  // With one byte between them, or two.
  static bool are_three(std::uint64_t pair) {
    const std::uint64_t two = pair & (pair >> 3 | pair >> 4);
    return (two & (two >> 3 | two >> 4)) != 0;
  }

  // Of digits with a letter behind them, 0x, 0b and 0o.
  static std::uint64_t numbers(const char* at, std::uint64_t digits) {
    std::uint64_t begins = 0;
    for (; digits != 0; digits &= digits - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(digits));
      const bool is_one = at[i] == '0' && (i + 1 == kBlock || is_base(at[i + 1]));
      if (is_one) begins |= std::uint64_t{1} << i;
    }
    return begins;
  }

  // Bytes with one of the class behind them; the last one may have.
  static std::uint64_t behind(std::uint64_t mask) { return mask >> 1 | std::uint64_t{1} << 63; }

  // Those with a character behind them that could be meant.
  static std::uint64_t signs(const char* at, const Masks& masks) {
    const Signs told = signs_of(at);
    const std::uint64_t hex = masks.digits | hex_letters(at);
    return (masks.escapes & behind(told.codes | masks.escapes | masks.digits)) |
           (told.percents & behind(hex | told.codes)) |
           (masks.marks & ~told.percents & behind(told.hashes | masks.base64));
  }

  void look_at_high(const char* at, const Masks& masks) {
    const std::uint64_t letters = masks.letters << 1 | was_letter_;
    const std::uint64_t high = masks.high << 1 | was_high_;
    is_next_to_high_ |= ((letters & masks.high) | (high & masks.letters)) != 0;
    if (!has_like_latin_) has_like_latin_ = like_latin(at) != 0;
  }

  std::string_view text_;
  std::vector<std::uint64_t>& blocks_;
  Survey told_;
  std::uint64_t any_ = 0;
  std::uint64_t was_letter_ = 0;  // Of the last byte of the block before.
  std::uint64_t was_alnum_ = 0;
  std::uint64_t was_base64_ = 0;
  std::uint64_t was_high_ = 0;
  bool is_next_to_high_ = false;
  bool has_like_latin_ = false;
  int spaces_ = 0;  // White space that the last block ended with…
  int run_ = 0;     // …and bytes of base64.
};

Survey survey(std::string_view text, Candidates& candidates) {
  return Surveyor(text, candidates).all();
}

std::size_t next_mix(std::string_view text, std::size_t at) {
  // Each look is at a byte more than it goes on by, so that none of two is between them.
  for (; at < text.size(); at += kBlock - 1) {
    std::array<char, kBlock> rest;
    const char* bytes = text.data() + at;
    if (text.size() - at < kBlock) {
      rest.fill('.');
      std::memcpy(rest.data(), bytes, text.size() - at);
      bytes = rest.data();
    }
    const Masks masks = masks_of(bytes);
    const std::uint64_t mixed =
        (masks.letters & masks.high >> 1) | (masks.high & masks.letters >> 1);
    if (mixed != 0) return at + static_cast<std::size_t>(std::countr_zero(mixed));
  }
  return text.size();
}

std::size_t Candidates::next(std::size_t at) const {
  std::size_t block = at / kBlock;
  if (block >= blocks_.size()) return kNone;
  std::uint64_t bits = blocks_[block] >> (at % kBlock) << (at % kBlock);
  while (bits == 0) {
    if (++block == blocks_.size()) return kNone;
    bits = blocks_[block];
  }
  return block * kBlock + static_cast<std::size_t>(std::countr_zero(bits));
}

void Candidates::trim(std::size_t bytes) {
  if (blocks_.capacity() * sizeof(std::uint64_t) > bytes) blocks_ = {};
}

}  // namespace tollgate::content
