#include "dialects/mcp_message.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"

namespace tollgate::dialects {
namespace {

constexpr std::string_view kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientCapabilities":{"sampling":{},"elicitation":{"form":{}}}})";

std::string call_of(std::string_view tool) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}","arguments":{{}}}}}})",
      tool);
}

std::string modern_call_of(std::string_view tool) {
  return fmt::format(
      R"({{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}",{}}}}})", tool,
      kModernMeta);
}

struct Told {
  int code = 0;  // 0: it was read.
  Reason reason{};
  std::string message;
};

Told told(std::string_view body, const McpHeaders& headers = {}) {
  McpReader reader;
  const Padded padded(body);
  const auto read = reader.read(padded.view(), headers);
  if (read) return {};
  EXPECT_EQ(read.error().refusal.rule, "mcp");
  return {read.error().code, read.error().refusal.reason, read.error().refusal.message};
}

TEST(McpMessage, SaysWhatACallIsAbout) {
  McpReader reader;
  const Padded body(call_of("search"));
  const auto read = reader.read(body.view(), {.version = "2025-11-25"});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, McpKind::kRequest);
  EXPECT_EQ(read->era, McpEra::kLegacy);
  EXPECT_EQ(read->method->name, "tools/call");
  EXPECT_EQ(read->id, "1");
  EXPECT_EQ(read->item, McpItem::kTool);
  EXPECT_EQ(read->name(), "search");
}

TEST(McpMessage, TellsRequestsNotificationsAndResponsesApart) {
  McpReader reader;
  const auto kind_of = [&](std::string_view text) {
    const Padded body(text);
    const auto read = reader.read(body.view(), {});
    EXPECT_TRUE(read) << text;
    return read ? read->kind : McpKind::kRequest;
  };
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":"a","method":"ping"})"), McpKind::kRequest);
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"),
            McpKind::kNotification);
  EXPECT_EQ(kind_of(R"({"jsonrpc":"2.0","id":7,"result":{}})"), McpKind::kResponse);
}

TEST(McpMessage, RefusesWhatIsNoMessageOfTheProtocol) {
  struct Row {
    std::string_view body;
    int code;
  };
  const Row rows[] = {
      {"{", kRpcParseError},
      {R"({"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"})", kRpcParseError},
      {R"("ping")", kRpcInvalidRequest},
      {R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", kRpcInvalidRequest},
      {R"({"jsonrpc":"1.0","id":1,"method":"ping"})", kRpcInvalidRequest},
      {R"({"id":1,"method":"ping"})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":null,"method":"ping"})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","more":1})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":7})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","result":{}})", kRpcInvalidRequest},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})", kRpcInvalidParams},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})", kRpcInvalidParams},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}})", kRpcInvalidParams},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","task":{}}})",
       kRpcInvalidParams},
      {R"({"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"x"}}})",
       kRpcInvalidParams},
  };
  for (const Row& row : rows) EXPECT_EQ(told(row.body).code, row.code) << row.body;
}

// What has no row does not pass, in either era, and a request is no notification.
TEST(McpMessage, RefusesMethodsThatItDoesNotKnow) {
  const auto asking = [](std::string_view method) {
    return fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}"}})", method);
  };
  for (const std::string_view method :
       {"tasks/get", "tasks/result", "tools/Call", "tools/call ", "server/discover",
        "notifications/initialized", "sampling/createMessage", ""}) {
    EXPECT_EQ(told(asking(method)).code, kRpcMethodNotFound) << method;
    EXPECT_EQ(told(asking(method)).reason, Reason::kUnsupportedParameter) << method;
  }
  EXPECT_EQ(told(R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}})").code,
            kRpcMethodNotFound);
  const std::string modern = fmt::format(
      R"({{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{{"uri":"a:b",{}}}}})",
      kModernMeta);
  const Told refused =
      told(modern, {.version = "2026-07-28", .method = "resources/subscribe", .name = "a:b"});
  EXPECT_EQ(refused.code, kRpcMethodNotFound);
  EXPECT_EQ(refused.reason, Reason::kNotFound);
}

TEST(McpMessage, HoldsHeadersAgainstTheBody) {
  const std::string modern = modern_call_of("search");
  const McpHeaders right{.version = "2026-07-28", .method = "tools/call", .name = "search"};
  EXPECT_EQ(told(modern, right).code, 0);
  const auto changed = [&](auto change) {
    McpHeaders headers = right;
    change(headers);
    return told(modern, headers).code;
  };
  EXPECT_EQ(changed([](McpHeaders& it) { it.version = {}; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.version = "2025-11-25"; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.method = {}; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.method = "tools/list"; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.method = "Tools/call"; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.name = {}; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.name = "delete"; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.name = "=?base64?c2VhcmNo?="; }), 0);
  EXPECT_EQ(changed([](McpHeaders& it) { it.name = "=?base64?ZGVsZXRl?="; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.name = "=?base64?c2VhcmNo=?="; }), kRpcHeaderMismatch);
  EXPECT_EQ(changed([](McpHeaders& it) { it.twice = true; }), kRpcHeaderMismatch);
  // Where an old client says them, they are believed by somebody too.
  EXPECT_EQ(told(call_of("search"), {.name = "delete"}).code, kRpcHeaderMismatch);
  EXPECT_EQ(told(call_of("search"), {.method = "ping"}).code, kRpcHeaderMismatch);
  // A body that does not say what its header says is of no revision.
  EXPECT_EQ(told(call_of("search"), right).code, kRpcHeaderMismatch);
}

TEST(McpMessage, RefusesRevisionsThatAreNotServed) {
  EXPECT_EQ(told(call_of("a"), {.version = "1900-01-01"}).code, kRpcUnsupportedVersion);
  EXPECT_EQ(told(call_of("a"), {.version = ""}).code, 0);
  const std::string later = R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":)"
                            R"({"io.modelcontextprotocol/protocolVersion":"2027-01-01"}}})";
  EXPECT_EQ(told(later, {.version = "2027-01-01"}).code, kRpcUnsupportedVersion);
  const std::string opening =
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2026-07-28"}})";
  EXPECT_EQ(told(opening).code, kRpcUnsupportedVersion);
}

TEST(McpMessage, NamesEveryResourceOfASubscription) {
  McpReader reader;
  const std::string text = fmt::format(
      R"({{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":)"
      R"({{"resourceSubscriptions":["a://1","a://2"]}},{}}}}})",
      kModernMeta);
  const Padded body(text);
  const auto read =
      reader.read(body.view(), {.version = "2026-07-28", .method = "subscriptions/listen"});
  ASSERT_TRUE(read) << read.error().refusal.message;
  ASSERT_EQ(read->names.size(), 2U);
  EXPECT_EQ(read->names[1], "a://2");
  EXPECT_EQ(read->item, McpItem::kResource);
}

// Servers learn of what clients can do for them as far as they may ask for it.
TEST(McpMessage, WritesAnewWithoutWhatServersMayNotAsk) {
  const auto written = [](std::string_view text, const McpHeaders& headers,
                          McpServerRequests requests) {
    McpReader reader;
    const Padded body(text);
    EXPECT_TRUE(reader.read(body.view(), headers)) << text;
    std::string out;
    reader.write(requests, out);
    return out;
  };
  const McpHeaders modern{.version = "2026-07-28", .method = "tools/call", .name = "a"};
  McpServerRequests sampling;
  sampling.add(McpServerRequest::kSampling);
  EXPECT_NE(written(modern_call_of("a"), modern, {}).find("clientCapabilities\":{}"),
            std::string::npos);
  EXPECT_NE(
      written(modern_call_of("a"), modern, sampling).find("clientCapabilities\":{\"sampling\":{}}"),
      std::string::npos);
  const std::string opening =
      R"({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion":)"
      R"("2025-11-25", "capabilities": {"roots": {}, "tasks": {}, "experimental": {"x": {}}},)"
      R"( "clientInfo": {"name": "capabilities"} } })";
  EXPECT_EQ(written(opening, {}, {}),
            R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":)"
            R"("2025-11-25","capabilities":{},"clientInfo":{"name":"capabilities"}}})");
}

TEST(McpMessage, EncodesWhatIsNoPlainHeader) {
  for (const std::string_view text :
       {"search", "a b", " padded ", "line1\nline2", "Hello, 世界", "=?base64?literal?=", "é"}) {
    const std::string value = mcp_header_value(text);
    EXPECT_EQ(value.find_first_of("\r\n"), std::string::npos);
    EXPECT_EQ(mcp_header_text(value), text);
  }
  EXPECT_EQ(mcp_header_value("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
  EXPECT_EQ(mcp_header_value("search"), "search");
  EXPECT_FALSE(
      mcp_header_text("=?base64?"
                      "?="));
  EXPECT_FALSE(mcp_header_text("caf\xc3\xa9"));
}

TEST(McpMethods, NamesThatLookAlikeAreAlike) {
  EXPECT_TRUE(is_mcp_name("search_docs-2.0/x"));
  for (const std::string_view name : {"", "sеarch", "a b", "a\n", "a\xe2\x80\x8b", "a:b"}) {
    EXPECT_FALSE(is_mcp_name(name)) << name;
  }
  EXPECT_FALSE(is_mcp_name(std::string(129, 'a')));
}

TEST(McpMethods, AddressesMeanWhatTheySay) {
  for (const std::string_view uri :
       {"file:///docs/a.md", "demo://x/{id}", "https://a.example/b?c=..d", "a:b", "x://a/..b"}) {
    EXPECT_TRUE(is_mcp_uri(uri)) << uri;
  }
  for (const std::string_view uri : {"", "file:///docs/../etc/passwd", "file:///docs/..",
                                     "file:///docs/./a", "file:///a/%2e%2E/b", "file:///a%2Fb",
                                     "file:///a\\b", "file:///a%5cb", "file:///a b", "x://é"}) {
    EXPECT_FALSE(is_mcp_uri(uri)) << uri;
  }
}

TEST(McpMessageToOneOfSeveral, IsWrittenWithTheServersOwnNames) {
  McpReader reader;
  const auto written = [&](std::string_view body, const McpRenamed& renamed) {
    const Padded padded(body);
    EXPECT_TRUE(reader.read(padded.view(), {.version = "2025-11-25"})) << body;
    std::string out;
    reader.write({}, out, renamed);
    return out;
  };
  EXPECT_EQ(written(call_of("github__search"), {.name = "search", .id = {}, .progress_token = {}}),
            R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)"
            R"({"name":"search","arguments":{}}})");
  EXPECT_EQ(written(R"({"jsonrpc":"2.0","id":1,"method":"completion/complete","params":)"
                    R"({"ref":{"type":"ref/prompt","name":"a__b"},"argument":{"name":"n"}}})",
                    {.name = "b", .id = {}, .progress_token = {}}),
            R"({"jsonrpc":"2.0","id":1,"method":"completion/complete","params":)"
            R"({"ref":{"type":"ref/prompt","name":"b"},"argument":{"name":"n"}}})");
  EXPECT_EQ(written(R"({"jsonrpc":"2.0","id":"a:n:7","result":{"id":"a:n:7"}})",
                    {.name = {}, .id = "7", .progress_token = {}}),
            R"({"jsonrpc":"2.0","id":7,"result":{"id":"a:n:7"}})");
  EXPECT_EQ(written(R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
                    R"({"progressToken":"a:s:t","progress":1}})",
                    {.name = {}, .id = {}, .progress_token = "\"t\""}),
            R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
            R"({"progressToken":"t","progress":1}})");
}

TEST(McpMessage, SaysWhereItBelongs) {
  McpReader reader;
  const auto read = [&](std::string_view body) {
    const Padded padded(body);
    const auto made = reader.read(padded.view(), {.version = "2025-11-25"});
    EXPECT_TRUE(made) << body;
    return *made;
  };
  EXPECT_EQ(read(R"({"jsonrpc":"2.0","id":"a:n:7","result":{}})").answers, "a:n:7");
  EXPECT_EQ(read(R"({"jsonrpc":"2.0","id":7,"result":{}})").answers, "");
  EXPECT_EQ(read(R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
                 R"({"progressToken":"a:n:7"}})")
                .progress_of,
            "a:n:7");
  EXPECT_EQ(read(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)"
                 R"({"name":"x","_meta":{"progressToken":9}}})")
                .progress_token,
            "9");
  EXPECT_TRUE(
      read(R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c"}})").has_cursor);
  EXPECT_FALSE(read(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})").has_cursor);
}

TEST(McpMessage, IsAskedForPageByPage) {
  McpReader reader;
  const auto params = [&](std::string_view body, const McpHeaders& headers) {
    const Padded padded(body);
    EXPECT_TRUE(reader.read(padded.view(), headers)) << body;
    std::string out;
    reader.write_params({}, out);
    return out;
  };
  EXPECT_EQ(params(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", {}), "{}");
  EXPECT_EQ(params(R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c"}})", {}),
            "{}");
  EXPECT_EQ(params(fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"tools/list","params":)"
                               R"({{"cursor":"c",{}}}}})",
                               kModernMeta),
                   {.version = "2026-07-28", .method = "tools/list", .name = {}}),
            R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
            R"("io.modelcontextprotocol/clientCapabilities":{}}})");
}

}  // namespace
}  // namespace tollgate::dialects
