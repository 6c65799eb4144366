// The lines of a private key behind its first one, in whatever way they are shown: with numbers, a
// time stamp, tags or code around each, in groups, or with no break at all.
//
// Characters of base64 change between capitals, small letters and digits all the time, and words
// and names do not. So of the runs that follow those are counted that do, until they make up for a
// key; prose and code about keys has too few. Internal to content.
//
// Pure. A look is at no more than kKeyLookMax bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "controls/content/normal_form.h"
#include "controls/content/secrets.h"

namespace tollgate::content {

// Less than a window has around what differs.
inline constexpr std::size_t kKeyLookMax = 1'024;

// Whether such lines follow at `at`; kMatch with the end of as many as tell, which is the same
// whatever stands behind it.
struct KeyLook {
  Look::Answer answer = Look::Answer::kNo;
  std::size_t end = 0;
};
KeyLook look_at_key_lines(const Secret& secret, std::string_view text, std::size_t at,
                          MoreText more);

// Where the lines end that go on at `at`, which is within them. Linear in what it passes.
std::size_t end_of_key_lines(std::string_view text, std::size_t at);

}  // namespace tollgate::content
