// What models are asked by, and by what they are reached: every surface goes through each control,
// by whichever other its model is spoken to. Whoever adds one adds a sample of it to
// surface_samples_test.h, or this does not compile; every kind of request there is, those that ask
// no model too, is held to every control in every_control_test.cc.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialects/surface.h"
#include "pipeline/settings_test.h"
#include "pipeline/surface_samples_test.h"

namespace tollgate::pipeline::testing {
namespace {

std::vector<Surface> surfaces() {
  std::vector<Surface> all;
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<Surface>(i);
    if (surface != Surface::kModels && surface != Surface::kMcp) all.push_back(surface);
  }
  return all;
}

// A surface, and by which a model behind it is asked: itself, or another conversation.
struct Door {
  Surface surface;
  Surface spoken;
  std::string model;

  std::string name() const {
    return spoken == surface
               ? std::string(dialects::name_of(surface))
               : fmt::format("{} by {}", dialects::name_of(surface), dialects::name_of(spoken));
  }
};

std::vector<Door> doors() {
  std::vector<Door> all;
  for (const Surface surface : surfaces())
    all.push_back({surface, surface, is_anthropic(surface) ? "opus" : "small"});
  for (const Surface surface : surfaces()) {
    if (!dialects::is_conversation(surface)) continue;
    for (const Surface spoken : surfaces()) {
      if (!dialects::is_conversation(spoken) || spoken == surface) continue;
      all.push_back({surface, spoken, fmt::format("by_{}", dialects::name_of(spoken))});
    }
  }
  return all;
}

std::string settings() {
  std::string text = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
  chats: { url: "http://10.0.0.6:8000/v1", speaks: openai, surfaces: [chat_completions] }
  answers: { url: "http://10.0.0.7:8000/v1", speaks: openai, surfaces: [responses] }
models:
  small: { upstream: vllm, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 }, images: gpt-4o, price_per_image: { any: 0.04 }, price_per_million_characters: 15, price_per_minute: 0.006 }
  opus: { upstream: claude, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
  by_messages: { upstream: claude, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
  by_chat_completions: { upstream: chats, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
  by_responses: { upstream: answers, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
tenants:
  acme: { budget: { usd: 500, per: month, when_exhausted: refuse } }
  globex: {}
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
routes:
)";
  for (const Door& door : doors()) {
    text += fmt::format(
        "  - name: {0}_{2}\n    path: {1}\n    models: [{2}]\n    allow: [{{ tenants: [acme] }}]\n"
        "    prompt: {{ body: 64KiB, input_tokens: 500, output_tokens: 40, choices: 1 }}\n"
        "    content: {{ request: [secrets] }}\n{3}",
        dialects::name_of(door.surface), dialects::standard_path(door.surface), door.model,
        sample_of(door.surface).tools.empty() ? "" : "    tools: { allow: [look] }\n");
  }
  return text;
}

class SurfacesTest : public PipelineTest {
 protected:
  SurfacesTest() : PipelineTest(settings()) {}

  static std::string body(const Door& at, std::string_view text, std::string_view more = {},
                          std::string_view model = {}) {
    return body_of(at.surface, model.empty() ? std::string_view(at.model) : model, text, more);
  }
  Ask door(const Door& at, std::string text) const {
    Ask asked = ask(std::move(text), std::string(dialects::standard_path(at.surface)));
    if (dialects::asks_by_form(at.surface)) {
      asked.headers.emplace_back("Content-Type", "multipart/form-data; boundary=BOUND");
    }
    return asked;
  }
  // Refused for that reason, on record, and nothing is sent or held.
  void expect_refused(const Door& at, const Ask& asked, std::string_view reason) {
    SCOPED_TRACE(at.name());
    world.trail.records.clear();
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->header("x-tollgate-reason"), reason) << caller->text;
    EXPECT_EQ(caller->text.find("\"type\":\"error\"") != std::string::npos,
              is_anthropic(at.surface));
    ASSERT_EQ(world.trail.records.size(), 2U);
    EXPECT_EQ(world.trail.records.back().code, reason);
    EXPECT_TRUE(world.upstreams.messages.empty());
    EXPECT_EQ(world.ledger.open(), 0);
  }
};

TEST_F(SurfacesTest, AskForACredential) {
  for (const Door& at : doors()) {
    Ask asked = door(at, body(at, "Hi"));
    asked.headers.clear();
    expect_refused(at, asked, "missing_credential");
  }
}

TEST_F(SurfacesTest, LetInWhomTheirRouteAllows) {
  const std::string globex = world.add_key("globex", "bob");
  for (const Door& at : doors()) {
    Ask asked = door(at, body(at, "Hi"));
    asked.headers = {{"Authorization", "Bearer " + globex}};
    expect_refused(at, asked, "route_not_allowed");
  }
}

TEST_F(SurfacesTest, ServeTheModelsOfTheirRoute) {
  for (const Door& at : doors())
    expect_refused(at, door(at, body(at, "Hi", {}, "other")), "model_not_found");
}

TEST_F(SurfacesTest, ReadTheirBodiesStrictlyAndUpToTheCap) {
  for (const Door& at : doors()) {
    expect_refused(at, door(at, std::string((64 << 10) + 1, ' ')), "body_too_large");
    expect_refused(at, door(at, "{"),
                   dialects::asks_by_form(at.surface) ? "invalid_request" : "invalid_json");
    expect_refused(at, door(at, body(at, "Hi", R"(,"model":"small")")), "duplicate_key");
    expect_refused(at, door(at, body(at, "Hi", R"(,"unheard_of":{"x":1})")),
                   "unsupported_parameter");
    expect_refused(at, door(at, body(at, "Hi", R"(,"api_base":"http://x")")),
                   "unsupported_parameter");
  }
}

TEST_F(SurfacesTest, CountWhatTheyAreAsked) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word ";
  for (const Door& at : doors()) expect_refused(at, door(at, body(at, text)), "prompt_too_large");
}

TEST_F(SurfacesTest, InspectWhatTheyAreAsked) {
  for (const Door& at : doors())
    expect_refused(at, door(at, body(at, "my key is " + kSecret)), "content_refused");
}

TEST_F(SurfacesTest, OfferOnlyToolsThatAreAllowed) {
  for (const Door& at : doors()) {
    const std::string_view tools = sample_of(at.surface).tools;
    const std::string more =
        ",\"tools\":" + std::string(tools.empty() ? R"([{"type":"function","name":"rm"}])" : tools);
    expect_refused(at, door(at, body(at, "Hi", more)),
                   tools.empty() ? "unsupported_parameter" : "tool_not_allowed");
  }
}

TEST_F(SurfacesTest, HoldBeforeTheySend) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "limits.tenant_id.requests_per_minute";
  for (const Door& at : doors()) {
    world.ledger.refusal = refusal;
    expect_refused(at, door(at, body(at, "Hi")), "rate_limited");
  }
}

TEST_F(SurfacesTest, SendNothingThatIsNotOnRecord) {
  for (const Door& at : doors()) {
    SCOPED_TRACE(at.name());
    world.trail.fails = true;
    const auto caller = world.serve(door(at, body(at, "Hi")));
    EXPECT_EQ(caller->header("x-tollgate-reason"), "audit_unavailable");
    EXPECT_TRUE(world.upstreams.messages.empty());
  }
}

TEST_F(SurfacesTest, AreMeteredAndPaid) {
  for (const Door& at : doors()) {
    SCOPED_TRACE(at.name());
    world.trail.records.clear();
    world.ledger.settled.clear();
    world.ledger.held = 0;
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::string(sample_of(at.spoken).reply)};
    world.upstreams.script.content_type = std::string(sample_of(at.spoken).reply_type);
    const auto caller = world.serve(door(at, body(at, "Hi there")));
    ASSERT_EQ(caller->status, 200) << caller->text;
    ASSERT_EQ(world.upstreams.messages.size(), 1U);
    const std::string& sent = world.upstreams.messages.back();
    const bool is_form = dialects::asks_by_form(at.surface);
    EXPECT_NE(sent.find(is_form ? "name=\"model\"\r\n\r\nthere\r\n" : R"("model":"there")"),
              std::string::npos);
    EXPECT_EQ(sent.find("boundary=BOUNDa\r\n") != std::string::npos, is_form);
    EXPECT_EQ(sent.find(ada), std::string::npos) << "the caller's key stays here";
    const std::string_view path = dialects::standard_path(at.spoken);
    EXPECT_TRUE(sent.starts_with("POST " + std::string(path) + " ")) << sent;
    EXPECT_EQ(sent.find(":40") != std::string::npos, dialects::makes_output(at.surface))
        << "the cap of the output: " << sent;

    ASSERT_EQ(world.ledger.settled.size(), 1U);
    const bool is_paid = dialects::costs_tokens(at.surface);
    EXPECT_EQ(world.ledger.settled[0].held > Money{}, is_paid);
    EXPECT_EQ(world.ledger.settled[0].used.cost > Money{}, is_paid);
    ASSERT_EQ(world.ledger.limits.size(), 2U);
    EXPECT_EQ(world.ledger.limits[0].amount, 1);
    EXPECT_EQ(world.ledger.limits[1].amount > 0, is_paid);

    ASSERT_EQ(world.trail.records.size(), 2U);
    const std::string surface_told =
        fmt::format(R"("surface":"{}")", dialects::name_of(at.surface));
    EXPECT_NE(world.trail.records[0].written.find(surface_told), std::string::npos);
    EXPECT_NE(world.trail.records[0].written.find("\"input_tokens_counted\":"), std::string::npos);
    EXPECT_EQ(world.trail.records[1].cost, world.ledger.settled[0].used.cost);
    const std::string_view unit = dialects::name_of(dialects::unit_of(at.surface));
    if (unit.empty()) continue;
    EXPECT_NE(world.trail.records[0].written.find(fmt::format(R"("held":{{"{}":)", unit)),
              std::string::npos);
    EXPECT_NE(world.trail.records[1].written.find(fmt::format(R"("{}":)", unit)),
              std::string::npos);
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
