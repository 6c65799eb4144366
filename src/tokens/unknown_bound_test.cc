#include "tokens/unknown_bound.h"

#include <gtest/gtest.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/utf8.h>

#include <string>

namespace tollgate::tokens {
namespace {

Tokens bytes_of(const std::string& text, const icu::Normalizer2& form) {
  UErrorCode status = U_ZERO_ERROR;
  std::string made;
  icu::StringByteSink<std::string> sink(&made);
  form.normalizeUTF8(0, text, sink, nullptr, status);
  EXPECT_TRUE(U_SUCCESS(status));
  return static_cast<Tokens>(made.size());
}

TEST(UnknownBound, IsAByteATokenAndOneForASpaceInFront) {
  EXPECT_EQ(bound_of_unknown(""), 0);
  EXPECT_EQ(bound_of_unknown("hello"), 6);
  EXPECT_EQ(bound_of_unknown("中文"), 7);
  EXPECT_EQ(bound_of_unknown("\xff\xfe"), 3);
}

TEST(UnknownBound, KnowsWhatGrowsElevenfold) {
  // U+FDFA is eighteen letters, 33 bytes.
  EXPECT_EQ(bound_of_unknown("\xef\xb7\xba"), 34);
  // U+0958 is two characters in every form; the ligature ffi gets no longer, nor does Hangul.
  EXPECT_EQ(bound_of_unknown("\xe0\xa5\x98"), 7);
  EXPECT_EQ(bound_of_unknown("\xea\xb0\x81"), 4);
  EXPECT_EQ(bound_of_unknown("\xef\xac\x83"), 4);
}

// Whatever a tokenizer may make of a text by a form of Unicode's.
TEST(UnknownBound, IsNoLessThanAnyFormOfTheText) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const forms[] = {icu::Normalizer2::getNFKCInstance(status),
                                           icu::Normalizer2::getNFCInstance(status)};
  ASSERT_TRUE(U_SUCCESS(status));
  for (UChar32 character = 1; character <= 0x10ffff; ++character) {
    if (U_IS_SURROGATE(character)) continue;
    std::string text(4, '\0');
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(text.data(), length, character);
    text.resize(static_cast<std::size_t>(length));
    for (const icu::Normalizer2* form : forms) {
      ASSERT_GE(bound_of_unknown(text), bytes_of(text, *form) + 1) << character;
    }
  }
}

// A mark may take the character before it apart, whose parts then stay apart.
TEST(UnknownBound, IsNoLessThanAnyFormOfACharacterAndAMark) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const forms[] = {icu::Normalizer2::getNFKCInstance(status),
                                           icu::Normalizer2::getNFCInstance(status)};
  ASSERT_TRUE(U_SUCCESS(status));
  const auto utf8 = [](UChar32 character) {
    std::string text(4, '\0');
    std::int32_t length = 0;
    U8_APPEND_UNSAFE(text.data(), length, character);
    return text.substr(0, static_cast<std::size_t>(length));
  };
  for (UChar32 character = 0x41; character < 0x2000; ++character) {
    for (const UChar32 mark : {0x300, 0x31b, 0x323, 0x327, 0x328, 0x345}) {
      const std::string pair = utf8(character) + utf8(mark);
      std::string text;
      for (int i = 0; i < 8; ++i) text += pair;
      for (const icu::Normalizer2* form : forms) {
        ASSERT_GE(bound_of_unknown(text), bytes_of(text, *form) + 1) << character << " " << mark;
      }
    }
  }
}

}  // namespace
}  // namespace tollgate::tokens
