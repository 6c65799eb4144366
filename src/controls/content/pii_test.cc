// Each kind of personal data, with one that is and one that only almost is.
#include "controls/content/pii.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controls/content/testing_scan.h"

namespace tollgate::content {
namespace {

using testing::findings_in;
using testing::rules_in;

struct Sample {
  std::string rule;
  std::string text;
  std::string near_miss;
};

std::vector<Sample> samples() {
  std::vector<Sample> made;
  std::ifstream file(TOLLGATE_SOURCE_DIR "/tests/vectors/pii.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    made.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                    line.substr(second + 1)});
  }
  return made;
}

bool is_found(const std::string& rule, const std::string& text) {
  return std::ranges::count(rules_in(text), rule) != 0;
}

TEST(Pii, IsFoundByItsRule) {
  std::set<std::string_view> kinds;
  const std::vector<Sample> all = samples();
  for (const Sample& sample : all) {
    SCOPED_TRACE(sample.rule + ": " + sample.text);
    EXPECT_TRUE(is_found(sample.rule, sample.text));
    EXPECT_TRUE(is_found(sample.rule, "Of her we know: " + sample.text + ".\nThank you."));
    EXPECT_TRUE(is_found(sample.rule, R"({"a":")" + sample.text + R"("})"));
    kinds.insert(sample.rule);
  }
  for (const PiiKind& kind : pii_kinds()) EXPECT_TRUE(kinds.contains(kind.rule)) << kind.rule;
  EXPECT_GE(kinds.size(), 40U);
}

TEST(Pii, IsNotWhatAlmostIsOne) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.near_miss);
    EXPECT_FALSE(is_found(sample.rule, sample.near_miss));
  }
}

// Whatever it stands within: a longer number, a path, a version, an identifier.
TEST(Pii, IsNoPartOfSomethingLonger) {
  for (const char* text :
       {"4111111111111111111111111", "0.4111111111111111", "/orders/4111111111111111",
        "a4111111111111111", "4111111111111111_x", "12 4111 1111 1111 1111 3009",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "v1.536-90-4399-2", "x536-90-4399", "C++20240101",
        "1732100000000", "2026-11-27T00:19:00Z", "192.168.101.204", "10.0.0.1:8080",
        "postgres://user:word@db.corp.io/x", "npm install @scope/name@1.2.3"}) {
    EXPECT_TRUE(rules_in(text).empty()) << text << ": " << rules_in(text).front();
  }
}

TEST(Pii, OfACardStandsBesideOtherNumbers) {
  for (const char* text :
       {"4111 1111 1111 1111 123", "card 4111 1111 1111 1111 123", "12 4111 1111 1111 1111",
        "credit card 2024-01-02 4111 1111 1111 1111", "Visa 12:30 4111 1111 1111 1111",
        "2024-01-02 4111 1111 1111 1111", "02/01/2024 4111 1111 1111 1111 ok",
        "4111 1111 1111 1111 2024-01-02", "4111 1111 1111 1111 0127",
        "4111 1111 1111 1111 0127 123", "4111 1111 1111 1111 12/27 123",
        "4111 1111 1111 1111 99.50 EUR", "1 4111 1111 1111 1111 123", "3782 822463 10005 0127",
        "+49 151 23456789 4111 1111 1111 1111", "+49 30 901820 4111 1111 1111 1111",
        "+1 415 555 2671 4111 1111 1111 1111", "Visa: 3009 4111 1111 1111 1111 3009 17"}) {
    EXPECT_TRUE(is_found("pii.payment_card", text)) << text;
  }
  const std::vector<Finding> three =
      findings_in({"4111 1111 1111 1111 5500 0000 0000 0004 3782 822463 10005"});
  ASSERT_EQ(three.size(), 3U);
  EXPECT_EQ(three[1].offset, 20U);
  EXPECT_EQ(three[1].bytes, 19U);
  const std::vector<Finding> called = findings_in({"+49 30 901820 4111 1111 1111 1111"});
  ASSERT_EQ(called.size(), 2U);
  EXPECT_EQ(called[0].bytes, 13U);
}

TEST(Pii, OfACardIsNoRowOfNumbers) {
  for (const char* text :
       {"3009 4111 1111 1111 1111", "4111 1111 1111 1111 3009", "12 34 4111 1111 1111 1111",
        "4111 1111 1111 1111 12345 678", "4111 1111 1111 1111 0127 3009",
        "7 8 4111 1111 1111 1111 9 10", "4111 1111 1111 1111 1300"}) {
    EXPECT_TRUE(rules_in(text).empty()) << text << ": " << rules_in(text).front();
  }
}

// As programs write a number that they took for one with a fraction.
TEST(Pii, OfACardMayEndWithAFractionOfZeros) {
  const std::vector<Finding> found = findings_in({"{\"n\": 4539148803436467.0, \"m\": 1}"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rule, "pii.payment_card");
  EXPECT_EQ(found[0].offset, 6U);
  EXPECT_EQ(found[0].bytes, 18U);
  EXPECT_TRUE(is_found("pii.payment_card", "It is 4539148803436467.00."));
  for (const char* text : {"4539148803436467.5", "4539148803436467.05", "4539148803436467.0.1",
                           "4539148803436467.0a", "4539148803436467.0000000000000000000"}) {
    EXPECT_TRUE(rules_in(text).empty()) << text << ": " << rules_in(text).front();
  }
}

TEST(Pii, OfATelephoneIsNoSignedNumber) {
  for (const char* text :
       {"z +6073641856.9", "balance: +4915123456.78", "x = 0; x += +33612345678.5;",
        "range (-33554432, +33554432)", "the range is -33554432 to +33554432.",
        "[-33554432 +33554432]", "-33554432..+33554432", "-1.5; +33554432"}) {
    EXPECT_TRUE(rules_in(text).empty()) << text << ": " << rules_in(text).front();
  }
  for (const char* text :
       {"+49 151 23456789", "(+4915123456789)", "call -> +4915123456789.", "+1.415.555.2671",
        "+49.15123456789", "+49 30 901820, +4915123456789", "on 2024-01-02, +4915123456789",
        "Room A-12, +4915123456789", "- 12, +4915123456789", "+1 415.555.2671."}) {
    EXPECT_TRUE(is_found("pii.phone_number", text)) << text;
  }
}

// A check digit is right for one number in ten, so such a kind has to be named.
TEST(Pii, IsNotSeenInNumbersThatNobodyNamed) {
  std::mt19937_64 random{3};
  int found = 0;
  constexpr int kNumbers = 20'000;
  for (int i = 0; i < kNumbers; ++i) {
    std::string number;
    const std::size_t size = 7 + random() % 12;
    for (std::size_t k = 0; k < size; ++k) {
      number.push_back(static_cast<char>('0' + random() % 10));
    }
    found += rules_in("The value is " + number + " here.").empty() ? 0 : 1;
  }
  EXPECT_LT(found, kNumbers / 100);
  RecordProperty("found_of_20000", found);
}

TEST(Pii, IsToldWhereItStands) {
  const std::vector<Finding> found = findings_in({"Card 4111 1111 1111 1111, mail joe@corp.io!"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].rule, "pii.payment_card");
  EXPECT_EQ(found[0].offset, 5U);
  EXPECT_EQ(found[0].bytes, 19U);
  EXPECT_EQ(found[1].offset, 31U);
  EXPECT_EQ(found[1].bytes, 11U);
}

TEST(Pii, IsFoundHoweverItIsHidden) {
  EXPECT_TRUE(is_found("pii.payment_card", "4111\u200b1111\u200b1111\u200b1111"));
  EXPECT_TRUE(is_found("pii.email", "joe\uff20corp.io"));
}

// The more is done about a rule, the surer it is told: others do not crowd it out.
TEST(Pii, IsNotHiddenBehindWhatIsOnlyFlagged) {
  std::vector<Action> actions(all_rules().size(), Action::kNone);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (all_rules()[i].name == "pii.email") actions[i] = Action::kFlag;
    if (all_rules()[i].name == "pii.payment_card") actions[i] = Action::kRefuse;
  }
  std::string mails;
  for (int i = 0; i < 100; ++i) mails += "joe" + std::to_string(i) + "@corp.io ";
  Scanner scanner;
  ASSERT_TRUE(scanner.begin(testing::rules(), actions));
  ASSERT_TRUE(scanner.read(mails));
  ASSERT_TRUE(scanner.read(mails + " 4111 1111 1111 1111"));
  ASSERT_EQ(scanner.found().size(), Scanner::kFindingsMax);
  EXPECT_EQ(scanner.found().back().rule, "pii.payment_card");
  EXPECT_EQ(scanner.found().back().action, Action::kRefuse);
}

TEST(Pii, IsNotLookedForWhereNobodyAsks) {
  const std::vector<Action> none(all_rules().size(), Action::kNone);
  Scanner scanner;
  ASSERT_TRUE(scanner.begin(testing::rules(), none));
  ASSERT_TRUE(scanner.read("4111 1111 1111 1111 <|im_start|> joe@corp.io"));
  EXPECT_TRUE(scanner.found().empty());
}

}  // namespace
}  // namespace tollgate::content
