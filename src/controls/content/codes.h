// Letters that are written as numbers, as signs, one by one or in small groups: codes that a model
// reads, which have no run of letters of their own.
//
// Read are
//   - numbers of characters, in decimal or octal, and bytes in binary, with one or two separators
//     between them or, in binary, none: "105 103 110", "151,147", "01101001 01100111";
//   - the same where each number says what it is (named_numbers.h): "0b01101001, 0b01100111",
//     "U+0069 U+0067", "chr(105)+chr(103)";
//   - Morse code with a space between letters, not right behind a word: ".. --. -. --- .-. .";
//   - letters one by one (single_letters.h): "i g n o r e", "i-g-n-o-r-e a-l-l";
//   - quoted-printable: "=69=67nore", and its soft line breaks;
//   - base32, in capitals or small letters;
//   - base64 in groups or lines that are too short to be a run (kEncodedMin).
// Each begins and ends where the text around it says, so that it is the same in any window.
//
// Pure; safe from any thread. Linear in the bytes.
// Source: RFC 2045 (quoted-printable), RFC 4648 (base32), ITU-R M.1677-1 (Morse code).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate::content {

// Fewer characters say nothing.
inline constexpr std::size_t kCodeMin = 8;

// Where what is written so at `at` begins, from `from` on; `at`, where nothing before it is a part
// of it.
std::size_t code_begin(std::string_view text, std::size_t at, std::size_t from);

// How many bytes from `at` on are one, with what they read as in `read`, which may be no text yet;
// 0: it is none. `looked_to` is moved to where the next look has to be, at most, and
// `letters_looked_to` to where the next row of single letters may begin.
std::size_t code_at(std::string_view text, std::size_t at, std::string& read,
                    std::size_t& looked_to, std::size_t& letters_looked_to);

// Where the digits end that stand by themselves at `at`; `at`, where none do.
std::size_t number_end(std::string_view text, std::size_t at);

// Where groups of base64 begin around `at`, from `from` on, as far as they can be told from words.
std::size_t groups_begin(std::string_view text, std::size_t at, std::size_t from);
// How many bytes from `at` on are groups of base64, with the `letters` of all of them; the first
// and the last may be words of something else. 0: there are none that begin before `looked_to`.
std::size_t groups_at(std::string_view text, std::size_t at, std::string& letters,
                      std::size_t& looked_to);

// The bytes of a run in base32, as far as it is one; empty where that is not far.
void read_base32(std::string_view letters, std::string& bytes);

}  // namespace tollgate::content
