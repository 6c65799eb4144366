#include "controls/content/pii_words.h"

#include <algorithm>

#include "base/check.h"
#include "controls/content/identifiers.h"
#include "controls/content/pii.h"

namespace tollgate::content {

namespace {

constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
constexpr bool is_following(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

PiiWords::PiiWords() {
  CHECK(pii_kinds().size() <= kKindsMax);
  for (std::size_t kind = 0; kind < pii_kinds().size(); ++kind) {
    for (std::string_view words = pii_kinds()[kind].words; !words.empty();) {
      const std::size_t size = std::min(words.find('|'), words.size());
      add(words.substr(0, size), kind);
      words.remove_prefix(std::min(size + 1, words.size()));
    }
  }
}

const PiiWords& PiiWords::get() {
  static const PiiWords words;
  return words;
}

// The first letters of an ASCII word, as many as fit; or one character of another script, as those
// may be written without spaces.
std::uint64_t PiiWords::key_at(std::string_view text, std::size_t at, std::size_t& end) {
  std::uint64_t key = 0;
  end = at;
  if (is_lower(text[at])) {
    for (; end < text.size() && is_lower(text[end]); ++end) {
      if (end - at < sizeof key) key = key << 8 | static_cast<unsigned char>(text[end]);
    }
    return key;
  }
  do {
    key = key << 8 | static_cast<unsigned char>(text[end++]);
  } while (end < text.size() && end - at < 4 && is_following(text[end]));
  return key;
}

std::size_t PiiWords::slot_of(std::uint64_t key) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  return (key * kMultiplier) >> 54;
}

void PiiWords::add(std::string_view text, std::size_t kind) {
  std::size_t end = 0;
  const std::uint64_t key = key_at(text, 0, end);
  std::size_t slot = slot_of(key);
  while (words_[slot].key != 0 && words_[slot].text != text) slot = (slot + 1) % kSlots;
  words_[slot].key = key;
  words_[slot].text = text;
  words_[slot].kinds.set(kind);
}

PiiWords::Kinds PiiWords::in(std::string_view text) const {
  Kinds kinds;
  for (std::size_t at = 0; at < text.size();) {
    if (is_ascii(text[at]) && !is_lower(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    const std::uint64_t key = key_at(text, at, end);
    for (std::size_t slot = slot_of(key); words_[slot].key != 0; slot = (slot + 1) % kSlots) {
      const Word& word = words_[slot];
      if (word.key != key || text.substr(at, word.text.size()) != word.text) continue;
      const std::size_t after = at + word.text.size();
      const bool ends =
          !is_lower(word.text.back()) || after >= text.size() || !is_lower(text[after]);
      if (ends) kinds |= word.kinds;
    }
    at = end;
  }
  return kinds;
}

}  // namespace tollgate::content
