// Personal data and special tokens in texts that come in pieces: the verdict of the whole, and
// nothing of a match is out before it is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/testing_samples.h"
#include "controls/content/testing_stream.h"

namespace tollgate::content {
namespace {

using testing::cut;
using testing::is_as_whole;
using testing::kStreamPacks;
using testing::scan_pieces;
using testing::Streamed;

struct Sample {
  std::string rule;
  std::string text;
  std::string near_miss;
};

std::vector<Sample> numbers() {
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

// Of several patterns, one that is and one that only almost is.
const std::vector<Sample>& tokens() {
  static const std::vector<Sample> made = {
      {"special_tokens.chatml", "<|im_start|>", "<|im_started|>"},
      {"special_tokens.fill_in_middle", "<fim_prefix|>", "<fim prefix>"},
      {"special_tokens.llama3_turn", "<|eot_id|>", "<|eot_idx|>"},
      {"special_tokens.reserved", "<|reserved_special_token_117|>", "<|reserved_1234567|>"},
      {"special_tokens.llama2_instruction", "[/INST]", "[INSTALL]"},
      {"special_tokens.llama2_system", "<<SYS>>", "<<SYSTEM>>"},
      {"special_tokens.sentence_border", "</s>  <s>", "</s>          <s>"},
      {"special_tokens.sentence_border", "</s>user", "</s>users"},
      {"special_tokens.deepseek_roles", "<\uff5cUser\uff5c>", "<\uff5cUsers\uff5c>"},
      {"special_tokens.deepseek_sentence", "<|begin\u2581of_sentence|>", "<|begin of sentence|>"},
      {"special_tokens.anthropic_turns", "\n\nHuman: hi\n\nAssistant: yes", "\n\nAssistant: yes"},
      {"special_tokens.alpaca_turns", "\n### Response:", "\n### Responses:"},
      {"special_tokens.falcon", ">>QUESTION<<", ">>QUESTIONS<<"},
  };
  return made;
}

// Of every one: a line is a rule and a text; % is a line break.
std::vector<Sample> all_tokens() {
  std::vector<Sample> made = tokens();
  std::ifstream file(TOLLGATE_SOURCE_DIR "/tests/vectors/injections.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("special_tokens.")) continue;
    const std::size_t tab = line.find('\t');
    std::string text = line.substr(tab + 1);
    std::ranges::replace(text, '%', '\n');
    made.push_back({line.substr(0, tab), text, text.substr(0, text.size() - 1)});
  }
  return made;
}

std::vector<Sample> all_samples() {
  std::vector<Sample> all = numbers();
  for (const Sample& sample : all_tokens()) all.push_back(sample);
  return all;
}

void expect_as_whole(std::string_view text, const std::vector<std::string_view>& pieces) {
  const Streamed streamed = scan_pieces(pieces, kStreamPacks);
  EXPECT_TRUE(streamed.is_sound) << text;
  EXPECT_TRUE(is_as_whole(text, streamed, kStreamPacks)) << text;
}

void expect_found(const Sample& sample, std::string_view text, std::size_t step) {
  const Streamed streamed = scan_pieces(cut(text, step), kStreamPacks);
  const auto is_of = [&](const StreamMatch& match) { return match.rule == sample.rule; };
  EXPECT_TRUE(std::ranges::any_of(streamed.found, is_of)) << step;
  EXPECT_TRUE(streamed.is_sound) << step;
}

TEST(StreamPacks, FindWhatIsSplitAnywhere) {
  for (const Sample& sample : all_samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.text);
    const std::string within = "Of her we know: " + sample.text + ".\nThank you.";
    for (const std::string& text :
         {within, sample.text, "{\\\"k\\\": \\\"" + sample.text + "\\\"}"}) {
      for (std::size_t step = 1; step < 24; ++step) expect_as_whole(text, cut(text, step));
    }
    for (const std::size_t step : {1, 2, 5, 1'000}) expect_found(sample, within, step);
  }
}

TEST(StreamPacks, FindNothingElseInWhatAlmostIsOne) {
  for (const Sample& sample : all_samples()) {
    SCOPED_TRACE(sample.rule + ": " + sample.near_miss);
    const std::string text = "So: " + sample.near_miss + " \nThank you.";
    for (std::size_t step = 1; step < 24; ++step) expect_as_whole(text, cut(text, step));
  }
}

// Of all packs, put together and cut at random.
TEST(StreamPacks, HaveTheVerdictOfTheWholeForAnyTextAndAnyCuts) {
  std::mt19937_64 random{29};
  std::vector<std::string> parts;
  for (const Sample& sample : all_samples()) {
    parts.push_back(sample.text);
    parts.push_back(sample.near_miss);
  }
  for (const testing::Sample& sample : testing::samples()) parts.push_back(sample.secret);
  const std::string_view between[] = {" ",      "\n",     "\\n",   "\"",  ": ",   "a",       "7",
                                      "\u200b", "-",      ".",     "(",   "+",    "+49",     ".0",
                                      " 12 ",   " 0127 ", "4111 ", "AB",  "@",    "/",       "<",
                                      "<|",     "\uff11", "SSN ",  "12 ", "\n\n", "swift: ", ", "};
  for (int round = 0; round < 6'000; ++round) {
    SCOPED_TRACE(round);
    std::string text;
    for (std::size_t part = 0; part < 1 + random() % 6; ++part) {
      const std::string& one = parts[random() % parts.size()];
      std::size_t size = random() % 4 == 0 ? random() % one.size() : one.size();
      while (testing::is_inside_character(one, size)) ++size;
      text += one.substr(0, size);
      for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
        text += between[random() % std::size(between)];
      }
    }
    expect_as_whole(text, cut(text, 1 + random() % 40));
    if (::testing::Test::HasFailure()) break;
  }
}

// What a number is told by may stand far behind it.
TEST(StreamPacks, TellANumberByItsNeighboursAsTheWholeDoes) {
  for (const std::string_view text : {"4111 1111 1111 1111 123",
                                      "4111 1111 1111 1111 3009",
                                      "4111 1111 1111 1111 0127 123",
                                      "4111 1111 1111 1111 0127 3009",
                                      "4111 1111 1111 1111 12345 678",
                                      "4111 1111 1111 1111 2024-01-02",
                                      "4111 1111 1111 1111 3009 my Visa",
                                      "4111 1111 1111 1111 5500 0000 0000 0004 3009",
                                      "4111 1111 1111 1111 5500 0000 0000 0005",
                                      "3009 4111 1111 1111 1111",
                                      "2024-01-02 4111 1111 1111 1111",
                                      "+49 30 901820 4111 1111 1111 1111",
                                      "+49 30 901820 4111 1111 1111 1112",
                                      "4539148803436467.0",
                                      "4539148803436467.000000",
                                      "4539148803436467.05",
                                      "+6073641856.9",
                                      "+4915123456789.",
                                      "(-33554432, +33554432)",
                                      "+49.15123456789"}) {
    const std::string within = "So: " + std::string(text) + " it is";
    for (std::size_t step = 1; step < 24; ++step) {
      expect_as_whole(text, cut(text, step));
      expect_as_whole(within, cut(within, step));
    }
  }
}

// What waits for the line of a passport goes back to the first character that is of none, and so
// does the line, whatever run of letters and digits it ends or begins with.
TEST(StreamPacks, EndTheLineOfAPassportAtWhatIsNotOfOne) {
  const std::string_view line = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
  const std::string_view shorter = "L898902C36UTO7408122F1204159Z<<<<";
  const std::vector<std::string> texts = {std::string(shorter) + "e10",
                                          std::string(shorter) + "1e0 and so on",
                                          "a1" + std::string(line), std::string(line) + "<a1"};
  for (const std::string& text : texts) {
    for (std::size_t step = 1; step < 48; ++step) expect_as_whole(text, cut(text, step));
    EXPECT_TRUE(scan_pieces({text}, kStreamPacks).found.empty()) << text;
  }
  for (const std::string_view behind : {"", " ", "\n", "-", ", e10"}) {
    const std::string text = std::string(line) + std::string(behind);
    for (std::size_t step = 1; step < 48; ++step) {
      expect_found({"pii.passport_mrz", "", ""}, text, step);
    }
  }
}

// Of prose a word waits, or a number.
TEST(StreamPacks, HoldNoMoreThanAWordOfProse) {
  std::ifstream file(TOLLGATE_SOURCE_DIR "/bench/prose.txt");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  ASSERT_GT(text.size(), 1'000U);
  const Streamed streamed = scan_pieces(cut(text, 1), kStreamPacks);
  EXPECT_TRUE(streamed.found.empty());
  EXPECT_LT(streamed.held_most, 40U);
}

TEST(StreamPacks, HoldNothingOfWordsAndNumbersThatHaveEnded) {
  const std::vector<Action> actions = testing::all_refuse(kStreamPacks);
  StreamScanner scanner(reads_of(actions));
  std::vector<StreamMatch> found;
  for (const std::string_view piece :
       {"The quick ", "brown fox, ", "and 42 of them, ", "in 1984, ", "3.14 or so. ", "[1] ",
        "a < b ", "\u4f60\u597d", "## Title\nand "}) {
    scanner.read(piece, found);
    EXPECT_EQ(scanner.decided(), scanner.size()) << piece;
  }
}

TEST(StreamPacks, KeepABoundedWindow) {
  const std::vector<Action> actions = testing::all_refuse(kStreamPacks);
  for (const std::string_view unit :
       {"4111 1111 ", "1", "a1", "a.b@", "<", "\n", "<|", "P<UTO", "AB ", "(", "\u200b1", "</s>   ",
        "+49 30 ", "\\", "1-", "1."}) {
    SCOPED_TRACE(unit);
    StreamScanner scanner(reads_of(actions));
    std::vector<StreamMatch> found;
    std::size_t most = 0;
    std::size_t held = 0;
    for (std::size_t bytes = 0; bytes < 300'000; bytes += unit.size()) {
      found.clear();
      scanner.read(unit, found);
      most = std::max(most, scanner.memory());
      held = std::max(held, scanner.size() - scanner.decided());
    }
    scanner.end(found);
    EXPECT_LT(most, std::size_t{128} << 10);
    EXPECT_LT(held, 1'000U);
  }
}

}  // namespace
}  // namespace tollgate::content
