// Whether what base64 stands for may be text, found out without writing it.
//
// Most runs of letters are names. To tell them from what is encoded costs more than all the rest of
// a look at code if each is decoded from each of its first letters; this is the same for 32 letters
// at once.
//
// Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tollgate::content {

// Bytes in a row that are no text by chance.
inline constexpr std::size_t kStretchMin = 12;

// Of each of the first letters, from which the run may begin, a bit, lowest first: whether
// kStretchMin bytes in a row may be printable UTF-8, or all. `letters` are of either alphabet.
// With kYes the letters are read in ROT13, from the first of them only.
enum class Turned : std::uint8_t { kNo, kYes };
unsigned may_be_text_in_base64(std::string_view letters, Turned is_turned = Turned::kNo);

}  // namespace tollgate::content
