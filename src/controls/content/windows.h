// The parts of a form that have to be read: those around what differs from the text.
//
// A match in a form that touches nothing which differs is one in the text, too, and what rules look
// at around a match is bounded. So of a long text in which little differs, little is read twice.
//
// Pure. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "controls/content/content.h"

namespace tollgate::content {

struct Window {
  Extent original;  // Of the text…
  Extent made;      // …and of its form.
  // Whether the text goes on there; a number that is cut is not one.
  bool is_cut_before = false;
  bool is_cut_behind = false;
};

// Whether all that differs is in one window, for rules whose matches have no end.
enum class Reads : std::uint8_t { kWindows, kWhole };

// Bytes that stay which a window has on each side: more than rules look at around a match.
inline constexpr std::size_t kReach = 1'280;
// What lies within so many bytes of a cut is a match by the cut alone, or one of the text, too.
inline constexpr std::size_t kCutEdge = 128;

// Makes them, while a form is being made from the beginning of the text to its end.
class WindowMaker {
 public:
  // Longer windows are cut in two that overlap, so that what is found is soon led back.
  static constexpr std::size_t kWindowMax = std::size_t{64} << 10;

  // Replaces `windows`, which live as long as it does, as `text` does.
  WindowMaker(std::string_view text, Reads reads, std::vector<Window>& windows);

  // What stands there in the text differs, and will stand from `made` on in the form.
  void differs(const Extent& original, std::size_t made);
  // It ends there.
  void put(std::size_t original_end, std::size_t made_end);
  // All of the text was read.
  void end();
  // Whether so long a form is to be told in parts: differs() cuts a window that became too long.
  bool is_long(std::size_t made) const {
    return is_open_ && made - windows_.back().made.begin > kWindowMax / 2;
  }

 private:
  // A place in the text and in its form.
  struct Point {
    std::size_t original = 0;
    std::size_t made = 0;
  };
  void open(Point begin);
  void close(std::size_t end);
  // The first place from `at` on, or the last before it, that is not inside a word.
  std::size_t word_end(std::size_t at, std::size_t end) const;
  std::size_t word_begin(std::size_t at, std::size_t begin) const;
  bool is_between_words(std::size_t at) const;

  std::string_view text_;
  Reads reads_;
  std::vector<Window>& windows_;
  bool is_open_ = false;
  Point behind_;                  // What differed last.
  std::optional<Point> overlap_;  // Where the next window begins if this one is cut.
};

// The first of the `windows`, in their order, that has the byte of the form; null: none does.
const Window* window_at(std::span<const Window> windows, std::size_t made);

}  // namespace tollgate::content
