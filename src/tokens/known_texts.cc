#include "tokens/known_texts.h"

namespace tollgate::tokens {

auto KnownTexts::key(std::string_view owner, std::string_view text) -> Key {
  const Hash128 of_text = keyed_hash(text);
  // The owner's halves go in crosswise, so that an owner and a text cannot change places.
  const Hash128 of_owner = keyed_hash(owner);
  return {of_text.low ^ of_owner.high, of_text.high ^ of_owner.low};
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
