// One conversation in three dialects: each is translated into exactly what the others say, and
// what has no counterpart is refused by its name.
#include "translation/translation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "dialects/reply.h"
#include "dialects/request.h"
#include "dialects/testing_media.h"

namespace tollgate::translation {
namespace {

using dialects::Surface;

constexpr std::array kSurfaces{Surface::kChatCompletions, Surface::kMessages, Surface::kResponses};

std::string padded(std::string text) {
  text.reserve(text.size() + dialects::RequestReader::kPadding);
  return text;
}

// As the writers write it.
std::string request_in(Surface surface) {
  const std::string schema = R"({"type":"object","properties":{"at":{"type":"number"}}})";
  const std::string image = dialects::testing::base64(dialects::testing::png(64, 64));
  if (surface == Surface::kChatCompletions) {
    return fmt::format(
        R"({{"model":"m","messages":[{{"role":"system","content":"Be brief."}},)"
        R"({{"role":"user","content":[{{"type":"text","text":"What is \"this\"?"}},)"
        R"({{"type":"image_url","image_url":{{"url":"data:image/png;base64,{1}"}}}}]}},)"
        R"({{"role":"assistant","content":"Let me look.","tool_calls":[{{"id":"call_1",)"
        R"("type":"function","function":{{"name":"look","arguments":"{{\"at\":1}}"}}}}]}},)"
        R"({{"role":"tool","tool_call_id":"call_1","content":"A cat."}},)"
        R"({{"role":"user","content":"And now?"}}],"tools":[{{"type":"function","function":)"
        R"({{"name":"look","description":"Looks.","parameters":{0},"strict":true}}}}],)"
        R"("tool_choice":{{"type":"function","function":{{"name":"look"}}}},)"
        R"("parallel_tool_calls":false,"response_format":{{"type":"json_schema","json_schema":)"
        R"({{"name":"answer","schema":{0}}}}},"temperature":0.5,"user":"u1",)"
        R"("reasoning_effort":"low","max_tokens":99,"max_completion_tokens":99,"stream":true,)"
        R"("stream_options":{{"include_usage":true}}}})",
        schema, image);
  }
  if (surface == Surface::kMessages) {
    return fmt::format(
        R"({{"model":"m","max_tokens":99,"system":"Be brief.","messages":[)"
        R"({{"role":"user","content":[{{"type":"text","text":"What is \"this\"?"}},)"
        R"({{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{1}"}}}}]}},)"
        R"({{"role":"assistant","content":[{{"type":"text","text":"Let me look."}},)"
        R"({{"type":"tool_use","id":"call_1","name":"look","input":{{"at":1}}}}]}},)"
        R"({{"role":"user","content":[{{"type":"tool_result","tool_use_id":"call_1",)"
        R"("content":"A cat."}},{{"type":"text","text":"And now?"}}]}}],"tools":[)"
        R"({{"name":"look","description":"Looks.","input_schema":{0},"strict":true}}],)"
        R"("tool_choice":{{"type":"tool","name":"look","disable_parallel_tool_use":true}},)"
        R"("metadata":{{"user_id":"u1"}},"temperature":0.5,"output_config":{{"effort":"low",)"
        R"("format":{{"type":"json_schema","schema":{0}}}}},"stream":true}})",
        schema, image);
  }
  return fmt::format(
      R"({{"model":"m","input":[{{"type":"message","role":"system","content":[)"
      R"({{"type":"input_text","text":"Be brief."}}]}},{{"type":"message","role":"user",)"
      R"("content":[{{"type":"input_text","text":"What is \"this\"?"}},{{"type":"input_image",)"
      R"("image_url":"data:image/png;base64,{1}","detail":"auto"}}]}},{{"type":"message",)"
      R"("role":"assistant","content":[{{"type":"output_text","text":"Let me look."}}]}},)"
      R"({{"type":"function_call","call_id":"call_1","name":"look","arguments":"{{\"at\":1}}"}},)"
      R"({{"type":"function_call_output","call_id":"call_1","output":"A cat."}},)"
      R"({{"type":"message","role":"user","content":[{{"type":"input_text","text":"And now?"}}]}}],)"
      R"("tools":[{{"type":"function","name":"look","description":"Looks.","parameters":{0},)"
      R"("strict":true}}],"tool_choice":{{"type":"function","name":"look"}},)"
      R"("parallel_tool_calls":false,"text":{{"format":{{"type":"json_schema","name":"answer",)"
      R"("schema":{0}}}}},"reasoning":{{"effort":"low"}},"temperature":0.5,"user":"u1",)"
      R"("max_output_tokens":99,"stream":true,"store":false}})",
      schema, image);
}

std::string answer_in(Surface surface) {
  if (surface == Surface::kChatCompletions) {
    return R"({"id":"a1","object":"chat.completion","created":1700000000,"model":"m","choices":[)"
           R"({"index":0,"message":{"role":"assistant","content":"It is \"so\".","refusal":null,)"
           R"("reasoning_content":"Hm.","tool_calls":[{"id":"call_1","type":"function",)"
           R"("function":{"name":"look","arguments":"{\"at\":1}"}}]},"logprobs":null,)"
           R"("finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":7,)"
           R"("total_tokens":16,"prompt_tokens_details":{"cached_tokens":4},)"
           R"("completion_tokens_details":{"reasoning_tokens":0}}})";
  }
  if (surface == Surface::kMessages) {
    return R"({"id":"a1","type":"message","role":"assistant","model":"m","content":[)"
           R"({"type":"thinking","thinking":"Hm.","signature":""},)"
           R"({"type":"text","text":"It is \"so\"."},)"
           R"({"type":"tool_use","id":"call_1","name":"look","input":{"at":1}}],)"
           R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":5,)"
           R"("cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":7}})";
  }
  return R"({"id":"a1","object":"response","created_at":1700000000,"status":"completed",)"
         R"("error":null,"incomplete_details":null,"model":"m","output":[{"id":"rs_a1_0",)"
         R"("type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Hm."}]},)"
         R"({"id":"msg_a1_1","type":"message","status":"completed","role":"assistant","content":[)"
         R"({"type":"output_text","text":"It is \"so\".","annotations":[],"logprobs":[]}]},)"
         R"({"id":"fc_a1_2","type":"function_call","status":"completed","call_id":"call_1",)"
         R"("name":"look","arguments":"{\"at\":1}"}],"parallel_tool_calls":true,)"
         R"("tool_choice":"auto","tools":[],"store":false,"usage":{"input_tokens":9,)"
         R"("input_tokens_details":{"cached_tokens":4},"output_tokens":7,)"
         R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":16}})";
}

// The same, piece by piece.
std::string chat_stream() {
  std::string out;
  const auto chunk = [&](std::string_view delta, std::string_view reason = "null") {
    out += fmt::format(
        R"(data: {{"id":"a1","object":"chat.completion.chunk","created":1700000000,"model":"m",)"
        R"("choices":[{{"index":0,"delta":{{{}}},"logprobs":null,"finish_reason":{}}}]}})"
        "\n\n",
        delta, reason);
  };
  chunk(R"("role":"assistant","content":"")");
  chunk(R"("reasoning_content":"Hm.")");
  chunk(R"("content":"It is ")");
  chunk(R"("content":"\"so\".")");
  chunk(R"("tool_calls":[{"index":0,"id":"call_1","type":"function",)"
        R"("function":{"name":"look","arguments":""}}])");
  chunk(R"("tool_calls":[{"index":0,"function":{"arguments":"{\"at\""}}])");
  chunk(R"("tool_calls":[{"index":0,"function":{"arguments":":1}"}}])");
  chunk("", R"("tool_calls")");
  out += R"(data: {"id":"a1","object":"chat.completion.chunk","created":1700000000,"model":"m",)"
         R"("choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,)"
         R"("prompt_tokens_details":{"cached_tokens":4},)"
         R"("completion_tokens_details":{"reasoning_tokens":0}}})"
         "\n\ndata: [DONE]\n\n";
  return out;
}

std::string messages_stream() {
  std::string out;
  const auto event = [&](std::string_view type, std::string_view rest) {
    out += fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",{1}}}\n\n", type, rest);
  };
  event("message_start",
        R"("message":{"id":"a1","type":"message","role":"assistant","model":"m","content":[],)"
        R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,)"
        R"("cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}})");
  const auto delta = [&](int index, std::string_view told) {
    event("content_block_delta", fmt::format(R"("index":{},"delta":{{{}}})", index, told));
  };
  event("content_block_start",
        R"("index":0,"content_block":{"type":"thinking","thinking":"","signature":""})");
  delta(0, R"("type":"thinking_delta","thinking":"Hm.")");
  event("content_block_stop", R"("index":0)");
  event("content_block_start", R"("index":1,"content_block":{"type":"text","text":""})");
  delta(1, R"("type":"text_delta","text":"It is ")");
  delta(1, R"("type":"text_delta","text":"\"so\".")");
  event("content_block_stop", R"("index":1)");
  event("content_block_start",
        R"("index":2,"content_block":{"type":"tool_use","id":"call_1","name":"look","input":{}})");
  delta(2, R"("type":"input_json_delta","partial_json":"{\"at\"")");
  delta(2, R"("type":"input_json_delta","partial_json":":1}")");
  event("content_block_stop", R"("index":2)");
  event("message_delta",
        R"("delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":5,)"
        R"("cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":7})");
  out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
  return out;
}

std::string response_stream() {
  std::string out;
  int sequence = 0;
  const auto event = [&](std::string_view type, std::string_view rest) {
    out += fmt::format(
        "event: response.{0}\ndata: {{\"type\":\"response.{0}\",\"sequence_number\":{1},{2}}}\n\n",
        type, sequence++, rest);
  };
  constexpr std::string_view kBegun =
      R"("response":{"id":"a1","object":"response","created_at":1700000000,"status":"in_progress",)"
      R"("error":null,"incomplete_details":null,"model":"m","output":[],"parallel_tool_calls":true,)"
      R"("tool_choice":"auto","tools":[],"store":false,"usage":null})";
  event("created", kBegun);
  event("in_progress", kBegun);
  event("output_item.added",
        R"("output_index":0,"item":{"id":"rs_a1_0","type":"reasoning","summary":[],"content":[]})");
  constexpr std::string_view kThought =
      R"("item_id":"rs_a1_0","output_index":0,"content_index":0,)";
  const auto thought = [&](std::string_view type, std::string_view rest) {
    event(type, fmt::format("{}{}", kThought, rest));
  };
  thought("content_part.added", R"("part":{"type":"reasoning_text","text":""})");
  thought("reasoning_text.delta", R"("delta":"Hm.")");
  thought("reasoning_text.done", R"("text":"Hm.")");
  thought("content_part.done", R"("part":{"type":"reasoning_text","text":"Hm."})");
  event("output_item.done",
        R"("output_index":0,"item":{"id":"rs_a1_0","type":"reasoning","summary":[],"content":[)"
        R"({"type":"reasoning_text","text":"Hm."}]})");
  event("output_item.added",
        R"("output_index":1,"item":{"id":"msg_a1_1","type":"message","status":"in_progress",)"
        R"("role":"assistant","content":[]})");
  constexpr std::string_view kText = R"("item_id":"msg_a1_1","output_index":1,"content_index":0,)";
  const auto text = [&](std::string_view type, std::string_view rest) {
    event(type, fmt::format("{}{}", kText, rest));
  };
  constexpr std::string_view kPart =
      R"({"type":"output_text","text":"It is \"so\".","annotations":[],"logprobs":[]})";
  text("content_part.added",
       R"("part":{"type":"output_text","text":"","annotations":[],"logprobs":[]})");
  text("output_text.delta", R"("delta":"It is ","logprobs":[])");
  text("output_text.delta", R"("delta":"\"so\".","logprobs":[])");
  text("output_text.done", R"("text":"It is \"so\".","logprobs":[])");
  text("content_part.done", fmt::format(R"("part":{})", kPart));
  event("output_item.done",
        fmt::format(R"("output_index":1,"item":{{"id":"msg_a1_1","type":"message",)"
                    R"("status":"completed","role":"assistant","content":[{}]}})",
                    kPart));
  const auto call = [&](std::string_view type, std::string_view status, std::string_view input) {
    event(type, fmt::format(R"("output_index":2,"item":{{"id":"fc_a1_2","type":"function_call",)"
                            R"("status":"{}","call_id":"call_1","name":"look","arguments":"{}"}})",
                            status, input));
  };
  call("output_item.added", "in_progress", "");
  event("function_call_arguments.delta",
        R"("item_id":"fc_a1_2","output_index":2,"delta":"{\"at\"")");
  event("function_call_arguments.delta", R"("item_id":"fc_a1_2","output_index":2,"delta":":1}")");
  event("function_call_arguments.done",
        R"("item_id":"fc_a1_2","output_index":2,"arguments":"{\"at\":1}")");
  call("output_item.done", "completed", R"({\"at\":1})");
  event("completed", fmt::format(R"("response":{})", answer_in(Surface::kResponses)));
  return out;
}

std::string stream_in(Surface surface) {
  return surface == Surface::kMessages    ? messages_stream()
         : surface == Surface::kResponses ? response_stream()
                                          : chat_stream();
}

constexpr AnswerTerms kTerms{.id = "a1", .model = "m", .created = 1'700'000'000, .input = 9};

class Directions : public testing::TestWithParam<std::tuple<int, int>> {
 protected:
  Surface asked = kSurfaces[static_cast<std::size_t>(std::get<0>(GetParam()))];
  Surface spoken = kSurfaces[static_cast<std::size_t>(std::get<1>(GetParam()))];
  Passage passage{.asked = asked, .spoken = spoken};
};
INSTANTIATE_TEST_SUITE_P(Translation, Directions,
                         testing::Combine(testing::Range(0, 3), testing::Range(0, 3)),
                         [](const auto& tested) {
                           return fmt::format("{}_by_{}",
                                              name_of(kSurfaces[std::get<0>(tested.param)]),
                                              name_of(kSurfaces[std::get<1>(tested.param)]));
                         });

TEST_P(Directions, ARequestIsWhatTheOtherDialectSays) {
  RequestTranslator translator;
  const std::string body = padded(request_in(asked));
  std::string out;
  const Expected<void> carried = translator.translate(passage, body, out);
  ASSERT_TRUE(carried) << carried.error().message;
  EXPECT_EQ(out, request_in(spoken));
}

// Whatever is counted and inspected of it is what goes upstream.
TEST_P(Directions, ARequestHoldsTheSameTextsInBoth) {
  const auto texts_of = [](Surface surface) {
    dialects::RequestReader reader;
    const std::string body = padded(request_in(surface));
    const auto request = reader.read(surface, body);
    std::vector<std::string> texts;
    EXPECT_TRUE(request) << request.error().message;
    if (!request) return texts;
    for (const dialects::Text& text : request->texts)
      if (text.kind == dialects::TextKind::kContent) texts.emplace_back(text.text);
    EXPECT_EQ(request->tools.size(), 1U);
    EXPECT_EQ(request->calls.size(), 1U);
    EXPECT_EQ(request->calls.front().arguments, R"({"at":1})");
    EXPECT_EQ(request->images.size(), 1U);
    EXPECT_EQ(request->output_tokens_asked, 99);
    return texts;
  };
  const auto asked_texts = texts_of(asked);
  for (const std::string& text : texts_of(spoken)) {
    const bool is_there = std::ranges::count(asked_texts, text) > 0;
    EXPECT_TRUE(is_there || text == "call_1") << text;
  }
}

TEST_P(Directions, AWholeAnswerIsWhatTheOtherDialectSays) {
  AnswerTranslator translator;
  std::string out;
  const auto carried = translator.whole(passage, kTerms, padded(answer_in(spoken)), out);
  ASSERT_TRUE(carried) << carried.error().message;
  EXPECT_EQ(out, answer_in(asked));
}

struct Sink final : dialects::OutputSink {
  void text(std::int64_t, std::string_view piece) override { told += piece; }
  std::string told;
};

TEST_P(Directions, AStreamIsWhatTheOtherDialectSaysWhereverItIsCut) {
  AnswerTranslator translator;
  const std::string stream = stream_in(spoken);
  for (const std::size_t size : {stream.size(), std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    translator.start(passage, kTerms);
    std::string out;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      const auto carried = translator.feed(std::string_view(stream).substr(at, size), out);
      ASSERT_TRUE(carried) << carried.error().message;
    }
    EXPECT_EQ(out, stream_in(asked));
  }
}

TEST_P(Directions, WhatIsWrittenIsReadByTheControls) {
  dialects::StreamReader reader;
  reader.start(asked, true);
  Sink sink;
  std::string out;
  const auto state = reader.feed(stream_in(asked), out, sink);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(*state, dialects::StreamState::kFinished);
  ASSERT_TRUE(reader.usage());
  EXPECT_EQ(reader.usage()->input, 9);
  EXPECT_EQ(reader.usage()->cached_input, 4);
  EXPECT_EQ(reader.usage()->output, 7);
  EXPECT_EQ(sink.told, R"(Hm.It is "so".look{"at":1})");
}

}  // namespace
}  // namespace tollgate::translation
