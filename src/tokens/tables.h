// The byte-pair ranks of one vocabulary in the tables that encoding needs: a trie from bytes to
// token, and the one pair of tokens that each token is merged from.
//
// A token that arises while any text is merged arises from the same two tokens as when its own
// bytes are merged alone, since no merge has crossed its borders before. So one pair a token
// says all there is to know about merging.
//
// A token is known here by its rank, which is its place among all in the order in which merging
// makes them; what the model calls it may be another number.
//
// No I/O. Const is safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"
#include "tokens/added_tokens.h"
#include "tokens/joins.h"
#include "tokens/merge_order.h"
#include "tokens/seams.h"
#include "tokens/splitter.h"
#include "tokens/tokenizer_json.h"
#include "tokens/trie.h"
#include "tokens/vocabulary.h"
#include "tokens/word_cache.h"

namespace tollgate::tokens {

// What a token is merged from (itself twice, if it is a single byte), and where the tokens are
// that it is the left part of.
struct Parts {
  std::uint32_t left;
  std::uint32_t right;
  std::uint32_t row = 0;  // Its place in the pairs, and the bits of its length.
};

// When a token is made, where ranks alone do not tell.
struct Turn {
  std::uint32_t cascade;  // The token that sets it off; its own if it is in its turn.
  std::uint32_t rank;     // Within a cascade the lower comes first, if both could.
};

class Tables {
 public:
  static constexpr std::uint32_t kTokensLimit = 1u << 18;
  static constexpr std::size_t kTokenBytesMax = 255;
  static constexpr std::size_t kBytesLimit = std::size_t{3} << 20;  // Of all tokens.

  // `file` is what a rank file holds: lines of base64, a space and the rank, in the order of
  // the ranks, which run from 0 and may leave one out.
  static FaultOr<std::unique_ptr<const Tables>> parse(std::string name, Pattern pattern,
                                                      std::string_view file,
                                                      std::uint32_t rank_left_out = kNone);

  // `json` is what a Hugging Face `tokenizer.json` holds.
  static FaultOr<std::unique_ptr<const Tables>> parse_json(std::string name, std::string_view json);

  const std::string& name() const { return name_; }
  Pattern pattern() const { return rules_.pattern; }
  const Rules& rules() const { return rules_; }
  const Joins& joins() const { return joins_; }
  const AddedTokens& added() const { return added_; }
  const AddedTokens& special() const { return special_; }
  // Whether a text is split as it is, from its beginning to its end.
  bool splits_whole() const {
    return rules_.normal_form == NormalForm::kAsIs && rules_.leading_space == LeadingSpace::kNone &&
           added_.empty();
  }
  const Classes& classes() const { return classes_; }
  const Trie& trie() const { return trie_; }
  const Seams& seams() const { return seams_; }
  // What a counter's cache begins with: the short words that are tokens, the frequent first.
  const WordCache& token_words() const { return token_words_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(parts_.size()); }
  const Parts& parts(std::uint32_t id) const { return parts_[id]; }
  std::uint32_t length(std::uint32_t id) const { return lengths_[id]; }
  // What the model calls it.
  std::uint32_t id(std::uint32_t rank) const { return ids_.empty() ? rank : ids_[rank]; }
  // What the model calls the token of a byte of a character that is in no token.
  std::uint32_t id_of_byte(char byte) const { return byte_ids_[static_cast<unsigned char>(byte)]; }
  // Of a unigram vocabulary.
  double score(std::uint32_t rank) const { return scores_[rank]; }
  double score_lowest() const { return score_lowest_; }

  // The tokens below this rank are made of nothing, all others that texts have are merged.
  std::uint32_t leaves() const { return leaves_; }

  // Whether there are cascades (see merge_order.h); turn() is for those alone.
  bool cascades() const { return cascade_span_ != 0; }
  const Turn& turn(std::uint32_t rank) const { return turns_[rank]; }
  // Two ranks that are further apart are of different cascades.
  std::uint32_t cascade_span() const { return cascade_span_; }

  // The id of a piece that is a token although no merging makes it; kNone if it is none.
  std::uint32_t id_of_whole(std::string_view piece) const {
    if (whole_.empty()) return kNone;
    const auto found = whole_.find(piece);
    return found == whole_.end() ? kNone : found->second;
  }
  // The longest token that this one begins with; kNone for one that is made of nothing.
  std::uint32_t shorter(std::uint32_t id) const { return shorter_[id]; }

  // The token that the two are merged to, else kNone. This decides the speed of a hostile text, of
  // which nobody can tell before what is merged: so a look at four pairs is one without a branch.
  std::uint32_t merged(std::uint32_t left, std::uint32_t right) const {
    const std::uint32_t row = parts_[left].row;
    const std::uint32_t last = (1u << (row & kRowMask)) - 1;
    const Pairs* const begin = &pairs_[row >> kRowBits];
    for (std::uint32_t at = hash_right(right) & last;; at = (at + 1) & last) {
      const Pairs& pairs = begin[at];
      std::uint32_t merged = kNone;  // All ones, as is a mask of a pair that it is not.
      for (std::size_t i = 0; i < kPairsAtOnce; ++i) {
        merged &= pairs.merged[i] | -static_cast<std::uint32_t>(pairs.right[i] != right);
      }
      const bool is_last = pairs.right.back() == kNone;
      if (is_last | (merged != kNone)) [[likely]]
        return merged;
    }
  }
  // The same of two that are made of nothing.
  std::uint32_t merged_leaves(std::uint32_t left, std::uint32_t right) const {
    return (left | right) < kFirst ? first_pairs_[left * kFirst + right] : merged(left, right);
  }

 private:
  Tables(std::string name, const Rules& rules)
      : name_(std::move(name)), rules_(rules), classes_(rules.pattern) {}
  // A row is open addressing over a power of two of these, of which one is never full. The first of
  // all is empty, for tokens that are no left part.
  static constexpr std::size_t kPairsAtOnce = 4;
  struct alignas(32) Pairs {
    std::array<std::uint32_t, kPairsAtOnce> right{kNone, kNone, kNone, kNone};
    std::array<std::uint32_t, kPairsAtOnce> merged{kNone, kNone, kNone, kNone};
  };
  static constexpr int kRowBits = 5;
  static constexpr std::uint32_t kRowMask = (1u << kRowBits) - 1;
  // The first tokens are bytes or letters, which every pair of tokens comes down to.
  static constexpr std::uint32_t kFirst = 256;

  static std::uint32_t hash_right(std::uint32_t right) {
    const std::uint32_t mixed = right * 0x9e3779b1u;
    return mixed ^ mixed >> 15;
  }
  FaultOr<void> read(std::string_view file, std::uint32_t rank_left_out,
                     std::vector<std::string>& words);
  FaultOr<void> index(const std::vector<std::string>& words);
  void take_merges(const TokenizerJson& file, std::vector<std::string>& words);
  void take_scores(const TokenizerJson& file, std::vector<std::string>& words);
  FaultOr<void> pair(const std::vector<std::string>& words);
  void lay_out_rows();
  void keep_pair(std::uint32_t left, std::uint32_t right, std::uint32_t merged);
  bool is_merged(std::uint32_t rank) const { return parts_[rank].left != rank; }

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  std::string name_;
  Rules rules_;
  Classes classes_;
  Joins joins_;
  AddedTokens added_;
  AddedTokens special_;
  Trie trie_;
  Seams seams_;
  WordCache token_words_;
  std::vector<Parts> parts_;
  std::vector<std::uint32_t> shorter_;
  std::vector<std::uint8_t> lengths_;
  std::uint32_t leaves_ = 0;
  std::vector<Pairs> pairs_;
  std::vector<std::uint32_t> first_pairs_;  // What two of the first tokens are merged to.
  std::vector<std::uint32_t> ids_;          // By rank; empty where the ids are the ranks.
  std::vector<double> scores_;
  double score_lowest_ = 0;
  std::vector<Turn> turns_;  // By rank; empty without cascades.
  std::uint32_t cascade_span_ = 0;
  std::vector<std::uint32_t> byte_ids_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> whole_;
};

}  // namespace tollgate::tokens
