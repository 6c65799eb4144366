// Calls of tools as replies and streams tell them, and requests without some of their tools.
#include "dialects/calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/reply.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

using Lines = std::vector<std::string>;

class Noted final : public CallSink {
 public:
  void call(const CallPiece& piece) override {
    lines.push_back(std::to_string(piece.choice) + "/" + std::to_string(piece.index) + " " +
                    std::string(piece.type) + " " + std::string(piece.name) + " " +
                    std::string(piece.arguments) + (piece.is_again ? " all" : ""));
    if (piece.name == stop_at && !piece.name.empty()) is_stopped = true;
  }
  void unreadable() override { lines.emplace_back("unreadable"); }
  void ended(std::int64_t choice, CallEnd end) override {
    lines.push_back(std::to_string(choice) + (end == CallEnd::kCut ? " cut" : " ended"));
  }
  bool stops() const override { return is_stopped; }

  Lines lines;
  std::string_view stop_at;
  bool is_stopped = false;
};

struct Unread final : OutputSink {
  void text(std::int64_t, std::string_view) override {}
};

Lines calls_of_reply(Surface surface, std::string body) {
  const std::size_t size = body.size();
  body.append(RequestReader::kPadding, ' ');
  ReplyReader reader;
  Unread unread;
  Noted noted;
  const auto read =
      reader.read(surface, std::string_view(body).substr(0, size), unread, nullptr, &noted);
  if (!read) noted.lines.push_back(read.error().message);
  return noted.lines;
}

Lines calls_of_stream(Surface surface, const Lines& events, Noted& noted, std::string& out) {
  StreamReader reader;
  reader.start(surface, false);
  Unread unread;
  std::string all;
  for (const std::string& event : events) all += "data: " + event + "\n\n";
  if (!reader.feed(all, out, unread, nullptr, &noted)) noted.lines.emplace_back("broken");
  return noted.lines;
}

Lines calls_of_stream(Surface surface, const Lines& events) {
  Noted noted;
  std::string out;
  return calls_of_stream(surface, events, noted, out);
}

std::string choice(std::string_view rest) {
  return R"({"choices":[{"index":0,)" + std::string(rest) + "}]}";
}

TEST(Calls, OfWholeRepliesAreTold) {
  EXPECT_EQ(
      calls_of_reply(
          Surface::kChatCompletions,
          R"({"choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":null,)"
          R"("tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},)"
          R"({"id":"b","type":"custom","custom":{"name":"g","input":"x"}}]}},)"
          R"({"index":1,"finish_reason":"length","message":{"function_call":{"arguments":)"
          R"({"a":1},"name":"h"}}}]})"),
      (Lines{"0/0   ", "0/0 function f ", "0/0 function  {}", "0/1   ", "0/1 custom g ",
             "0/1 custom  x", "0 ended", "1/-1 function h ", R"(1/-1 function  {"a":1})",
             "1 cut"}));
  EXPECT_EQ(
      calls_of_reply(Surface::kMessages,
                     R"({"content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t",)"
                     R"("name":"f","input":{"a":1}},{"type":"server_tool_use","id":"s",)"
                     R"("name":"web_search","input":{}},{"type":"new","name":"n","input":{}},)"
                     R"({"type":"web_search_tool_result","content":[]}],)"
                     R"("stop_reason":"tool_use"})"),
      (Lines{"0/1 tool_use  ", "0/1 tool_use f ", R"(0/1 tool_use  {"a":1})",
             "0/2 server_tool_use  ", "0/2 server_tool_use web_search ", "0/3 new  ", "0/3 new n ",
             "0 ended"}));
}

// Of two fields of one name a client takes the last: a call in any of them is told.
TEST(Calls, AreToldWhereverAClientCouldReadOne) {
  EXPECT_EQ(calls_of_reply(Surface::kChatCompletions,
                           R"({"choices":[],"choices":[{"message":{"content":"x"}}]})"),
            (Lines{"The upstream's reply has two lists of choices."}));
  const Lines twice = calls_of_reply(
      Surface::kChatCompletions,
      R"({"choices":[{"message":{"tool_calls":[],"tool_calls":[{"function":{"name":"f",)"
      R"("name":"g"}}]}}]})");
  EXPECT_EQ(twice, (Lines{"unreadable", "0/0   ", "0/0 function f ", "0/0 function g "}));
  for (const std::string_view odd :
       {R"("tool_calls":"f")", R"("tool_calls":{"f":1})", R"("tool_calls":["f"])",
        R"("tool_calls":[{"function":"f"}])", R"("tool_calls":[{"function":{"name":["f"]}}])"}) {
    const Lines lines = calls_of_reply(Surface::kChatCompletions,
                                       R"({"choices":[{"message":{)" + std::string(odd) + "}}]}");
    ASSERT_FALSE(lines.empty()) << odd;
    EXPECT_EQ(lines.back(), "unreadable") << odd;
  }
  EXPECT_EQ(
      calls_of_stream(
          Surface::kMessages,
          {R"({"type":"ping","content_block":{"type":"text","type":"tool_use","name":"f"}})",
           R"({"type":"message_start","message":{"content":[{"type":"tool_use","name":"g"}]}})"}),
      (Lines{"unreadable", "0/0 tool_use  ", "0/0 tool_use f ", "0/0 tool_use  ",
             "0/0 tool_use g "}));
}

// Arguments that are held to one call, and that a client puts to another.
TEST(Calls, ThatTwoClientsReadAsTwoAreUnreadable) {
  const auto call = [](std::string_view rest) {
    return choice(R"("delta":{"tool_calls":[{)" + std::string(rest) + "}]}");
  };
  const auto block = [](std::string_view rest) {
    return R"({"type":"content_block_delta",)" + std::string(rest) + "}";
  };
  const std::string piece = R"("delta":{"type":"input_json_delta","partial_json":"{}"})";
  const struct {
    Surface surface;
    std::string event;
  } cases[] = {
      {Surface::kChatCompletions, call(R"("index":1,"index":0,"function":{"arguments":"{}"})")},
      {Surface::kChatCompletions, call(R"("index":1.0,"function":{"arguments":"{}"})")},
      {Surface::kChatCompletions, call(R"("index":"1","function":{"arguments":"{}"})")},
      {Surface::kChatCompletions, call(R"("index":null,"function":{"arguments":"{}"})")},
      {Surface::kChatCompletions,
       call(R"("index":18446744073709551615,"function":{"arguments":"{}"})")},
      {Surface::kChatCompletions,
       call(R"("index":0,"function":{"arguments":"{","arguments":"}"})")},
      {Surface::kChatCompletions, call(R"("index":0,"function":{"arguments":"{","input":"}"})")},
      {Surface::kChatCompletions,
       call(R"("index":0,"function":{"arguments":"{"},"function":{"arguments":"}"})")},
      {Surface::kChatCompletions, choice(R"("index":1,"delta":{"tool_calls":[]})")},
      {Surface::kChatCompletions, choice(R"("delta":{},"delta":{"tool_calls":[]})")},
      {Surface::kChatCompletions, choice(R"("delta":{"tool_calls":[],"tool_calls":[]})")},
      {Surface::kMessages, block(R"("index":1,"index":0,)" + piece)},
      {Surface::kMessages, block(R"("index":1.0,)" + piece)},
      {Surface::kMessages, block(R"("index":"1",)" + piece)},
      {Surface::kMessages, block(R"("index":0,"delta":{},)" + piece)},
      {Surface::kMessages, block(R"("index":0,"delta":{"partial_json":"{","partial_json":"}"})")},
      {Surface::kResponses,
       R"({"type":"response.function_call_arguments.delta","output_index":0,"output_index":1,)"
       R"("delta":"{}"})"},
      {Surface::kResponses,
       R"({"type":"response.function_call_arguments.delta","output_index":0,"delta":"{","delta":)"
       R"("}"})"},
      // Of a function a client reads the one, of a custom tool the other.
      {Surface::kResponses,
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call",)"
       R"("name":"f","arguments":"{\"to\":1}","input":"{}"}})"},
  };
  for (const auto& [surface, event] : cases) {
    const Lines lines = calls_of_stream(surface, {event});
    const bool is_broken = std::ranges::find(lines, "broken") != lines.end();
    EXPECT_TRUE(is_broken || std::ranges::find(lines, "unreadable") != lines.end()) << event;
  }
  EXPECT_EQ(calls_of_stream(Surface::kChatCompletions,
                            {R"({"choices":[],"choices":[{"index":0,"delta":{}}]})"}),
            (Lines{"broken"}));
}

// Of two types one client runs a call and another reads a message.
TEST(Calls, OfTwoTypesAreUnreadable) {
  const auto has_unreadable = [](const Lines& lines) {
    return std::ranges::find(lines, "unreadable") != lines.end();
  };
  for (const std::string_view types :
       {R"("type":"function_call","type":"custom_tool_call")",
        R"("type":"function_call","type":"message")", R"("type":"message","type":"function_call")",
        R"("type":"web_search_call","type":"function_call")"}) {
    const std::string item =
        R"({)" + std::string(types) + R"(,"call_id":"c","name":"f","arguments":"{}","input":"x"})";
    EXPECT_TRUE(has_unreadable(
        calls_of_reply(Surface::kResponses, R"({"status":"completed","output":[)" + item + "]}")))
        << types;
    EXPECT_TRUE(has_unreadable(calls_of_stream(
        Surface::kResponses,
        {R"({"type":"response.output_item.done","output_index":0,"item":)" + item + "}"})))
        << types;
  }
  for (const std::string_view types :
       {R"("type":"tool_use","type":"text")", R"("type":"text","type":"tool_use")",
        R"("type":"tool_use","type":"server_tool_use")"}) {
    const std::string block = R"({)" + std::string(types) + R"(,"id":"c","name":"f","input":{}})";
    EXPECT_TRUE(has_unreadable(calls_of_reply(
        Surface::kMessages, R"({"stop_reason":"tool_use","content":[)" + block + "]}")))
        << types;
    EXPECT_TRUE(has_unreadable(calls_of_stream(
        Surface::kMessages,
        {R"({"type":"content_block_start","index":0,"content_block":)" + block + "}"})))
        << types;
  }
}

TEST(Calls, OfStreamsAreToldAsTheyCome) {
  EXPECT_EQ(calls_of_stream(
                Surface::kChatCompletions,
                {choice(R"("delta":{"tool_calls":[{"index":1,"id":"a","function":{"name":"f"}}]})"),
                 choice(R"("delta":{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]})"),
                 choice(R"("finish_reason":"tool_calls","delta":{"tool_calls":[{"index":1,)"
                        R"("function":{"name":null,"arguments":"}"}}]})")}),
            (Lines{"0/1   ", "0/1 function f ", "0/1   ", "0/1 function  {", "0/1   ",
                   "0/1 function  }", "0 ended"}));
  EXPECT_EQ(calls_of_stream(
                Surface::kMessages,
                {R"({"type":"message_start","message":{"content":[]}})",
                 R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use",)"
                 R"("name":"f","input":{}}})",
                 R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta",)"
                 R"("partial_json":"{}"}})",
                 R"({"type":"message_delta","delta":{"stop_reason":"max_tokens"}})"}),
            (Lines{"0/2 tool_use  ", "0/2 tool_use f ", "0/2   {}", "0 cut"}));
}

TEST(Calls, OfResponsesAreTheirItems) {
  constexpr std::string_view kItems =
      R"([{"type":"message","content":[]},{"type":"function_call","id":"i","call_id":"c",)"
      R"("name":"f","arguments":"{}"},{"type":"custom_tool_call","name":"g","input":"x"},)"
      R"({"type":"web_search_call","action":{}},{"type":"reasoning","summary":[]}])";
  const std::string added = R"({"type":"response.output_item.added","output_index":1,"item":{)"
                            R"("type":"function_call","name":"f","arguments":""}})";
  EXPECT_EQ(calls_of_reply(Surface::kResponses,
                           R"({"status":"incomplete","output":)" + std::string(kItems) + "}"),
            (Lines{"0/1 function f {} all", "0/2 custom g x all", "0/3 web_search web_search  all",
                   "0 cut"}));
  EXPECT_EQ(
      calls_of_stream(
          Surface::kResponses,
          {added,
           R"({"type":"response.function_call_arguments.delta","output_index":1,"delta":"{"})",
           R"({"type":"response.function_call_arguments.delta","output_index":1,"delta":"}"})",
           R"({"type":"response.function_call_arguments.done","output_index":1,"arguments":"{}"})",
           R"({"type":"response.completed","response":{"status":"completed","output":)" +
               std::string(kItems) + "}}"}),
      (Lines{"0/1 function f  all", "0/1   {", "0/1   }", "0/1   {} all", "0/-2 function f {} all",
             "0/-2 custom g x all", "0/-2 web_search web_search  all", "0 ended"}));
}

TEST(Calls, StopAStreamBeforeTheirEvent) {
  Noted noted;
  noted.stop_at = "g";
  std::string out;
  const std::string first = choice(R"("delta":{"content":"x"})");
  calls_of_stream(Surface::kChatCompletions,
                  {first, choice(R"("delta":{"tool_calls":[{"function":{"name":"g"}}]})"),
                   choice(R"("delta":{"tool_calls":[{"function":{"name":"h"}}]})")},
                  noted, out);
  EXPECT_EQ(out, "data: " + first + "\n\n");
  EXPECT_EQ(noted.lines.size(), 2u);
}

// ---- Requests ------------------------------------------------------------------------------

struct Read {
  RequestReader reader;
  std::string body;
  Expected<Request> request;

  Read(Surface surface, std::string text) : body(std::move(text)) {
    const std::size_t size = body.size();
    body.append(RequestReader::kPadding, ' ');
    request = reader.read(surface, std::string_view(body).substr(0, size));
  }
  std::string without(std::vector<std::size_t> removed) const {
    std::string out;
    reader.write_without_tools(removed, out);
    return out;
  }
};

TEST(RequestTools, AreToldWithTheirDefinitionsCallsAndChoices) {
  const Read chat(
      Surface::kChatCompletions,
      R"({"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant",)"
      R"("tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"id":"d","type":"custom","custom":{"name":"g","input":"y"}}]}],)"
      R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"file_search"}],)"
      R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[)"
      R"({"type":"function","function":{"name":"f"}},{"type":"file_search"}]}}})");
  ASSERT_TRUE(chat.request);
  ASSERT_EQ(chat.request->tools.size(), 2u);
  EXPECT_EQ(chat.request->tools[0].definition, R"({"type":"function","function":{"name":"f"}})");
  ASSERT_EQ(chat.request->calls.size(), 2u);
  EXPECT_EQ(chat.request->calls[0].name, "f");
  EXPECT_EQ(chat.request->calls[0].arguments, "{}");
  EXPECT_EQ(chat.request->calls[0].message, 1);
  EXPECT_EQ(chat.request->calls[1].type, "custom");
  EXPECT_EQ(chat.request->calls[1].arguments, "y");
  ASSERT_EQ(chat.request->chosen.size(), 2u);
  EXPECT_EQ(chat.request->chosen[0].name, "f");
  EXPECT_EQ(chat.request->chosen[1].type, "file_search");
  EXPECT_TRUE(chat.request->must_call);

  const Read messages(
      Surface::kMessages,
      R"({"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[)"
      R"({"type":"tool_use","id":"t","input":{"a":1},"name":"f"}]}],)"
      R"("tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"}})");
  ASSERT_TRUE(messages.request);
  ASSERT_EQ(messages.request->calls.size(), 1u);
  EXPECT_EQ(messages.request->calls[0].name, "f");
  EXPECT_EQ(messages.request->calls[0].arguments, R"({"a":1})");
  ASSERT_EQ(messages.request->chosen.size(), 1u);
  EXPECT_EQ(messages.request->chosen[0].name, "f");
  EXPECT_FALSE(messages.request->must_call);
}

TEST(RequestTools, CanBeLeftOut) {
  const Read read(Surface::kChatCompletions,
                  R"({"model":"m","tools":[{"type":"function","function":{"name":"a"}},)"
                  R"({"type":"function","function":{"name":"b"}}],"tool_choice":"auto",)"
                  R"("functions":[{"name":"c"}],"parallel_tool_calls":true,)"
                  R"("messages":[{"role":"user","content":"x"}]})");
  ASSERT_TRUE(read.request);
  EXPECT_EQ(read.without({0, 2}),
            R"({"model":"m","tools":[{"type":"function","function":{"name":"b"}}],)"
            R"("tool_choice":"auto","parallel_tool_calls":true,)"
            R"("messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(read.without({0, 1, 2}), R"({"model":"m","messages":[{"role":"user","content":"x"}]})");
}

// What a namespace or an item of the input holds is offered like everything else.
constexpr std::string_view kNested =
    R"({"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[)"
    R"({"type":"namespace","name":"n","description":"d","tools":[{"type":"custom","name":"a"},)"
    R"({"type":"function","name":"b"}]},{"type":"web_search"}]},{"role":"user","content":"x"}],)"
    R"("tools":[{"type":"function","name":"c"},{"type":"namespace","name":"o","tools":[)"
    R"({"type":"function","name":"d"}]}],"tool_choice":"auto"})";

TEST(RequestTools, WithinNamespacesAndItemsAreToldOneByOne) {
  const Read read(Surface::kResponses, std::string(kNested));
  ASSERT_TRUE(read.request) << read.request.error().message;
  std::vector<std::string> told;
  for (const Tool& tool : read.request->tools) {
    told.push_back(std::string(tool.type) + ":" + std::string(tool.name));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"custom:a", "function:b", "web_search:", "function:c",
                                            "function:d"}));
  EXPECT_EQ(read.request->tools[0].definition, R"({"type":"custom","name":"a"})");
  // The words of the namespace are read by the model as well.
  const auto has = [&](std::string_view text) {
    return std::ranges::any_of(read.request->texts,
                               [&](const Text& one) { return one.text == text; });
  };
  EXPECT_TRUE(has("n"));
  EXPECT_TRUE(has("d"));
}

TEST(RequestTools, WithinNamespacesAndItemsCanBeLeftOut) {
  const Read read(Surface::kResponses, std::string(kNested));
  ASSERT_TRUE(read.request);
  EXPECT_EQ(read.without({1, 2, 4}),
            R"({"model":"m","input":[{"type":"additional_tools","role":"developer","tools":[)"
            R"({"type":"namespace","name":"n","description":"d","tools":[)"
            R"({"type":"custom","name":"a"}]}]},{"role":"user","content":"x"}],)"
            R"("tools":[{"type":"function","name":"c"}],"tool_choice":"auto"})");
  EXPECT_EQ(read.without({0, 1, 2, 3, 4}),
            R"({"model":"m","input":[{"role":"user","content":"x"}]})");
}

}  // namespace
}  // namespace tollgate::dialects
