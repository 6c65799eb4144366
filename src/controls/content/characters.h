// What is known of each character: what it reads as, and whether it can hide something.
//
// Made once, from the data of ICU: to ask ICU for each character of a text would cost more than
// all the rest. ASCII but for its control characters reads as itself and is not in the table.
//
// Immutable once made; safe from any thread.
// Source: Unicode 15: UAX #15 (NFKC), UAX #44 (Default_Ignorable_Code_Point, Deprecated), UTS #39
// (confusables: "skeleton").
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "controls/content/byte_set.h"

namespace tollgate::content {

// In what form a text is read (normal_form.h).
enum class Form : std::uint8_t { kAsIs, kNormal, kFolded };

// The classes of characters that smuggle (smuggling.h).
enum class Hiding : std::uint8_t {
  kNone,
  kTag,                // U+E0000 to U+E007F.
  kVariationSelector,  // Of Mongolian, too.
  kBidi,               // Embeddings, overrides and isolates.
  kZeroWidth,          // Space, joiners, byte order mark, grapheme joiner, marks of direction.
  kPrivateUse,
  kControl,    // C0 and C1 but white space.
  kInvisible,  // Operators, fillers, soft hyphen, blank letters.
  kCombining,  // Marks without a width of their own.
  kInterlinear,
  kNoncharacter,
  kDeprecated,
};
inline constexpr int kHidingCount = static_cast<int>(Hiding::kDeprecated) + 1;

struct Character {
  std::string_view normal;  // What it reads as to rules on bytes; used where `is_normal` is false…
  std::string_view folded;  // …and to rules on words, where `is_folded` is.
  bool is_normal = true;    // It stays.
  bool is_folded = true;
  bool is_space = false;
  bool is_look_alike = false;  // A cased letter of another script than Latin that looks like ASCII.
  Hiding hides = Hiding::kNone;
};

// Of a code point up to U+10FFFF. Borrowed for good.
const Character& character(std::uint32_t code_point);

// What a character up to U+FFFF becomes in a form, in one word, for who goes through whole texts.
struct Brief {
  static constexpr std::uint32_t kBytes = 0xFF'FFFF;  // UTF-8, the first one lowest…
  static constexpr int kSize = 24;                    // …and above them how many, 0 to 3.
  static constexpr std::uint32_t kStays = 1U << 26;
  static constexpr std::uint32_t kLonger = 1U << 27;  // They are more: ask character().
  static constexpr std::uint32_t kHides = 1U << 28;  // It is of a class that hides, or looks alike.
  static constexpr std::uint32_t kSpace = 1U << 29;  // They are white space.
};

// What rewriting a text goes by. Borrowed for good.
struct FormTable {
  std::span<const std::uint32_t> briefs;  // By code point.
  // Bytes that begin what may not stay, or, in the normal form, what may hide. Not Greek, Cyrillic
  // and Armenian letters, which survey() looks for.
  ByteSet specials;
};
const FormTable& table_of(Form form);  // Not kAsIs.
// Bytes that begin what may hide; likewise without those letters.
const ByteSet& hiding_bytes();

// A character of two or three bytes, which most beyond ASCII are; size 0: none is there.
struct Wide {
  std::uint32_t character = 0;
  std::size_t size = 0;
};
inline Wide wide_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const std::uint32_t first = byte(0);
  if (first >= 0xC2 && first < 0xE0 && text.size() - at >= 2 && follows(1)) {
    return {(first & 0x1F) << 6 | (byte(1) & 0x3FU), 2};
  }
  if (first >= 0xE0 && first < 0xF0 && text.size() - at >= 3 && follows(1) && follows(2)) {
    const std::uint32_t c = (first & 0xF) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    const bool is_surrogate = c >= 0xD800 && c < 0xE000;
    if (c >= 0x800 && !is_surrogate) return {c, 3};
  }
  return {};
}

// Makes the table; else the first who asks does, for some 30 ms.
void prepare_characters();

}  // namespace tollgate::content
