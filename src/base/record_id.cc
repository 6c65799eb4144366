#include "base/record_id.h"

#include <algorithm>

#include "base/check.h"

namespace tollgate {

namespace {

constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kTimeCharacters = 10;
constexpr int kChanceCharacters = 16;
static_assert(kRecordPrefixBytes + kTimeCharacters + kChanceCharacters == kRecordIdBytes);

}  // namespace

void write_record_id(std::string_view prefix, WallTime now,
                     const std::array<std::uint64_t, 2>& chance,
                     std::span<char, kRecordIdBytes> out) {
  CHECK(prefix.size() == kRecordPrefixBytes);
  char* at = std::ranges::copy(prefix, out.data()).out;
  const auto ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  for (int i = kTimeCharacters - 1; i >= 0; --i) *at++ = kAlphabet[(ms >> (5 * i)) & 31];
  for (std::uint64_t half : chance) {
    for (int i = 0; i < kChanceCharacters / 2; ++i, half >>= 5) *at++ = kAlphabet[half & 31];
  }
}

}  // namespace tollgate
