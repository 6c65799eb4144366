// Characters that carry a text past who reads it: the rules of the pack `unicode`.
//
// A class is found where its characters do what they are not for. What people write with them is
// no finding: emoji of several parts, Persian and Hindi with joiners, Arabic and Hebrew with marks
// and directions, mathematics, fonts with icons. A single one that can hide nothing is left out of
// what other rules read (normal_form.h), so a marker that is split by it is found all the same.
// docs/content-unicode.md has the table of the classes.
//
// Letters of two scripts in a word are a slip of the keyboard or an orthography as long as it is
// one letter, wherever it stands (Belarusian in Latin letters has a Cyrillic \u0456 for i); the
// folded form reads through them all the same. A disguise of words needs several.
//
// Pure. One pass, linear in the text, with memory of a fixed size.
// Source: Unicode 15: UTS #39 (mixed scripts, optional detection of stacked marks), UTS #51 (emoji
// sequences); Boucher and Anderson, "Trojan Source" (2021).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "controls/content/characters.h"
#include "controls/content/content.h"

namespace tollgate::content {

// In the order of Hiding, from its first class on, and what is no class of characters.
enum class Smuggling : std::uint8_t {
  kTags,
  kVariationSelectors,
  kBidi,
  kZeroWidth,
  kPrivateUse,
  kControl,
  kInvisible,
  kCombining,
  kInterlinear,
  kNoncharacter,
  kDeprecated,
  kMixedScript,
};
inline constexpr std::size_t kSmugglingCount =
    static_cast<std::size_t>(Smuggling::kMixedScript) + 1;

// "unicode.tags"…, by Smuggling.
std::span<const std::string_view> smuggling_rules();

struct Smuggled {
  Smuggling kind = Smuggling::kTags;
  Extent extent;
};

// Goes through a text, which lives as long; UTF-8, and what is not hides nothing.
class SmugglingPass {
 public:
  explicit SmugglingPass(std::string_view text) : text_(text) {}
  // Of a text that comes in parts: no part yet.
  SmugglingPass() : is_over_(true), is_last_(false) {}

  std::optional<Smuggled> next();

  // After all that next() told: goes through the next part, in which what it tells stands. All
  // parts but the last end with a line feed.
  enum class Part : std::uint8_t { kOneMore, kLast };
  void go_on(std::string_view part, Part which);

  // The first place from `from` on, which begins a character, from where on a text may hold what is
  // found; its size where there is none.
  static std::size_t next_suspect(std::string_view text, std::size_t from);
  // Whether no word that `text` is a part of can be of two scripts, whatever follows.
  static bool is_of_one_script(std::string_view text);

 private:
  // Characters of one class in a row of such that hide.
  struct Run {
    std::size_t count = 0;
    Extent extent;
    std::uint32_t first = 0;
    bool has_several = false;  // Different ones.
    bool is_found = false;     // By a look at one character.
  };
  // Letters in a row.
  struct Word {
    Extent extent;
    std::size_t latin = 0;
    std::size_t alike = 0;
    std::size_t changes = 0;  // From one to the other.
    bool is_alike = false;    // The last one.
  };
  // A direction that was begun.
  struct Direction {
    std::uint32_t control = 0;
    std::size_t begin = 0;
    bool has_left_to_right = false;
    bool has_right_to_left = false;
  };
  static constexpr std::size_t kDirectionsMax = 16;
  // Runs of a class with one character between them.
  struct Turns {
    std::size_t count = 0;
    std::size_t seen_since = 0;  // Characters since the last of them.
    void add() {
      count = seen_since == 1 ? count + 1 : 1;
      seen_since = 0;
    }
  };
  // What stands before a letter that is no part of a word: the conversion of `%s`, `%(name)d`, an
  // escape as `\n`, or the font of troff in `\fB`, `\f(CW` and `\f[CW]`.
  enum class Lead : std::uint8_t {
    kNone,
    kConversion,
    kName,
    kEscape,
    kFont,
    kFontOfTwo,  // Letters that are still to come…
    kFontOfOne,
    kFontName  // …or all up to a bracket.
  };
  enum class Strong : std::uint8_t { kNone, kLeftToRight, kRightToLeft };
  enum class Ending : std::uint8_t { kClosed, kCutOff };

  void step();
  void skip_paragraphs();
  std::size_t next_hidden(std::size_t at) const;
  std::size_t next_mixed(std::size_t at) const;
  void hide(std::uint32_t c, Hiding hides, Extent extent);
  void end_run(std::uint32_t after);
  static bool is_message(const Run& run);
  void judge(Hiding hides, const Run& run, std::uint32_t after);
  bool is_led(std::uint32_t c);  // A letter that ends a Lead.
  void see(std::uint32_t c, const Character& known, Extent extent);
  void see_direction(std::uint32_t c, bool is_letter, std::size_t begin);
  void spell(std::uint32_t c, const Character& known, Extent extent);
  bool is_mixed(const Word& word);
  void end_word();
  void direct(std::uint32_t control, Extent extent);
  void end_direction(std::size_t end, Ending ending);
  void end_paragraph(std::size_t end);
  bool is_colour(std::size_t escape) const;
  bool is_flag(Extent tags) const;
  void tell(Smuggling kind, Extent extent);

  std::string_view text_;
  std::size_t at_ = 0;
  // The next places with something to look at; up to them there is nothing.
  std::size_t hidden_ = 0;
  std::size_t mixed_ = 0;
  bool is_over_ = false;
  bool is_last_ = true;
  std::uint32_t before_ = 0;  // The last character that hides nothing.
  bool is_hiding_ = false;
  std::array<Run, kHidingCount> runs_{};
  Turns invisible_;
  Turns control_;
  Lead lead_ = Lead::kNone;
  Word word_;
  std::uint32_t mixed_letter_ = 0;  // The first look-alike in a word of Latin letters…
  bool has_disguise_ = false;       // …and there was another one.
  std::array<Direction, kDirectionsMax> directions_{};
  std::size_t directed_ = 0;
  Strong paragraph_ = Strong::kNone;  // Its first letter that has a direction (UAX #9, P2).
  std::optional<Extent> undecided_;   // A direction that turns something around unless it is that.
  std::array<Smuggled, kHidingCount + kDirectionsMax + 4> told_{};  // Of one step, and the end.
  std::size_t told_count_ = 0;
  std::size_t told_next_ = 0;
};

}  // namespace tollgate::content
