// What the file says of answers that are given again.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tollgate::config {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::string file_with(std::string_view route) {
  return "store: { ledger: memory }\nauthentication: { api_keys: {} }\nupstreams:\n"
         "  up: { url: \"http://10.0.0.5/v1\", speaks: openai }\nmodels:\n"
         "  a: { upstream: up, price_per_million: { input: 1, output: 1 } }\n"
         "tenants: { acme: {} }\n"
         "routes:\n  - { name: one, " +
         std::string(route) + " }\n";
}

Loaded load(const std::string& text) {
  return load_text(text, "t.yaml",
                   [](const std::string&) -> std::optional<std::string> { return std::nullopt; });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems)
    all += problem.field + ": " + problem.message + "\n";
  return all;
}

constexpr std::string_view kChat =
    "path: /v1/chat/completions, models: [a], allow: [{ tenants: [acme] }]";

TEST(AnswersConfig, GivesNothingAgainUnlessItIsAskedFor) {
  const Loaded loaded = load(file_with(kChat));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_FALSE(loaded.config->routes[0].answers.any());
}

TEST(AnswersConfig, SharesWithNobodyUnlessItSaysSo) {
  const Loaded loaded = load(file_with(std::string(kChat) + ", cache: {}, idempotency: {}"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const answers::Policy& policy = loaded.config->routes[0].answers;
  ASSERT_TRUE(policy.cache && policy.idempotency);
  EXPECT_EQ(policy.cache->scope, answers::Scope::kUser);
  EXPECT_EQ(policy.cache->keep, minutes(10));
  EXPECT_EQ(policy.cache->price_per_hit, Money{});
  EXPECT_FALSE(policy.cache->coalesce);
  EXPECT_EQ(policy.idempotency->keep, minutes(10));
}

TEST(AnswersConfig, TakesWhatIsWritten) {
  const Loaded loaded =
      load(file_with(std::string(kChat) +
                     ", cache: { keep: 5s, scope: tenant, price_per_hit: 0.002, coalesce: true }, "
                     "idempotency: { keep: 1h }"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const answers::Policy& policy = loaded.config->routes[0].answers;
  EXPECT_EQ(policy.cache->scope, answers::Scope::kTenant);
  EXPECT_EQ(policy.cache->keep, seconds(5));
  EXPECT_EQ(policy.cache->price_per_hit, Money{2000});
  EXPECT_TRUE(policy.cache->coalesce);
  EXPECT_EQ(policy.idempotency->keep, minutes(60));
}

struct Wrong {
  std::string_view route;
  std::string_view told;
};

TEST(AnswersConfig, TellsWhatCanNeverApply) {
  const Wrong all[] = {
      {"path: /v1/models, allow: [{ tenants: [acme] }], cache: {}",
       "routes[0].cache: answers of the surface `models` are not kept"},
      {"path: /v1/models, allow: [{ tenants: [acme] }], idempotency: {}",
       "routes[0].idempotency: a request of the surface `models` is never the same again"},
      {"path: /v1/audio/speech, models: [a], allow: [{ tenants: [acme] }], cache: {}",
       "routes[0].cache: answers of the surface `speech` are not kept"},
      {"path: /v1/audio/transcriptions, models: [a], allow: [{ tenants: [acme] }], idempotency: {}",
       "routes[0].idempotency: a request of the surface `transcriptions` is never"},
      {"path: /v1/chat/completions, models: [a], anonymous: true, cache: {}",
       "routes[0].cache: `anonymous` callers are all the same"},
      {"path: /v1/chat/completions, models: [a], anonymous: true, idempotency: {}",
       "routes[0].idempotency: `anonymous` callers are all the same"},
      {"path: /v1/chat/completions, models: [a], allow: [{ tenants: [acme] }], cache: { keep: 2d }",
       "routes[0].cache.keep: "},
      {"path: /v1/chat/completions, models: [a], allow: [{ tenants: [acme] }], cache: { scope: all "
       "}",
       "routes[0].cache.scope: "},
      {"path: /v1/chat/completions, models: [a], allow: [{ tenants: [acme] }], cache: { "
       "price_per_hit: -1 }",
       "routes[0].cache.price_per_hit: "},
  };
  for (const Wrong& one : all) {
    SCOPED_TRACE(one.route);
    const Loaded loaded = load(file_with(one.route));
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_NE(told(loaded).find(one.told), std::string::npos) << told(loaded);
  }
}

}  // namespace
}  // namespace tollgate::config
