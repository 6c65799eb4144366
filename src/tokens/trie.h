// From bytes to the tokens that a text begins with: a trie in a double array, eight bytes a node.
//
// The node behind a node by a byte lies at (the node's base XOR the byte). No two nodes have one
// base, so that the byte alone, kept in the node, proves whose child it is. Children of a node
// share a block of 256 places, and nodes of frequent tokens lie together at the beginning: most
// steps of a walk find their node in the processor's nearest cache.
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
    Node node = first_[static_cast<unsigned char>(*at)];
    std::uint32_t found = node.token;
    const char* found_end = at + 1;
    const char* next = at + 1;
    for (; next != end; ++next) {
      const std::uint32_t byte = static_cast<unsigned char>(*next);
      node = nodes_[(node.unit >> kBaseShift) ^ byte];
      if ((node.unit & kLabelMask) != byte) break;
      const bool ends = node.token != kNone;
      found = ends ? node.token : found;
      found_end = ends ? next + 1 : found_end;
    }
    steps += static_cast<std::uint64_t>(next - at);
    return {found, static_cast<std::uint32_t>(found_end - at)};
  }

  // Calls `on_match` with every token that the text from `at` to `end` begins with, the shortest
  // first.
  template <typename OnMatch>
  void each(const char* at, const char* end, std::uint64_t& steps, const OnMatch& on_match) const {
    Node node = first_[static_cast<unsigned char>(*at)];
    for (std::uint32_t length = 1;; ++length) {
      ++steps;
      if (node.token != kNone) on_match(Match{node.token, length});
      if (at + length == end) return;
      const std::uint32_t byte = static_cast<unsigned char>(at[length]);
      node = nodes_[(node.unit >> kBaseShift) ^ byte];
      if ((node.unit & kLabelMask) != byte) return;
    }
  }

  // Whether `text`, which is not empty, is the beginning of a longer word.
  bool begins_longer(std::string_view text) const;

  // The token of exactly these bytes, else kNone.
  std::uint32_t find(std::string_view word) const;

 private:
  class Builder;

  static constexpr std::uint32_t kLabelMask = 0x1ff;
  static constexpr std::uint32_t kEmpty = 0x100;  // No byte leads here.
  static constexpr int kBaseShift = 9;
  static constexpr std::uint32_t kBlock = 256;
  // The first block stays empty: what leads there, the base of a node without children, leads
  // nowhere.
  static constexpr std::uint32_t kNowhere = 0;

  struct Node {
    std::uint32_t unit = kEmpty;  // The base, and the byte that leads here.
    std::uint32_t token = kNone;  // That ends here.
  };

  std::array<Node, 256> first_{};  // Those behind the first byte.
  std::vector<Node> nodes_;
};

}  // namespace tollgate::tokens
