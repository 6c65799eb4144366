#include "tokens/merge_order.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tokens/characters.h"
#include "tokens/keyed_hash.h"
#include "tokens/trie.h"

namespace tollgate::tokens {
namespace {

// Where each pair stands in the file. Open addressing over a power of two, at most half full.
class Ranks {
 public:
  explicit Ranks(const std::vector<MergeRule>& merges)
      : merges_(merges), places_(std::bit_ceil(2 * merges.size() + 2), kNone) {
    for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
      std::size_t at = home(merges[rank].left, merges[rank].right);
      while (places_[at] != kNone) at = (at + 1) & (places_.size() - 1);
      places_[at] = rank;
    }
  }

  // kNone for a pair that is not merged.
  std::uint32_t of(std::uint32_t left, std::uint32_t right) const {
    for (std::size_t at = home(left, right);; at = (at + 1) & (places_.size() - 1)) {
      const std::uint32_t rank = places_[at];
      if (rank == kNone || (merges_[rank].left == left && merges_[rank].right == right)) {
        return rank;
      }
    }
  }

 private:
  std::size_t home(std::uint32_t left, std::uint32_t right) const {
    return KeyedHash()(std::uint64_t{left} << 32 | right) & (places_.size() - 1);
  }

  const std::vector<MergeRule>& merges_;
  std::vector<std::uint32_t> places_;
};

class Orderer {
 public:
  explicit Orderer(const TokenizerJson& file) : file_(file), ranks_(file.merges) {
    for (std::uint32_t place = 0; place < file.vocabulary.size(); ++place) {
      const std::string_view bytes = file.vocabulary[place].bytes;
      if (bytes.size() == atom_bytes(bytes)) atoms_.emplace(bytes, place);
    }
  }

  MergeOrder order() {
    const auto size = static_cast<std::uint32_t>(file_.vocabulary.size());
    turns_.resize(size);
    place_in_order_.resize(size);
    MergeOrder order;
    std::vector<std::uint32_t> made;
    for (std::uint32_t place = 0; place < size; ++place) {
      const VocabularyEntry& entry = file_.vocabulary[place];
      if (entry.bytes.size() == atom_bytes(entry.bytes)) {
        const auto at = static_cast<std::uint32_t>(order.tokens.size());
        place_in_order_[place] = at;
        order.tokens.push_back({entry.bytes, entry.id, at, at, 0, at});
      } else if ((turns_[place].rank = merge(entry.bytes)) != kNone) {
        made.push_back(place);
      } else {
        order.unmerged.push_back(entry);
      }
    }
    set_turns(made);
    for (const std::uint32_t place : made) add(order, place);
    return order;
  }

 private:
  // When a token is made: with `root`, a rank, and as which step of what that sets off.
  struct Turn {
    std::uint32_t root = 0;
    std::uint32_t step = 0;
    std::uint32_t rank = 0;
    auto operator<=>(const Turn&) const = default;
  };

  // Sorts `made` by the turns.
  void set_turns(std::vector<std::uint32_t>& made) {
    // Parts are shorter.
    std::ranges::sort(made, {}, [&](std::uint32_t place) {
      return std::pair(file_.vocabulary[place].bytes.size(), place);
    });
    for (const std::uint32_t place : made) {
      Turn& turn = turns_[place];
      const MergeRule& rule = file_.merges[turn.rank];
      const Turn& left = turns_[rule.left];
      const Turn& right = turns_[rule.right];
      turn.root = std::max({turn.rank, left.root, right.root});
      if (turn.root == turn.rank) continue;
      for (const Turn& part : {left, right}) {
        if (part.root == turn.root) turn.step = std::max(turn.step, part.step + 1);
      }
    }
    std::ranges::sort(made, {}, [&](std::uint32_t place) { return turns_[place]; });
  }

  void add(MergeOrder& order, std::uint32_t place) {
    const Turn& turn = turns_[place];
    const MergeRule& rule = file_.merges[turn.rank];
    const VocabularyEntry& entry = file_.vocabulary[place];
    const auto at = static_cast<std::uint32_t>(order.tokens.size());
    place_in_order_[place] = at;
    // The one that sets it off is before it, and all between are of the same cascade.
    const std::uint32_t cascade = turn.step == 0 ? at : order.tokens.back().cascade;
    order.tokens.push_back({entry.bytes, entry.id, place_in_order_[rule.left],
                            place_in_order_[rule.right], turn.rank, cascade});
  }

  std::size_t atom_bytes(std::string_view bytes) const {
    return file_.rules.byte_fallback ? character_bytes(bytes) : 1;
  }

  // Merges `bytes` alone. The rank of the merge that makes one token of them; kNone if none does.
  std::uint32_t merge(std::string_view bytes) {
    parts_.clear();
    while (!bytes.empty()) {
      const std::size_t length = atom_bytes(bytes);
      const auto atom = atoms_.find(bytes.substr(0, length));
      if (atom == atoms_.end()) return kNone;
      parts_.push_back(atom->second);
      bytes.remove_prefix(length);
    }
    if (parts_.size() == 1) return kNone;
    rank_of_next_.clear();
    for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
      rank_of_next_.push_back(ranks_.of(parts_[i], parts_[i + 1]));
    }
    for (;;) {
      const auto best = std::ranges::min_element(rank_of_next_);
      const std::uint32_t rank = *best;
      if (rank == kNone) return kNone;
      if (parts_.size() == 2) return rank;
      const auto i = best - rank_of_next_.begin();
      parts_[i] = file_.merges[rank].merged;
      parts_.erase(parts_.begin() + i + 1);
      rank_of_next_.erase(best);
      if (i + 1 < std::ssize(parts_)) rank_of_next_[i] = ranks_.of(parts_[i], parts_[i + 1]);
      if (i > 0) rank_of_next_[i - 1] = ranks_.of(parts_[i - 1], parts_[i]);
    }
  }

  const TokenizerJson& file_;
  Ranks ranks_;
  std::unordered_map<std::string_view, std::uint32_t, KeyedHash> atoms_;
  std::vector<Turn> turns_;                    // By the place in the vocabulary.
  std::vector<std::uint32_t> place_in_order_;  // The same.
  std::vector<std::uint32_t> parts_;
  std::vector<std::uint32_t> rank_of_next_;  // Of each part and the next.
};

}  // namespace

MergeOrder order_of(const TokenizerJson& file) { return Orderer(file).order(); }

}  // namespace tollgate::tokens
