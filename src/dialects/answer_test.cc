// Every text of an answer is told with its place, whole and streamed alike.
#include "dialects/answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/json_strict.h"

namespace tollgate::dialects {
namespace {

// Texts by their places; what came in pieces joined.
class Texts final : public AnswerSink {
 public:
  void text(std::string_view place, std::string_view text) override {
    told[std::string(place)] += text;
  }
  void piece(std::string_view place, std::string_view piece) override {
    told[std::string(place)] += piece;
  }
  void ended(std::string_view places) override { ends.emplace_back(places); }
  std::map<std::string, std::string> told;
  std::vector<std::string> ends;
};

using Told = std::map<std::string, std::string>;

Texts whole(Surface surface, std::string_view body) {
  ReplyReader reader;
  RememberingSink output;
  Texts texts;
  const Padded padded(body);
  EXPECT_TRUE(reader.read(surface, padded.view(), output, &texts).has_value());
  return texts;
}

Texts streamed(Surface surface, const std::vector<std::string>& events) {
  StreamReader reader;
  reader.start(surface, false);
  RememberingSink output;
  Texts texts;
  std::string out;
  for (const std::string& event : events) {
    std::string raw = "data: " + event + "\n\n";
    std::erase(raw, '\n');
    raw += "\n\n";
    EXPECT_TRUE(reader.feed(raw, out, output, &texts).has_value()) << event;
  }
  return texts;
}

TEST(Answer, OfAChatIsToldInAllItsParts) {
  const Texts texts = whole(Surface::kChatCompletions, R"({"id":"c","model":"m","choices":[
      {"index":1,"finish_reason":"stop","logprobs":{"content":[{"token":"a"}]},
        "message":{"role":"assistant","content":"a","reasoning":"b","refusal":"c",
          "annotations":[{"type":"url_citation","url_citation":{"url":"d"}}],
          "audio":{"id":"e","transcript":"f"},"unheard_of":{"x":[["g"]]},
          "tool_calls":[{"id":"h","type":"function","function":{"name":"i","arguments":"{}"}},
            {"id":"j","function":{"name":"k","arguments":{"x":"y"}}}]}},
      {"message":{"content":[{"type":"text","text":"l"}]}}],
      "usage":{"prompt_tokens":1},"note":"m"})");
  EXPECT_EQ(texts.told,
            (Told{{"choices[1].message.content", "a"},
                  {"choices[1].message.reasoning", "b"},
                  {"choices[1].message.refusal", "c"},
                  {"choices[1].message.annotations[0].type", "url_citation"},
                  {"choices[1].message.annotations[0].url_citation.url", "d"},
                  {"choices[1].message.audio.id", "e"},
                  {"choices[1].message.audio.transcript", "f"},
                  {"choices[1].message", "unheard_of"},
                  {"choices[1].message.unheard_of", "x"},
                  {"choices[1].message.unheard_of.x[0][0]", "g"},
                  {"choices[1].message.tool_calls[0].id", "h"},
                  {"choices[1].message.tool_calls[0].type", "function"},
                  {"choices[1].message.tool_calls[0].function.name", "i"},
                  {"choices[1].message.tool_calls[0].function.arguments", "{}"},
                  {"choices[1].message.tool_calls[1].id", "j"},
                  {"choices[1].message.tool_calls[1].function.name", "k"},
                  {"choices[1].message.tool_calls[1].function.arguments", R"({"x":"y"})"},
                  {"choices[1].message.content[0].type", "text"},
                  {"choices[1].message.content[0].text", "l"},
                  {"", "note"},
                  {"note", "m"}}));
}

// A client that finds the joined text there does not join it itself.
TEST(Answer, OfAResponseIsToldWithItsJoinedText) {
  const Texts texts = whole(Surface::kResponses, R"({"id":"r","status":"completed","output":[],
      "output_text":"a","usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}})");
  EXPECT_EQ(texts.told, (Told{{"output_text", "a"}}));
}

TEST(Answer, HasNamesOfPartsWhereTheDialectHasThem) {
  for (const char* name : {"choices[0].message.tool_calls[12].id", "content[3].id",
                           "choices[10].message.tool_calls[0].type", "content[0].content[1].type"})
    EXPECT_TRUE(is_name_of_part(name)) << name;
  for (const char* text :
       {"", "id", ".id", "choices[0].id", "content[0].input.id",
        "choices[0].message.tool_calls[0].function.arguments.id",
        "choices[0].message.tool_calls[0].function.arguments[0].type", "content[0].content[0].id",
        "content[0].id.id", "content[0].idx", "choices[0].message.content", "content[x].id"})
    EXPECT_FALSE(is_name_of_part(text)) << text;
}

// A model may have made them up.
TEST(Answer, HasNamesThatNoDialectHasAsTexts) {
  const Texts chat = whole(Surface::kChatCompletions,
                           R"({"choices":[{"message":{"x":{"4111":1,"content":true}}}]})");
  EXPECT_EQ(chat.told, (Told{{"choices[0].message", "x"}, {"choices[0].message.x", "4111"}}));
  const Texts response = whole(Surface::kResponses, R"({"id":"r","status":"completed","output":[
      {"type":"local_shell_call","action":{"env":{"ann@acme.com":"y"}}}]})");
  EXPECT_EQ(response.told, (Told{{"output[0].action.env", "ann@acme.com"},
                                 {"output[0].action.env.ann@acme.com", "y"}}));
}

TEST(Answer, HasLongNumbersAsTexts) {
  const Texts chat = whole(
      Surface::kChatCompletions,
      R"({"choices":[{"message":{"content":[4111111111111111,1234567,-0.123456789,41111111.5]}}]})");
  EXPECT_EQ(chat.told, (Told{{"choices[0].message.content[0]", "4111111111111111"},
                             {"choices[0].message.content[3]", "41111111.5"}}));
}

TEST(Answer, OfMessagesIsToldBlockByBlock) {
  const Texts texts = whole(Surface::kMessages, R"({"id":"m","role":"assistant","content":[
      {"type":"thinking","thinking":"a","signature":"s"},
      {"type":"text","text":"b","citations":[{"cited_text":"c"}]},
      {"type":"tool_use","id":"d","name":"e","input":{"x":{"y":"z"}}},
      {"type":"web_search_tool_result","content":[{"title":"f"}]}],
      "stop_reason":"stop_sequence","stop_sequence":"g","usage":{"input_tokens":1}})");
  EXPECT_EQ(texts.told, (Told{{"content[0].thinking", "a"},
                              {"content[1].text", "b"},
                              {"content[1].citations[0].cited_text", "c"},
                              {"content[2].id", "d"},
                              {"content[2].name", "e"},
                              {"content[2].input", R"({"x":{"y":"z"}})"},
                              {"content[3].content[0].title", "f"},
                              {"stop_sequence", "g"}}));
}

TEST(Answer, HasTheSamePlacesInAStreamOfAChat) {
  const Texts texts = streamed(
      Surface::kChatCompletions,
      {R"({"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})",
       R"({"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"A"}}]})",
       R"({"choices":[{"index":0,"delta":{"content":"b","reasoning_content":"r"}}]})",
       R"({"choices":[{"index":1,"finish_reason":"tool_calls","delta":{"tool_calls":[
           {"index":1,"id":"i","type":"function","function":{"name":"f","arguments":"{"}}]}}]})",
       R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})", "[DONE]"});
  EXPECT_EQ(texts.told, (Told{{"choices[0].message.content", "ab"},
                              {"choices[0].message.reasoning_content", "r"},
                              {"choices[1].message.content", "A"},
                              {"choices[1].message.tool_calls[1].id", "i"},
                              {"choices[1].message.tool_calls[1].type", "function"},
                              {"choices[1].message.tool_calls[1].function.name", "f"},
                              {"choices[1].message.tool_calls[1].function.arguments", "{"}}));
  EXPECT_EQ(texts.ends, (std::vector<std::string>{"choices[1].", "choices[0].", ""}));
}

TEST(Answer, HasTheSamePlacesInAStreamOfMessages) {
  const Texts texts = streamed(
      Surface::kMessages,
      {R"({"type":"message_start","message":{"id":"m","role":"assistant","content":[]}})",
       R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t",
           "name":"n","input":{}}})",
       R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta",
           "partial_json":"{\"x\""}})",
       R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":"s"}})",
       R"({"type":"message_stop"})"});
  EXPECT_EQ(texts.told, (Told{{"content[0].text", "ab"},
                              {"content[1].id", "t"},
                              {"content[1].name", "n"},
                              {"content[1].input", "{\"x\""},
                              {"delta.stop_sequence", "s"}}));
  EXPECT_EQ(texts.ends, (std::vector<std::string>{"content[0].", ""}));
}

// The same arguments: with what need not be escaped, as an object that is, and as they are told.
constexpr std::string_view kEscaped =
    R"({"a":"\u0041\u202e\uDB40\udc41","b":"https:\/\/x\n\\u0041\u000a"})";
const std::string kPlain = "{\"a\":\"A\u202e\U000E0041\",\"b\":\"https://x\\n\\\\u0041\\n\"}";

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

// Of a response: what is told in pieces, and what as a whole.
class Ways final : public AnswerSink {
 public:
  void text(std::string_view place, std::string_view text) override {
    told += fmt::format("[{}={}]", place, text);
  }
  void piece(std::string_view place, std::string_view piece) override {
    told += fmt::format("[{}+{}]", place, piece);
  }
  void ended(std::string_view places) override { told += fmt::format("[{}]", places); }
  std::string told;
};

std::string ways(const std::vector<std::string>& events) {
  StreamReader reader;
  reader.start(Surface::kResponses, false);
  RememberingSink output;
  Ways ways;
  std::string out;
  for (const std::string& event : events) {
    EXPECT_TRUE(reader.feed("data: " + event + "\n\n", out, output, &ways).has_value()) << event;
  }
  return ways.told;
}

// Else neither half were a match, and the joined text, which comes again, would be told already.
TEST(Answer, OfAResponseBeginsWithWhatOpensItsParts) {
  constexpr std::string_view kPart =
      R"({{"type":"response.content_part.{}","output_index":0,"content_index":0,)"
      R"("part":{{"type":"output_text","text":"{}"}}}})";
  constexpr std::string_view kText =
      R"({{"type":"response.output_text.{}","output_index":0,"content_index":0,"{}":"{}"}})";
  EXPECT_EQ(ways({fmt::format(kPart, "added", "ab"), fmt::format(kText, "delta", "delta", "cd"),
                  fmt::format(kText, "done", "text", "abcd"), fmt::format(kPart, "done", "abcd")}),
            "[output[0].content[0].text+ab][output[0].content[0].text+cd]"
            "[output[0].content[0].][output[0].content[0].]");
  constexpr std::string_view kItem =
      R"({{"type":"response.output_item.added","output_index":0,"item":)"
      R"({{"type":"function_call","name":"f","arguments":"{}"}}}})";
  constexpr std::string_view kArguments =
      R"({"type":"response.function_call_arguments.delta","output_index":0,"delta":"b"})";
  EXPECT_EQ(ways({fmt::format(kItem, "a"), std::string(kArguments)}),
            "[output[0].name=f][output[0].arguments+a][output[0].arguments+b]");
}

TEST(Answer, OfAResponseIsJoinedWhereWhatWasWholeGoesOn) {
  EXPECT_EQ(ways({R"({"type":"response.output_text.done","output_index":0,"content_index":0,)"
                  R"("text":"ab"})",
                  R"({"type":"response.output_text.delta","output_index":0,"content_index":0,)"
                  R"("delta":"cd"})",
                  R"({"type":"response.output_text.done","output_index":0,"content_index":0,)"
                  R"("text":"abcd"})"}),
            "[output[0].content[0].text=ab][output[0].content[0].]"
            "[output[0].content[0].text+ab][output[0].content[0].text+cd][output[0].content[0].]");
}

// Others send the same with every piece.
TEST(Answer, OfAChatHasFieldsOfAChoiceInPieces) {
  StreamReader reader;
  reader.start(Surface::kCompletions, false);
  RememberingSink output;
  Ways ways;
  std::string out;
  for (const char* piece : {"a", "b"}) {
    const std::string event = fmt::format(
        R"({{"choices":[{{"index":0,"reasoning":"{}","filter":{{"hate":"safe"}}}}]}})", piece);
    EXPECT_TRUE(reader.feed("data: " + event + "\n\n", out, output, &ways).has_value());
  }
  EXPECT_TRUE(ways.told.contains("[choices[0].reasoning+a]")) << ways.told;
  EXPECT_TRUE(ways.told.contains("[choices[0].reasoning+b]")) << ways.told;
  EXPECT_TRUE(ways.told.contains("[choices[0].filter.hate=safe]")) << ways.told;
}

TEST(Answer, HasTheSameArgumentsHoweverTheyAreWritten) {
  const std::string in_string = quoted(kEscaped);
  const Texts chat = whole(Surface::kChatCompletions, R"({"choices":[{"message":{"tool_calls":[
      {"function":{"arguments":)" + in_string + "}}]}}]}");
  EXPECT_EQ(chat.told, (Told{{"choices[0].message.tool_calls[0].function.arguments", kPlain}}));
  const Texts response = whole(Surface::kResponses, R"({"id":"r","status":"completed","output":[
      {"type":"function_call","arguments":)" + in_string +
                                                        "}]}");
  EXPECT_EQ(response.told, (Told{{"output[0].arguments", kPlain}}));
  const Texts messages = whole(Surface::kMessages, R"({"content":[{"type":"tool_use","input":)" +
                                                       std::string(kEscaped) + "}]}");
  EXPECT_EQ(messages.told, (Told{{"content[0].input", kPlain}}));
}

TEST(Answer, HasTheSameArgumentsHoweverTheyAreCut) {
  for (std::size_t cut = 0; cut <= kEscaped.size(); ++cut) {
    SCOPED_TRACE(cut);
    const std::string first = quoted(kEscaped.substr(0, cut));
    const std::string second = quoted(kEscaped.substr(cut));
    const auto call = [](const std::string& piece) {
      return R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":)" +
             piece + "}}]}}]}";
    };
    const Texts chat = streamed(Surface::kChatCompletions, {call(first), call(second)});
    EXPECT_EQ(chat.told, (Told{{"choices[0].message.tool_calls[0].function.arguments", kPlain}}));
    const auto delta = [](const std::string& piece) {
      return R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta",)"
             R"("partial_json":)" +
             piece + "}}";
    };
    const Texts messages = streamed(
        Surface::kMessages,
        {R"({"type":"message_start","message":{"id":"m","role":"assistant","content":[]}})",
         R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","input":{}}})",
         delta(first), delta(second)});
    EXPECT_EQ(messages.told, (Told{{"content[0].input", kPlain}}));
  }
}

// One client takes the first of them and another the last; none joins the two.
TEST(Answer, OfAStreamIsNotToldWhereAFieldIsThereTwice) {
  const auto reads = [](Surface surface, std::string_view event) {
    StreamReader reader;
    reader.start(surface, false);
    RememberingSink output;
    Texts texts;
    std::string out;
    return reader.feed("data: " + std::string(event) + "\n\n", out, output, &texts).has_value();
  };
  const std::pair<Surface, std::string_view> rows[] = {
      {Surface::kChatCompletions,
       R"({"choices":[{"index":0,"delta":{"content":"a","content":"b"}}]})"},
      {Surface::kChatCompletions,
       R"({"choices":[{"index":0,"delta":{"content":"a","\u0063ontent":"b"}}]})"},
      {Surface::kChatCompletions,
       R"({"choices":[{"index":0,"delta":{"x":[{"y":{"z":1,"z":2}}]}}]})"},
      {Surface::kCompletions, R"({"choices":[{"index":0,"text":"a","text":"b"}]})"},
      {Surface::kMessages,
       R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","text":"b"}})"},
      {Surface::kResponses,
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"x","a":"a","a":"b"}})"},
  };
  for (const auto& [surface, event] : rows) EXPECT_FALSE(reads(surface, event)) << event;
  EXPECT_TRUE(reads(Surface::kChatCompletions,
                    R"({"choices":[{"index":0,"delta":{"content":"a","x":{"content":"b"}}}]})"));
  std::string many;
  for (int i = 0; i < 40; ++i) many += fmt::format("\"f{}\":1,", i);
  EXPECT_TRUE(reads(Surface::kChatCompletions, "{" + many + R"("choices":[]})"));
  EXPECT_FALSE(reads(Surface::kChatCompletions, "{" + many + R"("f39":1,"choices":[]})"));
  EXPECT_FALSE(reads(Surface::kChatCompletions, "{" + many + R"("f3":1,"choices":[]})"));
}

TEST(Answer, HasWhatItsArgumentsEndInAsItIs) {
  const Texts texts =
      streamed(Surface::kChatCompletions,
               {R"({"choices":[{"index":0,"delta":{"function_call":{"arguments":"{\\u00"}}}]})",
                R"({"choices":[{"index":0,"delta":{},"finish_reason":"length"}]})"});
  EXPECT_EQ(texts.told, (Told{{"choices[0].message.function_call.arguments", "{\\u00"}}));
}

}  // namespace
}  // namespace tollgate::dialects
