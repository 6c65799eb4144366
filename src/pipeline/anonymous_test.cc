#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kOpen = R"(  - name: trial
    path: /trial
    surface: chat_completions
    models: [small]
    anonymous: true
    prompt: { body: 64KiB, input_tokens: 1000, output_tokens: 10, choices: 1 }
    limits: { client_ip: { requests_per_minute: 2, input_tokens_per_minute: 1000 } }
)";

class Anonymous : public PipelineTest {
 protected:
  Anonymous()
      : PipelineTest(settings_with("tenants:\n",
                                   "tenants:\n  anonymous: { roles: [guest], budget: { usd: 1, "
                                   "per: day, when_exhausted: refuse } }\n") +
                     std::string(kOpen)) {}

  Ask without_credential(std::string target) const {
    Ask asked = ask(std::string(kHello), std::move(target));
    asked.headers.clear();
    return asked;
  }
};

TEST_F(Anonymous, IsServedWhereARouteSaysSoAndIsSomebodyWhoPays) {
  EXPECT_EQ(world.serve(without_credential("/trial"))->status, 200);
  EXPECT_EQ(last().tenant, "anonymous");
  EXPECT_NE(world.trail.records.front().written.find(R"("credential_kind":"anonymous")"),
            std::string::npos);
  EXPECT_EQ(settled().tenant, "anonymous");
  expect_clean_books();
}

// Whatever else stands there or does not: without a credential there is one answer.
TEST_F(Anonymous, IsAskedForACredentialEverywhereElse) {
  for (const std::string target : {"/v1/chat/completions", "/v1/messages", "/nowhere"}) {
    const auto caller = world.serve(without_credential(target));
    EXPECT_EQ(caller->status, 401) << target;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "missing_credential") << target;
    EXPECT_FALSE(caller->body_read());
  }
}

TEST_F(Anonymous, IsNotWhoeverShowsAWrongCredential) {
  Ask asked = ask_as("tg_live_nonsense", std::string(kHello));
  asked.target = "/trial";
  EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), "invalid_credential");
  // Nor is a good one let in by it.
  asked = ask_as(world.add_key("acme"), std::string(kHello));
  asked.target = "/trial";
  EXPECT_EQ(world.serve(asked)->header("x-tollgate-reason"), "route_not_allowed");
}

TEST_F(Anonymous, IsHeldByItsAddressAndItsBudget) {
  Ask asked = without_credential("/trial");
  asked.ip.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9};
  EXPECT_EQ(world.serve(asked)->status, 200);
  const auto held = [](const auto& charges, std::string_view rule, std::string_view subject) {
    return std::ranges::any_of(charges, [&](const auto& charge) {
      return charge.rule == rule && charge.subject == subject;
    });
  };
  EXPECT_TRUE(held(world.ledger.limits, "routes.trial.limits.client_ip.requests_per_minute",
                   "203.0.113.9"));
  EXPECT_TRUE(held(world.ledger.budgets, "tenants.anonymous.budget", "anonymous"));
}

TEST_F(Anonymous, SeesTheModelsOfItsRoutesAlone) {
  Ask asked = without_credential("/v1/models");
  asked.method = "GET";
  const auto caller = world.serve(asked);
  EXPECT_EQ(caller->status, 200);
  EXPECT_NE(caller->text.find("small"), std::string::npos);
  EXPECT_EQ(caller->text.find("big"), std::string::npos) << caller->text;
}

// Over its limit, or asking what there is, it pays nothing.
TEST_F(Anonymous, IsOnRecordEachUntilThereAreMany) {
  EXPECT_EQ(world.serve(without_credential("/trial"))->status, 200);
  Refusal limited;
  limited.reason = Reason::kRateLimited;
  limited.rule = "routes.trial.limits.client_ip.requests_per_minute";
  limited.retry_after = std::chrono::seconds(30);
  world.ledger.refusal = limited;
  Ask models = without_credential("/v1/models");
  models.method = "GET";
  std::size_t before = world.trail.records.size();
  for (int i = 0; i < 5 * Strangers::kBurst; ++i) {
    EXPECT_EQ(world.serve(without_credential("/trial"))->status, 429);
    EXPECT_EQ(world.serve(models)->status, 200);
  }
  EXPECT_LE(world.trail.records.size(), before + 2 * (Strangers::kBurst + 1));
  world.pipeline.close();
  EXPECT_NE(world.trail.records.back().written.find(" further answers to "), std::string::npos);
  // What leaves is on record from its decision to its end, whatever became of it.
  world.ledger.refusal.reset();
  world.upstreams.script.send_fault = FaultKind::kUnreachable;
  before = world.trail.records.size();
  EXPECT_EQ(world.serve(without_credential("/trial"))->status, 502);
  EXPECT_EQ(world.trail.records.size(), before + 2);
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
