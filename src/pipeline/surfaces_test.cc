// No door without its controls: every surface there is goes through each of them. Whoever adds one
// adds a sample of it here, or this does not compile.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialects/surface.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using dialects::Surface;

// In two parts, so that no scanner of repositories takes it for one.
const std::string kSecret = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
constexpr std::string_view kHere = "TEXT";

struct Sample {
  std::string_view body;   // TEXT stands for what is asked.
  std::string_view tools;  // Of which one may be offered and `rm` not; empty: it takes none.
  std::string_view reply;
};

Sample sample_of(Surface surface) {
  constexpr std::string_view kMessages =
      R"({"model":"MODEL","messages":[{"role":"user","content":"TEXT"}])";
  constexpr std::string_view kChatTools = R"([{"type":"function","function":{"name":"rm"}}])";
  constexpr std::string_view kFlatTools = R"([{"type":"function","name":"rm","parameters":{}}])";
  constexpr std::string_view kAnthropicTools = R"([{"name":"rm","input_schema":{}}])";
  switch (surface) {
    case Surface::kChatCompletions:
      return {kMessages, kChatTools,
              R"({"choices":[{"index":0,"message":{"role":"assistant","content":"x"}}],)"
              R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})"};
    case Surface::kCompletions:
      return {R"({"model":"MODEL","prompt":"TEXT")",
              {},
              R"({"choices":[{"index":0,"text":"x","finish_reason":"stop"}],)"
              R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}})"};
    case Surface::kEmbeddings:
      return {R"({"model":"MODEL","input":"TEXT")",
              {},
              R"({"data":[{"index":0,"embedding":[0.5]}],)"
              R"("usage":{"prompt_tokens":9,"total_tokens":9}})"};
    case Surface::kMessages:
      return {R"({"model":"MODEL","max_tokens":50,"messages":[{"role":"user","content":"TEXT"}])",
              kAnthropicTools,
              R"({"type":"message","content":[{"type":"text","text":"x"}],)"
              R"("usage":{"input_tokens":9,"output_tokens":1}})"};
    case Surface::kResponses:
      return {R"({"model":"MODEL","input":"TEXT")", kFlatTools,
              R"({"id":"r","output":[{"type":"message","content":[{"type":"output_text",)"
              R"("text":"x"}]}],"usage":{"input_tokens":9,"output_tokens":1,"total_tokens":10}})"};
    case Surface::kCountTokens:
      return {kMessages, kAnthropicTools, R"({"input_tokens":9})"};
    case Surface::kModerations:
      return {R"({"model":"MODEL","input":["TEXT"])", {}, R"({"results":[{"flagged":false}]})"};
    case Surface::kRerank:
      return {R"({"model":"MODEL","query":"TEXT","documents":["a"])",
              {},
              R"({"results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":9}})"};
    case Surface::kModels:
      break;  // Asks no model: below.
    case Surface::kMcp:
      break;  // Nor does it; mcp_test and tests/e2e/mcp*_test ask the controls that it has.
  }
  return {};
}

std::vector<Surface> surfaces() {
  std::vector<Surface> all;
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<Surface>(i);
    if (surface != Surface::kModels && surface != Surface::kMcp) all.push_back(surface);
  }
  return all;
}

bool is_anthropic(Surface surface) {
  return dialects::dialect_of(surface) == dialects::Dialect::kAnthropic;
}

std::string settings() {
  std::string text = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  small: { upstream: vllm, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
  opus: { upstream: claude, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
tenants:
  acme: { budget: { usd: 500, per: month, when_exhausted: refuse } }
  globex: {}
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
routes:
)";
  for (const Surface surface : surfaces()) {
    text += fmt::format(
        "  - name: {0}\n    path: {1}\n    models: [{2}]\n    allow: [{{ tenants: [acme] }}]\n"
        "    prompt: {{ body: 64KiB, input_tokens: 500, output_tokens: 40, choices: 1 }}\n"
        "    content: {{ request: [secrets] }}\n{3}",
        dialects::name_of(surface), dialects::standard_path(surface),
        is_anthropic(surface) ? "opus" : "small",
        sample_of(surface).tools.empty() ? "" : "    tools: { allow: [look] }\n");
  }
  return text;
}

class SurfacesTest : public PipelineTest {
 protected:
  SurfacesTest() : PipelineTest(settings()) {}

  // The sample with that text, asked of that model, with `more` behind it.
  static std::string body(Surface surface, std::string_view text, std::string_view more = {},
                          std::string_view model = {}) {
    std::string made(sample_of(surface).body);
    if (model.empty()) model = is_anthropic(surface) ? "opus" : "small";
    made.replace(made.find("MODEL"), 5, model);
    made.replace(made.find(kHere), kHere.size(), text);
    return made + std::string(more) + "}";
  }
  Ask door(Surface surface, std::string text) const {
    return ask(std::move(text), std::string(dialects::standard_path(surface)));
  }
  // Refused for that reason, on record, and nothing is sent or held.
  void expect_refused(Surface surface, const Ask& asked, std::string_view reason) {
    SCOPED_TRACE(dialects::name_of(surface));
    world.trail.records.clear();
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->header("x-tollgate-reason"), reason) << caller->text;
    EXPECT_EQ(caller->text.find("\"type\":\"error\"") != std::string::npos, is_anthropic(surface));
    ASSERT_EQ(world.trail.records.size(), 2U);
    EXPECT_EQ(world.trail.records.back().code, reason);
    EXPECT_TRUE(world.upstreams.messages.empty());
    EXPECT_EQ(world.ledger.open(), 0);
  }
};

TEST_F(SurfacesTest, AskForACredential) {
  for (const Surface surface : surfaces()) {
    Ask asked = door(surface, body(surface, "Hi"));
    asked.headers.clear();
    expect_refused(surface, asked, "missing_credential");
  }
}

TEST_F(SurfacesTest, LetInWhomTheirRouteAllows) {
  const std::string globex = world.add_key("globex", "bob");
  for (const Surface surface : surfaces()) {
    Ask asked = door(surface, body(surface, "Hi"));
    asked.headers = {{"Authorization", "Bearer " + globex}};
    expect_refused(surface, asked, "route_not_allowed");
  }
}

TEST_F(SurfacesTest, ServeTheModelsOfTheirRoute) {
  for (const Surface surface : surfaces())
    expect_refused(surface, door(surface, body(surface, "Hi", {}, "other")), "model_not_found");
}

TEST_F(SurfacesTest, ReadTheirBodiesStrictlyAndUpToTheCap) {
  for (const Surface surface : surfaces()) {
    expect_refused(surface, door(surface, std::string((64 << 10) + 1, ' ')), "body_too_large");
    expect_refused(surface, door(surface, "{"), "invalid_json");
    expect_refused(surface, door(surface, body(surface, "Hi", R"(,"model":"small")")),
                   "duplicate_key");
    expect_refused(surface, door(surface, body(surface, "Hi", R"(,"unheard_of":{"x":1})")),
                   "unsupported_parameter");
    expect_refused(surface, door(surface, body(surface, "Hi", R"(,"api_base":"http://x")")),
                   "unsupported_parameter");
  }
}

TEST_F(SurfacesTest, CountWhatTheyAreAsked) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word ";
  for (const Surface surface : surfaces())
    expect_refused(surface, door(surface, body(surface, text)), "prompt_too_large");
}

TEST_F(SurfacesTest, InspectWhatTheyAreAsked) {
  for (const Surface surface : surfaces())
    expect_refused(surface, door(surface, body(surface, "my key is " + kSecret)),
                   "content_refused");
}

TEST_F(SurfacesTest, OfferOnlyToolsThatAreAllowed) {
  for (const Surface surface : surfaces()) {
    const std::string_view tools = sample_of(surface).tools;
    const std::string more =
        ",\"tools\":" + std::string(tools.empty() ? R"([{"type":"function","name":"rm"}])" : tools);
    expect_refused(surface, door(surface, body(surface, "Hi", more)),
                   tools.empty() ? "unsupported_parameter" : "tool_not_allowed");
  }
}

TEST_F(SurfacesTest, HoldBeforeTheySend) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "limits.tenant_id.requests_per_minute";
  for (const Surface surface : surfaces()) {
    world.ledger.refusal = refusal;
    expect_refused(surface, door(surface, body(surface, "Hi")), "rate_limited");
  }
}

TEST_F(SurfacesTest, SendNothingThatIsNotOnRecord) {
  for (const Surface surface : surfaces()) {
    SCOPED_TRACE(dialects::name_of(surface));
    world.trail.fails = true;
    const auto caller = world.serve(door(surface, body(surface, "Hi")));
    EXPECT_EQ(caller->header("x-tollgate-reason"), "audit_unavailable");
    EXPECT_TRUE(world.upstreams.messages.empty());
  }
}

TEST_F(SurfacesTest, AreMeteredAndPaid) {
  for (const Surface surface : surfaces()) {
    SCOPED_TRACE(dialects::name_of(surface));
    world.trail.records.clear();
    world.ledger.settled.clear();
    world.ledger.held = 0;
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::string(sample_of(surface).reply)};
    const auto caller = world.serve(door(surface, body(surface, "Hi there")));
    ASSERT_EQ(caller->status, 200) << caller->text;
    ASSERT_EQ(world.upstreams.messages.size(), 1U);
    const std::string& sent = world.upstreams.messages.back();
    EXPECT_NE(sent.find(R"("model":"there")"), std::string::npos);
    EXPECT_EQ(sent.find(ada), std::string::npos) << "the caller's key stays here";
    const std::string_view path = dialects::standard_path(surface);
    EXPECT_TRUE(sent.starts_with("POST " + std::string(path) + " ")) << sent;
    EXPECT_EQ(sent.find(":40") != std::string::npos, dialects::makes_output(surface))
        << "the cap of the output: " << sent;

    ASSERT_EQ(world.ledger.settled.size(), 1U);
    const bool is_paid = dialects::costs_tokens(surface);
    EXPECT_EQ(world.ledger.settled[0].held > Money{}, is_paid);
    EXPECT_EQ(world.ledger.settled[0].used.cost > Money{}, is_paid);
    ASSERT_EQ(world.ledger.limits.size(), 2U);
    EXPECT_EQ(world.ledger.limits[0].amount, 1);
    EXPECT_EQ(world.ledger.limits[1].amount > 0, is_paid);

    ASSERT_EQ(world.trail.records.size(), 2U);
    const std::string surface_told = fmt::format(R"("surface":"{}")", dialects::name_of(surface));
    EXPECT_NE(world.trail.records[0].written.find(surface_told), std::string::npos);
    EXPECT_NE(world.trail.records[0].written.find("\"input_tokens_counted\":"), std::string::npos);
    EXPECT_EQ(world.trail.records[1].cost, world.ledger.settled[0].used.cost);
  }
}

TEST_F(SurfacesTest, ListModelsToTheirCallersOnly) {
  const std::string globex = world.add_key("globex", "bob");
  const auto get = [&](std::string_view target, const std::string& key) {
    Ask asked = ask({}, std::string(target));
    asked.method = "GET";
    asked.headers = {{"Authorization", "Bearer " + key}};
    return world.serve(asked);
  };
  EXPECT_NE(get("/v1/models", ada)->text.find("\"small\""), std::string::npos);
  EXPECT_EQ(get("/v1/models", globex)->text.find("\"small\""), std::string::npos);
  EXPECT_EQ(get("/v1/models/small", ada)->text,
            R"({"id":"small","object":"model","created":0,"owned_by":"tollgate"})");
  for (const auto& [target, key] :
       {std::pair<std::string_view, const std::string&>{"/v1/models/small", globex},
        {"/v1/models/none", ada},
        {"/v1/models/small/x", ada}}) {
    const auto caller = get(target, key);
    EXPECT_EQ(caller->status, 404) << target;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "model_not_found");
  }
  EXPECT_EQ(world.trail.records.size(), 12U);
  Ask nobody = ask({}, "/v1/models/small");
  nobody.method = "GET";
  nobody.headers.clear();
  EXPECT_EQ(world.serve(nobody)->status, 401);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
