#include "tokens/tokenizer_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tokens/byte_letters.h"
#include "tokens/tables.h"

namespace tollgate::tokens {
namespace {

constexpr std::string_view kLower = "\xe2\x96\x81";

std::string letter_of(std::uint32_t byte) {
  std::uint32_t point = 0;
  while (byte_letters::kByteOf[point] != static_cast<std::int16_t>(byte)) ++point;
  if (point == '"' || point == '\\') return std::string("\\") + static_cast<char>(point);
  if (point < 0x80) return {static_cast<char>(point)};
  return {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
}

// The smallest file of each family: the bytes, `ab`, `abc`, and a token added.
std::string byte_level() {
  std::string vocabulary;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    vocabulary += "\"" + letter_of(byte) + "\":" + std::to_string(byte + 1000) + ",";
  }
  return R"({"version":"1.0","truncation":null,"padding":null,
"added_tokens":[{"id":7,"content":"<end>","special":true,"lstrip":true,"normalized":false},
{"id":9,"content":"<call>","special":false,"lstrip":false,"rstrip":false,"normalized":false}],
"normalizer":null,
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
"post_processor":null,"decoder":null,
"model":{"type":"BPE","dropout":null,"unk_token":null,"byte_fallback":false,"ignore_merges":false,
"vocab":{)" +
         vocabulary + R"("ab":1,"abc":2,"xyz":3},"merges":["a b",["ab","c"]]}})";
}

std::string spaced() {
  std::string vocabulary;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    vocabulary += fmt::format("\"<0x{:02X}>\":{},", byte, byte + 1000);
  }
  return fmt::format(R"({{"normalizer":{{"type":"Sequence","normalizers":[
{{"type":"Prepend","prepend":"{0}"}},
{{"type":"Replace","pattern":{{"String":" "}},"content":"{0}"}}]}},
"pre_tokenizer":null,
"model":{{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
"vocab":{{{1}"{0}":1,"a":2,"b":3,"é":4,"{0}a":5,"ab":6}},"merges":["{0} a","a b"]}}}})",
                     kLower, vocabulary);
}

std::string replaced(std::string file, std::string_view from, std::string_view to) {
  EXPECT_NE(file.find(from), std::string::npos) << from;
  return file.replace(file.find(from), from.size(), to);
}

std::vector<std::uint32_t> ids_of(const std::string& json, std::string_view text) {
  auto tables = Tables::parse_json("small", json);
  EXPECT_TRUE(tables) << tables.error().message;
  if (!tables) return {};
  const Vocabulary vocabulary(std::move(*tables));
  return Counter(vocabulary).ids(text);
}

using Ids = std::vector<std::uint32_t>;

TEST(TokenizerJson, SaysWhatAByteLevelTextIs) {
  EXPECT_EQ(ids_of(byte_level(), "abc"), (Ids{2}));
  EXPECT_EQ(ids_of(byte_level(), "abcab"), (Ids{2, 1}));
  // Nothing merges to `xyz`…
  EXPECT_EQ(ids_of(byte_level(), "xyz"), (Ids{1000 + 'x', 1000 + 'y', 1000 + 'z'}));
  // …so it is a token only where a whole word may be one.
  const std::string whole =
      replaced(byte_level(), R"("ignore_merges":false)", R"("ignore_merges":true)");
  EXPECT_EQ(ids_of(whole, "xyz"), (Ids{3}));
  EXPECT_EQ(ids_of(whole, "xyzx").size(), 4u);
}

TEST(TokenizerJson, TakesOutWhatIsAddedAndLeavesWhatIsSpecial) {
  EXPECT_EQ(ids_of(byte_level(), "ab<call>c"), (Ids{1, 9, 1000 + 'c'}));
  EXPECT_EQ(ids_of(byte_level(), "<call").size(), 5u);
  EXPECT_EQ(ids_of(byte_level(), "<end>").size(), 5u);
}

// Whether the server takes a special token for text or for what it is, it counts no more.
TEST(TokenizerJson, CountsNoLessThanWithSpecialTokensOrAsText) {
  const auto count_of = [](const std::string& json, std::string_view text) {
    const Vocabulary vocabulary(std::move(*Tables::parse_json("small", json)));
    return Counter(vocabulary).count(text);
  };
  EXPECT_EQ(count_of(byte_level(), "ab<end>c"), 7);
  // `b>` is one token that no special one can be in.
  const std::string joined =
      replaced(replaced(spaced(), "\"ab\":6", "\"ab\":6,\"<\":8,\">\":9,\"<b>\":10,\"<b\":11"),
               "\"a b\"]", "\"a b\",\"< b\",\"<b >\"]");
  const std::string special = replaced(
      joined, "\"normalizer\"",
      "\"added_tokens\":[{\"id\":10,\"content\":\"<b>\",\"special\":true}],\"normalizer\"");
  EXPECT_EQ(count_of(joined, "b<b>b"), 4);   // ▁ b <b> b
  EXPECT_EQ(count_of(special, "b<b>b"), 5);  // ▁ b <b> ▁ b
}

TEST(TokenizerJson, SaysWhatATextWithSpacesIs) {
  EXPECT_EQ(ids_of(spaced(), "ab"), (Ids{5, 3}));  // A space is put before it.
  EXPECT_EQ(ids_of(spaced(), "a ab"), (Ids{5, 5, 3}));
  EXPECT_EQ(ids_of(spaced(), "bab"), (Ids{1, 3, 6}));
  EXPECT_EQ(ids_of(spaced(), "a\xe2\x96\x81"), (Ids{5, 1}));
  EXPECT_EQ(ids_of(spaced(), "é"), (Ids{1, 4}));
  EXPECT_EQ(ids_of(spaced(), "bè"), (Ids{1, 3, 1000 + 0xc3, 1000 + 0xa8}));  // By its bytes.
  EXPECT_TRUE(ids_of(spaced(), "").empty());
}

TEST(TokenizerJson, ToldByMetaspaceBeginsAWordWithEachSpaceUnlessToldNotToSplit) {
  const std::string vocabulary =
      replaced(replaced(spaced(), R"("ab":6)", fmt::format(R"("ab":6,"{0}{0}":7)", kLower)),
               R"("a b"])", fmt::format(R"("a b","{0} {0}"])", kLower));
  const std::size_t begin = vocabulary.find("\"normalizer\"");
  const std::size_t end = vocabulary.find("\"model\"");
  const auto with = [&](std::string_view more) {
    return vocabulary.substr(0, begin) +
           fmt::format(R"("normalizer":null,"pre_tokenizer":{{"type":"Metaspace",)"
                       R"("replacement":"{}",{}}},)",
                       kLower, more) +
           vocabulary.substr(end);
  };
  const std::string split = with(R"("prepend_scheme":"first","split":true)");
  const std::string whole = with(R"("prepend_scheme":"first","split":false)");
  const std::string never = with(R"("prepend_scheme":"never","split":false)");
  EXPECT_EQ(ids_of(split, "a  b"), (Ids{5, 1, 1, 3}));
  EXPECT_EQ(ids_of(whole, "a  b"), (Ids{5, 7, 3}));
  EXPECT_EQ(ids_of(whole, " a"), (Ids{5}));  // There is a space already.
  EXPECT_EQ(ids_of(never, "a  b"), (Ids{2, 7, 3}));
}

TEST(TokenizerJson, RefusesWhatItDoesNotKnowAndSaysWhere) {
  const struct {
    std::string_view from;
    std::string_view to;
    std::string_view message;
  } kCases[] = {
      {"{\"version\"", "[\"version\"", "small: it is no JSON"},
      {"\"decoder\"", "\"decoders\"", "`decoders`: no such member"},
      {"\"type\":\"BPE\"", "\"type\":\"WordPiece\"", "model.type: `WordPiece` is not known"},
      {"\"type\":\"BPE\"", "\"type\":7", "model.type"},
      {"\"model\":{", "\"model\":{\"more\":1,", "model.more: no such member"},
      {"\"model\"", "\"version\"", "small: `version` is there twice"},
      {"\"dropout\":null", "\"dropout\":null,\"d\\u0072opout\":0",
       "model: `dropout` is there twice"},
      {"\"special\":true", "\"special\":true,\"special\":false",
       "added_tokens[0]: `special` is there twice"},
      {"\"dropout\":null", "\"dropout\":0.1", "model.dropout: expected null"},
      {"\"byte_fallback\":false", "\"byte_fallback\":true", "model.byte_fallback: expected false"},
      {"\"ignore_merges\":false", "\"ignore_merges\":1", "model.ignore_merges: expected true or"},
      {"\"unk_token\":null", "\"end_of_word_suffix\":\"</w>\"", "model.end_of_word_suffix"},
      {"\"ab\":1,", "\"ab\":1000,", "`ab` has the id 1000, which another token has too"},
      {"\"ab\":1,", "\"ab\":-1,", "`ab` has no whole number up to"},
      {"\"ab\":1,", "\"ab\":1,\"ab\":4,", "small: model.vocab: `ab` is there twice"},
      {"\"decoder\":null", "\"decoder\":[[{\"a\":{}}],{\"b\":1,\"b\":1}]",
       "decoder[1]: `b` is there twice"},
      {"\"ab\":1,", "\"\":1,", "`` is not of 1 to 255 bytes"},
      {"\"a\":1097,", "", "no token for the byte 0x61"},
      {"\"a b\"", "\"a d\"", "model.merges[0]: `ad` is no token of model.vocab"},
      {"\"a b\"", "\"a b \"", "model.merges[0]: expected two tokens"},
      {"\"a b\"", "\"ab\"", "model.merges[0]: expected two tokens"},
      {"\"a b\"", "7", "model.merges[0]: expected two tokens"},
      {"[\"ab\",\"c\"]", "[\"ab\",\"c\",\"d\"]", "model.merges[1]: expected two tokens"},
      {"[\"ab\",\"c\"]", "[\"a\",\"b\"]", "model.merges[1]: `a` and `b` are merged by an earlier"},
      {"[\"a b\",[\"ab\",\"c\"]]", "7", "model.merges: expected a list"},
      {"\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}",
       "normalizer: Lowercase is not known"},
      {"\"normalizer\":null", "\"normalizer\":7", "normalizer: expected a step"},
      {"\"use_regex\":true", "\"use_regex\":false", "pre_tokenizer: ByteLevel is not known here"},
      {"\"add_prefix_space\":false", "\"add_prefix_space\":true", "pre_tokenizer: ByteLevel pat"},
      {"\"rstrip\":false", "\"rstrip\":true", "added_tokens[1].rstrip: expected false"},
      {"<call>", "<end>", "added_tokens[1].content: `<end>` is there twice"},
      {"\"id\":9", "\"id\":\"9\"", "added_tokens[1]: expected a content and an id"},
  };
  for (const auto& [from, to, message] : kCases) {
    SCOPED_TRACE(message);
    const auto tables = Tables::parse_json("small", replaced(byte_level(), from, to));
    ASSERT_FALSE(tables);
    EXPECT_EQ(tables.error().kind, FaultKind::kCorrupt);
    EXPECT_NE(tables.error().message.find(message), std::string::npos) << tables.error().message;
  }
}

TEST(TokenizerJson, RefusesSpacesWithoutAWayOut) {
  const struct {
    std::string_view from;
    std::string_view to;
    std::string_view message;
  } kCases[] = {
      {"\"byte_fallback\":true", "\"byte_fallback\":false", "model.byte_fallback: expected true"},
      {"\"<0xFF>\":1255,", "", "no token for the byte 0xff"},
      {"\"pre_tokenizer\":null", "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}",
       "pre_tokenizer: ByteLevel pattern space is not known here"},
      {"\"type\":\"Prepend\"", "\"type\":\"Precompiled\"", "normalizer: Precompiled"},
  };
  for (const auto& [from, to, message] : kCases) {
    SCOPED_TRACE(message);
    const auto tables = Tables::parse_json("small", replaced(spaced(), from, to));
    ASSERT_FALSE(tables);
    EXPECT_NE(tables.error().message.find(message), std::string::npos) << tables.error().message;
  }
}

std::string unigram() {
  std::string vocabulary;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    vocabulary += fmt::format(",[\"<0x{:02X}>\",0]", byte);
  }
  return fmt::format(R"({{"normalizer":null,
"pre_tokenizer":{{"type":"Metaspace","replacement":"{0}","prepend_scheme":"never","split":true}},
"model":{{"type":"Unigram","unk_id":0,"byte_fallback":true,
"vocab":[["<unk>",0],["{0}",-2],["a",-3],["b",-3],["ab",-5],["ba",-7],["{0}a",-4]{1}]}}}})",
                     kLower, vocabulary);
}

TEST(TokenizerJson, SaysWhatTokensHaveTheHighestSum) {
  EXPECT_EQ(ids_of(unigram(), "ab"), (Ids{4}));      // -5 before -6.
  EXPECT_EQ(ids_of(unigram(), "bab"), (Ids{3, 4}));  // -8 before -10.
  EXPECT_EQ(ids_of(unigram(), "ba"), (Ids{3, 2}));   // -6 before -7, of more tokens.
  EXPECT_EQ(ids_of(unigram(), " ab"),
            (Ids{1, 4}));  // -7, as the other one, which is longer at first.
  EXPECT_EQ(ids_of(unigram(), "aé"), (Ids{2, 7 + 0xc3, 7 + 0xa9}));
  for (const auto& [from, to, message] :
       {std::tuple{"[\"a\",-3]", "[\"a\"]", "model.vocab[2]: expected a token and its score"},
        {"[\"a\",-3]", "[\"b\",-3]", "model.vocab: `b` is there twice"},
        {"\"byte_fallback\":true", "\"byte_fallback\":false", "model.byte_fallback: expected true"},
        {"\"type\":\"Metaspace\"", "\"type\":\"Whitespace\"", "pre_tokenizer: Whitespace"}}) {
    const auto tables = Tables::parse_json("small", replaced(unigram(), from, to));
    ASSERT_FALSE(tables);
    EXPECT_NE(tables.error().message.find(message), std::string::npos) << tables.error().message;
  }
}

TEST(TokenizerJson, IsLoadedByItsPath) {
  const std::filesystem::path folder = testing::TempDir() + "/tollgate_tokenizer_json_test";
  std::filesystem::create_directories(folder);
  const std::string path = folder / "tokenizer.json";
  std::ofstream(path) << byte_level();
  const auto loaded = Vocabulary::load(path, "/nonexistent");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(Counter(**loaded).count("abcab"), 2);
  std::filesystem::remove_all(folder);
  const auto gone = Vocabulary::load(path, "/nonexistent");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, FaultKind::kUnreachable);
  EXPECT_NE(gone.error().message.find(path), std::string::npos);
}

TEST(TokenizerJson, CountsAByteATokenAtTheMostWhereNothingIsPutIntoATextBefore) {
  const std::string plain = replaced(byte_level(), R"("content":"<call>","special":false)",
                                     R"("content":"<call>","special":true)");
  const std::string composed =
      replaced(plain, R"("normalizer":null)", R"("normalizer":{"type":"NFC"})");
  const auto is_within_bytes = [](const std::string& file) {
    auto tables = Tables::parse_json("test", file);
    EXPECT_TRUE(tables.has_value());
    return Vocabulary(std::move(*tables)).is_within_bytes();
  };
  EXPECT_TRUE(is_within_bytes(plain));
  EXPECT_FALSE(is_within_bytes(composed));
  EXPECT_FALSE(is_within_bytes(spaced()));
}

}  // namespace
}  // namespace tollgate::tokens
