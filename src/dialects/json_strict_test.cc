#include "dialects/json_strict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "dialects/fixture_test.h"

namespace tollgate::dialects {
namespace {

struct Outcome {
  bool accepted = false;
  Reason reason{};
  std::string param;
};

Outcome outcome_of(std::string_view text, const ReadLimits& limits = {}) {
  StrictJson json;
  const Padded padded(text);
  const auto read = json.parse(padded.view(), limits);
  if (read) return {.accepted = true};
  return {.reason = read.error().reason, .param = read.error().param};
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(StrictJson, RefusesWhatTwoParsersReadInTwoWays) {
  const std::string digits(33, '1');
  struct Row {
    std::string text;
    Reason reason;
  };
  const Row rows[] = {
      {"", Reason::kInvalidJson},
      {"{", Reason::kInvalidJson},
      {"[1] 2", Reason::kInvalidJson},
      {"\xef\xbb\xbf{}", Reason::kInvalidJson},
      {"[\"\xff\"]", Reason::kInvalidJson},
      {"[\"\xed\xa0\x80\"]", Reason::kInvalidJson},
      {R"(["\ud800"])", Reason::kInvalidJson},
      {R"(["\udc00"])", Reason::kInvalidJson},
      {R"(["\ud800\u0041"])", Reason::kInvalidJson},
      {R"(["\ud800\udbff"])", Reason::kInvalidJson},
      {R"(["\udc00\ud800"])", Reason::kInvalidJson},
      {R"({"\ud800":1})", Reason::kInvalidJson},
      {"[18446744073709551616]", Reason::kInvalidJson},
      {"[1e400]", Reason::kInvalidJson},
      {"[0." + digits + "]", Reason::kInvalidJson},
      {"[01]", Reason::kInvalidJson},
      {"[NaN]", Reason::kInvalidJson},
      {"{'a':1}", Reason::kInvalidJson},
      {"[1,]", Reason::kInvalidJson},
      {"[1]//", Reason::kInvalidJson},
      {nested(65), Reason::kInvalidJson},
      {nested(5000), Reason::kInvalidJson},
      {R"({"a":1,"a":1})", Reason::kDuplicateKey},
      {R"({"a":1,"\u0061":1})", Reason::kDuplicateKey},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text.substr(0, 60));
    const Outcome outcome = outcome_of(row.text);
    EXPECT_FALSE(outcome.accepted);
    EXPECT_EQ(outcome.reason, row.reason);
  }
}

TEST(StrictJson, AcceptsWhatIsWithinItsBounds) {
  const std::string digits(30, '1');
  const std::string texts[] = {
      nested(64),
      R"(["\ud83d\ude00"])",
      "[18446744073709551615]",
      "[0." + digits + "]",
      "[\"" + digits + digits + "\"]",
      R"({"a":{"a":1}})",
      "[\"\\\"" + digits + digits + "\",1]",
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    EXPECT_TRUE(outcome_of(text).accepted);
  }
}

TEST(StrictJson, CountsEveryValueAgainstTheBound) {
  const ReadLimits limits{.nodes = 4};
  EXPECT_TRUE(outcome_of("[1,2,3]", limits).accepted);
  EXPECT_FALSE(outcome_of("[1,2,3,4]", limits).accepted);
  EXPECT_FALSE(outcome_of("[[[[[]]]]]", limits).accepted);
  EXPECT_FALSE(outcome_of(R"({"a":1,"b":2,"c":3,"d":4})", limits).accepted);
}

TEST(StrictJson, NamesTheDuplicateByItsPath) {
  EXPECT_EQ(outcome_of(R"({"a":1,"b":2,"a":3})").param, "a");
  EXPECT_EQ(outcome_of(R"({"m":[0,{"c":{"x":1,"x":2}}]})").param, "m[1].c.x");
  std::string many = R"({"o":{)";
  for (int i = 0; i < 500; ++i) many += fmt::format("\"k{}\":{},", i, i);
  EXPECT_EQ(outcome_of(many + R"("k250":0}})").param, "o.k250");
  EXPECT_TRUE(outcome_of(many + R"("k":0}})").accepted);
}

// Keys that agree in all but their end are the worst case of comparing and of hashing.
TEST(StrictJson, ComparesKeysInLittleMoreThanLinearNumber) {
  std::string text = "{";
  constexpr int kKeys = 100'000;
  for (int i = 0; i < kKeys; ++i) text += fmt::format("\"key{:06}\":0,", i);
  text += "\"end\":0}";
  StrictJson json;
  const Padded padded(text);
  ASSERT_TRUE(json.parse(padded.view(), {}));
  EXPECT_LT(json.comparisons(), kKeys * 40);
  EXPECT_GT(json.comparisons(), kKeys);
}

TEST(StrictJson, FindsALongNumberWhereverItStands) {
  std::mt19937_64 random{11};
  for (int step = 0; step < 2'000; ++step) {
    SCOPED_TRACE(step);
    std::string text = "[";
    int longest = 0;
    for (std::uint64_t i = 0, count = 1 + random() % 6; i < count; ++i) {
      if (i > 0) text += ",";
      const auto size = static_cast<std::size_t>(1 + random() % 45);
      if (random() % 2 == 0) {
        text += "\"" + std::string(size, '7') + (random() % 3 == 0 ? "\\\"" : "") + "\"";
      } else {
        text += std::string(size, '7');
        longest = std::max(longest, static_cast<int>(size));
      }
      if (random() % 2 == 0) text += " ";
    }
    EXPECT_EQ(has_long_number(text + "]", 32), longest > 32) << text;
  }
}

TEST(StrictJson, WritesWhatReadsBackAsTheSameValue) {
  for (const std::string_view text :
       {R"({"a":[1,-2,18446744073709551615,1.5,1.0,1e300,-0.0,true,false,null,{},[]],"b":"x"})",
        R"(["\"\\\n\r\t\u0000\u001f/é😀",{"a\"b":"0123456789012345678901234567890123\n"}])"}) {
    simdjson::dom::parser parser;
    const Padded padded(text);
    simdjson::dom::element value;
    ASSERT_FALSE(parser.parse(padded.view().data(), padded.view().size(), false).get(value));
    std::string written;
    append_json(value, written);
    EXPECT_EQ(compact(written), compact(text));
  }
}

// Strings are written many bytes a step: what needs an escape is seen at any place of any length.
TEST(StrictJson, EscapesAtEveryPlace) {
  for (std::size_t size = 1; size <= 100; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const auto& [sent, kept] : {std::pair{'"', R"(\")"}, std::pair{'\x1f', R"(\u001f)"}}) {
        std::string text(size, '\xe9');
        text[at] = sent;
        std::string written;
        append_json_string(text, written);
        ASSERT_EQ(written,
                  '"' + std::string(at, '\xe9') + kept + std::string(size - at - 1, '\xe9') + '"');
      }
    }
  }
}

TEST(StrictJson, AgreesWithTheParsingSuite) {
  const std::filesystem::path folder =
      std::filesystem::path(TOLLGATE_SOURCE_DIR) / "tests/vectors/json/test_parsing";
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    SCOPED_TRACE(name);
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const Outcome outcome = outcome_of(text, {.number_characters = 1000});
    if (name.starts_with("n_")) {
      EXPECT_FALSE(outcome.accepted);
    } else if (name.starts_with("y_object_duplicated_key")) {
      // Valid by the grammar, refused by ours.
      EXPECT_EQ(outcome.reason, Reason::kDuplicateKey);
    } else if (name.starts_with("y_")) {
      EXPECT_TRUE(outcome.accepted);
    }
    ++compared;
  }
  EXPECT_GT(compared, 300);
}

}  // namespace
}  // namespace tollgate::dialects
