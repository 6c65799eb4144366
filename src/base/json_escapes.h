// The escapes of JSON that stands within a text, as the arguments of a call do in a string.
//
// Each is written in the one way that a writer has who escapes no more than has to be: what may
// stand in a string by itself does, so that who looks at the text sees what its reader will. What
// is no escape, as half of a pair of surrogates, stays as it is.
//
// Pure; safe from any thread. Linear in the bytes. Source: RFC 8259, section 7.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate {

// Appends `json` to `out`. Returns how many of its bytes that are: all but an escape at its end of
// which more may come.
std::size_t append_plain_json(std::string_view json, std::string& out);

// Of what is appended for `json`: where in `json` the character stands that has its byte `at`.
std::size_t origin_in_json(std::string_view json, std::size_t at);

}  // namespace tollgate
