// The anchors of all secrets, and of personal data that has one, as one automaton, for texts that
// come in pieces: which of them ends at a character, and which may be about to.
//
// Vectorscan looks at whole texts (rules.h), which is faster on long ones. Here it is one table
// look-up a byte, and the state says how much of an anchor stands at the end of what there is.
// Anchors that are read in any case have an automaton of their own.
//
// Immutable once made; safe from any thread. Source: Aho and Corasick, "Efficient string matching:
// an aid to bibliographic search", CACM 18 (1975).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "controls/content/secrets.h"

namespace tollgate::content {

// All that has an anchor: secrets(), and behind them pii_by_name().
std::span<const Secret> anchored();

class Anchors {
 public:
  enum class Case : std::uint8_t { kExact, kAny };
  using State = std::uint16_t;
  static constexpr State kStart = 0;

  explicit Anchors(Case which);
  // Both, made with the first call: for a millisecond.
  static const Anchors& exact();
  static const Anchors& of_any_case();

  State next(State state, char c) const {
    return next_[(std::size_t{state} * classes_) + class_of_[static_cast<unsigned char>(c)]];
  }
  // Secrets, by their place in anchored(), whose anchor ends here; and those of which it has begun.
  std::span<const std::uint16_t> ended(State state) const { return of(ended_, state); }
  std::span<const std::uint16_t> begun(State state) const { return of(begun_, state); }
  // So many characters of an anchor are there…
  std::size_t depth(State state) const { return depth_[state]; }
  // …and the longest end of them that is a beginning of another.
  State shorter(State state) const { return shorter_[state]; }

 private:
  struct List {
    std::vector<std::uint32_t> begin;  // One more than there are states.
    std::vector<std::uint16_t> secrets;
  };
  static std::span<const std::uint16_t> of(const List& list, State state) {
    return std::span(list.secrets)
        .subspan(list.begin[state], list.begin[state + 1U] - list.begin[state]);
  }
  static List packed(const std::vector<std::vector<std::uint16_t>>& lists);

  std::array<std::uint8_t, 256> class_of_{};
  std::size_t classes_ = 1;
  std::vector<State> next_;
  std::vector<State> shorter_;
  std::vector<std::uint16_t> depth_;
  List ended_;
  List begun_;
};

}  // namespace tollgate::content
