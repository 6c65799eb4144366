// What the file says of attempts: fallback, downgrades, endpoints, queues.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace tollgate::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// `upstream`, `model` and `more` are put into the file.
std::string file_with(std::string_view upstream, std::string_view model,
                      std::string_view more = {}) {
  return "store: { ledger: memory }\nauthentication: { api_keys: {} }\nupstreams:\n"
         "  up: { url: \"http://10.0.0.5/v1\", speaks: openai" +
         std::string(upstream) +
         " }\nmodels:\n"
         "  a: { upstream: up, price_per_million: { input: 1, output: 1 }" +
         std::string(model) +
         " }\n"
         "  b: { upstream: up, price_per_million: { input: 1, output: 1 } }\n"
         "  c: { upstream: up, price_per_million: { input: 1, output: 1 } }\n"
         "tenants: { acme: {}, other: {} }\n"
         "routes:\n"
         "  - { name: one, path: /v1/chat/completions, models: [a, b], allow: [{ tenants: [acme] "
         "}] }\n"
         "  - { name: two, path: /v1/chat/completions, models: [c], allow: [{ tenants: [other] }] "
         "}\n" +
         std::string(more);
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

TEST(AttemptsConfig, HasDefaultsThatBoundEverything) {
  const Loaded loaded = load(file_with("", ""));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_EQ(loaded.config->retries.attempts, 3);
  EXPECT_DOUBLE_EQ(loaded.config->retries.share, 0.1);
  const Upstream& up = loaded.config->upstreams[0];
  EXPECT_EQ(up.breaker.consecutive_failures, 5);
  EXPECT_EQ(up.breaker.open, seconds(1));
  EXPECT_EQ(up.breaker.open_max, seconds(4));
  EXPECT_EQ(up.places(), 1);
  EXPECT_FALSE(up.queue);
  EXPECT_FALSE(up.health_check);
  EXPECT_FALSE(up.adaptive_concurrency);
  EXPECT_TRUE(loaded.config->models[0].fallback.models.empty());
  EXPECT_EQ(loaded.config->tenants[0].weight, 1);
  EXPECT_EQ(loaded.config->routes[0].priority, overload::Priority::kNormal);
}

TEST(AttemptsConfig, IsTakenAsItIsWritten) {
  const Loaded loaded = load(file_with(
      ", credentials: [k1, k2], health_check: { path: /health, every: 9s }, queue: { length: 7, "
      "wait: 300ms }, adaptive_concurrency: true, "
      "circuit_breaker: { consecutive_failures: 2, open: 50ms, open_max: 1s, slow_start: 0s }",
      ", fallback: [b], fallback_on: [timeout, context_length], fallback_after: 5s, "
      "downgrade: [{ to: b, budget_used: 0.8, tenants: [acme] }, { to: b, request_usd: 0.5 }]",
      "retries: { share: 0.5, attempts: 2 }\n"));
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Upstream& up = loaded.config->upstreams[0];
  EXPECT_EQ(up.places(), 2);
  EXPECT_EQ(up.credential_at(0).reveal(), "k1");
  EXPECT_EQ(up.credential_at(1).reveal(), "k2");
  EXPECT_EQ(up.endpoint_at(1), 0);
  EXPECT_EQ(up.queue->length, 7);
  EXPECT_EQ(up.health_check->path, "/health");
  EXPECT_EQ(up.health_check->every, seconds(9));
  EXPECT_EQ(up.queue->wait, milliseconds(300));
  EXPECT_TRUE(up.adaptive_concurrency);
  EXPECT_EQ(up.breaker.open, milliseconds(50));
  EXPECT_EQ(up.breaker.slow_start, Duration{});
  const Model& a = loaded.config->models[0];
  EXPECT_EQ(a.fallback.models, std::vector<std::string>{"b"});
  EXPECT_TRUE(a.fallback.on.contains(attempts::Failure::kTimeout));
  EXPECT_FALSE(a.fallback.on.contains(attempts::Failure::kError));
  EXPECT_EQ(a.fallback.after, seconds(5));
  ASSERT_EQ(a.downgrades.size(), 2U);
  EXPECT_DOUBLE_EQ(*a.downgrades[0].budget_used, 0.8);
  EXPECT_EQ(a.downgrades[1].rule, "models.a.downgrade[1]");
  EXPECT_EQ(a.downgrades[1].request_usd, Money{500'000});
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("credentials":["***","***"])"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("k1"), std::string::npos);
}

TEST(AttemptsConfig, TellsWhatCanNeverBe) {
  struct Row {
    std::string upstream;
    std::string model;
    std::string expected;
  };
  for (
      const Row& row : {
          Row{"", ", fallback: [a]", "models.a.fallback[0]: a model cannot stand in for itself\n"},
          Row{"", ", fallback: [bb]",
              "models.a.fallback[0]: there is no model `bb`; did you mean `b`?\n"},
          Row{"", ", fallback: [c]",
              "models.a.fallback[0]: `c` can never stand in for `a`: a request stays on its path, "
              "and no path serves both to the same callers; name `c` in the `models` of a route "
              "that serves `a`\n"},
          Row{"", ", fallback_on: [error]",
              "models.a.fallback_on: there is nothing to fall back to: write `fallback` as well\n"},
          Row{"", ", downgrade: [{ to: b }]",
              "models.a.downgrade[0].to: it says nothing of when: name `budget_used`, "
              "`request_usd` or `tenants`\n"},
          Row{"", ", downgrade: [{ to: b, tenants: [acmee] }]",
              "models.a.downgrade[0].tenants: there is no tenant `acmee`; did you mean `acme`?\n"},
          Row{", circuit_breaker: { open: 5s, open_max: 4s }", "",
              "upstreams.up.circuit_breaker.open_max: expected at least `open`: it grows up to "
              "this\n"},
          Row{", circuit_breaker: { failed_share: 0 }", "",
              "upstreams.up.circuit_breaker.failed_share: a share of 0 is reached without a "
              "failure: expected more, up to 1\n"},
          Row{", credential: k, credentials: [k]", "",
              "upstreams.up.credentials: expected `credential` or `credentials`, found both: write "
              "all of them here\n"},
      }) {
    const Loaded loaded = load(file_with(row.upstream, row.model));
    EXPECT_EQ(loaded.config, nullptr) << row.expected;
    EXPECT_EQ(told(loaded), row.expected);
  }
}

// The findings of these parts as "id field", each a line.
std::string weak(const std::string& text) {
  const Loaded loaded = load(text);
  if (loaded.config == nullptr) return told(loaded);
  std::string all;
  for (const Finding& finding : posture(*loaded.config, text)) {
    if (!finding.id.starts_with("fallback") && !finding.id.starts_with("downgrade")) continue;
    all += finding.id + " " + finding.field + "\n";
  }
  return all;
}

TEST(AttemptsConfig, TellsOfCredentialsInPlainText) {
  const std::string text = file_with(", credentials: [\"${KEY:-x}\", sk-in-the-file]", "");
  const Loaded loaded = load(text);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  std::vector<std::string> fields;
  for (const Finding& finding : posture(*loaded.config, text)) {
    if (finding.id == "secret-in-plain-text") fields.push_back(finding.field);
  }
  EXPECT_EQ(fields, std::vector<std::string>{"upstreams.up.credentials[1]"});
}

TEST(AttemptsConfig, TellsWhatIsWeak) {
  const std::string third =
      "  - { name: three, path: /v1/completions, models: [a], allow: [{ tenants: [acme] }] }\n";
  EXPECT_EQ(weak(file_with("", ", fallback: [b]")), "");
  EXPECT_EQ(weak(file_with("", ", fallback: [b]", third)),
            "fallback-not-allowed models.a.fallback[0]\n");
  const std::string_view line = ", downgrade: [{ to: b, budget_used: 0.5 }]";
  EXPECT_EQ(weak(file_with("", line)), "");
  std::string dear = file_with("", line);
  dear.replace(dear.find("b: { upstream: up, price_per_million: { input: 1"), 48,
               "b: { upstream: up, price_per_million: { input: 2");
  EXPECT_EQ(weak(dear), "downgrade-dearer models.a.downgrade[0].to\n");
  // By any price that both have, not only those of tokens.
  const std::string_view priced = "price_per_million: { input: 1, output: 1 }";
  for (const auto& [cheap, costly] : std::vector<std::pair<std::string, std::string>>{
           {"price_per_million: { input: 1, output: 1 }, price_per_request: 0.01",
            "price_per_million: { input: 1, output: 1 }, price_per_request: 0.02"},
           {"price_per_million: { input: 1, cached_input: 0.1, output: 1 }",
            "price_per_million: { input: 1, output: 1 }"}}) {
    std::string text = file_with("", line);
    text.replace(text.find(priced), priced.size(), cheap);
    text.replace(text.find("b: { upstream: up, ") + 19, priced.size(), costly);
    EXPECT_NE(weak(text).find("downgrade-dearer models.a.downgrade[0].to\n"), std::string::npos)
        << weak(text) << text;
  }
  // By the lists that are in force at once: the first ones of a table may be history.
  std::string later = file_with("", line);
  later.replace(later.find("b: { upstream: up, ") + 19, priced.size(), "prices: b");
  later +=
      "prices:\n  - { name: b, price_per_million: { input: 1, output: 1 } }\n"
      "  - { name: b, from: 2026-01-01, price_per_million: { input: 2, output: 1 } }\n";
  EXPECT_EQ(weak(later), "downgrade-dearer models.a.downgrade[0].to\n");
  std::string circle = file_with("", line);
  const std::string_view b = "b: { upstream: up,";
  circle.replace(circle.find(b), b.size(),
                 "b: { upstream: up, downgrade: [{ to: a, budget_used: 0.5 }],");
  EXPECT_EQ(weak(circle),
            "downgrade-circle models.a.downgrade[0].to\n"
            "downgrade-circle models.b.downgrade[0].to\n");
}

}  // namespace
}  // namespace tollgate::config
