// `stored_responses` of routes: where it may stand, and what the ids that are made there hold to.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::config {
namespace {

Loaded load(std::string_view more, std::string_view path = "/v1/responses",
            std::string_view rules = "") {
  const std::string text = std::string(R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
tenants: { acme: {}, anonymous: {} }
limits: { client_ip: { requests_per_minute: 10 } }
)") + std::string(rules) +
                           R"(
routes:
  - name: responses
    path: )" + std::string(path) +
                           R"(
    models: [small]
    allow: [{ tenants: [acme] }]
    stored_responses: true
)" + std::string(more);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

std::string digest(std::string_view more, std::string_view rules = "") {
  const Loaded loaded = load(more, "/v1/responses", rules);
  if (loaded.config == nullptr) return told(loaded);
  return loaded.config->routes.at(0).stored_responses;
}

TEST(StoredResponsesSetting, HoldsToWhatTextsAreHeldTo) {
  const std::string bare = digest("");
  EXPECT_EQ(bare.size(), 16U) << bare;
  EXPECT_EQ(digest("    prompt: { input_tokens: 9 }\n"), bare);
  const std::string inspected = digest("    content: { request: [secrets] }\n");
  EXPECT_EQ(inspected.size(), 16U) << inspected;
  EXPECT_NE(inspected, bare);
  EXPECT_NE(digest("    content: { request: [secrets], on_match: flag }\n"), inspected);
  EXPECT_NE(digest("    content: { response: [secrets] }\n"), inspected);
  const auto own = [](std::string_view pattern) {
    return digest("    content: { request: [own] }\n",
                  "content: { rules: { number: { pattern: \"" + std::string(pattern) + "\" } } }");
  };
  EXPECT_EQ(own("E[0-9]{6}").size(), 16U) << own("E[0-9]{6}");
  EXPECT_NE(own("E[0-9]{6}"), own("E[0-9]{7}"));
}

TEST(StoredResponsesSetting, StandsWhereItHolds) {
  const auto expect_wrong = [](const Loaded& loaded, std::string_view why) {
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_NE(told(loaded).find(why), std::string::npos) << told(loaded);
    EXPECT_NE(told(loaded).find("stored_responses"), std::string::npos) << told(loaded);
  };
  expect_wrong(load("", "/v1/chat/completions"), "only the surface `responses`");
  expect_wrong(load("    anonymous: true\n"), "`anonymous` callers are all the same");
  expect_wrong(load("    tools: { allow: [a], steps: 4 }\n"), "are not seen");
  expect_wrong(load("    tools: { allow: [a], repeats: 4 }\n"), "are not seen");
  expect_wrong(load("    content: { request: [pii], on_match: redact, restore: true }\n"),
               "one request only");
}

TEST(StoredResponsesSetting, IsForAnUpstreamOfOneServerAndOneAccount) {
  std::string text = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", speaks: openai, credentials: [a, b] }
models: { small: { upstream: vllm, price_per_million: { input: 1, output: 1 } } }
tenants: { acme: {} }
routes:
  - { name: responses, path: /v1/responses, models: [small], allow: [{ tenants: [acme] }], stored_responses: true }
)";
  const auto load_it = [&] {
    return load_text(text, "t.yaml",
                     [](const std::string&) { return std::optional<std::string>(); });
  };
  EXPECT_NE(told(load_it()).find("`vllm` of `small` has 2 of them"), std::string::npos)
      << told(load_it());
  text.replace(text.find("credentials: [a, b]"), 19, "credential: a");
  EXPECT_NE(load_it().config, nullptr) << told(load_it());
}

}  // namespace
}  // namespace tollgate::config
