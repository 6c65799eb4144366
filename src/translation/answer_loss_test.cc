// Of an answer nothing is lost: what comes twice has to be the same, and an end says why.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialects/request.h"
#include "translation/translation.h"

namespace tollgate::translation {
namespace {

using dialects::Surface;
constexpr Surface kChat = Surface::kChatCompletions;
constexpr Surface kMessages = Surface::kMessages;
constexpr Surface kResponses = Surface::kResponses;

struct Told {
  std::string out;
  std::string fault;  // Empty: none.
};

Told whole(Surface asked, Surface spoken, std::string body) {
  body.reserve(body.size() + dialects::RequestReader::kPadding);
  AnswerTranslator translator;
  Told made;
  const FaultOr<void> carried = translator.whole({.asked = asked, .spoken = spoken},
                                                 {.id = "a", .model = "m"}, body, made.out);
  if (!carried) made.fault = carried.error().message;
  return made;
}

Told streamed(Surface asked, Surface spoken, const std::vector<std::string>& events) {
  AnswerTranslator translator;
  translator.start({.asked = asked, .spoken = spoken}, {.id = "a", .model = "m"});
  Told made;
  for (const std::string& event : events) {
    const FaultOr<void> carried = translator.feed("data: " + event + "\n\n", made.out);
    if (carried) continue;
    made.fault = carried.error().message;
    break;
  }
  return made;
}

std::string text_part(std::string_view text, std::string_view more = "") {
  return fmt::format(R"({{"type":"output_text","text":"{}"{}}})", text, more);
}
std::string message(std::string_view parts) {
  return fmt::format(R"({{"type":"message","content":[{}]}})", parts);
}
std::string item(std::string_view what, std::string_view item) {
  return fmt::format(R"({{"type":"response.output_item.{}","output_index":0,"item":{}}})", what,
                     item);
}
std::string delta(std::string_view text, int part = 0) {
  return fmt::format(
      R"({{"type":"response.output_text.delta","output_index":0,"content_index":{},"delta":"{}"}})",
      part, text);
}
std::string completed(std::string_view output) {
  return fmt::format(
      R"({{"type":"response.completed","response":{{"status":"completed","output":[{}]}}}})",
      output);
}

// An item of a response as it was told piece by piece, and how it ended.
TEST(AnswerLoss, AnItemThatEndsAsAnotherThanItWasToldIsAFault) {
  const std::string cited =
      text_part("one", R"(,"annotations":[{"type":"url_citation","url":"https://a"}])");
  const struct {
    std::string end, output;
    bool is_same;
  } cases[] = {
      {message(text_part("one")), message(text_part("one")), true},
      {message(text_part("one", R"(,"annotations":[])")), "", true},
      // What is not said again was told.
      {message(""), message(""), true},
      {message(cited), "", false},
      {message(text_part("one")), message(cited), false},
      {message(text_part("one two")), "", false},
      {message(text_part("another")), "", false},
      {message(text_part("one") + "," + text_part("two")), "", false},
      {message(text_part("one") + R"(,{"type":"refusal","refusal":"no"})"), "", false},
      {message(R"({"type":"refusal","refusal":"one"})"), "", false},
      {message(text_part("one")), message(R"({"type":"refusal","refusal":"one"})"), false},
      {R"({"type":"reasoning","summary":[]})", "", false},
      {message(text_part("one")), message(text_part("two")), false},
      {message(text_part("one")), message(text_part("one")) + "," + message(text_part("two")),
       false},
      {message(text_part("one")), message(text_part("one")) + R"(,{"type":"web_search_call"})",
       false},
  };
  for (const auto& [end, output, is_same] : cases) {
    for (const Surface asked : {kChat, kMessages}) {
      SCOPED_TRACE(fmt::format("{} {}", end, output));
      const Told told = streamed(
          asked, kResponses,
          {R"({"type":"response.created","response":{"id":"r"}})", item("added", message("")),
           delta("on"), delta("e"), item("done", end), completed(output)});
      EXPECT_EQ(told.fault.empty(), is_same) << told.fault;
    }
  }
}

TEST(AnswerLoss, ACallThatEndsAsAnotherThanItWasToldIsAFault) {
  const auto call = [](std::string_view name, std::string_view arguments) {
    return fmt::format(R"({{"type":"function_call","call_id":"c","name":"{}","arguments":"{}"}})",
                       name, arguments);
  };
  const std::string piece = R"({"type":"response.function_call_arguments.delta","output_index":0,)"
                            R"("delta":"{}"})";
  const auto ends = [&](const std::string& end) {
    return streamed(kChat, kResponses, {item("added", call("f", "")), piece, item("done", end)});
  };
  EXPECT_EQ(ends(call("f", "{}")).fault, "");
  EXPECT_NE(ends(call("g", "{}")).fault, "");
  EXPECT_NE(ends(call("f", R"({\"a\":1})")).fault, "");
}

// A part that had ended does not go on, and its whole is told once.
TEST(AnswerLoss, PartsAreToldInTheirOrder) {
  const std::string done =
      R"({"type":"response.output_text.done","output_index":0,"content_index":0,"text":"one"})";
  const std::string begun = item("added", message(""));
  EXPECT_EQ(streamed(kChat, kResponses, {begun, delta("one"), delta("two", 1), done}).fault, "");
  EXPECT_NE(streamed(kChat, kResponses, {begun, delta("one"), delta("two", 1), delta("x")}).fault,
            "");
  EXPECT_NE(streamed(kChat, kResponses, {begun, delta("tw"), done}).fault, "");
  const Told more = streamed(kChat, kResponses, {begun, delta("on"), done});
  EXPECT_NE(more.out.find(R"("content":"e")"), std::string::npos) << more.out;
}

TEST(AnswerLoss, AnAnswerThatComesAtTheEndAloneIsTold) {
  const Told told = streamed(kChat, kResponses,
                             {R"({"type":"response.created","response":{"id":"r"}})",
                              completed(message(text_part("all")))});
  EXPECT_EQ(told.fault, "");
  EXPECT_NE(told.out.find(R"("content":"all")"), std::string::npos) << told.out;
  EXPECT_TRUE(told.out.ends_with("data: [DONE]\n\n"));
}

TEST(AnswerLoss, ASummaryOfAThoughtThatWasToldIsNotMissed) {
  const std::string thought = R"({"type":"response.reasoning_text.delta","output_index":0,)"
                              R"("content_index":0,"delta":"hm"})";
  const std::string end =
      R"({"type":"reasoning","summary":[{"type":"summary_text","text":"short"}],)"
      R"("content":[{"type":"reasoning_text","text":"hm"}]})";
  EXPECT_EQ(streamed(kChat, kResponses,
                     {item("added", R"({"type":"reasoning","summary":[]})"), thought,
                      item("done", end), completed(end)})
                .fault,
            "");
}

TEST(AnswerLoss, ASummaryThatEndsLongerThanItWasToldIsAFault) {
  const std::string piece = R"({"type":"response.reasoning_summary_text.delta","output_index":0,)"
                            R"("summary_index":0,"delta":"one"})";
  const auto ends = [&](std::string_view more) {
    const std::string end = fmt::format(
        R"({{"type":"reasoning","summary":[{{"type":"summary_text","text":"one"}}{}]}})", more);
    return streamed(
        kChat, kResponses,
        {item("added", R"({"type":"reasoning","summary":[]})"), piece, item("done", end)});
  };
  EXPECT_EQ(ends("").fault, "");
  EXPECT_NE(ends(R"(,{"type":"summary_text","text":"two"})").fault, "");
}

TEST(AnswerLoss, ARefusalIsNoTextOfTheSameWords) {
  const std::string begun = item("added", message(""));
  const std::string piece = R"({"type":"response.refusal.delta","output_index":0,)"
                            R"("content_index":0,"delta":"no"})";
  const std::string whole = R"({"type":"response.output_text.done","output_index":0,)"
                            R"("content_index":0,"text":"no"})";
  EXPECT_EQ(streamed(kChat, kResponses,
                     {begun, piece, item("done", message(R"({"type":"refusal","refusal":"no"})"))})
                .fault,
            "");
  EXPECT_NE(streamed(kChat, kResponses, {begun, piece, whole}).fault, "");
  EXPECT_NE(
      streamed(kChat, kResponses, {begun, piece, item("done", message(text_part("no")))}).fault,
      "");
}

// As vLLM streams a thought: its part has events of a name of their own.
TEST(AnswerLoss, PartsOfAThoughtAreFramesOfItsText) {
  const auto part = [](std::string_view what, std::string_view text) {
    return fmt::format(
        R"({{"type":"response.reasoning_part.{}","output_index":0,"content_index":0,)"
        R"("item_id":"rs","part":{{"type":"reasoning_text","text":"{}"}}}})",
        what, text);
  };
  const std::string thought = R"({"type":"reasoning","summary":[],)"
                              R"("content":[{"type":"reasoning_text","text":"hm"}]})";
  const std::vector<std::string> events = {
      R"({"type":"response.created","response":{"id":"r"}})",
      item("added", R"({"type":"reasoning","summary":[]})"),
      part("added", ""),
      R"({"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"hm"})",
      R"({"type":"response.reasoning_text.done","output_index":0,"content_index":0,"text":"hm"})",
      part("done", "hm"),
      item("done", thought),
      completed(thought)};
  for (const Surface asked : {kChat, kMessages}) {
    const Told told = streamed(asked, kResponses, events);
    EXPECT_EQ(told.fault, "");
    EXPECT_NE(told.out.find("hm"), std::string::npos) << told.out;
    EXPECT_EQ(told.out.find("hm"), told.out.rfind("hm")) << told.out;
  }
}

// Without a reason it may be a part of one.
TEST(AnswerLoss, AnAnswerThatDoesNotSayWhyItEndedIsAFault) {
  const std::string chunk = R"({"choices":[{"index":0,"delta":{"content":"x"}}]})";
  const std::string open = R"({"choices":[{"index":0,"delta":{},"finish_reason":null}]})";
  const std::string stop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
  for (const Surface asked : {kMessages, kResponses}) {
    EXPECT_NE(streamed(asked, kChat, {chunk, "[DONE]"}).fault, "");
    EXPECT_NE(streamed(asked, kChat, {chunk, open, "[DONE]"}).fault, "");
    EXPECT_EQ(streamed(asked, kChat, {chunk, stop, "[DONE]"}).fault, "");
    for (const std::string_view reason : {"", R"(,"finish_reason":null)"}) {
      EXPECT_NE(whole(asked, kChat,
                      fmt::format(R"({{"choices":[{{"index":0,"message":{{"content":"x"}}{}}}]}})",
                                  reason))
                    .fault,
                "");
    }
  }
  for (const Surface asked : {kChat, kResponses}) {
    EXPECT_NE(
        whole(asked, kMessages, R"({"content":[{"type":"text","text":"x"}],"stop_reason":null})")
            .fault,
        "");
    const std::string start = R"({"type":"message_start","message":{"id":"a"}})";
    EXPECT_NE(streamed(asked, kMessages, {start, R"({"type":"message_stop"})"}).fault, "");
  }
}

// vLLM tells the stop sequence as `stop_reason` of a choice, SGLang as `matched_stop`; a number is
// a token of the model's own.
TEST(AnswerLoss, TheStopSequenceThatEndedAnAnswerIsTold) {
  const struct {
    std::string_view field, told;
  } cases[] = {
      {R"(,"stop_reason":"END")", R"("stop_reason":"stop_sequence","stop_sequence":"END")"},
      {R"(,"matched_stop":"END")", R"("stop_reason":"stop_sequence","stop_sequence":"END")"},
      {R"(,"stop_reason":128009)", R"("stop_reason":"end_turn","stop_sequence":null)"},
      {R"(,"stop_reason":null)", R"("stop_reason":"end_turn","stop_sequence":null)"},
      {R"(,"matched_stop":2)", R"("stop_reason":"end_turn","stop_sequence":null)"},
  };
  for (const auto& [field, expected] : cases) {
    const std::string end = fmt::format(R"("finish_reason":"stop"{})", field);
    const Told made =
        whole(kMessages, kChat,
              fmt::format(R"({{"choices":[{{"index":0,"message":{{"content":"x"}},{}}}]}})", end));
    EXPECT_NE(made.out.find(expected), std::string::npos) << made.out << made.fault;
    const Told stream =
        streamed(kMessages, kChat,
                 {R"({"choices":[{"index":0,"delta":{"content":"x"}}]})",
                  fmt::format(R"({{"choices":[{{"index":0,"delta":{{}},{}}}]}})", end), "[DONE]"});
    EXPECT_NE(stream.out.find(expected), std::string::npos) << stream.out << stream.fault;
  }
}

}  // namespace
}  // namespace tollgate::translation
