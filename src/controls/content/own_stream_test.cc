// Texts that come in pieces, held to the rules of the operator's own: the same as whole, and
// nothing of a match is decided before it is told.
#include "controls/content/own_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tollgate::content {
namespace {

using Firsts = std::map<std::string, std::size_t>;  // Where each rule matches first.

class OwnStreams : public ::testing::Test {
 protected:
  OwnStreams() {
    std::vector<OwnRule> own;
    for (OwnSource source : {OwnSource{.name = "own.number", .pattern = R"(\bEMP-[0-9]{4,6}\b)"},
                             OwnSource{.name = "own.run", .pattern = "x{3,8}y"},
                             OwnSource{.name = "own.plan", .words = {"blue harvest"}}}) {
      std::expected<OwnRule, std::string> rule = OwnRule::create(std::move(source));
      CHECK(rule.has_value());
      own.push_back(std::move(*rule));
    }
    const auto shared = std::make_shared<const std::vector<OwnRule>>(std::move(own));
    constexpr Pack kPacks[] = {Pack::kOwn};
    rules_ = *Rules::compile(kPacks, shared);
    Policy policy{.response = {Pack::kOwn}};
    resolve(policy, all_rules(shared));
    reading_ = reading_of_own(*rules_, policy.answer_actions);
  }

  Firsts whole(std::string_view text) {
    CHECK(scanner_.begin(rules_, reading_.actions, Layers::kNone).has_value());
    CHECK(scanner_.read(text).has_value());
    Firsts made;
    for (const Finding& one : scanner_.found()) note(made, one.rule, one.offset);
    return made;
  }

  Firsts streamed(const std::vector<std::string>& pieces) {
    OwnStream stream;
    std::vector<StreamMatch> found;
    std::size_t size = 0;
    std::size_t decided = 0;
    const auto check = [&](std::size_t told) {
      // What was decided before could have gone out.
      for (std::size_t i = told; i < found.size(); ++i) EXPECT_GE(found[i].extent.begin, decided);
      EXPECT_GE(stream.decided(), decided);
      decided = stream.decided();
      EXPECT_LE(decided, size);
    };
    for (const std::string& piece : pieces) {
      const std::size_t told = found.size();
      size += piece.size();
      CHECK(stream.read(piece, by(), found).has_value());
      check(told);
    }
    const std::size_t told = found.size();
    CHECK(stream.end(by(), found).has_value());
    check(told);
    EXPECT_EQ(stream.decided(), size);
    Firsts made;
    for (const StreamMatch& one : found) note(made, one.rule, one.extent.begin);
    return made;
  }

  static void note(Firsts& firsts, std::string_view rule, std::size_t begin) {
    const auto [at, is_new] = firsts.emplace(rule, begin);
    if (!is_new) at->second = std::min(at->second, begin);
  }

  OwnReader by() { return {reading_, scanner_, rules_, forms_}; }

  std::shared_ptr<const Rules> rules_;
  OwnReading reading_;
  Scanner scanner_;
  Forms forms_;
};

TEST_F(OwnStreams, AreAsWideAsTheirRules) {
  EXPECT_GE(reading_.width, 12U);
  EXPECT_LE(reading_.width, 20U);
  EXPECT_TRUE(reading_.has_words);
}

TEST_F(OwnStreams, FindWhatIsSplitAndHoldItBack) {
  for (const std::string_view text :
       {"we know EMP-12345, and more", "of blu\u00e9  harv\u200best, I think", "xxxxxy"}) {
    const Firsts expected = whole(text);
    EXPECT_EQ(expected.size(), 1U) << text;
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {  // A character at a time.
      std::size_t end = at + 1;
      while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
      pieces.emplace_back(text.substr(at, end - at));
      at = end;
    }
    EXPECT_EQ(streamed(pieces), expected) << text;
  }
}

// What follows decides: a number that goes on is another.
TEST_F(OwnStreams, WaitForWhatFollows) {
  EXPECT_EQ(streamed({"EMP-1234", "567 "}), Firsts{});
  EXPECT_EQ(streamed({"EMP-1234", " "}), (Firsts{{"own.number", 0}}));
  EXPECT_EQ(streamed({"EMP-1234"}), (Firsts{{"own.number", 0}}));
  EXPECT_EQ(streamed({"EMP-12\\", "u003467 "}), whole("EMP-12\\u003467 "));
  // Also what an escape stands for that was escaped again, character by character.
  for (const std::string text :
       {R"("EM\\u0050-1234\\u00356\\u0037")", R"(EM\\\u0050-1234\\\u0035 )",
        R"(EM\u0050-1234\ud83d\ude00 )", R"(EM\u0050-1234\)"}) {
    std::vector<std::string> pieces;
    for (const char c : text) pieces.emplace_back(1, c);
    EXPECT_EQ(streamed(pieces), whole(text)) << text;
  }
}

TEST_F(OwnStreams, HaveTheVerdictOfTheWholeTextHoweverItIsCut) {
  constexpr std::string_view kParts[] = {
      "EMP-",        "1",       "23",        "456",      " ",      "\u200b", "\\n",    "x",
      "xx",          "y",       "blue",      "harvest",  "\u00e9", "\\",     ".",      "\n",
      "a",           "\\u0045", "\\\\u0034", "MP-1234",  "\uff38", "-",      "EMP-12", "EMP-1234",
      " EMP-12345 ", "xxxx",    "xxxy",      "blue har", "vest",   "blue ",  "  "};
  std::mt19937 random(11);
  int matched = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> pieces(1);
    std::string text;
    for (int left = 1 + static_cast<int>(random() % 40); left > 0; --left) {
      const std::string_view part = kParts[random() % std::size(kParts)];
      text += part;
      pieces.back() += part;
      if (random() % 2 == 0) pieces.emplace_back();
    }
    const Firsts expected = whole(text);
    EXPECT_EQ(streamed(pieces), expected) << text;
    matched += expected.empty() ? 0 : 1;
  }
  EXPECT_GT(matched, 300);
  EXPECT_LT(matched, 2900);
}

TEST_F(OwnStreams, KeepNoMoreOfALongTextThanAWindow) {
  OwnStream stream;
  std::vector<StreamMatch> found;
  for (int i = 0; i < 2000; ++i) CHECK(stream.read("some more words, ", by(), found).has_value());
  EXPECT_TRUE(found.empty());
  EXPECT_LT(stream.memory(), 8192U);
  EXPECT_LE(std::size_t{2000} * 17 - stream.decided(), reading_.width);
}

// Of a window that is long for what it hides not each piece is scanned; what is found is the same.
TEST_F(OwnStreams, HaveTheVerdictOfATextThatHidesMuch) {
  for (const std::string_view hidden : {"\u200b", "\U000e0041"}) {
    for (const int count : {50, 300, 900}) {
      std::vector<std::string> pieces;
      std::string text;
      const auto add = [&](std::string_view piece) {
        pieces.emplace_back(piece);
        text += piece;
      };
      for (const std::string_view word :
           {"we know EMP-12", "345 and blue", " harvest, xx", "xxy!"}) {
        add(word);
        for (int i = 0; i < count; ++i) add(hidden);
      }
      const Firsts expected = whole(text);
      EXPECT_EQ(expected.size(), 3U);
      EXPECT_EQ(streamed(pieces), expected) << count;
    }
  }
}

// Nobody knows how much more comes before the next character that is one.
TEST_F(OwnStreams, GiveATextUpThatIsNearlyAllHidden) {
  OwnStream stream;
  std::vector<StreamMatch> found;
  bool is_read = true;
  for (int i = 0; i < 100'000 && is_read; ++i) {
    is_read = stream.read("\u200b", by(), found).has_value();
  }
  EXPECT_FALSE(is_read);
  EXPECT_LT(stream.memory(), 65536U);
}

}  // namespace
}  // namespace tollgate::content
