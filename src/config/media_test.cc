// Which models may be sent images and recordings, and what those cost.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tollgate::config {
namespace {

// `%` stands for what is written of the model, in line 5.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, % }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
)";

Loaded load(std::string_view says) {
  std::string text(kFile);
  text.replace(text.find('%'), 1, says);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(Media, OfAModelIsByTheNamesOfFormulas) {
  const Loaded loaded =
      load("images: gpt-4o, audio: openai, price_per_million: { input: 1, output: 2, audio: 40 }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Model& model = loaded.config->models.at(0);
  EXPECT_EQ(model.media.images, dialects::image_formula_named("gpt-4o"));
  EXPECT_EQ(model.media.audio, dialects::audio_formula_named("openai"));
  EXPECT_EQ(model.prices.audio, (Price{40'000'000}));
  EXPECT_EQ(model.price_version, "1.00/1.00/2.00/40.00");
  const std::string shown = effective_json(*loaded.config);
  for (const char* part : {R"("images":"gpt-4o")", R"("audio":"openai")", R"("audio":"40.00")"})
    EXPECT_NE(shown.find(part), std::string::npos) << shown;
}

TEST(Media, IsNotSentWhereNothingIsWritten) {
  const Loaded loaded = load("price_per_million: { input: 1, output: 2 }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->models.at(0).media, dialects::MediaFormulas{});
  EXPECT_EQ(loaded.config->models.at(0).price_version, "1.00/1.00/2.00");
  const std::string shown = effective_json(*loaded.config);
  EXPECT_EQ(shown.find("images"), std::string::npos) << shown;
}

TEST(Media, IsToldWhereItCannotBe) {
  const struct {
    std::string_view says;
    std::string_view at;
    std::string_view message;
  } rows[] = {
      {"images: gpt4o, price_per_million: { input: 1, output: 2 }", "t.yaml:5", "gpt-4o"},
      {"images: gpt4o, price_per_million: { input: 1, output: 2 }", "models.small.images",
       "qwen2.5-vl"},
      {"images: true, price_per_million: { input: 1, output: 2 }", "models.small.images", "claude"},
      {"images: [gpt-4o], price_per_million: { input: 1, output: 2 }", "t.yaml:5",
       "models.small.images"},
      {"audio: whisper, price_per_million: { input: 1, output: 2, audio: 4 }", "models.small.audio",
       "gemini"},
      {"audio: openai, price_per_million: { input: 1, output: 2 }", "t.yaml:5",
       "`price_per_million.audio`"},
      {"price_per_million: { input: 1, output: 2, audio: 4 }",
       "models.small.price_per_million.audio", "no recording is sent"},
      {"audio: openai, price_per_million: { input: 1, output: 2, audio: -4 }", "t.yaml:5",
       "models.small.price_per_million.audio"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.says);
    const Loaded loaded = load(row.says);
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(loaded.problems.size(), 1U) << told(loaded);
    EXPECT_NE(told(loaded).find(row.at), std::string::npos) << told(loaded);
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << told(loaded);
  }
}

// `%` stands for what is written of the model, `#` for the hosts.
Loaded load_hosts(std::string_view model, std::string_view hosts) {
  std::string text(kFile);
  text.replace(text.find('%'), 1,
               std::string(model) + "price_per_million: { input: 1, output: 2 }");
  const std::string_view caps = "output_tokens: 4096";
  text.replace(text.find(caps), caps.size(),
               std::string(caps) + ", media_domains: " + std::string(hosts));
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

TEST(Media, IsFetchedFromTheHostsOfARoute) {
  const Loaded loaded = load_hosts("images: gpt-4o, ", R"([images.example.com, "*.b.example"])");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->routes.at(0).prompt.media_domains,
            (std::vector<std::string>{"images.example.com", "*.b.example"}));
  EXPECT_NE(effective_json(*loaded.config)
                .find(R"("media_domains":["images.example.com","*.b.example"])"),
            std::string::npos);
}

TEST(Media, HostsThatCannotBeAreTold) {
  const struct {
    std::string_view model;
    std::string_view hosts;
    std::string_view message;
  } rows[] = {
      {"images: gpt-4o, ", R"(["https://a.example"])", "`https://a.example` is no host"},
      {"images: gpt-4o, ", "[A.example]", "small letters"},
      {"images: gpt-4o, ", R"(["a.example:443"])", "is no host"},
      {"images: gpt-4o, ", R"(["10.0.0.5"])", "an IP address cannot be named"},
      {"images: gpt-4o, ", R"(["169.254.169.254"])", "an IP address cannot be named"},
      {"images: gpt-4o, ", R"(["*"])", "is no host"},
      {"images: gpt-4o, ", R"(["*.com"])", "top-level domain"},
      {"images: gpt-4o, ", R"(["a.*.com"])", "is no host"},
      {"images: gpt-4o, ", "[a.example, a.example]", "is there twice"},
      {"images: gpt-4o, ", "[]", "media_domains"},
      {"", "[a.example]", "never applies: no model of this route is sent images"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.hosts);
    const Loaded loaded = load_hosts(row.model, row.hosts);
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << told(loaded);
    EXPECT_NE(told(loaded).find("t.yaml:11"), std::string::npos) << told(loaded);
    EXPECT_NE(told(loaded).find("prompt.media_domains"), std::string::npos) << told(loaded);
  }
}

}  // namespace
}  // namespace tollgate::config
