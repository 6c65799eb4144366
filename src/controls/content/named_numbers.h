// Numbers of characters that each say what they are, in a row: "0b01101001, 0b01100111",
// "0o151 0o147", "U+0069 U+0067", "chr(105)+chr(103)".
//
// Between two of them stand a few separators, signs that join texts, or quotes.
//
// Pure; safe from any thread. Linear in the bytes. Internal to content.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tollgate::content {

// Where the row begins, from `from` on, that has a number at `at`, or whose digits stand there.
std::optional<std::size_t> named_numbers_begin(std::string_view text, std::size_t at,
                                               std::size_t from);
// As code_at().
std::size_t named_numbers_at(std::string_view text, std::size_t at, std::string& read,
                             std::size_t& looked_to);

}  // namespace tollgate::content
