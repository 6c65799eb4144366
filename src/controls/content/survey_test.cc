// What the look at 64 bytes at once tells is what looking at each byte would.
#include "controls/content/survey.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace tollgate::content {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Survey byte_by_byte(std::string_view text) {
  Survey made;
  std::size_t run = 0;
  bool is_after_space = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    made.has_others |= (byte < ' ' && !is_space(c)) || byte >= 0x7F;
    made.has_escapes |= c == '\\';
    made.has_marks |= c == '%' || c == '&';
    made.has_spaces |= is_space(c) && is_after_space;
    is_after_space = is_space(c);
    const bool is_base64 =
        is_letter(c) || is_digit(c) || std::string_view("+-/_").find(c) != std::string_view::npos;
    run = is_base64 ? run + 1 : 0;
    made.has_runs |= run >= kEncodedMin;
  }
  return made;
}

void expect_same(std::string_view text) {
  const Survey told = survey(text);
  const Survey plain = byte_by_byte(text);
  EXPECT_EQ(told.has_others, plain.has_others) << text;
  EXPECT_EQ(told.has_escapes, plain.has_escapes) << text;
  EXPECT_EQ(told.has_marks, plain.has_marks) << text;
  EXPECT_EQ(told.has_spaces, plain.has_spaces) << text;
  EXPECT_EQ(told.has_runs, plain.has_runs) << text;
}

TEST(Survey, TellsEachByteAtEachPlace) {
  for (int c = 0; c < 256; ++c) {
    for (const std::size_t at : {0UL, 15UL, 31UL, 32UL, 63UL, 64UL, 100UL, 129UL}) {
      std::string text(130, '.');
      text[at] = static_cast<char>(c);
      expect_same(text);
      // Whether it is of a run, too.
      std::string run(130, '.');
      for (std::size_t i = at; i < std::min<std::size_t>(at + 16, 130); ++i) {
        run[i] = static_cast<char>(c);
      }
      expect_same(run);
    }
  }
}

TEST(Survey, TellsRunsAndSpacesAcrossBlocks) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at + size < 200; ++at) {
      std::string text(200, '.');
      text.replace(at, size, size, 'a');
      EXPECT_EQ(survey(text).has_runs, size >= kEncodedMin) << at << " " << size;
      text.replace(at, size, size, ' ');
      EXPECT_EQ(survey(text).has_spaces, size >= 2) << at << " " << size;
    }
  }
}

TEST(Survey, TellsNumbersInHexWhereverTheyStand) {
  for (std::size_t at = 0; at < 150; ++at) {
    const std::string before(at, '.');
    EXPECT_TRUE(survey(before + "41 4b 49 41 51 33 45 47").has_runs) << at;
    EXPECT_TRUE(survey(before + "41:4B:49:41:51:33:45:47.").has_runs) << at;
    EXPECT_TRUE(survey(before + "41, 4B, 49, 41, 51, 33, 45, 47").has_runs) << at;
    EXPECT_TRUE(survey(before + "0x41, 0x4b, 0x49").has_runs) << at;
    EXPECT_TRUE(survey(before + "0x41,0X4B.").has_runs) << at;
    EXPECT_FALSE(survey(before + "to be or it is on me").has_runs) << at;
    EXPECT_FALSE(survey(before + "0x41 and 0x4b, box 0x12345").has_runs) << at;
  }
}

TEST(Survey, IsTheSameForAnyText) {
  std::mt19937_64 random{17};
  constexpr std::string_view kOften = "abcdefXYZ -_/+ \n\tgh09%";
  for (int step = 0; step < 5000; ++step) {
    std::string text;
    for (std::size_t i = random() % 300; i > 0; --i) {
      // Not what would be hex, which byte_by_byte() does not tell.
      char c = kOften[random() % kOften.size()];
      if (random() % 300 == 0) c = static_cast<char>(random());
      text.push_back(is_digit(c) || (c | 0x20) == 'x' ? 'q' : c);
      if (random() % 3 == 0) text.push_back('g');
    }
    const Survey told = survey(text);
    const Survey plain = byte_by_byte(text);
    EXPECT_EQ(told.has_others, plain.has_others) << text;
    EXPECT_EQ(told.has_spaces, plain.has_spaces) << text;
    EXPECT_TRUE(told.has_runs || !plain.has_runs) << text;
  }
}

}  // namespace
}  // namespace tollgate::content
