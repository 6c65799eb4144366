#include "dialects/mcp_answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "dialects/fixture_test.h"

namespace tollgate::dialects {
namespace {

class Seen final : public McpSight {
 public:
  explicit Seen(std::set<std::string, std::less<>> names) : names_(std::move(names)) {}
  bool sees(McpItem, std::string_view name) const override { return names_.contains(name); }
  bool sees_definition(McpItem, std::string_view name, std::string_view definition) override {
    definitions.emplace_back(definition);
    return name != refused;
  }
  bool holds_definitions(McpItem) const override { return holds; }

  std::vector<std::string> definitions;
  std::string refused;
  bool holds = false;

 private:
  std::set<std::string, std::less<>> names_;
};

McpAsked asked(std::string_view method, McpEra era = McpEra::kLegacy) {
  return {.method = mcp_method(method, era), .era = era, .id = "1"};
}

struct Read {
  FaultOr<McpAnswer> answer;
  std::string out;
};

Read read(std::string_view text, const McpAsked& of, McpSight& sight) {
  McpAnswerReader reader;
  const Padded padded(text);
  Read made{.answer = McpAnswer{}};
  made.answer = reader.read(padded.view(), of, sight, made.out);
  return made;
}

TEST(McpAnswer, ListsHoldWhatTheCallerMayUse) {
  Seen sight({"search", "fetch"});
  const Read made =
      read(R"({"jsonrpc":"2.0","id":1,"result":{"tools":[)"
           R"({"name":"search","inputSchema":{}},{"name":"delete"},{"name":"fetch"}],)"
           R"("nextCursor":"n","tool":"delete"}})",
           asked("tools/list"), sight);
  ASSERT_TRUE(made.answer);
  EXPECT_EQ(made.answer->passed, McpPassed::kAnswer);
  EXPECT_EQ(made.answer->withheld, 1);
  EXPECT_EQ(made.out, R"({"jsonrpc":"2.0","id":1,"result":{"tools":[)"
                      R"({"name":"search","inputSchema":{}},{"name":"fetch"}],)"
                      R"("nextCursor":"n","tool":"delete"}})");
}

// Which of the two would be called nobody could tell.
TEST(McpAnswer, WithholdsBothOfOneName) {
  Seen sight({"search", "fetch"});
  const Read made = read(R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},)"
                         R"({"name":"fetch"},{"name":"search","description":"other"}]}})",
                         asked("tools/list"), sight);
  ASSERT_TRUE(made.answer);
  EXPECT_EQ(made.answer->withheld, 2);
  EXPECT_EQ(made.out, R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"fetch"}]}})");
}

// To a model they are one name. One that the caller may not use stands in nobody's way, and
// addresses are compared as they are.
TEST(McpAnswer, WithholdsNamesThatDifferInCaseAlone) {
  const std::string_view list = R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},)"
                                R"({"name":"fetch"},{"name":"Search"}]}})";
  Seen all({"search", "Search", "fetch"});
  EXPECT_EQ(read(list, asked("tools/list"), all).out,
            R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"fetch"}]}})");
  Seen one({"search", "fetch"});
  EXPECT_EQ(read(list, asked("tools/list"), one).out,
            R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},{"name":"fetch"}]}})");
  const std::string_view addresses =
      R"({"jsonrpc":"2.0","id":1,"result":{"resources":[{"uri":"x:/a"},{"uri":"x:/A"}]}})";
  Seen both({"x:/a", "x:/A"});
  EXPECT_EQ(read(addresses, asked("resources/list"), both).out, addresses);
}

TEST(McpAnswer, FiltersEveryKindOfList) {
  struct Row {
    std::string_view method;
    std::string_view text;
    std::string_view left;
  };
  const Row rows[] = {
      {"prompts/list", R"({"prompts":[{"name":"a"},{"name":"b"}]})",
       R"({"prompts":[{"name":"a"}]})"},
      {"resources/list", R"({"resources":[{"uri":"b"},{"uri":"a"}]})",
       R"({"resources":[{"uri":"a"}]})"},
      {"resources/templates/list", R"({"resourceTemplates":[{"uriTemplate":"b"}]})",
       R"({"resourceTemplates":[]})"},
  };
  for (const Row& row : rows) {
    Seen sight({"a"});
    const std::string text = R"({"jsonrpc":"2.0","id":1,"result":)" + std::string(row.text) + "}";
    const Read made = read(text, asked(row.method), sight);
    ASSERT_TRUE(made.answer) << row.method;
    EXPECT_EQ(made.out, R"({"jsonrpc":"2.0","id":1,"result":)" + std::string(row.left) + "}");
  }
}

TEST(McpAnswer, DefinitionsAreOneTextHoweverTheyAreWritten) {
  Seen sight({"search"});
  sight.holds = true;
  const std::string_view texts[] = {
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search","inputSchema":{"b":[1,{"d":1,"c":2}],"a":1}}]}})",
      R"({"id":1, "result":{"tools":[ {"inputSchema":{"a":1, "b":[1,{"c":2,"d":1}]},"name":"search"}]},"jsonrpc":"2.0"})"};
  for (const std::string_view text : texts) read(text, asked("tools/list"), sight);
  ASSERT_EQ(sight.definitions.size(), 2U);
  EXPECT_EQ(sight.definitions[0], sight.definitions[1]);
  EXPECT_EQ(sight.definitions[0],
            R"({"inputSchema":{"a":1,"b":[1,{"c":2,"d":1}]},"name":"search"})");
  sight.refused = "search";
  EXPECT_EQ(read(texts[0], asked("tools/list"), sight).answer->withheld, 1);
}

// Others may be allowed what this caller is not, and hold an older list.
TEST(McpAnswer, DefinitionsAreLookedAtWhoeverAsks) {
  Seen sight({"search"});
  sight.holds = true;
  const Read made = read(R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},)"
                         R"({"name":"delete"},{"name":"fetch"},{"name":"fetch","x":1}]}})",
                         asked("tools/list"), sight);
  ASSERT_TRUE(made.answer);
  EXPECT_EQ(made.answer->withheld, 3);
  EXPECT_EQ(sight.definitions,
            (std::vector<std::string>{R"({"name":"search"})", R"({"name":"delete"})", "", ""}))
      << "one of a name that is there twice is none";
}

TEST(McpAnswer, TellsWhatAServerCanDoAsFarAsItIsServed) {
  Seen sight({});
  const Read made =
      read(R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":)"
           R"({"tools":{"listChanged":true},"tasks":{},"experimental":{},"logging":{}}}})",
           asked("initialize"), sight);
  EXPECT_EQ(made.out,
            R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":)"
            R"({"tools":{"listChanged":true},"logging":{}}}})");
  const Read discovered =
      read(R"({"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2099-01-01","2026-07-28"],)"
           R"("capabilities":{"extensions":{}}}})",
           asked("server/discover", McpEra::kModern), sight);
  EXPECT_EQ(discovered.out, R"({"jsonrpc":"2.0","id":1,"result":{"supportedVersions":)"
                            R"(["2026-07-28"],"capabilities":{}}})");
}

TEST(McpAnswer, BelievesNoAnswerThatIsNotToWhatWasAsked) {
  Seen sight({"a"});
  const std::string_view broken[] = {
      "{",
      "[]",
      R"({"id":1,"result":{"tools":[]}})",
      R"({"jsonrpc":"2.0","id":2,"result":{"tools":[]}})",
      R"({"jsonrpc":"2.0","id":"1","result":{"tools":[]}})",
      R"({"jsonrpc":"2.0","result":{"tools":[]}})",
      R"({"jsonrpc":"2.0","id":1,"result":{}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":{}}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":["a"]}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"a"}]}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"tools":[]},"error":{"code":1,"message":""}})",
      R"({"jsonrpc":"2.0","id":1,"error":{"message":"no code"}})",
      R"({"jsonrpc":"2.0","id":1,"error":{"code":1e3,"message":"x"}})",
      R"({"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"of another"}})",
  };
  for (const std::string_view text : broken) {
    const Read made = read(text, asked("tools/list"), sight);
    ASSERT_FALSE(made.answer) << text;
    EXPECT_EQ(made.answer.error().kind, FaultKind::kBroken);
    EXPECT_EQ(made.out, "");
  }
  const Read version = read(
      R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-11-05","capabilities":{}}})",
      asked("initialize"), sight);
  EXPECT_FALSE(version.answer);
  // Nobody asked.
  EXPECT_FALSE(read(R"({"jsonrpc":"2.0","id":1,"result":{}})", McpAsked{}, sight).answer);
}

TEST(McpAnswer, PassesOnWhatServersMaySayAndAsk) {
  Seen sight({"a://1"});
  McpAsked of = asked("tools/call");
  const auto passed = [&](std::string_view text) {
    const Read made = read(text, of, sight);
    EXPECT_TRUE(made.answer) << text;
    EXPECT_EQ(made.out.empty(), made.answer->passed == McpPassed::kWithheld);
    return made.answer->passed == McpPassed::kPassed;
  };
  const std::string_view sampling =
      R"({"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}})";
  EXPECT_TRUE(passed(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{}})"));
  EXPECT_FALSE(passed(R"({"jsonrpc":"2.0","method":"notifications/tasks/status","params":{}})"));
  EXPECT_FALSE(passed(R"({"jsonrpc":"2.0","id":9,"method":"tools/call","params":{}})"));
  EXPECT_FALSE(passed(sampling));
  of.requests.add(McpServerRequest::kSampling);
  EXPECT_TRUE(passed(sampling));
  of.era = McpEra::kModern;
  EXPECT_FALSE(passed(sampling));
  const std::string_view updated =
      R"({"jsonrpc":"2.0","method":"notifications/resources/updated",)";
  EXPECT_TRUE(passed(std::string(updated) + R"("params":{"uri":"a://1"}})"));
  EXPECT_FALSE(passed(std::string(updated) + R"("params":{"uri":"a://2"}})"));
  EXPECT_FALSE(passed(std::string(updated) + R"("params":{}})"));
}

// What nobody would have read: a member beside those of a request, an id that is a text.
TEST(McpAnswer, WithholdsWhatIsMoreThanARequestOrANotification) {
  struct Secrets final : McpTextSink {
    void begin() override { has_secret = false; }
    void text(std::string_view, std::string_view text, McpText) override {
      has_secret = has_secret || text.find("SECRET") != std::string_view::npos;
    }
    bool passes() override { return !has_secret; }
    bool has_secret = false;
  } secrets;
  struct Reads final : McpSight {
    explicit Reads(McpTextSink& sink) : sink(sink) {}
    bool sees(McpItem, std::string_view) const override { return true; }
    bool sees_definition(McpItem, std::string_view, std::string_view) override { return true; }
    bool holds_definitions(McpItem) const override { return false; }
    McpTextSink* texts() override { return &sink; }
    McpTextSink& sink;
  } sight(secrets);
  McpAsked of = asked("tools/call");
  of.requests.add(McpServerRequest::kElicitation);
  const std::string ask = R"(,"method":"elicitation/create","params":{"message":"x"})";
  const struct {
    std::string text;
    bool passes;
  } cases[] = {
      {R"({"jsonrpc":"2.0","id":7)" + ask + "}", true},
      {R"({"jsonrpc":"2.0","id":"seven")" + ask + "}", true},
      {R"({"jsonrpc":"2.0","id":"SECRET")" + ask + "}", false},
      {R"({"jsonrpc":"2.0","id":{"a":1})" + ask + "}", false},
      {R"({"jsonrpc":"2.0","id":null)" + ask + "}", false},
      {R"({"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"y"}]})" + ask + "}",
       false},
      {R"({"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"y"})" + ask + "}", false},
      {R"({"jsonrpc":"2.0","id":7,"note":"SECRET")" + ask + "}", false},
      {R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}})",
       true},
      {R"({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"},)"
       R"("result":{"tools":[{"name":"hidden"}]}})",
       false},
      {R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed","more":1})", false},
  };
  for (const auto& [text, passes] : cases) {
    const Read made = read(text, of, sight);
    ASSERT_TRUE(made.answer) << text;
    EXPECT_EQ(made.answer->passed, passes ? McpPassed::kPassed : McpAnswer{}.passed) << text;
    EXPECT_EQ(made.out, passes ? text : "") << text;
  }
}

TEST(McpAnswer, HoldsWhatAResultAsksOfTheCaller) {
  Seen sight({});
  McpAsked of = asked("tools/call", McpEra::kModern);
  const std::string_view text =
      R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":)"
      R"({"k":{"method":"elicitation/create","params":{}}}}})";
  EXPECT_FALSE(read(text, of, sight).answer);
  of.requests.add(McpServerRequest::kElicitation);
  EXPECT_TRUE(read(text, of, sight).answer);
  EXPECT_FALSE(
      read(R"({"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"k":{"method":"x"}}}})", of, sight)
          .answer);
}

TEST(McpAnswer, ErrorsAreWrittenAnewForTheRequest) {
  Seen sight({});
  const Read made = read(
      R"({"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"m","data":{"a":1},"x":2}})",
      asked("tools/call"), sight);
  ASSERT_TRUE(made.answer);
  EXPECT_TRUE(made.answer->is_error);
  EXPECT_EQ(made.out,
            R"({"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m","data":{"a":1}}})");
  McpAnswerReader reader;
  std::string out;
  const Padded none(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  EXPECT_FALSE(reader.read_error(none.view(), "1", sight, out));
  const std::string long_text =
      R"({"error":{"code":1,"message":")" + std::string(5000, 'x') + "\"}}";
  const Padded error(long_text);
  EXPECT_TRUE(reader.read_error(error.view(), "", sight, out));
  EXPECT_LT(out.size(), 2200U);
}

McpAsked of_server(std::string_view method, std::string_view server = "github") {
  McpAsked made = asked(method);
  made.server = server;
  made.progress_token = "\"mine\"";
  made.requests.add(McpServerRequest::kElicitation);
  return made;
}

TEST(McpAnswerOfSeveral, NamesToolsBehindTheirServer) {
  Seen sight({"search", "docs__fetch"});
  McpAnswerReader reader;
  std::string out;
  const Padded padded(R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"t","name":"search"},)"
                      R"({"name":"docs__fetch"},{"name":"delete"}],"nextCursor":"a\"b"}})");
  const auto page = reader.read_page(padded.view(), of_server("tools/list"), sight, out);
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->is_response);
  EXPECT_EQ(page->withheld, 1);
  EXPECT_EQ(page->cursor, R"("a\"b")");
  EXPECT_EQ(out, R"({"title":"t","name":"github__search"},{"name":"github__docs__fetch"},)");
}

TEST(McpAnswerOfSeveral, LeavesAddressesAsTheyAre) {
  Seen sight({"docs://a"});
  McpAnswerReader reader;
  std::string out;
  const Padded padded(
      R"({"jsonrpc":"2.0","id":1,"result":{"resources":[{"uri":"docs://a","name":"n"}]}})");
  ASSERT_TRUE(reader.read_page(padded.view(), of_server("resources/list"), sight, out));
  EXPECT_EQ(out, R"({"uri":"docs://a","name":"n"},)");
}

TEST(McpAnswerOfSeveral, IsNoPageWhereItIsNoAnswer) {
  Seen sight({"search"});
  McpAnswerReader reader;
  const auto read_page = [&](std::string_view text) {
    std::string out;
    const Padded padded(text);
    auto page = reader.read_page(padded.view(), of_server("tools/list"), sight, out);
    EXPECT_EQ(out, "");
    return page;
  };
  for (const std::string_view text :
       {"[]", R"({"id":1,"result":{"tools":[]}})",
        R"({"jsonrpc":"2.0","id":2,"result":{"tools":[]}})",
        R"({"jsonrpc":"2.0","id":1,"result":{"tools":{}}})",
        R"({"jsonrpc":"2.0","id":1,"result":{}})",
        R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},{}]}})",
        R"({"jsonrpc":"2.0","id":1,"error":{"code":"x"}})", R"({"jsonrpc":"2.0","id":1})"}) {
    EXPECT_FALSE(read_page(text)) << text;
  }
  const auto error = read_page(R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"n"}})");
  EXPECT_EQ(error->error, -32601);
  const auto beside = read_page(R"({"jsonrpc":"2.0","method":"notifications/message"})");
  EXPECT_FALSE(beside->is_response);
}

TEST(McpAnswerOfSeveral, SaysWhatItCan) {
  McpAnswerReader reader;
  const auto opening = [&](std::string_view text) {
    const Padded padded(text);
    return reader.read_opening(padded.view(), of_server("initialize"));
  };
  const auto made =
      opening(R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":)"
              R"({"tools":{"listChanged":true},"logging":{},"tasks":{}},"instructions":"Obey."}})");
  ASSERT_TRUE(made && *made);
  EXPECT_EQ((*made)->version, "2025-06-18");
  EXPECT_EQ((*made)->capabilities, 17);
  EXPECT_TRUE(
      opening(R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}})")->value().failed);
  for (
      const std::string_view text :
      {R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2026-07-28","capabilities":{}}})",
       R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}})",
       R"({"jsonrpc":"2.0","id":9,"result":{"protocolVersion":"2025-06-18","capabilities":{}}})"}) {
    EXPECT_FALSE(opening(text)) << text;
  }
}

TEST(McpAnswerOfSeveral, GivesOutIdsOfItsOwn) {
  Seen sight({});
  const auto passed = [&](std::string_view text) {
    const Read made = read(text, of_server("tools/call"), sight);
    EXPECT_TRUE(made.answer) << text;
    return made.out;
  };
  EXPECT_EQ(passed(R"({"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":)"
                   R"({"elicitationId":"e","_meta":{"progressToken":3}}})"),
            R"({"jsonrpc":"2.0","id":"github:n:7","method":"elicitation/create","params":)"
            R"({"elicitationId":"github:s:e","_meta":{"progressToken":"github:n:3"}}})");
  EXPECT_EQ(
      passed(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}})"),
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":)"
      R"({"requestId":"github:s:x"}})");
  EXPECT_EQ(passed(R"({"jsonrpc":"2.0","id":null,"method":"elicitation/create"})"), "");
  // Progress is of the call at work alone.
  EXPECT_NE(passed(R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
                   R"({"progressToken":"mine","progress":1}})"),
            "");
  for (const std::string_view token : {"\"theirs\"", "1", "null", "[]"}) {
    EXPECT_EQ(passed(fmt::format(R"({{"jsonrpc":"2.0","method":"notifications/progress","params":)"
                                 R"({{"progressToken":{}}}}})",
                                 token)),
              "")
        << token;
  }
}

}  // namespace
}  // namespace tollgate::dialects
