// The configuration that the tests of this folder run with, and the replies of a model.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "pipeline/testing.h"

namespace tollgate::pipeline::testing {

// Prices are whole dollars a million, so a token of input costs one micro-dollar and a token of
// output ten.
inline constexpr std::string_view kSettings = R"(
listeners:
  public: { address: "127.0.0.1:0", exposure: public }
  mesh: { address: "127.0.0.1:0", exposure: internal }
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  small: { upstream: vllm, name: llama-8b, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  big: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 100, output: 100 } }
  unknown: { upstream: vllm, price_per_million: { input: 1, output: 10 } }
  opus: { upstream: claude, name: claude-opus, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
tenants:
  acme:
    roles: [engineer]
    budget: { usd: 500, per: month, when_exhausted: refuse }
  globex:
    limits: { requests_per_minute: 7, output_tokens_per_minute: 50 }
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
  user_id: { total_tokens_per_minute: 100000 }
  client_ip: { concurrent_requests: 100 }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, unknown]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 2 }
    tools: { allow: [get_weather] }
  - name: dear
    path: /v1/chat/completions
    models: [big]
    allow: [{ roles: [researcher] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
  - name: messages
    path: /v1/messages
    models: [opus]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
  - name: embed
    path: /v1/embeddings
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 8 }
  - name: inner
    path: /internal/summarize
    surface: chat_completions
    exposure: internal
    models: [big]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
)";

inline std::shared_ptr<const config::Config> load_settings(std::string_view text) {
  const config::Loaded loaded = config::load_text(
      text, "test.yaml", [](const std::string&) { return std::optional<std::string>(); });
  for (const config::Problem& problem : loaded.problems) {
    ADD_FAILURE() << config::format(problem);
  }
  return loaded.config;
}

// kSettings with one text put in the place of another.
inline std::string settings_with(std::string_view from, std::string_view to) {
  std::string text(kSettings);
  const std::size_t at = text.find(from);
  CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Loaded once for all tests: it takes a second.
inline const Vocabularies& shared_vocabularies() {
  static Vocabularies vocabularies(TOLLGATE_VOCABULARIES);
  static const bool loaded = vocabularies.ensure("o200k_base").has_value();
  CHECK(loaded);
  return vocabularies;
}

class PipelineTest : public ::testing::Test {
 protected:
  explicit PipelineTest(std::string_view settings = kSettings)
      : world(load_settings(settings), shared_vocabularies()) {
    ada = world.add_key("acme", "ada");
    world.upstreams.script.pieces = {kAnswer};
  }

  Ask ask(std::string body, std::string target = "/v1/chat/completions") const {
    Ask made;
    made.target = std::move(target);
    made.headers = {{"Authorization", "Bearer " + ada}};
    made.body = std::move(body);
    return made;
  }
  Ask ask_as(const std::string& key, std::string body) const {
    Ask made = ask(std::move(body));
    made.headers = {{"Authorization", "Bearer " + key}};
    return made;
  }

  // What every ending owes: settled once, a decision and an outcome, no call kept.
  void expect_clean_books() const {
    EXPECT_EQ(world.ledger.open(), 0);
    EXPECT_EQ(world.upstreams.at_work, 0);
    EXPECT_EQ(world.meter.begun, world.meter.over);
    for (const Settled& each : world.ledger.settled) {
      if (each.held > Money{}) {
        EXPECT_LE(each.used.cost, each.held);
      }
    }
  }
  const Settled& settled() const { return world.ledger.settled.back(); }
  const Recorded& last() const { return world.trail.records.back(); }
  bool told(std::string_view what) const {
    return std::find(world.story.begin(), world.story.end(), what) != world.story.end();
  }

  static constexpr std::string_view kHello =
      R"({"model":"small","messages":[{"role":"user","content":"Hello there"}]})";
  // "Hello there" and "user" are 3 tokens, the framing of one message 6.
  static constexpr Tokens kHelloTokens = 9;
  static constexpr std::string_view kHelloStreamed =
      R"({"model":"small","stream":true,"messages":[{"role":"user","content":"Hello there"}]})";
  static constexpr std::string_view kClaude =
      R"({"model":"opus","max_tokens":50,"messages":[{"role":"user","content":"Hello there"}]})";
  static constexpr std::string_view kClaudeStreamed =
      R"({"model":"opus","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hello there"}]})";
  static constexpr const char* kAnswer =
      R"({"id":"c1","object":"chat.completion","created":1,"model":"llama-8b","choices":[{"index":0,"message":{"role":"assistant","content":"the answer is simple"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";

  World world;
  std::string ada;
};

inline constexpr Tokens kCap = 100;
// The same words as kHello; what the Messages API adds has no published formula, so it is bounded.
inline constexpr Tokens kClaudeTokens = 22;
inline constexpr audit::UsageSource kNone = audit::UsageSource::kNone;
inline constexpr audit::UsageSource kProvider = audit::UsageSource::kProvider;
inline constexpr audit::UsageSource kCounted = audit::UsageSource::kCounted;

inline std::string whole(std::string_view usage, std::string_view text = "the answer is simple") {
  std::string body =
      R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":")";
  body += text;
  body += R"("},"finish_reason":"stop"}])";
  if (!usage.empty()) body += ",\"usage\":" + std::string(usage);
  return body + "}";
}

inline std::string reported(Tokens input, Tokens output, Tokens cached = 0) {
  return R"({"prompt_tokens":)" + std::to_string(input) + R"(,"completion_tokens":)" +
         std::to_string(output) + R"(,"total_tokens":)" + std::to_string(input + output) +
         R"(,"prompt_tokens_details":{"cached_tokens":)" + std::to_string(cached) + "}}";
}

inline std::string chunk(std::string_view content) {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"llama-8b","choices":[{"index":0,"delta":{"content":")" +
         std::string(content) + "\"},\"finish_reason\":null}]}\n\n";
}
inline const std::string kFinish =
    R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"llama-8b","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
    "\n\n";
inline std::string usage_chunk(Tokens input, Tokens output) {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"llama-8b","choices":[],"usage":{"prompt_tokens":)" +
         std::to_string(input) + ",\"completion_tokens\":" + std::to_string(output) +
         ",\"total_tokens\":" + std::to_string(input + output) + "}}\n\n";
}
inline const std::string kDone = "data: [DONE]\n\n";

inline std::string event(std::string_view type, std::string_view data) {
  return "event: " + std::string(type) + "\ndata: " + std::string(data) + "\n\n";
}
inline std::string claude_opening(Tokens input) {
  return event(
             "message_start",
             R"({"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"claude-opus","content":[],"stop_reason":null,"usage":{"input_tokens":)" +
                 std::to_string(input) + R"(,"output_tokens":1}}})") +
         event(
             "content_block_start",
             R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})");
}
inline std::string claude_delta(std::string_view text) {
  return event("content_block_delta",
               R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")" +
                   std::string(text) + R"("}})");
}
inline std::string claude_closing(Tokens output) {
  return event("content_block_stop", R"({"type":"content_block_stop","index":0})") +
         event(
             "message_delta",
             R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":)" +
                 std::to_string(output) + "}}") +
         event("message_stop", R"({"type":"message_stop"})");
}

}  // namespace tollgate::pipeline::testing
