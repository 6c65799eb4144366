// Which splitting pattern and normal form a `tokenizer.json` asks for, recognised by what its
// normalizer and pre_tokenizer say word by word.
//
// No I/O. Any thread.
#pragma once

#include <simdjson.h>

#include <expected>
#include <string>

#include "tokens/tokenizer_json.h"

namespace tollgate::tokens {

// Fills all of `rules` that is not the model's. The error is what is wrong, to be told after the
// file's name.
std::expected<void, std::string> read_rules(simdjson::dom::object file, Rules& rules);

}  // namespace tollgate::tokens
