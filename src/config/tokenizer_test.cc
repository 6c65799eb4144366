// What a model's tokens are counted by: a vocabulary's name, or the path of its file.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "config/load.h"

namespace tollgate::config {
namespace {

// `%` stands for the tokenizer.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, tokenizer: %, price_per_million: { input: 0.05, output: 0.10 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
)";

Loaded load(std::string_view tokenizer) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, tokenizer);
  return load_text(text, "folder/t.yaml",
                   [](const std::string&) { return std::optional<std::string>(); });
}

TEST(Tokenizers, AreNamedOrLieBesideTheFile) {
  const struct {
    std::string_view written;
    std::string_view used;
  } rows[] = {
      {"llama3", "llama3"},
      {"models/tokenizer.json", "folder/models/tokenizer.json"},
      {"/srv/tokenizer.json", "/srv/tokenizer.json"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.written);
    const Loaded loaded = load(row.written);
    ASSERT_TRUE(loaded.config);
    EXPECT_EQ(loaded.config->models[0].tokenizer, row.used);
  }
}

TEST(Tokenizers, BringTheChatTemplateOfTheirModelsUnlessAnotherIsNamed) {
  const struct {
    std::string_view written;
    dialects::ChatTemplate used;
  } rows[] = {
      {"o200k_base", dialects::ChatTemplate::kOpenAi},
      {"llama3", dialects::ChatTemplate::kLlama3_1},
      {"llama3, chat_template: llama3", dialects::ChatTemplate::kLlama3},
      {"models/tokenizer.json", dialects::ChatTemplate::kLargest},
      {"models/tokenizer.json, chat_template: chatml", dialects::ChatTemplate::kChatml},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.written);
    const Loaded loaded = load(row.written);
    ASSERT_TRUE(loaded.config);
    EXPECT_EQ(loaded.config->models[0].chat_template, row.used);
  }
  const Loaded unknown = load("llama3, chat_template: lama3");
  ASSERT_EQ(unknown.problems.size(), 1U);
  EXPECT_EQ(unknown.problems[0].field, "models.small.chat_template");
  EXPECT_NE(unknown.problems[0].message.find("did you mean `llama3`?"), std::string::npos);
}

// As a gateway would that starts with it, and each model that names it is told.
TEST(Tokenizers, ThatLieInAFileAreOpenedAndJudged) {
  std::string folder = (std::filesystem::temp_directory_path() / "tollgate-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string broken = folder + "/tokenizer.json";
  std::ofstream(broken) << R"({"model":{"type":"WordPiece"}})";
  const struct {
    std::string written;
    std::string message;  // Empty: nothing is wrong.
  } rows[] = {
      {"o200k_base", ""},
      {broken, "pre_tokenizer: nothing is not known here"},
      {folder + "/none.json", "cannot read " + folder + "/none.json: No such file or directory"},
      {std::filesystem::absolute(TOLLGATE_SOURCE_DIR "/tests/golden/unigram.json"), ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.written);
    std::string text(kFile);
    text.replace(text.find('%'), 1, row.written);
    const Loaded loaded = load(row.written);
    ASSERT_TRUE(loaded.config);
    const std::vector<Problem> problems = tokenizer_problems(*loaded.config, text);
    ASSERT_EQ(problems.size(), row.message.empty() ? 0U : 1U);
    if (row.message.empty()) continue;
    EXPECT_NE(problems[0].message.find(row.message), std::string::npos) << problems[0].message;
    EXPECT_EQ(problems[0].field, "models.small.tokenizer");
    EXPECT_EQ(problems[0].line, 5);
  }
  std::filesystem::remove_all(folder);
}

TEST(Tokenizers, OfAnotherNameAreTold) {
  for (const auto& [written, message] :
       {std::pair{"lama3", "did you mean `llama3`?"},
        {"models/tokenizer", "or the path of a `tokenizer.json`"}}) {
    SCOPED_TRACE(written);
    const Loaded loaded = load(written);
    EXPECT_FALSE(loaded.config);
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.problems[0].field, "models.small.tokenizer");
    EXPECT_NE(loaded.problems[0].message.find(message), std::string::npos)
        << loaded.problems[0].message;
  }
}

}  // namespace
}  // namespace tollgate::config
