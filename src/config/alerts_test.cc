// `alerts` and `notify`.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "config/reload.h"

namespace tollgate::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

Loaded load(std::string_view alerts, std::string_view notify = "", std::string_view more = "") {
  const std::string text = std::string(R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
  large: { upstream: vllm, price_per_million: { input: 5, output: 5 } }
  alone: { upstream: vllm, price_per_million: { input: 5, output: 5 } }
tenants: { acme: { budget: { usd: 5, per: day, alert_at: [0.5] } } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, large]
    allow: [{ tenants: [acme] }]
  - name: other
    path: /v1/other/chat/completions
    surface: chat_completions
    models: [alone]
    allow: [{ tenants: [acme] }]
)") + std::string(more) + "alerts: [" +
                           std::string(alerts) +
                           "]\nnotify:\n  ops: { webhook: \"https://hooks.example.com/a\", secret: "
                           "0123456789abcdef }\n" +
                           std::string(notify);
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(Alerts, AreReadWithWhatIsNotWritten) {
  const Loaded loaded = load(
      "{ when: { spend_velocity: {} }, notify: [ops] }, "
      "{ when: { budget_reached: 0.8 }, do: freeze, for: 0s }, "
      "{ when: { refusals: { scope: key_id } }, do: { cap_output_tokens: 64 } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const alerts::Policy& policy = loaded.config->alerts;
  ASSERT_EQ(policy.rules.size(), 3U);
  const alerts::Rule& velocity = policy.rules[0];
  EXPECT_EQ(velocity.when, alerts::Condition::kSpendVelocity);
  EXPECT_EQ(velocity.scope, limits::Scope::kTenantId);
  EXPECT_EQ(velocity.times_usual, 5);
  EXPECT_EQ(velocity.over, minutes(10));
  EXPECT_EQ(velocity.at_least, Money{1'000'000});
  EXPECT_FALSE(velocity.newcomers);
  EXPECT_EQ(velocity.cooldown, minutes(30));
  EXPECT_EQ(velocity.action, alerts::Action::kNone);
  EXPECT_EQ(velocity.rule, "alerts[0]");
  EXPECT_EQ(policy.rules[1].action, alerts::Action::kFreeze);
  EXPECT_EQ(policy.rules[1].lasts, Duration(0));
  EXPECT_EQ(policy.rules[2].scope, limits::Scope::kKeyId);
  EXPECT_EQ(policy.rules[2].count, 100);
  EXPECT_EQ(policy.rules[2].cap_output_tokens, 64);
  EXPECT_EQ(policy.rules[2].lasts, hours(1));
  // The share of the rule is one of those that each budget tells of.
  EXPECT_EQ(loaded.config->tenants[0].budget->alert_at, (std::vector{0.5, 0.8}));
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("when":{"budget_reached":"0.8"})"), std::string::npos) << shown;
  EXPECT_NE(shown.find(R"("do":{"cap_output_tokens":64},"for":"1h")"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("0123456789abcdef"), std::string::npos) << shown;
}

TEST(Alerts, WhatCanNeverApplyIsTold) {
  const struct {
    std::string_view alert;
    std::string_view what;
  } kRows[] = {
      {"{ when: { budget_reached: 0.8 }, notify: [op] }",
       "notify: there is no target in `notify` `op`; did you mean `ops`?"},
      {"{ when: { budget_reached: 0.8 } }",
       "when: it tells nobody and does nothing: say `notify` or `do`"},
      {"{ when: {}, notify: [ops] }",
       "when: expected exactly one condition, such as `spend_velocity`"},
      {"{ when: { budget_reached: 0.8, audit_lag: 0.5 }, notify: [ops] }",
       "when: expected exactly one condition, such as `spend_velocity`"},
      {"{ when: { budget_reached: 0 }, notify: [ops] }", "expected a share above 0"},
      {"{ when: { upstream_down: {} }, notify: [ops], do: freeze }",
       "do: `upstream_down` is about no caller: there is nobody to do it to"},
      {"{ when: { budget_reached: 0.8 }, do: { downgrade_to: smal } }",
       "do: there is no model `smal`; did you mean `small`?"},
      {"{ when: { budget_reached: 0.8 }, do: { downgrade_to: alone } }",
       "do: `alone` can stand in for no other model"},
      {"{ when: { budget_reached: 0.8 }, notify: [ops], for: 2h }",
       "for: nothing is done that could end: say `do`, or leave it out"},
      {"{ when: { spend_velocity: { times_usual: 1 } }, notify: [ops] }", "times_usual: expected"},
  };
  for (const auto& row : kRows) {
    const Loaded loaded = load(row.alert);
    EXPECT_EQ(loaded.config, nullptr) << row.alert;
    EXPECT_NE(told(loaded).find(row.what), std::string::npos) << row.alert << "\n" << told(loaded);
  }
}

// Whoever changes the file and asks for nothing is not given one that tells or does less.
TEST(Alerts, ThoseThatAreGoneAreTold) {
  const std::string_view told_and_done =
      "{ when: { spend_velocity: {} }, notify: [ops], do: freeze }";
  const Loaded now = load(told_and_done);
  ASSERT_NE(now.config, nullptr) << told(now);
  const auto gone = [&](std::string_view alerts) {
    const Loaded next = load(alerts);
    EXPECT_NE(next.config, nullptr) << told(next);
    return vanished(*now.config, *next.config);
  };
  EXPECT_TRUE(gone(told_and_done).empty());
  const std::vector<std::string> rule{"alerts[0] (spend_velocity)"};
  EXPECT_EQ(gone(""), rule);
  EXPECT_EQ(gone("{ when: { spend_velocity: {} }, notify: [ops] }"), rule);
  EXPECT_EQ(gone("{ when: { spend_velocity: {} }, do: freeze }"), rule);
  EXPECT_EQ(gone("{ when: { spend_velocity: { scope: user_id } }, notify: [ops], do: freeze }"),
            rule);
}

TEST(Alerts, ThoseThatAreWeakerAreTold) {
  const auto gone = [](std::string_view before, std::string_view after) {
    const Loaded now = load(before);
    const Loaded next = load(after);
    EXPECT_NE(now.config, nullptr) << told(now);
    EXPECT_NE(next.config, nullptr) << told(next);
    return vanished(*now.config, *next.config).size();
  };
  const struct {
    std::string_view strong;
    std::string_view weak;
  } kRows[] = {
      {"{ when: { spend_velocity: { times_usual: 3 } }, notify: [ops] }",
       "{ when: { spend_velocity: { times_usual: 4 } }, notify: [ops] }"},
      {"{ when: { refusals: { count: 10, over: 1m } }, notify: [ops] }",
       "{ when: { refusals: { count: 11, over: 1m } }, notify: [ops] }"},
      {"{ when: { budget_reached: 0.5 }, notify: [ops] }",
       "{ when: { budget_reached: 0.6 }, notify: [ops] }"},
      {"{ when: { spend_velocity: {} }, do: freeze, for: 2h }",
       "{ when: { spend_velocity: {} }, do: freeze, for: 1h }"},
      {"{ when: { spend_velocity: {} }, do: freeze, for: 0s }",
       "{ when: { spend_velocity: {} }, do: freeze, for: 1h }"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(gone(row.strong, row.weak), 1U) << row.weak;
    EXPECT_EQ(gone(row.weak, row.strong), 0U) << row.strong;
  }
}

TEST(Alerts, TargetsAreOneKindSignedAndBehindTls) {
  const struct {
    std::string_view target;
    std::string_view what;
  } kRows[] = {
      {"{ internal: true }", "expected exactly one of `webhook`, `slack`, `alertmanager`"},
      {"{ webhook: \"https://a.example/x\", slack: \"https://b.example/x\" }",
       "expected exactly one of"},
      {"{ webhook: \"https://a.example/x\" }", "a webhook is signed"},
      {"{ webhook: \"https://a.example/x\", secret: short }", "a webhook is signed"},
      {"{ alertmanager: \"http://10.0.0.1:9093\" }", "expected `https://`"},
      {"{ slack: \"hooks.slack.com\" }", "slack: expected a URL"},
      {"{ slack: \"https://b.example/x\", secret: 0123456789abcdef }", "only a `webhook` has one"},
      {"{ email: a@example.com, from: a@example.com, to: [b@example.com] }",
       "email: expected `smtps://HOST` or `smtp://HOST`"},
      {"{ email: \"smtps://mail.example.com\", to: [b@example.com] }",
       "email: expected `from: NAME@DOMAIN`"},
      {"{ email: \"smtps://mail.example.com\", from: a@example.com }",
       "email: expected `to: [NAME@DOMAIN]`"},
      {"{ email: \"smtps://m.example.com\", from: a@example.com, to: [\"b@c.com> SIZE=1\"] }",
       "is no address of the form NAME@DOMAIN"},
      {"{ email: \"smtps://m.example.com\", from: \"A <a@example.com>\", to: [b@c.com] }",
       "from: expected `from: NAME@DOMAIN`"},
      {"{ email: \"smtps://m.example.com\", from: a@example.com, to: [b@c.com], user: me }",
       "user: it needs a `password`"},
      {"{ email: \"smtps://m.example.com\", from: a@example.com, to: [b@c.com], password: x }",
       "password: whose it is: expected a `user`"},
      {"{ email: \"smtps://m.example.com/a/b\", from: a@example.com, to: [b@c.com] }",
       "email: expected `smtps://HOST`"},
      {"{ slack: \"https://b.example/x\", from: a@example.com }", "from: only an `email` has one"},
  };
  for (const auto& row : kRows) {
    const Loaded loaded = load("", "  t: " + std::string(row.target) + "\n");
    EXPECT_EQ(loaded.config, nullptr) << row.target;
    EXPECT_NE(told(loaded).find(row.what), std::string::npos) << row.target << told(loaded);
  }
  const Loaded inside =
      load("", "  t: { alertmanager: \"http://10.0.0.1:9093\", internal: true }\n");
  EXPECT_NE(inside.config, nullptr) << told(inside);
}

TEST(Alerts, AMailServerIsReadWithItsPort) {
  const struct {
    std::string_view written;
    std::string_view read;
  } kRows[] = {
      {"smtps://mail.example.com", "smtps://mail.example.com:465"},
      {"smtp://mail.example.com", "smtp://mail.example.com:587"},
      {"smtp://mail.example.com:25/gw.example.com", "smtp://mail.example.com:25/gw.example.com"},
      {"smtps://[2001:db8::1]", "smtps://[2001:db8::1]:465"},
      {"smtps://[2001:db8::1]:2465", "smtps://[2001:db8::1]:2465"},
      {"smtp://mail.example.com:80", "smtp://mail.example.com:80"},
  };
  for (const auto& row : kRows) {
    const Loaded loaded = load(
        "", "  t: { email: \"" + std::string(row.written) +
                "\", from: a@example.com, to: [b@example.com], user: me, password: a-secret }\n");
    ASSERT_NE(loaded.config, nullptr) << row.written << told(loaded);
    const alerts::Target& made = loaded.config->alerts.notify.back();
    EXPECT_EQ(made.kind, alerts::TargetKind::kEmail);
    EXPECT_EQ(made.url.reveal(), row.read);
    EXPECT_EQ(made.email.to, std::vector<std::string>{"b@example.com"});
    const std::string shown = effective_json(*loaded.config);
    EXPECT_EQ(shown.find("a-secret"), std::string::npos) << shown;
    EXPECT_NE(shown.find(R"("from":"a@example.com","to":["b@example.com"],"user":"me")"),
              std::string::npos)
        << shown;
  }
}

TEST(Alerts, WhatTellsNobodyAndSecretsInTheFileAreWeak) {
  const std::string text = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams: { vllm: { url: "http://127.0.0.1:1/v1", speaks: openai } }
models: { small: { upstream: vllm, price_per_million: { input: 1, output: 1 } } }
tenants: { acme: {} }
routes: [{ name: chat, path: /v1/chat/completions, models: [small], allow: [{ tenants: [acme] }] }]
alerts: [{ when: { refusals: {} }, do: freeze }]
notify: { ops: { slack: "https://hooks.slack.com/services/T/B/X" } }
)";
  const Loaded loaded =
      load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  std::vector<std::string> found;
  for (const Finding& each : posture(*loaded.config, text))
    found.push_back(each.id + " " + each.field);
  for (const char* one :
       {"alert-notifies-nobody alerts[0]", "secret-in-plain-text notify.ops.slack"}) {
    EXPECT_EQ(std::ranges::count(found, one), 1) << one;
  }
}

}  // namespace
}  // namespace tollgate::config
