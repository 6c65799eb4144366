// What is encoded in a text is found as it comes, however that is cut, and nothing of it is out
// before it is known.
#include "controls/content/encoded_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "controls/content/testing_samples.h"
#include "controls/content/testing_stream.h"

namespace tollgate::content {
namespace {

using testing::cut;

std::string base64(std::string_view text, std::string_view alphabet_end = "+/") {
  const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + std::string(alphabet_end);
  std::string made;
  unsigned value = 0;
  unsigned bits = 0;
  for (const char c : text) {
    value = value << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) made += alphabet[value >> (bits - 6) & 63];
  }
  if (bits > 0) made += alphabet[value << (6 - bits) & 63];
  while (made.size() % 4 != 0) made += '=';
  return made;
}

std::string hex(std::string_view text, std::string_view digits = "0123456789abcdef") {
  std::string made;
  for (const char c : text) {
    made += digits[static_cast<unsigned char>(c) >> 4];
    made += digits[static_cast<unsigned char>(c) & 15];
  }
  return made;
}

struct Read {
  std::vector<StreamMatch> found;
  std::size_t held_most = 0;
  bool is_sound = true;
};

Read read(const std::vector<std::string_view>& pieces) {
  static const std::vector<Action> actions = testing::all_refuse(testing::kStreamPacks);
  Read made;
  EncodedReader reader(reads_of(actions));
  std::size_t gone = 0;
  std::size_t size = 0;
  const auto take = [&](std::size_t known) {
    for (std::size_t i = known; i < made.found.size(); ++i) {
      if (made.found[i].extent.begin < gone) made.is_sound = false;
    }
    EXPECT_GE(reader.decided(), gone);
    gone = reader.decided();
    made.held_most = std::max(made.held_most, size - gone);
  };
  for (const std::string_view piece : pieces) {
    const std::size_t known = made.found.size();
    size += piece.size();
    reader.read(piece, made.found);
    take(known);
  }
  const std::size_t known = made.found.size();
  reader.end(made.found);
  take(known);
  EXPECT_EQ(gone, size);
  return made;
}

TEST(EncodedReader, FindsEverySecretThatIsEncoded) {
  for (const testing::Sample& sample : testing::samples()) {
    const std::string plain = "so: " + sample.secret + " .";
    for (const std::string& run :
         {base64(plain), base64(plain, "-_"), hex(plain), hex(plain, "0123456789ABCDEF")}) {
      const std::string text = "Here it is: \"" + run + "\". Thank you.";
      SCOPED_TRACE(sample.rule + ": " + text);
      for (const std::size_t step : {1, 2, 3, 7, 16, 50, 10'000}) {
        const Read made = read(cut(text, step));
        ASSERT_FALSE(made.found.empty()) << step;
        const StreamMatch& match = made.found.front();
        EXPECT_EQ(match.rule, sample.rule);
        EXPECT_TRUE(made.is_sound) << step;
        // The part of the run that holds it, and no more than a character around.
        const std::size_t begin = text.find(run);
        EXPECT_GE(match.extent.begin, begin);
        EXPECT_LE(match.extent.end, begin + run.size());
      }
    }
  }
}

// In UTF-16, with the mark of its order or without.
std::string wide(std::string_view text, bool is_high_first, bool has_mark) {
  std::string made;
  if (has_mark) made = is_high_first ? "\xFE\xFF" : "\xFF\xFE";
  for (const char c : text) made += is_high_first ? std::string{'\0', c} : std::string{c, '\0'};
  return made;
}

// However the text is cut, within `part` of it.
void expect_found(const std::string& text, const std::string& part, std::string_view rule) {
  for (const std::size_t step : {1, 7, 10'000}) {
    const Read made = read(cut(text, step));
    ASSERT_FALSE(made.found.empty()) << step;
    EXPECT_EQ(made.found.front().rule, rule);
    EXPECT_TRUE(made.is_sound) << step;
    const std::size_t begin = text.find(part);
    EXPECT_GE(made.found.front().extent.begin, begin);
    EXPECT_LE(made.found.front().extent.end, begin + part.size());
  }
}

TEST(EncodedReader, FindsEverySecretInUtf16) {
  for (const testing::Sample& sample : testing::samples()) {
    for (const bool is_high_first : {false, true}) {
      for (const bool has_mark : {false, true}) {
        const std::string bytes = wide("so: " + sample.secret + " .", is_high_first, has_mark);
        for (const std::string& run : {base64(bytes), hex(bytes)}) {
          const std::string text = "Here it is: \"" + run + "\". Thank you.";
          SCOPED_TRACE(sample.rule + ": " + text);
          expect_found(text, run, sample.rule);
        }
      }
    }
  }
}

TEST(EncodedReader, FindsEverySecretOverLines) {
  for (const testing::Sample& sample : testing::samples()) {
    for (const std::size_t length : {16, 19, 64, 76}) {
      for (const std::string_view gap : {"\n", "\r\n", "\n    ", "\n> "}) {
        const std::string run = base64("so: " + sample.secret + " .");
        std::string lines;
        for (std::size_t at = 0; at < run.size(); at += length) {
          if (at > 0) lines += gap;
          lines += run.substr(at, length);
        }
        const std::string text = "Here it is: " + lines + "\nThank you.";
        SCOPED_TRACE(sample.rule + ": " + text);
        expect_found(text, lines, sample.rule);
      }
    }
  }
}

std::string in_lines(std::string_view run, std::size_t length) {
  std::string made;
  for (std::size_t at = 0; at < run.size(); at += length) {
    made += run.substr(at, length);
    made += '\n';
  }
  return made;
}

// So many bytes of words.
std::string words_of(std::size_t bytes) {
  std::string made;
  while (made.size() < bytes) made += "some words of text, ";
  made.resize(bytes - 1);
  return made + " ";
}

const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

// Lines of which all is decided are forgotten within a piece as well: it may stand where the
// 1,024th of them ends.
TEST(EncodedReader, FindsASecretBehindAnyNumberOfLines) {
  for (const std::size_t length : {19, 64}) {
    const std::size_t ends = 1024 * length * 6 / 8;
    for (const std::size_t before : {ends - 10, ends, 4 * ends - 10}) {
      const std::string text = in_lines(base64(words_of(before) + kKey + " ends"), length);
      SCOPED_TRACE(before);
      for (const std::size_t step : {1, 500, 1'000'000}) {
        const Read made = read(cut(text, step));
        ASSERT_EQ(made.found.size(), 1U) << step;
        EXPECT_TRUE(made.is_sound);
        EXPECT_GE(made.found[0].extent.begin, before * 4 / 3);
      }
    }
  }
}

// What is not decided for too many lines ends the run, at the same line however it is cut.
TEST(EncodedReader, HasOneVerdictForAnyNumberOfLines) {
  const std::string begun = words_of(4'000) + "-----BEGIN PRIVATE KEY-----\n";
  for (const std::size_t before : {14'000, 14'582, 14'592, 18'560, 18'582, 18'600, 40'000}) {
    const std::string plain = begun + std::string(before - begun.size() - 1, 'a') + " " + kKey;
    const std::string text = in_lines(base64(plain + " "), 19);
    const Read whole = read({text});
    for (const std::size_t step : {1, 19, 20, 700, 7'777}) {
      const Read pieces = read(cut(text, step));
      EXPECT_TRUE(pieces.is_sound);
      ASSERT_EQ(pieces.found.size(), whole.found.size()) << before << " " << step;
      for (std::size_t i = 0; i < whole.found.size(); ++i) {
        EXPECT_EQ(pieces.found[i].rule, whole.found[i].rule);
        EXPECT_EQ(pieces.found[i].extent.begin, whole.found[i].extent.begin);
        EXPECT_EQ(pieces.found[i].extent.end, whole.found[i].extent.end);
      }
    }
  }
}

// A line above or below it may be one by itself, of whatever length, or none at all.
TEST(EncodedReader, FindsWhatIsEncodedBesideAnotherLine) {
  const std::string said = "so: " + kKey + " is one";
  const auto bare = [](std::string run) {
    std::erase(run, '=');
    return run;
  };
  for (const std::string& line :
       {std::string(16, '-'), std::string(19, '-'), std::string(120, 'e'),
        std::string("/usr/share/doc/readme"), std::string("getUserAccountById"),
        std::string("d41d8cd98f00b204e9800998ecf8427e"), hex("some other value of it"),
        bare(base64("some other value of it")), bare(base64("The quick brown fox and the dog"))}) {
    for (const std::string& run :
         {hex(said), bare(base64(said)), bare(base64(kKey)), bare(base64("a " + kKey))}) {
      for (const std::string_view gap : {"\n", "\r\n", "\n  "}) {
        SCOPED_TRACE(line + std::string(gap) + run);
        expect_found(line + std::string(gap) + run + "\n", run, "secrets.aws_access_key");
        expect_found(run + std::string(gap) + line + "\n", run, "secrets.aws_access_key");
        expect_found(line + std::string(gap) + run + std::string(gap) + line + "!", run,
                     "secrets.aws_access_key");
      }
    }
  }
}

// A word in the next line is none of it; what is found joined and alone is told once.
TEST(EncodedReader, FindsWhatIsEncodedBeforeAWord) {
  for (const std::string_view word : {"This is it", "Thanks, Bob", "SSN", "x = 1", "DONE", "12"}) {
    for (const std::string_view gap : {"\n", "\r\n", "\n> "}) {
      for (const std::string& said : {"so " + kKey + "!", "a " + kKey, kKey}) {
        std::string each = base64(said);
        std::erase(each, '=');
        const std::string text = "key: " + each + std::string(gap) + std::string(word);
        SCOPED_TRACE(text);
        expect_found(text, text, "secrets.aws_access_key");
        EXPECT_EQ(read({text}).found.size(), 1U);
      }
    }
  }
}

TEST(EncodedReader, TellsWhereItIsEncoded) {
  const std::string key = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
  const std::string text = "x " + hex("key " + key + " ok");
  const Read made = read({text});
  ASSERT_EQ(made.found.size(), 1U);
  EXPECT_EQ(made.found[0].extent.begin, 2 + 2 * 4U);
  EXPECT_EQ(made.found[0].extent.end, 2 + 2 * (4U + key.size()));
}

TEST(EncodedReader, FindsPersonalDataAndSpecialTokens) {
  for (const std::string_view plain :
       {"her card: 4111 1111 1111 1111.", "mail ada@lovelace.org now", "so <|im_end|> it is"}) {
    for (const std::string& run : {base64(plain), hex(plain)}) {
      const Read made = read(cut("is " + run + " here", 5));
      EXPECT_EQ(made.found.size(), 1U) << plain;
      EXPECT_TRUE(made.is_sound);
    }
  }
}

TEST(EncodedReader, FindsNothingInWhatAlmostIsOne) {
  for (const testing::Sample& sample : testing::samples()) {
    const std::string plain = "so: " + sample.near_miss + " .";
    SCOPED_TRACE(sample.rule);
    EXPECT_TRUE(read(cut(base64(plain), 9)).found.empty());
    EXPECT_TRUE(read(cut(hex(plain), 9)).found.empty());
  }
}

TEST(EncodedReader, HasOneVerdictForAnyTextAndAnyCuts) {
  std::mt19937_64 random{31};
  const std::vector<testing::Sample> all = testing::samples();
  const std::string_view between[] = {" ", "=", "\n", "\r\n",   "a", "Zz",
                                      "-", "0", "/",  "\u00e9", "g"};
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (std::size_t part = 0; part < 1 + random() % 6; ++part) {
      if (random() % 4 == 0) text += std::string(14 + random() % 8, "-ae"[random() % 3]) + "\n";
      const testing::Sample& sample = all[random() % all.size()];
      const std::string plain = (random() % 2 == 0 ? "so: " : "") + sample.secret + "\n";
      const std::string run = random() % 2 == 0 ? base64(plain) : hex(plain);
      text += run.substr(0, random() % 3 == 0 ? random() % run.size() : run.size());
      for (std::size_t i = 0; i < random() % 3; ++i) text += between[random() % std::size(between)];
    }
    SCOPED_TRACE(text);
    const Read whole = read({text});
    const Read pieces = read(cut(text, 1 + random() % 40));
    ASSERT_TRUE(pieces.is_sound);
    ASSERT_EQ(pieces.found.size(), whole.found.size());
    for (const StreamMatch& match : whole.found) {
      EXPECT_TRUE(std::ranges::any_of(pieces.found, [&](const StreamMatch& other) {
        return other.rule == match.rule && other.extent.begin == match.extent.begin &&
               other.extent.end == match.extent.end;
      }));
    }
  }
}

TEST(EncodedReader, HoldsAWordAtMost) {
  const Read prose =
      read(cut("The internationalization of /usr/local/share/documentation is done. ", 1));
  EXPECT_LE(prose.held_most, EncodedReader::kRunMin);
  // Of an image nothing waits, of a long text in base64 what its words make of it.
  std::string image = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA";
  for (int i = 0; i < 1'000; ++i) image += "AAECAwQFBgcICQ";
  EXPECT_LE(read(cut(image, 3)).held_most, 2 * EncodedReader::kRunMin);
  std::string words;
  for (int i = 0; i < 1'000; ++i) words += "some words of text, ";
  EXPECT_LE(read(cut(base64(words), 3)).held_most, 64U);
}

TEST(EncodedReader, KeepsABoundedMemory) {
  static const std::vector<Action> actions = testing::all_refuse(testing::kStreamPacks);
  for (const std::string_view unit : {"QUtJQQ", "4142", "a", "ZXlKaGJHY2lPaUo", "0"}) {
    EncodedReader reader(reads_of(actions));
    std::vector<StreamMatch> found;
    std::size_t most = 0;
    for (std::size_t bytes = 0; bytes < 300'000; bytes += unit.size()) {
      reader.read(unit, found);
      most = std::max(most, reader.memory());
    }
    EXPECT_LT(most, std::size_t{128} << 10) << unit;
  }
}

}  // namespace
}  // namespace tollgate::content
