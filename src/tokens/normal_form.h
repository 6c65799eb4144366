// A text in the form in which its vocabulary counts it.
//
// A text that is in its form already, as nearly all are, is told so at the speed of memory and
// not copied. Linear for any text, also one of a million marks on one letter. Bytes that are no
// UTF-8 stay as they are.
//
// Source: Unicode Standard Annex 15, by ICU; of the characters that Unicode 9 has, as in Hugging
// Face's tokenizers.
//
// No I/O. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "tokens/tokenizer_json.h"

namespace tollgate::tokens {

// `text`, or its form in `buffer`.
std::string_view in_form(NormalForm form, std::string_view text, std::string& buffer);

// How much of `text` is whole characters, or bytes that no more text can make one.
std::size_t whole_characters(std::string_view text);

// Whether no more text can change what is before `at` in `text`, which is in its form.
bool is_settled_before(NormalForm form, std::string_view text, std::size_t at);

}  // namespace tollgate::tokens
