// Cuts one piece into the tokens whose scores have the highest sum, as a unigram vocabulary does,
// by the method of Viterbi: of all ways that lead to a place in the piece only the best goes on.
// The work for a byte is bounded by the longest token.
//
// A character that is no token costs more than any token, and is told by its bytes.
//
// No I/O. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "tokens/tables.h"

namespace tollgate::tokens {

class Unigram {
 public:
  // What a character that is no token costs beyond the lowest score, as in the reference.
  static constexpr double kUnknownPenalty = 10;

  explicit Unigram(const Tables& tables) : tables_(tables) {}

  // How many tokens encode() would append. Needs the same memory for a piece of any length.
  Tokens count(std::string_view piece, std::uint64_t& steps) const;

  // Appends the tokens of `piece`, which is not empty, by rank; kNone for each byte of a character
  // that is in none. What it cost is added to `steps`. Needs 16 bytes a byte of the piece: for
  // whoever wants the tokens themselves, which no request does.
  void encode(std::string_view piece, std::vector<std::uint32_t>& tokens, std::uint64_t& steps);

 private:
  // Beyond this the memory of a long piece is given back after it.
  static constexpr std::size_t kKeptPlaces = 64 * 1024;

  // The best way that ends at a place: its last token, and where that begins.
  struct Way {
    double score = 0;
    std::uint32_t begin = kNone;  // None leads here.
    std::uint32_t token = kNone;
  };

  template <typename Score, typename Lead>
  void walk(std::string_view piece, std::uint64_t& steps, const Score& score_at,
            const Lead& lead_to) const;

  const Tables& tables_;
  std::vector<Way> ways_;
};

}  // namespace tollgate::tokens
