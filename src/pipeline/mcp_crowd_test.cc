// Several MCP servers behind one endpoint, through the pipeline.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kServers = R"(  - name: work
    path: /mcp/work
    allow: [{ tenants: [acme] }]
    mcp:
      servers:
        github: { url: "http://127.0.0.1:1/mcp", tools: { allow: ["*"] } }
)";

class McpCrowds : public PipelineTest {
 protected:
  McpCrowds() : PipelineTest(std::string(kSettings) + std::string(kServers)) {
    world.upstreams.script.headers["mcp-session-id"] = "s1";
    const auto opened =
        says(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":)"
             R"("2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}})",
             R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":)"
             R"({"tools":{}},"serverInfo":{"name":"x","version":"1"}}})");
    EXPECT_EQ(opened->status, 200) << opened->text;
    session = opened->header("mcp-session-id").value_or("");
    world.upstreams.messages.clear();
  }

  Ask asking(std::string body) const {
    Ask made = ask(std::move(body), "/mcp/work");
    made.headers.emplace_back("Host", "127.0.0.1");
    made.headers.emplace_back("Content-Type", "application/json");
    made.headers.emplace_back("Accept", "application/json, text/event-stream");
    if (!session.empty()) made.headers.emplace_back("Mcp-Session-Id", session);
    return made;
  }
  std::unique_ptr<Caller> says(std::string body, std::string answer) {
    world.upstreams.script.pieces = {std::move(answer)};
    return world.serve(asking(std::move(body)));
  }

  std::string session;
};

constexpr std::string_view kList = R"({"jsonrpc":"2.0","id":2,"method":"tools/list"})";
std::string page(std::string_view entries, std::string_view more = {}) {
  return R"({"jsonrpc":"2.0","id":2,"result":{"tools":[)" + std::string(entries) + "]" +
         std::string(more) + "}}";
}

TEST_F(McpCrowds, ANameThatIsOnlyAServersIsNoTool) {
  const auto caller =
      says(R"({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"github__"}})", "{}");
  EXPECT_NE(caller->text.find("\"error\""), std::string::npos) << caller->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
  EXPECT_EQ(last().outcome, audit::Outcome::kRefused);
  expect_clean_books();
}

TEST_F(McpCrowds, OneNameOnTwoPagesIsNoTool) {
  Script first = world.upstreams.script;
  first.pieces = {page(R"({"name":"a","inputSchema":{}},{"name":"b","inputSchema":{}})",
                       R"(,"nextCursor":"2")")};
  world.upstreams.first = {first};
  const auto caller =
      says(std::string(kList),
           page(R"({"name":"a","inputSchema":{"x":1}},{"name":"c","inputSchema":{}})"));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->text.find("github__a"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find("github__b"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find("github__c"), std::string::npos) << caller->text;
  expect_clean_books();
}

TEST_F(McpCrowds, TypesOfContentAreReadAsTheyMayBeWritten) {
  world.upstreams.script.content_type = "Application/JSON ; charset=utf-8";
  const auto caller = says(std::string(kList), page(R"({"name":"a","inputSchema":{}})"));
  EXPECT_NE(caller->text.find("github__a"), std::string::npos) << caller->text;
}

TEST_F(McpCrowds, ASessionEndsWhateverServersSayOfIt) {
  for (const int status : {200, 404, 405, 500}) {
    world.upstreams.script.status = status;
    Ask ends = asking({});
    ends.method = "DELETE";
    const auto caller = world.serve(ends);
    EXPECT_EQ(caller->status, 200) << status << caller->text;
    EXPECT_EQ(last().written.find("absent"), std::string::npos) << last().written;
  }
  expect_clean_books();
}

TEST_F(McpCrowds, ACallerWhoLeavesMakesNoServerAbsent) {
  world.upstreams.script.hangs_before_head = true;
  const auto caller = world.serve(asking(std::string(kList)));
  caller->leave();
  EXPECT_EQ(last().code, "caller_gone");
  EXPECT_EQ(last().written.find("absent"), std::string::npos) << last().written;
  expect_clean_books();
}

TEST_F(McpCrowds, AreHeldToAnswersToAlerts) {
  alerts::Answer made;
  made.rule = "alerts[0]";
  made.scope = limits::Scope::kRoute;
  made.subject = "work";
  made.action = alerts::Action::kFreeze;
  world.pipeline.hold_to(std::make_shared<const alerts::InForce>(std::vector{made}));
  const auto frozen = says(std::string(kList), page(""));
  EXPECT_EQ(frozen->status, 403) << frozen->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
  made.action = alerts::Action::kSlowDown;
  world.pipeline.hold_to(std::make_shared<const alerts::InForce>(std::vector{made}));
  EXPECT_EQ(says(std::string(kList), page(""))->status, 200);
  EXPECT_EQ(world.ledger.limits.back().rule, "alerts[0]");
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
