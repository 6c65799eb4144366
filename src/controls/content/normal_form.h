// Texts as they read: without the characters that nobody sees, and with those that only look
// different as what they stand for.
//
// There are two forms, for two kinds of rules. The normal form is for rules that know each byte
// (keys, numbers), whose alphabet is ASCII, so it is exact there and nowhere else:
//   - characters without a shape are left out: zero-width ones and joiners, directions
//     (bidirectional controls), variation selectors, soft hyphens, tags, combining marks, control
//     characters, private use;
//   - a character whose compatibility decomposition (NFKC) is ASCII becomes that: full-width,
//     mathematical and circled letters, superscripts, ligatures; any white space a space;
//   - the escapes of JSON strings are read, as arguments and definitions of tools are JSON in a
//     text: what stands behind \n is no part of the word before it;
//   - everything else stays as it is.
// The folded form is for rules on words. It is the normal form, and in it
//   - what is decomposed is so in every script, and loses its marks: \u00e9 is e, \u0439 is
//     \u0438;
//   - letters beyond ASCII are small, or, where they or their capitals look like ASCII (UTS #39,
//     confusables), the ASCII that they look like: \u0430 is a. Digits of all scripts are 0 to 9;
//   - white space of more than kSpacesMax is one, and so is what else is added to it.
// ASCII letters keep their case, so a rule on words is caseless, and a white space may be a line
// break or a few of them, so a rule says \s{1,4}. Its own text is folded likewise (fold_rule()).
//
// Pure; safe from any thread. Linear in the bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/characters.h"
#include "controls/content/content.h"
#include "controls/content/windows.h"

namespace tollgate::content {

// Tags (U+E0020 to U+E007E) are ASCII in disguise: nobody sees them, and models read them.
enum class Tags : std::uint8_t { kLeftOut, kRead };

// Whether there may be tags, also as escapes; cheap.
bool has_tags(std::string_view text);

// Replaces `made` by a form, not kAsIs, of `text`, which is UTF-8 (what is not stays as it is), and
// `windows` by what has to be read of it. Where it does not differ, both are empty.
struct Rewritten {
  bool differs = false;
  bool may_hide = false;  // A character, as it came, is of a class that hides or looks alike.
  bool has_tags = false;  // As they came or as escapes: there are two readings.
};
Rewritten rewrite(std::string_view text, Form form, Tags tags, Reads reads, std::string& made,
                  std::vector<Window>& windows);

// The normal form of a text that comes in pieces, part by part of it: `original` becomes `becomes`,
// which may be nothing; where it `stays`, byte by byte. Returns how many bytes were read: all but
// an escape at the end that more text may complete.
enum class MoreText : std::uint8_t { kNone, kMayCome };
class NormalSink {
 public:
  virtual void put(Extent original, std::string_view becomes, bool stays) = 0;

 protected:
  ~NormalSink() = default;
};
std::size_t normalise(std::string_view text, Tags tags, MoreText more, NormalSink& sink);

// Whether a text can have another normal form at all; cheap.
bool may_differ(std::string_view text);

// Replaces parts of a form, at most Places::kMax, by where they stand in `text`, with whatever was
// left out inside them. One pass over the text.
void lead_back(std::string_view text, Form form, Tags tags, std::span<Extent> extents);
// The same of a whole form with these windows: one pass over each that is met, or two where there
// are many extents. Returns how many bytes of the text were read for it.
std::size_t lead_back(std::string_view text, Form form, Tags tags, std::span<const Window> windows,
                      std::span<Extent> extents);

// An expression for folded texts: what is beyond ASCII in it is folded as a text is. ASCII stays,
// as it may be an operator. What folds to several characters would be torn apart by an operator
// behind it.
std::string fold_rule(std::string_view expression);

// Makes the table that all of this is by; else the first of them does, for some 30 ms.
void prepare();

}  // namespace tollgate::content
