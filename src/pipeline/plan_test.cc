// The verdict: which limits and budgets a request is held to, for whom, and with how much.
#include "pipeline/plan.h"

#include <gtest/gtest.h>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

class Decide : public PipelineTest {
 protected:
  std::optional<Charged> limit(std::string_view rule) const {
    for (const Charged& each : world.ledger.limits) {
      if (each.rule == rule) return each;
    }
    return std::nullopt;
  }
};

TEST_F(Decide, HoldsEveryLimitAndBudgetAtItsWorst) {
  (void)world.serve(ask(std::string(kHello)));
  EXPECT_EQ(world.ledger.limits.size(), 4U);
  EXPECT_EQ(limit("limits.tenant_id.requests_per_minute")->amount, 1);
  EXPECT_EQ(limit("limits.tenant_id.requests_per_minute")->subject, "acme");
  EXPECT_EQ(limit("limits.tenant_id.input_tokens_per_minute")->amount, kHelloTokens);
  EXPECT_EQ(limit("limits.user_id.total_tokens_per_minute")->amount, kHelloTokens + 100);
  EXPECT_EQ(limit("limits.user_id.total_tokens_per_minute")->subject, "acme/ada");
  EXPECT_EQ(limit("limits.client_ip.concurrent_requests")->amount, 1);
  ASSERT_EQ(world.ledger.budgets.size(), 1U);
  EXPECT_EQ(world.ledger.budgets[0].subject, "acme");
  EXPECT_EQ(world.ledger.budgets[0].amount, kHelloTokens + 100 * 10);
}

TEST_F(Decide, LetsATenantsOwnLimitStandInForTheDefault) {
  const std::string key = world.add_key("globex", "bob");
  (void)world.serve(ask_as(key, std::string(kHello)));
  EXPECT_FALSE(limit("limits.tenant_id.requests_per_minute"));
  EXPECT_TRUE(limit("tenants.globex.limits.requests_per_minute"));
  EXPECT_TRUE(limit("tenants.globex.limits.output_tokens_per_minute"));
  EXPECT_TRUE(limit("limits.tenant_id.input_tokens_per_minute"));
  EXPECT_TRUE(world.ledger.budgets.empty());  // acme's budget is none of theirs.
}

// An output above what a limit can ever give could never be held: the cap gives way.
TEST_F(Decide, CapsTheOutputUnderTheLimitsOnIt) {
  const std::string key = world.add_key("globex");
  (void)world.serve(ask_as(key, std::string(kHello)));
  EXPECT_EQ(limit("tenants.globex.limits.output_tokens_per_minute")->amount, 50);
  (void)world.serve(ask_as(
      key, R"({"model":"small","n":2,"messages":[{"role":"user","content":"Hello there"}]})"));
  EXPECT_EQ(limit("tenants.globex.limits.output_tokens_per_minute")->amount, 50);
  EXPECT_NE(world.upstreams.messages.back().find(":25"), std::string::npos);
}

TEST_F(Decide, CountsACallerWithoutAUserByItsKey) {
  const std::string one = world.add_key("acme");
  const std::string other = world.add_key("acme");
  (void)world.serve(ask_as(one, std::string(kHello)));
  const std::string first = limit("limits.user_id.total_tokens_per_minute")->subject;
  (void)world.serve(ask_as(other, std::string(kHello)));
  const std::string second = limit("limits.user_id.total_tokens_per_minute")->subject;
  EXPECT_TRUE(first.starts_with("acme/key:")) << first;
  EXPECT_NE(first, second);
}

// What identifies somebody in a tenant identifies nobody in another, and no text that an issuer
// may write is somebody else.
TEST_F(Decide, CountsNobodyTogetherWithAnother) {
  Arena arena;
  const config::Route route;
  const config::Model model;
  const auto subject = [&](limits::Scope scope, std::string_view tenant, std::string_view user,
                           std::string_view id, std::string_view verifier) {
    authentication::Identity caller;
    caller.tenant = tenant;
    caller.subject = user;
    caller.credential_id = id;
    caller.verifier = verifier;
    const config::Config config;
    const Facts facts{config, {}, caller, {}, {}, 0};
    return std::string(subject_of(scope, facts, route, model, arena));
  };
  using enum limits::Scope;
  EXPECT_EQ(subject(kKeyId, "acme", "alice", "k1", ""), "k1");
  EXPECT_EQ(subject(kKeyId, "acme", "alice", "sso/alice", "sso"), "acme/sso/alice");
  EXPECT_EQ(subject(kKeyId, "globex", "alice", "sso/alice", "sso"), "globex/sso/alice");
  EXPECT_EQ(subject(kUserId, "acme", "", "k1", ""), "acme/key:k1");
  EXPECT_EQ(subject(kUserId, "acme", "key:k1", "sso/key:k1", "sso"), "acme/user:key:k1");
  EXPECT_EQ(subject(kUserId, "acme", "user:key:k1", "sso/x", "sso"), "acme/user:user:key:k1");
  EXPECT_EQ(subject(kUserId, "acme", "alice", "sso/alice", "sso"), "acme/alice");
}

TEST_F(Decide, CountsIpv6ByTheSubscribersNetwork) {
  const auto subject_of_ip = [&](std::initializer_list<std::uint8_t> bytes) {
    Ask asked = ask(std::string(kHello));
    std::copy(bytes.begin(), bytes.end(), asked.ip.bytes.begin());
    (void)world.serve(asked);
    return limit("limits.client_ip.concurrent_requests")->subject;
  };
  const std::string a = subject_of_ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9});
  EXPECT_EQ(a, "2001:db8:0:1::");
  EXPECT_EQ(a, subject_of_ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_NE(a, subject_of_ip({0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9}));
  EXPECT_EQ(subject_of_ip({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}), "192.0.2.1");
}

TEST_F(Decide, ClampsAWishAboveTheCapAndKeepsOneBelow) {
  (void)world.serve(
      ask(R"({"model":"small","max_tokens":7,"messages":[{"role":"user","content":"x"}]})"));
  EXPECT_NE(world.upstreams.messages.back().find(R"("max_tokens":7)"), std::string::npos);
  (void)world.serve(
      ask(R"({"model":"small","max_tokens":700,"messages":[{"role":"user","content":"x"}]})"));
  EXPECT_NE(world.upstreams.messages.back().find(R"("max_tokens":100)"), std::string::npos);
  EXPECT_EQ(world.upstreams.messages.back().find("700"), std::string::npos);
}

// A wish of any size on a route that only observes is charged within what a limit can count.
TEST_F(Decide, AsksALimitForNoMoreThanCanBeCounted) {
  const std::string settings =
      settings_with("prompt: { body: 64KiB,", "prompt: { mode: observe, body: 64KiB,");
  World observing(load_settings(settings), shared_vocabularies());
  const std::string key = observing.add_key("acme", "ada");
  observing.upstreams.script.pieces = {kAnswer};
  for (const std::string_view wish : {"1099511627776", "9223372036854775807", "1000000000000"}) {
    (void)observing.serve(ask_as(key, R"({"model":"small","max_tokens":)" + std::string(wish) +
                                          R"(,"messages":[{"role":"user","content":"x"}]})"));
    for (const Charged& each : observing.ledger.limits) EXPECT_LE(each.amount, kTokensMax);
  }
  EXPECT_EQ(observing.ledger.open(), 0);
}

TEST_F(Decide, ChargesEmbeddingsForTheirInputAlone) {
  (void)world.serve(ask(R"({"model":"small","input":["Hello there","Hello"]})", "/v1/embeddings"));
  ASSERT_FALSE(world.ledger.budgets.empty());
  EXPECT_LE(world.ledger.budgets[0].amount, 20);
  EXPECT_EQ(world.upstreams.messages.back().find("max_tokens"), std::string::npos);
}

TEST_F(Decide, TakesAModelsRouteOnlyForThoseItAllows) {
  const std::string researcher = world.add_key("acme", "eve", {"researcher"});
  const std::string body = R"({"model":"big","messages":[{"role":"user","content":"x"}]})";
  EXPECT_EQ(world.serve(ask_as(researcher, body))->status, 200);
  EXPECT_EQ(last().route, "dear");
  EXPECT_EQ(world.serve(ask(body))->status, 404);
}

TEST_F(Decide, SaysTheSameOfTheSameFacts) {
  world.ledger.free = Money{};  // Nothing is far, so both are counted.
  (void)world.serve(ask(std::string(kHello)));
  const std::vector<Charged> first = world.ledger.limits;
  const std::string sent = world.upstreams.messages.back();
  (void)world.serve(ask(std::string(kHello)));
  ASSERT_EQ(first.size(), world.ledger.limits.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].rule, world.ledger.limits[i].rule);
    EXPECT_EQ(first[i].amount, world.ledger.limits[i].amount);
  }
  const auto body_of = [](const std::string& message) {
    return message.substr(message.find("\r\n\r\n"));
  };
  EXPECT_EQ(body_of(sent), body_of(world.upstreams.messages.back()));
}

TEST_F(Decide, RefusesAPromptThatIsTooLong) {
  std::string words;
  for (int i = 0; i < 32'000; ++i) words += " a";
  const auto caller = world.serve(ask(R"({"model":"small","messages":[{"role":"user","content":")" +
                                      words.substr(0, 64'000) + "\"}]}"));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "prompt_too_large");
  EXPECT_EQ(world.ledger.held, 0);
  EXPECT_EQ(last().route, "chat");
}

}  // namespace
}  // namespace tollgate::pipeline::testing
