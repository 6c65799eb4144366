// Encodes one piece into the tokens that byte-pair merging ends with, in linear time.
//
// Instead of merging it looks from left to right for the one sequence of tokens in which every
// two neighbours stay apart when merged: a longest match first, a shorter one when it does not
// fit its neighbour, and a step back when none fits. A position that was once given up is
// never tried again, which bounds the work. Method: the `bpe` crate of github/rust-gems.
//
// No I/O. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokens/tables.h"
#include "tokens/unigram.h"

namespace tollgate::tokens {

class Encoder {
 public:
  explicit Encoder(const Tables& tables) : tables_(tables), unigram_(tables) {}

  // The tokens, by rank or as kOfByte and kWhole say; valid until the next call. `piece` is not
  // empty.
  std::span<const std::uint32_t> encode(std::string_view piece);

  // The same of a part of a piece, which is no whole one.
  std::span<const std::uint32_t> encode_part(std::string_view part);

  // How many those are. Needs no memory that grows with the part for a unigram vocabulary.
  Tokens count_part(std::string_view part);

  // What the model calls a token that encode() has told.
  std::uint32_t id(std::uint32_t token) const;

  std::uint64_t steps() const { return steps_; }

 private:
  // With the byte: of a character that is in no token.
  static constexpr std::uint32_t kOfByte = 1u << 31;
  // With the id: a piece that is a token although no merging makes it.
  static constexpr std::uint32_t kWhole = 1u << 30;

  // Beyond this the memory of a long piece is given back after it.
  static constexpr std::size_t kKeptTokens = 64 * 1024;

  std::span<const std::uint32_t> highest_sum(std::string_view piece);
  std::span<const std::uint32_t> merge(std::string_view piece);
  std::span<const std::uint32_t> merge_known(std::string_view piece);
  bool stay_apart(std::uint32_t left, std::uint32_t right);
  bool find_apart_in_cascades(std::uint32_t left, std::uint32_t right);
  bool find_apart(std::uint32_t left, std::uint32_t right);
  bool given_up(std::size_t position) const {
    return !given_up_.empty() && given_up_[position] != 0;
  }

  static constexpr int kVerdictBits = 12;  // 32 KiB.

  const Tables& tables_;
  Unigram unigram_;
  // The pairs asked for last, by a hash of them: a pair times two, and whether it stays apart.
  std::vector<std::uint64_t> verdicts_ =
      std::vector<std::uint64_t>(std::size_t{1} << kVerdictBits, ~std::uint64_t{0});
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint32_t> parts_;    // Of a piece with characters that are in no token.
  std::vector<std::uint8_t> given_up_;  // By position in the piece; empty until there is one.
  std::uint64_t steps_ = 0;
};

}  // namespace tollgate::tokens
