// What a layer reads as, and the windows of it, while it is being decoded from the beginning of the
// text to its end. They begin and end where a look at the text begins anew: what is decoded of a
// window alone is what was decoded of it in the text.
//
// Pure. One thread. Internal to content.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"
#include "controls/content/windows.h"

namespace tollgate::content {

class DecodedText {
 public:
  // Replaces `decoded` and `windows`, which live as long as it does, as `text` does.
  DecodedText(std::string_view text, Reads reads, std::string& decoded,
              std::vector<Window>& windows);

  // The next piece of the text, and what it reads as.
  bool put(Extent original, std::string_view becomes, bool stays);
  // Nothing begins from `from` on up to `to`, where the next look is taken.
  void is_free(std::size_t from, std::size_t to);
  // All of the text was read.
  void end();

 private:
  void differs(const Extent& original);
  void close(std::size_t end);

  std::string_view text_;
  Reads reads_;
  std::string& decoded_;
  std::vector<Window>& windows_;
  bool is_open_ = false;
  std::size_t last_ = 0;            // Where what was decoded last ends in the text…
  std::size_t made_ = 0;            // …and in what it reads as.
  std::optional<std::size_t> end_;  // Where the window can end.
  Extent free_;                     // The text before the look at hand, in which nothing begins.
  // Where a window can begin: `old_` is at least kReach before the look at hand but at the
  // beginning of the text, and `new_` is the last such place that is known.
  std::size_t old_ = 0;
  std::size_t new_ = 0;
};

}  // namespace tollgate::content
