// How many tokens a request costs beyond its texts: OpenAI's published chat formula, and
// bounds, said to be bounds, for what has none.
//
// Source: OpenAI cookbook, "How to count tokens with tiktoken", for gpt-4o and later: 3 tokens
// a message, 1 a name, 3 to prime the reply. Tool definitions have no published formula: each
// is bounded by the tokens of its JSON plus a constant.
#pragma once

#include "base/units.h"
#include "dialects/request.h"

namespace tollgate::dialects {

// Tokens to add to the sum of the counts of request.texts. Never too few for a published
// formula; for tools an upper bound.
Tokens framing_tokens(const Request& request);

}  // namespace tollgate::dialects
