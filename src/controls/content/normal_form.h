// Texts as they read: without the characters that nobody sees, and with those that only look
// different as what they stand for.
//
// What every rule looks for is ASCII, so the normal form is exact there and nowhere else:
//   - characters without a shape are left out: zero-width ones and joiners, directions
//     (bidirectional controls), variation selectors, soft hyphens, tags, combining marks;
//   - a character whose compatibility decomposition (NFKC) is ASCII becomes that: full-width,
//     mathematical and circled letters, superscripts, ligatures;
//   - the escapes of JSON strings are read, as arguments and definitions of tools are JSON in a
//     text: what stands behind \n is no part of the word before it;
//   - everything else stays as it is.
// Look-alikes of other scripts (Cyrillic А) and the encodings that a model would have to decode
// (base64, hex, percent signs, entities) are not read by this version.
//
// Pure; safe from any thread. Linear in the bytes, each character by itself.
// Source: Unicode 15, UAX #15 (normalization), UAX #44 (Default_Ignorable_Code_Point).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controls/content/content.h"

namespace tollgate::content {

// Tags (U+E0020 to U+E007E) are ASCII in disguise: nobody sees them, and models read them.
enum class Tags : std::uint8_t { kLeftOut, kRead };

// Whether a text can have another normal form at all; cheap.
bool may_differ(std::string_view text);
bool has_tags(std::string_view text);

// Replaces `normal` by the normal form of `text`, which is UTF-8 (what is not stays as it is).
// Returns whether it differs.
bool normalise(std::string_view text, Tags tags, std::string& normal);

// The same of a text that comes in pieces, part by part of it: `original` becomes `becomes`, which
// may be nothing; where it `stays`, byte by byte. Returns how many bytes were read: all but an
// escape at the end that more text may complete.
enum class MoreText : std::uint8_t { kNone, kMayCome };
class NormalSink {
 public:
  virtual void put(Extent original, std::string_view becomes, bool stays) = 0;

 protected:
  ~NormalSink() = default;
};
std::size_t normalise(std::string_view text, Tags tags, MoreText more, NormalSink& sink);

// Where that part of the normal form stands in `text`, with whatever was left out inside it.
Extent original_of(std::string_view text, Tags tags, Extent extent);

// Makes the table that all of this is by; else the first of them does, for some milliseconds.
void prepare();

}  // namespace tollgate::content
