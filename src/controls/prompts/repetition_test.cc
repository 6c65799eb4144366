// What repeats itself without an end is found, and nothing that people write or ask for.
#include "controls/prompts/repetition.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>
#include <string>

namespace tollgate::prompts {
namespace {

// After how many bytes it is found; 0: it is not.
std::size_t found_after(std::string_view text, std::size_t step = 5) {
  Repetition repetition;
  for (std::size_t at = 0; at < text.size(); at += step) {
    if (repetition.read(text.substr(at, step))) return at + step;
  }
  return 0;
}

std::string times(std::string_view unit, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += unit;
  return text;
}

std::string prose() {
  std::ifstream file(TOLLGATE_SOURCE_DIR "/bench/prose.txt");
  std::stringstream all;
  all << file.rdbuf();
  return all.str();
}

TEST(Repetition, IsFoundForEveryPeriodSoonAfterItIsLongEnough) {
  std::mt19937_64 random{3};
  const std::string before = prose();
  ASSERT_GT(before.size(), 1'000U);
  for (std::size_t period = 1; period <= Repetition::kPeriodMax; ++period) {
    SCOPED_TRACE(period);
    std::string unit;
    while (unit.size() < period) unit += static_cast<char>('a' + random() % 26);
    const std::size_t needed = std::max(Repetition::kBytesLeast, Repetition::kTimesLeast * period);
    const std::string text = before + times(unit, needed / period + 8);
    const std::size_t after = found_after(text);
    EXPECT_GE(after, before.size() + needed - 2 * period);
    EXPECT_LE(after, before.size() + needed + 4 * period + 32);
  }
}

// Periods that hold shorter ones, which are taken for the period at first.
TEST(Repetition, IsFoundWhereThePeriodRepeatsItselfWithin) {
  for (const std::string& unit :
       {times("a", 20) + times("b", 20), times("ab", 30) + "c", times("\n", 30) + "end",
        times("no no no ", 10) + "yes ", times("0", 200) + "1"}) {
    EXPECT_GT(found_after(times(unit, 1'000)), 0U) << unit;
  }
  const std::string line = prose().substr(0, 700);
  std::string one;
  for (const char c : line) one += c == '\n' ? ' ' : c;
  EXPECT_GT(found_after(times(one + "\n", 100)), 0U) << "a line that is longer than any period";
}

TEST(Repetition, IsTheSameHoweverItIsCut) {
  const std::string text = prose() + times("I will. ", 2'000);
  const std::size_t after = found_after(text, 1);
  ASSERT_GT(after, 0U);
  for (const std::size_t step : {2, 3, 7, 64, 4'000}) {
    EXPECT_GE(found_after(text, step), after);
    EXPECT_LT(found_after(text, step), after + step);
  }
}

TEST(Repetition, IsNotWhatPeopleAskFor) {
  std::mt19937_64 random{5};
  std::string table = "| id | name | value |\n|----|------|-------|\n";
  for (int i = 0; i < 2'000; ++i) table += "| " + std::to_string(i) + " | n | 0 |\n";
  std::string base64;
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int i = 0; i < 60'000; ++i) base64 += kDigits[random() % kDigits.size()];
  std::string art;
  for (int row = 0; row < 200; ++row) {
    art += times(" ", static_cast<std::size_t>(100 - row % 100)) +
           times("*", static_cast<std::size_t>(row % 100)) + "\n";
  }
  std::string code;
  for (int i = 0; i < 500; ++i) {
    code += "    case " + std::to_string(i) + ":\n      return names[" + std::to_string(i) + "];\n";
  }
  const std::pair<const char*, std::string> texts[] = {
      {"prose", prose() + prose()},
      {"a table", table},
      {"base64", base64},
      {"base64 of zeros", times("A", 5'000)},
      {"ASCII art", art},
      {"code", code},
      {"zeros", "[" + times("0, ", 2'500) + "0]"},
      {"a matrix of zeros", times("[" + times("0, ", 31) + "0],\n", 60)},
      {"rulers", times(times("-", 80) + "\n" + prose().substr(0, 200), 50)},
      {"a song", times(prose().substr(0, 600), 12)},
      {"a hundred lines", times("I will not talk in class.\n", 100)},
      {"blank lines", times("\n", 500)},
      {"numbers",
       [] {
         std::string text;
         for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + "\n";
         return text;
       }()},
  };
  for (const auto& [name, text] : texts) EXPECT_EQ(found_after(text), 0U) << name;
}

}  // namespace
}  // namespace tollgate::prompts
