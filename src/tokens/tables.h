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
  std::uint32_t row = 0;     // Its place in the pairs, and the bits of its length.
  std::uint32_t rights = 0;  // Which hashes of right parts may be in the row, a bit each.
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

  // The token that the two are merged to, else kNone. Most that are not merged are told without
  // a look at the row, and a row is short: this decides the speed of a hostile text. Not so the
  // rows of bytes, so what two of them make stands in a table.
  std::uint32_t merged(std::uint32_t left, std::uint32_t right) const {
    if ((left | right) < kFirst) return first_pairs_[left * kFirst + right];
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
  Tables(std::string name, const Rules& rules)
      : name_(std::move(name)), rules_(rules), classes_(rules.pattern) {}
  // A row of pairs is open addressing over a power of two, never full.
  struct Pair {
    std::uint32_t right = kNone;
    std::uint32_t merged = kNone;
  };
  static constexpr int kRowBits = 5;
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
  std::vector<Pair> pairs_;
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
