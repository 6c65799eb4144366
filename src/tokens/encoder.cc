#include "tokens/encoder.h"

#include "base/check.h"

namespace tollgate::tokens {

// Whether merging leaves the two as they are, side by side. They are taken apart in the reverse
// order of their merges; had a pair across the border been due before a merge that was undone,
// it would have been made.
bool Encoder::find_apart(std::uint32_t left, std::uint32_t right) {
  std::uint32_t limit = kNone;
  for (;;) {
    ++steps_;
    const std::uint32_t across = tables_.merged(left, right);
    if (across < limit) return false;
    if (left > right) {
      limit = left;
      left = tables_.parts(left).right;
      if (left != limit) continue;
      limit = right + 1;
      right = tables_.parts(right).left;
      if (right + 1 == limit) return true;
    } else {
      limit = right + 1;
      right = tables_.parts(right).left;
      if (right + 1 != limit) continue;
      limit = left;
      left = tables_.parts(left).right;
      if (left == limit) return true;
    }
  }
}

// A text of few letters, as of spaces alone, asks for the same pairs again and again.
bool Encoder::stay_apart(std::uint32_t left, std::uint32_t right) {
  const std::uint64_t pair = std::uint64_t{left} << 32 | right << 1;
  std::uint64_t& verdict = verdicts_[pair * 0x9e3779b97f4a7c15u >> (64 - kVerdictBits)];
  if ((verdict ^ pair) <= 1) return (verdict & 1) != 0;
  const bool apart = find_apart(left, right);
  verdict = pair | (apart ? 1 : 0);
  return apart;
}

std::span<const std::uint32_t> Encoder::encode(std::string_view piece) {
  const char* const begin = piece.data();
  const char* const end = begin + piece.size();
  if (ids_.capacity() > kKeptTokens) {
    std::vector<std::uint32_t>().swap(ids_);
    std::vector<std::uint8_t>().swap(given_up_);
  }
  ids_.clear();
  given_up_.clear();
  Trie::Match candidate = tables_.trie().longest(begin, end, steps_);
  std::size_t position = 0;
  for (;;) {
    ++steps_;
    const std::size_t after = position + candidate.length;
    if (!given_up(after) && (ids_.empty() || stay_apart(ids_.back(), candidate.token))) {
      ids_.push_back(candidate.token);
      position = after;
      if (position == piece.size()) return ids_;
      candidate = tables_.trie().longest(begin + position, end, steps_);
      continue;
    }
    candidate.token = tables_.shorter(candidate.token);
    while (candidate.token == kNone) {
      // Nothing fits here: the token before must be another one.
      CHECK(!ids_.empty());
      given_up_.resize(piece.size() + 1);
      given_up_[position] = 1;
      position -= tables_.length(ids_.back());
      candidate.token = tables_.shorter(ids_.back());
      ids_.pop_back();
    }
    candidate.length = tables_.length(candidate.token);
  }
}

}  // namespace tollgate::tokens
