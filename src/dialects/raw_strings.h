// The strings of a JSON text where they stand in it, escapes and all: for who changes some of them
// and nothing else.
//
// The text is known to be JSON; of what is none something is told, too, but nothing beyond its end.
// Pure. Linear in the bytes.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tollgate::dialects {

struct RawString {
  std::size_t begin = 0;  // Behind its quotation mark…
  std::size_t end = 0;    // …and up to the other.
  std::string_view key;   // Of the field that it, or the array that it is in, is the value of.
};

class RawStrings {
 public:
  explicit RawStrings(std::string_view json) : json_(json) {}

  // The next string that is a value, in the order of the text; false: there is none.
  bool next(RawString& string);
  // Whether that string is somewhere in the value of a field of that name.
  bool is_within(std::string_view key) const;

 private:
  std::string_view json_;
  std::size_t at_ = 0;
  std::string_view key_;
  std::vector<std::string_view> keys_;  // Of what is around.
};

}  // namespace tollgate::dialects
