// Patterns as one automaton, for texts that come in pieces: which of them ends at a character, and
// whether any could still go on.
//
// It is anchored: whoever reads begins it anew at each character that a pattern may begin with, and
// most of these beginnings die with the next character. Vectorscan (rules.h) tells matches alone,
// and not what could still become one.
//
// Patterns as of patterns.h: literals, \n and \s, groups, alternatives, classes, ? and {m,n}.
//
// Immutable once made; safe from any thread. Source: Thompson, "Regular expression search
// algorithm", CACM 11 (1968); Rabin and Scott (1959) for what makes it deterministic.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "controls/content/patterns.h"

namespace tollgate::content {

class PatternMachine {
 public:
  using State = std::uint16_t;
  static constexpr State kDead = 0;

  explicit PatternMachine(std::span<const Pattern> patterns);
  // Of special_tokens(), made with the first call: in some milliseconds.
  static const PatternMachine& of_special_tokens();

  // The state behind the first character; kDead where no pattern begins with it.
  State begin(char c) const { return next(kStart, c); }
  State next(State state, char c) const {
    return next_[(std::size_t{state} * classes_) + class_of_[static_cast<unsigned char>(c)]];
  }
  // Patterns, by their place, that end here.
  std::span<const std::uint16_t> ended(State state) const { return ended_[state]; }

 private:
  static constexpr State kStart = 1;

  std::array<std::uint8_t, 256> class_of_{};
  std::size_t classes_ = 0;
  std::vector<State> next_;
  std::vector<std::vector<std::uint16_t>> ended_;
};

}  // namespace tollgate::content
