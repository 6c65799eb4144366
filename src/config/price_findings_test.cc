#include "config/price_findings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace tollgate::config {
namespace {

// What is found of a model that the provider calls `name`, as "line id;".
std::string found(std::string_view name, std::string_view says, std::string_view allow = "a",
                  std::string_view more = "") {
  const std::string text = fmt::format(R"(authentication: {{ api_keys: {{}} }}
upstreams:
  openai: {{ url: "http://127.0.0.1:8000/v1", speaks: openai, credential: secret }}
models:
  m: {{ upstream: openai, name: {}, {} }}
routes:
  - name: r
    path: /v1/responses
    models: [m]
    allow: [{{}}]
    tools: {{ allow: ["{}"] }}
{})",
                                       name, says, allow, more);
  const Loaded loaded =
      load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
  for (const Problem& problem : loaded.problems) ADD_FAILURE() << format(problem);
  if (!loaded.config) return {};
  std::string all;
  for (const Finding& finding : price_findings(*loaded.config, text)) {
    all += fmt::format("{} {};", finding.line, finding.id);
    EXPECT_FALSE(finding.mend.empty());
  }
  return all;
}

TEST(PriceFindings, AreNoneOfWhatTheProviderLists) {
  EXPECT_EQ(found("gpt-4o", "price_per_million: { input: 2.5, cached_input: 1.25, output: 10 }"),
            "");
  // Less what a contract takes off, or more by what a region adds.
  EXPECT_EQ(found("gpt-4o-2024-08-06", "price_per_million: { input: 1.25, output: 5 }"), "");
  EXPECT_EQ(found("claude-sonnet-4-5-20250929", "price_per_million: { input: 3.3, output: 16.5 }"),
            "");
  // Of models that are not known there is nothing to say.
  EXPECT_EQ(found("gpt-4o-audio-preview", "price_per_million: { input: 100, output: 200 }"), "");
  EXPECT_EQ(found("llama", "price_per_million: { input: 0, output: 0 }"), "");
}

TEST(PriceFindings, TellWhatCanHardlyBeMeant) {
  // A thousand tokens, and not a million.
  EXPECT_EQ(found("gpt-4o", "price_per_million: { input: 0.0025, output: 0.01 }"),
            "5 price-far-from-published;5 price-far-from-published;");
  EXPECT_EQ(found("gpt-5-mini", "price_per_million: { input: 1.25, output: 2 }"),
            "5 price-far-from-published;");
  EXPECT_EQ(found("gpt-4o", "price_per_million: { input: 0, output: 0 }"), "5 price-nothing;");
  EXPECT_EQ(found("mine", "price_per_million: { input: 10, output: 2 }"),
            "5 price-output-below-input;");
  EXPECT_EQ(found("mine", "price_per_million: { input: 1, cached_input: 2, output: 2 }"),
            "5 price-cached-above-input;");
}

TEST(PriceFindings, TellToolsThatARouteLetsInWithoutAPrice) {
  const std::string_view tokens = "price_per_million: { input: 1, output: 2 }";
  EXPECT_EQ(found("m", tokens, "type:web_search"), "11 tool-without-price;");
  // A later list has all of its prices itself.
  const std::string_view call = "price_per_tool_call: { web_search: 0.01 }";
  const auto dated = [&](std::string_view later) {
    return found("m", "prices: m", "type:web_search",
                 fmt::format("prices:\n  - {{ name: m, {0}, {1} }}\n"
                             "  - {{ name: m, from: 2026-01-01, {0}{2} }}\n",
                             tokens, call, later));
  };
  EXPECT_EQ(dated(""), "11 tool-without-price;");
  EXPECT_EQ(dated(fmt::format(", {}", call)), "");
  EXPECT_EQ(found("m", tokens, "web_search_20250305"), "11 tool-without-price;");
  EXPECT_EQ(found("m", tokens, "type:bash"), "");
  EXPECT_EQ(found("m", std::string(tokens) + ", price_per_tool_call: { web_search: 0 }",
                  "type:web_search"),
            "");
}

}  // namespace
}  // namespace tollgate::config
