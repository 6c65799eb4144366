// What a budget may say of a request that it no longer holds: what loads, and what is told of
// everything that could never come about.
#include <gtest/gtest.h>

#include "config/load.h"

namespace tollgate::config {
namespace {

// `%` stands for what the budget of the tenant says, in line 11.
constexpr std::string_view kFile = R"(authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:8000/v1", speaks: openai }
  claude: { url: "http://127.0.0.1:8001", speaks: anthropic }
models:
  small: { upstream: vllm, price_per_million: { input: 0.05, output: 0.10 } }
  big: { upstream: vllm, price_per_million: { input: 5, output: 10 } }
  alone: { upstream: vllm, price_per_million: { input: 5, output: 10 } }
  opus: { upstream: claude, price_per_million: { input: 5, output: 10 } }
tenants:
  acme: { budget: { usd: 5, per: day, when_exhausted: % } }
  other: { budget: { usd: 5, per: day, when_exhausted: refuse } }
limits: { tenant_id: { input_tokens_per_minute: 80000 } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [big]
    allow: [{ tenants: [acme] }]
    prompt: { body: 1MiB, output_tokens: 4096 }
  - name: cheap
    path: /v1/chat/completions
    models: [small]
    allow: [{}]
    prompt: { body: 1MiB, output_tokens: 4096 }
  - { name: old, path: /v1/completions, models: [alone], allow: [{}], prompt: { body: 1MiB } }
  - { name: messages, path: /v1/messages, models: [opus], allow: [{}], prompt: { body: 1MiB } }
)";

std::string file_with(std::string_view says) {
  std::string text(kFile);
  return text.replace(text.find('%'), 1, says);
}

Loaded load(const std::string& text) {
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(Exhaustion, LoadsEveryFormAndShowsItInEffect) {
  const struct {
    std::string_view says;
    cost::WhenExhausted kind;
    std::string_view model;
    Tokens tokens;
    std::string_view shown;
  } rows[] = {
      {"refuse", cost::WhenExhausted::kRefuse, "", 0, R"("when_exhausted":"refuse")"},
      {"allow_and_alert", cost::WhenExhausted::kAllowAndAlert, "", 0,
       R"("when_exhausted":"allow_and_alert")"},
      {"{ downgrade_to: small }", cost::WhenExhausted::kDowngradeTo, "small", 0,
       R"("when_exhausted":{"downgrade_to":"small"})"},
      {"{ cap_output_tokens: 100 }", cost::WhenExhausted::kCapOutputTokens, "", 100,
       R"("when_exhausted":{"cap_output_tokens":100})"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.says);
    // The same under a top-level budget.
    const std::string text =
        file_with(row.says) +
        "budgets:\n  user_id: { usd: 1, per: day, when_exhausted: " + std::string(row.says) +
        " }\n";
    const Loaded loaded = load(text);
    ASSERT_NE(loaded.config, nullptr) << told(loaded);
    for (const cost::Policy& policy :
         {loaded.config->tenants.at(0).budget.value(), loaded.config->budgets.at(0)}) {
      EXPECT_EQ(policy.when_exhausted, row.kind);
      EXPECT_EQ(policy.downgrade_to, row.model);
      EXPECT_EQ(policy.cap_output_tokens, row.tokens);
    }
    EXPECT_NE(effective_json(*loaded.config).find(row.shown), std::string::npos);
    EXPECT_TRUE(posture(*loaded.config, text).empty());
  }
}

TEST(Exhaustion, TellsWhatIsWrongAndWhatToDo) {
  const std::string field = "tenants.acme.budget.when_exhausted";
  const std::string expected =
      "expected one of `refuse`, `allow_and_alert`, `{ downgrade_to: … }`, "
      "`{ cap_output_tokens: … }`, found ";
  const auto stands_in = [&](std::string_view model) {
    return "t.yaml:11:71: " + field + ".downgrade_to: `" + std::string(model) +
           "` can stand in for no other model: a request stays on its path, and no path that "
           "serves "
           "another model serves `" +
           std::string(model) + "`; name it in the `models` of a route there, or name another\n";
  };
  const std::pair<std::string_view, std::string> rows[] = {
      {"refusee",
       "t.yaml:11:55: " + field + ": " + expected + "`refusee`; did you mean `refuse`?\n"},
      {"downgrade_to", "t.yaml:11:55: " + field + ": " + expected + "`downgrade_to`\n"},
      {"", "t.yaml:11:56: " + field + ": " + expected + "nothing\n"},
      {"[refuse]", "t.yaml:11:55: " + field + ": " + expected + "a list\n"},
      {"{}", "t.yaml:11:55: " + field + ": " + expected + "0 keys\n"},
      {"{ downgrade_to: small, cap_output_tokens: 9 }",
       "t.yaml:11:55: " + field + ": " + expected + "2 keys\n"},
      {"{ downgrade: small }",
       "t.yaml:11:57: " + field + ": unknown key `downgrade`; did you mean `downgrade_to`?\n"},
      {"{ downgrade_to: smal }",
       "t.yaml:11:71: " + field +
           ".downgrade_to: there is no model `smal`; did you mean `small`?\n"},
      {"{ downgrade_to: alone }", stands_in("alone")},
      {"{ downgrade_to: opus }", stands_in("opus")},
      {"{ cap_output_tokens: 0 }",
       "t.yaml:11:76: " + field +
           ".cap_output_tokens: expected a whole number from 1 to 1000000000000, found `0`\n"},
      {"{ cap_output_tokens: -1 }",
       "t.yaml:11:76: " + field +
           ".cap_output_tokens: expected a whole number from 1 to 1000000000000, found `-1`\n"},
  };
  for (const auto& [says, words] : rows) {
    SCOPED_TRACE(says);
    const Loaded loaded = load(file_with(says));
    EXPECT_EQ(loaded.config, nullptr);
    EXPECT_EQ(told(loaded), words);
  }
  // All at once.
  const Loaded loaded =
      load(file_with("{ downgrade_to: smal }") +
           "budgets:\n  user_id: { usd: 1, per: day, when_exhausted: { cap_output_tokens: 0 } }\n"
           "  key_id: { usd: 1, per: day, when_exhausted: { downgrade_to: opus } }\n");
  EXPECT_EQ(loaded.problems.size(), 3U) << told(loaded);
}

// What the callers of a tenant can never get is a finding.
TEST(Exhaustion, FindsWhatNeverComesAbout) {
  const auto found = [](const std::string& text) {
    const Loaded loaded = load(text);
    EXPECT_NE(loaded.config, nullptr) << told(loaded);
    std::string ids;
    for (const Finding& finding : posture(*loaded.config, text)) {
      ids += finding.id + " " + finding.field + "\n";
    }
    return ids;
  };
  std::string text = file_with("{ downgrade_to: small }");
  EXPECT_EQ(found(text), "");
  // Somebody may be served so, but nobody of acme.
  text.replace(text.find("allow: [{}]"), 11, "allow: [{ tenants: [other] }]");
  text.replace(text.find("[{ tenants: [acme] }]"), 21, "[{ tenants: [acme, other] }]");
  EXPECT_EQ(found(text), "downgrade-not-allowed tenants.acme.budget.when_exhausted\n");
  EXPECT_EQ(found(file_with("{ cap_output_tokens: 4095 }")), "");
  EXPECT_EQ(found(file_with("{ cap_output_tokens: 4096 }")),
            "output-cap-never-lower tenants.acme.budget.when_exhausted\n");
}

}  // namespace
}  // namespace tollgate::config
