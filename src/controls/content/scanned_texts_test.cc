// What was read is not read again, and nothing else is taken for it.
#include "controls/content/scanned_texts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "controls/content/testing_forms.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

using testing::all_refuse;
using testing::rules;

std::string long_text(std::string_view beginning) {
  std::string text(beginning);
  while (text.size() < ScannedTexts::kTextBytesMin) text += " and so on";
  return text;
}

// In two parts, so that no scanner of repositories takes it for one.
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

TEST(ScannedTexts, KnowATextByAllOfIt) {
  ScannedTexts texts;
  const std::string text = long_text("a text");
  const auto tag = texts.tag("by ada", text);
  ASSERT_TRUE(tag.has_value());
  EXPECT_EQ(texts.find(*tag), nullptr);
  texts.keep(*tag, {});
  EXPECT_NE(texts.find(*texts.tag("by ada", text)), nullptr);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string other = text;
    other[at] ^= 1;
    EXPECT_EQ(texts.find(*texts.tag("by ada", other)), nullptr) << at;
  }
  // What stands before the text is no part of it.
  EXPECT_EQ(texts.find(*texts.tag("by ad", "a" + text)), nullptr);
  EXPECT_EQ(texts.find(*texts.tag("by adaa", text.substr(1))), nullptr);
  EXPECT_EQ(texts.find(*texts.tag("by bob", text)), nullptr);
  EXPECT_EQ(texts.find(*texts.tag("by ada", text + '\0')), nullptr);
}

TEST(ScannedTexts, AreKnownByASecretOfTheirOwn) {
  ScannedTexts one;
  ScannedTexts other;
  const std::string text = long_text("a text");
  EXPECT_FALSE(*one.tag("", text) == *other.tag("", text));
  const ScannedTexts::Tag before = *one.tag("", text);
  one.keep(before, {});
  one.forget();
  EXPECT_FALSE(*one.tag("", text) == before);
  EXPECT_EQ(one.find(*one.tag("", text)), nullptr);
}

TEST(ScannedTexts, AreBoundedAndTheNewerStay) {
  ScannedTexts texts;
  constexpr std::size_t kMany = 4 * ScannedTexts::kTextsMax;
  for (std::size_t i = 0; i < kMany; ++i) {
    const ScannedTexts::Tag tag = *texts.tag("", std::to_string(i));
    texts.keep(tag, {});
    ASSERT_NE(texts.find(tag), nullptr);
  }
  std::size_t known = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    known += texts.find(*texts.tag("", std::to_string(i))) != nullptr ? 1 : 0;
  }
  EXPECT_LE(known, ScannedTexts::kTextsMax);
  EXPECT_GT(known, ScannedTexts::kTextsMax / 2);
}

class RememberingScannerTest : public ::testing::Test {
 protected:
  // The rules that match, of one request with that text.
  std::set<std::string> found(std::string_view text, std::string_view owner = "acme",
                              ReadAs as = ReadAs::kText) {
    EXPECT_TRUE(scanner.begin(rules(), actions));
    scanner.remember(owner);
    EXPECT_TRUE(scanner.read(text, as));
    std::set<std::string> names;
    for (const Finding& finding : scanner.found()) names.emplace(finding.rule);
    return names;
  }

  Scanner scanner;
  std::vector<Action> actions = all_refuse();
};

TEST_F(RememberingScannerTest, ReadsATextOnce) {
  const std::string text = long_text("plain words");
  for (const std::size_t known : {0U, 1U, 1U}) {
    EXPECT_TRUE(found(text).empty());
    EXPECT_EQ(scanner.known(), known);
  }
  const std::string other = long_text("plain word");
  EXPECT_TRUE(found(other).empty());
  EXPECT_EQ(scanner.known(), 0U);
}

TEST_F(RememberingScannerTest, TellsTheNumbersOfTextsBesideThem) {
  const std::string clean = long_text("plain words");
  const std::string bad = long_text(kKey);
  for (int request = 0; request < 2; ++request) {
    ASSERT_TRUE(scanner.begin(rules(), actions));
    scanner.remember("acme");
    for (const std::string& text : {clean, bad, clean, bad}) ASSERT_TRUE(scanner.read(text));
    ASSERT_EQ(scanner.found().size(), 2U);
    EXPECT_EQ(scanner.found()[0].text, 1U);
    EXPECT_EQ(scanner.found()[1].text, 3U);
  }
}

TEST_F(RememberingScannerTest, TellsTheSameOfATextThatItKnows) {
  const std::string text =
      long_text("my key is " + kKey + ", write to ada@analytical.engine.org or\u200bso,");
  std::vector<Finding> first;
  for (const std::size_t known : {0U, 1U, 1U}) {
    EXPECT_EQ(found(text).size(), 3U);
    EXPECT_EQ(scanner.known(), known);
    if (known == 0) first.assign(scanner.found().begin(), scanner.found().end());
    ASSERT_EQ(scanner.found().size(), first.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      EXPECT_EQ(scanner.found()[i].rule, first[i].rule);
      EXPECT_EQ(scanner.found()[i].offset, first[i].offset);
      EXPECT_EQ(scanner.found()[i].bytes, first[i].bytes);
      EXPECT_EQ(scanner.found()[i].action, first[i].action);
    }
  }
}

TEST_F(RememberingScannerTest, ReadsAnewWhatHoldsMuch) {
  std::string text;
  for (std::size_t i = 0; i <= ScannedTexts::kMatchesMax; ++i) {
    text += "ada" + std::to_string(i) + "@analytical.engine.org, ";
  }
  for (int request = 0; request < 2; ++request) {
    found(text);
    EXPECT_EQ(scanner.found().size(), ScannedTexts::kMatchesMax + 1);
    EXPECT_EQ(scanner.known(), 0U);
  }
}

TEST_F(RememberingScannerTest, TellsEachTimeWhatIsEncodedTooOften) {
  std::string text = long_text("a sentence of plain words");
  for (std::size_t layer = 0; layer <= Forms::kLayersMax; ++layer) text = testing::base64(text);
  for (int request = 0; request < 2; ++request) {
    found(text);
    EXPECT_EQ(scanner.too_deep(), 0U);
  }
}

TEST_F(RememberingScannerTest, TellsNobodyWhatAnotherSent) {
  const std::string text = long_text("plain words");
  found(text, "acme");
  found(text, "globex");
  EXPECT_EQ(scanner.known(), 0U);
  found(text, "acme");
  EXPECT_EQ(scanner.known(), 1U);
}

TEST_F(RememberingScannerTest, ReadsAnewWhereMoreIsAskedOfIt) {
  const std::string text = long_text("my key is " + kKey);
  const std::vector<Action> all = actions;
  actions = all_refuse(testing::kUnicodePack);
  EXPECT_TRUE(found(text).empty());
  EXPECT_TRUE(found(text).empty());
  EXPECT_EQ(scanner.known(), 1U);
  actions = all;
  EXPECT_FALSE(found(text).empty());
}

TEST_F(RememberingScannerTest, ReadsAnewWhatIsReadInAnotherWay) {
  const std::string json = long_text(R"({"a":"\u202egnp.exe"})");
  EXPECT_TRUE(found(json).empty());
  EXPECT_EQ(found(json, "acme", ReadAs::kJson), std::set<std::string>{"unicode.bidi"});
  EXPECT_TRUE(found(json).empty());
  EXPECT_EQ(scanner.known(), 1U);
  // A window of it is not decoded where layers are not read.
  const std::string encoded = testing::base64(long_text("my key is " + kKey));
  ASSERT_TRUE(scanner.begin(rules(), actions, Layers::kNone));
  scanner.remember("acme");
  ASSERT_TRUE(scanner.read(encoded));
  EXPECT_TRUE(scanner.found().empty());
  EXPECT_FALSE(found(encoded).empty());
}

TEST_F(RememberingScannerTest, ReadsAnewByOtherRules) {
  const std::string text = long_text("my key is " + kKey);
  const auto fewer = Rules::compile(testing::kUnicodePack);
  ASSERT_TRUE(fewer.has_value());
  ASSERT_TRUE(scanner.begin(*fewer, actions));
  scanner.remember("acme");
  ASSERT_TRUE(scanner.read(text));
  EXPECT_TRUE(scanner.found().empty());
  EXPECT_FALSE(found(text).empty());
}

TEST_F(RememberingScannerTest, ForgetsAllWhereItIsAskedForTooMuch) {
  const std::string text = long_text("plain words");
  const std::vector<Action> all = actions;
  found(text);
  for (std::size_t rule = 0; rule < 70; ++rule) {
    actions = all;
    actions[rule] = Action::kNone;
    found(text);
    EXPECT_EQ(scanner.known(), 0U);
  }
  actions = all;
  found(text);
  EXPECT_EQ(scanner.known(), 0U);
}

TEST_F(RememberingScannerTest, ReadsAnewWithoutBeingAskedTo) {
  const std::string text = long_text("plain words");
  found(text);
  ASSERT_TRUE(scanner.begin(rules(), actions));
  ASSERT_TRUE(scanner.read(text));
  EXPECT_EQ(scanner.known(), 0U);
}

}  // namespace
}  // namespace tollgate::content
