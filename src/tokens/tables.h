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

// From key to value in one word each: open addressing, never more than half full, read only
// after it is built.
class WordMap {
 public:
  WordMap() : slots_(std::size_t{1} << kBitsMin, kEmpty) {}

  std::uint32_t find(std::uint64_t key) const {
    for (std::size_t slot = home(key);; slot = (slot + 1) & (slots_.size() - 1)) {
      const std::uint64_t word = slots_[slot];
      if (word >> kValueBits == key) return word & kValueMask;
      if (word == kEmpty) return kNone;
    }
  }
  // `key` is new and below 2^44 - 1; `value` is below 2^20.
  void add(std::uint64_t key, std::uint32_t value);

 private:
  static constexpr int kBitsMin = 10;
  static constexpr int kValueBits = 20;
  static constexpr std::uint64_t kValueMask = (1u << kValueBits) - 1;
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};

  std::size_t home(std::uint64_t key) const { return (key * 0x9e3779b97f4a7c15u) >> shift_; }
  void place(std::uint64_t word);

  std::vector<std::uint64_t> slots_;
  std::size_t used_ = 0;
  int shift_ = 64 - kBitsMin;
};

// Which keys may be in a WordMap: says no to nearly all that are not, out of a table that stays
// in the processor's cache.
class MaybeSet {
 public:
  bool has(std::uint64_t key) const {
    const std::uint64_t bit = hash(key);
    return (bits_[bit / 64] >> (bit % 64) & 1) != 0;
  }
  void add(std::uint64_t key) {
    const std::uint64_t bit = hash(key);
    bits_[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }

 private:
  static constexpr int kBits = 21;  // 256 KiB, a tenth of it set by 200,000 keys.
  static std::uint64_t hash(std::uint64_t key) {
    return (key * 0xc2b2ae3d27d4eb4fu) >> (64 - kBits);
  }
  std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>((std::size_t{1} << kBits) / 64);
};

// What a token is merged from; itself twice, if it is a single byte.
struct Parts {
  std::uint32_t left;
  std::uint32_t right;
};

class Tables {
 public:
  // Tokens are numbered in 18 bits, a pair of them makes a key.
  static constexpr std::uint32_t kTokensLimit = 1u << 18;
  static constexpr std::size_t kTokenBytesMax = 255;

  // `file` is what a rank file holds: lines of base64, a space and the rank, in the order of
  // the ranks, which run from 0.
  static FaultOr<std::unique_ptr<const Tables>> parse(std::string name, Pattern pattern,
                                                      std::string_view file);

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

  // The token that the two are merged to, else kNone.
  std::uint32_t merged(std::uint32_t left, std::uint32_t right) const {
    const std::uint64_t key = pair_key(left, right);
    return maybe_pairs_.has(key) ? pairs_.find(key) : kNone;
  }

 private:
  Tables(std::string name, Pattern pattern) : name_(std::move(name)), pattern_(pattern) {}
  static std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
    return std::uint64_t{left} << 18 | right;
  }
  FaultOr<void> read(std::string_view file, std::vector<std::string>& words);
  FaultOr<void> index(const std::vector<std::string>& words);
  FaultOr<void> pair(const std::vector<std::string>& words);

  std::string name_;
  Pattern pattern_;
  Classes classes_;
  Trie trie_;
  Seams seams_;
  WordCache token_words_;
  std::vector<Parts> parts_;
  std::vector<std::uint32_t> shorter_;
  std::vector<std::uint8_t> lengths_;
  WordMap pairs_;
  MaybeSet maybe_pairs_;
};

}  // namespace tollgate::tokens
