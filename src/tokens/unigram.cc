#include "tokens/unigram.h"

#include <algorithm>

#include "tokens/characters.h"

namespace tollgate::tokens {

void Unigram::encode(std::string_view piece, std::vector<std::uint32_t>& tokens,
                     std::uint64_t& steps) {
  if (ways_.capacity() > kKeptPlaces) std::vector<Way>().swap(ways_);
  ways_.assign(piece.size() + 1, Way());
  const char* const end = piece.data() + piece.size();
  for (std::size_t at = 0; at < piece.size();) {
    const double score = ways_[at].score;
    const auto lead_to = [&](std::size_t length, double more, std::uint32_t token) {
      Way& way = ways_[at + length];
      // The first of two that are as good, as in the reference.
      if (way.begin != kNone && score + more <= way.score) return;
      way = {score + more, static_cast<std::uint32_t>(at), token};
    };
    const std::size_t character = character_bytes(piece.substr(at));
    bool is_token = false;
    tables_.trie().each(piece.data() + at, end, steps, [&](Trie::Match match) {
      lead_to(match.length, tables_.score(match.token), match.token);
      is_token = is_token || match.length == character;
    });
    if (!is_token) lead_to(character, tables_.score_lowest() - kUnknownPenalty, kNone);
    at += character;
  }
  const auto first = static_cast<std::ptrdiff_t>(tokens.size());
  for (std::size_t at = piece.size(); at > 0; at = ways_[at].begin) {
    const Way& way = ways_[at];
    tokens.insert(tokens.end(), way.token == kNone ? at - way.begin : 1, way.token);
  }
  std::reverse(tokens.begin() + first, tokens.end());
}

}  // namespace tollgate::tokens
