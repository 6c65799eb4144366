// Leads parts of a form back to where they stand in the text that it was made from: in one pass for
// all of them, as a hostile text has a match in every form.
//
// Pure; a value for one pass.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "controls/content/content.h"

namespace tollgate::content {

class Places {
 public:
  static constexpr std::size_t kMax = 1024;

  // At most kMax `extents`, of the form; each is replaced by that of the text.
  explicit Places(std::span<Extent> extents) {
    CHECK(extents.size() <= kMax);
    if (2 * extents.size() > few_.size()) {
      many_.resize(2 * extents.size());
      points_ = many_;
    }
    for (Extent& extent : extents) {
      points_[count_++] = {extent.begin + 1, &extent.begin, true};
      points_[count_++] = {extent.end, &extent.end, false};
    }
    std::ranges::sort(points_.first(count_), {}, &Point::up_to);
  }

  Places(const Places&) = delete;

  // The next piece: `bytes` of the form were made from `original`, each from one where it `stays`,
  // else all from all. Returns whether there is anything left to find.
  bool pass(Extent original, std::string_view bytes, bool stays) {
    const std::size_t behind = passed_ + bytes.size();
    for (; next_ < count_ && points_[next_].up_to <= behind; ++next_) {
      const Point& point = points_[next_];
      const std::size_t within = point.up_to - passed_ - (point.is_begin ? 1 : 0);
      const std::size_t whole = point.is_begin ? original.begin : original.end;
      *point.at = stays ? original.begin + within : whole;
    }
    passed_ = behind;
    return next_ < count_;
  }

  // What is beyond the form is at the end of the text.
  void end(std::size_t text_size) {
    for (; next_ < count_; ++next_) *points_[next_].at = text_size;
  }

 private:
  struct Point {
    std::size_t up_to = 0;  // It is in the first piece that ends there or behind.
    std::size_t* at = nullptr;
    bool is_begin = false;
  };
  std::array<Point, 32> few_{};
  std::vector<Point> many_;  // Where those are too few.
  std::span<Point> points_ = few_;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t passed_ = 0;  // Of the form.
};

}  // namespace tollgate::content
