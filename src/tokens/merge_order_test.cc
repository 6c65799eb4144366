#include "tokens/merge_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tokens/byte_letters.h"
#include "tokens/encoder.h"
#include "tokens/tables.h"

namespace tollgate::tokens {
namespace {

// A vocabulary of the 256 bytes and what merging letters at random makes, its merges in any
// order: what training would bring forth, with as many merges out of their turn as a shuffle makes.
class AnyMerges {
 public:
  AnyMerges(std::mt19937_64& random, std::uint64_t letters, std::uint64_t merges) {
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    std::vector<std::string> words;
    for (std::uint64_t i = 0; i < letters; ++i) words.emplace_back(1, static_cast<char>('a' + i));
    for (std::uint64_t i = 0; i < merges; ++i) {
      const std::string left = words[random() % words.size()];
      const std::string right = words[random() % words.size()];
      if (left.size() + right.size() > 12 || !pairs_.emplace(left, right).second) continue;
      if (place_.contains(left + right)) {
        if (random() % 2 == 0) order_.emplace_back(left, right);
        continue;
      }
      add(left + right);
      words.push_back(left + right);
      order_.emplace_back(left, right);
    }
    for (std::uint64_t swaps = random() % (2 * order_.size() + 1); swaps > 0; --swaps) {
      std::swap(order_[random() % order_.size()], order_[random() % order_.size()]);
    }
  }

  // As merging itself says it: the lowest rank there is, the leftmost of it, until there is none.
  std::vector<std::string> merge(std::string_view text) const {
    std::vector<std::string> parts;
    for (const char letter : text) parts.emplace_back(1, letter);
    for (;;) {
      std::size_t best = order_.size();
      std::size_t at = 0;
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const std::size_t rank =
            std::ranges::find(order_, std::pair(parts[i], parts[i + 1])) - order_.begin();
        if (rank < best) {
          best = rank;
          at = i;
        }
      }
      if (best == order_.size()) return parts;
      parts[at] += parts[at + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }

  // As a tokenizer.json says it.
  std::string json() const {
    std::string vocabulary;
    std::string merges;
    for (const auto& [word, place] : place_) {
      vocabulary += (vocabulary.empty() ? "" : ",") + quoted(word) + ":" + std::to_string(place);
    }
    for (const auto& [left, right] : order_) {
      merges += (merges.empty() ? "[" : ",[") + quoted(left) + "," + quoted(right) + "]";
    }
    return R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE",)"
           R"("vocab":{)" +
           vocabulary + "},\"merges\":[" + merges + "]}}";
  }

  std::uint32_t id(const std::string& word) const { return place_.at(word); }

 private:
  void add(std::string word) { place_.emplace(std::move(word), place_.size()); }

  // The letters of byte_letters.h.
  static std::string quoted(const std::string& word) {
    std::string letters = "\"";
    for (const char letter : word) {
      std::uint32_t point = static_cast<unsigned char>(letter);
      if (!byte_letters::prints(point)) {
        const auto found = std::ranges::find(byte_letters::kByteOf, point);
        point = static_cast<std::uint32_t>(found - byte_letters::kByteOf.begin());
      }
      if (point == '"' || point == '\\') letters += '\\';
      if (point < 0x80) {
        letters += static_cast<char>(point);
      } else {
        letters += static_cast<char>(0xc0 | point >> 6);
        letters += static_cast<char>(0x80 | (point & 0x3f));
      }
    }
    return letters + "\"";
  }

  std::map<std::string, std::uint32_t> place_;
  std::set<std::pair<std::string, std::string>> pairs_;
  std::vector<std::pair<std::string, std::string>> order_;
};

TEST(MergeOrder, EncodesAsMergingDoesWhateverTheOrderOfTheMerges) {
  std::mt19937_64 random{31};
  int with_cascades = 0;
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t letters = 1 + random() % 4;
    const AnyMerges any(random, letters, 5 + random() % 60);
    const auto tables = Tables::parse_json("any", any.json());
    ASSERT_TRUE(tables) << tables.error().message;
    with_cascades += (*tables)->cascades() ? 1 : 0;
    Encoder encoder(**tables);
    for (int step = 0; step < 60; ++step) {
      std::string text;
      for (auto more = 1 + random() % 40; more > 0; --more) {
        text += static_cast<char>('a' + random() % letters);
      }
      std::vector<std::uint32_t> expected;
      for (const std::string& part : any.merge(text)) expected.push_back(any.id(part));
      std::vector<std::uint32_t> ids;
      for (const std::uint32_t token : encoder.encode(text)) ids.push_back(encoder.id(token));
      ASSERT_EQ(ids, expected) << round << ": " << text;
    }
  }
  EXPECT_GT(with_cascades, 100);
}

}  // namespace
}  // namespace tollgate::tokens
