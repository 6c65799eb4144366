// The kinds of secrets that are known, as a table: how each is written, by its vendor's word.
//
// A secret is an anchor, a text that nothing else has, with characters of known alphabets around
// it, as many as its vendor gives, bounded by characters that could not belong to it. Where the
// vendor put a checksum in, it must be right; where it did not, the characters must look drawn at
// random, so that placeholders ("ghp_xxxx…") and words are none.
//
// Immutable; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "controls/content/content.h"

namespace tollgate::content {

enum class Alphabet : std::uint8_t {
  kDigits,         // 0-9
  kHex,            // 0-9 a-f
  kHexDashes,      // The same and -
  kHexUnderscore,  // 0-9 a-f _
  kUpper,          // A-Z 0-9
  kLower,          // a-z 0-9
  kLowerDashes,    // The same and -
  kLetters,        // A-Z a-z
  kBase32,         // A-Z 2-7
  kAlnum,          // A-Z a-z 0-9
  kWordDashes,     // The same and -
  kUrl,            // A-Z a-z 0-9 - _
  kUrlEquals,      // The same and =
  kUrlDots,        // A-Z a-z 0-9 - _ .
  kClientSecret,   // The same and ~
  kBase64,         // A-Z a-z 0-9 + /
  kBase64AndUrl,   // The same and - _ =
};
inline constexpr int kAlphabetCount = static_cast<int>(Alphabet::kBase64AndUrl) + 1;
bool contains(Alphabet alphabet, char c);

// As many characters of one alphabet; at most 0: none.
struct Run {
  Alphabet alphabet = Alphabet::kAlnum;
  std::uint16_t least = 0;
  std::uint16_t most = 0;
};

// The characters of a match, around its anchor.
struct Parts {
  std::string_view before;
  std::string_view after;
};

// What may stand between the anchor and what follows.
enum class Gap : std::uint8_t {
  kNone,
  kAssigned,   // The anchor is a name, in any case, to which what follows is assigned.
  kLineBreak,  // A line break, which may be written as an escape, and headers of a block; or what
               // key_lines.h says.
};

struct Secret {
  std::string_view rule;    // "secrets.aws_access_key"
  std::string_view anchor;  // ASCII.
  Run before;
  Run after;
  bool (*check)(const Parts& parts);
  Gap gap = Gap::kNone;
};

std::span<const Secret> secrets();

// How many kinds there are: several rows may be of one, and stand together.
std::size_t secret_kinds();
// Bytes of ASCII that no secret is shorter than.
std::size_t shortest_secret();

// Whether what stands in `text` around the anchor that ends at `anchor_end` is such a secret, and
// from where to where. Looks at no more bytes than its runs have, and some.
std::optional<Extent> match(const Secret& secret, std::string_view text, std::size_t anchor_end);

// A private key is no longer.
inline constexpr std::size_t kBlockMax = std::size_t{64} << 10;
// Of a private key, which is told by its first line: where all of it ends that goes on at `at`, at
// its last line, whatever stands between, or at the end of what looks like it. Of any other secret,
// `at`. Linear in what it passes.
std::size_t end_of_block(const Secret& secret, std::string_view text, std::size_t at);

// The same of a text that may go on: whether what follows could still decide it.
struct Look {
  enum class Answer : std::uint8_t { kNo, kMatch, kOpen };
  Answer answer = Answer::kNo;
  Extent extent;        // kMatch: its own. kOpen: from where it would be, to the end.
  std::size_t run = 0;  // kOpen: where the characters that it is made of begin; the end: not yet.
};
Look look(const Secret& secret, std::string_view text, std::size_t anchor_end);

// Where a secret would begin whose anchor is to begin at `at`, or nothing where none can be that
// does: what stands before it is not of it. `Before::kGrows`: the anchor is not there yet.
enum class Before : std::uint8_t { kIsThere, kGrows };
std::optional<std::size_t> secret_begin(const Secret& secret, std::string_view text, std::size_t at,
                                        Before before = Before::kIsThere);

}  // namespace tollgate::content
