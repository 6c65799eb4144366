// What becomes of a request that its budgets no longer hold: refused, served by another model,
// served with less output, or let through and told.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "pipeline/alternatives.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  other: { url: "http://10.0.0.6:8000/v1", speaks: openai }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  small: { upstream: vllm, name: llama-8b, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  mid: { upstream: other, price_per_million: { input: 10, output: 20 } }
  big: { upstream: other, tokenizer: o200k_base, price_per_million: { input: 100, output: 100 } }
  hidden: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
  tight: { upstream: vllm, context_tokens: 5, price_per_million: { input: 1, output: 1 } }
  opus: { upstream: claude, name: claude-opus, price_per_million: { input: 100, output: 100 } }
  haiku: { upstream: claude, name: claude-haiku, price_per_million: { input: 1, output: 1 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, mid, big, tight]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 2 }
  - name: inner
    path: /v1/chat/completions
    models: [hidden]
    allow: [{ roles: [researcher] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
  - name: messages
    path: /v1/messages
    models: [opus, haiku]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }
  - name: embed
    path: /v1/embeddings
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 8 }
)";

// The worst of "Hello there" in micro-dollars: 9 tokens in, or 20 by their bytes, 100 out.
constexpr std::int64_t kSmall = 9 + 100 * 10;
constexpr std::int64_t kBig = 9 * 100 + 100 * 100;

std::string hello_to(std::string_view model, std::string_view more = {}) {
  return R"({"model":")" + std::string(model) + "\"," + std::string(more) +
         R"("messages":[{"role":"user","content":"Hello there"}]})";
}

// A gateway of one tenant whose budget says so, and of further budgets.
struct Gateway : World {
  Gateway(std::string_view usd, std::string_view says, std::string_view more = {})
      : World(load_settings(std::string(kDoors) + "tenants:\n  acme: { budget: { usd: " +
                            std::string(usd) + ", per: day, when_exhausted: " + std::string(says) +
                            " } }\n" + std::string(more)),
              shared_vocabularies()) {
    ledger.books = &books;
    ada = add_key("acme", "ada");
    upstreams.script.pieces = {answer()};
  }
  static const char* answer() {
    return R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"the answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
  }

  std::unique_ptr<Caller> ask(std::string body, std::string target = "/v1/chat/completions") {
    return ask_as(ada, std::move(body), std::move(target));
  }
  std::unique_ptr<Caller> ask_as(const std::string& key, std::string body,
                                 std::string target = "/v1/chat/completions") {
    Ask made;
    made.target = std::move(target);
    made.headers = {{"Authorization", "Bearer " + key}};
    made.body = std::move(body);
    return serve(std::move(made));
  }
  const Recorded& decision() const { return trail.records.at(trail.records.size() - 2); }
  const Recorded& outcome() const { return trail.records.back(); }

  Books books;
  std::string ada;
};

// Refused as asked, with nothing taken and nothing sent.
void expect_refused(const Gateway& gateway, const Caller& caller, std::string_view model,
                    std::string_view rule = "tenants.acme.budget") {
  EXPECT_EQ(caller.status, 429) << caller.text;
  EXPECT_EQ(caller.header("x-tollgate-reason"), "budget_exhausted");
  EXPECT_EQ(caller.header("x-tollgate-rule"), rule);
  EXPECT_EQ(caller.header("x-should-retry"), "false");
  EXPECT_EQ(gateway.ledger.held, 0);
  EXPECT_TRUE(gateway.upstreams.messages.empty());
  EXPECT_TRUE(gateway.books.balances.empty());
  for (const Recorded& record : gateway.trail.records) {
    EXPECT_EQ(record.outcome, audit::Outcome::kRefused);
    EXPECT_EQ(record.code, "budget_exhausted");
    EXPECT_EQ(record.model, model);
  }
}

void expect_downgraded(const Gateway& gateway, const Caller& caller, std::string_view model,
                       std::string_view rule = "tenants.acme.budget") {
  EXPECT_EQ(caller.status, 200) << caller.text;
  EXPECT_EQ(caller.header("x-tollgate-model"), model);
  EXPECT_EQ(caller.header("x-tollgate-rule"), rule);
  EXPECT_FALSE(caller.header("x-tollgate-reason"));
  for (const Recorded& record : {gateway.decision(), gateway.outcome()}) {
    EXPECT_EQ(record.outcome, audit::Outcome::kDowngraded);
    EXPECT_EQ(record.code, "budget_exhausted");
    EXPECT_EQ(record.rule, rule);
    EXPECT_EQ(record.model, model);
  }
  ASSERT_EQ(gateway.ledger.held, 1);
  ASSERT_EQ(gateway.ledger.open(), 0);
  EXPECT_EQ(gateway.ledger.settled.back().model, model);
  EXPECT_EQ(gateway.upstreams.messages.size(), 1U);
}

TEST(Exhausted, IsServedByTheModelThatFits) {
  Gateway gateway("0.002", "{ downgrade_to: small }");
  const auto caller = gateway.ask(hello_to("big"));
  expect_downgraded(gateway, *caller, "small");
  EXPECT_EQ(gateway.story, (Story{"read_body", "hold", "hold", "decision", "open", "send", "settle",
                                  "reply", "outcome"}));
  // Held, sent and charged as the model that it is served by.
  EXPECT_EQ(gateway.decision().held, Money{kSmall});
  EXPECT_EQ(gateway.outcome().cost, Money{9 + 4 * 10});
  EXPECT_EQ(gateway.ledger.settled.back().used.cost, Money{49});
  EXPECT_TRUE(gateway.upstreams.messages[0].starts_with(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 10.0.0.5:8000\r\n"));
  EXPECT_NE(gateway.upstreams.messages[0].find(R"("model":"llama-8b")"), std::string::npos);
  EXPECT_EQ(gateway.upstreams.messages[0].find("big"), std::string::npos);
  EXPECT_NE(gateway.decision().written.find(
                R"("model":{"asked":"big","served":"small","upstream":"vllm"})"),
            std::string::npos)
      << gateway.decision().written;
}

// What was counted by one tokenizer is not what another counts.
TEST(Exhausted, IsCountedByTheTokenizerOfTheModelThatServesIt) {
  Gateway asked("1", "refuse");
  (void)asked.ask(hello_to("mid"));
  Gateway gateway("0.005", "{ downgrade_to: mid }");
  expect_downgraded(gateway, *gateway.ask(hello_to("big")), "mid");
  EXPECT_EQ(gateway.decision().held, asked.decision().held);
  EXPECT_GT(gateway.decision().held, (Money{9 * 10 + 100 * 20}));
}

// With room for what was asked nothing is said of the budget.
TEST(Exhausted, IsNotWhatFits) {
  Gateway gateway("1", "{ downgrade_to: small }");
  const auto caller = gateway.ask(hello_to("big"));
  EXPECT_EQ(caller->header("x-tollgate-model"), "big");
  EXPECT_FALSE(caller->header("x-tollgate-rule"));
  EXPECT_EQ(gateway.outcome().outcome, audit::Outcome::kAllowed);
  EXPECT_EQ(gateway.outcome().code, "");
  EXPECT_EQ(gateway.decision().held, Money{kBig});
}

TEST(Exhausted, IsRefusedWhereTheOtherModelDoesNotFitEither) {
  const struct {
    std::string_view usd, model;
  } rows[] = {{"0.001", "small"},   // A micro-dollar short.
              {"0.002", "big"},     // The same model again.
              {"0.002", "tight"}};  // Its context is too small for the prompt.
  for (const auto& row : rows) {
    SCOPED_TRACE(row.model);
    Gateway gateway(row.usd, "{ downgrade_to: " + std::string(row.model) + " }");
    expect_refused(gateway, *gateway.ask(hello_to("big")), "big");
  }
}

// A downgrade opens no door: who may not ask for the model is not served by it.
TEST(Exhausted, IsServedOnlyByAModelThatTheCallerMayUse) {
  Gateway gateway("0.002", "{ downgrade_to: hidden }");
  expect_refused(gateway, *gateway.ask(hello_to("big")), "big");
  gateway.trail.records.clear();
  const std::string eve = gateway.add_key("acme", "eve", {"researcher"});
  expect_downgraded(gateway, *gateway.ask_as(eve, hello_to("big")), "hidden");
  EXPECT_EQ(gateway.outcome().route, "inner");
  EXPECT_EQ(gateway.ledger.settled.back().route, "inner");
}

// The route of the other model has rules of its own, and they hold.
TEST(Exhausted, IsServedUnderTheRulesOfTheOtherRoute) {
  Gateway gateway("0.002", "{ downgrade_to: hidden }");
  const std::string eve = gateway.add_key("acme", "eve", {"researcher"});
  expect_refused(gateway, *gateway.ask_as(eve, hello_to("big", R"("n":2,)")), "big");
}

TEST(Exhausted, IsServedWithLessOutput) {
  Gateway gateway("0.0003", "{ cap_output_tokens: 10 }");
  expect_downgraded(gateway, *gateway.ask(hello_to("small")), "small");
  EXPECT_EQ(gateway.decision().held, Money{9 + 10 * 10});
  EXPECT_NE(gateway.upstreams.messages[0].find(R"("max_tokens":10)"), std::string::npos);
  // A wish between the two is cut as well, one of each choice.
  Gateway two("0.0003", "{ cap_output_tokens: 10 }");
  expect_downgraded(two, *two.ask(hello_to("small", R"("max_tokens":30,"n":2,)")), "small");
  EXPECT_EQ(two.decision().held, Money{9 + 2 * 10 * 10});
}

TEST(Exhausted, IsRefusedWhereLessOutputDoesNotHelp) {
  Gateway dear("0.0001", "{ cap_output_tokens: 10 }");
  expect_refused(dear, *dear.ask(hello_to("small")), "small");
  EXPECT_EQ(std::count(dear.story.begin(), dear.story.end(), "hold"), 2);
  // What asks for no more than the cap is not held a second time.
  Gateway modest("0.0001", "{ cap_output_tokens: 10 }");
  expect_refused(modest, *modest.ask(hello_to("small", R"("max_tokens":10,)")), "small");
  EXPECT_EQ(std::count(modest.story.begin(), modest.story.end(), "hold"), 1);
  // Embeddings make no output.
  Gateway embed("0.000001", "{ cap_output_tokens: 10 }");
  expect_refused(embed, *embed.ask(R"({"model":"small","input":"Hello there"})", "/v1/embeddings"),
                 "small");
}

TEST(Exhausted, GoesAlongAChainAndEndsInACircle) {
  // Of big the tenant's budget leads to mid, of mid the model's to small.
  Gateway chain("0.009", "{ downgrade_to: mid }",
                "budgets: { model: { usd: 0.0015, per: day, when_exhausted: { downgrade_to: small "
                "} } }\n");
  expect_downgraded(chain, *chain.ask(hello_to("big")), "small", "budgets.model");
  // mid leads to big, which is where it came from.
  Gateway circle("0.0005", "{ downgrade_to: mid }",
                 "budgets: { user_id: { usd: 0.0005, per: day, when_exhausted: { downgrade_to: "
                 "big } } }\n");
  expect_refused(circle, *circle.ask(hello_to("big")), "big", "budgets.user_id");
  EXPECT_EQ(std::count(circle.story.begin(), circle.story.end(), "hold"), 2);
}

// What each of two budgets says is not enough; both together are.
TEST(Exhausted, IsServedByBothWhereOneIsNotEnough) {
  Gateway gateway("0.0003", "{ downgrade_to: small }",
                  "budgets: { user_id: { usd: 0.0003, per: day, when_exhausted: { "
                  "cap_output_tokens: 10 } } }\n");
  expect_downgraded(gateway, *gateway.ask(hello_to("big")), "small");
  EXPECT_EQ(gateway.decision().held, Money{9 + 10 * 10});
}

// A budget that allows and alerts lets through; another that refuses still does.
TEST(Exhausted, IsLetThroughOnlyWhereEveryBudgetLetsItThrough) {
  Gateway alone("0.0001", "allow_and_alert");
  const auto caller = alone.ask(hello_to("big"));
  EXPECT_EQ(caller->status, 200);
  EXPECT_FALSE(caller->header("x-tollgate-rule"));
  for (const Recorded& record : {alone.decision(), alone.outcome()}) {
    EXPECT_EQ(record.outcome, audit::Outcome::kAllowed);
    EXPECT_EQ(record.observed, std::vector<std::string>{"tenants.acme.budget"});
  }
  Gateway both("0.0001", "allow_and_alert",
               "budgets: { user_id: { usd: 0.001, per: day, when_exhausted: refuse } }\n");
  expect_refused(both, *both.ask(hello_to("big")), "big", "budgets.user_id");
  // What the second says is tried as ever, and the first lets that through as well.
  Gateway lower("0.0001", "allow_and_alert",
                "budgets: { user_id: { usd: 0.002, per: day, when_exhausted: { downgrade_to: "
                "small } } }\n");
  expect_downgraded(lower, *lower.ask(hello_to("big")), "small", "budgets.user_id");
  EXPECT_EQ(lower.outcome().observed, std::vector<std::string>{"tenants.acme.budget"});
}

// The other model would do after a wait: that no wait helps would not be true.
TEST(Exhausted, TellsTheWaitAfterWhichTheOtherModelPasses) {
  Gateway gateway("0.002", "{ downgrade_to: small }");
  gateway.books.rate.emplace();
  gateway.books.rate->reason = Reason::kRateLimited;
  gateway.books.rate->rule = "limits.model.requests_per_minute";
  gateway.books.rate->retry_after = std::chrono::seconds(3);
  const auto caller = gateway.ask(hello_to("big"));
  EXPECT_EQ(caller->status, 429);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "rate_limited");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "limits.model.requests_per_minute");
  EXPECT_TRUE(caller->header("retry-after"));
  EXPECT_FALSE(caller->header("x-should-retry"));
  EXPECT_EQ(gateway.outcome().model, "small");
  EXPECT_EQ(gateway.ledger.held, 0);
  gateway.books.rate->retry_after.reset();
  EXPECT_EQ(gateway.ask(hello_to("big"))->header("x-tollgate-reason"), "budget_exhausted");
  EXPECT_EQ(gateway.outcome().model, "big");
}

TEST(Exhausted, IsServedInTheOtherDialectToo) {
  for (const std::string_view delivery : {"false", "true"}) {
    SCOPED_TRACE(delivery);
    Gateway gateway("0.001", "{ downgrade_to: haiku }");
    gateway.upstreams.script.pieces = {
        R"({"id":"m1","type":"message","role":"assistant","model":"claude-haiku","content":[{"type":"text","text":"the answer"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":4}})"};
    if (delivery == "true") {
      gateway.upstreams.script.content_type = "text/event-stream";
      gateway.upstreams.script.pieces = {claude_opening(9), claude_delta("the answer"),
                                         claude_closing(4)};
    }
    const auto caller =
        gateway.ask(hello_to("opus", R"("max_tokens":50,"stream":)" + std::string(delivery) + ","),
                    "/v1/messages");
    expect_downgraded(gateway, *caller, "haiku");
    EXPECT_NE(gateway.upstreams.messages[0].find("claude-haiku"), std::string::npos);
    EXPECT_EQ(gateway.outcome().cost, Money{13});
  }
}

// What happens after it was lowered is told as ever.
TEST(Exhausted, EndsAsAnyOther) {
  Gateway cut("0.002", "{ downgrade_to: small }");
  cut.upstreams.script.content_type = "text/event-stream";
  cut.upstreams.script.pieces = {chunk("the "), chunk("answer "), chunk("is ")};
  cut.upstreams.script.hangs_after_pieces = true;
  const auto caller = cut.ask(hello_to("big", R"("stream":true,)"));
  caller->leave();
  EXPECT_EQ(cut.decision().outcome, audit::Outcome::kDowngraded);
  EXPECT_EQ(cut.outcome().outcome, audit::Outcome::kCut);
  EXPECT_EQ(cut.outcome().code, "caller_gone");
  EXPECT_EQ(cut.outcome().rule, "");
  EXPECT_EQ(cut.ledger.open(), 0);

  Gateway down("0.002", "{ downgrade_to: small }");
  down.upstreams.script.status = 500;
  EXPECT_EQ(down.ask(hello_to("big"))->header("x-tollgate-reason"), "upstream_error");
  EXPECT_EQ(down.outcome().outcome, audit::Outcome::kRefused);
  EXPECT_EQ(down.outcome().rule, "upstreams.vllm");
  EXPECT_EQ(down.ledger.open(), 0);

  Gateway unrecorded("0.002", "{ downgrade_to: small }");
  unrecorded.trail.fails = true;
  EXPECT_EQ(unrecorded.ask(hello_to("big"))->header("x-tollgate-reason"), "audit_unavailable");
  EXPECT_TRUE(unrecorded.upstreams.messages.empty());
  EXPECT_EQ(unrecorded.ledger.open(), 0);
  EXPECT_EQ(unrecorded.ledger.settled.size(), 1U);
}

// The reader is a loop's: who waits for the books finds another's request in it.
TEST(Exhausted, IsDecidedAnewFromItsOwnBody) {
  Gateway gateway("0.0025", "{ downgrade_to: small }");
  gateway.ledger.waits = true;
  std::vector<std::unique_ptr<Caller>> callers;
  for (const std::string_view word : {"alpha", "beta"}) {
    callers.push_back(gateway.ask(R"({"model":"big","messages":[{"role":"user","content":")" +
                                  std::string(word) + "\"}]}"));
  }
  while (gateway.executor.run()) {
  }
  ASSERT_EQ(gateway.upstreams.messages.size(), 2U);
  EXPECT_NE(gateway.upstreams.messages[0].find("alpha"), std::string::npos);
  EXPECT_EQ(gateway.upstreams.messages[0].find("beta"), std::string::npos);
  EXPECT_NE(gateway.upstreams.messages[1].find("beta"), std::string::npos);
  for (const auto& caller : callers) {
    EXPECT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-model"), "small");
  }
  EXPECT_EQ(gateway.ledger.open(), 0);
}

// ---- The order ------------------------------------------------------------------------------

cost::Policy budget_that(cost::WhenExhausted says, std::string model, Tokens tokens = 0) {
  cost::Policy made;
  made.when_exhausted = says;
  made.downgrade_to = std::move(model);
  made.cap_output_tokens = tokens;
  return made;
}

TEST(Alternatives, AreTriedInOrderOnceAndAtMostFour) {
  std::deque<config::Model> models;
  const auto plan_of = [&](std::string name, Tokens cap) {
    models.emplace_back().name = std::move(name);
    Plan plan;
    plan.model = &models.back();
    plan.output_cap = cap;
    return plan;
  };
  const cost::Policy lower = budget_that(cost::WhenExhausted::kCapOutputTokens, "", 10);
  const cost::Policy to_b = budget_that(cost::WhenExhausted::kDowngradeTo, "b");
  const cost::Policy to_a = budget_that(cost::WhenExhausted::kDowngradeTo, "a");
  const cost::Policy no = budget_that(cost::WhenExhausted::kRefuse, "");
  Alternatives left(plan_of("a", 100));
  EXPECT_FALSE(left.next());
  const cost::Policy* all[] = {&no, &to_b, &to_a, &lower, &to_b};
  left.add(plan_of("a", 100), {}, all);
  const Terms first = left.next().value();
  EXPECT_EQ(first.model, "b");
  EXPECT_EQ(first.output_tokens, std::nullopt);
  EXPECT_EQ(first.budget, &to_b);
  left.add(plan_of("b", 100), first, all);  // Only its lower cap is new.
  const Terms second = left.next().value();
  EXPECT_EQ(second.model, "a");
  EXPECT_EQ(second.output_tokens, 10);
  left.add(plan_of("a", 10), second, all);  // Nor is b with a lower cap.
  const Terms third = left.next().value();
  EXPECT_EQ(third.model, "b");
  EXPECT_EQ(third.output_tokens, 10);
  left.add(plan_of("b", 10), third, all);
  EXPECT_FALSE(left.next());

  std::deque<cost::Policy> many;
  std::vector<const cost::Policy*> ways;
  for (Tokens cap = 1; cap < 10; ++cap) {
    ways.push_back(&many.emplace_back(budget_that(cost::WhenExhausted::kCapOutputTokens, "", cap)));
  }
  Alternatives bounded(plan_of("a", 100));
  bounded.add(plan_of("a", 100), {}, ways);
  for (std::size_t i = 0; i < Alternatives::kMost; ++i) EXPECT_TRUE(bounded.next());
  EXPECT_FALSE(bounded.next());
}

// ---- For any history ------------------------------------------------------------------------

std::vector<const cost::Policy*> budgets_of(const config::Config& config) {
  std::vector<const cost::Policy*> policies;
  for (const cost::Policy& policy : config.budgets) policies.push_back(&policy);
  for (const config::Tenant& tenant : config.tenants) {
    if (tenant.budget) policies.push_back(&*tenant.budget);
  }
  return policies;
}

// Whatever budgets say, whatever is asked and however it ends: a budget that refuses never has
// more spent and held than its limit, each hold is settled once, and what is served was asked for
// or is what a budget names.
TEST(Exhausted, NeverHoldsMoreThanAnEnforcedBudgetForAnyHistory) {
  constexpr std::string_view kModels[] = {"small", "mid", "big", "tight", "hidden"};
  std::mt19937_64 random{19};
  const auto any = [&](std::uint64_t n) { return random() % n; };
  int downgraded = 0;
  int refused = 0;
  int through = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const auto says = [&]() -> std::string {
      const std::string to = "{ downgrade_to: " + std::string(kModels[any(5)]) + " }";
      const std::string cap = "{ cap_output_tokens: " + std::to_string(1 + any(60)) + " }";
      const std::string words[] = {"refuse", "allow_and_alert", to, cap, to, cap};
      return words[any(6)];
    };
    std::string more = "budgets:\n";
    for (const std::string_view scope : {"global", "user_id", "model", "route"}) {
      const std::string usd = std::to_string(1 + any(80));
      more += "  " + std::string(scope) + ": { usd: 0.0" + (usd.size() < 2 ? "0" : "") + usd +
              ", per: day, when_exhausted: " + says() + " }\n";
    }
    Gateway gateway("0.05", says(), more);
    gateway.ledger.waits = any(2) == 0;
    const std::string eve = gateway.add_key("acme", "eve", {"researcher"});
    std::deque<std::unique_ptr<Caller>> open;
    const auto check = [&] {
      const auto& config = *gateway.config.get();
      for (const cost::Policy* policy : budgets_of(config)) {
        if (cost::lets_through(*policy)) continue;
        for (const auto& [key, balance] : gateway.books.balances) {
          if (key.first != policy->rule) continue;
          ASSERT_LE(balance.spent.micro_usd + balance.held.micro_usd, policy->limit.micro_usd);
        }
      }
    };
    for (int step = 0; step < 40; ++step) {
      gateway.upstreams.script.hangs_before_head = any(3) == 0;
      gateway.upstreams.script.status = any(5) == 0 ? 500 : 200;
      gateway.upstreams.script.pieces = {
          whole(reported(static_cast<Tokens>(any(20)), static_cast<Tokens>(any(120))))};
      std::string wish = any(2) == 0 ? "" : R"("max_tokens":)" + std::to_string(1 + any(100)) + ",";
      if (any(3) == 0) wish += R"("n":2,)";
      open.push_back(
          gateway.ask_as(any(2) == 0 ? eve : gateway.ada, hello_to(kModels[any(5)], wish)));
      check();
      while (any(2) == 0 && gateway.executor.run()) check();
      if (any(3) == 0) open[any(open.size())]->leave();
      check();
    }
    while (gateway.executor.run()) {
    }
    for (const auto& caller : open) caller->leave();
    check();
    EXPECT_EQ(gateway.ledger.open(), 0);
    for (const auto& [key, balance] : gateway.books.balances) EXPECT_EQ(balance.held, Money{});
    for (const Recorded& record : gateway.trail.records) {
      if (record.phase != audit::Phase::kDecision) continue;
      downgraded += record.outcome == audit::Outcome::kDowngraded ? 1 : 0;
      refused += record.code == "budget_exhausted" ? 1 : 0;
      through += record.observed.empty() ? 0 : 1;
      EXPECT_EQ(record.outcome == audit::Outcome::kRefused, record.held == Money{});
    }
  }
  // The history was one.
  EXPECT_GT(downgraded, 100);
  EXPECT_GT(refused - downgraded, 100);
  EXPECT_GT(through, 50);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
