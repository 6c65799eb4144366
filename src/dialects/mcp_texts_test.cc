#include "dialects/mcp_texts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dialects/fixture_test.h"
#include "dialects/mcp_answer.h"
#include "dialects/mcp_message.h"

namespace tollgate::dialects {
namespace {

// Keeps what it is told; what holds "evil" may not pass.
class Kept final : public McpTextSink {
 public:
  void begin() override { evil_ = false; }
  void text(std::string_view place, std::string_view text, McpText kind) override {
    constexpr std::string_view kSigns = "tjp";
    told.emplace_back(kSigns.substr(static_cast<std::size_t>(kind), 1));
    told.back().append(" ").append(place).append(" = ").append(text);
    evil_ = evil_ || text.find("evil") != std::string_view::npos;
  }
  bool passes() override { return !evil_; }

  std::vector<std::string> told;

 private:
  bool evil_ = false;
};

class All final : public McpSight {
 public:
  explicit All(McpTextSink* sink) : sink_(sink) {}
  bool sees(McpItem, std::string_view name) const override { return name != "secret"; }
  bool sees_definition(McpItem, std::string_view, std::string_view) override { return true; }
  bool holds_definitions(McpItem) const override { return false; }
  McpTextSink* texts() override { return sink_; }

 private:
  McpTextSink* sink_;
};

struct Read {
  McpAnswer answer;
  std::string out;
  std::vector<std::string> told;
};

Read read(std::string_view method, std::string_view text) {
  McpAnswerReader reader;
  Kept kept;
  All sight(&kept);
  const Padded padded(text);
  Read made;
  const McpAsked asked{.method = mcp_method(method, McpEra::kLegacy), .id = "1"};
  const auto answer = reader.read(padded.view(), asked, sight, made.out);
  EXPECT_TRUE(answer) << text;
  if (answer) made.answer = *answer;
  made.told = std::move(kept.told);
  return made;
}

TEST(McpTexts, AreAllThatACallSays) {
  McpReader reader;
  Kept kept;
  const Padded body(
      R"({"jsonrpc":"2.0","id":"some text","method":"tools/call","params":{"name":"search",)"
      R"("arguments":{"q":"a\nb","n":12},"_meta":{"trace":5}}})");
  ASSERT_TRUE(reader.read(body.view(), {}));
  EXPECT_TRUE(reader.read_texts(kept));
  const std::vector<std::string> wanted = {
      "t id = some text",
      "t params.name = search",
      R"(j params.arguments = {"q":"a\nb","n":12})",
      "p params.arguments.? = a\nb",
      "t params._meta = trace",
      "t params._meta.? = 5",
  };
  EXPECT_EQ(kept.told, wanted);
}

TEST(McpTexts, OfAResponseOfAClientAreToldToo) {
  McpReader reader;
  Kept kept;
  const Padded body(
      R"({"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"who":"evil"}}})");
  ASSERT_TRUE(reader.read(body.view(), {}));
  EXPECT_FALSE(reader.read_texts(kept));
  EXPECT_EQ(kept.told.at(1), R"(j result.content = {"who":"evil"})");
}

// A blob may be a text; an image is none, and what only says that it is one is read.
TEST(McpTexts, LeaveOutImagesAlone) {
  const Read made = read(
      "tools/call",
      R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"image","data":"AAAA"},)"
      R"({"type":"image","data":{"x":"seen"}},)"
      R"({"type":"image","data":"read me"},{"type":"audio","data":"cmVhZCBtZQ=="},{"type":"resource","resource":{"blob":"QUJD"}}],)"
      R"("structuredContent":{"type":"image","data":"told"}}})");
  const std::vector<std::string> wanted = {
      "t result.content[0].type = image",
      "t result.content[1].type = image",
      "t result.content[1].data = x",
      "t result.content[1].data.? = seen",
      "t result.content[2].type = image",
      "t result.content[2].data = read me",
      "t result.content[3].type = audio",
      "t result.content[3].data = cmVhZCBtZQ==",
      "t result.content[4].type = resource",
      "t result.content[4].resource.blob = QUJD",
      R"(j result.structuredContent = {"type":"image","data":"told"})",
      "p result.structuredContent.type = image",
      "p result.structuredContent.data = told",
  };
  EXPECT_EQ(made.told, wanted);
  EXPECT_FALSE(made.answer.refused);
}

TEST(McpTexts, OfAListWithholdAnEntry) {
  const Read made =
      read("tools/list", R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},)"
                         R"({"name":"b","description":"evil"},{"name":"secret","x":"evil"}]}})");
  EXPECT_EQ(made.out, R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}})");
  EXPECT_EQ(made.answer.withheld, 2);
  // What the caller does not see anyway is not read.
  EXPECT_EQ(made.told.size(), 3U);
  const Read beside =
      read("tools/list", R"({"jsonrpc":"2.0","id":1,"result":{"tools":[],"nextCursor":"evil"}})");
  EXPECT_TRUE(beside.answer.refused);
  EXPECT_EQ(beside.out, "");
}

TEST(McpTexts, OfAnythingElseWithholdTheMessage) {
  const Read error =
      read("ping", R"({"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":["evil"]}})");
  EXPECT_TRUE(error.answer.refused);
  EXPECT_TRUE(error.answer.is_error);
  EXPECT_EQ(error.out, "");
  const Read said = read("ping", R"({"jsonrpc":"2.0","method":"notifications/message",)"
                                 R"("params":{"data":"evil"}})");
  EXPECT_EQ(said.answer.passed, McpPassed::kWithheld);
  McpAnswerReader reader;
  Kept kept;
  All sight(&kept);
  std::string out;
  const Padded told(R"({"error":{"code":1,"message":"evil"}})");
  EXPECT_FALSE(reader.read_error(told.view(), "1", sight, out));
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace tollgate::dialects
