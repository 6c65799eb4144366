// From the merges of a `tokenizer.json` to the tokens in the order in which they are made, which
// is what Tables are built of.
//
// A file may name many pairs for one token; but only one of them ever makes it. What lies between
// the borders of a token was merged as if it stood alone, since no merge had crossed the borders
// before; so the pair that makes it from its bytes alone makes it in every text, and its place in
// the file is the token's rank. A token that its bytes alone do not end in is made in no text.
//
// Merging takes the lowest rank that there is. Mostly a token's rank is above those of its parts;
// where it is below, the merge comes at once when the later part is made, before anything else.
// Such tokens stand behind the one that sets them off, as a cascade of it, and the cascade runs
// through on the left before the same begins on the right.
//
// No I/O. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokens/tokenizer_json.h"

namespace tollgate::tokens {

struct OrderedToken {
  std::string bytes;
  std::uint32_t id = 0;  // What the model calls it.
  // What it is merged from, by their places; its own place twice if it is made of nothing.
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::uint32_t rank = 0;     // The place of its merge in the file.
  std::uint32_t cascade = 0;  // The token that sets it off; its own place if it is in its turn.
};

struct MergeOrder {
  std::vector<OrderedToken> tokens;       // First those that are made of nothing.
  std::vector<VocabularyEntry> unmerged;  // Those that no merging makes.
};

MergeOrder order_of(const TokenizerJson& file);

}  // namespace tollgate::tokens
