// Every text of a request is seen with its place, on every surface: nothing goes upstream that
// whoever inspects does not get to see.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dialects/fixture_test.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

struct Row {
  Surface surface;
  std::string_view body;  // With MARK somewhere.
  std::string_view place;
};

// What stands around, in short.
#define CHAT(messages) R"({"model":"m","messages":[{"role":"user","content":"x"},)" messages "]}"
#define MESSAGES(messages) \
  R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},)" messages "]}"

constexpr Row kRows[] = {
    {Surface::kChatCompletions, CHAT(R"({"role":"system","content":"a MARK"})"),
     "messages[1].content"},
    {Surface::kChatCompletions, CHAT(R"({"content":"a MARK","role":"assistant"})"),
     "messages[1].content"},
    {Surface::kChatCompletions,
     CHAT(
         R"({"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"MARK"}]})"),
     "messages[1].content[1]"},
    {Surface::kChatCompletions, CHAT(R"({"role":"user","name":"MARK","content":"x"})"),
     "messages[1].name"},
    {Surface::kChatCompletions,
     CHAT(R"({"role":"assistant","tool_calls":[{"id":"c","type":"function","function":)"
          R"({"name":"f","arguments":"{\"a\":\"MARK\"}"}}]})"),
     "messages[1].tool_calls[2]"},
    {Surface::kChatCompletions,
     CHAT(R"({"role":"assistant","tool_calls":[{"id":"c","type":"MARK","function":)"
          R"({"name":"f","arguments":"{}"}}]})"),
     "messages[1]"},
    {Surface::kChatCompletions, CHAT(R"({"role":"tool","tool_call_id":"c","content":"MARK"})"),
     "messages[1].content"},
    {Surface::kChatCompletions,
     CHAT(R"({"role":"assistant","content":"x","reasoning_content":"MARK"})"),
     "messages[1].content[1]"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"tools":[)"
     R"({"type":"function","function":{"name":"f"}},)"
     R"({"type":"function","function":{"name":"g","description":"MARK"}}]})",
     "tools[1]"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"response_format":)"
     R"({"type":"json_schema","json_schema":{"name":"MARK"}}})",
     "response_format"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"a":"MARK"}})",
     "metadata"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"user":"MARK"})", "user"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"stop":["a","MARK"]})", "stop"},
    {Surface::kChatCompletions,
     R"({"model":"m","messages":[{"role":"user","content":"x"}],"unheard_of":"MARK"})",
     "a field of another name"},
    {Surface::kCompletions, R"({"model":"m","prompt":"MARK"})", "prompt"},
    {Surface::kCompletions, R"({"model":"m","prompt":["x","MARK"]})", "prompt[1]"},
    {Surface::kCompletions, R"({"model":"m","prompt":"x","suffix":"MARK"})", "suffix"},
    {Surface::kEmbeddings, R"({"model":"m","input":"MARK"})", "input"},
    {Surface::kEmbeddings, R"({"model":"m","input":["x","y","MARK"]})", "input[2]"},
    {Surface::kEmbeddings, R"({"model":"m","input":"x","user":"MARK"})", "user"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"system":"MARK","messages":[{"role":"user","content":"x"}]})",
     "system"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"system":[{"type":"text","text":"x"},)"
     R"({"type":"text","text":"MARK"}],"messages":[{"role":"user","content":"x"}]})",
     "system[1]"},
    {Surface::kMessages, MESSAGES(R"({"role":"assistant","content":"MARK"})"),
     "messages[1].content"},
    {Surface::kMessages,
     MESSAGES(R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t",)"
              R"("content":[{"type":"text","text":"MARK"}]}]})"),
     "messages[1].content[1]"},
    {Surface::kMessages,
     MESSAGES(R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f",)"
              R"("input":{"a":["MARK"]}}]})"),
     "messages[1].tool_calls[2]"},
    {Surface::kMessages,
     MESSAGES(R"({"role":"assistant","content":[{"type":"thinking","thinking":"x",)"
              R"("signature":"MARK"}]})"),
     "messages[1]"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"
     R"("tools":[{"name":"f","description":"MARK","input_schema":{"type":"object"}}]})",
     "tools[0]"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"
     R"("metadata":{"user_id":"MARK"}})",
     "metadata"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"
     R"("stop_sequences":["MARK"]})",
     "stop_sequences"},
    {Surface::kMessages,
     R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"
     R"("thinking":{"type":"disabled","note":"MARK"}})",
     "thinking"},
};

std::vector<std::string> places_of_the_mark(std::span<const Text> texts) {
  std::vector<std::string> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].text.contains("MARK")) places.push_back(place_of(texts, i));
  }
  return places;
}

TEST(TextPlace, OfWhateverGoesUpstreamIsTold) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.body);
    RequestReader reader;
    const Padded body(row.body);
    const Expected<Request> request = reader.read(row.surface, body.view());
    ASSERT_TRUE(request) << request.error().message;
    std::string written;
    reader.write({.model = "there", .output_tokens = 5}, written);
    EXPECT_TRUE(written.contains("MARK")) << "the row shows nothing: " << written;
    std::vector<std::string> places = places_of_the_mark(request->texts);
    for (const std::string& place : places_of_the_mark(request->carried)) places.push_back(place);
    EXPECT_EQ(places, std::vector<std::string>{std::string(row.place)});
  }
}

// What is carried is no part of what is counted.
TEST(TextPlace, OfWhatTheModelDoesNotReadIsApart) {
  RequestReader reader;
  const Padded body(
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"user":"u","seed":7,"stop":null})");
  const Expected<Request> request = reader.read(Surface::kChatCompletions, body.view());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->texts.size(), 2u);
  ASSERT_EQ(request->carried.size(), 1u);
  EXPECT_EQ(request->carried[0].text, "u");
}

// A number that is long enough to name somebody, as that of a card.
TEST(TextPlace, OfALongNumberIsToldToo) {
  RequestReader reader;
  const Padded body(
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"user":4111111111111111,"zeta":40000001,"seed":41111111,"temperature":0.75,"metadata":{"n":1}})");
  const Expected<Request> request = reader.read(Surface::kChatCompletions, body.view());
  ASSERT_TRUE(request) << request.error().message;
  std::vector<std::string> told;
  for (std::size_t i = 0; i < request->carried.size(); ++i) {
    told.push_back(place_of(request->carried, i) + " " + std::string(request->carried[i].text));
  }
  EXPECT_EQ(told,
            (std::vector<std::string>{"user 4111111111111111", "a field of another name 40000001",
                                      "a field of another name zeta", R"(metadata {"n":1})"}));
}

}  // namespace
}  // namespace tollgate::dialects
