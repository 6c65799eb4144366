// Models that step in for each other, at endpoints that fail as a test says.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing::of_attempts {

inline constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  two: { urls: ["http://10.0.0.5:8000/v1", "http://10.0.0.6:8000/v1"], speaks: openai, credential: sk-upstream-secret }
  one: { url: "http://10.0.0.7:8000/v1", speaks: openai }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  big: { upstream: two, tokenizer: o200k_base, price_per_million: { input: 100, output: 100 }, fallback: [small, haiku], fallback_after: 2s }
  small: { upstream: one, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 }, fallback: [big] }
  haiku: { upstream: claude, price_per_million: { input: 1, output: 1 } }
  alone: { upstream: one, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  tight: { upstream: one, context_tokens: 5, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 }, fallback: [small], fallback_on: [context_length] }
  patient: { upstream: two, price_per_million: { input: 1, output: 1 }, fallback: [small], fallback_on: [error] }
  back: { upstream: two, price_per_million: { input: 1, output: 1 }, fallback: [dear] }
  other: { upstream: one, price_per_million: { input: 1, output: 1 }, fallback: [hidden] }
  hidden: { upstream: two, price_per_million: { input: 1, output: 1 } }
  dear:
    upstream: one
    tokenizer: o200k_base
    price_per_million: { input: 100, output: 100 }
    downgrade:
      - { to: hidden, tenants: [acme] }
      - { to: alone, tenants: [poor] }
      - { to: small, budget_used: 0.5 }
      - { to: haiku, request_usd: 0.005 }
tenants:
  acme: { budget: { usd: 0.1, per: day, when_exhausted: refuse } }
  poor: {}
  rich: {}
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
  model: { requests_per_minute: 60 }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [big, small, haiku, alone, tight, patient, other, dear, back]
    allow: [{ tenants: [acme, poor, rich] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 2, count_input: always }
  - name: inner
    path: /v1/chat/completions
    models: [hidden]
    allow: [{ tenants: [acme], roles: [researcher] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
)";

inline constexpr const char* kText =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
inline constexpr const char* kClaudeText =
    R"({"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"the answer"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":4}})";

inline Script failing(int status) {
  Script script;
  script.status = status;
  script.pieces = {R"({"error":{"message":"no","type":"server_error"}})"};
  return script;
}
inline Script unreachable() {
  Script script;
  script.send_fault = FaultKind::kUnreachable;
  script.sent = false;
  return script;
}
inline Script silent() {
  Script script;
  script.send_fault = FaultKind::kTimeout;
  return script;
}
inline Script of_claude() {
  Script script;
  script.pieces = {kClaudeText};
  return script;
}

struct Gateway : World {
  explicit Gateway(std::string_view more = {}, std::string_view doors = kDoors)
      : World(load_settings(std::string(doors) + std::string(more)), shared_vocabularies()) {
    ledger.books = &books;
    ada = add_key("acme", "ada");
    upstreams.script.pieces = {kText};
  }
  std::unique_ptr<Caller> ask(std::string_view model, std::string_view more = {}) {
    return ask_as(ada, model, more);
  }
  std::unique_ptr<Caller> ask_as(const std::string& key, std::string_view model,
                                 std::string_view more = {}) {
    Ask made;
    made.target = "/v1/chat/completions";
    made.headers = {{"Authorization", "Bearer " + key}};
    made.body = R"({"model":")" + std::string(model) + "\"," + std::string(more) +
                R"("messages":[{"role":"user","content":"Hello there"}]})";
    return serve(std::move(made));
  }
  Money spent() const {
    Money sum;
    for (const auto& [key, balance] : books.balances) sum = add_saturated(sum, balance.spent);
    return sum;
  }
  Money held_now() const {
    Money sum;
    for (const auto& [key, balance] : books.balances) sum = add_saturated(sum, balance.held);
    return sum;
  }
  std::string ada;
  Books books;
};

}  // namespace tollgate::pipeline::testing::of_attempts
