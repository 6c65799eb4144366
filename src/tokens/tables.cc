#include "tokens/tables.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
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
  if (done) done = tables->plant(words);
  if (done) done = tables->pair(words);
  if (!done) return std::unexpected(std::move(done.error()));
  return tables;
}

// From the lines to the bytes of each token, in the order of the ranks.
FaultOr<void> Tables::read(std::string_view file, std::vector<std::string>& words) {
  bytes_.fill(kNone);
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
    if (word.size() == 1) bytes_[static_cast<unsigned char>(word[0])] = rank;
    words.push_back(std::move(word));
  }
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    if (bytes_[byte] == kNone) {
      return damaged(name_, fmt::format("no token for the byte {:#04x}", byte));
    }
  }
  return {};
}

// Builds the trie, short words first, so that a node that is a token has its number from the
// beginning.
FaultOr<void> Tables::plant(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> by_length(words.size());
  for (std::uint32_t id = 0; id < words.size(); ++id) by_length[id] = id;
  std::ranges::sort(by_length, {}, [&](std::uint32_t id) { return words[id].size(); });

  tokens_.resize(words.size());
  std::uint32_t next_node = size();
  for (const std::uint32_t id : by_length) {
    const std::string& word = words[id];
    std::uint32_t node = root(word[0]);
    std::uint32_t shorter = word.size() == 1 ? kNone : node;
    for (std::size_t i = 1; i < word.size(); ++i) {
      const bool last = i + 1 == word.size();
      std::uint32_t below = child(node, word[i]);
      if (below != kNone && !last && below < size()) shorter = below;
      if (below != kNone && last) {
        return damaged(name_, fmt::format("rank {} is a token that another rank has too", id));
      }
      if (below == kNone) {
        below = last ? id : next_node++;
        trie_.add(std::uint64_t{node} << 8 | static_cast<unsigned char>(word[i]), below);
      }
      node = below;
    }
    if (node != id) {
      return damaged(name_, fmt::format("rank {} is a token that another rank has too", id));
    }
    tokens_[id] = {id, id, shorter, static_cast<std::uint32_t>(word.size())};
  }
  if (next_node >= 1u << 20) return damaged(name_, "too many different beginnings of tokens");
  return {};
}

// Finds what each token is merged from: its bytes are merged by the ranks below its own, and
// two tokens must remain.
FaultOr<void> Tables::pair(const std::vector<std::string>& words) {
  std::vector<std::uint32_t> parts;
  std::vector<std::uint32_t> merges;  // Of each part and the next.
  for (std::uint32_t id = 0; id < words.size(); ++id) {
    const std::string& word = words[id];
    if (word.size() == 1) continue;
    parts.clear();
    for (const char byte : word) parts.push_back(root(byte));
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
    tokens_[id].left = parts[0];
    tokens_[id].right = parts[1];
    pairs_.add(pair_key(parts[0], parts[1]), id);
    maybe_pairs_.add(pair_key(parts[0], parts[1]));
  }
  return {};
}

}  // namespace tollgate::tokens
