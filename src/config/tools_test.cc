// `tools` of routes and tenants.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"

namespace tollgate::config {
namespace {

Loaded load(std::string_view tools, std::string_view tenant = "{}") {
  const std::string text = std::string(R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://127.0.0.1:1/v1", speaks: openai }
models:
  small: { upstream: vllm, price_per_million: { input: 1, output: 1 } }
tenants: { acme: )") + std::string(tenant) +
                           R"( }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    )" + std::string(tools) +
                           "\n";
  return load_text(text, "t.yaml", [](const std::string&) { return std::optional<std::string>(); });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

TEST(ToolSettings, AreReadWithWhatIsNotWritten) {
  const Loaded none = load("");
  ASSERT_NE(none.config, nullptr) << told(none);
  const tools::Policy& standard = none.config->routes.at(0).tools;
  EXPECT_TRUE(standard.allow.empty());
  EXPECT_EQ(standard.unlisted, tools::Unlisted::kRefuse);
  EXPECT_EQ(standard.arguments, tools::Arguments::kParse);
  EXPECT_EQ(standard.definitions, 128);
  EXPECT_EQ(standard.calls, 64);
  EXPECT_FALSE(standard.steps);
  EXPECT_FALSE(standard.repeats);

  const Loaded all = load(
      "tools: { allow: [a, \"b_*\", \"type:web_search\"], deny: [c], by_role: { admin: [d, e], "
      "boss: f }, unlisted: remove, arguments: validate, definitions: 4, calls: 2, steps: 9, "
      "repeats: 3, mode: observe }",
      "{ tools: { allow: [a], deny: [\"b_*\"] } }");
  ASSERT_NE(all.config, nullptr) << told(all);
  const tools::Policy& policy = all.config->routes.at(0).tools;
  EXPECT_TRUE(policy.allow.lets_in({"function", "b_1"}));
  EXPECT_TRUE(policy.deny.keeps_out({"function", "c"}));
  ASSERT_EQ(policy.by_role.size(), 2u);
  EXPECT_EQ(policy.by_role[0].role, "admin");
  EXPECT_TRUE(policy.by_role[0].allow.lets_in({"function", "e"}));
  EXPECT_TRUE(policy.by_role[1].allow.lets_in({"function", "f"}));
  EXPECT_EQ(policy.unlisted, tools::Unlisted::kRemove);
  EXPECT_EQ(policy.arguments, tools::Arguments::kValidate);
  EXPECT_EQ(policy.definitions, 4);
  EXPECT_EQ(policy.calls, 2);
  EXPECT_EQ(policy.steps, 9);
  EXPECT_EQ(policy.repeats, 3);
  EXPECT_EQ(policy.mode, Mode::kObserve);
  const tools::TenantPolicy& tenant = all.config->tenants.at(0).tools;
  EXPECT_TRUE(tenant.allow.lets_in({"function", "a"}));
  EXPECT_TRUE(tenant.deny.keeps_out({"function", "b_x"}));
  const std::string shown = effective_json(*all.config);
  EXPECT_NE(shown.find(R"("by_role":{"admin":["d","e"],"boss":["f"]})"), std::string::npos);
  EXPECT_NE(shown.find(R"("tools":{"allow":["a"],"deny":["b_*"]})"), std::string::npos) << shown;
}

TEST(ToolSettings, TellWhatIsWrong) {
  const struct {
    std::string_view tools, message;
  } cases[] = {
      {"tools: { allow: [\"a*b\"] }", "`a*b` is no name of a tool"},
      {"tools: { deny: [\"type:web\"] }", "there is no type of tool `web`"},
      {"tools: { by_role: { \"a b\": [x] } }", "`a b` cannot be the name of a role"},
      {"tools: { by_role: { admin: [\"x y\"] } }", "`x y` is no name of a tool"},
      {"tools: { by_role: { admin: { allow: [x] } } }", "expected a list, found a mapping"},
      {"tools: { unlisted: drop }", "expected one of `refuse`, `remove`"},
      {"tools: { arguments: check }", "`validate`"},
      {"tools: { definitions: 0 }", "from 1 to 1024"},
      {"tools: { repeats: 0 }", "from 1 to 100000"},
      {"tools: { allowed: [x] }", "unknown key `allowed`; did you mean `allow`?"},
  };
  for (const auto& [tools, message] : cases) {
    const Loaded loaded = load(tools);
    EXPECT_EQ(loaded.config, nullptr) << tools;
    EXPECT_NE(told(loaded).find(message), std::string::npos) << tools << "\n" << told(loaded);
  }
  EXPECT_EQ(load("", "{ tools: { allow: [] } }").config, nullptr);
}

}  // namespace
}  // namespace tollgate::config
