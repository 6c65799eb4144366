// What the look at 64 bytes at once tells is what looking at each byte would.
#include "controls/content/survey.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::content {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Told : Survey {
  std::vector<std::size_t> candidates;
};

Told look(std::string_view text) {
  Candidates candidates;
  Told told{survey(text, candidates), {}};
  for (std::size_t at = candidates.next(0); at != Candidates::kNone; at = candidates.next(at + 1)) {
    told.candidates.push_back(at);
  }
  EXPECT_EQ(told.may_be_encoded, !told.candidates.empty());
  return told;
}

bool is_of_run(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("+-/_").find(c) != std::string_view::npos;
}

// Without what would be hex in parts, and what needs one more look than at a byte and its next.
Told byte_by_byte(std::string_view text) {
  Told made;
  std::size_t run = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    const auto byte = static_cast<unsigned char>(c);
    made.has_others |= (byte < ' ' && !is_space(c)) || byte >= 0x7F;
    made.has_escapes |= c == '\\';
    run = is_of_run(c) ? run + 1 : 0;
    if (run == kEncodedMin) made.candidates.push_back(i + 1 - kEncodedMin);
    const auto small = static_cast<char>(next | 0x20);
    const bool is_sign =
        (c == '%' && (is_digit(next) || std::string_view("abcdefux").contains(small))) ||
        (c == '&' && (next == '#' || is_of_run(next))) ||
        (c == '\\' && (next == '\\' || (next | 0x20) == 'x' || (next | 0x20) == 'u'));
    if (is_sign) made.candidates.push_back(i);
  }
  std::ranges::sort(made.candidates);
  return made;
}

// Where the look at a block may see a part of what codes.h reads; how that is told, its own test
// says.
bool may_be_of_code(std::string_view text, std::size_t at) {
  const auto is_alnum = [&](std::size_t i) {
    return i < text.size() && (is_letter(text[i]) || is_digit(text[i]));
  };
  if (std::string_view("=.-").contains(text[at])) return true;
  if (is_alnum(at) && !is_alnum(at - 1) && !is_alnum(at + 1)) return true;
  const auto block = text.substr(at / 64 * 64, 64);
  std::size_t mixed = 0;
  for (std::size_t i = 0; i + 1 < block.size(); ++i) {
    const bool changes = is_letter(block[i]) && is_letter(block[i + 1]) && (block[i] & 0x20) != 0 &&
                         (block[i + 1] & 0x20) == 0;
    mixed += changes ? 1 : 0;
  }
  return mixed >= 2 && is_of_run(text[at]) && (at % 64 == 0 || !is_of_run(text[at - 1]));
}

void expect_same(std::string_view text) {
  const Told told = look(text);
  const Told plain = byte_by_byte(text);
  EXPECT_EQ(told.has_others, plain.has_others) << text;
  EXPECT_EQ(told.has_escapes, plain.has_escapes) << text;
  // Some of what is none by a second look may be among them: at the end of a block.
  for (const std::size_t at : plain.candidates) {
    EXPECT_EQ(std::ranges::count(told.candidates, at), 1) << at << " of " << text;
  }
  for (const std::size_t at : told.candidates) {
    EXPECT_TRUE(at % 64 == 63 || std::ranges::count(plain.candidates, at) == 1 ||
                may_be_of_code(text, at))
        << at << " of " << text;
  }
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

TEST(Survey, TellsRunsAcrossBlocks) {
  for (std::size_t size = 1; size < 150; ++size) {
    for (std::size_t at = 0; at + size < 270; at += 1 + size / 40) {
      std::string text(270, ',');
      text.replace(at, size, size, 'q');
      const Told told = look(text);
      const bool is_long = size >= kEncodedMin;
      EXPECT_EQ(told.candidates, is_long ? std::vector{at} : std::vector<std::size_t>())
          << at << " " << size;
    }
  }
}

TEST(Survey, TellsWideWhiteSpace) {
  for (std::size_t size = 1; size < 150; ++size) {
    for (std::size_t at = 0; at + size < 270; ++at) {
      std::string text(270, '.');
      for (std::size_t i = at; i < at + size; ++i) text[i] = " \n\t\r"[i % 4];
      EXPECT_EQ(look(text).has_gaps, size > kSpacesMax) << at << " " << size;
    }
  }
}

TEST(Survey, TellsNumbersInHexWhereverTheyStand) {
  for (std::size_t at = 0; at < 150; ++at) {
    const std::string before(at, ',');
    for (const char* text : {"41 4b 49 41 51 33 45 47", "41:4B:49:41:51:33:45:47.",
                             "41, 4B, 49, 41, 51, 33, 45, 47"}) {
      // One of the first half, from which the first is found.
      const Told told = look(before + text);
      ASSERT_FALSE(told.candidates.empty()) << at;
      EXPECT_LT(told.candidates.front(), at + 16) << at;
    }
    for (const char* text : {"0x41, 0x4b, 0x49", "0X41,0x4B."}) {
      const Told told = look(before + text);
      ASSERT_FALSE(told.candidates.empty()) << at;
      EXPECT_EQ(told.candidates.front(), at);
    }
    EXPECT_TRUE(look(before + "to be or it is on me").candidates.empty()) << at;
  }
}

TEST(Survey, TellsWordsOfTwoScripts) {
  const std::string cyrillic = "\u043f\u0440\u0438\u0432\u0435\u0442";
  for (std::size_t at = 0; at < 140; ++at) {
    const std::string before(at, ',');
    EXPECT_FALSE(look(before + "word " + cyrillic + ", word").may_mix);
    EXPECT_FALSE(look(before + "caf\u00e9 na\u00efve \u2019tis").may_mix);
    EXPECT_FALSE(look(before + cyrillic).may_mix);
    EXPECT_TRUE(look(before + "word" + cyrillic).may_mix) << at;
    EXPECT_TRUE(look(before + cyrillic + "word").may_mix) << at;
    EXPECT_TRUE(look(before + "p\u0430ypal").may_mix) << at;
    EXPECT_TRUE(look(before + "TNF\u03b1").may_mix) << at;
    EXPECT_TRUE(look(before + "\u0555pen").may_mix) << at;
  }
}

TEST(Survey, IsTheSameForAnyText) {
  std::mt19937_64 random{17};
  constexpr std::string_view kOften = "ghijkl XYZ -_/+ \n\tgh%&\\#u";
  for (int step = 0; step < 5000; ++step) {
    std::string text;
    for (std::size_t i = random() % 300; i > 0; --i) {
      char c = kOften[random() % kOften.size()];
      if (random() % 300 == 0) c = static_cast<char>(random());
      // Not what would be hex in parts.
      text.push_back(is_digit(c) ? 'q' : c);
    }
    expect_same(text);
  }
}

}  // namespace
}  // namespace tollgate::content
