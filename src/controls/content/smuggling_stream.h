// Reads one text that comes in pieces for the pack `unicode`, and says how much of it is decided.
//
// The verdict is that of a SmugglingPass on the whole text (smuggling.h). What a character does is
// known at the end of its line, so from the word on in which one may hide, or which is of two
// scripts, the rest of the line waits. Of plain text a word waits for its end, as it may be one.
//
// One thread. Linear in the text; keeps the line at hand.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/content.h"
#include "controls/content/smuggling.h"

namespace tollgate::content {

class SmugglingStream {
 public:
  // As StreamScanner's.
  void read(std::string_view piece, std::vector<StreamMatch>& found);
  void end(std::vector<StreamMatch>& found);
  std::size_t decided() const;
  std::size_t memory() const { return line_.capacity(); }

 private:
  void add(std::string_view piece);
  void judge(SmugglingPass::Part which, std::vector<StreamMatch>& found);

  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  SmugglingPass pass_;
  std::array<bool, kSmugglingCount> told_{};  // Each kind once a text.
  std::string line_;
  std::size_t begin_ = 0;        // Of the line, in the text.
  std::size_t suspect_ = kNone;  // In the line…
  std::size_t word_ = 0;         // …as is where the word begins that goes on.
};

}  // namespace tollgate::content
