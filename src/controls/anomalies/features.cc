#include "controls/anomalies/features.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "controls/anomalies/blocks.h"

namespace tollgate::anomalies {

namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kWordBytesMin = 4;
// ASCII words from this length on, with a digit in them, are no words but something encoded.
constexpr std::size_t kEncodedFrom = 20;
// What cannot be a word even without a digit.
constexpr std::size_t kWordBytesMax = 40;
constexpr std::size_t kSampleMax = 256;
constexpr std::uint64_t kOdd[] = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03, 0x8cb92ba72f3d8dd7,
                                  0xaef17502108ef2d9};

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// A number below `bound` that is as random as `bits` are.
std::uint64_t below(std::uint64_t bound, std::uint64_t bits) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(bits) * bound >> 64);
}

// Majorities of 64 bits over many words, as counters that stand upright: each level is one digit
// of all 64. Eight words are added in one step (carry-save adders).
class Majority {
 public:
  void add(const std::uint64_t* eight) {
    const auto [a1, a2] = full(eight[0], eight[1], eight[2]);
    const auto [b1, b2] = full(eight[3], eight[4], eight[5]);
    const auto [c1, c2] = full(a1, b1, eight[6]);
    const auto [d1, d2] = full(c1, eight[7], levels_[0]);
    levels_[0] = d1;
    const auto [e2, e4] = full(a2, b2, c2);
    const auto [f2, f4] = full(e2, d2, levels_[1]);
    levels_[1] = f2;
    const auto [g4, g8] = full(e4, f4, levels_[2]);
    levels_[2] = g4;
    carry(g8);
  }

  // The bits that more than half of `count` words had.
  std::uint64_t of(std::uint64_t count) const {
    const std::uint64_t half = count / 2;
    std::uint64_t more = 0;
    std::uint64_t equal = ~std::uint64_t{0};
    // No counter is above `count`.
    for (int level = std::min<int>(std::bit_width(count), kLevels) - 1; level >= 0; --level) {
      if ((half >> level & 1) == 0) {
        more |= equal & levels_[level];
        equal &= ~levels_[level];
      } else {
        equal &= levels_[level];
      }
    }
    return more;
  }

 private:
  static constexpr int kLevels = 32;
  struct Sum {
    std::uint64_t ones;
    std::uint64_t twos;
  };
  static Sum full(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    const std::uint64_t either = a ^ b;
    return {either ^ c, (a & b) | (either & c)};
  }
  // Eights. How far they carry nobody can foresee, so some levels are taken in any case.
  void carry(std::uint64_t word) {
    const auto take = [&](int level) {
      const std::uint64_t on = levels_[level] & word;
      levels_[level] ^= word;
      word = on;
    };
    constexpr int kLikely = 9;  // Reached by 512 words.
    for (int level = 3; level < kLikely; ++level) take(level);
    for (int level = kLikely; word != 0 && level < kLevels; ++level) take(level);
  }
  std::array<std::uint64_t, kLevels> levels_{};
};

// Hashes of one family, each two of them independent: one half of a word's hash and the other, the
// second taken 1 to 16 times (Kirsch and Mitzenmacher, 2006).
#if defined(__AVX2__)
void take_smallest(std::span<const std::uint64_t> hashes, Minhash& minima) {
  static_assert(kMinhashes == 16);
  auto* const kept = reinterpret_cast<__m256i*>(minima.data());
  __m256i low = _mm256_loadu_si256(kept);
  __m256i high = _mm256_loadu_si256(kept + 1);
  const __m256i times = _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8);
  for (const std::uint64_t hash : hashes) {
    const __m256i first = _mm256_set1_epi32(static_cast<int>(hash));
    const __m256i second = _mm256_set1_epi32(static_cast<int>(hash >> 32));
    const __m256i one = _mm256_add_epi32(first, _mm256_mullo_epi32(second, times));
    low = _mm256_min_epu32(low, one);
    high = _mm256_min_epu32(high, _mm256_add_epi32(one, _mm256_slli_epi32(second, 3)));
  }
  _mm256_storeu_si256(kept, low);
  _mm256_storeu_si256(kept + 1, high);
}
#else
void take_smallest(std::span<const std::uint64_t> hashes, Minhash& minima) {
  for (const std::uint64_t hash : hashes) {
    const auto first = static_cast<std::uint32_t>(hash);
    const auto second = static_cast<std::uint32_t>(hash >> 32);
    for (std::uint32_t k = 0; k < kMinhashes; ++k) {
      minima[k] = std::min(minima[k], first + second * (k + 1));
    }
  }
}
#endif

// Sketches content words, some at a time.
class Words {
 public:
  Words() { minima_.fill(UINT32_MAX); }

  void add(std::span<const std::uint64_t> hashes) {
    const std::size_t count = hashes.size();
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) majority_.add(&hashes[i]);
    if (i < count) {
      std::array<std::uint64_t, 8> rest{};  // None has no bits.
      std::ranges::copy(hashes.subspan(i), rest.begin());
      majority_.add(rest.data());
    }
    take_smallest(hashes, minima_);
    for (const std::uint64_t hash : hashes) {
      seen_[hash >> 6 & (seen_.size() - 1)] |= std::uint64_t{1} << (hash & 63);
    }
    total_ += count;
  }
  void tell(Features& features) const {
    features.words = static_cast<std::uint32_t>(std::min<std::uint64_t>(total_, UINT32_MAX));
    features.distinct_words = std::min(features.words, distinct());
    features.minhash = minima_;
    if (total_ < kWordsMin) return;
    const std::uint64_t simhash = majority_.of(total_);
    features.simhash = simhash == 0 ? 1 : simhash;
  }

 private:
  // By the bits that are still free (linear counting, Whang et al. 1990).
  std::uint32_t distinct() const {
    std::uint32_t set = 0;
    for (const std::uint64_t part : seen_) set += static_cast<std::uint32_t>(std::popcount(part));
    const auto bits = static_cast<float>(seen_.size() * 64);
    const float free = std::max(1.0F, bits - static_cast<float>(set));
    return static_cast<std::uint32_t>(std::lround(bits * std::log(bits / free)));
  }

  std::uint64_t total_ = 0;
  Majority majority_;
  Minhash minima_;
  std::array<std::uint64_t, 32> seen_{};
};

constexpr std::uint64_t kSmall = 0x2020202020202020;  // Capitals of ASCII as small letters.

// By how many bytes a word has: those of its first eight, and whether there are more. A table, as
// nobody can foresee how long the next word is.
constexpr std::size_t kHashedMax = 16;
struct Kept {
  std::uint64_t first;
  std::uint64_t last;
};
constexpr std::array<Kept, kHashedMax + 1> kKept = [] {
  std::array<Kept, kHashedMax + 1> made{};
  for (std::size_t bytes = 1; bytes <= kHashedMax; ++bytes) {
    made[bytes].first = ~std::uint64_t{0} >> (64 - 8 * std::min<std::size_t>(bytes, 8));
    made[bytes].last = bytes > 8 ? ~std::uint64_t{0} : 0;
  }
  return made;
}();

// Of kHashedMax bytes at most, with 8 readable ones on either side.
std::uint64_t hash_of(const char* at, std::size_t bytes, std::uint64_t state) {
  std::uint64_t first;
  std::uint64_t last;
  std::memcpy(&first, at, 8);
  std::memcpy(&last, at + bytes - 8, 8);
  first = (first | kSmall) & kKept[bytes].first;
  last = (last | kSmall) & kKept[bytes].last;
  return fold(state ^ first ^ bytes, last ^ kOdd[0] ^ state);
}

std::uint64_t hash_of_long(const char* at, std::size_t bytes, std::uint64_t key) {
  std::uint64_t state = key;
  for (; bytes > kHashedMax; at += 8, bytes -= 8) {
    std::uint64_t part;
    std::memcpy(&part, at, 8);
    state = fold(state ^ (part | kSmall), kOdd[2]);
  }
  return hash_of(at, bytes, state);
}

// The script of a character, by the first bytes of its UTF-8.
Script script_of(unsigned char first, unsigned char second) {
  if (first < 0x80) return Script::kLatin;
  if (first < 0xCD) return Script::kLatinBeyond;
  if (first < 0xD0) return Script::kGreek;
  if (first < 0xD4) return Script::kCyrillic;
  if (first >= 0xD6 && first < 0xDE) return Script::kHebrewArabic;
  if (first == 0xE0) return second >= 0xA4 && second < 0xB8 ? Script::kIndic : Script::kOther;
  if (first == 0xE1) {
    if (second >= 0xB8 && second < 0xBC) return Script::kLatinBeyond;
    return second >= 0x84 && second < 0x88 ? Script::kHangul : Script::kOther;
  }
  if (first == 0xE3) return second >= 0x81 && second < 0x84 ? Script::kKana : Script::kHan;
  if (first >= 0xE4 && first < 0xEA) return Script::kHan;
  if (first >= 0xEA && first < 0xEE) return Script::kHangul;
  return Script::kOther;
}

// One pass over one text after another, in pieces of some KB that end where a word ends.
class Pass {
 public:
  explicit Pass(std::uint64_t key) : key_(key) {}

  void read(std::string_view text) {
    bytes_ += text.size();
    char before = '\0';
    run_ = 0;
    begins_ = 1;
    while (!text.empty()) {
      const std::string_view piece = text.substr(0, end_of_piece(text));
      take(piece, before);
      before = piece.back();
      text.remove_prefix(piece.size());
    }
    longest_run_ = std::max(longest_run_, run_);
  }

  Features told() const {
    Features features;
    features.bytes = static_cast<Bytes>(bytes_);
    words_.tell(features);
    features.longest_run = static_cast<std::uint32_t>(
        std::min<std::size_t>(longest_run_ + (bytes_ > 0 ? 1 : 0), UINT32_MAX));
    features.exact = fold(exact_ ^ kOdd[1], key_ ^ kOdd[3]);
    features.scripts = scripts_;
    if (bytes_ > 0) {
      features.beyond_ascii = part_of(beyond_);
      features.encoded = part_of(std::min(bytes_, encoded_ + 3 * escapes_));
    }
    return features;
  }

 private:
  static constexpr std::size_t kPiece = 4096;
  static constexpr std::size_t kPad = 64;
  static constexpr std::size_t kBlocks = kPiece / kBlock;

  std::uint16_t part_of(std::size_t some) const {
    return static_cast<std::uint16_t>(some * 1000 / bytes_);
  }

  // At a character that is plainly in no word, where there is one near the end.
  static std::size_t end_of_piece(std::string_view text) {
    if (text.size() <= kPiece) return text.size();
    for (std::size_t end = kPiece; end > kPiece - 256; --end) {
      if (text[end - 1] == ' ' || text[end - 1] == '\n') return end;
    }
    return kPiece;
  }

  void take(std::string_view piece, char before) {
    char* const at = buffer_.data() + kPad;
    std::memcpy(at, piece.data(), piece.size());
    std::memset(at + piece.size(), 0, kPad);
    const std::size_t blocks = (piece.size() + kBlock - 1) / kBlock;
    std::uint64_t ending = begins_ << 63;  // Of the block before.
    std::uint64_t alone = begins_;         // Before the first byte of a text there is none.
    begins_ = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
      Block block = classify(at + i * kBlock, before);
      before = at[i * kBlock + kBlock - 1];
      block.repeated &= ~alone;
      alone = 0;
      const std::size_t left = piece.size() - i * kBlock;
      if (left < kBlock) block.repeated &= (std::uint64_t{1} << left) - 1;
      beyond_ += static_cast<std::size_t>(std::popcount(block.beyond));
      escapes_ += static_cast<std::size_t>(std::popcount(block.escape));
      count_runs(block.repeated, std::min(left, kBlock));
      words_at_[i] = block.word;
      digits_[i] = block.digit;
      // A capital that begins no sentence, in the three bytes before it, begins a name.
      const std::uint64_t begins = block.ending << 1 | block.ending << 2 | block.ending << 3 |
                                   ending >> 63 | ending >> 62 | ending >> 61;
      names_[i] = block.upper & ~begins;
      ending = block.ending;
    }
    words_at_[blocks] = 0;
    digits_[blocks] = 0;
    find_words(blocks);
    take_words(at);
  }

  // Of the words of four bytes and more, where they begin and the last place with four to go.
  void find_words(std::size_t blocks) {
    edge_count_ = 0;
    std::uint64_t open = 0;
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::uint64_t here = words_at_[i];
      const std::uint64_t next = words_at_[i + 1];
      const std::uint64_t two = here & (here >> 1 | next << 63);
      const std::uint64_t two_next = next & next >> 1;
      const std::uint64_t four = two & (two >> 2 | two_next << 62);
      add_edges(four ^ (four << 1 | open), i * kBlock);
      open = four >> 63;
    }
    // A word reaches no farther than its piece, which is followed by what is in none.
    if (open != 0) edges_[edge_count_++] = static_cast<std::uint16_t>(blocks * kBlock);
  }

  // The places of the bits. Sixteen at once whether or not there are as many: a branch that nobody
  // can foresee costs more.
  void add_edges(std::uint64_t edges, std::size_t base) {
    const int count = std::popcount(edges);
    std::uint16_t* out = edges_.data() + edge_count_;
    for (int done = 0; done < count; done += 16) {
      for (int i = 0; i < 16; ++i) {
        *out++ = static_cast<std::uint16_t>(base + std::countr_zero(edges));
        edges &= edges - 1;
      }
    }
    edge_count_ += static_cast<std::size_t>(count);
  }

  void take_words(const char* text) {
    std::uint64_t exact = 0;
    hash_count_ = 0;
    for (std::size_t i = 0; i + 1 < edge_count_; i += 2) {
      const std::size_t begin = edges_[i];
      const std::size_t bytes = edges_[i + 1] + (kWordBytesMin - 1) - begin;
      const std::size_t block = begin / kBlock;
      const bool has_digits_near = (digits_[block] | digits_[block + 1]) != 0;
      // One branch for all that ordinary words are not.
      if ((text[begin] < 0) | (bytes > kHashedMax) | has_digits_near) {
        exact += take_odd_word(text + begin, begin, bytes);
        continue;
      }
      const std::uint64_t hash = hash_of(text + begin, bytes, key_);
      hashes_[hash_count_++] = hash;
      exact += is_name(begin) ? 0 : hash;
      scripts_ |= 1U << static_cast<int>(Script::kLatin);
    }
    words_.add({hashes_.data(), hash_count_});
    exact_ += exact;
  }

  // One that may be anything, and what it adds to what is the same but for names.
  std::uint64_t take_odd_word(const char* at, std::size_t begin, std::size_t bytes) {
    const auto first = static_cast<unsigned char>(*at);
    if (first >= 'A' || bytes > kHashedMax) scripts_ |= script_bit(at);
    if (first >= 0xE1) return take_pairs(at, bytes);
    const bool digit = has_digit(begin, bytes);
    const bool is_long = bytes > kHashedMax;
    if (bytes >= kEncodedFrom && first < 0x80 && (digit || bytes > kWordBytesMax)) {
      encoded_ += bytes;
    }
    if (digit) return 0;
    const std::uint64_t hash = is_long ? hash_of_long(at, bytes, key_) : hash_of(at, bytes, key_);
    hashes_[hash_count_++] = hash;
    return !is_long && is_name(begin) ? 0 : hash;
  }
  bool is_name(std::size_t begin) const {
    return (names_[begin / kBlock] >> begin % kBlock & 1) != 0;
  }

  // `bytes` of one word, which are at most kBlock of interest.
  bool has_digit(std::size_t begin, std::size_t bytes) const {
    const std::size_t block = begin / kBlock;
    const std::size_t bit = begin % kBlock;
    const std::uint64_t from = digits_[block] >> bit | digits_[block + 1] << 1
                                                                          << (kBlock - 1 - bit);
    const std::uint64_t within = bytes >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bytes) - 1;
    return (from & within) != 0;
  }

  static std::uint16_t script_bit(const char* at) {
    const auto script =
        script_of(static_cast<unsigned char>(at[0]), static_cast<unsigned char>(at[1]));
    return static_cast<std::uint16_t>(1U << static_cast<int>(script));
  }

  // Bytes that equal the one before them, in a row; `count` of the block are there.
  void count_runs(std::uint64_t repeated, std::size_t count) {
    if (((repeated & repeated >> 1) | (run_ * (repeated & 1))) == 0 && count == kBlock) {
      // At most two of a kind, as in ordinary words.
      longest_run_ = std::max({longest_run_, run_, static_cast<std::size_t>(repeated != 0)});
      run_ = repeated >> 63;
      return;
    }
    if (count < kBlock) repeated &= (std::uint64_t{1} << count) - 1;
    const auto first = static_cast<std::size_t>(std::countr_one(repeated));
    longest_run_ = std::max(longest_run_, run_ + first);
    if (first >= count) {
      run_ += first;
      return;
    }
    std::size_t longest = 0;
    for (std::uint64_t rest = repeated; rest != 0; rest &= rest >> 1) ++longest;
    longest_run_ = std::max(longest_run_, longest);
    run_ = static_cast<std::size_t>(std::countl_one(repeated << (kBlock - count)));
  }

  // Each two neighbours of a run of characters of three bytes; others are taken as they come.
  std::uint64_t take_pairs(const char* at, std::size_t bytes) {
    const char* const end = at + bytes;
    std::uint64_t exact = 0;
    std::uint64_t previous = 0;
    std::size_t count = hash_count_;
    while (at < end) {
      const auto first = static_cast<unsigned char>(*at);
      const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
      std::uint32_t four;
      std::memcpy(&four, at, 4);
      const std::uint64_t character = four & (0xFFFFFFFFU >> (32 - 8 * size));
      const std::uint64_t hash = fold(previous ^ key_, character ^ kOdd[3]);
      hashes_[count] = hash;
      count += previous != 0 ? 1 : 0;
      exact += previous != 0 ? hash : 0;
      previous = character;
      at += size;
    }
    hash_count_ = count;
    return exact;
  }

  const std::uint64_t key_;
  Words words_;
  std::size_t bytes_ = 0;
  std::size_t beyond_ = 0;
  std::size_t escapes_ = 0;
  std::size_t encoded_ = 0;
  std::size_t longest_run_ = 0;
  std::size_t run_ = 0;  // Bytes that equal the one before, up to here.
  std::uint64_t exact_ = 0;
  std::uint64_t begins_ = 1;  // 1: the piece begins a text.
  std::uint16_t scripts_ = 0;
  std::size_t edge_count_ = 0;
  std::size_t hash_count_ = 0;
  // Of the piece. Where each word begins and ends, by turns…
  std::array<std::uint16_t, kPiece + 2 * 16> edges_;
  std::array<std::uint64_t, kBlocks + 1> words_at_;
  std::array<std::uint64_t, kBlocks + 1> digits_;
  std::array<std::uint64_t, kBlocks> names_;  // Capitals that begin one.
  std::array<std::uint64_t, kPiece + 1> hashes_;
  std::array<char, kPad + kPiece + 2 * kPad> buffer_;
};

// c * log2(c) in parts of 65536, of the counts that a sample can have.
class Logarithms {
 public:
  Logarithms() {
    for (std::size_t i = 2; i < values_.size(); ++i) {
      const auto count = static_cast<double>(i);
      values_[i] = static_cast<std::uint32_t>(std::lround(count * std::log2(count) * 65536));
    }
  }
  std::uint32_t of(std::size_t count) const { return values_[count]; }

 private:
  std::array<std::uint32_t, kSampleMax + 1> values_{};
};

// Entropy and grams, of blocks at places that nobody outside can tell.
class Sample {
 public:
  void take(std::string_view block) {
    bytes_ += block.size();
    // Two of each, so that one need not wait for the other where a byte comes again soon.
    std::size_t at = 0;
    for (; at + 2 <= block.size(); at += 2) {
      ++counts_[static_cast<unsigned char>(block[at])];
      ++other_counts_[static_cast<unsigned char>(block[at + 1])];
    }
    if (at < block.size()) ++counts_[static_cast<unsigned char>(block[at])];
    for (std::size_t i = 0; i + 4 <= block.size(); ++i) {
      std::uint32_t gram;
      std::memcpy(&gram, block.data() + i, 4);
      const std::uint32_t place = gram * 0x9e3779b1U >> 21;
      seen_[place / 64] |= std::uint64_t{1} << place % 64;
      ++grams_;
    }
  }
  void tell(Features& features) const {
    features.sampled = static_cast<std::uint16_t>(bytes_);
    if (bytes_ == 0) return;
    const float mean = static_cast<float>(sum()) / 65536 / static_cast<float>(bytes_);
    const float bits = std::log2(static_cast<float>(bytes_)) - mean;
    features.entropy = static_cast<std::uint16_t>(std::lround(std::max(0.0F, bits) * 125));
    std::size_t distinct = 0;
    for (const std::uint64_t part : seen_)
      distinct += static_cast<std::size_t>(std::popcount(part));
    if (grams_ > 0) features.distinct_grams = static_cast<std::uint16_t>(distinct * 1000 / grams_);
  }

 private:
  // Of c * log2(c) over all counts, in parts of 65536. Most of the bytes are not there at all.
  std::uint64_t sum() const {
    static const Logarithms logarithms;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < counts_.size(); i += 4) {
      std::uint64_t four;
      std::uint64_t other_four;
      std::memcpy(&four, &counts_[i], 8);
      std::memcpy(&other_four, &other_counts_[i], 8);
      if ((four | other_four) == 0) continue;
      for (std::size_t k = i; k < i + 4; ++k) {
        sum += logarithms.of(std::size_t{counts_[k]} + other_counts_[k]);
      }
    }
    return sum;
  }

  std::size_t bytes_ = 0;
  std::size_t grams_ = 0;
  std::array<std::uint16_t, 256> counts_{};
  std::array<std::uint16_t, 256> other_counts_{};
  std::array<std::uint64_t, 2048 / 64> seen_{};
};

void take_sample(std::span<const std::string_view> texts, std::size_t total, std::uint64_t key,
                 Sample& sample) {
  if (total <= kSampleMax) {
    for (const std::string_view text : texts) sample.take(text);
    return;
  }
  // One block in each of four equal parts.
  const std::size_t part = total / (kSampleMax / kBlock);
  std::size_t next = 0;  // The part whose block is sought…
  std::size_t begin = 0;
  std::uint64_t state = key ^ total;
  std::size_t place = 0;
  const auto draw = [&] {
    state = fold(state ^ kOdd[1], kOdd[2] ^ next);
    place = next * part + below(part - kBlock + 1, state);
  };
  draw();
  for (const std::string_view text : texts) {
    while (next < kSampleMax / kBlock && place < begin + text.size()) {
      sample.take(text.substr(place < begin ? 0 : place - begin, kBlock));
      ++next;
      draw();
    }
    begin += text.size();
  }
}

}  // namespace

std::string_view name_of(Script script) {
  constexpr std::array<std::string_view, kScriptCount> kNames{"latin",         "latin_beyond_ascii",
                                                              "greek",         "cyrillic",
                                                              "hebrew_arabic", "indic",
                                                              "kana",          "hangul",
                                                              "han",           "other"};
  return kNames[static_cast<std::size_t>(script)];
}

int agreeing(const Minhash& a, const Minhash& b) {
  int count = 0;
  for (std::size_t k = 0; k < kMinhashes; ++k) count += a[k] == b[k] ? 1 : 0;
  return count;
}

Features measure(std::span<const std::string_view> texts, std::uint64_t key) {
  Pass pass(key);
  for (const std::string_view text : texts) pass.read(text);
  Features features = pass.told();
  Sample sample;
  take_sample(texts, static_cast<std::size_t>(features.bytes), key, sample);
  sample.tell(features);
  return features;
}

}  // namespace tollgate::anomalies
