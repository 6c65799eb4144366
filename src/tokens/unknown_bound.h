// How many tokens a text has at most by a vocabulary that nobody here knows.
//
// A token is a byte at least: of the text as the model's tokenizer makes it. It may put a space in
// front, and bring the text into a composed form (NFC or NFKC, Unicode Standard Annex 15), which
// may be longer, up to eleven times: a character that has another form, or that a mark behind it
// takes apart. So each is taken for the longer of itself and its full compatibility decomposition.
// Hangul syllables are not, as they are put together again: a tokenizer that leaves them in parts
// is not covered.
//
// Linear for any text; bytes that are no UTF-8 count as they are. No I/O. Any thread.
#pragma once

#include <string_view>

#include "base/units.h"

namespace tollgate::tokens {

// 0 for an empty text.
Tokens bound_of_unknown(std::string_view text);

}  // namespace tollgate::tokens
