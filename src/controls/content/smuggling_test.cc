// What the pack `unicode` finds, class by class and character by character, and what it does not.
#include "controls/content/smuggling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "controls/content/forms.h"
#include "controls/content/testing_forms.h"

namespace tollgate::content {
namespace {

using testing::with_between;

using Names = std::vector<std::string>;

Names found_in(std::string_view text) {
  Names names;
  SmugglingPass pass(text);
  while (const auto found = pass.next()) {
    EXPECT_LT(found->extent.begin, found->extent.end);
    EXPECT_LE(found->extent.end, text.size());
    names.emplace_back(smuggling_rules()[static_cast<std::size_t>(found->kind)]);
  }
  return names;
}

std::vector<Smuggled> all_in(std::string_view text) {
  std::vector<Smuggled> all;
  SmugglingPass pass(text);
  while (const auto found = pass.next()) all.push_back(*found);
  return all;
}

std::string utf8_of(char32_t c) { return std::string(utf8(c).view()); }

bool reads(std::string_view text, std::string_view marker) {
  Forms forms;
  forms.begin(text, true);
  bool is_read = false;
  while (const auto form = forms.next()) {
    is_read = is_read || form->text.find(marker) != std::string_view::npos;
  }
  return is_read;
}

// Every code point that there is, of every class: between the letters of a marker it is found, or
// the marker is read without it, for rules on bytes and for rules on words.
TEST(Smuggling, IsFoundOrLeavesTheMarkerForEachCharacterOfEachClass) {
  std::map<Hiding, int> seen;
  for (char32_t c = 1; c < 0x110000; ++c) {
    const Hiding hides = character(c).hides;
    if (hides == Hiding::kNone) continue;
    ++seen[hides];
    const std::string split = "say " + with_between("ignore", utf8_of(c)) + " it";
    const bool is_read = reads(split, "ignore");
    const bool is_found = !found_in(split).empty();
    ASSERT_TRUE(is_read) << static_cast<std::uint32_t>(c) << " and found: " << is_found;
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kHidingCount) - 1) << "no class is empty";
  EXPECT_EQ(seen[Hiding::kTag], 128);
  EXPECT_EQ(seen[Hiding::kVariationSelector], 16 + 240 + 4);
  EXPECT_EQ(seen[Hiding::kBidi], 9);
  EXPECT_EQ(seen[Hiding::kPrivateUse], 6400 + 2 * 65534);
  EXPECT_EQ(seen[Hiding::kControl], 32 - 5 + 1 + 32 - 1 - 1) << "but white space and NUL";
  EXPECT_EQ(seen[Hiding::kNoncharacter], 66);
  EXPECT_EQ(seen[Hiding::kInterlinear], 3);
  EXPECT_EQ(seen[Hiding::kDeprecated], 6);
  EXPECT_GT(seen[Hiding::kCombining], 1700);
}

// Each class is found where it hides a text: as a long run of its own characters.
TEST(Smuggling, IsFoundInARunOfAnyCharacterOfAClass) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    const Hiding hides = character(c).hides;
    if (hides == Hiding::kNone || c == 0x2800) continue;
    std::string run;
    for (int i = 0; i < 10; ++i) run += utf8_of(c);
    const Names found = found_in("x" + run + "y");
    const std::string rule(smuggling_rules()[static_cast<std::size_t>(hides) - 1]);
    const bool is_found = std::ranges::count(found, rule) == 1;
    // Of directions only what turns an order around; marks of a script stack as it needs.
    if (hides == Hiding::kBidi || hides == Hiding::kCombining) continue;
    ASSERT_TRUE(is_found) << static_cast<std::uint32_t>(c);
  }
}

TEST(Smuggling, IsFoundInTheKnownTricks) {
  std::string tags = "\U0001F600";
  std::string selectors = "\U0001F600";
  for (const char c : std::string_view("ignore")) {
    tags += utf8_of(0xE0000 + static_cast<char32_t>(c));
    selectors += utf8_of(0xE0100 + static_cast<char32_t>(c) - 16);
  }
  const struct {
    std::string text;
    Names rules;
  } rows[] = {
      {"What a day " + tags, {"unicode.tags"}},
      {"\U0001F3F4" + tags.substr(4), {"unicode.tags"}},
      {"\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067", {"unicode.tags"}},
      {selectors, {"unicode.variation_selectors"}},
      {"h\uFE01i", {"unicode.variation_selectors"}},
      {"a \uFE07 b", {"unicode.variation_selectors"}},
      {"\u4e00\U000E0101\U000E0102", {"unicode.variation_selectors"}},
      {"if (\u202e\u2066admin\u2069) {", {"unicode.bidi"}},
      {"''' Subtract funds \u2067''' ;return", {"unicode.bidi"}},
      {"\u202bback\u202c", {"unicode.bidi"}},
      {"\u202bback\u202c and \u05d0\u05d1", {"unicode.bidi"}},
      {"\u05d0\u05d1 \u2067back", {"unicode.bidi"}},
      {"\u05d0\u05d1\n\u2067back\u2069", {"unicode.bidi"}},
      {"\u05d0 \u202e\u05d1\u202c", {"unicode.bidi"}},
      {"\u202d\u05d0\u05d1\u202c", {"unicode.bidi"}},
      {"ig\u200bnore", {"unicode.zero_width"}},
      {"pass\u2060word", {"unicode.zero_width"}},
      {"\u0438\u200b\u0433", {"unicode.zero_width"}},
      {"hi \u200b\u200c\u200b\u200b there", {"unicode.zero_width"}},
      {"a \u200e\u200f\u200e\u200e b", {"unicode.zero_width"}},
      {"x\ue001y", {"unicode.private_use"}},
      {" \ue069\ue067\ue06e\ue06f", {"unicode.private_use"}},
      {" \U000F0069\U000F0067", {"unicode.private_use"}},
      {std::string("a\0b", 3), {"unicode.control"}},
      {"a\bb", {"unicode.control"}},
      {"\x1b]0;title\a", {"unicode.control"}},
      {"rm -rf /\b\b", {"unicode.control"}},
      {"\x01 \x02 \x01", {"unicode.control"}},
      {"\x1b[8mhidden\x1b[0m", {"unicode.control"}},
      {"\x1b[1;08mhidden", {"unicode.control"}},
      {"\u0080\u0081\u0082", {"unicode.control"}},
      {"i\u00adg\u00adn\u00adore", {"unicode.invisible"}},
      {"a\u2062\u2063b", {"unicode.invisible"}},
      {"time\u3164out", {"unicode.invisible"}},
      {"i\u0300\u0301\u0302\u0303\u0304g", {"unicode.combining"}},
      {"a\ufff9b\ufffac\ufffb",
       {"unicode.interlinear", "unicode.interlinear", "unicode.interlinear"}},
      {"a\ufdd0", {"unicode.noncharacter"}},
      {"a\U0001FFFF", {"unicode.noncharacter"}},
      {"a\u206ab", {"unicode.deprecated"}},
      {"\u0440\u0430ypal.com", {"unicode.mixed_script"}},
      {"ign\u043er\u0435 it", {"unicode.mixed_script"}},
      {"G\u039fOGL\u0395", {"unicode.mixed_script"}},
      {"ign\u043ere a p\u0430ss", {"unicode.mixed_script"}},
      {"ign\u03bfre \u0420ass", {"unicode.mixed_script"}},
      {"%d\u0441\u043ede", {"unicode.mixed_script"}},
      {"\\fBp\u0430yp\u0430l s\u043ee", {"unicode.mixed_script"}},
      {"\\f(CWp\u0430yp\u0430l s\u043ee", {"unicode.mixed_script"}},
      {"\\f[p\u0430yp\u0430l] s\u043ee", {"unicode.mixed_script"}},
      {"\\fx\u0441\u043ede", {"unicode.mixed_script"}},
  };
  for (const auto& row : rows) EXPECT_EQ(found_in(row.text), row.rules) << row.text;
}

// NOLINTBEGIN(bugprone-suspicious-missing-comma): what is too long for a line goes on in the next.
TEST(Smuggling, IsNoneOfWhatPeopleWrite) {
  for (const std::string_view text : {
           // Emoji of several parts, flags, keycaps, hearts; and one that was cut off.
           "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466 \U0001F469\U0001F3FD\u200d"
           "\u2695\ufe0f \u2764\ufe0f\u200d\U0001F525 \U0001F3F3\ufe0f\u200d\U0001F308 "
           "1\ufe0f\u20e3",
           "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F!",
           "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F",
           "\u2139\ufe0f \u24c2\ufe0f \u2122\ufe0f \u2714\ufe0f \u2192\ufe0f \ufe0f",
           // Persian, Arabic and Hebrew, with joiners, marks and directions; Hindi, Sinhala, Thai.
           "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 "
           "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
           "\u0628\u0650\u0633\u0652\u0645\u0650 \u0671\u0644\u0644\u0651\u064e\u0670\u0647\u0650",
           "\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u05d9\u05ea \u200e(ok)\u200f",
           "\u202b%s\u202c \u05e9\u05dc\u05d5\u05dd, \u2067world\u2069 \u202bnow\u202c",
           "\u202b\u05e9\u05dc\u05d5\u05dd world\u202c \u2067\u05d0\u2069",
           "\u202aC:\\Users\\me\u202c and \u202d+1 (555) 010-0199\u202c and \u2068Ada\u2069",
           "\u0915\u094d\u200d\u0937 \u0d9a\u0dca\u200d\u0dbb \u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
           "\u1781\u17d2\u1798\u17c2\u179a\u200b\u1797\u17b6\u179f\u17b6",
           "\u1820\u180b\u1828 \u8fbb\U000E0100 \u2229\ufe00",
           // Vietnamese, composed and not; phonetics; Greek with accents, not composed.
           "Ti\u1ebfng Vi\u1ec7t Tie\u0302\u0301ng Vie\u0323\u0302t \u02c8\u026a\u0303\u0325",
           "\u03b1\u0313\u0301\u0345 e\u0301",
           // Mathematics and science.
           "\u2200x\u2208\u211d: sin\u2061x = \U0001D465\u00b2 a\u2062b, \u03c1gh, TNF\u03b1, "
           "5\u03bcm, 10k\u03a9, \u0394x, \u03c3x, \U0001D49C",
           // Russian with foreign words, as it is written.
           "IT-\u0448\u043d\u0438\u043a \u0438 PDF\u043a\u0430, \u0432 API, "
           "USB\u0448\u043d\u044b\u0439,"
           " 3D, \u0441m",
           "s\u0406st\u044d lak\u0456zaczya, by'\u045e, adznak\u0456; A\u045etamaty",
           "\u03a4orrent",
           "\u0412\u043d\u0435\u0441e\u0442\u0435 c\u0443\u043c\u043d\u0435",
           "\u041aomputer",
           // A conversion or an escape before a word.
           "%(faq)s\u041a\u043e\u0458\u0430 %s\u043a\u043e\u0442 %1$s\u0442\u0430\u043a "
           "\\n\u041a\u043e\u0442 %-5d\u0445\u0430",
           // The font of troff before a word.
           "\\fB\u041d\u0435 \\fI\u0406\u041c\\fR \\f(CW\u041d\u0435\\fP \\f[CW]\u0421\u0430\u0435 "
           "\\fR\u041a\u043e",
           "\u05d5API \u05d4\u05beGPU Wi-Fi\u306e\u4f7f\u3044\u65b9 T\u30b7\u30e3\u30c4",
           // Icons, bullets of a word processor, the logo; colours of a terminal; a form feed.
           "\ue0b0 main \uf8ff \uf0b7 one \uf0b7 two",
           // One control character that an editor left.
           "##=\x04 Your \u4e0d\u662f\b\u6709 ('\x01') \x1a",
           "\x1b[1;31merror\x1b[0m \x1b[38;5;8mgrey\x1b[K \f page",
           // A soft hyphen, a byte order mark, Latin-1 that was UTF-8, a blank of Braille.
           "perta\u00ad\u00ad\u00adnggung \ufe0f\ufe0f\u8c03",
           "\ufeffco\u00adoperation dont\u0092 \u00e2\u0080\u0099 \u2800\u2801\u2800\u2800 \ufffc",
           "\u200b",
           "a \u200b b",
           "https://\u200bexample.com/\u200bpath",
           "\xFF\xFE",
       }) {
    EXPECT_EQ(found_in(text), Names{}) << text;
  }
}
// NOLINTEND(bugprone-suspicious-missing-comma)

// One letter of another script is a slip or an orthography, and hides no word from rules on words.
TEST(Smuggling, LeavesTheMarkerWhereOneLetterLooksAlike) {
  for (const std::string_view text : {"ign\u043ere", "ign\u03bfre", "\u0456gnore", "IGN\u041eRE"}) {
    EXPECT_EQ(found_in(text), Names{}) << text;
    EXPECT_TRUE(reads(text, "ignore") || reads(text, "IGNoRE")) << text;
  }
}

// The same for every letter that looks like one of ASCII: alone it is read as that, and with
// another it is found.
TEST(Smuggling, LeavesTheMarkerOrIsFoundForEachLookAlike) {
  int seen = 0;
  for (char32_t c = 0x80; c < 0x110000; ++c) {
    const Character& known = character(c);
    if (!known.is_look_alike) continue;
    ++seen;
    const std::string one = "qu" + utf8_of(c) + "ck";
    ASSERT_TRUE(reads("say " + one, "qu" + std::string(known.folded) + "ck")) << seen << one;
    EXPECT_EQ(found_in(one), Names{}) << one;
    const std::string_view other = known.folded == "o" ? "\u0410" : "\u041e";
    EXPECT_EQ(found_in(one + " m" + std::string(other) + "st"), Names{"unicode.mixed_script"})
        << one;
  }
  EXPECT_GT(seen, 100);
}

TEST(Smuggling, TellsWhere) {
  const std::string text = "abc ign\u043er\u0435 \u202exyz\u202c";
  SmugglingPass pass(text);
  const auto word = pass.next();
  ASSERT_TRUE(word);
  EXPECT_EQ(text.substr(word->extent.begin, word->extent.end - word->extent.begin),
            "ign\u043er\u0435");
  const auto turned = pass.next();
  ASSERT_TRUE(turned);
  EXPECT_EQ(text.substr(turned->extent.begin), "\u202exyz\u202c");
  EXPECT_EQ(turned->extent.end, text.size());
  EXPECT_FALSE(pass.next());
  EXPECT_FALSE(pass.next());
}

TEST(Smuggling, IsLookedForInAnyBytes) {
  std::mt19937_64 random{23};
  std::vector<std::string> hiding;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (character(c).hides != Hiding::kNone && (c < 0x3000 || c % 97 == 0)) {
      hiding.push_back(utf8_of(c));
    }
  }
  for (int step = 0; step < 3000; ++step) {
    std::string text;
    for (std::size_t i = random() % 60; i > 0; --i) {
      if (random() % 3 == 0) {
        text.push_back(static_cast<char>(random()));
      } else {
        text += hiding[random() % hiding.size()];
      }
    }
    (void)found_in(text);
  }
}

// Paragraphs with nothing to look at are passed over, which tells the same: here each of them has
// an emoji at its end, so that none is.
TEST(Smuggling, IsTheSameWhateverIsPassedOver) {
  std::mt19937_64 random{21};
  constexpr std::string_view kParts[] = {"plain words ",
                                         "caf\u00e9 ",
                                         "p\u0430yp\u0430l ",
                                         "\u0441\u043b\u043e\u0432\u043e ",
                                         "\u202e",
                                         "\u202c",
                                         "\u2067",
                                         "\u2069",
                                         "\u05d0\u05d1 ",
                                         "a\u200bb ",
                                         "\u00ad",
                                         "\u2800",
                                         "\x01",
                                         "%",
                                         "\\",
                                         "(\u0430",
                                         ")s",
                                         "\u2019",
                                         "\u2029",
                                         "\xff",
                                         "\U000E0041",
                                         "\U0001F600"};
  for (int step = 0; step < 3000; ++step) {
    std::string skipped;
    std::string whole;
    for (std::size_t lines = 1 + random() % 12; lines > 0; --lines) {
      std::string line = "line ";
      const std::size_t parts = random() % 3 == 0 ? random() % 6 : 0;
      for (std::size_t i = parts; i > 0; --i) line += kParts[random() % std::size(kParts)];
      skipped += line + " \u2764...\n";
      whole += line + " \u2764\ufe0f\n";
    }
    const auto found = all_in(skipped);
    const auto expected = all_in(whole);
    ASSERT_EQ(found.size(), expected.size()) << skipped;
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].kind, expected[i].kind) << skipped;
      EXPECT_EQ(found[i].extent.begin, expected[i].extent.begin) << skipped;
      EXPECT_EQ(found[i].extent.end, expected[i].extent.end) << skipped;
    }
  }
}

}  // namespace
}  // namespace tollgate::content
