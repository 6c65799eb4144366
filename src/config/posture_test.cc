#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "config/load.h"
#include "config/templates.h"

namespace tollgate::config {
namespace {

std::string fixture(const std::string& name) {
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

Loaded load(const std::string& text) {
  return load_text(text, "t.yaml",
                   [](const std::string&) { return "set-and-as-long-as-is-asked-for-here"; });
}

// The findings as "id line field", each a line.
std::string found(const std::string& text) {
  const Loaded loaded = load(text);
  if (loaded.config == nullptr) return format(loaded.problems.front());
  std::string all;
  for (const Finding& finding : posture(*loaded.config, text)) {
    EXPECT_FALSE(finding.message.empty() || finding.mend.empty()) << finding.id;
    all += finding.id + " " + std::to_string(finding.line) + " " + finding.field + "\n";
  }
  return all;
}

struct Row {
  std::string_view from;
  std::string_view to;
  std::string_view expected;
};

TEST(Posture, SoundFilesHaveNoFinding) {
  EXPECT_EQ(found(fixture("small.yaml")), "");
  EXPECT_EQ(found(fixture("whole.yaml")), "");
}

TEST(Posture, PartsThatDoNothingAreNotes) {
  std::string text = fixture("small.yaml");
  text.replace(text.find("models:\n"), 8,
               "models:\n  idle: { upstream: vllm, price_per_million: { input: 1, output: 1 } }\n");
  const Loaded loaded = load(text);
  ASSERT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  const std::vector<Finding> findings = posture(*loaded.config, text);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].id, "model-without-route");
  EXPECT_EQ(findings[0].level, Finding::Level::kNote);
}

TEST(Posture, FindsWhatIsWeak) {
  const Row rows[] = {
      {"limits:\n", "listeners: { out: { address: \"0.0.0.0:80\" } }\nlimits:\n",
       "listener-without-tls 9 listeners.out\n"},
      {"limits:\n", "listeners: { in: { address: \"0.0.0.0:80\", exposure: internal } }\nlimits:\n",
       "internal-listener-everywhere 9 listeners.in\nlistener-without-tls 9 listeners.in\n"},
      {"limits:\n", "admin: { address: \"10.0.0.1:9900\" }\nlimits:\n",
       "admin-beyond-loopback 9 admin.address\nmetrics-beyond-loopback 9 admin.address\n"},
      {"limits:\n", "admin: { address: \"10.0.0.1:9900\", metrics: authenticated }\nlimits:\n",
       "admin-beyond-loopback 9 admin.address\n"},
      {"budget: { usd: 5", "grantable_roles: [nobodys], budget: { usd: 5",
       "role-without-route 8 tenants.acme.grantable_roles\n"},
      {"limits:\n", "admin: { token: \"letmein-letmein-letmein-letmein-00\" }\nlimits:\n",
       "secret-in-plain-text 9 admin.token\n"},
      {"speaks: openai", "speaks: openai, credential: \"sk-$${X}\"",
       "secret-in-plain-text 4 upstreams.vllm.credential\n"},
      {"speaks: openai", "speaks: openai, credential: \"${X}\"", ""},
      {"limits:\n", "store: { ledger: memory }\nlimits:\n", "books-in-memory 9 store.ledger\n"},
      {"limits:\n", "edge: { buffered_bytes_max: 4MiB }\nlimits:\n",
       "reply-beyond-memory 9 edge\n"},
      {"limits:\n", "edge: { buffered_bytes_max: 2MiB, reply_bytes_max: 2MiB }\nlimits:\n",
       "body-beyond-memory 20 routes[0].prompt.body\n"},
      {"http://127.0.0.1:8000", "http://10.0.0.5:8000", "upstream-in-clear 4 upstreams.vllm\n"},
      {"    input_tokens_per_minute: 80000\n", "", "requests-without-tokens 10 limits.tenant_id\n"},
      {"    prompt: { body: 1MiB }\n",
       "    prompt: {}\n    limits: { user_id: { requests_per_minute: 5 } }\n", ""},
      {"authentication: { api_keys: {} }", "authentication: {}",
       "no-credential-accepted 2 authentication\n"},
      {", when_exhausted: refuse", "", "budget-without-when-exhausted 8 tenants.acme.budget\n"},
      {"budget: { usd: 5, per: day, when_exhausted: refuse }", "",
       "tenant-without-budget 8 tenants.acme\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.to);
    std::string text = fixture("small.yaml");
    const std::size_t at = text.find(row.from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, row.from.size(), row.to);
    EXPECT_EQ(found(text), row.expected);
  }
}

TEST(Posture, FindsTokensOfToolsThatNobodyCanHoldToANumberOfCalls) {
  const auto with = [](std::string_view surface, std::string_view tool, std::string_view prices) {
    std::string text = fixture("small.yaml");
    const auto put = [&](std::string_view from, std::string_view to) {
      const std::size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << from;
      text.replace(at, from.size(), to);
    };
    put("    prompt: { body: 1MiB }\n",
        "    prompt: { body: 1MiB }\n    tools: { allow: [\"type:" + std::string(tool) + "\"] }\n");
    put("/v1/chat/completions", surface);
    put("price_per_million", std::string(prices) + ", price_per_million");
    return found(text);
  };
  constexpr std::string_view kChat = "/v1/chat/completions";
  constexpr std::string_view kFree =
      "input_tokens_per_tool_call: 1000, price_per_tool_call: { web_search: 0, mcp: 0 }";
  const std::string weak = "tool-tokens-without-bound 20 routes[0].tools.allow\n";
  EXPECT_EQ(with(kChat, "web_search", kFree), weak);
  EXPECT_EQ(with("/v1/responses", "web_search", kFree), "");
  EXPECT_EQ(with("/v1/messages", "web_search", kFree), "");
  EXPECT_EQ(with("/v1/messages", "mcp", kFree), weak);
  EXPECT_EQ(with(kChat, "web_search", "price_per_tool_call: { web_search: 0 }"), "");
  EXPECT_EQ(with(kChat, "web_search",
                 "input_tokens_per_tool_call: 1000, price_per_tool_call: { web_search: 0.01 }"),
            "");
}

// Of a file that has this in the place of `authentication: { api_keys: {} }`.
std::string found_with(std::string_view verifiers) {
  std::string text = fixture("small.yaml");
  const std::string_view keys = "authentication: { api_keys: {} }";
  text.replace(text.find(keys), keys.size(), verifiers);
  return found(text);
}

TEST(Posture, FindsVerifiersThatSpeakForTooMany) {
  const std::string one = R"({ name: a, issuer: "https://a.example", audience: g, tenant: org)";
  const std::string other = R"({ name: b, issuer: "https://b.example", audience: g, tenant: org)";
  const auto jwt = [](const std::string& entries) {
    return found_with("authentication: { jwt: [" + entries + "] }");
  };
  EXPECT_EQ(jwt(one + " }"), "");
  EXPECT_EQ(jwt(one + " }, " + other + ", tenants: [acme] }"), "");
  EXPECT_EQ(jwt(one + " }, " + other + " }"),
            "any-tenant-by-claim 2 authentication.jwt[0]\n"
            "any-tenant-by-claim 2 authentication.jwt[1]\n");
  const std::string github =
      R"({ name: g, issuer: "https://token.actions.githubusercontent.com", audience: g, )";
  EXPECT_EQ(jwt(github + "tenant_by_subject: { \"repo:acme/*\": acme } }"), "");
  EXPECT_EQ(jwt(github + "fixed_tenant: acme }"),
            "public-issuer-for-one-tenant 2 authentication.jwt[0]\n");
}

TEST(Posture, FindsServersThatSeeTokensOfOthers) {
  const auto both = [](const std::string& more) {
    const std::string rest =
        ", client: { id: me, secret: 0123456789abcdef }, audience: g, fixed_tenant: acme";
    return found_with("authentication: { introspection: [{ name: a, url: \"https://a.example\"" +
                      rest + " }, { name: b, url: \"https://b.example\"" + rest + more + " }] }");
  };
  EXPECT_NE(both("").find("introspection-without-prefix"), std::string::npos);
  EXPECT_NE(both("").find("authentication.introspection[1]"), std::string::npos);
  EXPECT_EQ(both(", prefix: b_").find("introspection-without-prefix"), std::string::npos);
}

TEST(Posture, FindsBoundsOfSessionsThatNothingMeasures) {
  const auto session = [](const std::string& more) {
    return found_with(
        "authentication: { sessions: [{ name: web, cookie: sid, tenant: org, redis: "
        "\"redis://127.0.0.1/2\"" +
        more + " }] }");
  };
  EXPECT_NE(session(", idle_max: 5m").find("session-bound-without-effect"), std::string::npos);
  EXPECT_EQ(session(", idle_max: 5m, last_used: used").find("session-bound"), std::string::npos);
  EXPECT_NE(session(", age_max: 5h").find("sessions[0].age_max"), std::string::npos);
  EXPECT_EQ(session("").find("session-bound"), std::string::npos);
}

TEST(Posture, FindsWhatCanNeverApply) {
  const Row rows[] = {
      {"    allow: [{ tenants: [acme] }]\n", "",
       "tenant-without-route 8 tenants.acme\nroute-without-allow 15 routes[0]\n"},
      {"    prompt: { body: 1MiB }\n", "", "public-route-without-prompt-caps 15 routes[0]\n"},
      {"    prompt:", "    mode: observe\n    prompt:", "route-observed 19 routes[0].mode\n"},
      {"    prompt:", "    tools: { allow: [\"*\"] }\n    prompt:",
       "tools-any 19 routes[0].tools.allow\n"},
      {"    prompt:", "    tools: { allow: [get_order, \"type:shell\"] }\n    prompt:", ""},
      {"    prompt:", "    tools: { allow: [shell, web_search_20250305] }\n    prompt:",
       "tool-type-by-name 19 routes[0].tools.allow\ntool-type-by-name 19 routes[0].tools.allow\n"},
      {"    prompt:", "    tools: { by_role: { boss: [mcp] } }\n    prompt:",
       "tool-type-by-name 19 routes[0].tools.by_role\n"},
      {"acme: { budget", "acme: { tools: { allow: [mcp] }, budget",
       "tool-type-by-name 8 tenants.acme.tools.allow\n"
       "tool-without-route 8 tenants.acme.tools.allow\n"},
      {"    prompt:", "    tools: { allow: [a, b_c], deny: [\"b_*\"] }\n    prompt:",
       "tool-denied 19 routes[0].tools.allow\n"},
      {"    prompt:", "    tools: { allow: [\"type:web_search\"], deny: [\"web_*\"] }\n    prompt:",
       "tool-denied 19 routes[0].tools.allow\n"},
      {"    prompt:", "    tools: { allow: [a], deny: [web_search] }\n    prompt:", ""},
      {"    prompt:", "    tools: { by_role: { boss: [b] }, deny: [b] }\n    prompt:",
       "tool-denied 19 routes[0].tools.by_role\n"},
      {"/v1/chat/completions\n", "/v1/embeddings\n    tools: { allow: [a] }\n",
       "tools-never-apply 17 routes[0].tools\n"},
      {"    prompt:", "    exposure: internal\n    prompt:",
       "internal-route-without-listener 15 routes[0]\n"},
      {"tenants: [acme]", "tenants: [acme], scopes: [chat]",
       "scopes-of-nobody 18 routes[0].allow[0]\n"},
      {"tenants: [acme]", "tenants: [acme], roles: [boss]", "unknown-role 18 routes[0].allow[0]\n"},
      {"models:\n",
       "models:\n  spare: { upstream: vllm, price_per_million: { input: 0, output: 0 } }\n",
       "model-without-route 6 models.spare\n"},
      {"models:\n", "  spare: { url: \"https://h\", speaks: openai }\nmodels:\n",
       "upstream-unused 5 upstreams.spare\n"},
      {"tenants:\n", "tenants:\n  idle: { budget: { usd: 1, per: day, when_exhausted: refuse } }\n",
       "tenant-without-route 8 tenants.idle\n"},
      {"/v1/chat/completions",
       "/v1/embeddings\n    limits: { model: { output_tokens_per_minute: 9 } }",
       "limit-never-applies 17 routes[0].limits.model.output_tokens_per_minute\n"},
      {"path: /v1/chat/completions\n    models: [small]\n    allow: [{ tenants: [acme] }]\n"
       "    prompt: { body: 1MiB }",
       "path: /v1/embeddings\n    models: [small]\n    allow: [{ tenants: [acme] }]\n"
       "    prompt: { output_tokens: 5 }",
       "cap-never-applies 19 routes[0].prompt.output_tokens\n"},
      {"limits:\n  tenant_id:\n    requests_per_minute: 120\n    input_tokens_per_minute: 80000\n"
       "    concurrent_requests: 6\n",
       "", "route-without-limits 10 routes[0]\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.to);
    std::string text = fixture("small.yaml");
    const std::size_t at = text.find(row.from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, row.from.size(), row.to);
    EXPECT_EQ(found(text), row.expected);
  }
}

TEST(Templates, EveryStarterLoadsWithoutAFinding) {
  for (int which = 0; which < 16; ++which) {
    SCOPED_TRACE(which);
    StarterUpstreams starter;
    starter.openai = (which & 1) != 0;
    starter.anthropic = (which & 2) != 0;
    if ((which & 4) != 0) starter.ollama_host = "";
    if ((which & 4) != 0) starter.ollama_models = {"llama3.2:3b", "not a name \"", "shared"};
    if ((which & 8) != 0) starter.vllm_url = "http://127.0.0.1:8001/v1";
    if ((which & 8) != 0) starter.vllm_models = {"meta-llama/Llama-3.1-8B-Instruct", "shared"};
    const std::string text = init_yaml(starter);
    EXPECT_TRUE(text.starts_with("# yaml-language-server: $schema=tollgate.schema.json\n"));
    EXPECT_EQ(found(text), "") << text;
    const Loaded loaded = load(text);
    ASSERT_NE(loaded.config, nullptr);
    const auto messages =
        std::ranges::count(loaded.config->routes, dialects::Surface::kMessages, &Route::surface);
    EXPECT_EQ(messages, starter.anthropic ? 1 : 0);
    EXPECT_EQ(loaded.config->routes.back().surface, dialects::Surface::kModels);
    EXPECT_EQ(loaded.config->listeners[0].host, "127.0.0.1");
  }
}

TEST(Templates, UnderstandsOllamaHost) {
  EXPECT_EQ(ollama_url(""), "http://127.0.0.1:11434/v1");
  EXPECT_EQ(ollama_url("0.0.0.0"), "http://127.0.0.1:11434/v1");
  EXPECT_EQ(ollama_url("10.0.0.2"), "http://10.0.0.2:11434/v1");
  EXPECT_EQ(ollama_url("10.0.0.2:99"), "http://10.0.0.2:99/v1");
  EXPECT_EQ(ollama_url("https://models.example.com/"), "https://models.example.com/v1");
  EXPECT_EQ(ollama_url("no host at all"), "http://127.0.0.1:11434/v1");
}

}  // namespace
}  // namespace tollgate::config
