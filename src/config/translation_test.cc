// Which conversations an upstream serves, and what is translated for it.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::config {
namespace {

using dialects::Surface;

Loaded load(std::string_view upstream, std::string_view path = "/v1/messages") {
  const std::string text = std::string(R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", )") +
                           std::string(upstream) + R"( }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
tenants: { acme: {} }
routes:
  - { name: door, path: )" +
                           std::string(path) + R"(, models: [small], allow: [{ tenants: [acme] }] }
)";
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

Surface spoken(std::string_view upstream, Surface asked) {
  const Loaded loaded = load(upstream);
  EXPECT_NE(loaded.config, nullptr) << told(loaded);
  return spoken_surface(loaded.config->upstreams[0], asked);
}

TEST(TranslationSettings, WhatTheServerHasIsNotTranslated) {
  EXPECT_EQ(spoken("speaks: openai", Surface::kChatCompletions), Surface::kChatCompletions);
  EXPECT_EQ(spoken("speaks: openai", Surface::kResponses), Surface::kResponses);
  EXPECT_EQ(spoken("speaks: openai", Surface::kMessages), Surface::kChatCompletions);
  EXPECT_EQ(spoken("speaks: anthropic", Surface::kResponses), Surface::kMessages);
  EXPECT_EQ(spoken("speaks: openai, surfaces: [responses]", Surface::kChatCompletions),
            Surface::kResponses);
  EXPECT_EQ(spoken("speaks: openai, surfaces: [responses, chat_completions]", Surface::kMessages),
            Surface::kResponses);
  EXPECT_EQ(spoken("speaks: openai", Surface::kEmbeddings), Surface::kEmbeddings);
}

TEST(TranslationSettings, TellWhatCannotBe) {
  EXPECT_EQ(told(load("speaks: openai, surfaces: [messages]")),
            "t.yaml:5:67: upstreams.vllm.surfaces: `messages` is not of the dialect openai, which "
            "this upstream speaks\n");
  EXPECT_EQ(told(load("speaks: openai, surfaces: [embeddings]")),
            "t.yaml:5:68: upstreams.vllm.surfaces[0]: expected one of `chat_completions`, "
            "`responses`, `messages`, found `embeddings`\n");
  EXPECT_EQ(told(load("speaks: openai, drop_fields: [seed, messages]")),
            "t.yaml:5:70: upstreams.vllm.drop_fields: `messages` is a part of what is asked, and "
            "never left out\n");
  EXPECT_EQ(told(load("speaks: openai", "/v1/messages/count_tokens")),
            "t.yaml:10:60: routes[0].models: `small` is served by `vllm`, which speaks openai, and "
            "the surface `count_tokens` is of anthropic: only conversations (chat_completions, "
            "responses, messages) are translated\n");
}

TEST(TranslationSettings, AreShownInEffect) {
  const Loaded loaded = load("speaks: openai, drop_fields: [seed]");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("surfaces":["chat_completions","responses"])"), std::string::npos)
      << shown;
  EXPECT_NE(shown.find(R"("drop_fields":["seed"])"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::config
