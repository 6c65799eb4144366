// The byte-pair ranks of one vocabulary in the tables that encoding needs: a trie from bytes to
// token, and the one pair of tokens that each token is merged from.
//
// A token that arises while any text is merged arises from the same two tokens as when its own
// bytes are merged alone, since no merge has crossed its borders before. So one pair a token
// says all there is to know about merging.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "tokens/seams.h"
#include "tokens/splitter.h"
#include "tokens/trie.h"
#include "tokens/vocabulary.h"
#include "tokens/word_cache.h"

namespace tollgate::tokens {

// What a token is merged from (itself twice, if it is a single byte), and where the tokens are
// that it is the left part of.
struct Parts {
  std::uint32_t left;
  std::uint32_t right;
  std::uint32_t row = 0;     // Its place in the pairs, and the bits of its length.
  std::uint32_t rights = 0;  // Which hashes of right parts may be in the row, a bit each.
};

class Tables {
 public:
  static constexpr std::uint32_t kTokensLimit = 1u << 18;
  static constexpr std::size_t kTokenBytesMax = 255;

  // `file` is what a rank file holds: lines of base64, a space and the rank, in the order of
  // the ranks, which run from 0 and may leave one out.
  static FaultOr<std::unique_ptr<const Tables>> parse(std::string name, Pattern pattern,
                                                      std::string_view file,
                                                      std::uint32_t rank_left_out = kNone);

  const std::string& name() const { return name_; }
  Pattern pattern() const { return pattern_; }
  const Classes& classes() const { return classes_; }
  const Trie& trie() const { return trie_; }
  const Seams& seams() const { return seams_; }
  // What a counter's cache begins with: the short words that are tokens, the frequent first.
  const WordCache& token_words() const { return token_words_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(parts_.size()); }
  const Parts& parts(std::uint32_t id) const { return parts_[id]; }
  std::uint32_t length(std::uint32_t id) const { return lengths_[id]; }
  // The longest token that this one begins with; kNone for a single byte.
  std::uint32_t shorter(std::uint32_t id) const { return shorter_[id]; }

  // The token that the two are merged to, else kNone. Most that are not merged are told without
  // a look at the row, and a row is short: this decides the speed of a hostile text.
  std::uint32_t merged(std::uint32_t left, std::uint32_t right) const {
    const Parts& of_left = parts_[left];
    const std::uint32_t hash = hash_right(right);
    if ((of_left.rights >> (hash >> 27) & 1) == 0) return kNone;
    const Pair* const row = &pairs_[of_left.row >> kRowBits];
    const std::uint32_t bits = of_left.row & ((1u << kRowBits) - 1);
    const std::uint32_t last = (1u << bits) - 1;
    for (std::uint32_t at = hash & last;; at = (at + 1) & last) {
      if (row[at].right == right) return row[at].merged;
      if (row[at].right == kNone) return kNone;
    }
  }

 private:
  Tables(std::string name, Pattern pattern) : name_(std::move(name)), pattern_(pattern) {}
  // A row of pairs is open addressing over a power of two, never full.
  struct Pair {
    std::uint32_t right = kNone;
    std::uint32_t merged = kNone;
  };
  static constexpr int kRowBits = 5;

  static std::uint32_t hash_right(std::uint32_t right) {
    const std::uint32_t mixed = right * 0x9e3779b1u;
    return mixed ^ mixed >> 15;
  }
  FaultOr<void> read(std::string_view file, std::uint32_t rank_left_out,
                     std::vector<std::string>& words);
  FaultOr<void> index(const std::vector<std::string>& words);
  FaultOr<void> pair(const std::vector<std::string>& words);
  void lay_out_rows();

  std::string name_;
  Pattern pattern_;
  Classes classes_;
  Trie trie_;
  Seams seams_;
  WordCache token_words_;
  std::vector<Parts> parts_;
  std::vector<std::uint32_t> shorter_;
  std::vector<std::uint8_t> lengths_;
  std::vector<Pair> pairs_;
};

}  // namespace tollgate::tokens
