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
};

// A set of bytes, also as two tables of half bytes that have a bit in common for a byte of it.
struct ByteSet {
  std::array<bool, 256> has{};
  std::array<std::uint8_t, 16> of_low{};
  std::array<std::uint8_t, 16> of_high{};
};

// What rewriting a text goes by. Borrowed for good.
struct FormTable {
  std::span<const std::uint32_t> briefs;  // By code point.
  // Bytes that begin what may not stay, or, in the normal form, what may hide. Not Greek, Cyrillic
  // and Armenian letters, which survey() looks for.
  ByteSet specials;
};
const FormTable& table_of(Form form);  // Not kAsIs.

// Makes the table; else the first who asks does, for some 30 ms.
void prepare_characters();

// UTF-8 of a code point.
struct Utf8 {
  char bytes[4] = {};
  std::uint8_t size = 0;
  std::string_view view() const { return {bytes, size}; }
};
Utf8 utf8(std::uint32_t code_point);

}  // namespace tollgate::content
