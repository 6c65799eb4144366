#include "tokens/encoder.h"

#include <algorithm>

#include "base/check.h"
#include "tokens/characters.h"

namespace tollgate::tokens {

// Whether merging leaves the two as they are, side by side. They are taken apart in the reverse
// order of their merges; had a pair across the border been due before a merge that was undone,
// it would have been made.
bool Encoder::find_apart(std::uint32_t left, std::uint32_t right) {
  std::uint32_t limit = kNone;
  while (std::max(left, right) >= tables_.leaves()) {
    ++steps_;
    if (tables_.merged(left, right) < limit) return false;
    // Which of the two was merged later is anybody's guess, so nothing waits for it: no branch.
    const bool left_is_later = left > right;
    const std::uint32_t of_left = tables_.parts(left).right;
    const std::uint32_t of_right = tables_.parts(right).left;
    limit = left_is_later ? left : right + 1;
    left = left_is_later ? of_left : left;
    right = left_is_later ? right : of_right;
  }
  ++steps_;
  return tables_.merged_leaves(left, right) >= limit;
}

namespace {

enum class Side : std::uint8_t { kLeft, kRight };

// Whether the merge to `across`, whose right part is `right`, comes before the one to `next`,
// which would take one of its parts away. See merge_order.h.
bool comes_before(const Tables& tables, std::uint32_t across, std::uint32_t right,
                  std::uint32_t next, Side side) {
  const Turn& of_across = tables.turn(across);
  const Turn& of_next = tables.turn(next);
  const std::uint32_t cascade = of_next.cascade;
  if (of_across.cascade != cascade) return of_across.cascade < cascade;
  const bool sets_off = across == cascade;
  if (side == Side::kLeft) return !sets_off && of_across.rank < of_next.rank;
  // What is not of this cascade was there before it began on the right.
  if (sets_off || tables.turn(right).cascade != cascade) return true;
  // The same once more, further right, made the other part of `next`.
  if (tables.turn(tables.parts(next).right).cascade == cascade) return true;
  return of_across.rank <= of_next.rank;
}

}  // namespace

// The same with tokens that are made before their turn.
bool Encoder::find_apart_in_cascades(std::uint32_t left, std::uint32_t right) {
  std::uint32_t next = kNone;
  Side side = Side::kLeft;
  const auto left_is_later = [&] {
    if (left <= right) return false;
    return left - right > tables_.cascade_span() ||
           tables_.turn(left).cascade != tables_.turn(right).cascade;
  };
  for (;;) {
    ++steps_;
    const std::uint32_t across = tables_.merged(left, right);
    if (across != kNone && (next == kNone || comes_before(tables_, across, right, next, side))) {
      return false;
    }
    const bool was_left = left_is_later();
    for (int tried = 0;; ++tried) {
      side = was_left == (tried == 0) ? Side::kLeft : Side::kRight;
      std::uint32_t& part = side == Side::kLeft ? left : right;
      next = part;
      part = side == Side::kLeft ? tables_.parts(part).right : tables_.parts(part).left;
      if (part != next) break;
      if (tried == 1) return true;
    }
  }
}

// A text of few letters, as of spaces alone, asks for the same pairs again and again.
bool Encoder::stay_apart(std::uint32_t left, std::uint32_t right) {
  const std::uint64_t pair = std::uint64_t{left} << 32 | right << 1;
  std::uint64_t& verdict = verdicts_[pair * 0x9e3779b97f4a7c15u >> (64 - kVerdictBits)];
  if ((verdict ^ pair) <= 1) return (verdict & 1) != 0;
  const bool apart =
      tables_.cascades() ? find_apart_in_cascades(left, right) : find_apart(left, right);
  verdict = pair | (apart ? 1 : 0);
  return apart;
}

std::span<const std::uint32_t> Encoder::encode(std::string_view piece) {
  if (const std::uint32_t id = tables_.id_of_whole(piece); id != kNone) {
    ids_.assign(1, kWhole | id);
    return ids_;
  }
  return encode_part(piece);
}

std::span<const std::uint32_t> Encoder::encode_part(std::string_view part) {
  if (tables_.rules().model == Model::kUnigram) return highest_sum(part);
  return tables_.rules().byte_fallback ? merge_known(part) : merge(part);
}

Tokens Encoder::count_part(std::string_view part) {
  if (tables_.rules().model == Model::kUnigram) return unigram_.count(part, steps_);
  return static_cast<Tokens>(encode_part(part).size());
}

std::span<const std::uint32_t> Encoder::highest_sum(std::string_view piece) {
  if (ids_.capacity() > kKeptTokens) std::vector<std::uint32_t>().swap(ids_);
  ids_.clear();
  unigram_.encode(piece, ids_, steps_);
  std::size_t at = 0;
  for (std::uint32_t& token : ids_) {
    if (token != kNone) {
      at += tables_.length(token);
    } else {
      token = kOfByte | static_cast<unsigned char>(piece[at++]);
    }
  }
  return ids_;
}

std::uint32_t Encoder::id(std::uint32_t token) const {
  if ((token & kOfByte) != 0) return tables_.id_of_byte(static_cast<char>(token));
  return (token & kWhole) != 0 ? token & ~kWhole : tables_.id(token);
}

// Merges what lies between characters that are in no token, since nothing merges with these.
std::span<const std::uint32_t> Encoder::merge_known(std::string_view piece) {
  if (parts_.capacity() > kKeptTokens) std::vector<std::uint32_t>().swap(parts_);
  parts_.clear();
  const auto merge_before = [&](std::size_t end) {
    if (end == 0) return;
    const std::span<const std::uint32_t> merged = merge(piece.substr(0, end));
    parts_.insert(parts_.end(), merged.begin(), merged.end());
  };
  std::size_t at = 0;
  while (at < piece.size()) {
    const std::size_t length = character_bytes(piece.substr(at));
    steps_ += length;
    if (tables_.trie().find(piece.substr(at, length)) != kNone) {
      at += length;
      continue;
    }
    merge_before(at);
    for (const char byte : piece.substr(at, length)) {
      parts_.push_back(kOfByte | static_cast<unsigned char>(byte));
    }
    piece.remove_prefix(at + length);
    at = 0;
  }
  if (parts_.empty()) return merge(piece);
  merge_before(piece.size());
  return parts_;
}

std::span<const std::uint32_t> Encoder::merge(std::string_view piece) {
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
