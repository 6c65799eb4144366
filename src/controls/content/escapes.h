// Signs that stand for one character: percent signs (%41, %u0041), HTML entities, named and numeric
// (of a number the semicolon may be missing), and the escapes \xHH, \x{H…}, \1OO, \u{H…} and
// \UHHHHHHHH, each however often it was encoded again in its own way (%2541, &amp;lt;).
//
// Pure; safe from any thread. Linear in the bytes.
// Source: RFC 3986 (percent-encoding), ECMA-262 B.2.1 (%u), HTML Living Standard (entities).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate::content {

// How many bytes the sign that begins at `at` has, with what it reads as in `read`, which is empty
// before; 0: it is none.
std::size_t percent_at(std::string_view text, std::size_t at, std::string& read);
std::size_t entity_at(std::string_view text, std::size_t at, std::string& read);
// `looked_to` becomes where the next look has to be, at most.
std::size_t escape_at(std::string_view text, std::size_t at, std::string& read,
                      std::size_t& looked_to);

}  // namespace tollgate::content
