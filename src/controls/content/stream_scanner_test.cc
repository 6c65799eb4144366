// A text in pieces has the verdict of the whole, and nothing of a match is out before it is known.
#include "controls/content/stream_scanner.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "base/utf8.h"
#include "controls/content/testing_samples.h"
#include "controls/content/testing_stream.h"

namespace tollgate::content {
namespace {

using testing::cut;
using testing::is_as_whole;
using testing::is_inside_character;
using testing::samples;
using testing::scan_pieces;
using testing::Streamed;

const std::vector<Action>& secrets_alone() {
  static const std::vector<Action> actions = testing::all_refuse(testing::kSecretsPack);
  return actions;
}

void expect_as_whole(std::string_view text, const std::vector<std::string_view>& pieces) {
  const Streamed streamed = scan_pieces(pieces);
  EXPECT_TRUE(streamed.is_sound);
  EXPECT_TRUE(is_as_whole(text, streamed)) << text;
}

TEST(StreamScanner, FindsEverySecretThatIsSplitAnywhere) {
  for (const testing::Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    const std::string text = "Here: \"" + sample.secret + "\"\nThank you.";
    for (std::size_t at = 0; at <= text.size(); ++at) {
      const std::string_view all = text;
      const Streamed streamed = scan_pieces({all.substr(0, at), all.substr(at)});
      ASSERT_EQ(streamed.found.size(), 1U) << at;
      EXPECT_EQ(streamed.found[0].rule, sample.rule);
      EXPECT_TRUE(streamed.is_sound) << at;
    }
    for (std::size_t step = 1; step < 24; ++step) expect_as_whole(text, cut(text, step));
  }
}

TEST(StreamScanner, FindsOneThatTheTextEndsWith) {
  for (const testing::Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    for (const std::size_t step : {1, 3, 7, 1'000}) {
      const Streamed streamed = scan_pieces(cut(sample.secret, step));
      ASSERT_EQ(streamed.found.size(), 1U);
      EXPECT_TRUE(streamed.is_sound);
    }
  }
}

TEST(StreamScanner, FindsAPrivateKeyBehindItsHeaders) {
  for (const std::string br : {"\n", "\r\n", "\\n"}) {
    const std::string begin = "See:" + (br + "-----BEGIN RSA PRIVATE ") + ("KEY-----" + br) +
                              "Proc-Type: 4,ENCRYPTED" + br +
                              "DEK-Info: AES-128-CBC,7347F18FB2949FA680FA8ECE2E5259BC" + br + br;
    const std::string key = begin + "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz/eYSFOdyBwmGwlrIrrNA3V";
    for (const std::string& text : {key + br + "8vQ=", key, begin + "and so on", begin}) {
      for (std::size_t step = 1; step < 40; ++step) {
        const Streamed streamed = scan_pieces(cut(text, step));
        EXPECT_EQ(streamed.found.size(), text.starts_with(key) ? 1U : 0U) << text;
        expect_as_whole(text, cut(text, step));
      }
    }
  }
}

TEST(StreamScanner, FindsNothingInWhatAlmostIsOne) {
  for (const testing::Sample& sample : samples()) {
    SCOPED_TRACE(sample.rule);
    const std::string text = "Here: " + sample.near_miss + "\nThank you.";
    for (std::size_t step = 1; step < 24; ++step) {
      EXPECT_TRUE(scan_pieces(cut(text, step)).found.empty());
    }
  }
}

TEST(StreamScanner, TellsTheSameExtentAsOfTheWhole) {
  const std::string key = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  const std::string text = "caf\u00e9 and " + key + " and so on";
  for (std::size_t step = 1; step < 24; ++step) {
    const Streamed streamed = scan_pieces(cut(text, step));
    ASSERT_EQ(streamed.found.size(), 1U);
    EXPECT_EQ(streamed.found[0].extent.begin, text.find(key));
    EXPECT_EQ(streamed.found[0].extent.end, text.find(key) + key.size());
  }
}

// Hidden characters between all characters, full-width letters, tags, escapes of JSON.
TEST(StreamScanner, ReadsNormalFormsOfSplitTexts) {
  const std::string key = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  const auto each = [&](auto form) {
    std::string text = "so: ";
    for (const char c : key) text += form(c);
    return text + " there";
  };
  const std::string texts[] = {
      each([](char c) { return std::string(1, c) + "\u200b"; }),
      each([](char c) { return "\u200d\u2060" + std::string(1, c); }),
      each(
          [](char c) { return std::string(utf8(0xFEE0U + static_cast<unsigned char>(c)).view()); }),
      each([](char c) {
        return std::string(utf8(0xE0000U + static_cast<unsigned char>(c)).view());
      }),
      each([](char c) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        return std::string("\\u00") + kDigits[static_cast<unsigned char>(c) >> 4] +
               kDigits[c & 0xF];
      }),
      "{\\\"k\\\":\\\"x\\n" + key + "\\\"}",
      "caf\u00e9 \\\\u0041 " + key,
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    for (std::size_t step = 1; step < 40; ++step) {
      const Streamed streamed = scan_pieces(cut(text, step));
      EXPECT_EQ(streamed.found.size(), 1U) << step;
      EXPECT_TRUE(streamed.is_sound) << step;
      EXPECT_TRUE(is_as_whole(text, streamed)) << step;
    }
  }
}

// Secrets, near misses and what stands in texts around them, put together and cut at random.
TEST(StreamScanner, HasTheVerdictOfTheWholeForAnyTextAndAnyCuts) {
  std::mt19937_64 random{11};
  const std::vector<testing::Sample> all = samples();
  const std::string_view between[] = {
      " ",         "\n", "\\n",  "\"",   "=",   ": ",   "a",   "Zz",  "\u200b",       "eyJ", "-",
      "caf\u00e9", "\\", "AKIA", "AZDO", "8Q~", "key-", ":AA", "-us", "\u4e2d\u6587", "sk_"};
  for (int round = 0; round < 4'000; ++round) {
    SCOPED_TRACE(round);
    std::string text;
    for (std::size_t part = 0; part < 1 + random() % 6; ++part) {
      const testing::Sample& sample = all[random() % all.size()];
      const std::string& one = random() % 2 == 0 ? sample.secret : sample.near_miss;
      text += random() % 4 == 0 ? one.substr(0, random() % one.size()) : one;
      for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
        text += between[random() % std::size(between)];
      }
    }
    std::vector<std::string_view> pieces;
    std::size_t begin = 0;
    const std::size_t most = 1 + random() % 40;
    while (begin < text.size()) {
      std::size_t end = std::min(text.size(), begin + 1 + random() % most);
      while (is_inside_character(text, end)) ++end;
      pieces.push_back(std::string_view(text).substr(begin, end - begin));
      begin = end;
    }
    expect_as_whole(text, pieces);
    if (::testing::Test::HasFailure()) break;
  }
}

// Of prose no more waits than the word that it ends with.
TEST(StreamScanner, HoldsNoMoreThanAWordOfProse) {
  std::ifstream file(TOLLGATE_SOURCE_DIR "/bench/prose.txt");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  ASSERT_GT(text.size(), 1'000U);
  StreamScanner scanner(reads_of(secrets_alone()));
  std::vector<StreamMatch> found;
  std::size_t waits = 0;
  for (const std::string_view piece : cut(text, 1)) {
    scanner.read(piece, found);
    const std::size_t held = scanner.size() - scanner.decided();
    const std::string_view end = std::string_view(text).substr(scanner.decided(), held);
    EXPECT_EQ(end.find_first_of(" \n"), std::string_view::npos) << end;
    waits = std::max(waits, held);
  }
  EXPECT_TRUE(found.empty());
  EXPECT_LT(waits, 64U);
}

TEST(StreamScanner, HoldsNothingOfAWordThatHasEnded) {
  StreamScanner scanner(reads_of(secrets_alone()));
  std::vector<StreamMatch> found;
  for (const std::string_view piece :
       {"The quick ", "brown fox, ", "and 42 more. ", "\u4f60\u597d"}) {
    scanner.read(piece, found);
    EXPECT_EQ(scanner.decided(), scanner.size()) << piece;
  }
}

// What keeps windows: a run that is no secret in the end, and a megabyte of near misses.
TEST(StreamScanner, KeepsABoundedWindow) {
  for (const std::string_view unit :
       {"-ATATT3", "-eyJhbGciOiJ", "\u200b", "a", "\\", "A1b2", "eyJ", "\u00e9",
        "-----BEGIN PRIVATE KEY-----\nMIIB", " sk-proj-a1b2c3 AKIAQ3EGRS5 "}) {
    SCOPED_TRACE(unit);
    StreamScanner scanner(reads_of(secrets_alone()));
    std::vector<StreamMatch> found;
    std::size_t most = 0;
    for (std::size_t bytes = 0; bytes < 300'000; bytes += unit.size()) {
      scanner.read(unit, found);
      most = std::max(most, scanner.memory());
    }
    scanner.end(found);
    EXPECT_LT(most, std::size_t{64} << 10);
  }
  StreamScanner scanner(reads_of(secrets_alone()));
  std::vector<StreamMatch> found;
  scanner.read("-----BEGIN PRIVATE KEY-----\\n", found);
  std::size_t most = 0;
  for (int i = 0; i < 200'000; ++i) {
    scanner.read("Ab1", found);
    most = std::max(most, scanner.memory());
  }
  EXPECT_GT(most, std::size_t{64} << 10);
  EXPECT_LT(most, std::size_t{4} << 20);
}

}  // namespace
}  // namespace tollgate::content
