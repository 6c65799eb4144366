// Letters that stand one by one, with the same gap between those of a word: "i g n o r e",
// "i-g-n-o-r-e a-l-l", "i, g, n, o, r, e", or each in a line of its own.
//
// A row is all single letters and digits that nothing but a few signs stands between. Its gap is
// that of the longest stretch; another one is where a word ends, or has signs that stand one by one
// as the letters do. It ends before a sign that has a letter by itself, as "\u{69}" and "U+0069".
//
// Pure; safe from any thread. Linear in the bytes. Internal to content.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate::content {

// Whether a letter or digit stands there by itself.
bool is_alone(std::string_view text, std::size_t at);

// As code_begin() and code_at(), where one stands alone at `at`. No row begins before `looked_to`,
// but what stands in one that is none may be something else.
std::size_t letters_begin(std::string_view text, std::size_t at, std::size_t from);
std::size_t letters_at(std::string_view text, std::size_t at, std::string& read,
                       std::size_t& looked_to);

}  // namespace tollgate::content
