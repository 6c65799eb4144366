// The form of a JSON text, by which it is bounded what it grows to where a chat template prints it
// anew: with spaces, indented, or as a string within another.
//
// Internal to dialects. Pure; linear.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string_view>

#include "base/units.h"
#include "dialects/request.h"

namespace tollgate::dialects {

// Of any text: what is no JSON is read as if it were.
JsonForm form_of(std::string_view json);
// Of a value as append_json() writes it, without the escapes: no look at its strings.
JsonForm form_of(simdjson::dom::element value);
void add(JsonForm& to, const JsonForm& form);

// Tokens that `form` gains at most, with spaces behind commas and colons or as a string.
Tokens growth_of(const JsonForm& form);
// Tokens that a text gains at most as a JSON string: what is escaped, and the quotes.
Tokens growth_as_string(std::string_view text);

// A number like 1e15 may be printed without its exponent, in up to 18 digits.
inline constexpr Tokens kPerExponent = 16;

}  // namespace tollgate::dialects
