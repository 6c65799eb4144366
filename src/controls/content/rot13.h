// Texts in ROT13: letters that are turned by thirteen, which models read.
//
// They are letters like others, so nothing about a text says that it is one but its words. A few
// that every English text has, or every injection, are looked for as they are in ROT13, in the pass
// that looks for all rules; only a text that has one is turned and read once more. They are so
// chosen that turned they are no words of a language.
//
// Pure; safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tollgate::content {

// Replaces `turned` by `text` in ROT13, or back. Byte by byte, so that places stay.
void turn(std::string_view text, std::string& turned);

// Expressions for a text that holds something in ROT13, in any case.
std::span<const std::string> signs_of_rot13();

// Whether a phrase of an operator's own, turned, is such a sign: it has so many letters that turned
// it is no other word.
bool is_sign_of_rot13(std::string_view phrase);

}  // namespace tollgate::content
