// Places within a word where no token can reach across, told by the bytes around them.
//
// Scripts that are written without spaces make words of a whole clause, of which no cache has
// seen the like. But a vocabulary has few tokens of more than one such character: where two stand
// side by side that are neighbours in no token, whatever is merged ends there, and what lies
// between two such seams is encoded by itself, short and often seen before.
//
// Looked for before characters of three bytes alone, which is where those scripts are, and with
// three bytes to see on either side. A set of hashes tells: it may miss a seam, and never finds
// one that is none.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tollgate::tokens {

class Seams {
 public:
  static constexpr std::ptrdiff_t kSeen = 3;  // Bytes on either side.

  static bool may_begin(char byte) { return (static_cast<unsigned char>(byte) & 0xf0) == 0xe0; }

  // Learns which places the token `word` reaches across.
  void add(std::string_view word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      if (!may_begin(word[i])) continue;
      const char* const at = word.data() + i;
      if (word.size() - i < kSeen) {
        across_bytes_[bytes(at) / 64] |= std::uint64_t{1} << bytes(at) % 64;
      } else {
        mark(i < kSeen ? from_one(at[-1], wide(at)) : from_three(wide(at - kSeen), wide(at)));
      }
    }
  }

  // Whether no token reaches across `at`, a place that may_begin() with kSeen bytes of the word
  // on either side.
  bool apart(const char* at) const {
    const std::uint32_t right = wide(at);
    return !has(from_three(wide(at - kSeen), right)) && !has(from_one(at[-1], right)) &&
           (across_bytes_[bytes(at) / 64] >> bytes(at) % 64 & 1) == 0;
  }

 private:
  static constexpr int kBits = 18;  // 32 KiB, of which 20,000 keys set a thirteenth.

  static std::uint32_t wide(const char* at) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, kSeen);
    return word;
  }
  static std::uint32_t bytes(const char* at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(at[-1]) << 8 |
                                      static_cast<unsigned char>(at[0]));
  }
  static std::uint64_t from_three(std::uint32_t left, std::uint32_t right) {
    return (std::uint64_t{left} << 24 | right) * 0x9e3779b97f4a7c15u >> (64 - kBits);
  }
  static std::uint64_t from_one(char left, std::uint32_t right) {
    return (std::uint64_t{static_cast<unsigned char>(left)} << 24 | right) * 0xc2b2ae3d27d4eb4fu >>
           (64 - kBits);
  }
  bool has(std::uint64_t bit) const { return (bits_[bit / 64] >> bit % 64 & 1) != 0; }
  void mark(std::uint64_t bit) { bits_[bit / 64] |= std::uint64_t{1} << bit % 64; }

  std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>((std::size_t{1} << kBits) / 64);
  std::array<std::uint64_t, 1024> across_bytes_{};  // By the two bytes, for tokens that end soon.
};

}  // namespace tollgate::tokens
