// What of the bytes that were encoded is text: UTF-8, or UTF-16 of either order.
//
// Pure; safe from any thread. Linear in the bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate::content {

// Appends the stretches of UTF-8 in `bytes`, and says how many bytes of it they are. Short ones are
// by chance, where there is something else as well.
std::size_t append_texts(std::string_view bytes, std::string& texts);
// The same of text in UTF-16, where it is of ASCII and Latin-1: each letter beside a zero…
std::size_t append_wide_latin(std::string_view bytes, std::string& texts);
// …or of any script, where it is most of the bytes; each stretch is of one, and of ASCII…
std::size_t append_wide_scripts(std::string_view bytes, std::string& texts);
// …or of whichever is clearly more: what is Latin may by chance be something of a script.
bool is_clearly_more(std::size_t scripts, std::size_t latin);
std::size_t append_wide_texts(std::string_view bytes, std::string& texts);
// Whether the first bytes may be of such; cheap.
bool may_be_wide_scripts(std::string_view bytes);

// In base64 two of eight letters of UTF-16 of ASCII are an A, which is rare elsewhere.
bool may_be_wide(std::string_view letters);
// Whether there are letters of both cases and something else: what is encoded has them, and names
// mostly do not.
bool is_mixed_base64(std::string_view letters);

}  // namespace tollgate::content
