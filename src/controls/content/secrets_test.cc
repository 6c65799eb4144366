// Each kind of secret, with one that is and one that only almost is.
#include "controls/content/secrets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controls/content/testing_samples.h"
#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

using testing::rules_in;
using testing::Sample;
using testing::samples;

using Rules = std::vector<std::string>;

TEST(Secrets, AreFoundEachByItsRuleAndNothingElseIs) {
  std::set<std::string> kinds;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.secret);
    EXPECT_EQ(rules_in(sample.secret), Rules{sample.rule});
    EXPECT_EQ(rules_in("Here: " + sample.secret + "\nThank you."), Rules{sample.rule});
    EXPECT_EQ(rules_in(R"({"key":")" + sample.secret + R"("})"), Rules{sample.rule});
    kinds.insert(sample.rule);
  }
  EXPECT_EQ(kinds.size(), secret_kinds()) << "each kind has a sample";
  EXPECT_GE(kinds.size(), 120U);
}

TEST(Secrets, AreNotWhatAlmostIsOne) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.near_miss);
    EXPECT_EQ(rules_in(sample.near_miss), Rules{});
    EXPECT_EQ(rules_in("Here: " + sample.near_miss + "\nThank you."), Rules{});
  }
}

// Behind the letter of an escape, as the arguments of tools have them, at any depth.
TEST(Secrets, AreFoundBehindAnEscape) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    if (sample.secret.find('\n') != std::string::npos) continue;
    for (const char* escape : {"\\n", "\\\\n", "\\t", "\\\\\\\\r"}) {
      EXPECT_EQ(rules_in("Here:" + std::string(escape) + sample.secret), Rules{sample.rule})
          << escape;
    }
  }
}

TEST(Secrets, ArePrivateKeysHoweverTheirLinesEnd) {
  for (const Sample& sample : samples()) {
    if (sample.secret.find('\n') == std::string::npos) continue;
    SCOPED_TRACE(sample.rule);
    for (const char* line_break : {"\r\n", "\\n", "\\r\\n", "\\\\n", " "}) {
      std::string text;
      for (const char c : sample.secret) {
        if (c != '\n') {
          text.push_back(c);
        } else if (!text.ends_with(line_break)) {
          text += line_break;
        }
      }
      EXPECT_EQ(rules_in(text), Rules{sample.rule}) << text;
    }
  }
}

// So that what a text costs is linear in its bytes: whatever stands further away changes nothing.
TEST(Secrets, AreToldByALookOfABoundedSize) {
  std::mt19937_64 random{5};
  constexpr std::string_view kNoise = "aZ09-_.+/=~ \n\\\":";
  int matches = 0;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    std::string text = " " + sample.secret + " ";
    for (int i = 0; i < 1000; ++i) {
      text.insert(text.begin(), kNoise[random() % kNoise.size()]);
      text.push_back(kNoise[random() % kNoise.size()]);
    }
    for (const Secret& secret : secrets()) {
      const std::size_t anchor = text.find(secret.anchor);
      if (anchor == std::string::npos) continue;
      const std::size_t anchor_end = anchor + secret.anchor.size();
      const std::size_t begin = anchor - std::min<std::size_t>(anchor, secret.before.most + 3U);
      const std::string_view near =
          std::string_view(text).substr(begin, anchor_end - begin + 13 + secret.after.most);
      const auto whole = match(secret, text, anchor_end);
      const auto part = match(secret, near, anchor_end - begin);
      ASSERT_EQ(whole.has_value(), part.has_value());
      if (!whole) continue;
      ++matches;
      EXPECT_EQ(whole->begin, part->begin + begin);
      EXPECT_EQ(whole->end, part->end + begin);
    }
  }
  EXPECT_GT(matches, 120);
}

TEST(Secrets, HaveRulesThatAreNames) {
  std::set<std::string_view> rules;
  for (const Secret& secret : secrets()) {
    SCOPED_TRACE(secret.rule);
    rules.insert(secret.rule);
    EXPECT_TRUE(secret.rule.starts_with("secrets."));
    EXPECT_EQ(secret.rule.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_."),
              std::string_view::npos);
    EXPECT_GE(secret.anchor.size(), 2U);
    EXPECT_LE(secret.before.least, secret.before.most);
    EXPECT_LE(secret.after.least, secret.after.most);
    EXPECT_GT(secret.after.least, 0);
  }
  EXPECT_EQ(rules.size(), secret_kinds()) << "rows of a kind stand together";
}

}  // namespace
}  // namespace tollgate::content
