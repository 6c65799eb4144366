// How many tokens a short word has, for the words seen last. A slot holds the word itself, so a
// hit is never another word's. Two slots share a home: the newer word is in the first. The word
// that has to leave goes to the home beside, on the same cache line, where it is looked for before
// it is encoded anew.
//
// No I/O. One thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tollgate::tokens {

static_assert(std::endian::native == std::endian::little, "the cache packs words by shifts");

class WordCache {
 public:
  static constexpr std::size_t kWordBytesMax = 15;

  // 15 bytes of the word, zeros behind it, and in the last byte its length.
  struct Word {
    std::uint64_t low;
    std::uint64_t high;
  };
  static Word pack(std::string_view word) {
    Word packed{0, 0};
    std::memcpy(&packed, word.data(), word.size());
    packed.high |= std::uint64_t{word.size()} << 56;
    return packed;
  }
  // The same where 16 bytes can be read.
  [[gnu::always_inline]] static Word pack_wide(std::string_view word) {
    Word packed;
    std::memcpy(&packed, word.data(), 16);
    packed.low &= kMasks[word.size()].low;
    packed.high &= kMasks[word.size()].high;
    packed.high |= std::uint64_t{word.size()} << 56;
    return packed;
  }

  // The count, 0 if it is not known. Without a branch between the slots, which nobody could
  // predict.
  [[gnu::always_inline]] std::uint32_t find(Word word, std::size_t home) const {
    const Home& at = homes_[home];
    const std::uint64_t first = differ(at.slots[0], word) == 0 ? at.slots[0].high : 0;
    const std::uint64_t second = differ(at.slots[1], word) == 0 ? at.slots[1].high : 0;
    return static_cast<std::uint32_t>((first | second) >> 60);
  }
  // The same of a word that find() did not find.
  std::uint32_t find_beside(Word word, std::size_t home) const { return find(word, home ^ 1); }
  void prefetch(std::size_t home) const { __builtin_prefetch(&homes_[home]); }
  // A word of at most 15 bytes has at most 15 tokens, which is what four bits hold.
  void keep(Word word, std::size_t home, std::uint32_t count) {
    Home& at = homes_[home];
    homes_[home ^ 1].slots[1] = at.slots[1];
    at.slots[1] = at.slots[0];
    at.slots[0] = {word.low, word.high | std::uint64_t{count} << 60};
  }
  // Keeps a word that is one token where there is room: what a cache begins with.
  void keep_token(std::string_view word) {
    const Word packed = pack(word);
    Home& at = homes_[home(packed)];
    Word& room = at.slots[0].high == 0 ? at.slots[0] : at.slots[1];
    if (room.high == 0) room = {packed.low, packed.high | std::uint64_t{1} << 60};
  }
  // The high bits of a product depend on all bits of the word.
  static std::size_t home(Word word) {
    const std::uint64_t mixed = word.low * 0x9e3779b97f4a7c15u + word.high * 0xc2b2ae3d27d4eb4fu;
    return mixed >> (64 - kHomeBits);
  }

 private:
  static constexpr int kHomeBits = 16;  // With 2 slots of 16 bytes a home: 2 MiB.
  static constexpr std::uint64_t kWordMask = ~(std::uint64_t{0xf} << 60);

  static std::uint64_t differ(Word slot, Word word) {
    return (slot.low ^ word.low) | ((slot.high ^ word.high) & kWordMask);
  }

  static constexpr std::array<Word, kWordBytesMax + 1> kMasks = [] {
    std::array<Word, kWordBytesMax + 1> masks{};
    for (std::size_t size = 1; size <= kWordBytesMax; ++size) {
      masks[size].low = size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * size) - 1;
      masks[size].high = size <= 8 ? 0 : (std::uint64_t{1} << 8 * (size - 8)) - 1;
    }
    return masks;
  }();

  // A home and the one beside are on one cache line.
  struct alignas(2 * sizeof(Word)) Home {
    std::array<Word, 2> slots;
  };
  std::vector<Home> homes_ = std::vector<Home>(std::size_t{1} << kHomeBits);
};

}  // namespace tollgate::tokens
