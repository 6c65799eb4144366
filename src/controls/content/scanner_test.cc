// Where secrets are found, in what disguise, and what it costs to look.
#include "controls/content/scanner.h"

#include <gtest/gtest.h>
#include <hs/hs.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "controls/content/characters.h"
#include "controls/content/normal_form.h"
#include "controls/content/testing_forms.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

using testing::base64;
using testing::findings_in;
using testing::hex;
using testing::kAllPacks;
using testing::rules;
using testing::rules_in;
using testing::with_between;

using Names = std::vector<std::string>;
const Names kAws{"secrets.aws_access_key"};

// In two parts, so that no scanner of repositories takes it for one.
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

std::string utf8(char32_t c) { return std::string(tollgate::utf8(c).view()); }

TEST(Scanner, TellsWhichTextAndWhere) {
  const std::string text = "my key is " + kKey + ", is it not";
  const std::vector<Finding> found = findings_in({"nothing", "", text, kKey});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].rule, "secrets.aws_access_key");
  EXPECT_EQ(found[0].text, 2U);
  EXPECT_EQ(found[0].offset, 10U);
  EXPECT_EQ(found[0].bytes, kKey.size());
  EXPECT_EQ(found[1].text, 3U);
  EXPECT_EQ(found[1].offset, 0U);
}

TEST(Scanner, FindsWhatIsSplitByCharactersThatNobodySees) {
  for (const char32_t c : {0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD, 0x34F, 0x61C, 0x180E,
                           0x202E, 0x2066, 0x2069, 0xFE0F, 0xE0100, 0xE0001, 0x301, 0x20DD}) {
    SCOPED_TRACE(static_cast<std::uint32_t>(c));
    const std::string text = "key: " + with_between(kKey, utf8(c)) + " end";
    const std::vector<Finding> found = findings_in({text});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].rule, kAws[0]);
    EXPECT_EQ(found[0].offset, 5U);
    // To the last of its own characters; what hides behind that is not of it.
    EXPECT_EQ(found[0].bytes, kKey.size() + (kKey.size() - 1) * utf8(c).size());
  }
}

TEST(Scanner, FindsWhatOnlyLooksDifferent) {
  const auto shifted = [](char32_t upper, char32_t digit) {
    std::string made = "caf\u00e9 ";
    for (const char c : kKey) {
      made += utf8(c >= 'A' ? upper + static_cast<char32_t>(c - 'A')
                            : digit + static_cast<char32_t>(c - '0'));
    }
    return made;
  };
  for (const std::string& text :
       {shifted(0xFF21, 0xFF10), shifted(0x1D400, 0x1D7CE), shifted(0x1D670, 0x1D7F6)}) {
    const std::vector<Finding> found = findings_in({text});
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_EQ(found[0].offset, 6U);
    EXPECT_EQ(found[0].bytes, text.size() - 6);
  }
}

TEST(Scanner, ReadsTagsAsTheTextThatTheyHide) {
  std::string text = "What a day \U0001F600";
  for (const char c : kKey) text += utf8(0xE0000 + static_cast<char32_t>(c));
  EXPECT_EQ(rules_in(text), kAws);
  EXPECT_EQ(rules_in(with_between(kKey, "\U000E0041")), kAws) << "and leaves them out";
}

TEST(Scanner, ReadsTheEscapesOfJson) {
  EXPECT_EQ(rules_in("{\"a\":\"x\\u0020" + kKey + "\"}"), kAws);
  EXPECT_EQ(rules_in("{\"a\":\"" + with_between(kKey, "\\u200b") + "\"}"), kAws);
  EXPECT_EQ(rules_in("{\"a\":\"\\u0041" + kKey.substr(1) + "\"}"), kAws);
}

TEST(Scanner, DecodesAndTellsTheEncodedRun) {
  const std::string said = "the key is " + kKey + " so";
  for (const std::string& run :
       {base64(said), base64(base64(said)), hex(base64(said)), base64(hex(said)), hex(said, "%"),
        hex(said, "&#x", ";") + ";", hex(said, "\\x"), hex(said, "", " "),
        with_between(base64(said), "\u200b")}) {
    const std::string text = "Run this \u2192 (" + run + ") and say.";
    const std::vector<Finding> found = findings_in({"first", text});
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_EQ(found[0].rule, kAws[0]);
    EXPECT_EQ(found[0].text, 1U);
    EXPECT_GE(found[0].offset, text.find(run));
    EXPECT_LE(found[0].offset + found[0].bytes, text.find(run) + run.size());
  }
}

TEST(Scanner, SaysWhichTextIsEncodedTooOften) {
  std::string nested = "an ordinary sentence of some length";
  for (std::size_t layer = 0; layer < Forms::kLayersMax; ++layer) nested = base64(nested);
  Scanner scanner;
  const std::vector<Action> actions = testing::all_refuse();
  ASSERT_TRUE(scanner.begin(rules(), actions));
  for (const std::string& text : {nested, base64(nested), base64(base64(nested))}) {
    ASSERT_TRUE(scanner.read(text));
  }
  EXPECT_EQ(scanner.too_deep(), 1U);
  ASSERT_TRUE(scanner.begin(rules(), actions));
  EXPECT_EQ(scanner.too_deep(), std::nullopt);
}

TEST(Scanner, TellsWhatHidesOnceATextAndWhatIsHidden) {
  const std::string split = with_between(kKey, "\u200b");
  const std::vector<Finding> found = findings_in({split, "and " + split, "none"}, kAllPacks);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].rule, "unicode.zero_width");
  EXPECT_EQ(found[0].offset, 1U);
  EXPECT_EQ(found[1].rule, kAws[0]);
  EXPECT_EQ(found[2].rule, "unicode.zero_width");
  EXPECT_EQ(found[2].text, 1U);
  EXPECT_EQ(found[3].rule, kAws[0]);
  // As an escape it is there for all to see.
  EXPECT_TRUE(findings_in({"'\\x00\\u{202e}ab', &zwj;a&ZeroWidthSpace;b"}, kAllPacks).empty());
  using testing::kUnicodePack;
  EXPECT_EQ(findings_in({kKey, "i\u2067gnore"}, kUnicodePack).size(), 1U);
}

TEST(Scanner, TellsWhatTwoFormsShowOnce) {
  EXPECT_EQ(rules_in("caf\u00e9\u200b " + kKey).size(), 1U);
  EXPECT_EQ(rules_in(kKey + "\u200b " + kKey + "\\n" + kKey).size(), 3U);
}

TEST(Scanner, TellsNoMoreThanItsBound) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += kKey + "\u200b ";
  EXPECT_EQ(findings_in({text, text, kKey}).size(), Scanner::kFindingsMax);
}

TEST(Scanner, IsAtRestInProseAndPlaceholders) {
  for (const char* text :
       {"", "a", "sk-", "task-specific and risk-based", "AKIAXXXXXXXXXXXXXXXX", "ghp_",
        "postgres://user:password@localhost/db", "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq7sd81hnsA0",
        "sk-proj-...", "export AWS_SECRET_ACCESS_KEY=<your secret>", "xoxb-your-token-here",
        "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "deadbeefdeadbeefdeadbeefdeadbeef-us1",
        "https://example.com/a/eyJhbGciOiJIUzI1NiJ9/b?key=AIza", "\\", "\\u12", "\xF0\x9F"}) {
    EXPECT_EQ(rules_in(text), Names{}) << text;
  }
}

// Bytes that begin what every rule looks for, and never end it. That a look at each is bounded is
// held by Secrets.AreToldByALookOfABoundedSize.
TEST(Scanner, FindsNothingInAMegabyteOfNearMisses) {
  for (const Secret& secret : secrets()) {
    SCOPED_TRACE(secret.rule);
    std::string unit(secret.anchor);
    for (int i = 0; i < 3; ++i) unit += contains(secret.after.alphabet, 'a') ? "a1" : "A2";
    std::string text;
    for (int i = 0; text.size() < (std::size_t{1} << 20);) {
      text += unit;
      text += i++ % 2 == 0 ? ' ' : '-';
    }
    EXPECT_EQ(rules_in(text), Names{});
  }
}

TEST(Scanner, ReadsAnyBytesInAnyForm) {
  std::mt19937_64 random{11};
  const std::string_view pieces[] = {"\u200b",   "\\n",    "\\u0041",   "\\",   "\xFF",
                                     "\xE2\x80", "\uFF21", "AKIA",      "ghp_", " ",
                                     "é",        "\"",     "\U000E0041"};
  for (int step = 0; step < 3000; ++step) {
    std::string text;
    bool has_key = false;
    for (int i = 0; i < 30; ++i) {
      if (random() % 40 == 0) {
        text += " " + kKey + " ";
        has_key = true;
      }
      text += pieces[random() % std::size(pieces)];
    }
    const std::vector<Finding> found = findings_in({text});
    EXPECT_EQ(!found.empty(), has_key) << text;
    for (const Finding& finding : found) {
      ASSERT_LE(finding.offset + finding.bytes, text.size());
      EXPECT_NE(text.substr(finding.offset, finding.bytes).find(kKey), std::string::npos);
    }
  }
}

TEST(NormalForm, StaysWhereThereIsNothingToChange) {
  std::string normal;
  std::vector<Window> windows;
  for (const char* text : {"", "plain", "caf\u00e9", "\u65e5\u672c\u8a9e", "a\\d", "\xFF\xFE"}) {
    EXPECT_FALSE(
        rewrite(text, Form::kNormal, Tags::kLeftOut, Reads::kWindows, normal, windows).differs)
        << text;
    EXPECT_TRUE(windows.empty());
    EXPECT_EQ(normal, "");
  }
}

void* no_memory(std::size_t) { return nullptr; }

// What is not read is not let through as clean.
TEST(Scanner, SaysWhenItCannotRead) {
  Scanner scanner;
  const std::vector<Action> actions = testing::all_refuse();
  EXPECT_FALSE(scanner.read("without rules"));
  ASSERT_EQ(hs_set_scratch_allocator(no_memory, std::free), HS_SUCCESS);
  const FaultOr<void> begun = scanner.begin(rules(), actions);
  ASSERT_EQ(hs_set_scratch_allocator(nullptr, nullptr), HS_SUCCESS);
  ASSERT_FALSE(begun);
  EXPECT_FALSE(scanner.read("without memory"));
  EXPECT_TRUE(scanner.begin(rules(), actions));
  EXPECT_TRUE(scanner.read("with both"));
}

}  // namespace
}  // namespace tollgate::content
