#include "tokens/vocabulary.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>

#include "base/check.h"
#include "tokens/tables.h"

namespace tollgate::tokens {
namespace {

// Loading takes its time, so each vocabulary is loaded once a run.
const Vocabulary& vocabulary(std::string_view name) {
  static std::map<std::string_view, std::unique_ptr<const Vocabulary>> loaded;
  std::unique_ptr<const Vocabulary>& wanted = loaded[name];
  if (wanted == nullptr) {
    // One that lies with what it is held to.
    const std::string path = TOLLGATE_SOURCE_DIR "/tests/golden/unigram.json";
    FaultOr<std::unique_ptr<const Vocabulary>> read =
        Vocabulary::load(name == "unigram" ? std::string_view(path) : name, TOLLGATE_VOCABULARIES);
    CHECK(read);
    wanted = std::move(*read);
  }
  return *wanted;
}

std::string decode_base64(std::string_view base64) {
  std::string bytes(base64.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                  reinterpret_cast<const unsigned char*>(base64.data()),
                  static_cast<int>(base64.size()));
  bytes.resize(bytes.size() - std::min<std::size_t>(2, std::ranges::count(base64, '=')));
  return bytes;
}

std::string encode_base64(std::string_view bytes) {
  std::string base64((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  base64.pop_back();
  return base64;
}

struct Golden {
  std::string text;
  std::vector<std::uint32_t> ids;
};

std::vector<Golden> golden(std::string_view name) {
  std::ifstream file(std::string(TOLLGATE_SOURCE_DIR "/tests/golden/tokens_") + std::string(name) +
                     ".txt");
  std::vector<Golden> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string base64;
    fields >> base64;
    Golden read{decode_base64(base64), {}};
    for (std::uint32_t id; fields >> id;) read.ids.push_back(id);
    cases.push_back(std::move(read));
  }
  return cases;
}

// A text of anything: words, other scripts, white space, and bytes that are no UTF-8.
std::string any_text(std::mt19937_64& random) {
  static constexpr std::string_view kAtoms[] = {"token",
                                                " the",
                                                "Don't",
                                                "'LL",
                                                " ",
                                                "  ",
                                                "\n",
                                                "\r\n",
                                                "\t",
                                                "12345",
                                                "HTTPServer",
                                                "!=",
                                                "//",
                                                "\xe4\xbd\xa0\xe5\xa5\xbd",
                                                "\xf0\x9f\x98\x80",
                                                "\xcc\x81",
                                                "\xc5\xbf",
                                                "\xe4\xbd",
                                                "\xff",
                                                "\x80",
                                                "\xed\xa0\x80",
                                                "\xc2\xa0",
                                                "\xd0\x9f\xd1\x80",
                                                "A",
                                                "aaaa",
                                                "'",
                                                "\0x"};
  std::string text;
  for (auto atoms = random() % 30; atoms > 0; --atoms) {
    text += random() % 16 == 0 ? std::string(1, static_cast<char>(random()))
                               : std::string(kAtoms[random() % std::size(kAtoms)]);
  }
  return text;
}

class OfVocabulary : public testing::TestWithParam<std::string_view> {
 protected:
  const Vocabulary& vocabulary_ = vocabulary(GetParam());
  Counter counter_{vocabulary_};
};

// One of each file; the other names are held to these.
INSTANTIATE_TEST_SUITE_P(Tokens, OfVocabulary,
                         testing::Values("o200k_base", "cl100k_base", "p50k_base", "r50k_base",
                                         "llama3", "qwen2_5", "deepseek_v3", "mistral_nemo",
                                         "llama2", "gemma3", "unigram"),
                         [](const auto& of) { return std::string(of.param); });

TEST_P(OfVocabulary, GivesTheIdsOfTheReference) {
  const std::vector<Golden> cases = golden(GetParam());
  ASSERT_GE(cases.size(), 2000u);
  for (const Golden& expected : cases) {
    ASSERT_EQ(counter_.ids(expected.text), expected.ids) << expected.text;
    ASSERT_EQ(counter_.count(expected.text), static_cast<Tokens>(expected.ids.size()))
        << expected.text;
  }
}

TEST_P(OfVocabulary, CountsTheSameColdAndWarm) {
  std::mt19937_64 random{3};
  for (int step = 0; step < 3000; ++step) {
    const std::string text = any_text(random);
    const auto ids = static_cast<Tokens>(counter_.ids(text).size());
    ASSERT_EQ(counter_.count(text), ids) << step;
    ASSERT_EQ(counter_.count(text), ids) << step;
  }
}

// Words and what lies between them, in every neighbourhood: counting cuts many of them at once,
// the ids are found piece by piece.
TEST_P(OfVocabulary, CountsManyWordsAtOnceAsOneByOne) {
  const std::vector<std::string> between = {
      " ", " ", " ",    "  ",  ".", ", ",   " (", "/", "\n",   "\t",   "'s",  "'", "-", "é",
      "ß", "7", "2024", "://", "_", "\r\n", "日", "…", "\xff", "\x01", ".\n", "A", "' "};
  std::mt19937_64 random{12};
  for (int step = 0; step < 5000; ++step) {
    std::string text;
    const std::size_t bytes = random() % 400;
    const std::uint64_t plain = random() % 4;  // How much of it is ordinary prose.
    while (text.size() < bytes) {
      for (std::uint64_t letters = random() % 9; letters > 0; --letters) {
        const bool capital = random() % 8 == 0;
        text += static_cast<char>((capital ? 'A' : 'a') + random() % 26);
      }
      text += random() % 4 < plain ? " " : between[random() % between.size()];
    }
    ASSERT_EQ(counter_.count(text), static_cast<Tokens>(counter_.ids(text).size())) << text;
  }
}

// Clauses of scripts without spaces are counted part by part, where no token reaches across; the
// ids are found without that.
TEST_P(OfVocabulary, CountsClausesPartByPartAsWhole) {
  std::vector<std::string> characters;
  for (const std::string_view text :
       {"的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下"
        "过子说产种面"
        "而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使"
        "点从业本去把"
        "彩票网东京都の日本語はですこれ한국어안녕하세요ภาษาไทยहिन्दी「」、。，！"}) {
    for (std::size_t at = 0; at < text.size(); at += 3) {
      characters.emplace_back(text.substr(at, 3));
    }
  }
  std::mt19937_64 random{13};
  for (int step = 0; step < 6000; ++step) {
    std::string text;
    for (std::uint64_t more = 1 + random() % 40; more > 0; --more) {
      const std::uint64_t roll = random() % 40;
      if (roll == 0) text += static_cast<char>(random());  // No UTF-8 from here on, perhaps.
      if (roll == 1) text += "a é";
      const std::size_t first = random() % characters.size();
      text += characters[roll < 8 ? (first + 1) % characters.size() : first];
    }
    ASSERT_EQ(counter_.count(text), static_cast<Tokens>(counter_.ids(text).size())) << text;
    ASSERT_EQ(counter_.count(text), static_cast<Tokens>(counter_.ids(text).size())) << text;
  }
}

// More different words than the cache has room for, so that they push each other out.
TEST_P(OfVocabulary, CountsTheSameWhenTheCacheIsFull) {
  std::mt19937_64 random{8};
  std::vector<std::string> words;
  std::vector<Tokens> counts;
  for (int step = 0; step < 150'000; ++step) {
    std::string word = " ";
    for (auto letters = 1 + random() % 16; letters > 0; --letters) {
      word += static_cast<char>('a' + random() % 26);
    }
    counts.push_back(static_cast<Tokens>(counter_.ids(word).size()));
    ASSERT_EQ(counter_.count(word), counts.back()) << word;
    words.push_back(std::move(word));
  }
  for (std::size_t i = 0; i < words.size(); i += 3) {
    ASSERT_EQ(counter_.count(words[i]), counts[i]) << words[i];
  }
}

// Those that bring no text into another form before it is split.
class OfVocabularyAsItIs : public OfVocabulary {};
INSTANTIATE_TEST_SUITE_P(Tokens, OfVocabularyAsItIs,
                         testing::Values("o200k_base", "cl100k_base", "p50k_base", "r50k_base",
                                         "llama3", "mistral_nemo"),
                         [](const auto& of) { return std::string(of.param); });

// The tokens, put together again, are the text: nothing is left out or counted twice.
TEST_P(OfVocabularyAsItIs, CoversEveryByteOnce) {
  ASSERT_TRUE(vocabulary_.is_within_bytes());
  const Tables& tables = vocabulary_.tables();
  std::map<std::uint32_t, std::size_t> length;
  for (std::uint32_t rank = 0; rank < tables.size(); ++rank) {
    length[tables.id(rank)] = tables.length(rank);
  }
  std::mt19937_64 random{4};
  for (int step = 0; step < 2000; ++step) {
    const std::string text = any_text(random);
    std::size_t bytes = 0;
    for (const std::uint32_t id : counter_.ids(text)) {
      bytes += length.at(id);
    }
    ASSERT_EQ(bytes, text.size()) << step;
    ASSERT_LE(counter_.count(text), upper_bound(text));
  }
}

TEST_P(OfVocabulary, CountsNothingInNothing) { EXPECT_EQ(counter_.count(""), 0); }

TEST_P(OfVocabulary, CountsAByteThatIsNoUtf8AsASymbol) {
  // Were the byte a letter, the letters around it would be one word with it.
  const bool is_led = vocabulary_.tables().rules().leading_space != LeadingSpace::kNone;
  EXPECT_EQ(counter_.count("\xff"), is_led ? 2 : 1);
  EXPECT_EQ(counter_.count("hello\xff"), counter_.count("hello") + 1);
  EXPECT_EQ(counter_.count("\xed\xa0\x80"), counter_.count("\xed\xa0\x80 the") - 1);
}

TEST_P(OfVocabulary, TakesSpecialTokensForText) { EXPECT_GT(counter_.count("<|endoftext|>"), 1); }

TEST_P(OfVocabulary, StreamsAnotherTextAfterAReset) {
  StreamCounter stream(counter_);
  stream.feed("an unfinished wo");
  stream.reset();
  EXPECT_EQ(stream.finish(), 0);
  stream.feed("rd");
  EXPECT_EQ(stream.finish(), counter_.count("rd"));
}

// However a text is cut, also within a character or a word.
TEST_P(OfVocabulary, StreamsToTheSameCountForAnyCut) {
  std::mt19937_64 random{5};
  for (int step = 0; step < 3000; ++step) {
    const std::string text = any_text(random);
    StreamCounter stream(counter_);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = std::min<std::size_t>(random() % 9, text.size() - at);
      stream.feed(std::string_view(text).substr(at, length));
      at += length;
      // Words of a unigram vocabulary end at spaces alone, so here they are long.
      if (vocabulary_.tables().rules().model == Model::kUnigram) continue;
      ASSERT_EQ(stream.count(), counter_.count(std::string_view(text).substr(0, at))) << step;
    }
    ASSERT_EQ(stream.finish(), counter_.count(text)) << step;
  }
}

// What servers take for tokens where they stand in a text, of one vocabulary or another.
constexpr std::string_view kSpecial[] = {"<|im_end|>", "</s>", "<bos>", "<|eot_id|>",
                                         "<tool_call>"};

// Words longer than any that is kept elsewhere, and special tokens within and between them.
std::string any_long_text(std::mt19937_64& random) {
  static constexpr std::string_view kUnits[] = {"a", "ACGTTA", " ", "=", "\n", "\xe4\xbd\xa0", "7"};
  std::string text;
  for (auto parts = 1 + random() % 4; parts > 0; --parts) {
    text += any_text(random);
    if (random() % 2 == 0) text += kSpecial[random() % std::size(kSpecial)];
    const std::string_view unit = kUnits[random() % std::size(kUnits)];
    for (const std::size_t end = text.size() + random() % 20'000; text.size() < end;) text += unit;
  }
  return text;
}

// However large the parts are in which it comes: what a counter says of the whole, as text.
TEST_P(OfVocabulary, StreamsALongTextToTheSameCountForAnyCut) {
  std::mt19937_64 random{15};
  for (int step = 0; step < 20; ++step) {
    const std::string text = any_long_text(random);
    const auto whole = static_cast<Tokens>(counter_.ids(text).size());
    StreamCounter stream(counter_);
    const std::size_t most = std::size_t{1} << (4 + random() % 12);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = std::min(1 + random() % most, text.size() - at);
      stream.feed(std::string_view(text).substr(at, length));
      at += length;
    }
    ASSERT_EQ(stream.finish(), whole) << step;
  }
}

// Where it is asked whether a text has more than so many: the same as counting all of it.
TEST_P(OfVocabulary, CountsUpToAnyFigureAsTheWhole) {
  std::mt19937_64 random{16};
  for (int step = 0; step < 100; ++step) {
    const std::string text = step % 5 == 0 ? any_long_text(random) : any_text(random);
    const Tokens whole = counter_.count(text);
    for (const Tokens most :
         {whole, whole - 1, whole + 1, whole / 2, Tokens{0},
          static_cast<Tokens>(random() % static_cast<std::uint64_t>(whole + 2))}) {
      if (most < 0) continue;
      const Tokens counted = counter_.count_up_to(text, most);
      if (whole <= most) {
        ASSERT_EQ(counted, whole) << step << " up to " << most;
      } else {
        ASSERT_GT(counted, most) << step;
      }
    }
  }
}

// A text that is sure to be too long is not counted to its end.
TEST_P(OfVocabulary, StopsCountingOnceItIsEnough) {
  std::mt19937_64 random{17};
  std::string text;
  while (text.size() < 200'000) text += any_text(random) + " ";
  const std::uint64_t before = counter_.steps();
  EXPECT_GT(counter_.count_up_to(text, 100), 100);
  const std::uint64_t some = counter_.steps() - before;
  Counter other(vocabulary_);
  other.count(text);
  EXPECT_LT(some, other.steps() / 10);
}

TEST_P(OfVocabulary, StreamsAnEndlessWordNotTooLow) {
  for (const std::string_view unit : {"a", "ACGTTA", " ", "=", "\n", "\xe4\xbd\xa0"}) {
    std::string piece;
    while (piece.size() < 900) piece += unit;
    std::string text;
    StreamCounter stream(counter_);
    for (int step = 0; text.size() < StreamCounter::kTailMax + 4000; ++step) {
      stream.feed(piece);
      text += piece;
      if (step % 60 != 0) continue;
      const Tokens whole = counter_.count(text);
      ASSERT_GE(stream.count(), whole);
      ASSERT_LE(stream.count(), whole + static_cast<Tokens>(text.size() / 8));
    }
    EXPECT_GE(stream.finish(), counter_.count(text)) << unit;
  }
}

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::string random_letters(std::uint64_t kinds, std::size_t bytes) {
  std::mt19937_64 random{6};
  std::string text(bytes, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random() % kinds);
  return text;
}

// Twice the text is at most a little more than twice the look-ups, for what makes merging
// pair by pair quadratic, and the look-ups for a byte have a bound.
TEST_P(OfVocabulary, TakesLinearTimeForHostileTexts) {
  constexpr std::size_t kBytes = 64 * 1024;
  std::vector<std::pair<std::string, std::string>> texts;
  for (const std::string_view unit :
       {"a", "A", " ", "\n", "_", "ab", "aab", "=-", "\xe4\xbd\xa0", "\xcc\x81", "\xff", " \n"}) {
    texts.emplace_back(repeated(unit, kBytes), repeated(unit, 2 * kBytes));
  }
  for (const std::uint64_t kinds : {2, 3, 26}) {
    texts.emplace_back(random_letters(kinds, kBytes), random_letters(kinds, 2 * kBytes));
  }
  for (const auto& [once, twice] : texts) {
    Counter counter(vocabulary_);
    counter.count(once);
    const std::uint64_t steps = counter.steps();
    counter.count(twice);
    const std::uint64_t steps_twice = counter.steps() - steps;
    EXPECT_LE(steps, 32 * once.size()) << once.substr(0, 8);
    EXPECT_LE(steps_twice, steps * 22 / 10 + 64) << once.substr(0, 8);
  }
}

// A word that many small pieces make must not be looked at from its beginning for each.
TEST_P(OfVocabulary, TakesLinearTimeForALongWordInSmallPieces) {
  const auto steps_for = [&](std::size_t bytes) {
    Counter counter(vocabulary_);
    StreamCounter stream(counter);
    const std::string text = random_letters(26, bytes);
    for (const char& letter : text) stream.feed({&letter, 1});
    return counter.steps();
  };
  EXPECT_LE(steps_for(64 * 1024), 25 * steps_for(4 * 1024));
}

TEST(Vocabulary, TellsWhatToDoWhenItsFileIsMissing) {
  const auto loaded = Vocabulary::load("o200k_base", "/nonexistent");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, FaultKind::kUnreachable);
  EXPECT_NE(loaded.error().message.find("/nonexistent/o200k_base.tiktoken"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("run ./dev setup"), std::string::npos);
}

TEST(Vocabulary, NamesTheKnownOnesWhenAskedForAnother) {
  const auto loaded = Vocabulary::load("p99k_base", TOLLGATE_VOCABULARIES);
  ASSERT_FALSE(loaded);
  for (const std::string_view known : known_vocabularies()) {
    EXPECT_NE(loaded.error().message.find(known), std::string::npos);
  }
}

TEST(Vocabulary, HasNamesThatDifferInTheirSpecialTokensAlone) {
  std::mt19937_64 random{14};
  const std::pair<std::string_view, std::string_view> kSame[] = {
      {"o200k_harmony", "o200k_base"}, {"p50k_edit", "p50k_base"}, {"gpt2", "r50k_base"}};
  for (const auto& [name, same] : kSame) {
    EXPECT_EQ(vocabulary(name).name(), name);
    Counter counter(vocabulary(name));
    Counter expected(vocabulary(same));
    for (int step = 0; step < 200; ++step) {
      const std::string text = any_text(random) + "<|channel|>";
      ASSERT_EQ(counter.ids(text), expected.ids(text)) << text;
    }
  }
}

TEST(Vocabulary, LeavesOutTheRankOfASpecialToken) {
  Counter counter(vocabulary("p50k_base"));
  EXPECT_EQ(counter.ids("a  b"), (std::vector<std::uint32_t>{64, 220, 275}));
  EXPECT_EQ(counter.ids("    b").front(), 50258u);
}

TEST(Vocabulary, RefusesAFileThatIsNotThePublishedOne) {
  const std::filesystem::path folder = testing::TempDir() + "/tollgate_vocabulary_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "cl100k_base.tiktoken") << "IQ== 0\n";
  const auto loaded = Vocabulary::load("cl100k_base", folder.string());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, FaultKind::kCorrupt);
  EXPECT_NE(loaded.error().message.find("SHA-256"), std::string::npos);
  std::filesystem::remove_all(folder);
}

// A vocabulary of the 256 bytes and what `words` adds to them.
std::string rank_file(const std::vector<std::string>& words) {
  std::string file;
  int rank = 0;
  for (int byte = 0; byte < 256; ++byte) {
    file += encode_base64(std::string(1, static_cast<char>(byte))) + ' ' + std::to_string(rank++) +
            '\n';
  }
  for (const std::string& word : words) {
    file += encode_base64(word) + ' ' + std::to_string(rank++) + '\n';
  }
  return file;
}

TEST(Tables, MergesTheLowestRankFirst) {
  auto tables = Tables::parse("small", Pattern::kCl100k, rank_file({"bc", "ab", "abc"}));
  ASSERT_TRUE(tables) << tables.error().message;
  const Vocabulary small(std::move(*tables));
  Counter counter(small);
  EXPECT_EQ(counter.ids("abc"), (std::vector<std::uint32_t>{258}));
  EXPECT_EQ(counter.ids("abcd"), (std::vector<std::uint32_t>{258, 'd'}));
  EXPECT_EQ(counter.ids("abd"), (std::vector<std::uint32_t>{257, 'd'}));
  EXPECT_EQ(counter.ids("bcab"), (std::vector<std::uint32_t>{256, 257}));
}

TEST(Tables, RefuseADamagedFileAndSayWhere) {
  const std::string whole = rank_file({"ab", "abc"});
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string file = whole;
    file.replace(file.find(from), from.size(), to);
    return file;
  };
  const struct {
    std::string file;
    std::string_view message;
  } kCases[] = {
      {"", "no token for the byte 0x00"},
      {whole.substr(whole.find('\n') + 1), "line 1 has rank 1 where 0 follows"},
      {replaced("YWJj 257\n", ""), ""},  // The control: it is whole without its last line.
      {replaced("YWJj 257", "YWJj 256"), "line 258 has rank 256 where 257 follows"},
      {replaced("YWJj 257", "YWJj 258"), "line 258 has rank 258 where 257 follows"},
      {replaced("YWJj 257", "YWI= 257"), "rank 257 is a token that another rank has too"},
      {replaced("YWJj 257", "YQ== 257"), "is a token that another rank has too"},
      {replaced("YWJj 257", "eHl6 257"), "rank 257 cannot be merged from lower ranks"},
      {replaced("YWJj 257", "YWJj"), "line 258 is not a token and its rank"},
      {replaced("YWJj 257", "YWJj 257x"), "line 258 is not a token and its rank"},
      {replaced("YWJj 257", "YW!j 257"), "line 258 is not a token and its rank"},
      {replaced("YWJj 257", "YWJ 257"), "line 258 is not a token and its rank"},
      {replaced("YWJj 257", " 257"), "line 258 is not a token and its rank"},
      {replaced("YWJj 257", "YWJj -1"), "line 258 is not a token and its rank"},
  };
  for (const auto& [file, message] : kCases) {
    SCOPED_TRACE(message);
    const auto tables = Tables::parse("small", Pattern::kO200k, file);
    ASSERT_EQ(tables.has_value(), message.empty());
    if (!tables) {
      EXPECT_NE(tables.error().message.find(message), std::string::npos) << tables.error().message;
      EXPECT_NE(tables.error().message.find("run ./dev setup"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tollgate::tokens
