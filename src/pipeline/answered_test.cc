// What is done about callers after alerts, as it holds for their requests.
#include <gtest/gtest.h>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kTwoModels = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  cheap: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  hidden: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
tenants:
  acme: { budget: { usd: 100, per: day, when_exhausted: refuse } }
  globex: { budget: { usd: 100, per: day, when_exhausted: refuse } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, cheap]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 4000, output_tokens: 100, choices: 1 }
  - name: inner
    path: /v1/chat/completions
    models: [hidden]
    allow: [{ roles: [researcher] }]
    prompt: { body: 64KiB, input_tokens: 4000, output_tokens: 100, choices: 1 }
)";

class AnsweredTest : public PipelineTest {
 protected:
  AnsweredTest() : PipelineTest(kTwoModels), bob(world.add_key("globex", "bob")) {}

  void hold(alerts::Action action, limits::Scope scope = limits::Scope::kTenantId,
            std::string subject = "acme", std::string downgrade_to = "cheap") {
    alerts::Answer made;
    made.id = "ans_1";
    made.rule = "alerts[0]";
    made.scope = scope;
    made.subject = std::move(subject);
    made.action = action;
    made.cap_output_tokens = 7;
    made.downgrade_to = std::move(downgrade_to);
    held_.push_back(std::move(made));
    world.pipeline.hold_to(std::make_shared<const alerts::InForce>(held_));
  }
  int serve(const std::string& key) {
    last_caller = world.serve(ask_as(key, std::string(kHello)));
    return last_caller->status;
  }
  const std::string& decision() const {
    return world.trail.records.at(world.trail.records.size() - 2).written;
  }
  bool decided(std::string_view what) const { return decision().find(what) != std::string::npos; }

  std::string bob;
  std::unique_ptr<Caller> last_caller;

 private:
  std::vector<alerts::Answer> held_;
};

TEST_F(AnsweredTest, WhoIsFrozenGetsNothingThroughAndNobodyElseIsTouched) {
  hold(alerts::Action::kFreeze);
  EXPECT_EQ(serve(ada), 403);
  EXPECT_NE(last_caller->text.find("Frozen: after an alert nothing of this tenant_id"),
            std::string::npos)
      << last_caller->text;
  EXPECT_TRUE(decided(R"("code":"anomaly_refused")")) << decision();
  EXPECT_TRUE(decided(R"("rule":"alerts[0]")")) << decision();
  EXPECT_EQ(serve(bob), 200) << last_caller->text;
  // The lists of models are not there for them either.
  Ask models = ask("", "/v1/models");
  models.method = "GET";
  EXPECT_EQ(world.serve(std::move(models))->status, 403);
  world.pipeline.hold_to(nullptr);
  EXPECT_EQ(serve(ada), 200) << last_caller->text;
  expect_clean_books();
}

TEST_F(AnsweredTest, AFrozenModelOrRouteIsFrozenForAll) {
  hold(alerts::Action::kFreeze, limits::Scope::kModel, "small");
  EXPECT_EQ(serve(ada), 403);
  EXPECT_EQ(serve(bob), 403);
  EXPECT_EQ(world.ledger.open(), 0);
}

TEST_F(AnsweredTest, AFrozenRouteIsFrozenForAll) {
  hold(alerts::Action::kFreeze, limits::Scope::kRoute, "chat");
  EXPECT_EQ(serve(ada), 403);
  EXPECT_EQ(serve(bob), 403);
  EXPECT_EQ(world.ledger.held, 0);
  EXPECT_TRUE(world.upstreams.messages.empty());
}

TEST_F(AnsweredTest, AModelThatIsNotCheaperServesNobodyInstead) {
  hold(alerts::Action::kDowngradeTo, limits::Scope::kTenantId, "acme", "small");
  world.serve(ask(R"({"model":"cheap","messages":[{"role":"user","content":"Hello"}]})"));
  EXPECT_TRUE(decided(R"("served":"cheap")")) << decision();
  EXPECT_TRUE(decided(R"("outcome":"allowed")")) << decision();
  expect_clean_books();
}

TEST_F(AnsweredTest, WhatHoldsOfTheOtherModelHoldsAsWell) {
  hold(alerts::Action::kDowngradeTo);
  hold(alerts::Action::kCapOutputTokens, limits::Scope::kModel, "cheap");
  EXPECT_EQ(serve(ada), 200) << last_caller->text;
  EXPECT_LE(settled().held, Money{20 + 7});
  hold(alerts::Action::kFreeze, limits::Scope::kModel, "cheap");
  EXPECT_EQ(serve(ada), 403) << last_caller->text;
  expect_clean_books();
}

TEST_F(AnsweredTest, ALowerCapIsHeldAndOnRecord) {
  hold(alerts::Action::kCapOutputTokens);
  EXPECT_EQ(serve(ada), 200) << last_caller->text;
  EXPECT_TRUE(decided(R"("outcome":"downgraded")")) << decision();
  EXPECT_TRUE(decided(R"("code":"alert_in_force","rule":"alerts[0]")")) << decision();
  EXPECT_LE(settled().held, Money{20 + 7 * 10});
  EXPECT_EQ(serve(bob), 200);
  EXPECT_TRUE(decided(R"("outcome":"allowed")")) << decision();
  expect_clean_books();
}

TEST_F(AnsweredTest, AnotherModelServesOrNoneDoes) {
  hold(alerts::Action::kDowngradeTo);
  EXPECT_EQ(serve(ada), 200) << last_caller->text;
  EXPECT_TRUE(decided(R"("served":"cheap")")) << decision();
  EXPECT_TRUE(decided(R"("outcome":"downgraded")")) << decision();
  // Which asks for that already is served as it asks.
  world.serve(ask(R"({"model":"cheap","messages":[{"role":"user","content":"Hello"}]})"));
  EXPECT_TRUE(decided(R"("outcome":"allowed")")) << decision();
}

TEST_F(AnsweredTest, WhereTheOtherModelIsNotForThisCallerNothingIsServed) {
  hold(alerts::Action::kDowngradeTo, limits::Scope::kTenantId, "acme", "hidden");
  EXPECT_EQ(serve(ada), 403);
  EXPECT_NE(last_caller->text.find("After an alert this tenant_id is held to downgrade_to"),
            std::string::npos)
      << last_caller->text;
  expect_clean_books();
}

TEST_F(AnsweredTest, WhoIsSlowedDownTakesOneMoreLimit) {
  hold(alerts::Action::kSlowDown);
  EXPECT_EQ(serve(ada), 200) << last_caller->text;
  EXPECT_TRUE(decided(R"("limit":6)")) << decision();
  EXPECT_EQ(serve(bob), 200);
  EXPECT_FALSE(decided(R"("limit":6)")) << decision();
  expect_clean_books();
}

// The model that an alert puts there may fail like any other: who steps in for it does, but never
// one that the alert was to spare.
constexpr std::string_view kFailing = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  gone: { url: "http://10.0.0.6:8000/v1", speaks: openai }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  cheap: { upstream: gone, tokenizer: o200k_base, price_per_million: { input: 1, output: 2 }, fallback: [%] }
  spare: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
tenants:
  acme: { budget: { usd: 100, per: day, when_exhausted: refuse } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, cheap, spare]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 4000, output_tokens: 100, choices: 1 }
)";

std::string failing(std::string_view fallback) {
  std::string text(kFailing);
  return text.replace(text.find('%'), 1, fallback);
}

class FallenTest : public PipelineTest {
 protected:
  explicit FallenTest(std::string_view fallback = "small, spare")
      : PipelineTest(failing(fallback)) {
    alerts::Answer made;
    made.id = "ans_1";
    made.rule = "alerts[0]";
    made.scope = limits::Scope::kTenantId;
    made.subject = "acme";
    made.action = alerts::Action::kDowngradeTo;
    made.downgrade_to = "cheap";
    world.pipeline.hold_to(
        std::make_shared<const alerts::InForce>(std::vector<alerts::Answer>{made}));
    world.upstreams.fails = "gone";
  }
  std::string served() const {
    std::string all;
    for (const auto& record : world.trail.records) {
      if (record.phase != audit::Phase::kDecision) continue;
      const std::size_t at = record.written.find(R"("served":")") + 10;
      all += record.written.substr(at, record.written.find('"', at) - at) + " ";
    }
    return all;
  }
};

TEST_F(FallenTest, WhoStepsInForTheCheaperModelIsNoDearer) {
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(served(), "cheap spare ");
  EXPECT_EQ(caller->header("x-tollgate-model"), "spare");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "models.cheap.fallback");
  EXPECT_EQ(world.upstreams.messages.size(), 2U);
  EXPECT_EQ(world.ledger.open(), 0);
}

TEST_F(FallenTest, NorForWhoeverAsksForTheCheaperModelByItsName) {
  std::string body(kHello);
  body.replace(body.find("small"), 5, "cheap");
  const auto caller = world.serve(ask(body));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(served(), "cheap spare ");
}

// Also once it is left alone, so that nothing is sent there at all.
TEST_F(FallenTest, NorWhereTheCheaperModelIsLeftAlone) {
  for (int i = 0; i < 8; ++i) world.serve(ask(std::string(kHello)));
  world.trail.records.clear();
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(served(), "spare ");
  EXPECT_EQ(world.ledger.open(), 0);
}

class FallenToItselfTest : public FallenTest {
 protected:
  FallenToItselfTest() : FallenTest("small") {}
};

TEST_F(FallenToItselfTest, IsTheFailureItself) {
  for (int i = 0; i < 8; ++i) {
    const auto caller = world.serve(ask(std::string(kHello)));
    EXPECT_GE(caller->status, 500) << caller->text;
  }
  EXPECT_EQ(served().find("small"), std::string::npos) << served();
  EXPECT_EQ(world.ledger.open(), 0);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
