// Calls of tools that a provider runs: what is asked of it, and how many an answer says there were.
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/reply.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

ToolCalls whole(Surface surface, std::string_view body) {
  ReplyReader reader;
  RememberingSink sink;
  const Padded padded(body);
  EXPECT_TRUE(reader.read(surface, padded.view(), sink)) << body;
  return reader.tool_calls();
}

// However it is cut.
ToolCalls streamed(Surface surface, std::string_view stream, std::size_t piece = 1) {
  StreamReader reader;
  reader.start(surface, false);
  RememberingSink sink;
  std::string out;
  for (; !stream.empty(); stream.remove_prefix(std::min(piece, stream.size())))
    EXPECT_TRUE(reader.feed(stream.substr(0, piece), out, sink));
  return reader.tool_calls();
}

std::string event(std::string_view type, std::string_view rest) {
  return "event: " + std::string(type) + "\ndata: {\"type\":\"" + std::string(type) + "\"," +
         std::string(rest) + "}\n\n";
}

constexpr std::string_view kItems =
    R"([{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search"}},)"
    R"({"type":"web_search_call","id":"ws_2","action":{"type":"open_page"}},)"
    R"({"type":"web_search_call","id":"ws_3"},{"type":"code_interpreter_call","code":"1"},)"
    R"({"type":"mcp_call","name":"x"},{"type":"mcp_list_tools"},{"type":"function_call",)"
    R"("name":"f","arguments":"{}"},{"type":"new_thing_call"},{"type":"apply_patch_call"},)"
    R"({"type":"message","content":[]}])";

TEST(PaidCalls, OfAResponseAreItsItems) {
  const ToolCalls calls =
      whole(Surface::kResponses, R"({"id":"r","output":)" + std::string(kItems) + "}");
  EXPECT_EQ(calls.at(PaidTool::kWebSearch), 2) << "a page that is opened is no search";
  EXPECT_EQ(calls.at(PaidTool::kCodeInterpreter), 1);
  EXPECT_EQ(calls.at(PaidTool::kMcp), 1);
  EXPECT_EQ(calls.at(PaidTool::kOther), 1);
  EXPECT_FALSE(whole(Surface::kResponses, R"({"output":[]})").any());
}

// An item is told when it begins, when it is done and once more at the end.
TEST(PaidCalls, OfAStreamAreCountedOnce) {
  const std::string search = R"("output_index":0,"item":{"type":"web_search_call","id":"ws_1"})";
  const std::string page =
      R"("output_index":1,"item":{"type":"web_search_call","action":{"type":"open_page"}})";
  const std::string begun =
      event("response.output_item.added", search) + event("response.output_item.done", search) +
      event("response.output_item.added", R"("output_index":1,"item":{"type":"web_search_call"})");
  EXPECT_EQ(streamed(Surface::kResponses, begun).at(PaidTool::kWebSearch), 2)
      << "of what has begun nobody knows what it will be";
  const std::string done = begun + event("response.output_item.done", page);
  EXPECT_EQ(streamed(Surface::kResponses, done, 7).at(PaidTool::kWebSearch), 1);
  // Those that are told at the end alone count, too.
  const std::string end =
      event("response.completed", R"("response":{"id":"r","output":)" + std::string(kItems) + "}");
  const ToolCalls all = streamed(Surface::kResponses, done + end, 4096);
  EXPECT_EQ(all.at(PaidTool::kWebSearch), 2);
  EXPECT_EQ(all.at(PaidTool::kMcp), 1);
}

TEST(PaidCalls, OfAMessageAreThoseThatItReports) {
  const std::string blocks =
      R"({"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},)"
      R"({"type":"server_tool_use","name":"web_search","input":{}},)"
      R"({"type":"server_tool_use","name":"bash_code_execution","input":{}},)"
      R"({"type":"tool_use","name":"web_search","input":{}},)"
      R"({"type":"mcp_tool_use","name":"echo","input":{}}])";
  const ToolCalls seen = whole(Surface::kMessages, blocks + "}");
  EXPECT_EQ(seen.at(PaidTool::kWebSearch), 2);
  EXPECT_EQ(seen.at(PaidTool::kCodeExecution), 1);
  EXPECT_EQ(seen.at(PaidTool::kMcp), 1);
  // One of them failed, which costs nothing.
  const ToolCalls told =
      whole(Surface::kMessages,
            blocks + R"(,"usage":{"input_tokens":1,"output_tokens":1,"server_tool_use":)"
                     R"({"web_search_requests":1,"web_fetch_requests":0,"other_count":9}}})");
  EXPECT_EQ(told.at(PaidTool::kWebSearch), 1);
  EXPECT_EQ(told.at(PaidTool::kCodeExecution), 1);
  for (const std::string_view wrong : {"-1", "1.5", "\"2\"", "null", "{}"}) {
    const ToolCalls lies = whole(Surface::kMessages,
                                 blocks + R"(,"usage":{"server_tool_use":{"web_search_requests":)" +
                                     std::string(wrong) + "}}}");
    EXPECT_EQ(lies.at(PaidTool::kWebSearch), 2) << wrong;
  }
}

TEST(PaidCalls, OfAStreamedMessageAreTheLastThatItReports) {
  const std::string block = event(
      "content_block_start",
      R"("index":0,"content_block":{"type":"server_tool_use","name":"web_search","input":{}})");
  const std::string stop = event("content_block_stop", R"("index":0)");
  EXPECT_EQ(streamed(Surface::kMessages, block + stop).at(PaidTool::kWebSearch), 1);
  const std::string end =
      event("message_delta", R"("delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5,)"
                             R"("server_tool_use":{"web_search_requests":3}})");
  EXPECT_EQ(streamed(Surface::kMessages, block + stop + end, 11).at(PaidTool::kWebSearch), 3);
}

std::string written(Surface surface, std::string_view body, std::optional<std::int64_t> most) {
  RequestReader reader;
  const Padded padded(body);
  const auto request = reader.read(surface, padded.view());
  EXPECT_TRUE(request) << body;
  std::string out;
  if (request) reader.write({.model = "m", .tool_calls = most}, out);
  return out;
}

TEST(PaidCalls, AreBoundedInWhatIsAsked) {
  const std::string_view plain = R"({"model":"x","input":"a"})";
  EXPECT_EQ(written(Surface::kResponses, plain, 3).find("max_tool_calls\":3") != std::string::npos,
            true);
  EXPECT_EQ(written(Surface::kResponses, plain, std::nullopt).find("max_tool_calls"),
            std::string::npos);
  const std::string_view asked = R"({"model":"x","input":"a","max_tool_calls":9})";
  EXPECT_NE(written(Surface::kResponses, asked, 3).find("\"max_tool_calls\":3"), std::string::npos);
  EXPECT_NE(written(Surface::kResponses, asked, std::nullopt).find("\"max_tool_calls\":9"),
            std::string::npos);

  const std::string_view tools =
      R"({"model":"x","max_tokens":5,"messages":[{"role":"user","content":"a"}],"tools":[)"
      R"({"type":"web_search_20250305","name":"web_search","max_uses":9,"cache_control":null},)"
      R"({"type":"web_fetch_20250910","name":"web_fetch","max_uses":2},)"
      R"({"type":"web_search_20260209","name":"again"},{"name":"f","input_schema":{}}]})";
  const std::string bounded = written(Surface::kMessages, tools, 4);
  EXPECT_NE(bounded.find(R"("tools":[{"type":"web_search_20250305","name":"web_search",)"
                         R"("max_uses":4},{"type":"web_fetch_20250910","name":"web_fetch",)"
                         R"("max_uses":2},{"type":"web_search_20260209","name":"again",)"
                         R"("max_uses":4},{"name":"f","input_schema":{}}])"),
            std::string::npos)
      << bounded;
  RequestReader reader;
  for (const auto& [surface, body] :
       {std::pair(Surface::kResponses,
                  std::string_view(R"({"model":"x","input":"a","max_tool_calls":0})")),
        {Surface::kResponses, R"({"model":"x","input":"a","max_tool_calls":"3"})"},
        {Surface::kMessages,
         R"({"model":"x","max_tokens":5,"messages":[{"role":"user","content":"a"}],"tools":[)"
         R"({"type":"web_search_20250305","name":"s","max_uses":-1}]})"}}) {
    const Padded padded(body);
    EXPECT_FALSE(reader.read(surface, padded.view())) << body;
  }
}

TEST(PaidCalls, GoByTheTypeOfTheTool) {
  for (const auto& [type, tool] :
       {std::pair(std::string_view("web_search"), std::optional(PaidTool::kWebSearch)),
        {"web_search_preview_2025_03_11", PaidTool::kWebSearch},
        {"web_search_20250305", PaidTool::kWebSearch},
        {"web_searching", PaidTool::kOther},
        {"code_execution_20250825", PaidTool::kCodeExecution},
        {"mcp_toolset", PaidTool::kMcp},
        {"function", std::nullopt},
        {"bash_20250124", std::nullopt},
        {"computer_use_preview", std::nullopt},
        {"computer_toolset", PaidTool::kOther},
        {"tool_search_tool_regex_20251119", std::nullopt}})
    EXPECT_EQ(paid_tool_of(type), tool) << type;
}

}  // namespace
}  // namespace tollgate::dialects
