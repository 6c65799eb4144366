// What cannot be carried over is refused by its name, and broken answers are faults.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dialects/reply.h"
#include "dialects/request.h"
#include "translation/translation.h"

namespace tollgate::translation {
namespace {

using dialects::Surface;
constexpr Surface kChat = Surface::kChatCompletions;
constexpr Surface kMessages = Surface::kMessages;
constexpr Surface kResponses = Surface::kResponses;

std::string padded(std::string text) {
  text.reserve(text.size() + dialects::RequestReader::kPadding);
  return text;
}

// A short request with `more` at its top.
std::string body_of(Surface surface, std::string_view more) {
  const std::string_view asked =
      surface == kResponses ? R"("input":"Hi","max_output_tokens":9)"
                            : R"("messages":[{"role":"user","content":"Hi"}],"max_tokens":9)";
  return padded(fmt::format(R"({{"model":"m",{}{}{}}})", asked, more.empty() ? "" : ",", more));
}

struct Carried {
  std::string out;
  std::string param;  // Of the refusal; empty: there was none.
  std::string message;
};
Carried carry(Surface asked, Surface spoken, const std::string& body,
              std::vector<std::string> dropped = {}) {
  RequestTranslator translator;
  Carried made;
  const Passage passage{.asked = asked, .spoken = spoken, .dropped = dropped};
  const Expected<void> carried = translator.translate(passage, body, made.out);
  if (carried) return made;
  EXPECT_EQ(carried.error().reason, Reason::kUnsupportedParameter);
  made.param = carried.error().param;
  made.message = carried.error().message;
  return made;
}

TEST(Carrying, WhatHasNoPlaceIsRefusedByName) {
  struct Case {
    Surface asked;
    Surface spoken;
    std::string_view more;
    std::string_view param;
  };
  const Case cases[] = {
      {kChat, kMessages, R"("frequency_penalty":0.5)", "frequency_penalty"},
      {kChat, kMessages, R"("seed":1)", "seed"},
      {kChat, kMessages, R"("logprobs":true)", "logprobs"},
      {kChat, kMessages, R"("n":2)", "n"},
      {kChat, kMessages, R"("temperature":1.5)", "temperature"},
      {kChat, kMessages, R"("reasoning_effort":"none")", "reasoning_effort"},
      {kChat, kMessages, R"("verbosity":"low")", "verbosity"},
      {kChat, kMessages, R"("metadata":{"a":"b"})", "metadata"},
      {kChat, kMessages, R"("safety_identifier":"x")", "safety_identifier"},
      {kChat, kMessages, R"("response_format":{"type":"json_object"})", "response_format"},
      {kChat, kMessages, R"("tools":[{"type":"custom","custom":{"name":"x"}}])", "tools[0]"},
      {kChat, kResponses, R"("tools":[{"type":"web_search"}])", "tools[0]"},
      {kChat, kResponses, R"("stop":["x"])", "stop"},
      {kChat, kResponses, R"("top_k":3)", "top_k"},
      {kChat, kResponses, R"("functions":[{"name":"f"}])", "functions"},
      {kChat, kResponses, R"("min_p":0.1)", "min_p"},
      {kChat, kResponses, R"("tool_choice":{"type":"allowed_tools"})", "tool_choice"},
      {kMessages, kChat, R"("thinking":{"type":"enabled","budget_tokens":2000})", "thinking"},
      {kMessages, kChat, R"("metadata":{"other":"x"})", "metadata.other"},
      {kMessages, kChat, R"("output_config":{"other":1})", "output_config.other"},
      {kMessages, kChat, R"("tools":[{"type":"bash_20250124","name":"bash"}])", "tools[0]"},
      {kMessages, kChat, R"("tools":[{"name":"a","input_schema":{},"defer_loading":true}])",
       "tools[0].defer_loading"},
      {kMessages, kResponses, R"("stop_sequences":["x"])", "stop_sequences"},
      {kResponses, kChat, R"("truncation":"auto")", "truncation"},
      {kResponses, kChat, R"("include":["reasoning.encrypted_content"])", "include"},
      {kResponses, kChat, R"("max_tool_calls":3)", "max_tool_calls"},
      {kResponses, kChat, R"("reasoning":{"summary":"detailed"})", "reasoning.summary"},
      {kResponses, kMessages, R"("text":{"format":{"type":"json_object"}})", "text.format"},
      {kResponses, kChat, R"("tools":[{"type":"web_search"}])", "tools[0]"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.more);
    const Carried made = carry(one.asked, one.spoken, body_of(one.asked, one.more));
    EXPECT_EQ(made.param, one.param);
    EXPECT_NE(made.message.find(one.param), std::string::npos);
    const std::string field(one.param.substr(0, one.param.find_first_of(".[")));
    if (field == "tools") continue;  // Is never left out.
    // What the operator leaves out is left out, and nothing else is.
    const Carried without = carry(one.asked, one.spoken, body_of(one.asked, one.more), {field});
    EXPECT_EQ(without.param, "");
    EXPECT_EQ(without.out, carry(one.asked, one.spoken, body_of(one.asked, "")).out);
  }
}

// Other APIs cannot say it, so what may not be called is not offered there.
TEST(Carrying, ToolsThatAreNotAllowedAreLeftOut) {
  const std::string flat =
      R"("tools":[{"type":"function","name":"a"},{"type":"function","name":"b"},)"
      R"({"type":"function","name":"c"}],"tool_choice":{"type":"allowed_tools","mode":"required",)"
      R"("tools":[{"type":"function","name":"c"},{"type":"function","name":"a"}]})";
  const std::string nested =
      R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":)"
      R"({"name":"b"}},{"type":"function","function":{"name":"c"}}],"tool_choice":{"type":)"
      R"("allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":)"
      R"({"name":"c"}},{"type":"function","function":{"name":"a"}}]}})";
  const auto without = [](std::string_view choice, std::string_view text) {
    const std::size_t at = text.find(R"({"type":"function","name":"b"},)");
    std::string made(text);
    if (at != std::string::npos) {
      made.erase(at, 31);
    } else {
      const std::string_view b = R"({"type":"function","function":{"name":"b"}},)";
      made.erase(made.find(b), b.size());
    }
    return made.substr(0, made.find(R"("tool_choice")")) + std::string(choice);
  };
  for (const auto& [asked, more] : {std::pair(kResponses, flat), std::pair(kChat, nested)}) {
    for (const Surface spoken : {kChat, kMessages, kResponses}) {
      if (spoken == asked) continue;
      const Carried made = carry(asked, spoken, body_of(asked, more));
      EXPECT_EQ(made.param, "") << made.message;
      EXPECT_EQ(
          made.out,
          carry(asked, spoken, body_of(asked, without(R"("tool_choice":"required")", more))).out);
      EXPECT_EQ(made.out.find("\"b\""), std::string::npos) << made.out;
    }
  }
  for (const std::string_view wrong :
       {R"({"type":"allowed_tools","mode":"any","tools":[{"type":"function","name":"a"}]})",
        R"({"type":"allowed_tools","mode":"auto","tools":[]})",
        R"({"type":"allowed_tools","mode":"auto","tools":[{"type":"web_search"}]})"}) {
    EXPECT_EQ(
        carry(kResponses, kChat, body_of(kResponses, R"("tool_choice":)" + std::string(wrong)))
            .param,
        "tool_choice")
        << wrong;
  }
}

TEST(Carrying, WhatSaysNothingIsNoHindrance) {
  const std::string plain = carry(kChat, kMessages, body_of(kChat, "")).out;
  for (const std::string_view more :
       {R"("n":1)", R"("frequency_penalty":0)", R"("logprobs":false)", R"("store":false)",
        R"("logit_bias":{})", R"("seed":null)", R"("modalities":["text"])",
        R"("response_format":{"type":"text"})"})
    EXPECT_EQ(carry(kChat, kMessages, body_of(kChat, more)).out, plain) << more;
  EXPECT_EQ(carry(kMessages, kChat, body_of(kMessages, R"("thinking":{"type":"adaptive"})")).out,
            carry(kMessages, kChat, body_of(kMessages, "")).out);
}

TEST(Carrying, MessagesThatHaveNoPlaceAreRefusedWhereTheyStand) {
  struct Case {
    Surface asked;
    Surface spoken;
    std::string_view messages;
    std::string_view param;
  };
  const Case cases[] = {
      {kChat, kMessages, R"([{"role":"user","content":"a"},{"role":"system","content":"b"}])",
       "messages[1]"},
      {kChat, kMessages, R"([{"role":"user","content":"a","name":"n"}])", "messages[0].name"},
      {kChat, kMessages,
       R"([{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"a","format":"wav"}}]}])",
       "messages[0]"},
      {kChat, kMessages,
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b","detail":"low"}}]}])",
       "messages[0]"},
      {kChat, kMessages, R"([{"role":"assistant","content":"a","reasoning_content":"b"}])",
       "messages[0]"},
      {kChat, kMessages,
       R"([{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{"}}]}])",
       "messages[0]"},
      {kChat, kMessages,
       R"([{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"[1]"}}]}])",
       "messages[0]"},
      {kChat, kMessages,
       R"([{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\":1,\"a\":2}"}}]}])",
       "messages[0]"},
      {kMessages, kChat,
       R"([{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"s"}]}])",
       "messages[0].content[0]"},
      {kMessages, kChat,
       R"([{"role":"assistant","content":[{"type":"redacted_thinking","data":"a"}]}])",
       "messages[0].content[0]"},
      {kMessages, kChat,
       R"([{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"a"}}]}]}])",
       "messages[0]"},
      {kMessages, kResponses,
       R"([{"role":"user","content":[{"type":"text","text":"a","citations":[{}]}]}])",
       "messages[0].content[0].citations"},
      {kResponses, kChat, R"([{"type":"reasoning","summary":[],"encrypted_content":"x"}])",
       "input[0].encrypted_content"},
      {kResponses, kChat, R"([{"type":"local_shell_call","call_id":"1","action":{}}])", "input[0]"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.messages);
    const std::string body =
        one.asked == kResponses
            ? fmt::format(R"({{"model":"m","input":{},"max_output_tokens":9}})", one.messages)
            : fmt::format(R"({{"model":"m","messages":{},"max_tokens":9}})", one.messages);
    EXPECT_EQ(carry(one.asked, one.spoken, padded(body)).param, one.param);
  }
}

TEST(Carrying, AResultThatFailedSaysSoInWords) {
  const std::string body = padded(
      R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result",)"
      R"("tool_use_id":"1","is_error":true,"content":"no"}]}]})");
  const std::string chat = carry(kMessages, kChat, body).out;
  EXPECT_NE(chat.find(R"("content":"Error: no")"), std::string::npos) << chat;
  const std::string response = carry(kMessages, kResponses, body).out;
  EXPECT_NE(response.find(R"("output":"Error: no")"), std::string::npos) << response;
}

TEST(Carrying, ResultsOfCallsAtOnceAreOneMessage) {
  const std::string body = padded(
      R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},)"
      R"({"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":""}},)"
      R"({"id":"2","function":{"name":"g","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"1","content":"x"},)"
      R"({"role":"tool","tool_call_id":"2","content":"y"},{"role":"user","content":"b"}]})");
  EXPECT_NE(carry(kChat, kMessages, body)
                .out.find(R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"1",)"
                          R"("content":"x"},{"type":"tool_result","tool_use_id":"2",)"
                          R"("content":"y"},{"type":"text","text":"b"}]})"),
            std::string::npos);
}

// Answers ------------------------------------------------------------------------------------

// What is wrong with a stream; empty: nothing.
std::string fault_of(Surface asked, Surface spoken, const std::string& stream) {
  AnswerTranslator translator;
  translator.start({.asked = asked, .spoken = spoken}, {.id = "a", .model = "m"});
  std::string out;
  const FaultOr<void> carried = translator.feed(stream, out);
  return carried ? "" : carried.error().message;
}
std::string event_of(std::string_view json) { return fmt::format("data: {}\n\n", json); }

TEST(Carrying, AnswersThatHaveNoPlaceAreFaults) {
  const auto chat = [](std::string_view choices) {
    return event_of(fmt::format(R"({{"choices":[{}]}})", choices));
  };
  const auto call = [&](int index, std::string_view name) {
    return chat(fmt::format(
        R"({{"index":0,"delta":{{"tool_calls":[{{"index":{},"id":"1","function":{{"name":"{}",)"
        R"("arguments":""}}}}]}}}})",
        index, name));
  };
  const auto block = [](std::string_view type, std::string_view block) {
    return event_of(fmt::format(
        R"({{"type":"content_block_start","index":0,"content_block":{{"type":"{}"{}}}}})", type,
        block));
  };
  EXPECT_NE(fault_of(kMessages, kChat, event_of("no")), "");
  EXPECT_NE(fault_of(kMessages, kChat, chat(R"({"index":0,"delta":{}},{"index":1,"delta":{}})")),
            "");
  EXPECT_NE(fault_of(kMessages, kChat, chat(R"({"index":1,"delta":{}})")), "");
  EXPECT_NE(fault_of(kMessages, kChat, chat(R"({"index":0,"delta":{"content":["a"]}})")), "");
  EXPECT_NE(fault_of(kMessages, kChat, chat(R"({"index":0,"delta":{"audio":{"id":"x"}}})")), "");
  EXPECT_NE(fault_of(kMessages, kChat, chat(R"({"index":0,"delta":{},"finish_reason":"odd"})")),
            "");
  EXPECT_NE(fault_of(kMessages, kChat, call(0, "")), "");
  EXPECT_NE(fault_of(kMessages, kChat, call(0, "f") + call(1, "g") + call(0, "f")), "");
  EXPECT_EQ(fault_of(kMessages, kChat, call(0, "f") + call(1, "g")), "");
  EXPECT_NE(fault_of(kChat, kMessages, block("server_tool_use", "")), "");
  EXPECT_NE(fault_of(kChat, kMessages, block("text", "") + block("text", "")), "");
  EXPECT_NE(fault_of(kChat, kMessages, event_of(R"({"type":"content_block_stop","index":3})")), "");
  EXPECT_NE(fault_of(kChat, kMessages, event_of(R"({"type":"unheard_of"})")), "");
  EXPECT_NE(fault_of(kChat, kResponses, event_of(R"({"type":"response.unheard_of"})")), "");
  EXPECT_NE(fault_of(kChat, kResponses,
                     event_of(R"({"type":"response.output_text.delta","output_index":0,)"
                              R"("content_index":0,"delta":"a"})")),
            "");
  EXPECT_NE(fault_of(kChat, kResponses,
                     event_of(R"({"type":"response.output_item.added","output_index":0,)"
                              R"("item":{"type":"web_search_call"}})")),
            "");
}

TEST(Carrying, AnEventWithoutEndIsAFault) {
  AnswerTranslator translator;
  translator.start({.asked = kMessages, .spoken = kChat}, {.id = "a", .model = "m"});
  const std::string piece(64 << 10, 'x');
  std::string out;
  FaultOr<void> carried = translator.feed("data: ", out);
  for (int i = 0; i < 32 && carried; ++i) carried = translator.feed(piece, out);
  EXPECT_FALSE(carried);
  EXPECT_EQ(out, "");
}

TEST(Carrying, ACallThatWasCutIsNone) {
  const std::string cut = padded(
      R"({"choices":[{"index":0,"message":{"content":"a","tool_calls":[{"id":"1","function":)"
      R"({"name":"f","arguments":"{\"a\":"}}]},"finish_reason":"length"}]})");
  AnswerTranslator translator;
  std::string out;
  const Passage passage{.asked = kMessages, .spoken = kChat};
  ASSERT_TRUE(translator.whole(passage, {.id = "a", .model = "m"}, cut, out));
  EXPECT_EQ(out.find("tool_use"), std::string::npos) << out;
  EXPECT_NE(out.find(R"("stop_reason":"max_tokens")"), std::string::npos) << out;
}

TEST(Carrying, AnErrorIsToldInTheCallersWords) {
  const auto told = [](Surface asked, Surface spoken, const std::string& stream) {
    AnswerTranslator translator;
    translator.start({.asked = asked, .spoken = spoken}, {.id = "a", .model = "m"});
    std::string out;
    EXPECT_TRUE(translator.feed(stream, out));
    return out;
  };
  const std::string of_chat = event_of(R"({"error":{"type":"server_error","message":"no"}})");
  EXPECT_EQ(told(kMessages, kChat, of_chat),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"server_error\","
            "\"message\":\"no\"}}\n\n");
  const std::string of_messages =
      event_of(R"({"type":"error","error":{"type":"overloaded_error","message":"no"}})");
  EXPECT_NE(told(kChat, kMessages, of_messages).find(R"("type":"overloaded_error")"),
            std::string::npos);
}

TEST(Carrying, WhatHasAPlaceIsNotLeftOut) {
  const std::string body =
      body_of(kMessages, R"("metadata":{"user_id":"u"},"thinking":{"type":"adaptive"})");
  EXPECT_EQ(carry(kMessages, kChat, body, {"metadata", "thinking"}).out,
            carry(kMessages, kChat, body).out);
}

std::string told_of(Surface asked, Surface spoken, const std::string& stream) {
  AnswerTranslator translator;
  translator.start({.asked = asked, .spoken = spoken}, {.id = "a", .model = "m", .input = 9});
  std::string out;
  (void)translator.feed(stream, out);
  return out;
}
std::string whole_of(Surface asked, Surface spoken, const std::string& answer) {
  AnswerTranslator translator;
  std::string out;
  const Passage passage{.asked = asked, .spoken = spoken};
  const auto carried = translator.whole(passage, {.id = "a", .model = "m"}, padded(answer), out);
  return carried ? out : carried.error().message;
}
std::string calls_of(std::string_view calls, std::string_view reason = "tool_calls") {
  return fmt::format(
      R"({{"choices":[{{"index":0,"message":{{"tool_calls":[{}]}},"finish_reason":"{}"}}]}})",
      calls, reason);
}

TEST(Carrying, CallsAreToldApartWhateverTheirIndex) {
  const std::string two = R"({"index":0,"id":"1","function":{"name":"a","arguments":""}},)"
                          R"({"index":0,"id":"2","function":{"name":"b","arguments":"{\"x\":1}"}})";
  for (const Surface asked : {kMessages, kResponses}) {
    const std::string whole = whole_of(asked, kChat, calls_of(two));
    EXPECT_NE(whole.find(R"("name":"a")"), std::string::npos) << whole;
    EXPECT_NE(whole.find(R"("name":"b")"), std::string::npos) << whole;
    const std::string streamed =
        told_of(asked, kChat,
                event_of(fmt::format(R"({{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}})", two)));
    EXPECT_NE(streamed.find(R"("name":"b")"), std::string::npos) << streamed;
  }
  const std::string odd = R"({"index":-1,"function":{"name":"a","arguments":"{}"}})";
  EXPECT_NE(whole_of(kResponses, kChat, calls_of(odd)).find(R"("call_id":"call__0")"),
            std::string::npos);
  EXPECT_NE(fault_of(kResponses, kChat,
                     event_of(R"({"choices":[{"delta":{"content":"x"}}]})") +
                         event_of(fmt::format(
                             R"({{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}})", odd))),
            "");
  // Arguments behind a text are of no call.
  EXPECT_NE(fault_of(kMessages, kChat,
                     event_of(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1",)"
                              R"("function":{"name":"a","arguments":""}}]}}]})") +
                         event_of(R"({"choices":[{"delta":{"content":"x"}}]})") +
                         event_of(R"({"choices":[{"delta":{"tool_calls":[{"index":0,)"
                                  R"("function":{"arguments":"{}"}}]}}]})")),
            "");
}

TEST(Carrying, WhatATranslatorReadBeforeIsForgotten) {
  AnswerTranslator translator;
  std::string out;
  const Passage passage{.asked = kChat, .spoken = kResponses};
  translator.start(passage, {.id = "a", .model = "m"});
  ASSERT_TRUE(translator.feed(event_of(R"({"type":"response.output_item.added","output_index":0,)"
                                       R"("item":{"type":"function_call","name":"f"}})"),
                              out));
  translator.start(passage, {.id = "a", .model = "m"});
  EXPECT_FALSE(translator.feed(event_of(R"({"type":"response.function_call_arguments.delta",)"
                                        R"("output_index":-1,"delta":"{}"})"),
                               out));
}

// A count of ours is nobody's report.
TEST(Carrying, WhatWasThoughtOfTheOutputIsInTheUsage) {
  constexpr std::string_view kUsage =
      R"({"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,)"
      R"("completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":1}})";
  constexpr std::string_view kThought = R"("output_tokens_details":{"thinking_tokens":5})";
  const std::string whole = fmt::format(
      R"({{"choices":[{{"index":0,"message":{{"content":"x"}},"finish_reason":"stop"}}],"usage":{}}})",
      kUsage);
  const std::string told = whole_of(kMessages, kChat, whole);
  EXPECT_NE(told.find(kThought), std::string::npos) << told;
  const std::string stream = fmt::format(
      "data: {}\n\ndata: {{\"choices\":[],\"usage\":{}}}\n\ndata: [DONE]\n\n",
      R"({"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]})", kUsage);
  const std::string streamed = told_of(kMessages, kChat, stream);
  EXPECT_NE(streamed.find(kThought), std::string::npos) << streamed;
  EXPECT_NE(whole_of(kChat, kChat, whole).find(R"("reasoning_tokens":5,"audio_tokens":1)"),
            std::string::npos);
}

TEST(Carrying, UsageThatNobodyToldIsNotMadeUp) {
  const std::string out =
      told_of(kMessages, kChat,
              event_of(R"({"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]})") +
                  "data: [DONE]\n\n");
  struct Sink final : dialects::OutputSink {
    void text(std::int64_t, std::string_view) override {}
  } sink;
  dialects::StreamReader reader;
  reader.start(kMessages, true);
  std::string passed;
  const auto state = reader.feed(out, passed, sink);
  ASSERT_TRUE(state);
  EXPECT_EQ(*state, dialects::StreamState::kFinished);
  EXPECT_FALSE(reader.usage());
}

TEST(Carrying, ACallThatWasCutIsNoneHoweverItCame) {
  const std::string cut =
      event_of(R"({"type":"message_start","message":{"id":"a"}})") +
      event_of(R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use",)"
               R"("id":"1","name":"f","input":{}}})") +
      event_of(R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta",)"
               R"("partial_json":"{\"path\":\"/tm"}})") +
      event_of(R"({"type":"content_block_stop","index":0})") +
      event_of(R"({"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":)"
               R"({"input_tokens":1,"output_tokens":1}})") +
      event_of(R"({"type":"message_stop"})");
  const std::string out = told_of(kResponses, kMessages, cut);
  EXPECT_EQ(out.find("function_call_arguments.done"), std::string::npos) << out;
  EXPECT_NE(out.find("event: response.incomplete"), std::string::npos) << out;
  EXPECT_NE(out.find(R"("output":[])"), std::string::npos) << out;
  const std::string call = R"({"id":"1","function":{"name":"f","arguments":"{\"a"}})";
  EXPECT_NE(whole_of(kResponses, kChat, calls_of(call, "length")).find(R"("output":[])"),
            std::string::npos);
}

TEST(Carrying, WhatCameBeforeAFaultIsTheCallers) {
  const std::string out =
      told_of(kMessages, kChat,
              event_of(R"({"choices":[{"delta":{"content":"paid"}}]})") + event_of("nonsense"));
  EXPECT_NE(out.find("paid"), std::string::npos);
}

TEST(Carrying, AResponseThatFailedEndsOnce) {
  const std::string out =
      told_of(kMessages, kResponses,
              event_of(R"({"type":"response.created","response":{"id":"r"}})") +
                  event_of(R"({"type":"response.failed","response":{"error":{"message":"no"}}})"));
  EXPECT_NE(out.find("event: error"), std::string::npos);
  EXPECT_EQ(out.find("message_stop"), std::string::npos) << out;
}

// Servers that send no pieces of a text send it whole.
TEST(Carrying, WhatComesWithoutPiecesIsToldOnce) {
  AnswerTranslator translator;
  translator.start({.asked = kChat, .spoken = kResponses}, {.id = "a", .model = "m"});
  const std::string stream =
      event_of(R"({"type":"response.created","response":{"id":"r"}})") +
      event_of(
          R"({"type":"response.output_item.added","output_index":0,"item":{"type":"message"}})") +
      event_of(R"({"type":"response.output_text.done","output_index":0,"content_index":0,)"
               R"("text":"all"})") +
      event_of(R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message",)"
               R"("content":[{"type":"output_text","text":"all"}]}})") +
      event_of(R"({"type":"response.completed","response":{"status":"completed"}})");
  std::string out;
  ASSERT_TRUE(translator.feed(stream, out));
  EXPECT_NE(out.find(R"("content":"all")"), std::string::npos) << out;
  EXPECT_EQ(out.find(R"("content":"all")"), out.rfind(R"("content":"all")")) << out;
  EXPECT_TRUE(out.ends_with("data: [DONE]\n\n"));
  const std::string item_alone =
      event_of(R"({"type":"response.created","response":{"id":"r"}})") +
      event_of(R"({"type":"response.output_item.added","output_index":0,)"
               R"("item":{"type":"message"}})") +
      event_of(R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message",)"
               R"("content":[{"type":"output_text","text":"all"}]}})");
  EXPECT_NE(told_of(kChat, kResponses, item_alone).find(R"("content":"all")"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::translation
