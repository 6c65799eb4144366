#include "tokens/tables.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <numeric>
#include <utility>

namespace tollgate::tokens {
namespace {

std::unexpected<Fault> damaged(const std::string& name, std::string what) {
  return fault(FaultKind::kCorrupt, fmt::format("vocabulary {}: {}; run ./dev setup to fetch it "
                                                "again",
                                                name, what));
}

// The bytes that `base64` stands for; empty if it stands for none.
std::string decode_base64(std::string_view base64) {
  if (base64.empty() || base64.size() % 4 != 0 || base64.size() > 2 * Tables::kTokenBytesMax) {
    return {};
  }
  std::string bytes(base64.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(base64.data()),
                                     static_cast<int>(base64.size()));
  if (length != static_cast<int>(bytes.size())) return {};
  const std::size_t padding = base64.size() - 1 - base64.find_last_not_of('=');
  if (padding > 2) return {};
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// In a row of so many pairs few fours are full; of shorter rows there are many, so they are denser.
constexpr std::uint32_t kShortRow = 64;

}  // namespace

FaultOr<std::unique_ptr<const Tables>> Tables::parse(std::string name, Pattern pattern,
                                                     std::string_view file,
                                                     std::uint32_t rank_left_out) {
  std::unique_ptr<Tables> tables(new Tables(std::move(name), Rules{.pattern = pattern}));
  std::vector<std::string> words;
  FaultOr<void> done = tables->read(file, rank_left_out, words);
  if (done) done = tables->index(words);
  if (done) done = tables->pair(words);
  if (!done) return std::unexpected(std::move(done.error()));
  return tables;
}

FaultOr<std::unique_ptr<const Tables>> Tables::parse_json(std::string name, std::string_view json) {
  FaultOr<TokenizerJson> file = read_tokenizer_json(name, json);
  if (!file) return std::unexpected(std::move(file.error()));
  std::unique_ptr<Tables> tables(new Tables(std::move(name), file->rules));
  std::vector<std::string> words;
  if (file->rules.model == Model::kUnigram) {
    tables->take_scores(*file, words);
  } else {
    tables->take_merges(*file, words);
  }
  if (FaultOr<void> done = tables->index(words); !done) {
    return std::unexpected(std::move(done.error()));
  }
  tables->lay_out_rows();
  tables->byte_ids_ = std::move(file->byte_ids);
  tables->added_ = AddedTokens(file->added);
  tables->special_ = AddedTokens(file->special);
  return tables;
}

void Tables::take_merges(const TokenizerJson& file, std::vector<std::string>& words) {
  MergeOrder order = order_of(file);
  for (OrderedToken& token : order.tokens) {
    const auto rank = static_cast<std::uint32_t>(words.size());
    words.push_back(std::move(token.bytes));
    ids_.push_back(token.id);
    parts_.push_back({token.left, token.right});
    joins_.add(words.back());
    turns_.push_back({token.cascade, token.rank});
    cascade_span_ = std::max(cascade_span_, rank - token.cascade);
  }
  if (cascade_span_ == 0) std::vector<Turn>().swap(turns_);
  if (!rules_.ignore_merges) return;
  for (VocabularyEntry& entry : order.unmerged) {
    whole_.emplace(std::move(entry.bytes), entry.id);
  }
}

void Tables::take_scores(const TokenizerJson& file, std::vector<std::string>& words) {
  for (const VocabularyEntry& entry : file.vocabulary) {
    const auto rank = static_cast<std::uint32_t>(words.size());
    words.push_back(entry.bytes);
    ids_.push_back(entry.id);
    parts_.push_back({rank, rank});
    joins_.add(entry.bytes);
  }
  // A sum that begins elsewhere is rounded elsewhere, so a word is looked at as a whole.
  joins_.join_all_but_spaces();
  scores_ = file.scores;
  score_lowest_ = *std::ranges::min_element(scores_);
}

// From the lines to the bytes of each token, in the order of the ranks.
FaultOr<void> Tables::read(std::string_view file, std::uint32_t rank_left_out,
                           std::vector<std::string>& words) {
  std::array<bool, 256> there{};
  for (std::size_t number = 1; !file.empty(); ++number) {
    const std::size_t length = std::min(file.find('\n'), file.size());
    const std::string_view line = file.substr(0, length);
    file.remove_prefix(std::min(length + 1, file.size()));

    const std::size_t space = std::min(line.find(' '), line.size());
    std::string word = decode_base64(line.substr(0, space));
    std::uint32_t rank = kNone;
    const auto [end, error] =
        std::from_chars(line.data() + std::min(space + 1, line.size()), line.end(), rank);
    if (word.empty() || word.size() > kTokenBytesMax || error != std::errc{} || end != line.end()) {
      return damaged(name_, fmt::format("line {} is not a token and its rank", number));
    }
    if (words.size() == rank_left_out) words.emplace_back();  // No text has it.
    if (rank != words.size()) {
      return damaged(
          name_, fmt::format("line {} has rank {} where {} follows", number, rank, words.size()));
    }
    if (rank == kTokensLimit) {
      return damaged(name_, fmt::format("more than {} tokens", kTokensLimit));
    }
    if (word.size() == 1) there[static_cast<unsigned char>(word[0])] = true;
    words.push_back(std::move(word));
  }
  for (std::size_t byte = 0; byte < there.size(); ++byte) {
    if (!there[byte]) {
      return damaged(name_, fmt::format("no token for the byte {:#04x}", byte));
    }
  }
  return {};
}

// The trie and what is learned from each word alone.
FaultOr<void> Tables::index(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> sorted(words.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::ranges::sort(sorted, [&](std::uint32_t a, std::uint32_t b) { return words[a] < words[b]; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (words[sorted[i - 1]] != words[sorted[i]]) continue;
    return damaged(name_, fmt::format("rank {} is a token that another rank has too",
                                      std::max(sorted[i - 1], sorted[i])));
  }
  trie_.build(words, sorted);
  shorter_.assign(words.size(), kNone);
  for (std::uint32_t id = 0; id < words.size(); ++id) {
    const std::string& word = words[id];
    lengths_.push_back(static_cast<std::uint8_t>(word.size()));
    std::uint64_t steps = 0;
    if (word.size() > 1) {
      shorter_[id] = trie_.longest(word.data(), word.data() + word.size() - 1, steps).token;
    }
    seams_.add(word);
    // Of a unigram vocabulary a word that is a token may have others with a higher sum.
    const bool is_one = rules_.model == Model::kMerges && !word.empty();
    if (is_one && word.size() <= WordCache::kWordBytesMax) token_words_.keep_token(word);
  }
  return {};
}

// Finds what each token is merged from: its bytes are merged by the ranks below its own, and
// two tokens must remain. Whether two tokens side by side are one is what the trie says of their
// bytes, if that one is made of these two.
FaultOr<void> Tables::pair(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> parts;
  std::vector<std::uint32_t> merges;  // Of each part and the next.
  std::uint64_t steps = 0;
  parts_.resize(words.size());
  for (std::uint32_t id = 0; id < words.size(); ++id) {
    const std::string& word = words[id];
    parts_[id] = {id, id};
    if (word.size() == 1 && id >= kFirst) {
      return damaged(name_, fmt::format("rank {} is a byte, and the first {} are", id, kFirst));
    }
    if (word.size() <= 1) continue;
    parts.clear();
    for (const char& byte : word) parts.push_back(trie_.longest(&byte, &byte + 1, steps).token);
    // The token of parts i and i + 1, which begin at `at`.
    const auto merge_of = [&](std::size_t i, std::size_t at) {
      const std::size_t length = lengths_[parts[i]] + lengths_[parts[i + 1]];
      const std::uint32_t token = trie_.find(std::string_view(word).substr(at, length));
      if (token >= id) return kNone;
      const Parts& of = parts_[token];
      return of.left == parts[i] && of.right == parts[i + 1] ? token : kNone;
    };
    merges.clear();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) merges.push_back(merge_of(i, i));
    while (parts.size() > 2) {
      const auto best = std::ranges::min_element(merges);
      if (*best == kNone) break;
      const std::size_t i = best - merges.begin();
      parts[i] = *best;
      parts.erase(parts.begin() + i + 1);
      merges.erase(best);
      std::size_t at = 0;
      for (std::size_t before = 0; before < i; ++before) at += lengths_[parts[before]];
      if (i < merges.size()) merges[i] = merge_of(i, at);
      if (i > 0) merges[i - 1] = merge_of(i - 1, at - lengths_[parts[i - 1]]);
    }
    if (parts.size() != 2 || merges[0] != kNone) {
      return damaged(name_, fmt::format("rank {} cannot be merged from lower ranks", id));
    }
    parts_[id] = {parts[0], parts[1]};
  }
  lay_out_rows();
  return {};
}

// The rows of pairs, those of frequent left parts first.
void Tables::lay_out_rows() {
  while (leaves_ < size() && !is_merged(leaves_)) ++leaves_;
  std::vector<std::uint32_t> counts(parts_.size());
  for (std::uint32_t id = 0; id < size(); ++id) {
    if (is_merged(id)) ++counts[parts_[id].left];
  }
  pairs_.resize(1);
  for (std::uint32_t id = 0; id < size(); ++id) {
    if (counts[id] == 0) continue;
    const std::uint32_t share = counts[id] < kShortRow ? 3 : 2;
    const std::uint32_t length =
        counts[id] < kPairsAtOnce ? 1 : std::bit_ceil(counts[id] / share + 1);
    const auto at = static_cast<std::uint32_t>(pairs_.size());
    parts_[id].row = at << kRowBits | static_cast<std::uint32_t>(std::countr_zero(length));
    pairs_.resize(pairs_.size() + length);
  }
  pairs_.shrink_to_fit();
  first_pairs_.assign(std::size_t{kFirst} * kFirst, kNone);
  for (std::uint32_t id = 0; id < size(); ++id) {
    if (is_merged(id)) keep_pair(parts_[id].left, parts_[id].right, id);
  }
}

void Tables::keep_pair(std::uint32_t left, std::uint32_t right, std::uint32_t merged) {
  if ((left | right) < kFirst) first_pairs_[left * kFirst + right] = merged;
  const std::uint32_t row = parts_[left].row;
  const std::uint32_t last = (1u << (row & kRowMask)) - 1;
  for (std::uint32_t at = hash_right(right) & last;; at = (at + 1) & last) {
    Pairs& pairs = pairs_[(row >> kRowBits) + at];
    const auto room = std::ranges::find(pairs.right, kNone);
    if (room == pairs.right.end()) continue;
    *room = right;
    pairs.merged[room - pairs.right.begin()] = merged;
    return;
  }
}

}  // namespace tollgate::tokens
