// Rules of the operator's own: what they find, in which forms, and what cannot be one.
#include "controls/content/own_rules.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

OwnSource pattern(std::string_view text, Reading reading = Reading::kExact) {
  return {.name = "own.one", .pattern = std::string(text), .reading = reading};
}

OwnSource words(std::vector<std::string> phrases) {
  return {.name = "own.one", .words = std::move(phrases)};
}

// A rule of its own, alone in a database.
class Scanned {
 public:
  explicit Scanned(OwnSource source) {
    std::expected<OwnRule, std::string> rule = OwnRule::create(std::move(source));
    EXPECT_TRUE(rule.has_value()) << rule.error();
    std::vector<OwnRule> own;
    own.push_back(std::move(*rule));
    constexpr Pack kPacks[] = {Pack::kOwn};
    const auto shared = std::make_shared<const std::vector<OwnRule>>(std::move(own));
    rules_ = *Rules::compile(kPacks, shared);
    Policy policy{.request = {Pack::kOwn}};
    resolve(policy, all_rules(shared));
    actions_ = policy.actions;
  }

  // "begin+bytes" of each match.
  std::vector<std::string> in(std::string_view text) {
    EXPECT_TRUE(scanner_.begin(rules_, actions_).has_value());
    EXPECT_TRUE(scanner_.read(text).has_value());
    std::vector<std::string> made;
    for (const Finding& finding : scanner_.found()) {
      EXPECT_EQ(finding.rule, "own.one");
      made.push_back(std::to_string(finding.offset) + "+" + std::to_string(finding.bytes));
    }
    return made;
  }

 private:
  std::shared_ptr<const Rules> rules_;
  std::vector<Action> actions_;
  Scanner scanner_;
};

using Places = std::vector<std::string>;

TEST(OwnRules, FindTheWholeOfEachMatch) {
  Scanned rule(pattern(R"(\bEMP-[0-9]{4,6}\b)"));
  EXPECT_EQ(rule.in("EMP-1234 and EMP-123456."), (Places{"0+8", "13+10"}));
  EXPECT_EQ(rule.in("EMP-123"), Places{});
  EXPECT_EQ(rule.in("EMP-1234567"), Places{});  // A digit follows.
  EXPECT_EQ(rule.in("TEMP-1234"), Places{});
  EXPECT_EQ(rule.in("emp-1234"), Places{});
}

TEST(OwnRules, AreHeldToTheFormsOfATextAsBuiltInOnesAre) {
  Scanned rule(pattern("EMP-[0-9]{4}"));
  EXPECT_EQ(rule.in("it is EM\u200bP-1234 here"), Places{"6+11"});
  EXPECT_EQ(rule.in("it is \uff25\uff2d\uff30-1234 here"), Places{"6+14"});
  // Of what is encoded the whole run is told.
  EXPECT_EQ(rule.in("take RU1QLTEyMzQgaXMgdGhlIG9uZQ== now"), Places{"5+28"});
}

TEST(OwnRules, MayBePatternsOfFoldedWords) {
  Scanned rule(pattern(R"(projet\s+\S*te)", Reading::kWords));
  EXPECT_EQ(rule.in("le PROJET   \u00e9t\u00e9"), Places{"3+14"});
  EXPECT_EQ(rule.in("le pr\u043ejet ete"), Places{"3+11"});  // A Cyrillic o.
  EXPECT_EQ(rule.in("le projet"), Places{});
}

TEST(OwnRules, MayBeWordsInAnySpelling) {
  Scanned rule(words({"Project Nightingale", "\u00dcber-Plan", "c++ core"}));
  EXPECT_EQ(rule.in("about project NIGHTINGALE."), Places{"6+19"});
  EXPECT_EQ(rule.in("about *project*\n nightingale"), Places{"7+21"});
  EXPECT_EQ(rule.in("uber-plan"), Places{"0+9"});
  EXPECT_EQ(rule.in("in C++ core"), Places{"3+8"});
  EXPECT_EQ(rule.in("projects nightingale"), Places{});
  EXPECT_EQ(rule.in("superproject nightingale"), Places{});  // A part of another word.
}

TEST(OwnRules, OfWordsAreFoundInRot13) {
  Scanned rule(words({"Blue Harvest", "terra"}));
  EXPECT_EQ(rule.in("Fraq oyhr uneirfg gbqnl"), Places{"5+12"});
  EXPECT_EQ(rule.in("OYHR  UNEIRFG"), Places{"0+13"});
  EXPECT_EQ(rule.in("oyhruneirfg"), Places{});
  EXPECT_EQ(rule.in("Jbhyq lbh oevat green tbbqf?"), Places{"16+5"});
  // Turned it is a word of its own: there has to be more that is turned.
  EXPECT_EQ(rule.in("Will you bring green goods?"), Places{});
  Scanned folded(pattern(R"(proj\w+ nightingale)", Reading::kWords));
  EXPECT_EQ(folded.in("nobhg cebwrpg avtugvatnyr"), Places{"6+19"});
  Scanned exact(pattern("Blue Harvest"));
  EXPECT_EQ(exact.in("nobhg Oyhr Uneirfg"), Places{});
}

TEST(OwnRules, CountCharactersNotBytes) {
  Scanned rule(pattern("<.{3}>"));
  EXPECT_EQ(rule.in("<abc> <\u00e4\u4e2d\U0001f600> <ab>"), (Places{"0+5", "6+11"}));
  const auto known = OwnRule::create(pattern("<.{3}>"));
  ASSERT_TRUE(known.has_value());
  ASSERT_TRUE(known->width().has_value());
  EXPECT_GE(*known->width(), 14U);  // Three characters of four bytes each.
}

TEST(OwnRules, KnowWhetherTheirMatchesHaveAnEnd) {
  EXPECT_EQ(OwnRule::create(pattern("a[0-9]{1,20}"))->width(), 21U);
  EXPECT_EQ(OwnRule::create(pattern("a[0-9]+"))->width(), std::nullopt);
}

// Each call of RE2 may look to the end of the text, so there are as many as matches are told.
TEST(OwnRules, AreAskedNoOftenerThanMatchesAreTold) {
  const auto rule = OwnRule::create(pattern("a(?:[^b]*b)?"));
  ASSERT_TRUE(rule.has_value());
  const std::string text(200'000, 'a');
  std::array<Extent, 16> found;
  EXPECT_EQ(rule->find(text, found), 16U);
  Scanned scanned(pattern("a(?:[^b]*b)?"));
  EXPECT_EQ(scanned.in(text).size(), 16U);
}

TEST(OwnRules, ThatCannotBeAreToldWithTheReason) {
  const struct {
    std::string_view pattern;
    std::string_view why;
  } rows[] = {
      {"EMP-([0-9]", "missing ), at character 1: `EMP-([0-9]`"},
      {"EMP-[0-9", "missing ], at character 5: `[0-9`"},
      {"a**", "is no pattern of RE2: bad repetition operator, at character 2: `**`"},
      {R"((a)\1)", R"(invalid escape sequence, at character 4: `\1`)"},
      {"(?=a)b", "is no pattern of RE2"},
      {"[0-9]*", "matches where nothing stands"},
      {R"(\b)", "matches where nothing stands"},
      {"^", "matches where nothing stands"},
      {"(?:a?){3}", "matches where nothing stands"},
      {"a{1001}", "a repetition of more than 1000"},
      {"((a{100}){100}){100}", "a repetition of more than 1000"},
      {R"((?:\pL{1,100}-){1,10})", "shorter repetitions"},
      {".{0,900}x", "shorter repetitions"},
      {R"(\C)", "cannot be looked for"},
  };
  for (const auto& row : rows) {
    const auto made = OwnRule::create(pattern(row.pattern));
    ASSERT_FALSE(made.has_value()) << row.pattern;
    EXPECT_NE(made.error().find(row.why), std::string::npos) << row.pattern << ": " << made.error();
  }
}

// What nobody sees is not read, so nothing is left of them.
TEST(OwnRules, OfWordsHoldSomethingThatCanBeSeen) {
  for (const std::string phrase :
       {"\u200b\u200b", "\u00ad\u200d\ufeff", "\u3000\u3000", "\u200b \u200b"}) {
    const auto made = OwnRule::create(words({"terra", phrase}));
    ASSERT_FALSE(made.has_value()) << phrase;
    EXPECT_NE(made.error().find("nothing that could be looked for in the phrase at 2"),
              std::string::npos)
        << made.error();
  }
  Scanned rule(words({"\u200bterra\u200b"}));
  EXPECT_EQ(rule.in("on Terra now"), Places{"3+5"});
}

}  // namespace
}  // namespace tollgate::content
