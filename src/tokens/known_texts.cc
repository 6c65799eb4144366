#include "tokens/known_texts.h"

#include <openssl/rand.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

namespace tollgate::tokens {

namespace {

using Secret = std::array<unsigned char, XXH3_SECRET_DEFAULT_SIZE>;

const Secret& secret() {
  static const Secret made = [] {
    Secret bytes;
    CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    return bytes;
  }();
  return made;
}

XXH128_hash_t hash(std::string_view bytes) {
  return XXH3_128bits_withSecret(bytes.data(), bytes.size(), secret().data(), secret().size());
}

}  // namespace

auto KnownTexts::key(std::string_view owner, std::string_view text) -> Key {
  const XXH128_hash_t of_text = hash(text);
  // The owner's halves go in crosswise, so that an owner and a text cannot change places.
  const XXH128_hash_t of_owner = hash(owner);
  return {of_text.low64 ^ of_owner.high64, of_text.high64 ^ of_owner.low64};
}

std::optional<Tokens> KnownTexts::find(const Key& key) const {
  const std::size_t first = home(key);
  for (std::size_t i = first; i < first + 2; ++i) {
    if (places_[i].key == key && places_[i].tokens >= 0) return places_[i].tokens;
  }
  return std::nullopt;
}

void KnownTexts::keep(const Key& key, Tokens tokens) {
  const std::size_t first = home(key);
  places_[first + 1] = places_[first];
  places_[first] = {key, tokens};
}

}  // namespace tollgate::tokens
