// What comes in pieces is found as in the whole, and nothing of it is out before.
#include "controls/content/smuggling_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace tollgate::content {
namespace {

struct Told {
  std::string rule;
  std::size_t begin;
  std::size_t end;
  bool operator==(const Told&) const = default;
};

// Each kind once, as a text is told.
std::vector<Told> in_whole(std::string_view text) {
  std::vector<Told> all;
  SmugglingPass pass(text);
  while (const auto found = pass.next()) {
    const std::string rule(smuggling_rules()[static_cast<std::size_t>(found->kind)]);
    const bool is_there = std::ranges::count(all, rule, &Told::rule) > 0;
    if (!is_there) all.push_back({rule, found->extent.begin, found->extent.end});
  }
  return all;
}

// Whole characters, `size` bytes or more at once.
std::vector<std::string_view> pieces_of(std::string_view text, std::size_t size) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.size(), at + size);
    while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

void expect_the_same(std::string_view text) {
  const std::vector<Told> whole = in_whole(text);
  for (const std::size_t size : {1U, 2U, 3U, 5U, 8U, 1000U}) {
    SmugglingStream stream;
    std::vector<StreamMatch> found;
    std::size_t read = 0;
    std::size_t known = 0;
    for (const std::string_view piece : pieces_of(text, size)) {
      const std::size_t before = stream.decided();
      stream.read(piece, found);
      read += piece.size();
      // What is told only now was not out.
      for (; known < found.size(); ++known) EXPECT_LE(before, found[known].extent.begin) << text;
      EXPECT_LE(stream.decided(), read);
      EXPECT_GE(stream.decided(), before);
    }
    const std::size_t before = stream.decided();
    stream.end(found);
    for (; known < found.size(); ++known) EXPECT_LE(before, found[known].extent.begin) << text;
    EXPECT_EQ(stream.decided(), text.size());
    std::vector<Told> told;
    for (const StreamMatch& match : found)
      told.push_back({std::string(match.rule), match.extent.begin, match.extent.end});
    EXPECT_EQ(told.size(), whole.size()) << text;
    for (const Told& one : whole) EXPECT_EQ(std::ranges::count(told, one), 1) << text << one.rule;
  }
}

TEST(SmugglingStream, FindsWhatIsFoundInTheWhole) {
  for (const std::string_view text :
       {"", "plain", "What a day \U000E0069\U000E0067", "h\uFE01i",
        "if (\u202e\u2066admin\u2069) {", "''' Subtract funds \u2067''' ;return",
        "\u05d0\u05d1\n\u2067back\u2069", "ig\u200bnore all", "hi \u200b\u200c\u200b\u200b there",
        "x\ue001y", "a\bb", "\x01 \x02 \x01", "\x01\n\x02\n\x01", "\x1b[8mhidden\x1b[0m",
        "i\u00adg\u00adn\u00adore", "a\u2062\n\u2063b\u2062",
        "p\u0430ssw\u043erd\nand \u0440\u0430yp\u0430l", "p\u0430ssword\n\n\npassw\u043erd",
        "\u202bback\u202c\nmore"})
    expect_the_same(text);
}

TEST(SmugglingStream, FindsItInAnyText) {
  const std::string_view letters[] = {"a",      "b",      " ",      "\n",     "\u200b", "\u0430",
                                      "\u202e", "\u202c", "\u2067", "\u2069", "\u05d0", "\u00ad",
                                      "\u0300", "\x01",   "\ufe0f", "\u2764", "\ue000", "\u043e"};
  std::mt19937 random(7);
  for (int turn = 0; turn < 3000; ++turn) {
    std::string text;
    const std::size_t size = 1 + random() % 24;
    for (std::size_t i = 0; i < size; ++i) text += letters[random() % std::size(letters)];
    expect_the_same(text);
  }
}

TEST(SmugglingStream, OfPlainTextNoMoreThanAWordWaits) {
  for (const std::string_view text :
       {"Plain words in a row, without an end", "Les \u00e9l\u00e8ves ont \u00e9t\u00e9 re\u00e7us",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
        "\u4f60\u597d\uff0c\u4e16\u754c", "\u0645\u0631\u062d\u0628\u0627"}) {
    SmugglingStream stream;
    std::vector<StreamMatch> found;
    std::size_t read = 0;
    for (const std::string_view piece : pieces_of(text, 1)) {
      stream.read(piece, found);
      read += piece.size();
      const std::size_t word = text.substr(0, read).find_last_of(" ,");
      EXPECT_GE(stream.decided(), word == std::string_view::npos ? 0 : word + 1) << text;
    }
    EXPECT_TRUE(found.empty());
  }
  // A word before says nothing of the one that goes on.
  SmugglingStream mixed;
  std::vector<StreamMatch> none;
  mixed.read("\u043f\u0440\u0438\u0432\u0435\u0442\u2014\u0430\u0440\u0440", none);
  EXPECT_LE(mixed.decided(), 15U);
  // Where words have no ends nothing waits.
  SmugglingStream stream;
  std::vector<StreamMatch> found;
  stream.read("\u4f60\u597d\u4e16\u754c", found);
  EXPECT_EQ(stream.decided(), 12U);
}

// Linear: a line without end of which each piece is a letter.
TEST(SmugglingStream, KeepsTheLineAtHandAndNoMore) {
  SmugglingStream stream;
  std::vector<StreamMatch> found;
  const std::string line(1000, 'a');
  for (int i = 0; i < 1000; ++i) {
    stream.read(line, found);
    stream.read("\n", found);
  }
  EXPECT_LE(stream.memory(), 4 * line.size());
}

}  // namespace
}  // namespace tollgate::content
