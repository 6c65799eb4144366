// How many tokens a text has at most by a vocabulary that nobody here knows.
//
// A token is a byte at least: of the text as the model's tokenizer makes it. It may put a space in
// front, and write a character in a compatibility form (NFKC, Unicode Standard Annex 15) that is
// longer, up to eleven times; what it composes after that is shorter again. So each character is
// taken for the longer of itself and its full compatibility decomposition.
//
// Linear for any text; bytes that are no UTF-8 count as they are. No I/O. Any thread.
#pragma once

#include <string_view>

#include "base/units.h"

namespace tollgate::tokens {

// 0 for an empty text.
Tokens bound_of_unknown(std::string_view text);

}  // namespace tollgate::tokens
