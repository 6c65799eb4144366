// `mcp` of a route.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"
#include "config/reload.h"

namespace tollgate::config {
namespace {

std::string text_of(std::string_view mcp, std::string_view beside = "") {
  return fmt::format(R"(
store: {{ ledger: memory }}
authentication: {{ api_keys: {{}} }}
upstreams: {{}}
models: {{}}
tenants: {{ acme: {{ roles: [admin] }} }}
limits: {{ tenant_id: {{ requests_per_minute: 60 }} }}
routes:
  - name: docs
    path: /mcp/docs
    allow: [{{ tenants: [acme] }}]
    {}
    mcp: {{ {} }}
)",
                     beside, mcp);
}

Loaded load(std::string_view mcp, std::string_view beside = "") {
  return load_text(text_of(mcp, beside), "t.yaml", [](const std::string&) { return std::nullopt; });
}

std::string told(const Loaded& loaded) {
  std::string all;
  for (const Problem& problem : loaded.problems) all += format(problem) + "\n";
  return all;
}

constexpr std::string_view kServer = R"(url: "http://127.0.0.1:7000/mcp")";

TEST(Mcp, IsServedByARouteOfItsOwn) {
  const Loaded loaded = load(std::string(kServer) +
                             ", credential: shh, tools: { allow: [search], by_role: { zed: "
                             "[z], admin: [delete] }, by_tenant: { acme: [x] } }, server_requests: "
                             "[sampling], origins: [\"https://a.example\"], answer: 1KiB");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Route& route = loaded.config->routes.at(0);
  ASSERT_TRUE(route.mcp);
  EXPECT_EQ(route.surface, dialects::Surface::kMcp);
  EXPECT_TRUE(route.access.streams);
  EXPECT_EQ(route.mcp->upstream.name, "mcp:docs");
  EXPECT_EQ(route.mcp->upstream.endpoints.at(0).path_prefix, "/mcp");
  // In the order of their names, whatever they were written in.
  EXPECT_EQ(route.mcp->tools.by_role.at(0).name, "admin");
  EXPECT_EQ(route.mcp->tools.by_role.at(1).name, "zed");
  EXPECT_EQ(route.mcp->tools.by_tenant.at(0).allow.entries(), std::vector<std::string>{"x"});
  EXPECT_TRUE(route.mcp->server_requests.has(dialects::McpServerRequest::kSampling));
  EXPECT_FALSE(route.mcp->server_requests.has(dialects::McpServerRequest::kRoots));
  EXPECT_EQ(route.mcp->answer, 1024);
  EXPECT_EQ(route.mcp->rule, "routes.docs.mcp");
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("by_role":{"admin":["delete"],"zed":["z"]})"), std::string::npos)
      << shown;
  EXPECT_EQ(shown.find("shh"), std::string::npos);
}

TEST(Mcp, IsSeveralServersBehindOneEndpoint) {
  const std::string mcp =
      "servers: { github: { url: \"http://127.0.0.1:1/mcp\", credential: shh, tools: { allow: "
      "[search] }, price_per_call: 0.01, tool_limits: { search: { price_per_call: 0.5 } }, "
      "resources: { allow: [\"github://*\"] } }, docs: { url: \"http://127.0.0.1:2/mcp\", "
      "resources: { allow: [\"docs://*\"] }, mode: observe } }, origins: [\"https://a.example\"]";
  const Loaded loaded = load(mcp);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Mcp& endpoint = *loaded.config->routes.at(0).mcp;
  EXPECT_EQ(endpoint.rule, "routes.docs.mcp");
  EXPECT_EQ(endpoint.origins.size(), 1U);
  ASSERT_EQ(endpoint.servers.size(), 2U);
  const Mcp& github = endpoint.servers.at(0);
  EXPECT_EQ(github.name, "github");
  EXPECT_EQ(github.upstream.name, "mcp:docs/github");
  EXPECT_EQ(github.rule, "routes.docs.mcp.servers.github");
  EXPECT_EQ(github.price_per_call, Money{10'000});
  EXPECT_EQ(github.tool_limits.at(0).price_per_call, Money{500'000});
  EXPECT_EQ(endpoint.servers.at(1).mode, Mode::kObserve);
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("servers":{"github":{"url":"http://127.0.0.1:1/mcp")"), std::string::npos)
      << shown;
  EXPECT_EQ(shown.find("shh"), std::string::npos);
  std::string ids;
  for (const Finding& finding : posture(*loaded.config, text_of(mcp))) {
    ids += finding.id + " " + finding.field + "\n";
  }
  EXPECT_NE(ids.find("secret-in-plain-text routes[0].mcp.servers.github.credential"),
            std::string::npos)
      << ids;
  EXPECT_NE(ids.find("mcp-observed routes[0].mcp.servers.docs.mode"), std::string::npos) << ids;
}

TEST(Mcp, TellsWhereTokensAre) {
  const Loaded loaded = load(std::string(kServer) +
                             ", authorization: { resource: "
                             "\"https://g.example/mcp/docs\", servers: "
                             "[\"https://l.example\"], scopes: [read] }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Mcp& mcp = *loaded.config->routes.at(0).mcp;
  EXPECT_EQ(mcp.metadata, R"({"resource":"https://g.example/mcp/docs","authorization_servers":)"
                          R"(["https://l.example"],"bearer_methods_supported":["header"],)"
                          R"("scopes_supported":["read"]})");
  EXPECT_EQ(mcp.challenge,
            "Bearer resource_metadata=\"https://g.example/.well-known/oauth-protected-resource"
            "/mcp/docs\"");
}

TEST(Mcp, HasAContentPolicyThatRefusesOrTells) {
  const auto problems = [](std::string_view content) {
    return told(load(kServer, fmt::format("content: {}", content)));
  };
  // A message is whole before it passes, so all packs may refuse.
  EXPECT_EQ(problems("{ request: [secrets, injection], response: [injection, unicode, links] }"),
            "");
  EXPECT_NE(problems("{ request: [pii], on_match: redact }").find("nothing is masked for MCP"),
            std::string::npos);
  EXPECT_NE(problems("{ request: [pii], overrides: { pii: { on_match: redact } } }")
                .find("nothing is masked for MCP"),
            std::string::npos);
  EXPECT_NE(problems("{ request: [pii], restore: true }").find("nothing to restore"),
            std::string::npos);
  EXPECT_NE(problems("{ mode: observe }").find("there is nothing to inspect"), std::string::npos);
}

TEST(Mcp, LimitsATool) {
  const Loaded loaded = load(std::string(kServer) +
                             ", tools: { allow: [search] }, tool_limits: { search: { user_id: { "
                             "requests_per_minute: 3, concurrent_requests: 1, mode: observe }, "
                             "global: { requests_per_day: 100 } } }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const McpToolLimits& limits = loaded.config->routes.at(0).mcp->tool_limits.at(0);
  EXPECT_EQ(limits.tool, "search");
  std::string rules;
  for (const limits::Policy& policy : limits.limits) {
    rules += fmt::format("{} {} {}\n", policy.rule, policy.limit,
                         policy.mode == Mode::kObserve ? "observe" : "enforce");
  }
  EXPECT_EQ(rules,
            "routes.docs.mcp.tool_limits.search.user_id.requests_per_minute 3 observe\n"
            "routes.docs.mcp.tool_limits.search.user_id.concurrent_requests 1 observe\n"
            "routes.docs.mcp.tool_limits.search.global.requests_per_day 100 enforce\n");
  const Loaded without = load(std::string(kServer) + ", tools: { allow: [search] }");
  ASSERT_NE(without.config, nullptr);
  EXPECT_EQ(vanished(*loaded.config, *without.config).size(), 3U);
}

TEST(Mcp, HasCredentialsOfUsers) {
  const Loaded loaded = load(std::string(kServer) +
                             ", credential_by_user: { acme/ada: ada-secret, "
                             "\"acme/bob@example.com\": bob-secret }");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const auto& users = loaded.config->routes.at(0).mcp->user_credentials;
  ASSERT_EQ(users.size(), 2U);
  EXPECT_EQ(users[1].first, "acme/bob@example.com");
  EXPECT_EQ(users[1].second.reveal(), "bob-secret");
  EXPECT_EQ(effective_json(*loaded.config).find("ada-secret"), std::string::npos);
}

TEST(Mcp, AllowsNothingThatIsNotNamed) {
  const Loaded loaded = load(kServer);
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  EXPECT_TRUE(loaded.config->routes.at(0).mcp->tools.empty());
  EXPECT_EQ(loaded.config->routes.at(0).mcp->server_requests.bits, 0);
}

TEST(Mcp, IsToldWhatItCannotBe) {
  const struct {
    std::string mcp;
    std::string_view beside;
    std::string_view message;
  } rows[] = {
      {"tools: {}", "", "`url` is missing"},
      {R"(url: "stdio:cat")", "", "routes[0].mcp.url"},
      {R"(command: cat)", "", "unknown key `command`"},
      {std::string(kServer) + ", tools: { by_tenant: { acm: [a] } }", "", "did you mean `acme`?"},
      {std::string(kServer) + ", tools: { allow: [\"a*b\"] }", "", "a `*` stands at the end"},
      {std::string(kServer) + ", server_requests: [shell]", "", "`shell`"},
      {std::string(kServer) + ", origins: [\"*\"]", "", "`*` is no origin"},
      {std::string(kServer) + ", origins: [\"https://a.example/x\"]", "", "is no origin"},
      {std::string(kServer) + ", credential_by_user: { ada: x }", "", "write `TENANT/USER`"},
      {std::string(kServer) + ", credential_by_user: { acm/ada: x }", "", "did you mean `acme`?"},
      {std::string(kServer) + ", credential_by_user: { acme/ada: x }, credential_by_tenant: { "
                              "acme: x }",
       "", "`credential_by_tenant` never applies"},
      {std::string(kServer) +
           ", tool_limits: { search: { user_id: { input_tokens_per_minute: 1 } } "
           "}",
       "", "a call of a tool has no tokens"},
      {std::string(kServer) + ", tool_limits: { search: {} }", "", "limits nothing"},
      {std::string(kServer) + ", tool_limits: { \"a:b\": { global: { requests_per_day: 1 } } }", "",
       "is no name of a tool"},
      {std::string(kServer) + ", credential_by_tenant: { acm: x }", "", "did you mean `acme`?"},
      {std::string(kServer) + ", authorization: { resource: \"https://g.example/mcp\", servers: "
                              "[\"https://l.example\"] }",
       "", "its path must be the route's, `/mcp/docs`"},
      {"servers: {}", "", "no server is written"},
      {std::string(kServer) + ", servers: { a: { url: \"http://127.0.0.1:1\" } }", "",
       "each of them says this itself"},
      {"servers: { a: {} }", "", "`url` is missing"},
      {"servers: { a_b: { url: \"http://127.0.0.1:1\" } }", "", "can be no server's name"},
      {"servers: { A: { url: \"http://127.0.0.1:1\" } }", "", "can be no server's name"},
      {"servers: { a: { url: \"http://127.0.0.1:1\", origins: [] } }", "", "unknown key `origins`"},
      {"servers: { a: { url: \"http://127.0.0.1:1\", tools: { allow: [x.y] } } }", "",
       "`a__x.y` can be no tool's name"},
      {"servers: { a: { url: \"http://127.0.0.1:1\", tools: { by_role: { admin: [" +
           std::string(62, 'x') + "] } } } }",
       "", "64 characters at most"},
      {"servers: { a: { url: \"http://127.0.0.1:1\", resources: { allow: [\"x://a/*\"] } }, "
       "b: { url: \"http://127.0.0.1:2\", resources: { by_tenant: { acme: [\"x://*\"] } } } }",
       "", "an address is of one server"},
      {std::string(kServer) + ", price_per_call: -1", "", "price_per_call"},
      {std::string(kServer), "prompt: { body: 1MiB }", "a route with `mcp` has no `prompt`"},
      {std::string(kServer), "tools: { allow: [a] }", "`mcp.tools`"},
      {std::string(kServer), "method: GET", "a route with `mcp` has no `method`"},
  };
  for (const auto& row : rows) {
    const Loaded loaded = load(row.mcp, row.beside);
    EXPECT_EQ(loaded.config, nullptr) << row.mcp;
    EXPECT_NE(told(loaded).find(row.message), std::string::npos) << told(loaded);
  }
}

TEST(Mcp, SharesNoPath) {
  std::string text = text_of(kServer);
  text +=
      "  - { name: more, path: /mcp/docs, allow: [{ roles: [admin] }], mcp: { url: "
      "\"http://127.0.0.1:7001\" } }\n";
  const Loaded loaded = load_text(text, "t.yaml", [](const std::string&) { return std::nullopt; });
  EXPECT_NE(told(loaded).find("a request could match route `docs` as well"), std::string::npos)
      << told(loaded);
}

TEST(Mcp, IsToldWhereItIsWeak) {
  const struct {
    std::string mcp;
    std::string_view id;
  } rows[] = {
      {std::string(kServer), "mcp-allows-nothing"},
      {std::string(kServer) + ", price_per_call: 0.01", "tenant-without-budget"},
      {std::string(kServer) + ", tools: { allow: [\"*\"] }", "mcp-any-tool"},
      {std::string(kServer) + ", tools: { allow: [a] }, mode: observe", "mcp-observed"},
      {std::string(kServer) + ", tools: { by_role: { wizard: [a] } }", "mcp-unknown-role"},
      {std::string(kServer) + ", tools: { allow: [a] }, credential: shh", "secret-in-plain-text"},
      {R"(url: "http://10.0.0.9:7000/mcp", tools: { allow: [a] }, credential: x)",
       "mcp-credential-in-plain-http"},
  };
  const auto ids_of = [](const std::string& mcp) {
    const std::string text = text_of(mcp);
    const Loaded loaded =
        load_text(text, "t.yaml", [](const std::string&) { return std::nullopt; });
    EXPECT_NE(loaded.config, nullptr) << told(loaded);
    std::string ids;
    for (const Finding& finding : posture(*loaded.config, text)) {
      if (finding.id != "books-in-memory") ids += finding.id + "\n";
    }
    return ids;
  };
  for (const auto& row : rows) {
    EXPECT_NE(ids_of(row.mcp).find(row.id), std::string::npos) << row.id;
  }
  EXPECT_EQ(ids_of(std::string(kServer) + ", tools: { by_role: { admin: [a] } }"),
            "mcp-tools-not-pinned\n");
  EXPECT_EQ(ids_of(std::string(kServer) + ", tools: { allow: [a] }"), "mcp-tools-not-pinned\n");
  EXPECT_EQ(ids_of(std::string(kServer) + ", tools: { allow: [a] }, pins: /nowhere/at/all"),
            "mcp-nothing-approved\n");
}

}  // namespace
}  // namespace tollgate::config
