// `guards`, and the routes that ask them.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::config {
namespace {

Loaded load(std::string_view guard, std::string_view asked = "guards: [g]") {
  const std::string text = std::string(R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
tenants: { acme: {} }
guards:
  g: { )") + std::string(guard) +
                           R"( }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    )" + std::string(asked) +
                           "\n";
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

constexpr std::string_view kModeration =
    "kind: openai_moderation, upstream: vllm, price_per_request: 0.001";

TEST(Guards, AreReadWithWhatIsNotWritten) {
  const Loaded loaded = load(kModeration);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Guard& guard = loaded.config->guards.at(0);
  EXPECT_EQ(guard.kind, dialects::GuardKind::kOpenAiModeration);
  EXPECT_EQ(guard.path, "/moderations");
  EXPECT_EQ(guard.price_per_request.micro_usd, 1000);
  EXPECT_EQ(guard.on_failure, OnGuardFailure::kRefuse);
  EXPECT_EQ(guard.mode, Mode::kEnforce);
  EXPECT_EQ(guard.cache, std::chrono::minutes(10));
  EXPECT_EQ(guard.section, 2048);
  EXPECT_EQ(guard.rule, "guards.g");
  EXPECT_EQ(loaded.config->routes.at(0).guards, std::vector{0});
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("guards":["g"])"), std::string::npos) << shown;
  EXPECT_NE(shown.find(R"("price_per_request":"0.001")"), std::string::npos) << shown;
}

TEST(Guards, OfAnswersAreReadBesideThoseOfRequests) {
  const Loaded loaded = load(std::string(kModeration) + ", section: 512", "response_guards: [g]");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->guards.at(0).section, 512);
  EXPECT_TRUE(loaded.config->routes.at(0).guards.empty());
  EXPECT_EQ(loaded.config->routes.at(0).response_guards, std::vector{0});
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("response_guards":["g"])"), std::string::npos) << shown;
  EXPECT_NE(shown.find(R"("section":"512")"), std::string::npos) << shown;
}

TEST(Guards, AreToldWhereTheyCannotBe) {
  const struct {
    std::string guard;
    std::string_view asked;
    std::string_view message;
  } rows[] = {
      {std::string(kModeration), "guards: [h]", "there is no guard `h`"},
      {std::string(kModeration), "guards: [g, g]", "`g` is there twice"},
      {std::string(kModeration), "response_guards: [h]", "there is no guard `h`"},
      {std::string(kModeration), "response_guards: [g, g]", "`g` is there twice"},
      {std::string(kModeration) + ", section: 10B", "response_guards: [g]", "guards.g.section"},
      {"kind: openai_moderation, upstream: vllm", "guards: [g]", "`price_per_request` is missing"},
      {"kind: openai_moderation, upstream: vlm, price_per_request: 0", "guards: [g]", "`vlm`"},
      {"kind: moderation, upstream: vllm, price_per_request: 0", "guards: [g]", "`moderation`"},
      {"kind: llama_guard, upstream: vllm, price_per_request: 0", "guards: [g]", "needs a `model`"},
      {"kind: http, upstream: vllm, price_per_request: 0, score: 0.5", "guards: [g]",
       "guards.g.score: a guard of the kind `http` has none"},
      {"kind: presidio, upstream: vllm, price_per_request: 0, model: x", "guards: [g]",
       "guards.g.model: a guard of the kind `presidio` has none"},
      {std::string(kModeration) + ", score: 2", "guards: [g]", "guards.g.score"},
  };
  for (const auto& row : rows) {
    const Loaded loaded = load(row.guard, row.asked);
    EXPECT_EQ(loaded.config, nullptr) << row.guard;
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << told(loaded);
  }
}

}  // namespace
}  // namespace tollgate::config
