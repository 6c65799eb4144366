#include "tokens/unigram.h"

#include <algorithm>
#include <array>

#include "tokens/characters.h"

namespace tollgate::tokens {

// Tells each step from a place that can be reached to one behind it, in the order of the places:
// the score that is had there by this way, where it begins, and its token. The first of two that
// are as good is taken, as in the reference.
template <typename Score, typename Lead>
void Unigram::walk(std::string_view piece, std::uint64_t& steps, const Score& score_at,
                   const Lead& lead_to) const {
  const char* const end = piece.data() + piece.size();
  for (std::size_t at = 0; at < piece.size();) {
    const double score = score_at(at);
    const std::size_t character = character_bytes(piece.substr(at));
    bool is_token = false;
    tables_.trie().each(piece.data() + at, end, steps, [&](Trie::Match match) {
      lead_to(at, match.length, score + tables_.score(match.token), match.token);
      is_token = is_token || match.length == character;
    });
    if (!is_token) {
      lead_to(at, character, score + (tables_.score_lowest() - kUnknownPenalty), kNone);
    }
    at += character;
  }
}

Tokens Unigram::count(std::string_view piece, std::uint64_t& steps) const {
  // The best way to a place, by the place's last bits: no token reaches further.
  struct Best {
    double score = 0;
    Tokens tokens = 0;
    std::size_t place = 0;
  };
  constexpr std::size_t kPlaces = 256;
  static_assert(kPlaces > Tables::kTokenBytesMax);
  std::array<Best, kPlaces> best{};
  walk(
      piece, steps, [&](std::size_t at) { return best[at % kPlaces].score; },
      [&](std::size_t at, std::size_t length, double score, std::uint32_t token) {
        Best& there = best[(at + length) % kPlaces];
        if (there.place == at + length && score <= there.score) return;
        const Tokens more = token == kNone ? static_cast<Tokens>(length) : 1;
        there = {score, best[at % kPlaces].tokens + more, at + length};
      });
  return best[piece.size() % kPlaces].tokens;
}

void Unigram::encode(std::string_view piece, std::vector<std::uint32_t>& tokens,
                     std::uint64_t& steps) {
  if (ways_.capacity() > kKeptPlaces) std::vector<Way>().swap(ways_);
  ways_.assign(piece.size() + 1, Way());
  walk(
      piece, steps, [&](std::size_t at) { return ways_[at].score; },
      [&](std::size_t at, std::size_t length, double score, std::uint32_t token) {
        Way& way = ways_[at + length];
        if (way.begin != kNone && score <= way.score) return;
        way = {score, static_cast<std::uint32_t>(at), token};
      });
  const auto first = static_cast<std::ptrdiff_t>(tokens.size());
  for (std::size_t at = piece.size(); at > 0; at = ways_[at].begin) {
    const Way& way = ways_[at];
    tokens.insert(tokens.end(), way.token == kNone ? at - way.begin : 1, way.token);
  }
  std::reverse(tokens.begin() + first, tokens.end());
}

}  // namespace tollgate::tokens
