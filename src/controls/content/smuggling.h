// Characters that carry a text past who reads it: the rules of the pack `unicode`.
//
// A class is found where its characters do what they are not for. What people write with them is
// no finding: emoji of several parts, Persian and Hindi with joiners, Arabic and Hebrew with marks
// and directions, mathematics, fonts with icons. A single one that can hide nothing is left out of
// what other rules read (normal_form.h), so a marker that is split by it is found all the same.
// docs/content-unicode.md has the table of the classes.
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

  std::optional<Smuggled> next();

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
    std::size_t others = 0;
    std::size_t changes = 0;   // From one to the other.
    bool is_alike = false;     // The last one.
    bool has_strange = false;  // One that nobody writes next to Latin letters.
  };
  // A direction that was begun.
  struct Direction {
    std::uint32_t control = 0;
    std::size_t begin = 0;
    bool has_left_to_right = false;
    bool has_right_to_left = false;
  };
  static constexpr std::size_t kDirectionsMax = 16;

  void step();
  void hide(std::uint32_t c, Hiding hides, Extent extent);
  void end_run(std::uint32_t after);
  void judge(Hiding hides, const Run& run, std::uint32_t after);
  void see(std::uint32_t c, const Character& known, Extent extent);
  void end_word();
  void direct(std::uint32_t control, Extent extent);
  void end_direction(std::size_t end);
  bool is_colour(std::size_t escape) const;
  bool is_flag(Extent tags) const;
  void tell(Smuggling kind, Extent extent);

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_over_ = false;
  std::uint32_t before_ = 0;  // The last character that hides nothing.
  bool is_hiding_ = false;
  std::array<Run, kHidingCount> runs_{};
  std::size_t hidden_in_turn_ = 0;  // Runs of invisible ones with one letter between them.
  std::size_t seen_since_ = 0;      // Characters since the last of them.
  Word word_;
  std::array<Direction, kDirectionsMax> directions_{};
  std::size_t directed_ = 0;
  std::array<Smuggled, kHidingCount + kDirectionsMax + 4> told_{};  // Of one step, and the end.
  std::size_t told_count_ = 0;
  std::size_t told_next_ = 0;
};

}  // namespace tollgate::content
