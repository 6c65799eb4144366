#include "dialects/mcp_answer.h"

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
  EXPECT_FALSE(reader.read_error(none.view(), "1", out));
  const std::string long_text =
      R"({"error":{"code":1,"message":")" + std::string(5000, 'x') + "\"}}";
  const Padded error(long_text);
  EXPECT_TRUE(reader.read_error(error.view(), "", out));
  EXPECT_LT(out.size(), 2200U);
}

}  // namespace
}  // namespace tollgate::dialects
