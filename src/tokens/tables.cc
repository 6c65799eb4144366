#include "tokens/tables.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
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

}  // namespace

void WordMap::add(std::uint64_t key, std::uint32_t value) {
  if (2 * (used_ + 1) > slots_.size()) {
    const std::vector<std::uint64_t> old =
        std::exchange(slots_, std::vector<std::uint64_t>(2 * slots_.size(), kEmpty));
    --shift_;
    for (const std::uint64_t word : old) {
      if (word != kEmpty) place(word);
    }
  }
  place(key << kValueBits | value);
  ++used_;
}

void WordMap::place(std::uint64_t word) {
  std::size_t slot = home(word >> kValueBits);
  while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = word;
}

FaultOr<std::unique_ptr<const Tables>> Tables::parse(std::string name, Pattern pattern,
                                                     std::string_view file) {
  std::unique_ptr<Tables> tables(new Tables(std::move(name), pattern));
  std::vector<std::string> words;
  FaultOr<void> done = tables->read(file, words);
  if (done) done = tables->index(words);
  if (done) done = tables->pair(words);
  if (!done) return std::unexpected(std::move(done.error()));
  return tables;
}

// From the lines to the bytes of each token, in the order of the ranks.
FaultOr<void> Tables::read(std::string_view file, std::vector<std::string>& words) {
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
    if (word.size() <= WordCache::kWordBytesMax) token_words_.keep_token(word);
  }
  return {};
}

// Finds what each token is merged from: its bytes are merged by the ranks below its own, and
// two tokens must remain.
FaultOr<void> Tables::pair(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> parts;
  std::vector<std::uint32_t> merges;  // Of each part and the next.
  std::uint64_t steps = 0;
  parts_.resize(words.size());
  for (std::uint32_t id = 0; id < words.size(); ++id) {
    const std::string& word = words[id];
    parts_[id] = {id, id};
    if (word.size() == 1) continue;
    parts.clear();
    for (const char& byte : word) parts.push_back(trie_.longest(&byte, &byte + 1, steps).token);
    merges.clear();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      merges.push_back(merged(parts[i], parts[i + 1]));
    }
    while (parts.size() > 2) {
      const auto best = std::ranges::min_element(merges);
      if (*best == kNone) break;
      const std::size_t i = best - merges.begin();
      parts[i] = *best;
      parts.erase(parts.begin() + i + 1);
      merges.erase(best);
      if (i < merges.size()) merges[i] = merged(parts[i], parts[i + 1]);
      if (i > 0) merges[i - 1] = merged(parts[i - 1], parts[i]);
    }
    if (parts.size() != 2 || merges[0] != kNone) {
      return damaged(name_, fmt::format("rank {} cannot be merged from lower ranks", id));
    }
    parts_[id] = {parts[0], parts[1]};
    pairs_.add(pair_key(parts[0], parts[1]), id);
    maybe_pairs_.add(pair_key(parts[0], parts[1]));
  }
  return {};
}

}  // namespace tollgate::tokens
