#include "tokens/trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <queue>

#include "base/check.h"

namespace tollgate::tokens {

// Places nodes by their lowest token, the frequent first.
class Trie::Builder {
 public:
  Builder(Trie& trie, std::span<const std::string> words, std::span<const std::uint32_t> sorted)
      : trie_(trie), words_(words), order_(sorted) {
    add_block();
  }

  void run() {
    for (const Child& child : children({0, 0, order_.size(), 0, kNowhere})) {
      trie_.first_[child.byte] = node_of(child);
      enqueue(child, 1, kOfFirst | child.byte);
    }
    while (!open_.empty()) {
      const Open node = open_.top();
      open_.pop();
      place(node);
    }
  }

 private:
  static constexpr std::uint32_t kOfFirst = 1u << 31;  // A place in first_.
  // How many blocks back a base is looked for: what is left free before stays free.
  static constexpr std::size_t kBlocksTried = 24;

  // The words [begin, end) share `depth` bytes.
  struct Open {
    std::uint32_t lowest;
    std::size_t begin;
    std::size_t end;
    std::uint32_t depth;
    std::uint32_t place;
    bool operator<(const Open& other) const { return lowest > other.lowest; }
  };
  struct Child {
    std::uint8_t byte;
    std::size_t begin;
    std::size_t end;
    std::uint32_t depth;
  };

  std::vector<Child> children(const Open& node) const {
    std::vector<Child> found;
    for (std::size_t i = node.begin; i < node.end; ++i) {
      const std::string& word = words_[order_[i]];
      if (word.size() == node.depth) continue;
      const auto byte = static_cast<std::uint8_t>(word[node.depth]);
      if (found.empty() || found.back().byte != byte) found.push_back({byte, i, i, node.depth + 1});
      found.back().end = i + 1;
    }
    return found;
  }

  // That of a child whose own children have no place yet.
  Trie::Node node_of(const Child& child) const {
    const bool ends = words_[order_[child.begin]].size() == child.depth;
    return {kNowhere << kBaseShift | child.byte, ends ? order_[child.begin] : kNone};
  }

  void enqueue(const Child& child, std::uint32_t depth, std::uint32_t place) {
    const bool ends = words_[order_[child.begin]].size() == depth;
    if (child.end - child.begin == (ends ? 1u : 0u)) return;
    const auto lowest = std::min_element(order_.begin() + static_cast<std::ptrdiff_t>(child.begin),
                                         order_.begin() + static_cast<std::ptrdiff_t>(child.end));
    open_.push({*lowest, child.begin, child.end, depth, place});
  }

  void place(const Open& node) {
    const std::vector<Child> below = children(node);
    const std::uint32_t base = base_for(below);
    take(free_bases_, base);
    Trie::Node& own =
        (node.place & kOfFirst) != 0 ? trie_.first_[node.place & 0xff] : trie_.nodes_[node.place];
    own.unit |= base << kBaseShift;
    for (const Child& child : below) {
      const std::uint32_t place = base ^ child.byte;
      trie_.nodes_[place] = node_of(child);
      take(free_, place);
      enqueue(child, child.depth, place);
    }
  }

  // The places of a block, a bit each.
  using Block = std::array<std::uint64_t, kBlock / 64>;

  // The block in which what was at a place is at (the place XOR byte).
  static Block moved(const Block& block, std::uint8_t byte) {
    static constexpr std::array<std::uint64_t, 6> kEven = {
        0x5555555555555555u, 0x3333333333333333u, 0x0f0f0f0f0f0f0f0fu,
        0x00ff00ff00ff00ffu, 0x0000ffff0000ffffu, 0x00000000ffffffffu};
    Block to;
    for (std::size_t i = 0; i < block.size(); ++i) {
      std::uint64_t bits = block[i ^ byte >> 6];
      for (std::size_t bit = 0; bit < kEven.size(); ++bit) {
        if ((byte >> bit & 1) == 0) continue;
        const std::uint64_t even = kEven[bit];
        const int by = 1 << bit;
        bits = (bits & even) << by | (bits >> by & even);
      }
      to[i] = bits;
    }
    return to;
  }

  // A base that is free and has a free place for each of them.
  std::uint32_t base_for(const std::vector<Child>& below) {
    const std::size_t blocks = free_.size();
    for (std::size_t i = std::max<std::size_t>(1, blocks - std::min(blocks, kBlocksTried));
         i < blocks; ++i) {
      Block fits = free_bases_[i];
      for (const Child& child : below) {
        const Block free = moved(free_[i], child.byte);
        for (std::size_t word = 0; word < fits.size(); ++word) fits[word] &= free[word];
      }
      for (std::size_t word = 0; word < fits.size(); ++word) {
        if (fits[word] == 0) continue;
        return static_cast<std::uint32_t>(i * kBlock + word * 64) +
               static_cast<std::uint32_t>(std::countr_zero(fits[word]));
      }
    }
    add_block();
    return static_cast<std::uint32_t>(blocks * kBlock);
  }

  static void take(std::vector<Block>& of, std::uint32_t place) {
    of[place / kBlock][place % kBlock / 64] &= ~(std::uint64_t{1} << place % 64);
  }

  void add_block() {
    trie_.nodes_.resize(trie_.nodes_.size() + kBlock);
    Block all;
    all.fill(~std::uint64_t{0});
    free_.push_back(all);
    free_bases_.push_back(all);
    CHECK(trie_.nodes_.size() < std::size_t{1} << (32 - kBaseShift));
  }

  Trie& trie_;
  std::span<const std::string> words_;
  std::span<const std::uint32_t> order_;  // The tokens, sorted by their bytes.
  std::vector<Block> free_;
  std::vector<Block> free_bases_;
  std::priority_queue<Open> open_;
};

void Trie::build(std::span<const std::string> words, std::span<const std::uint32_t> sorted) {
  nodes_.clear();
  Builder(*this, words, sorted).run();
  nodes_.shrink_to_fit();
}

bool Trie::begins_longer(std::string_view text) const {
  Node node = first_[static_cast<unsigned char>(text[0])];
  for (const char& letter : text.substr(1)) {
    const std::uint32_t byte = static_cast<unsigned char>(letter);
    node = nodes_[(node.unit >> kBaseShift) ^ byte];
    if ((node.unit & kLabelMask) != byte) return false;
  }
  return node.unit >> kBaseShift != kNowhere;
}

std::uint32_t Trie::find(std::string_view word) const {
  std::uint64_t steps = 0;
  const Match match = longest(word.data(), word.data() + word.size(), steps);
  return match.length == word.size() ? match.token : kNone;
}

}  // namespace tollgate::tokens
