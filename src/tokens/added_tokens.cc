#include "tokens/added_tokens.h"

#include <algorithm>
#include <numeric>

namespace tollgate::tokens {

AddedTokens::AddedTokens(std::span<const AddedToken> tokens) {
  if (tokens.empty()) return;
  std::vector<std::string> words;
  for (const AddedToken& token : tokens) {
    words.push_back(token.text);
    ids_.push_back(token.id);
    bool& begins = begins_[static_cast<unsigned char>(token.text[0])];
    if (!begins) first_bytes_.push_back(token.text[0]);
    begins = true;
    bytes_max_ = std::max(bytes_max_, token.text.size());
  }
  std::vector<std::uint32_t> sorted(words.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::ranges::sort(sorted, {}, [&](std::uint32_t at) { return std::string_view(words[at]); });
  trie_.build(words, sorted);
}

// Where a byte is that may begin one; text.size() if nowhere.
std::size_t AddedTokens::next_begin(std::string_view text, std::size_t from) const {
  if (first_bytes_.size() <= kFirstBytesSought) {
    std::size_t first = text.size();
    for (const char byte : first_bytes_) {
      first = std::min(first, text.substr(0, first).find(byte, from));
    }
    return first;
  }
  while (from < text.size() && !begins_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

auto AddedTokens::find(std::string_view text, std::size_t from) const -> std::optional<Match> {
  std::uint64_t steps = 0;
  for (std::size_t at = next_begin(text, from); at < text.size(); at = next_begin(text, at + 1)) {
    const Trie::Match match = trie_.longest(text.data() + at, text.data() + text.size(), steps);
    if (match.token != kNone) return Match{at, at + match.length, ids_[match.token]};
  }
  return std::nullopt;
}

std::size_t AddedTokens::unfinished(std::string_view text) const {
  const std::size_t last = std::min(text.size(), bytes_max_);
  for (std::size_t at = text.size() - last; at < text.size(); ++at) {
    if (trie_.begins_longer(text.substr(at))) return at;
  }
  return text.size();
}

}  // namespace tollgate::tokens
