// No kind of request without its controls: each row of surface_rows_test.h and mcp_rows_test.h is
// held to each control, but for those that it gives a reason for.
#include <gtest/gtest.h>

#include <optional>

#include "pipeline/mcp_rows_test.h"
#include "pipeline/settings_test.h"
#include "pipeline/surface_rows_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kHead = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  small: { upstream: vllm, name: there, tokenizer: o200k_base, context_tokens: 500, price_per_million: { input: 1000, output: 1000 }, images: gpt-4o, price_per_image: { any: 0.04 }, price_per_million_characters: 15, price_per_minute: 0.006 }
  opus: { upstream: claude, name: there, tokenizer: o200k_base, price_per_million: { input: 1000, output: 1000 } }
tenants:
  acme: { budget: { usd: 500, per: month, when_exhausted: refuse } }
  globex: {}
limits:
  tenant_id: { requests_per_minute: 1000000, input_tokens_per_minute: 80000, concurrent_requests: 100 }
routes:
  - name: one
    path: /mcp/one
    allow: [{ tenants: [acme] }]
    content: { request: [secrets], response: [secrets] }
    mcp: { body: 64KiB, url: "http://10.0.0.8/mcp", price_per_call: 0.01, tools: { allow: [look] }, prompts: { allow: [look] }, resources: { allow: ["docs://*"] } }
  - name: many
    path: /mcp/many
    allow: [{ tenants: [acme] }]
    content: { request: [secrets], response: [secrets] }
    mcp:
      body: 64KiB
      servers:
        a: { url: "http://10.0.0.8/mcp", price_per_call: 0.01, tools: { allow: [look] }, prompts: { allow: [look] }, resources: { allow: ["docs://*"] } }
)";

std::string settings() {
  std::string text(kHead);
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<Surface>(i);
    if (surface == Surface::kModels || surface == Surface::kMcp) continue;
    text += fmt::format(
        "  - name: {0}\n    path: {1}\n    models: [{2}]\n    allow: [{{ tenants: [acme] }}]\n"
        "    prompt: {{ body: 64KiB, input_tokens: 500, output_tokens: 40, choices: 1 }}\n"
        "    content: {{ request: [secrets]{3} }}\n{4}{5}",
        dialects::name_of(surface), dialects::standard_path(surface),
        is_anthropic(surface) ? "opus" : "small",
        dialects::answers_in_text(surface) ? ", response: [secrets]" : "",
        sample_of(surface).tools.empty() ? "" : "    tools: { allow: [look] }\n",
        surface == Surface::kResponses ? "    stored_responses: true\n" : "");
  }
  return text;
}

class EveryControl : public PipelineTest {
 protected:
  EveryControl() : PipelineTest(settings()) {
    KeptNames names;
    world.upstreams.script.pieces = {std::string(sample_of(Surface::kResponses).reply)};
    world.upstreams.script.pieces[0].replace(0, 9, R"({"id":"resp_1")");
    names.response = id_in(good(Ask{.target = "/v1/responses",
                                    .headers = {},
                                    .body = R"({"model":"small","input":"Hi","store":true})"}));
    world.upstreams.script.pieces = {R"({"id":"conv_1"})"};
    names.conversation =
        id_in(good(Ask{.target = "/v1/conversations", .headers = {}, .body = "{}"}));
    McpDoor one{.route = "one", .prefix = {}, .session = {}};
    McpDoor many{.route = "many", .prefix = "a__", .session = {}};
    for (McpDoor* door : {&one, &many}) door->session = open(*door);

    for (auto made : {surface_rows(), kept_rows(names), mcp_rows(one, many)}) {
      for (Row& row : made) rows.push_back(std::move(row));
    }
  }

  static std::string id_in(const std::unique_ptr<Caller>& caller) {
    EXPECT_EQ(caller->status, 200) << caller->text;
    const std::size_t at = caller->text.find(R"("id":")") + 6;
    return caller->text.substr(at, caller->text.find('"', at) - at);
  }
  std::string open(const McpDoor& door) {
    const dialects::McpMethod* method =
        dialects::mcp_method("initialize", dialects::McpEra::kLegacy);
    world.upstreams.script = {};
    world.upstreams.script.headers["mcp-session-id"] = "s1";
    const Row row = mcp_row(*method, dialects::McpEra::kLegacy, door);
    world.upstreams.script.pieces = {row.answer({})};
    return good(row.ask({}))->header("mcp-session-id").value_or("");
  }

  static Ask shown(Ask asked, const std::string& key) {
    asked.headers.emplace_back("Authorization", "Bearer " + key);
    return asked;
  }
  std::unique_ptr<Caller> good(Ask asked) { return world.serve(shown(std::move(asked), ada)); }

  // As if nothing had been before.
  void forget(const Row& row, const Wish& wish = {}) {
    world.trail.records.clear();
    world.ledger.settled_in_all += std::ssize(world.ledger.settled);
    world.ledger.settled.clear();
    world.ledger.limits.clear();
    world.ledger.budgets.clear();
    world.upstreams.messages.clear();
    world.upstreams.script = {};
    world.upstreams.script.pieces = {row.answer(wish)};
    world.upstreams.script.content_type = row.answer_type;
    world.upstreams.script.headers["mcp-session-id"] = "s1";
  }

  // Every row that the control applies to; of the others the reason is told.
  void each(Control control, const std::function<void(const Row&)>& probe) {
    int probed = 0;
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      if (const auto without = row.without.find(control); without != row.without.end()) {
        EXPECT_GT(without->second.size(), 10U) << "that is no reason";
        continue;
      }
      forget(row);
      probe(row);
      EXPECT_EQ(world.ledger.open(), 0) << "what was held is settled";
      EXPECT_EQ(world.upstreams.at_work, 0);
      EXPECT_EQ(world.meter.begun, world.meter.over);
      ++probed;
    }
    EXPECT_GT(probed, 0);
  }
  // Refused, for one of those reasons, on record, and nothing is sent.
  void expect_refused(const Ask& asked, std::string_view reason, std::string_view rule = {}) {
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->header("x-tollgate-reason"), reason) << caller->text;
    ASSERT_EQ(world.trail.records.size(), 2U) << caller->text;
    EXPECT_EQ(last().code, reason);
    if (!rule.empty()) {
      EXPECT_EQ(last().rule, rule);
    }
    EXPECT_TRUE(world.upstreams.messages.empty());
  }
  void expect_refused(const Row& row, const Wish& wish, std::string_view reason,
                      std::string_view rule = {}) {
    expect_refused(shown(row.ask(wish), ada), reason, rule);
  }
  void expect_served(const Row& row) {
    const auto caller = good(row.ask({}));
    EXPECT_EQ(caller->status, row.status) << caller->text;
  }
  void hold(alerts::Action action, limits::Scope scope, std::string subject) {
    alerts::Answer made;
    made.rule = "alerts[0]";
    made.scope = scope;
    made.subject = std::move(subject);
    made.action = action;
    world.pipeline.hold_to(std::make_shared<const alerts::InForce>(std::vector{made}));
  }
  std::int64_t charged(std::string_view rule) const {
    for (const Charged& charge : world.ledger.limits) {
      if (charge.rule == rule) return charge.amount;
    }
    return -1;
  }

  std::vector<Row> rows;
};

// All names of what there is are told apart, and none is forgotten.
TEST_F(EveryControl, HasARowForEveryKindOfRequest) {
  std::map<std::string, int> names;
  for (const Row& row : rows) EXPECT_EQ(++names[row.name], 1) << row.name;
  for (int i = 0; i < dialects::kSurfaceCount; ++i) {
    const auto surface = static_cast<Surface>(i);
    if (surface == Surface::kMcp) continue;
    EXPECT_EQ(names.count(std::string(dialects::name_of(surface))), 1U) << i;
  }
  for (int i = 1; i < kKeptActionCount; ++i) {
    const std::string_view name = name_of(static_cast<KeptAction>(i));
    EXPECT_FALSE(name.empty()) << i;
    EXPECT_EQ(names.count(std::string(name)), 1U) << i;
  }
  std::size_t methods = 0;
  for (const dialects::McpMethod& method : dialects::mcp_methods())
    methods += static_cast<std::size_t>(method.legacy) + static_cast<std::size_t>(method.modern);
  EXPECT_GT(rows.size(), methods);
}

TEST_F(EveryControl, AsksForACredential) {
  each(Control::kCredential,
       [&](const Row& row) { expect_refused(row.ask({}), "missing_credential"); });
}

TEST_F(EveryControl, EndsWhatIsAtWorkForAKeyThatIsRevoked) {
  each(Control::kRevoked, [&](const Row& row) {
    const auto before = world.keys.keys;
    const std::string key = world.add_key("acme", "ada");
    std::string id;
    for (const auto& [known, record] : world.keys.keys) {
      if (!before.contains(known)) id = known;
    }
    world.upstreams.script.hangs_before_head = true;
    const auto caller = world.serve(shown(row.ask({}), key));
    EXPECT_EQ(world.upstreams.at_work, 1);
    EXPECT_FALSE(caller->answered());
    world.keys.revoke(id);
    world.executor.run();
    EXPECT_TRUE(caller->answered());
    EXPECT_EQ(last().code, "revoked_credential") << caller->text;
    world.keys.keys = before;
  });
}

TEST_F(EveryControl, LetsInWhomItsRouteAllows) {
  const std::string globex = world.add_key("globex", "bob");
  each(Control::kRoute,
       [&](const Row& row) { expect_refused(shown(row.ask({}), globex), "route_not_allowed"); });
}

TEST_F(EveryControl, IsHeldToAnswersToAlerts) {
  hold(alerts::Action::kFreeze, limits::Scope::kTenantId, "acme");
  each(Control::kFrozenCaller, [&](const Row& row) {
    (void)good(row.ask({}));
    EXPECT_EQ(last().rule, "alerts[0]");
    EXPECT_TRUE(world.upstreams.messages.empty());
  });
}

TEST_F(EveryControl, IsHeldToAnswersToAlertsOfItsRoute) {
  each(Control::kFrozenRoute, [&](const Row& row) {
    hold(alerts::Action::kFreeze, limits::Scope::kRoute, row.route);
    (void)good(row.ask({}));
    EXPECT_EQ(last().rule, "alerts[0]");
    EXPECT_TRUE(world.upstreams.messages.empty());
    hold(alerts::Action::kSlowDown, limits::Scope::kTenantId, "acme");
    forget(row);
    expect_served(row);
    EXPECT_EQ(charged("alerts[0]"), 1);
  });
}

TEST_F(EveryControl, GivesWhatIsKeptToItsOwnerAlone) {
  const std::string eve = world.add_key("acme", "eve");
  each(Control::kOwner,
       [&](const Row& row) { expect_refused(shown(row.ask({}), eve), "not_found"); });
}

TEST_F(EveryControl, ServesTheModelsThatAKeyMayAsk) {
  const auto before = world.keys.keys;
  const std::string narrow = world.add_key("acme", "ada");
  for (auto& [id, record] : world.keys.keys) {
    if (!before.contains(id)) record.scopes.models = {"none"};
  }
  each(Control::kModel,
       [&](const Row& row) { expect_refused(shown(row.ask({}), narrow), row.model_refused); });
}

TEST_F(EveryControl, OffersAndCallsToolsThatAreAllowed) {
  each(Control::kTool,
       [&](const Row& row) { expect_refused(row, {.forbidden = true}, row.tool_refused); });
}

TEST_F(EveryControl, TellsNoToolThatMayNotBeUsed) {
  each(Control::kCalls, [&](const Row& row) {
    forget(row, {.forbidden = true});
    const auto caller = good(row.ask({}));
    EXPECT_EQ(world.upstreams.messages.size(), 1U);
    EXPECT_EQ(caller->text.find("\"rm"), std::string::npos) << caller->text;
    forget(row);
    expect_served(row);
  });
}

TEST_F(EveryControl, ReadsBodiesUpToTheirCap) {
  each(Control::kBodySize, [&](const Row& row) {
    Ask asked = shown(row.ask({}), ada);
    asked.body.resize((64 << 10) + 1, ' ');
    expect_refused(asked, "body_too_large");
  });
}

TEST_F(EveryControl, ReadsBodiesInOneWay) {
  each(Control::kStrictBody, [&](const Row& row) {
    const Ask whole = shown(row.ask({}), ada);
    Ask asked = whole;
    asked.body.pop_back();
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_TRUE(world.upstreams.messages.empty());
    if (whole.body.front() != '{') return;  // A form.
    forget(row);
    asked = whole;
    // Its first field twice.
    const std::string_view rest = std::string_view(whole.body).substr(1);
    const std::string_view key = rest.substr(0, rest.find(':') + 1);
    asked.body = fmt::format("{{{}null,{}", key, rest);
    expect_refused(asked, "duplicate_key");
  });
}

TEST_F(EveryControl, CountsWhatIsAsked) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word ";
  each(Control::kInputTokens,
       [&](const Row& row) { expect_refused(row, {.text = text}, "prompt_too_large"); });
}

TEST_F(EveryControl, InspectsWhatIsAsked) {
  const std::string text = "my key is " + kSecret;
  each(Control::kContentAsked,
       [&](const Row& row) { expect_refused(row, {.text = text}, "content_refused"); });
}

TEST_F(EveryControl, InspectsWhatIsAnswered) {
  const std::string text = "the key is " + kSecret;
  each(Control::kContentAnswered, [&](const Row& row) {
    forget(row, {.text = text});
    const auto caller = good(row.ask({}));
    EXPECT_EQ(world.upstreams.messages.size(), 1U);
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos) << caller->text;
    EXPECT_NE(last().written.find("secrets.aws_access_key"), std::string::npos) << last().written;
    forget(row);
    expect_served(row);
  });
}

TEST_F(EveryControl, TakesOfTheLimits) {
  each(Control::kRequestLimit, [&](const Row& row) {
    expect_served(row);
    EXPECT_EQ(charged("limits.tenant_id.requests_per_minute"), 1);
  });
  each(Control::kConcurrency, [&](const Row& row) {
    expect_served(row);
    EXPECT_EQ(charged("limits.tenant_id.concurrent_requests"), 1);
  });
  each(Control::kTokenLimit, [&](const Row& row) {
    expect_served(row);
    EXPECT_GT(charged("limits.tenant_id.input_tokens_per_minute"), 0);
  });
}

TEST_F(EveryControl, IsPaid) {
  each(Control::kBudget, [&](const Row& row) {
    expect_served(row);
    ASSERT_EQ(world.ledger.settled.size(), 1U);
    EXPECT_GT(settled().held, Money{});
    EXPECT_GT(settled().used.cost, Money{});
    EXPECT_LE(settled().used.cost, settled().held);
    EXPECT_EQ(last().cost, settled().used.cost);
  });
}

TEST_F(EveryControl, HoldsBeforeItSends) {
  Refusal refusal;
  refusal.reason = Reason::kRateLimited;
  refusal.rule = "limits.tenant_id.requests_per_minute";
  world.ledger.refusal = refusal;
  each(Control::kHeldFirst, [&](const Row& row) { expect_refused(row, {}, "rate_limited"); });
}

TEST_F(EveryControl, SendsNothingThatIsNotOnRecord) {
  world.trail.fails = true;
  each(Control::kRecordFirst, [&](const Row& row) {
    const auto caller = good(row.ask({}));
    EXPECT_EQ(caller->header("x-tollgate-reason"), "audit_unavailable") << caller->text;
    EXPECT_TRUE(world.upstreams.messages.empty());
  });
}

TEST_F(EveryControl, IsOnRecordOfWhomAndWhat) {
  each(Control::kRecorded, [&](const Row& row) {
    expect_served(row);
    ASSERT_EQ(world.trail.records.size(), 2U);
    const Recorded& decision = world.trail.records[0];
    const Recorded& outcome = world.trail.records[1];
    EXPECT_EQ(decision.phase, audit::Phase::kDecision);
    EXPECT_EQ(outcome.phase, audit::Phase::kOutcome);
    EXPECT_EQ(decision.id, outcome.id);
    EXPECT_EQ(decision.tenant, "acme");
    EXPECT_EQ(decision.route, row.route);
    EXPECT_NE(decision.written.find(row.recorded), std::string::npos) << decision.written;
    EXPECT_NE(decision.written.find(R"("subject":"ada")"), std::string::npos) << decision.written;
  });
}

TEST_F(EveryControl, IsCountedInTheMetrics) {
  each(Control::kMetered, [&](const Row& row) {
    const int begun = world.meter.begun;
    const int over = world.meter.over;
    expect_served(row);
    EXPECT_EQ(world.meter.begun, begun + 1);
    EXPECT_EQ(world.meter.over, over + 1);
  });
}

TEST_F(EveryControl, WaitsForAPlaceAtItsUpstream) {
  each(Control::kPlace, [&](const Row& row) {
    world.upstreams.script.full = true;
    expect_refused(row, {}, "overloaded");
  });
}

TEST_F(EveryControl, LeavesAFailingEndpointAlone) {
  each(Control::kBreaker, [&](const Row& row) {
    world.clock.pass(std::chrono::seconds(60));
    expect_served(row);
    world.upstreams.script.status = 500;
    for (int i = 0; i < 5; ++i) (void)good(row.ask({}));
    forget(row);
    expect_refused(row, {}, "overloaded");
    world.clock.pass(std::chrono::seconds(60));
    forget(row);
    expect_served(row);
  });
}

}  // namespace
}  // namespace tollgate::pipeline::testing
