#include "pipeline/mcp.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "config/mcp_pins.h"
#include "pipeline/mcp_forward.h"

namespace tollgate::pipeline {
namespace {

using dialects::McpItem;

authentication::Pepper pepper_of(std::uint8_t seed) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(seed);
  return authentication::Pepper(bytes);
}

authentication::Identity caller_of(std::string_view tenant, std::string_view subject,
                                   std::string_view credential = "key1") {
  authentication::Identity made;
  made.tenant = tenant;
  made.subject = subject;
  made.credential_id = credential;
  return made;
}

config::Mcp mcp_of() {
  config::Mcp made;
  made.rule = "routes.docs.mcp";
  made.tools.allow = {"search", "read_*"};
  made.tools.by_role = {{"admin", {"delete"}}};
  made.tools.by_tenant = {{"globex", {"export"}}};
  made.resources.allow = {"docs://public/*"};
  return made;
}

TEST(McpSession, IsOfTheActorWhoseItIs) {
  const authentication::Pepper pepper = pepper_of(1);
  const auto ada = caller_of("acme", "ada");
  const std::string sealed = seal_mcp_session(pepper, {"docs", ada}, "server-1");
  EXPECT_TRUE(is_mcp_session(sealed));
  EXPECT_EQ(open_mcp_session(pepper, {"docs", ada}, sealed), "server-1");
  // Whatever key it is that the same person shows.
  const auto rotated = caller_of("acme", "ada", "key2");
  EXPECT_EQ(open_mcp_session(pepper, {"docs", rotated}, sealed), "server-1");
  const auto opened = [&](std::string_view route, const authentication::Identity& caller) {
    return open_mcp_session(pepper, {route, caller}, sealed).has_value();
  };
  EXPECT_FALSE(opened("docs", caller_of("acme", "eve")));
  EXPECT_FALSE(opened("docs", caller_of("globex", "ada")));
  EXPECT_FALSE(opened("other", ada));
  EXPECT_FALSE(opened("docs", caller_of("acme", "", "ada")));
  auto vouched = ada;
  vouched.verifier = "corporate";
  EXPECT_FALSE(opened("docs", vouched));
  EXPECT_FALSE(open_mcp_session(pepper_of(2), {"docs", ada}, sealed));
  // Who has no name is told apart by its credential.
  const std::string nameless =
      seal_mcp_session(pepper, {"docs", caller_of("acme", "", "key1")}, "server-1");
  EXPECT_TRUE(open_mcp_session(pepper, {"docs", caller_of("acme", "", "key1")}, nameless));
  EXPECT_FALSE(open_mcp_session(pepper, {"docs", caller_of("acme", "", "key2")}, nameless));
  EXPECT_FALSE(open_mcp_session(pepper, {"docs", caller_of("acme", "key1", "x")}, nameless));
}

TEST(McpSession, IsNothingWhereABitDiffers) {
  const authentication::Pepper pepper = pepper_of(1);
  const auto ada = caller_of("acme", "ada");
  const std::string sealed = seal_mcp_session(pepper, {"docs", ada}, "server-1");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string other = sealed;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_mcp_session(pepper, {"docs", ada}, other)) << i;
  }
  for (const std::string_view text : {"", ".", "server-1", "a.b.c", "x."}) {
    EXPECT_FALSE(open_mcp_session(pepper, {"docs", ada}, text)) << text;
  }
  EXPECT_FALSE(open_mcp_session(pepper, {"docs", ada}, sealed + "A"));
  EXPECT_FALSE(open_mcp_session(pepper, {"docs", ada}, std::string(4096, 'A')));
  EXPECT_FALSE(is_mcp_session("a\r\nb"));
  EXPECT_FALSE(is_mcp_session(std::string(513, 'a')));
  // What the server is shown does not come back in what it gives out.
  EXPECT_FALSE(is_mcp_session("x-of-globex-1", "of-globex"));
  EXPECT_TRUE(is_mcp_session("x-of-acme-1", "of-globex"));
}

TEST(McpCredential, IsThatOfTheUserOrNone) {
  config::Mcp mcp = mcp_of();
  mcp.upstream.credential = Secret("shared");
  mcp.credentials.emplace_back("globex", Secret("of-globex"));
  EXPECT_EQ(mcp_credential(mcp, caller_of("acme", "ada")), "shared");
  EXPECT_EQ(mcp_credential(mcp, caller_of("globex", "ada")), "of-globex");
  mcp.user_credentials.emplace_back("acme/ada", Secret("of-ada"));
  mcp.user_credentials.emplace_back("acme/", Secret("of-nobody"));
  EXPECT_EQ(mcp_credential(mcp, caller_of("acme", "ada")), "of-ada");
  for (const auto& [tenant, subject] :
       std::initializer_list<std::pair<const char*, const char*>>{{"acme", "eve"},
                                                                  {"globex", "ada"},
                                                                  {"acme", ""},
                                                                  {"acme/a", "da"},
                                                                  {"acme", "Ada"},
                                                                  {"", "acme/ada"},
                                                                  {"acm", "ada"}}) {
    const auto refused = mcp_credential(mcp, caller_of(tenant, subject));
    ASSERT_FALSE(refused) << tenant << " " << subject;
    EXPECT_EQ(refused.error().reason, Reason::kRouteNotAllowed);
    EXPECT_EQ(refused.error().rule, "routes.docs.mcp.credential_by_user");
  }
}

TEST(McpSight, IsOfNamesThatAreAllowed) {
  const config::Mcp mcp = mcp_of();
  const auto ada = caller_of("acme", "ada");
  const McpCallerSight sight(mcp, ada);
  EXPECT_TRUE(sight.sees(McpItem::kTool, "search"));
  EXPECT_TRUE(sight.sees(McpItem::kTool, "read_file"));
  for (const std::string_view name : {"", "Search", "searchx", "delete", "export", "read_é", "*"}) {
    EXPECT_FALSE(sight.sees(McpItem::kTool, name)) << name;
  }
  EXPECT_FALSE(sight.sees(McpItem::kPrompt, "search"));
  EXPECT_TRUE(sight.sees(McpItem::kResource, "docs://public/a"));
  EXPECT_FALSE(sight.sees(McpItem::kResource, "docs://public/../secret"));
  EXPECT_FALSE(sight.sees(McpItem::kResource, "docs://secret/a"));

  const std::string_view roles[] = {"admin"};
  auto root = ada;
  root.roles = roles;
  EXPECT_TRUE(McpCallerSight(mcp, root).sees(McpItem::kTool, "delete"));
  const auto globex = caller_of("globex", "eve");
  EXPECT_TRUE(McpCallerSight(mcp, globex).sees(McpItem::kTool, "export"));
  const std::string_view tools[] = {"read_*"};
  auto narrow = ada;
  narrow.reach.tools = tools;
  EXPECT_FALSE(McpCallerSight(mcp, narrow).sees(McpItem::kTool, "search"));
  EXPECT_TRUE(McpCallerSight(mcp, narrow).sees(McpItem::kTool, "read_file"));
}

TEST(McpSight, SeesAllThatIsWellFormedWhereItOnlyObserves) {
  config::Mcp mcp = mcp_of();
  mcp.mode = Mode::kObserve;
  auto ada = caller_of("acme", "ada");
  const std::string_view tools[] = {"search"};
  EXPECT_TRUE(McpCallerSight(mcp, ada).sees(McpItem::kTool, "delete"));
  EXPECT_FALSE(McpCallerSight(mcp, ada).allows(McpItem::kTool, "delete"));
  EXPECT_FALSE(McpCallerSight(mcp, ada).sees(McpItem::kResource, "docs://a/../b"));
  ada.reach.tools = tools;
  EXPECT_FALSE(McpCallerSight(mcp, ada).sees(McpItem::kTool, "delete"));
}

TEST(McpPinned, AreCalledAsLongAsTheyAreWhatWasApproved) {
  config::McpPins pins;
  pins.add("search", R"({"name":"search"})");
  config::Mcp mcp = mcp_of();
  mcp.pins = std::make_shared<const config::McpPins>(std::move(pins));
  const auto ada = caller_of("acme", "ada");
  McpCallerSight sight(mcp, ada);
  const auto rule_of = [&](std::string_view tool) {
    dialects::McpMessage message;
    message.item = McpItem::kTool;
    message.names = std::span(&tool, 1);
    bool observed = false;
    const auto checked = check_mcp_names(message, mcp, sight, observed);
    return checked ? std::string(observed ? "observed" : "") : checked.error().refusal.rule;
  };
  EXPECT_EQ(rule_of("search"), "");
  EXPECT_EQ(rule_of("read_new"), "routes.docs.mcp.pins");
  EXPECT_EQ(rule_of("delete"), "routes.docs.mcp.tools");
  EXPECT_TRUE(sight.sees_definition(McpItem::kTool, "search", R"({"name":"search"})"));
  EXPECT_FALSE(sight.sees_definition(McpItem::kTool, "search", R"({"name":"search","x":1})"));
  // Whoever's list it was that showed it.
  EXPECT_EQ(rule_of("search"), "routes.docs.mcp.pins");
  mcp.mode = Mode::kObserve;
  EXPECT_EQ(rule_of("search"), "observed");
  EXPECT_TRUE(sight.sees_definition(McpItem::kTool, "search", R"({"name":"search","x":1})"));
}

// Each sight is of a list that a caller asked for, and the pages of two of them come in turns.
TEST(McpPinned, AreHeldAgainstTheListThatAPageIsOf) {
  constexpr std::string_view kSame = R"({"name":"search"})";
  constexpr std::string_view kOther = R"({"name":"search","x":1})";
  config::McpPins pins;
  pins.add("search", kSame);
  config::Mcp mcp = mcp_of();
  mcp.pins = std::make_shared<const config::McpPins>(std::move(pins));
  const auto ada = caller_of("acme", "ada");
  const auto eve = caller_of("acme", "eve");
  McpCallerSight first(mcp, ada);
  McpCallerSight second(mcp, eve);
  first.lists_anew();
  EXPECT_FALSE(first.sees_definition(McpItem::kTool, "search", kOther));
  second.lists_anew();
  EXPECT_TRUE(first.sees_definition(McpItem::kTool, "search", kSame));
  EXPECT_FALSE(mcp.pins->allows("search")) << "asked for is not begun";
  EXPECT_FALSE(second.sees_definition(McpItem::kTool, "search", kOther));
  EXPECT_TRUE(first.sees_definition(McpItem::kTool, "search", kSame));
  EXPECT_TRUE(second.sees_definition(McpItem::kTool, "search", kSame));
  // One that a caller goes on with by a cursor is of no list that began since.
  McpCallerSight later(mcp, eve);
  EXPECT_TRUE(later.sees_definition(McpItem::kTool, "search", kSame));
  EXPECT_FALSE(mcp.pins->allows("search"));
  McpCallerSight third(mcp, eve);
  third.lists_anew();
  EXPECT_TRUE(third.sees_definition(McpItem::kTool, "search", kSame));
  EXPECT_TRUE(mcp.pins->allows("search"));
}

RequestHead head_of(const std::vector<Header>& headers) {
  RequestHead head;
  head.method = "POST";
  head.target = "/mcp/docs";
  head.headers = headers;
  return head;
}

TEST(McpCaller, IsNoPageAndKnowsTheName) {
  config::Mcp mcp = mcp_of();
  const auto may = [&](const std::vector<Header>& headers, bool loopback) {
    return check_mcp_caller(head_of(headers), mcp, loopback).has_value();
  };
  EXPECT_TRUE(may({{"Host", "gateway.example"}}, false));
  EXPECT_FALSE(may({{"Host", "gateway.example"}, {"Origin", "https://evil.example"}}, false));
  EXPECT_FALSE(may({{"Host", "gateway.example"}, {"Origin", "null"}}, false));
  EXPECT_FALSE(may({{"Host", "gateway.example"}, {"Origin", ""}}, false));
  for (const std::string_view host : {"localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1"}) {
    EXPECT_TRUE(may({{"Host", host}}, true)) << host;
  }
  for (const std::string_view host : {"evil.example", "localhost.evil.example:80", "127.0.0.1.x"}) {
    EXPECT_FALSE(may({{"Host", host}}, true)) << host;
  }
  EXPECT_TRUE(may({{"Host", "localhost:8080"}, {"Origin", "http://localhost:8080"}}, true));
  EXPECT_FALSE(may({{"Host", "localhost:8080"}, {"Origin", "http://localhost:8080"}}, false));
  EXPECT_FALSE(may({{"Host", "localhost:8080"}, {"Origin", "http://localhost:3000"}}, true));
  EXPECT_FALSE(may({{"Host", "evil.example"}, {"Origin", "http://evil.example"}}, true));
  mcp.origins = {"https://app.example"};
  mcp.hosts = {"gateway.example"};
  EXPECT_TRUE(may({{"Host", "gateway.example:443"}, {"Origin", "https://app.example"}}, false));
  EXPECT_FALSE(may({{"Host", "other.example"}}, false));
  EXPECT_FALSE(may({{"Host", "gateway.example"},
                    {"Origin", "https://app.example"},
                    {"Origin", "https://evil.example"}},
                   false));
}

TEST(McpHeaders, OfTwoValuesNoneIsBelieved) {
  const std::vector<Header> twice = {{"Mcp-Name", "search"}, {"mcp-name", "delete"}};
  EXPECT_TRUE(mcp_headers(head_of(twice)).twice);
  const std::vector<Header> once = {{"Mcp-Name", "search"}, {"mcp-name", "search"}};
  EXPECT_FALSE(mcp_headers(head_of(once)).twice);
  EXPECT_EQ(mcp_headers(head_of(once)).name, "search");
  EXPECT_FALSE(mcp_headers(head_of(once)).method);
}

TEST(McpRefusal, IsAJsonRpcErrorWithOurReason) {
  Refusal refusal = refuse(Reason::kToolNotAllowed, "routes.docs.mcp.tools", "No \"x\".").error();
  std::string headers;
  std::string body;
  EXPECT_EQ(write_mcp_refusal({.id = "7"}, refusal, "req_1", 0, headers, body), 403);
  EXPECT_EQ(
      body,
      R"({"jsonrpc":"2.0","id":7,"error":{"code":403,"message":"No \"x\".","data":)"
      R"({"reason":"tool_not_allowed","rule":"routes.docs.mcp.tools","request_id":"req_1"}}})");
  EXPECT_NE(headers.find("x-tollgate-reason: tool_not_allowed\r\n"), std::string::npos);
  EXPECT_NE(headers.find("x-request-id: req_1\r\n"), std::string::npos);
  body.clear();
  headers.clear();
  refusal.reason = Reason::kMissingCredential;
  const McpError error{.status = 405, .challenge = "Bearer resource_metadata=\"u\""};
  EXPECT_EQ(write_mcp_refusal(error, refusal, "req_1", 0, headers, body), 405);
  EXPECT_TRUE(body.starts_with(R"({"jsonrpc":"2.0","id":null,"error":{"code":405,)")) << body;
  EXPECT_NE(headers.find("www-authenticate: Bearer resource_metadata=\"u\"\r\n"),
            std::string::npos);
}

// What the caller shows of who they are is not among it.
TEST(McpHead, SaysAgainWhatTheBodySays) {
  config::Endpoint server{.host = "10.0.0.9", .port = 7000, .path_prefix = "/mcp"};
  McpTurn turn;
  turn.credential = "ours";
  turn.http_method = "POST";
  turn.asked.method = dialects::mcp_method("tools/call", dialects::McpEra::kModern);
  turn.asked.era = dialects::McpEra::kModern;
  turn.name = "caf\xc3\xa9";
  turn.version = "2026-07-28";
  const std::vector<Header> headers = {{"Authorization", "Bearer theirs"},
                                       {"Cookie", "sid=theirs"},
                                       {"Mcp-Name", "other"},
                                       {"Mcp-Param-Region", "us"}};
  std::string out;
  write_mcp_head(server, turn, head_of(headers), "req_1", 12, out);
  EXPECT_EQ(out,
            "POST /mcp HTTP/1.1\r\nHost: 10.0.0.9:7000\r\nAuthorization: Bearer ours\r\n"
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
            "Mcp-Name: =?base64?Y2Fmw6k=?=\r\nMcp-Param-Region: us\r\n"
            "Accept: application/json, text/event-stream\r\nUser-Agent: tollgate\r\n"
            "x-request-id: req_1\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n");
  server.path_prefix.clear();
  turn = {.http_method = "GET", .version = "2025-11-25", .session = "s1"};
  out.clear();
  write_mcp_head(server, turn, head_of(headers), "req_1", 0, out);
  EXPECT_TRUE(out.starts_with("GET / HTTP/1.1\r\n")) << out;
  EXPECT_NE(out.find("\r\nMcp-Session-Id: s1\r\n"), std::string::npos);
  EXPECT_EQ(out.find("theirs"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::pipeline
