// Tools of requests and of answers, through the whole pipeline: what leaves, what it is held at,
// what reaches the caller, and what is on record.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

std::string settings_of(std::string_view tools, std::string_view more = "") {
  std::string text(kSettings);
  constexpr std::string_view kTools = "tools: { allow: [get_weather] }";
  std::string made = "tools: ";
  made.append(tools).append("\n").append(more);
  text.replace(text.find(kTools), kTools.size(), made);
  return text;
}

std::string tool(std::string_view name) {
  return R"({"type":"function","function":{"name":")" + std::string(name) +
         R"(","parameters":{"type":"object","properties":{"n":{"type":"integer"}}}}})";
}

std::string asking(std::string_view tools, std::string_view more = "") {
  return R"({"model":"small","messages":[{"role":"user","content":"Hello there"}],"tools":[)" +
         std::string(tools) + "]" + std::string(more) + "}";
}

class ToolsTest : public PipelineTest {
 protected:
  explicit ToolsTest(std::string_view tools = "{ allow: [get_weather, search_*] }",
                     std::string_view more = "")
      : PipelineTest(settings_of(tools, more)) {}

  // What was sent upstream last, without its head.
  std::string sent() const {
    const std::string& message = world.upstreams.messages.back();
    return message.substr(message.find("\r\n\r\n") + 4);
  }
  bool is_written(std::string_view part) const {
    return last().written.find(part) != std::string::npos;
  }
  void calls(std::string_view name, std::string_view arguments) {
    world.upstreams.script.pieces = {
        R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[)"
        R"({"id":"c","type":"function","function":{"name":")" +
        std::string(name) + R"(","arguments":")" + std::string(arguments) +
        R"("}}]},"finish_reason":"tool_calls"}],"usage":)" + reported(60, 4) + "}"};
  }
  std::unique_ptr<Caller> streams(std::vector<std::string> pieces) {
    world.upstreams.script.content_type = "text/event-stream";
    world.upstreams.script.pieces = std::move(pieces);
    return world.serve(ask(asking(tool("get_weather"), R"(,"stream":true)")));
  }
  static std::string delta(std::string_view call) {
    return R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[)" + std::string(call) +
           "]}}]}\n\n";
  }
  static std::string finish() {
    return R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})"
           "\n\n";
  }
};

TEST_F(ToolsTest, OfACallThatMayBeMadeReachTheCaller) {
  calls("get_weather", R"({\"n\":1})");
  const auto caller = world.serve(ask(asking(tool("get_weather"))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_TRUE(is_written(R"("tools":{"called":["get_weather"]})")) << last().written;
  expect_clean_books();
}

TEST_F(ToolsTest, OfOneThatMayNotAreRefusedAndPaidFor) {
  for (const std::string_view name : {"rm", "search_docs"}) {
    calls(name, "{}");
    const auto caller = world.serve(ask(asking(tool("get_weather"))));
    EXPECT_EQ(caller->status, 403) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "tool_not_allowed");
    EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.chat.tools");
    EXPECT_EQ(last().outcome, audit::Outcome::kRefused);
    EXPECT_TRUE(is_written(R"("refused":[")" + std::string(name))) << last().written;
    EXPECT_EQ(settled().used.output, 4);
  }
  expect_clean_books();
}

// A stream is cut anywhere: what goes on ends before the event of the call.
TEST_F(ToolsTest, EndAStreamBeforeTheCall) {
  const std::string good = chunk("Let me") + chunk(" see.");
  const std::string all = good + delta(R"({"index":0,"function":{"name":"rm"}})") +
                          delta(R"({"index":0,"function":{"arguments":"{}"}})") + finish() + kDone;
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{64}, all.size()}) {
    SCOPED_TRACE(step);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < all.size(); at += step) pieces.push_back(all.substr(at, step));
    const auto caller = streams(std::move(pieces));
    EXPECT_EQ(caller->status, 200);
    EXPECT_EQ(caller->text.find("rm"), std::string::npos) << caller->text;
    EXPECT_EQ(last().code, "tool_not_allowed");
    EXPECT_TRUE(caller->text.starts_with(good)) << caller->text;
    EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
    EXPECT_TRUE(caller->text.ends_with("data: [DONE]\n\n"));
    EXPECT_EQ(last().outcome, audit::Outcome::kCut);
    expect_clean_books();
  }
}

TEST_F(ToolsTest, EndAStreamWhoseArgumentsAreNone) {
  const auto caller =
      streams({delta(R"({"index":0,"function":{"name":"get_weather"}})"),
               delta(R"({"index":0,"function":{"arguments":"{"}})"), finish(), kDone});
  EXPECT_NE(caller->text.find("get_weather"), std::string::npos);
  EXPECT_EQ(caller->text.find(R"("finish_reason":"tool_calls")"), std::string::npos);
  EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
  expect_clean_books();
}

class RemovedTools : public ToolsTest {
 protected:
  RemovedTools() : ToolsTest("{ allow: [get_weather], unlisted: remove }") {}
};

TEST_F(RemovedTools, AreNotSentNorPaidFor) {
  const auto alone = world.serve(ask(asking(tool("get_weather"))));
  EXPECT_EQ(alone->status, 200);
  const Money held = settled().held;
  const auto caller =
      world.serve(ask(asking(tool("rm") + "," + tool("get_weather") + "," + tool("rm_all"))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(sent().find("rm"), std::string::npos) << sent();
  EXPECT_NE(sent().find("get_weather"), std::string::npos);
  EXPECT_EQ(settled().held, held);
  const std::string& decision = world.trail.records[world.trail.records.size() - 2].written;
  EXPECT_NE(decision.find(R"("tools":{"offered":["rm","get_weather","rm_all"],)"
                          R"("removed":["rm","rm_all"]})"),
            std::string::npos)
      << decision;
  expect_clean_books();
}

TEST_F(RemovedTools, AreNotCalled) {
  calls("rm", "{}");
  EXPECT_EQ(world.serve(ask(asking(tool("rm") + "," + tool("get_weather"))))->status, 403);
  EXPECT_EQ(world.serve(ask(asking(tool("rm"), R"(,"tool_choice":"required")")))->status, 403);
  expect_clean_books();
}

class ValidatedTools : public ToolsTest {
 protected:
  explicit ValidatedTools(std::string_view more = "")
      : ToolsTest("{ allow: [get_weather], arguments: validate }", more) {}
};

TEST_F(ValidatedTools, HoldACallUntilItFits) {
  const std::string name = delta(R"({"index":0,"function":{"name":"get_weather"}})");
  const std::string good = delta(R"({"index":0,"function":{"arguments":"{\"n\":1}"}})");
  const std::string bad = delta(R"({"index":0,"function":{"arguments":"{\"n\":\"x\"}"}})");
  auto caller = streams({chunk("So: "), name, good, finish(), kDone});
  EXPECT_EQ(caller->text, chunk("So: ") + name + good + finish() + kDone);
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
  caller = streams({chunk("So: "), name, bad, finish(), kDone});
  EXPECT_TRUE(caller->text.starts_with(chunk("So: ")));
  EXPECT_EQ(caller->text.find("get_weather"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
  // Without a finish reason the end of the stream is the end of the call.
  caller = streams({chunk("So: "), name, good, kDone});
  EXPECT_EQ(caller->text, chunk("So: ") + name + good + kDone);
  caller = streams({chunk("So: "), name, bad, kDone});
  EXPECT_EQ(caller->text.find("get_weather"), std::string::npos) << caller->text;
  // What breaks off has no call.
  world.upstreams.script.fault = FaultKind::kBroken;
  caller = streams({chunk("So: "), name, good});
  EXPECT_EQ(caller->text.find("get_weather"), std::string::npos) << caller->text;
  expect_clean_books();
}

TEST_F(ValidatedTools, RefuseASchemaThatIsNotUnderstood) {
  const auto caller = world.serve(ask(
      asking(R"({"type":"function","function":{"name":"get_weather","parameters":{"not":{}}}})")));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("`not` is not understood"), std::string::npos) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.chat.tools.arguments");
}

// Behind a filter, which holds events of its own.
class ValidatedAndInspected : public ValidatedTools {
 protected:
  ValidatedAndInspected() : ValidatedTools("    content: { response: [secrets] }") {}
};

TEST_F(ValidatedAndInspected, AreHeldByBoth) {
  const std::string name = delta(R"({"index":0,"function":{"name":"get_weather"}})");
  const std::string good = delta(R"({"index":0,"function":{"arguments":"{\"n\":1}"}})");
  const std::string bad = delta(R"({"index":0,"function":{"arguments":"{\"n\":\"x\"}"}})");
  auto caller = streams({chunk("So: "), name, good, finish(), kDone});
  EXPECT_EQ(caller->text, chunk("So: ") + name + good + finish() + kDone);
  caller = streams({chunk("So: "), name, bad, finish(), kDone});
  EXPECT_EQ(caller->text.find("get_weather"), std::string::npos) << caller->text;
  EXPECT_EQ(last().code, "tool_not_allowed");
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
