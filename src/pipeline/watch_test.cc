// Requests on a route with a policy on anomalies: what is looked at, what is done, and what of it
// is on record.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controls/anomalies/testing_traffic.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using anomalies::testing::joined;
using anomalies::testing::Language;
using anomalies::testing::variant_of;

constexpr std::string_view kWatched = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  opus: { upstream: claude, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 100, per: day, when_exhausted: refuse } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 4000, output_tokens: 100, choices: 1 }
    %
  - name: messages
    path: /v1/messages
    models: [opus]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 4000, output_tokens: 100, choices: 1 }
)";

// With `steps_in` another model answers where the first one fails.
std::string watched(std::string_view policy, bool steps_in) {
  std::string text(kWatched);
  text.replace(text.find('%'), 1, policy);
  if (!steps_in) return text;
  const auto put = [&](std::string_view behind, std::string_view what) {
    text.insert(text.find(behind) + behind.size(), what);
  };
  put("authentication: { api_keys: {} }\n", "retries: { share: 1 }\n");
  put("speaks: openai", ", circuit_breaker: { consecutive_failures: 1000, failed_share: 1 }");
  put("models:\n  small: { upstream: vllm,", " fallback: [spare],");
  put("upstreams:\n", "  there: { url: \"http://10.0.0.6:8000/v1\", speaks: openai }\n");
  put("models:\n",
      "  spare: { upstream: there, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 "
      "} "
      "}\n");
  put("models: [small", ", spare");
  return text;
}

std::string said(std::string_view text, std::string_view system = {}) {
  std::string body = R"({"model":"small","messages":[)";
  if (!system.empty()) body += R"({"role":"system","content":")" + std::string(system) + "\"},";
  return body + R"({"role":"user","content":")" + std::string(text) + "\"}]}";
}

class WatchTest : public PipelineTest {
 protected:
  explicit WatchTest(std::string_view policy = "anomalies: {}", bool steps_in = false)
      : PipelineTest(watched(policy, steps_in)) {
    for (int i = 0; i < 12; ++i) keys_.push_back(world.add_key("acme"));
  }
  std::unique_ptr<Caller> serve_as(std::size_t key, const std::string& body) {
    return world.serve(ask_as(keys_.at(key), body));
  }
  const std::string& decision() const {
    return world.trail.records.at(world.trail.records.size() - 2).written;
  }
  // Variants of one template from eight keys; the answer to one more from another.
  std::unique_ptr<Caller> campaign(std::string_view system = {}) {
    const std::vector<std::string> base = language_.text(40, {});
    for (std::size_t i = 0; i < 24; ++i) serve_as(i % 8, said(variant_of(language_, base), system));
    return serve_as(10, said(variant_of(language_, base), system));
  }
  std::string usual() { return joined(language_.text(40, {})); }

  Language language_{31};
  std::vector<std::string> keys_;
};

TEST_F(WatchTest, PutsFiguresOnRecordAndNoText) {
  const auto caller = serve_as(0, said("what would the second one cost a month, please, and why"));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(decision().find(R"("features":{"bytes":55,)"), std::string::npos) << decision();
  EXPECT_EQ(decision().find("anomaly"), std::string::npos);
  EXPECT_EQ(decision().find("simhash"), std::string::npos);
  EXPECT_EQ(decision().find("second"), std::string::npos);
}

TEST_F(WatchTest, OnlyTellsOfACampaignUnlessAskedForMore) {
  const auto caller = campaign();
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(decision().find(R"("anomaly":{"score":80,"reasons":["campaign"],"action":"alert"})"),
            std::string::npos)
      << decision();
  EXPECT_GT(world.anomalies.counts().by_action[0], 0U);
  expect_clean_books();
}

// What an application puts before each request is the same for all its keys.
TEST_F(WatchTest, LooksAtWhatWasWrittenAndNotAtTheSystemPrompt) {
  const std::vector<std::string> base = language_.text(60, {});
  for (std::size_t i = 0; i < 40; ++i) {
    serve_as(i % 12, said(usual(), variant_of(language_, base)));
    EXPECT_EQ(decision().find("anomaly"), std::string::npos) << decision();
  }
}

TEST_F(WatchTest, LooksAtTheLastTurnAlone) {
  const std::string long_ago = usual();
  const std::string body =
      R"({"model":"small","messages":[{"role":"user","content":")" + long_ago +
      R"("},{"role":"assistant","content":"yes"},)"
      R"({"role":"user","content":"12345"},{"content":"1234","role":"user"}]})";
  EXPECT_EQ(serve_as(0, body)->status, 200);
  EXPECT_NE(decision().find(R"("features":{"bytes":9,)"), std::string::npos) << decision();
}

TEST_F(WatchTest, DoesNotLookWhereNobodyAsks) {
  world.serve(ask(std::string(kClaude), "/v1/messages"));
  EXPECT_EQ(world.trail.records.front().written.find("features"), std::string::npos);
}

class RefusingTest : public WatchTest {
 protected:
  RefusingTest() : WatchTest("anomalies: { on_anomaly: refuse }") {}
};

TEST_F(RefusingTest, RefusesACampaignAndNothingElse) {
  const auto caller = campaign();
  EXPECT_EQ(caller->status, 403);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "anomaly_refused");
  EXPECT_NE(caller->text.find(R"("code":"permission_denied")"), std::string::npos);
  EXPECT_NE(caller->text.find("campaign"), std::string::npos);
  EXPECT_EQ(last().code, "anomaly_refused");
  EXPECT_EQ(last().rule, "routes.chat.anomalies");
  EXPECT_NE(decision().find(R"("action":"refuse")"), std::string::npos) << decision();
  EXPECT_EQ(serve_as(10, said(usual()))->status, 200);
  expect_clean_books();
}

class SlowingTest : public WatchTest {
 protected:
  SlowingTest() : WatchTest("anomalies: { on_anomaly: slow_down }") {}
};

TEST_F(SlowingTest, SlowsDownWhoTakesPart) {
  EXPECT_EQ(campaign()->status, 200);
  const auto again = serve_as(10, said(usual()));
  EXPECT_EQ(again->status, 429);
  EXPECT_EQ(again->header("x-tollgate-reason"), "rate_limited");
  EXPECT_TRUE(again->header("retry-after"));
  EXPECT_EQ(last().rule, "routes.chat.anomalies");
  EXPECT_EQ(serve_as(11, said(usual()))->status, 200);
  world.clock.pass(anomalies::kSlowEvery);
  EXPECT_EQ(serve_as(10, said(usual()))->status, 200);
  expect_clean_books();
}

class ObservingTest : public WatchTest {
 protected:
  ObservingTest() : WatchTest("anomalies: { on_anomaly: refuse, mode: observe }") {}
};

TEST_F(ObservingTest, OnlyTellsWhatItWouldHaveRefused) {
  EXPECT_EQ(campaign()->status, 200);
  EXPECT_NE(decision().find(R"("observed":["routes.chat.anomalies"])"), std::string::npos)
      << decision();
  EXPECT_NE(decision().find(R"("action":"observe")"), std::string::npos);
  EXPECT_GT(world.anomalies.counts().observed, 0U);
  EXPECT_EQ(world.anomalies.counts().by_action[2], 0U);
}

// The end of each request is learned from, those that another control refuses as well.
TEST_F(WatchTest, SeesThatMostIsRefused) {
  for (int i = 0; i < 300; ++i) serve_as(0, said(usual()));
  for (int i = 0; i < 25; ++i) {
    std::string text = "7";
    for (int k = 0; k < 9'000; ++k) text += " 7";
    EXPECT_EQ(serve_as(0, said(text))->status, 400);
  }
  serve_as(0, said(usual()));
  EXPECT_NE(decision().find(R"("reasons":["refusals"])"), std::string::npos) << decision();
}

// So is that of an attempt that failed, though another model answered in the end.
class FailingTest : public WatchTest {
 protected:
  FailingTest() : WatchTest("anomalies: {}", true) {}
};

TEST_F(FailingTest, LearnsFromAttemptsThatFailed) {
  for (int i = 0; i < 300; ++i) serve_as(0, said(usual()));
  world.upstreams.fails = "vllm";
  for (int i = 0; i < 25; ++i) EXPECT_EQ(serve_as(0, said(usual()))->status, 200);
  world.upstreams.fails.clear();
  serve_as(0, said(usual()));
  EXPECT_NE(decision().find(R"("reasons":["errors"])"), std::string::npos) << decision();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
