#include "tokens/unknown_bound.h"

#include <unicode/normalizer2.h>
#include <unicode/uniset.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/check.h"

namespace tollgate::tokens {
namespace {

const icu::Normalizer2& nfkc() {
  static const icu::Normalizer2* const made = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* const instance = icu::Normalizer2::getNFKCInstance(status);
    CHECK(U_SUCCESS(status) != 0);
    return instance;
  }();
  return *made;
}

// Those that are or may become another form.
const icu::UnicodeSet& changing() {
  static const icu::UnicodeSet* const made = [] {
    UErrorCode status = U_ZERO_ERROR;
    auto* const set = new icu::UnicodeSet(
        u"[[:NFKD_Quick_Check=No:]-[:Hangul_Syllable_Type=LV:]-[:Hangul_Syllable_Type=LVT:]]",
        status);
    CHECK(U_SUCCESS(status) != 0);
    set->freeze();
    return set;
  }();
  return *made;
}

Bytes utf8_bytes(const icu::UnicodeString& text) {
  Bytes bytes = 0;
  for (std::int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    bytes += U8_LENGTH(text.char32At(i));
  }
  return bytes;
}

// By how many bytes the decompositions of the characters are longer than these.
Bytes growth_of(std::string_view text) {
  Bytes growth = 0;
  icu::UnicodeString form;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0;;) {
    at += changing().spanUTF8(text.data() + at, size - at, USET_SPAN_NOT_CONTAINED);
    if (at >= size) return growth;
    const std::int32_t begin = at;
    UChar32 character = 0;
    U8_NEXT(text.data(), at, size, character);
    if (character < 0 || nfkc().getDecomposition(character, form) == 0) continue;
    growth += std::max<Bytes>(0, utf8_bytes(form) - (at - begin));
  }
}

}  // namespace

Tokens bound_of_unknown(std::string_view text) {
  if (text.empty()) return 0;
  CHECK(text.size() <= std::numeric_limits<std::int32_t>::max());
  const auto bytes = static_cast<Tokens>(text.size()) + 1;
  const bool is_ascii =
      std::ranges::all_of(text, [](char byte) { return static_cast<signed char>(byte) >= 0; });
  return is_ascii ? bytes : bytes + growth_of(text);
}

}  // namespace tollgate::tokens
