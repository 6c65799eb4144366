// How many tokens a long word has, for the long words seen last: a clause of a script without
// spaces, a URL, an indentation. Known by 67 bits of a keyed hash of its bytes, so that two are
// taken for one once in some 10^15 look-ups and never because somebody wanted it. Four clauses
// share a home, and the home beside takes what is too much for one; a new one takes the place of
// the oldest.
//
// No I/O. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokens/keyed_hash.h"

namespace tollgate::tokens {

class ClauseCache {
 public:
  // A longer one is not kept: its count must fit, and it hardly comes again.
  static constexpr std::size_t kBytesMax = 4095;

  // The count, 0 if it is not known.
  std::uint32_t find(const Hash128& clause) const {
    const std::size_t at = home(clause);
    const std::uint32_t found = find(clause, homes_[at]);
    return found != 0 ? found : find(clause, homes_[at ^ 1]);
  }
  // Of a clause that is not there.
  void keep(const Hash128& clause, std::uint32_t count) {
    const std::size_t at = home(clause);
    const bool goes_beside = is_full(homes_[at]) && !is_full(homes_[at ^ 1]);
    std::array<std::uint64_t, 4>& places = homes_[goes_beside ? at ^ 1 : at].places;
    std::ranges::rotate(places, places.end() - 1);
    places[0] = (clause.low & ~kCountMask) | count;
  }

 private:
  static constexpr int kHomeBits = 15;  // Of 32 bytes: 1 MiB.
  static constexpr std::uint64_t kCountMask = (1u << 12) - 1;
  static_assert(kBytesMax <= kCountMask, "a clause has at most a token a byte");
  struct alignas(32) Home {
    std::array<std::uint64_t, 4> places;
  };

  static std::uint32_t find(const Hash128& clause, const Home& at) {
    std::uint64_t found = 0;
    for (const std::uint64_t place : at.places) {
      found |= ((place ^ clause.low) & ~kCountMask) == 0 ? place & kCountMask : 0;
    }
    return static_cast<std::uint32_t>(found);
  }
  static bool is_full(const Home& home) { return home.places.back() != 0; }
  static std::size_t home(const Hash128& clause) { return clause.high >> (64 - kHomeBits); }

  std::vector<Home> homes_ = std::vector<Home>(std::size_t{1} << kHomeBits);
};

}  // namespace tollgate::tokens
