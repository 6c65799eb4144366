#include "tokens/normal_form.h"

#include <gtest/gtest.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <random>

namespace tollgate::tokens {
namespace {

std::string utf8(UChar32 point) {
  std::string made;
  icu::UnicodeString(point).toUTF8String(made);
  return made;
}

std::string composed(std::string_view text) {
  std::string buffer;
  return std::string(in_form(NormalForm::kNfc, text, buffer));
}

// What the first bytes of a character tell is what ICU says of it, alone, behind a letter that
// marks join, and before a mark.
TEST(NormalForm, ComposesEveryCharacterAsIcuDoes) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2& nfc = *icu::Normalizer2::getNFCInstance(status);
  const icu::UnicodeSet known(u"[:age=9.0:]", status);
  ASSERT_TRUE(U_SUCCESS(status));
  for (UChar32 point = 1; point < 0x110000; ++point) {
    if (U_IS_SURROGATE(point) || known.contains(point) == 0) continue;
    for (const auto& [before, behind] :
         {std::pair{"", ""}, {"a", "\xcc\x81"}, {"\xe3\x81\x8b", "\xe3\x82\x99"}}) {
      const std::string text = before + utf8(point) + behind;
      std::string expected;
      nfc.normalize(icu::UnicodeString::fromUTF8(text), status).toUTF8String(expected);
      ASSERT_EQ(composed(text), expected) << std::hex << point;
    }
  }
}

TEST(NormalForm, KnowsWhatTheReferenceKnows) {
  // U+1DF6 is of Unicode 10, so it stays before the mark of a lower class.
  EXPECT_EQ(composed("e\xe1\xb7\xb6\xdb\x9b"), "e\xe1\xb7\xb6\xdb\x9b");
  EXPECT_EQ(composed("e\xcc\x81\xcc\xa3"), "\xe1\xba\xb9\xcc\x81");
}

TEST(NormalForm, LeavesWhatIsNoUtf8AndComposesWhatIsAround) {
  EXPECT_EQ(composed("e\xcc\x81\xff"
                     "e\xcc\x81\xe4\xb8"),
            "\xc3\xa9\xff\xc3\xa9\xe4\xb8");
}

// In pieces or at once: more text changes nothing that is said to be settled.
TEST(NormalForm, SettlesWhatNoMoreTextChangesForAnyText) {
  const std::vector<std::string> atoms = {"a",
                                          "e",
                                          "\xcc\x81",
                                          "\xcc\xa3",
                                          "\xe3\x81\x8b",
                                          "\xe3\x82\x99",
                                          "\xe1\x84\x80",
                                          "\xe1\x85\xa1",
                                          "\xe1\x86\xa8",
                                          "<",
                                          "\xcc\xb8",
                                          " ",
                                          "\xe0\xa5\x98"};
  std::mt19937_64 random{41};
  for (int step = 0; step < 20'000; ++step) {
    std::string text;
    for (auto more = 1 + random() % 6; more > 0; --more) text += atoms[random() % atoms.size()];
    text = composed(text);
    const std::string longer = text + atoms[random() % atoms.size()];
    for (std::size_t at = 1; at < text.size(); ++at) {
      if ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) continue;
      if (!is_settled_before(NormalForm::kNfc, text, at)) continue;
      ASSERT_EQ(composed(longer).substr(0, at), text.substr(0, at)) << longer;
    }
  }
}

TEST(NormalForm, ComposesMarksWithoutEnd) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += i % 2 == 0 ? "\xcc\x81" : "\xcc\xa3";
  const std::string made = composed(text);
  EXPECT_EQ(made.size(), text.size());  // One of them has joined the letter, which is longer by it.
  EXPECT_EQ(made.substr(0, 5), "\xe1\xba\xa1\xcc\xa3");
}

}  // namespace
}  // namespace tollgate::tokens
