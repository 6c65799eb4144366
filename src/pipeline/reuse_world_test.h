// Routes that give answers again, and who asks them.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing::of_reuse {

using std::chrono::minutes;
using std::chrono::seconds;

inline constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  one: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  two: { url: "http://10.0.0.6:8000/v1", speaks: openai }
  judge: { url: "http://10.0.0.7:9000/v1", speaks: openai }
guards:
  moderation: { kind: openai_moderation, upstream: judge, price_per_request: 0 }
models:
  small: { upstream: one, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  other: { upstream: one, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  safe: { upstream: two, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 }, fallback: [small] }
tenants:
  acme: { budget: { usd: 0.01, per: day, when_exhausted: refuse } }
  globex: {}
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
  user_id: { concurrent_requests: 100 }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, other, safe]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 2 }
    tools: { allow: [get_weather] }
    content: { request: [pii], on_match: redact }
)";

inline constexpr const char* kText =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
inline constexpr const char* kCalls =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
inline constexpr std::string_view kStream =
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"the answer\"},"
    "\"finish_reason\":null}]}\n\n"
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
    "\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}"
    "\n\n"
    "data: [DONE]\n\n";
inline constexpr std::string_view kWeather =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}],)";

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Gateway : World {
  explicit Gateway(std::string_view route)
      : World(load_settings(std::string(kDoors) + std::string(route)), shared_vocabularies()) {
    ledger.books = &books;
    ada = add_key("acme", "ada");
    bob = add_key("acme", "bob");
    eve = add_key("globex", "ada");
    upstreams.script.pieces = {kText};
  }
  std::unique_ptr<Caller> ask(const std::string& key, std::string_view more = {},
                              Headers headers = {}, std::string_view model = "small",
                              int writes_until_gone = -1) {
    return serve(asked(key, more, std::move(headers), model), writes_until_gone);
  }
  static Ask asked(const std::string& key, std::string_view more = {}, Headers headers = {},
                   std::string_view model = "small", std::string_view text = "Hello there") {
    Ask made;
    made.headers = std::move(headers);
    made.headers.emplace_back("Authorization", "Bearer " + key);
    made.body = R"({"model":")" + std::string(model) + "\"," + std::string(more) +
                R"("messages":[{"role":"user","content":")" + std::string(text) + R"("}]})";
    return made;
  }
  std::size_t made() const { return upstreams.messages.size(); }
  const Recorded& last() const { return trail.records.back(); }
  std::string told(std::string_view member) const {
    const Recorded& decision = trail.records[trail.records.size() - 2];
    return decision.written.find(member) == std::string::npos ? decision.written : "";
  }
  std::string ada, bob, eve;
  Books books;
};

inline constexpr std::string_view kCached =
    "    cache: { keep: 10m, scope: tenant, price_per_hit: 0.002 }\n";
inline constexpr std::string_view kFree = "    cache: { scope: tenant }\n";
inline constexpr std::string_view kOfUsers = "    cache: {}\n";
inline constexpr std::string_view kOnce = "    cache: { scope: tenant, coalesce: true }\n";
inline constexpr std::string_view kByKey = "    idempotency: { keep: 10m }\n";

inline std::optional<std::string> cache_of(const Caller& caller) {
  return caller.header("x-tollgate-cache");
}

}  // namespace tollgate::pipeline::testing::of_reuse
