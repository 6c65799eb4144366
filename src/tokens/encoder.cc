#include "tokens/encoder.h"

#include "base/check.h"

namespace tollgate::tokens {

// The longest token that the text at `at` begins with.
std::uint32_t Encoder::longest(const char* at, const char* end) {
  std::uint32_t node = tables_.root(*at);
  std::uint32_t found = node;
  while (++at != end) {
    ++steps_;
    node = tables_.child(node, *at);
    if (node == kNone) break;
    if (node < tables_.size()) found = node;
  }
  return found;
}

// Whether merging leaves the two as they are, side by side. They are taken apart in the reverse
// order of their merges; had a pair across the border been due before a merge that was undone,
// it would have been made.
bool Encoder::stay_apart(std::uint32_t left, std::uint32_t right) {
  std::uint32_t limit = kNone;
  for (;;) {
    ++steps_;
    const std::uint32_t across = tables_.merged(left, right);
    if (across < limit) return false;
    if (left > right) {
      limit = left;
      left = tables_.token(left).right;
      if (left != limit) continue;
      limit = right + 1;
      right = tables_.token(right).left;
      if (right + 1 == limit) return true;
    } else {
      limit = right + 1;
      right = tables_.token(right).left;
      if (right + 1 != limit) continue;
      limit = left;
      left = tables_.token(left).right;
      if (left == limit) return true;
    }
  }
}

std::span<const std::uint32_t> Encoder::encode(std::string_view piece) {
  const char* const begin = piece.data();
  const char* const end = begin + piece.size();
  if (ids_.capacity() > kKeptTokens) {
    std::vector<std::uint32_t>().swap(ids_);
    std::vector<std::uint8_t>().swap(given_up_);
  }
  ids_.clear();
  std::uint32_t candidate = longest(begin, end);
  if (tables_.token(candidate).length == piece.size()) {
    ids_.push_back(candidate);
    return ids_;
  }
  given_up_.assign(piece.size() + 1, 0);

  std::size_t position = 0;
  for (;;) {
    ++steps_;
    const std::size_t after = position + tables_.token(candidate).length;
    if (given_up_[after] == 0 && (ids_.empty() || stay_apart(ids_.back(), candidate))) {
      ids_.push_back(candidate);
      position = after;
      if (position == piece.size()) return ids_;
      candidate = longest(begin + position, end);
      continue;
    }
    candidate = tables_.token(candidate).shorter;
    while (candidate == kNone) {
      // Nothing fits here: the token before must be another one.
      CHECK(!ids_.empty());
      given_up_[position] = 1;
      position -= tables_.token(ids_.back()).length;
      candidate = tables_.token(ids_.back()).shorter;
      ids_.pop_back();
    }
  }
}

}  // namespace tollgate::tokens
