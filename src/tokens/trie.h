// From bytes to the tokens that a text begins with: a trie in a double array, one word a node.
//
// The node behind a node by a byte lies at (the node's base XOR the byte). No two nodes have one
// base, so that the byte alone, kept in the word, proves whose child it is. Children of a node
// share a block of 256 words, and nodes of frequent tokens lie together at the beginning: most
// steps of a walk find their word in the processor's nearest cache.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::tokens {

inline constexpr std::uint32_t kNone = ~std::uint32_t{0};

class Trie {
 public:
  // Of distinct words, none empty; a word's token is its index, and `sorted` has these by the
  // bytes of their words. The lower a token, the more often it is taken to occur.
  void build(std::span<const std::string> words, std::span<const std::uint32_t> sorted);

  struct Match {
    std::uint32_t token = kNone;
    std::uint32_t length = 0;
  };

  // The longest token that the text from `at` to `end` begins with, and what it cost. There is
  // one: each byte is a token.
  Match longest(const char* at, const char* end, std::uint64_t& steps) const {
    std::uint32_t unit = first_[static_cast<unsigned char>(*at)];
    std::uint32_t found = static_cast<unsigned char>(*at);  // By place; a byte's is the byte.
    const char* found_end = at + 1;
    const char* next = at + 1;
    for (; next != end; ++next) {
      const std::uint32_t byte = static_cast<unsigned char>(*next);
      const std::uint32_t place = (unit >> kBaseShift) ^ byte;
      unit = units_[place];
      if ((unit & kLabelMask) != byte) break;
      const bool ends = (unit & kTokenEnds) != 0;
      found = ends ? place : found;
      found_end = ends ? next + 1 : found_end;
    }
    steps += static_cast<std::uint64_t>(next - at);
    return {tokens_[found], static_cast<std::uint32_t>(found_end - at)};
  }

  // The token of exactly these bytes, else kNone.
  std::uint32_t find(std::string_view word) const;

  std::size_t bytes() const { return (units_.size() + tokens_.size()) * sizeof(units_[0]); }

 private:
  class Builder;

  // A word: base, whether a token ends here, and the byte that leads here; kEmpty is no byte.
  static constexpr std::uint32_t kLabelMask = 0x1ff;
  static constexpr std::uint32_t kEmpty = 0x100;
  static constexpr std::uint32_t kTokenEnds = 0x200;
  static constexpr int kBaseShift = 10;
  static constexpr std::uint32_t kBlock = 256;
  // The first block stays empty: what leads there, the base of a node without children, leads
  // nowhere. Of tokens_ it has those of single bytes.
  static constexpr std::uint32_t kNowhere = 0;

  std::array<std::uint32_t, 256> first_{};  // The words behind the first byte.
  std::vector<std::uint32_t> units_;
  std::vector<std::uint32_t> tokens_;  // By place.
};

}  // namespace tollgate::tokens
