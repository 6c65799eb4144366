// Bodies with parts masked: what becomes of them, and which parts cannot be.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "dialects/fixture_test.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

const Text& text_at(const Request& request, std::size_t text) {
  const std::size_t read = request.texts.size();
  return text < read ? request.texts[text] : request.carried[text - read];
}

// Masks each `what` in the texts of a body; what is written, or "-" and the place of the mask that
// cannot be.
std::string masked(Surface surface, std::string_view body, std::string_view what = "KEY") {
  RequestReader reader;
  const Padded padded(body);
  const Expected<Request> request = reader.read(surface, padded.view());
  if (!request) return request.error().message;
  std::vector<Mask> masks;
  for (std::size_t i = 0; i < request->texts.size() + request->carried.size(); ++i) {
    const std::string_view text = text_at(*request, i).text;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size())) {
      masks.push_back({i, at, at + what.size(), "[#]"});
    }
  }
  std::string out;
  const std::optional<std::size_t> wrong = reader.mask(masks, out);
  if (!wrong) return out;
  const std::size_t text = masks[*wrong].text;
  const std::size_t read = request->texts.size();
  return "-" +
         (text < read ? place_of(request->texts, text) : place_of(request->carried, text - read));
}

std::string replaced(std::string text, std::string_view what = "KEY") {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), "[#]");
  }
  return text;
}

constexpr std::string_view kChat = R"({
  "model": "small", "temperature": 0.25, "max_tokens": 64, "user": "KEY", "n": 1,
  "metadata": {"KEEP": "KEY", "name": "a\"KEY\\KEY", "\n": "\u0001KEY\n"}, "stop": ["KEY", "x"],
  "messages": [
    {"role": "system", "content": "KEYKEY \u4e2d\n KEY", "cache_control": {"type": "ephemeral"}},
    {"role": "user", "name": "ann", "content": [
      {"type": "text", "text": "\"KEY\""}, {"type": "text", "text": "none"}]},
    {"role": "assistant", "content": null, "reasoning_content": "KEY", "tool_calls": [
      {"id": "c1", "type": "function",
       "function": {"name": "look", "arguments": "{\"a\":\"b\\nKEY\",\"KEEP\":\"KEY\"}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "KEY"}],
  "tools": [
    {"type": "function", "function": {"name": "look", "description": "of KEY:\nKEY\t",
      "parameters": {"type": "object", "properties": {"a": {"enum": ["KEY"]}}}}}]
})";

TEST(Masking, ChangesNothingButWhatIsMasked) {
  EXPECT_EQ(masked(Surface::kChatCompletions, kChat), compact(replaced(std::string(kChat))));
  EXPECT_EQ(masked(Surface::kChatCompletions, kChat, "nowhere"), compact(kChat));
}

TEST(Masking, IsOfEverySurface) {
  const struct {
    Surface surface;
    std::string_view body;
  } rows[] = {
      {Surface::kCompletions, R"({"model":"m","prompt":["a KEY","KEY b"],"suffix":"KEY"})"},
      {Surface::kCompletions, R"({"model":"m","prompt":"KEY"})"},
      {Surface::kEmbeddings, R"({"model":"m","input":["KEY","b"],"user":"KEY"})"},
      {Surface::kMessages,
       R"({"model":"m","max_tokens":9,"system":[{"type":"text","text":"KEY"}],"messages":[)"
       R"({"role":"user","content":"KEY"},{"role":"assistant","content":[{"type":"tool_use",)"
       R"("id":"t","name":"n","input":{"name":"KEY","l":[1.5,"\"KEY",{"id":"KEY"}]}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[)"
       R"({"type":"text","text":"KEY"}]}]}],"tools":[{"name":"n","description":"KEY",)"
       R"("input_schema":{"type":"object"}}],"metadata":{"user_id":"KEY"}})"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(masked(row.surface, row.body), compact(replaced(std::string(row.body))));
  }
}

// What is escaped is one character, of which no part stays.
TEST(Masking, MasksWhatIsEscapedAsAWhole) {
  constexpr std::string_view kBody =
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"k":"a\nbc\u0001d"}})";
  const auto with = [](std::string_view text) {
    return R"({"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"k":")" +
           std::string(text) + "\"}}";
  };
  EXPECT_EQ(masked(Surface::kChatCompletions, kBody, "nbc"), with(R"(a[#]\u0001d)"));
  EXPECT_EQ(masked(Surface::kChatCompletions, kBody, "bc\\u00"), with(R"(a\n[#]d)"));
  EXPECT_EQ(masked(Surface::kChatCompletions, kBody, "bc"), with(R"(a\n[#]\u0001d)"));
}

TEST(Masking, SaysWhatCannotBeMasked) {
  const auto chat = [](std::string_view rest) {
    return R"({"model":"m","messages":[{"role":"user","content":"x")" + std::string(rest) + "}";
  };
  const struct {
    std::string body;
    std::string_view where;
  } rows[] = {
      {chat(R"(,"name":"KEY"}])"), "messages[0].name"},
      {chat(R"(}],"metadata":{"KEY":"x"})"), "metadata"},
      {chat(R"(}],"tools":[{"type":"function","function":{"name":"KEY"}}])"), "tools[0]"},
      {chat(R"(}],"tools":[{"type":"function","function":{"name":"a","parameters":{"KEY":1}}}])"),
       "tools[0]"},
      {chat(R"(},{"role":"tool","tool_call_id":"KEY","content":"x"}])"), "messages[1].tool_calls"},
      {chat(R"(},{"role":"assistant","tool_calls":[{"id":"KEY","type":"function","function":)"
            R"({"name":"n","arguments":"{}"}}]}])"),
       "messages[1].tool_calls"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(masked(Surface::kChatCompletions, row.body), "-" + std::string(row.where))
        << row.body;
  }
  EXPECT_EQ(masked(Surface::kMessages,
                   R"({"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[)"
                   R"({"type":"thinking","thinking":"KEY","signature":"s"}]}]})"),
            "-messages[0].content");
}

TEST(Masking, LeavesNoArgumentsThatAreNoJson) {
  const auto call = [](std::string_view arguments) {
    return R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":)"
           R"("function","function":{"name":"n","arguments":")" +
           std::string(arguments) + R"("}}]}]})";
  };
  const auto of = [&](std::string_view arguments, std::string_view what) {
    return masked(Surface::kChatCompletions, call(arguments), what);
  };
  EXPECT_EQ(of(R"({\"card\":\"41112\"})", "41112"), compact(call(R"({\"card\":\"[#]\"})")));
  EXPECT_EQ(of(R"({\"card\":41112})", "41112"), "-messages[0].tool_calls[2]");
  EXPECT_EQ(of(R"({\"card\":\"4\"})", R"("4")"), "-messages[0].tool_calls[2]");
  EXPECT_EQ(of(R"({\"a\":\"\\n4\"})", "n4"), "-messages[0].tool_calls[2]");
  // What was none before is no JSON to anybody.
  EXPECT_EQ(of("the card 41112", "41112"), compact(call("the card [#]")));
}

// A number, or what goes over the end of a string.
TEST(Masking, IsOfStringsOnly) {
  constexpr std::string_view kBody =
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{"k":41112,"l":"ab"}})";
  for (const char* what : {"41112", "1112", "\"ab\"", "b\"", ":\"a", "k"}) {
    EXPECT_EQ(masked(Surface::kChatCompletions, kBody, what), "-metadata") << what;
  }
}

TEST(Masking, IsLinearInTheMasks) {
  std::string body = R"({"model":"m","messages":[{"role":"user","content":"x"}],"metadata":{)";
  for (int i = 0; i < 20'000; ++i) body += "\"" + std::to_string(i) + "\":\"KEY\",";
  body += R"("z":"y"}})";
  EXPECT_EQ(masked(Surface::kChatCompletions, body), compact(replaced(body)));
}

}  // namespace
}  // namespace tollgate::dialects
