// `mcp` of a route.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/load.h"

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
                             ", credential: shh, tools: { allow: [search], by_role: { admin: "
                             "[delete] }, by_tenant: { acme: [x] } }, server_requests: "
                             "[sampling], origins: [\"https://a.example\"], answer: 1KiB");
  ASSERT_NE(loaded.config, nullptr) << told(loaded);
  const Route& route = loaded.config->routes.at(0);
  ASSERT_TRUE(route.mcp);
  EXPECT_EQ(route.surface, dialects::Surface::kMcp);
  EXPECT_TRUE(route.access.streams);
  EXPECT_EQ(route.mcp->upstream.name, "mcp:docs");
  EXPECT_EQ(route.mcp->upstream.endpoints.at(0).path_prefix, "/mcp");
  EXPECT_EQ(route.mcp->tools.by_role.at(0).name, "admin");
  EXPECT_EQ(route.mcp->tools.by_tenant.at(0).allow, std::vector<std::string>{"x"});
  EXPECT_TRUE(route.mcp->server_requests.has(dialects::McpServerRequest::kSampling));
  EXPECT_FALSE(route.mcp->server_requests.has(dialects::McpServerRequest::kRoots));
  EXPECT_EQ(route.mcp->answer, 1024);
  EXPECT_EQ(route.mcp->rule, "routes.docs.mcp");
  const std::string shown = effective_json(*loaded.config);
  EXPECT_NE(shown.find(R"("by_role":{"admin":["delete"]})"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("shh"), std::string::npos);
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
      {std::string(kServer) + ", credential_by_tenant: { acm: x }", "", "did you mean `acme`?"},
      {std::string(kServer) + ", authorization: { resource: \"https://g.example/mcp\", servers: "
                              "[\"https://l.example\"] }",
       "", "its path must be the route's, `/mcp/docs`"},
      {std::string(kServer) + ", servers: {}", "", "not served by this version"},
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
