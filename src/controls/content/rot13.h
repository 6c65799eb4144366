// Texts in ROT13: letters that are turned by thirteen, and texts that are written backwards, as a
// whole or each word by itself. Models read both.
//
// They are letters like others, so nothing about a text says that it is one but its words. A few
// that every English text has, or every injection, are looked for as they are in ROT13 or
// backwards, in the pass that looks for all rules; only a text that has one is turned and read once
// more. They are so chosen that turned they are no words of a language.
//
// Pure; safe from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tollgate::content {

// Replaces `turned` by `text` in ROT13, or back. Byte by byte, so that places stay.
void turn(std::string_view text, std::string& turned);

// Replaces `turned` by `text` backwards, character by character: what stands at [begin, end) in one
// stands at [size - end, size - begin) in the other.
void turn_around(std::string_view text, std::string& turned);
// The same of each word of Latin letters by itself. Words stay where they are.
void turn_words_around(std::string_view text, std::string& turned);

// Expressions for a text that holds something in ROT13, in any case…
std::span<const std::string> signs_of_rot13();
// …or backwards.
std::span<const std::string> signs_of_backwards();

// Whether a phrase of an operator's own, turned, is such a sign: it has so many letters that turned
// it is no other word.
bool is_sign_of_rot13(std::string_view phrase);

}  // namespace tollgate::content
