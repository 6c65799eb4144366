// What a model is paid by beside tokens, and that nothing is served without its price.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tollgate::config {
namespace {

// The first `%` stands for what is written of the model, in line 5, the second for the path.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  openai: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models:
  painter: { upstream: openai, % }
routes:
  - name: made
    path: %
    models: [painter]
    allow: [{}]
)";
constexpr std::string_view kImages = "/v1/images/generations";
constexpr std::string_view kSpeech = "/v1/audio/speech";

Loaded load(std::string_view says, std::string_view path) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  text.replace(text.rfind('%'), 1, path);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(std::string_view says, std::string_view path) {
  std::string all;
  for (const Problem& problem : load(says, path).problems) all += format(problem) + "\n";
  return all;
}

TEST(MadePrices, AreReadAsTheyAreWritten) {
  const Loaded loaded = load(
      "price_per_image: { 1024x1024: 0.04, hd/1024x1024: 0.08 }, "
      "price_per_million_characters: 15",
      kImages);
  ASSERT_NE(loaded.config, nullptr);
  const Model& model = loaded.config->models[0];
  EXPECT_FALSE(model.has_token_prices);
  EXPECT_EQ(model.made.image.of("hd", "1024x1024")->most, 80'000);
  EXPECT_EQ(model.made.million_characters, Money{15'000'000});
}

TEST(MadePrices, OfTokensNeedAPriceOfTokens) {
  EXPECT_NE(
      load("tokens_per_image: { any: 4160 }, price_per_million: { input: 5, output: 40 }", kImages)
          .config,
      nullptr);
  EXPECT_NE(told("tokens_per_image: { any: 4160 }", kImages).find("write it as well"),
            std::string::npos);
  EXPECT_NE(
      told("tokens_per_image: { any: 0 }, price_per_million: { input: 5, output: 40 }", kImages)
          .find("`any`: expected a whole number of tokens"),
      std::string::npos);
  EXPECT_NE(told("tokens_per_image: { any: 5 }, price_per_image: { any: 1 }, "
                 "price_per_million: { input: 5, output: 40 }",
                 kImages)
                .find("paid by itself or by its tokens"),
            std::string::npos);
}

TEST(MadePrices, NameAnImageOnce) {
  EXPECT_NE(told("price_per_image: { HD: 1 }", kImages).find("`HD` names no image"),
            std::string::npos);
  EXPECT_NE(told("price_per_image: { any: 1, any/any: 1 }", kImages).find("names no image"),
            std::string::npos);
}

TEST(MadePrices, AreThereForWhatARouteServes) {
  const std::string_view kTokens = "price_per_million: { input: 1, output: 2 }";
  for (const auto& [says, path, missing] :
       {std::tuple(kTokens, kImages, "price_per_image"),
        std::tuple(kTokens, kSpeech, "price_per_million_characters"),
        std::tuple(kTokens, std::string_view("/v1/audio/transcriptions"), "price_per_minute"),
        std::tuple(std::string_view("price_per_image: { any: 1 }"), kSpeech,
                   "price_per_million_characters"),
        std::tuple(std::string_view("price_per_image: { any: 1 }"),
                   std::string_view("/v1/chat/completions"), "price_per_million")}) {
    const std::string words = told(says, path);
    EXPECT_NE(words.find("t.yaml:9:"), std::string::npos) << words;
    EXPECT_NE(words.find("is not served: write its `" + std::string(missing) + "`"),
              std::string::npos)
        << words;
  }
}

TEST(MadePrices, OfToolsAndRequestsAndLongContextsAreRead) {
  const Loaded loaded = load(
      "price_per_request: 0.002, price_per_tool_call: { web_search: 0.01, mcp: 0 }, "
      "price_per_million: { input: 3, output: 15, long_context: [{ above: 200000, input: 6, "
      "cached_input: 0.6, output: 22.5 }] }",
      "/v1/chat/completions");
  ASSERT_NE(loaded.config, nullptr);
  const Model& model = loaded.config->models[0];
  EXPECT_EQ(model.made.request, Money{2000});
  EXPECT_EQ(model.made.tool_call[static_cast<std::size_t>(dialects::PaidTool::kWebSearch)],
            Money{10'000});
  EXPECT_EQ(model.made.tool_call[static_cast<std::size_t>(dialects::PaidTool::kMcp)], Money{});
  EXPECT_FALSE(model.made.tool_call[static_cast<std::size_t>(dialects::PaidTool::kFileSearch)]);
  EXPECT_EQ(model.price_version, "3.00/3.00/15.00;above=200000:6.00/0.60/22.50");
  // A server of rankings that is paid by requests alone.
  EXPECT_EQ(told("price_per_request: 0.002", "/v1/rerank"), "");
}

TEST(MadePrices, OfToolsAndLongContextsThatCannotBeAreTold) {
  const auto priced = [](std::string_view long_context) {
    return "price_per_million: { input: 3, cached_input: 0.3, output: 15, long_context: [" +
           std::string(long_context) + "] }";
  };
  for (const auto& [says, words] :
       {std::pair<std::string, std::string>(
            "price_per_million: { input: 1, output: 2 }, price_per_tool_call: { google: 1 }",
            "`google` is no tool that a provider runs: expected one of web_search"),
        {"price_per_million: { input: 1, output: 2 }, price_per_tool_call: { mcp: -1 }", "mcp"},
        {priced("{ above: 10, input: 2, cached_input: 1, output: 15 }"), "never cheaper"},
        {priced("{ above: 10, input: 3, output: 14 }"), "never cheaper"},
        {priced("{ above: 10, input: 3, output: 15 }, { above: 10, input: 4, output: 15 }"),
         "more than the one before"},
        {priced("{ above: 0, input: 3, output: 15 }"), "above"}}) {
    EXPECT_NE(told(says, "/v1/chat/completions").find(words), std::string::npos)
        << says << told(says, "/v1/chat/completions");
  }
}

TEST(MadePrices, OfEditsNeedAFormulaForTheImagesThatAreSent) {
  const std::string words = told("price_per_image: { any: 1 }", "/v1/images/edits");
  EXPECT_NE(words.find("`painter` is sent no images"), std::string::npos) << words;
  EXPECT_EQ(told("images: gpt-4o, price_per_image: { any: 1 }", "/v1/images/edits"), "");
}

TEST(MadePrices, AnswersWithoutTextsAreNotSaidToBeInspected) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, "price_per_image: { any: 1 }");
  text.replace(text.rfind('%'), 1, std::string(kImages));
  text += "    content: { response: [secrets] }\n";
  const Loaded loaded =
      load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
  EXPECT_EQ(loaded.config, nullptr);
  ASSERT_FALSE(loaded.problems.empty());
  EXPECT_NE(format(loaded.problems[0]).find("there is nothing to inspect"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::config
