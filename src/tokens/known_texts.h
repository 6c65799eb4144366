// How many tokens a long text has, for the texts counted last: a conversation brings its earlier
// turns again with each request, and only what is new in it is counted anew.
//
// A text is known by a hash of 128 bits of it and of its owner. The hash is keyed by a secret of
// the process, so that nobody can write two texts that are taken for one; and what one owner has
// sent tells no other, not even by the time that a count takes. Bounded: the newer of two texts
// that meet in a place stays with the last one before it.
//
// No I/O. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "tokens/keyed_hash.h"

namespace tollgate::tokens {

class KnownTexts {
 public:
  // A shorter text is counted faster than it is looked up.
  static constexpr std::size_t kTextBytesMin = 128;
  static constexpr std::size_t kTextsMax = 8192;  // 24 bytes each.

  // Of one text of one owner, for the time of a look-up.
  using Key = Hash128;
  static Key key(std::string_view owner, std::string_view text);

  std::optional<Tokens> find(const Key& key) const;
  void keep(const Key& key, Tokens tokens);

 private:
  struct Place {
    Key key;
    Tokens tokens = -1;  // Nothing is kept here yet.
  };
  static std::size_t home(const Key& key) { return (key.low % (kTextsMax / 2)) * 2; }

  std::vector<Place> places_ = std::vector<Place>(kTextsMax);
};

}  // namespace tollgate::tokens
