#include "pipeline/counting.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/check.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr auto kOpenAi = dialects::ChatTemplate::kOpenAi;

TEST(Vocabularies, TellWhatIsNotThere) {
  Vocabularies vocabularies(TOLLGATE_VOCABULARIES);
  EXPECT_FALSE(vocabularies.ensure("llama9"));
  EXPECT_EQ(vocabularies.find("o200k_base"), nullptr);
  EXPECT_FALSE(Vocabularies("/nowhere").ensure("o200k_base"));
}

// The bytes as tokens of their own, and `ab` where it is said.
std::string tokenizer_json(std::string_view more) {
  std::string vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary += fmt::format(R"(["<0x{:02X}>",0],)", byte);
  }
  return fmt::format(R"({{"normalizer":{{"type":"Sequence","normalizers":[]}},"pre_tokenizer":)"
                     R"({{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always",)"
                     R"("split":true}},"model":{{"type":"Unigram","unk_id":0,"vocab":[{}{})"
                     R"(["\u2581",-2],["a",-2],["b",-2]],"byte_fallback":true}}}})",
                     vocabulary, more);
}

// A file in a folder of its own.
class WrittenFile {
 public:
  WrittenFile() : folder_((std::filesystem::temp_directory_path() / "tollgate-XXXXXX").string()) {
    CHECK(mkdtemp(folder_.data()) != nullptr);
  }
  ~WrittenFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/tokenizer.json"; }
  // Another file takes the place of the one that was there.
  void replace(std::string_view text) const {
    std::ofstream(folder_ + "/new") << text;
    std::filesystem::rename(folder_ + "/new", path());
  }

 private:
  std::string folder_;
};

// A reload reads a tokenizer.json that was replaced, and no other; what goes on counts as it began.
TEST(Vocabularies, ReadAFileAnewThatWasReplaced) {
  const WrittenFile file;
  file.replace(tokenizer_json(""));
  Vocabularies vocabularies(TOLLGATE_VOCABULARIES);
  ASSERT_TRUE(vocabularies.ensure(file.path()));
  Counting counting(vocabularies);
  const auto before = counting.counter(file.path());
  ASSERT_NE(before, nullptr);
  EXPECT_EQ(before->count("abab"), 5);
  OutputCount passed(before);
  passed.text(0, "ab");

  const Vocabularies::Shared first = vocabularies.find(file.path());
  ASSERT_TRUE(vocabularies.ensure(file.path()));
  EXPECT_EQ(vocabularies.find(file.path()), first);
  EXPECT_EQ(counting.counter(file.path()), before);

  file.replace(tokenizer_json(R"(["ab",-1],)"));
  const std::string names[] = {file.path(), "o200k_base"};
  auto fresh = vocabularies.load(names);
  ASSERT_TRUE(fresh) << fresh.error().message;
  EXPECT_EQ(vocabularies.find(file.path()), first) << "nothing is taken over yet";
  vocabularies.take(std::move(*fresh));
  const auto after = counting.counter(file.path());
  EXPECT_NE(after, before);
  EXPECT_EQ(after->count("abab"), 3);
  passed.text(0, "ab");
  EXPECT_EQ(passed.tokens(), 5);
  EXPECT_EQ(before->count("abab"), 5);

  // A broken one takes the place of none.
  file.replace("{}");
  EXPECT_FALSE(vocabularies.ensure(file.path()));
  EXPECT_EQ(counting.counter(file.path()), after);
  // One that is written over in its place is another one as well.
  std::ofstream(file.path()) << tokenizer_json("");
  ASSERT_TRUE(vocabularies.ensure(file.path()));
  EXPECT_EQ(counting.counter(file.path())->count("abab"), 5);
}

TEST(Counting, IsExactWithAVocabularyAndABoundWithout) {
  Counting counting(shared_vocabularies());
  EXPECT_EQ(counting.counter(""), nullptr);
  EXPECT_EQ(counting.counter("llama9"), nullptr);
  const auto counter = counting.counter("o200k_base");
  ASSERT_NE(counter, nullptr);
  EXPECT_EQ(counter, counting.counter("o200k_base"));

  const dialects::Text texts[] = {{dialects::TextKind::kRole, "user"},
                                  {dialects::TextKind::kContent, "Hello there"}};
  dialects::Request request;
  request.messages = 1;
  request.turns.user = 1;
  request.texts = texts;
  const Count exact = counting.input(request, {"o200k_base", kOpenAi}, kTokensMax, "acme");
  EXPECT_FALSE(exact.is_bound);
  EXPECT_EQ(exact.tokens, 9);
  const Count bound = counting.input(request, {"llama9", kOpenAi}, kTokensMax, "acme");
  EXPECT_TRUE(bound.is_bound);
  EXPECT_EQ(bound.tokens, 6 + (4 + 1) + (11 + 1));

  // A template has the name of the role among its own tokens, and white space that it takes away
  // is counted still.
  const dialects::Text spaced[] = {texts[0], {dialects::TextKind::kContent, " \n\nHello there\n"}};
  request.texts = spaced;
  request.turns.user = 1;
  const Count trimmed =
      counting.input(request, {"o200k_base", dialects::ChatTemplate::kLlama3}, kTokensMax, "acme");
  EXPECT_EQ(trimmed.tokens, 10 + 1 + 2 + 1);
}

// An image of four tiles and a second of sound, by the formulas of the model that serves them.
TEST(Counting, AddsImagesAndSoundToWhateverTheTextsAre) {
  Counting counting(shared_vocabularies());
  const dialects::Text texts[] = {{dialects::TextKind::kContent, "Hello there"}};
  const dialects::Image images[] = {{1024, 1024}};
  const Duration recordings[] = {std::chrono::seconds(1)};
  dialects::Request request;
  request.messages = 1;
  request.turns.user = 1;
  request.texts = texts;
  const Scheme tiles{
      "o200k_base",
      kOpenAi,
      {dialects::image_formula_named("gpt-4o"), dialects::audio_formula_named("openai")}};
  const Scheme patches{
      "o200k_base",
      kOpenAi,
      {dialects::image_formula_named("gpt-4.1-mini"), dialects::audio_formula_named("gemini")}};
  const auto counted = [&](const Scheme& scheme) {
    return counting.input(request, scheme, kTokensMax, "acme");
  };
  const Count without = counted(tiles);
  const Count bound_without = Counting::bound(request, tiles);
  request.images = images;
  request.recordings = recordings;
  EXPECT_EQ(counted(tiles).tokens, without.tokens + 765 + 10);
  EXPECT_EQ(counted(tiles).audio, 10);
  EXPECT_FALSE(counted(tiles).is_bound);
  EXPECT_EQ(counted(patches).tokens, without.tokens + 1659 + 32);
  EXPECT_EQ(counted(patches).audio, 32);
  const Count bound = Counting::bound(request, tiles);
  EXPECT_EQ(bound.tokens, bound_without.tokens + 765 + 10);
  EXPECT_EQ(bound.text, bound_without.text);
  EXPECT_EQ(bound.audio, 10);
  // Beyond what may pass no text is counted.
  EXPECT_EQ(counting.input(request, tiles, 100, "acme").tokens, 6 + 765 + 10);
}

TEST(OutputCount, CountsEachChoiceByItselfHoweverItIsCut) {
  Counting counting(shared_vocabularies());
  const auto counter = counting.counter("o200k_base");
  const std::string text = "the answer is simple";
  OutputCount passed(counter);
  for (const char& c : text) {
    passed.text(0, {&c, 1});
    passed.text(1, {&c, 1});
  }
  EXPECT_EQ(passed.tokens(), 2 * counter->count(text));
  EXPECT_EQ(passed.bytes(), 2 * static_cast<Bytes>(text.size()));
}

TEST(OutputCount, TakesAnyNumberOfChoices) {
  Counting counting(shared_vocabularies());
  OutputCount passed(counting.counter("o200k_base"));
  for (const std::int64_t choice :
       {std::int64_t{-5}, std::int64_t{0}, std::int64_t{255}, std::int64_t{1} << 60}) {
    passed.text(choice, " word");
  }
  EXPECT_EQ(passed.tokens(), 4);
}

TEST(OutputCount, BoundsWhatItCannotCount) {
  OutputCount passed(nullptr);
  passed.text(0, "sixteen bytes ab");
  EXPECT_EQ(passed.tokens(), 16);
  EXPECT_EQ(passed.tokens_at_least(), 2);
}

// What is refused anyway is not counted to its end; what may pass is counted exactly.
TEST(Counting, StopsOnceATextIsSureToBeTooLong) {
  const Vocabularies& vocabularies = shared_vocabularies();
  Counting counting(vocabularies);
  std::string words;
  while (words.size() < 400'000) words += "so many words ";
  const dialects::Text text{dialects::TextKind::kContent, words};
  dialects::Request request;
  request.texts = {&text, 1};
  const Tokens whole = counting.input(request, {"o200k_base", kOpenAi}, kTokensMax, "acme").tokens;
  EXPECT_EQ(counting.input(request, {"o200k_base", kOpenAi}, whole, "acme").tokens, whole);
  const Tokens stopped = counting.input(request, {"o200k_base", kOpenAi}, 1000, "other").tokens;
  EXPECT_GT(stopped, 1000);
  EXPECT_LT(stopped, whole / 2);
  // The figure at which it stopped is not taken for the count.
  EXPECT_EQ(counting.input(request, {"o200k_base", kOpenAi}, kTokensMax, "other").tokens, whole);
}

// For any conversation, turn by turn: what is known from before is what counting anew gives.
TEST(Counting, OfAConversationIsTheSameTurnByTurn) {
  std::mt19937_64 random(11);
  Counting counting(shared_vocabularies());
  const std::string words[] = {"the ", "price", " of\n", "\xe6\x97\xa5\xe6\x9c\xac", "42", " {}"};
  std::vector<std::string> turns;
  for (int turn = 0; turn < 50; ++turn) {
    std::string text;
    for (std::size_t length = random() % 400; text.size() < length;)
      text += words[random() % std::size(words)];
    turns.push_back(std::move(text));
    std::vector<dialects::Text> texts;
    for (const std::string& said : turns) texts.push_back({dialects::TextKind::kContent, said});
    dialects::Request request;
    request.texts = texts;
    Counting fresh(shared_vocabularies());
    EXPECT_EQ(counting.input(request, {"o200k_base", kOpenAi}, kTokensMax, "acme").tokens,
              fresh.input(request, {"o200k_base", kOpenAi}, kTokensMax, "acme").tokens);
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing
