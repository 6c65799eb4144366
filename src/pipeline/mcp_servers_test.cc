#include "pipeline/mcp_servers.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_event.h"

namespace tollgate::pipeline {
namespace {

using dialects::McpEra;
using dialects::McpItem;

authentication::Pepper pepper() {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(7);
  return authentication::Pepper(bytes);
}

authentication::Identity caller_of(std::string_view tenant, std::string_view subject) {
  authentication::Identity made;
  made.tenant = tenant;
  made.subject = subject;
  made.credential_id = "key1";
  return made;
}

config::Mcp endpoint() {
  config::Mcp made;
  made.rule = "routes.all.mcp";
  for (const char* name : {"github", "git", "docs"}) {
    config::Mcp server;
    server.name = name;
    server.rule = "routes.all.mcp.servers." + server.name;
    server.tools.allow = {"search", "read_*"};
    server.resources.allow = {server.name + "://*"};
    made.servers.push_back(std::move(server));
  }
  made.servers.back().resources.by_role = {{"admin", {"secret://docs/*"}}};
  return made;
}

std::string place(const config::Mcp& at, McpItem item, std::string_view name) {
  const auto found = mcp_place_of(at, item, name);
  return found ? found->server->name + " " + std::string(found->name) : "none";
}

TEST(McpPlace, IsOfOneServerWhateverAToolIsCalled) {
  const config::Mcp at = endpoint();
  EXPECT_EQ(place(at, McpItem::kTool, "github__search"), "github search");
  EXPECT_EQ(place(at, McpItem::kTool, "git__hub__search"), "git hub__search");
  EXPECT_EQ(place(at, McpItem::kTool, "git___x"), "git _x");
  EXPECT_EQ(place(at, McpItem::kPrompt, "docs__a"), "docs a");
  for (const std::string_view name :
       {"", "search", "__search", "github_search", "GitHub__search", "gith__search", "github__",
        "github", "other__search", " github__search", "g\xc3\xaetub__search"}) {
    const auto found = mcp_place_of(at, McpItem::kTool, name);
    const auto ada = caller_of("acme", "ada");
    EXPECT_FALSE(found && McpCallerSight(*found->server, ada).sees(McpItem::kTool, found->name))
        << name;
  }
}

TEST(McpPlace, OfAnAddressIsWhoseResourcesNameIt) {
  const config::Mcp at = endpoint();
  EXPECT_EQ(place(at, McpItem::kResource, "docs://page/1"), "docs docs://page/1");
  EXPECT_EQ(place(at, McpItem::kResource, "secret://docs/1"), "docs secret://docs/1");
  EXPECT_EQ(place(at, McpItem::kResource, "file:///etc/passwd"), "none");
}

TEST(McpServerSight, HoldsNamesToWhatModelsTake) {
  config::Mcp at = endpoint();
  config::Mcp& server = at.servers.front();
  server.tools.allow = {"*"};
  auto ada = caller_of("acme", "ada");
  const McpCallerSight sight(server, ada);
  EXPECT_TRUE(sight.sees(McpItem::kTool, std::string(56, 'a')));
  EXPECT_FALSE(sight.sees(McpItem::kTool, std::string(57, 'a')));
  EXPECT_FALSE(sight.sees(McpItem::kTool, "a.b"));
  EXPECT_FALSE(sight.sees(McpItem::kTool, "a/b"));
  // A key is for tools by the names that its holder knows.
  const std::string_view tools[] = {"github__search"};
  ada.reach.tools = tools;
  EXPECT_TRUE(sight.sees(McpItem::kTool, "search"));
  EXPECT_FALSE(sight.sees(McpItem::kTool, "fetch"));
  EXPECT_FALSE(McpCallerSight(at.servers.at(1), ada).sees(McpItem::kTool, "search"));
}

TEST(McpServerSight, OfAddressesIsTheirOwnersAlone) {
  config::Mcp at = endpoint();
  config::Mcp& server = at.servers.front();
  server.mode = Mode::kObserve;
  const auto ada = caller_of("acme", "ada");
  const McpCallerSight sight(server, ada);
  EXPECT_TRUE(sight.sees(McpItem::kResource, "github://a"));
  EXPECT_FALSE(sight.sees(McpItem::kResource, "docs://page/1"));
}

TEST(McpSessions, AreWhatWasWritten) {
  std::vector<McpServerSession> all = {{"github", 31, "2025-11-25", "s:1;x"},
                                       {"docs", 0, "2025-03-26", ""}};
  const std::string text = write_mcp_sessions(all);
  const auto read = read_mcp_sessions(text);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->front().id, "s:1;x");
  EXPECT_EQ(read->front().capabilities, 31);
  EXPECT_EQ(read->back().version, "2025-03-26");
  EXPECT_EQ(read->back().id, "");
  for (const std::string_view wrong :
       {"", "github", "github:1:2026-07-28:", "github:256:2025-11-25:", "git_hub:1:2025-11-25:",
        "github:1:2025-11-25:***", ";"}) {
    EXPECT_FALSE(read_mcp_sessions(wrong)) << wrong;
  }
}

TEST(McpSessions, AreBoundedAndSealedToTheirOwner) {
  std::vector<McpServerSession> all;
  for (int i = 0; i < 16; ++i) {
    all.push_back({"s" + std::to_string(i), 1, "2025-11-25", std::string(400, 'x')});
  }
  all.push_back({"bad", 1, "2025-11-25", std::string(513, 'x')});
  all.push_back({"worse", 1, "2025-11-25", "a\r\nb"});
  const std::string text = write_mcp_sessions(all);
  EXPECT_LE(text.size(), kMcpSessionsBytesMax);
  EXPECT_EQ(all.size(), 7U);
  const auto ada = caller_of("acme", "ada");
  const auto eve = caller_of("acme", "eve");
  const std::string sealed = seal_mcp(pepper(), "a", {"all", ada}, text);
  const auto opened = [&](std::string_view label, const McpSessionOwner& owner) {
    return open_mcp(pepper(), label, owner, sealed, kMcpSessionsBytesMax).has_value();
  };
  EXPECT_TRUE(opened("a", {"all", ada}));
  EXPECT_FALSE(opened("b", {"all", ada}));
  EXPECT_FALSE(opened("a", {"all", eve}));
  EXPECT_FALSE(opened("a", {"other", ada}));
}

TEST(McpEvents, AreOfTheActorAndTheRequest) {
  const auto ada = caller_of("acme", "ada");
  const McpEvent event{"github", "s1", "tools/call", "\"a:b\"", "7", "e:1 \xc3\xa9"};
  const std::string sealed = seal_mcp_event(pepper(), {"all", ada}, event);
  const auto opened = open_mcp_event(pepper(), {"all", ada}, sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->server, "github");
  EXPECT_EQ(opened->session, "s1");
  EXPECT_EQ(opened->method, "tools/call");
  EXPECT_EQ(opened->request, "\"a:b\"");
  EXPECT_EQ(opened->progress_token, "7");
  EXPECT_EQ(opened->event, "e:1 \xc3\xa9");
  EXPECT_FALSE(open_mcp_event(pepper(), {"all", caller_of("acme", "eve")}, sealed));
  EXPECT_FALSE(open_mcp_event(pepper(), {"docs", ada}, sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string other = sealed;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_mcp_event(pepper(), {"all", ada}, other)) << i;
  }
  EXPECT_FALSE(open_mcp_event(pepper(), {"all", ada}, ""));
  // A session is no event.
  const std::string session = seal_mcp_session(pepper(), {"all", ada}, "::::::");
  EXPECT_FALSE(open_mcp_event(pepper(), {"all", ada}, session));
  McpEvent large = event;
  large.event = std::string(2048, 'a');
  EXPECT_EQ(seal_mcp_event(pepper(), {"all", ada}, large), "");
}

TEST(McpRouting, KnowsEveryMethod) {
  const auto routed = [](std::string_view name, McpEra era) {
    return mcp_routed(dialects::mcp_method(name, era));
  };
  for (const std::string_view one : {"tools/call", "prompts/get", "resources/read",
                                     "completion/complete", "notifications/progress"}) {
    EXPECT_EQ(routed(one, McpEra::kLegacy), McpRouted::kOne) << one;
  }
  for (const std::string_view all :
       {"initialize", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
        "logging/setLevel", "notifications/initialized", "notifications/cancelled",
        "notifications/roots/list_changed"}) {
    EXPECT_EQ(routed(all, McpEra::kLegacy), McpRouted::kAll) << all;
  }
  EXPECT_EQ(routed("server/discover", McpEra::kModern), McpRouted::kAll);
  EXPECT_EQ(routed("ping", McpEra::kLegacy), McpRouted::kItself);
  EXPECT_EQ(routed("resources/subscribe", McpEra::kLegacy), McpRouted::kNot);
  EXPECT_EQ(routed("resources/unsubscribe", McpEra::kLegacy), McpRouted::kNot);
  EXPECT_EQ(routed("subscriptions/listen", McpEra::kModern), McpRouted::kNot);
  EXPECT_EQ(mcp_routed(nullptr), McpRouted::kOne);
  EXPECT_FALSE(mcp_capable(2, dialects::mcp_method("tools/list", McpEra::kLegacy)));
  EXPECT_TRUE(mcp_capable(1, dialects::mcp_method("tools/list", McpEra::kLegacy)));
  EXPECT_FALSE(mcp_capable(15, dialects::mcp_method("logging/setLevel", McpEra::kLegacy)));
}

TEST(McpResults, SayWhatTheGatewayKeeps) {
  std::string out;
  write_mcp_initialized("1", "2025-06-18", 17, out);
  EXPECT_TRUE(out.starts_with(R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18",)"
                              R"("capabilities":{"tools":{},"logging":{}},"serverInfo":{)"))
      << out;
  EXPECT_TRUE(out.ends_with("}}}")) << out;
  out.clear();
  const auto* list = dialects::mcp_method("tools/list", McpEra::kModern);
  write_mcp_list("\"a\"", *list, McpEra::kModern, R"({"name":"x"},)", out);
  EXPECT_EQ(out, R"({"jsonrpc":"2.0","id":"a","result":{"tools":[{"name":"x"}],)"
                 R"("resultType":"complete","ttlMs":0,"cacheScope":"private"}})");
  out.clear();
  write_mcp_list("1", *list, McpEra::kLegacy, "", out);
  EXPECT_EQ(out, R"({"jsonrpc":"2.0","id":1,"result":{"tools":[]}})");
}

}  // namespace
}  // namespace tollgate::pipeline
