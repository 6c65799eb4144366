// The rows of MCP (surface_rows_test.h): every method that passes, in each era that has it, to one
// server and to several behind one endpoint, and what has no message: a stream by GET and the end
// of a session.
#pragma once

#include "pipeline/mcp_servers.h"
#include "pipeline/surface_rows_test.h"

namespace tollgate::pipeline::testing {

// An endpoint, and the session that its caller has there.
struct McpDoor {
  std::string route;   // Its path is "/mcp/" and this.
  std::string prefix;  // Of names, where there are several servers.
  std::string session;
};

inline Ask mcp_ask(const McpDoor& door, std::string method, std::string body) {
  Ask asked;
  asked.method = std::move(method);
  asked.target = "/mcp/" + door.route;
  asked.headers = {{"Host", "127.0.0.1"},
                   {"Content-Type", "application/json"},
                   {"Accept", "application/json, text/event-stream"}};
  asked.body = std::move(body);
  return asked;
}

// What a method's params are, besides its texts. `name` is of a tool or prompt, `uri` an address.
inline std::string mcp_params_of(const dialects::McpMethod& method, std::string_view name,
                                 std::string_view uri, std::string_view text) {
  using dialects::McpNamed;
  if (method.name == "initialize") {
    return fmt::format(R"("protocolVersion":"2025-11-25","capabilities":{{}},)"
                       R"("clientInfo":{{"name":"{}","version":"1"}})",
                       text);
  }
  if (method.name == "notifications/progress") {
    const bool is_of_one = name.find("__") == std::string_view::npos;
    return fmt::format(R"("progressToken":{},"progress":1,"message":"{}")",
                       is_of_one ? "1" : R"("a:n:1")", text);
  }
  if (method.name == "notifications/cancelled")
    return fmt::format(R"("requestId":1,"reason":"{}")", text);
  switch (method.named) {
    case McpNamed::kNot:
      break;
    case McpNamed::kByName:
      return fmt::format(R"("name":"{}","arguments":{{"q":"{}"}})", name, text);
    case McpNamed::kByUri:
      return fmt::format(R"("uri":"{}")", uri);
    case McpNamed::kByRef:
      return fmt::format(R"("ref":{{"type":"ref/prompt","name":"{}"}},)"
                         R"("argument":{{"name":"q","value":"{}"}})",
                         name, text);
    case McpNamed::kBySubscription:
      return fmt::format(R"("notifications":{{"resourceSubscriptions":["{}"]}})", uri);
  }
  return fmt::format(R"("note":"{}")", text);
}

// A result with that text; of a list, with an entry that may be seen, and one that may not.
inline std::string mcp_result_of(const dialects::McpMethod& method, const Wish& wish) {
  if (method.notification) return {};
  if (method.name == "initialize" || method.name == "server/discover") {
    return fmt::format(R"({{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"2025-11-25",)"
                       R"("supportedVersions":["2026-07-28"],"resultType":"complete",)"
                       R"("capabilities":{{"tools":{{}},"prompts":{{}},"resources":{{}},)"
                       R"("logging":{{}}}},)"
                       R"("serverInfo":{{"name":"x","version":"1"}},"instructions":"{}"}}}})",
                       wish.text);
  }
  if (method.lists.empty()) {
    return fmt::format(
        R"({{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{}"}}]}}}})",
        wish.text);
  }
  const bool is_address = method.item == dialects::McpItem::kResource;
  const std::string entry = fmt::format(R"({{"{}":"{}","name":"look","description":"{}",)"
                                        R"("inputSchema":{{"type":"object"}}}})",
                                        method.key, is_address ? "docs://a" : "look", wish.text);
  const std::string other = fmt::format(R"(,{{"{}":"{}","inputSchema":{{"type":"object"}}}})",
                                        method.key, is_address ? "rm://rm" : "rm");
  return fmt::format(R"({{"jsonrpc":"2.0","id":1,"result":{{"{}":[{}{}]}}}})", method.lists,
                     is_address || method.key == "uriTemplate"
                         ? entry
                         : fmt::format(R"({{"name":"look","description":"{}",)"
                                       R"("inputSchema":{{"type":"object"}}}})",
                                       wish.text),
                     wish.forbidden ? other : "");
}

inline void leave_out_of_mcp(Row& row) {
  row.leave_out("asks no model", {Control::kModel, Control::kInputTokens, Control::kTokenLimit});
  row.leave_out(
      "a server of tools is one place: there is no other to turn to instead, and what it "
      "takes at once is bounded",
      {Control::kBreaker});
}

inline Row mcp_row(const dialects::McpMethod& method, dialects::McpEra era, const McpDoor& door) {
  const bool is_modern = era == dialects::McpEra::kModern;
  const bool has_session = !is_modern && method.name != "initialize";
  Row row;
  row.name =
      fmt::format("mcp {}, {}, {}", method.name, is_modern ? "modern" : "legacy", door.route);
  row.recorded = fmt::format(R"("method":"{}")", method.name);
  row.route = door.route;
  row.ask = [method, is_modern, has_session, door](const Wish& wish) {
    const std::string name = door.prefix + (wish.forbidden ? "rm" : "look");
    const std::string_view uri = wish.forbidden ? "rm://rm" : "docs://a";
    const std::string meta =
        is_modern ? R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                    R"("io.modelcontextprotocol/clientCapabilities":{}})"
                  : "";
    const std::string body = fmt::format(R"({{"jsonrpc":"2.0",{}"method":"{}","params":{{{}{}}}}})",
                                         method.notification ? "" : R"("id":1,)", method.name,
                                         mcp_params_of(method, name, uri, wish.text), meta);
    Ask asked = mcp_ask(door, "POST", body);
    if (has_session) asked.headers.emplace_back("Mcp-Session-Id", door.session);
    if (!is_modern) return asked;
    asked.headers.emplace_back("MCP-Protocol-Version", "2026-07-28");
    asked.headers.emplace_back("Mcp-Method", method.name);
    if (method.in_header) {
      const bool by_uri = method.named == dialects::McpNamed::kByUri;
      asked.headers.emplace_back("Mcp-Name", by_uri ? std::string(uri) : name);
    }
    return asked;
  };
  row.answer = [method](const Wish& wish) { return mcp_result_of(method, wish); };
  if (method.notification) row.status = 202;
  leave_out_of_mcp(row);
  if (!has_session) row.leave_out("is of no session", {Control::kOwner});
  if (method.named == dialects::McpNamed::kNot)
    row.leave_out("names nothing that could be forbidden", {Control::kTool});
  if (method.lists.empty())
    row.leave_out("its answer is no list of what may be used", {Control::kCalls});
  if (method.name != "tools/call")
    row.leave_out("only calls of tools have a price", {Control::kBudget});
  if (method.notification)
    row.leave_out("nothing is answered to a notification", {Control::kContentAnswered});
  if (method.named == dialects::McpNamed::kByUri ||
      method.named == dialects::McpNamed::kBySubscription) {
    row.leave_out("says an address that is allowed, and no text", {Control::kContentAsked});
  }
  return row;
}

// What the gateway says itself where several servers stand behind one endpoint.
inline void leave_out_of_crowd(Row& row, const dialects::McpMethod& method) {
  const McpRouted routed = mcp_routed(&method);
  const bool is_lists = !method.lists.empty();
  if (routed == McpRouted::kOne) return;
  if (!is_lists) {
    row.leave_out("the gateway answers in words of its own", {Control::kContentAnswered});
  }
  row.leave_out("a server without a place is absent, and the others answer", {Control::kPlace});
  if (routed == McpRouted::kItself)
    row.leave_out("nothing is sent", {Control::kRevoked, Control::kContentAsked});
}

inline Row mcp_get_row(const McpDoor& door) {
  Row row;
  row.name = fmt::format("mcp stream by GET, {}", door.route);
  row.recorded = R"("method":"GET")";
  row.route = door.route;
  row.ask = [door](const Wish&) {
    Ask asked = mcp_ask(door, "GET", {});
    asked.headers.emplace_back("Mcp-Session-Id", door.session);
    return asked;
  };
  row.answer = [](const Wish& wish) {
    return fmt::format(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\","
        "\"params\":{{\"level\":\"info\",\"data\":\"{}\"}}}}\n\n",
        wish.text);
  };
  row.answer_type = "text/event-stream";
  leave_out_of_mcp(row);
  row.leave_out("has no body, and names nothing but its session",
                {Control::kTool, Control::kBodySize, Control::kStrictBody, Control::kContentAsked});
  row.leave_out("its messages are no list of what may be used", {Control::kCalls});
  row.leave_out("only calls of tools have a price", {Control::kBudget});
  return row;
}

inline Row mcp_delete_row(const McpDoor& door) {
  Row row = mcp_get_row(door);
  row.name = fmt::format("mcp end of a session, {}", door.route);
  row.recorded = R"("method":"DELETE")";
  row.ask = [door](const Wish&) {
    Ask asked = mcp_ask(door, "DELETE", {});
    asked.headers.emplace_back("Mcp-Session-Id", door.session);
    return asked;
  };
  row.answer = [](const Wish&) { return std::string(); };
  row.leave_out("nothing of the answer is handed on", {Control::kContentAnswered});
  if (!door.prefix.empty())
    row.leave_out("a server without a place is absent, and the session ends", {Control::kPlace});
  return row;
}

inline std::vector<Row> mcp_rows(const McpDoor& one, const McpDoor& many) {
  using dialects::McpEra;
  std::vector<Row> rows = {mcp_get_row(one), mcp_delete_row(one), mcp_delete_row(many)};
  for (const dialects::McpMethod& method : dialects::mcp_methods()) {
    for (const McpEra era : {McpEra::kLegacy, McpEra::kModern}) {
      if (!(era == McpEra::kModern ? method.modern : method.legacy)) continue;
      rows.push_back(mcp_row(method, era, one));
      if (mcp_routed(&method) == McpRouted::kNot) continue;  // Refused there: mcp_crowd_test.
      Row row = mcp_row(method, era, many);
      leave_out_of_crowd(row, method);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace tollgate::pipeline::testing
