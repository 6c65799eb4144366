// What providers and servers say that an answer used, in the forms in which they say it, and what
// that is: all input, cached included; all output, reasoning included.
//
// Sources: the API references of OpenAI, Azure OpenAI, Anthropic and DeepSeek; answers of vLLM
// 0.11, SGLang 0.5, Ollama 0.12, llama.cpp and of Gemini behind its OpenAI-compatible door.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialects/fixture_test.h"
#include "dialects/reply.h"

namespace tollgate::dialects {
namespace {

struct Figures {
  Tokens input = 0;
  Tokens cached = 0;
  Tokens output = 0;
  Tokens reasoning = 0;
  std::optional<Tokens> audio = std::nullopt;
  bool operator==(const Figures&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Figures& of) {
  return out << of.input << '/' << of.cached << '/' << of.output << '/' << of.reasoning << '/'
             << of.audio.value_or(-1);
}

std::optional<Figures> figures(const std::optional<Usage>& usage) {
  if (!usage) return std::nullopt;
  return Figures{usage->input, usage->cached_input, usage->output, usage->reasoning,
                 usage->audio_input};
}

struct Case {
  std::string_view of;
  Surface surface;
  std::string_view usage;
  std::optional<Figures> is;
};

using enum Surface;

const std::vector<Case> kCases{
    {"OpenAI gpt-4o", kChatCompletions,
     R"({"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,"prompt_tokens_details":)"
     R"({"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,)"
     R"("audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}})",
     Figures{1117, 1024, 46, 0, 0}},
    {"OpenAI o-series: reasoning is in the completion", kChatCompletions,
     R"({"prompt_tokens":81,"completion_tokens":1043,"total_tokens":1124,"prompt_tokens_details":)"
     R"({"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":832}})",
     Figures{81, 0, 1043, 832}},
    {"OpenAI gpt-4o-audio", kChatCompletions,
     R"({"prompt_tokens":59,"completion_tokens":20,"total_tokens":79,"prompt_tokens_details":)"
     R"({"cached_tokens":0,"audio_tokens":43,"text_tokens":16}})",
     Figures{59, 0, 20, 0, 43}},
    {"Azure OpenAI", kChatCompletions,
     R"({"completion_tokens":557,"prompt_tokens":33,"total_tokens":590,"completion_tokens_details":)"
     R"({"accepted_prediction_tokens":0,"audio_tokens":0,"reasoning_tokens":0},)"
     R"("prompt_tokens_details":{"audio_tokens":0,"cached_tokens":0}})",
     Figures{33, 0, 557, 0, 0}},
    {"vLLM: details are null", kChatCompletions,
     R"({"prompt_tokens":25,"total_tokens":125,"completion_tokens":100,"prompt_tokens_details":null})",
     Figures{25, 0, 100, 0}},
    {"vLLM with --enable-prompt-tokens-details", kChatCompletions,
     R"({"prompt_tokens":250,"total_tokens":260,"completion_tokens":10,"prompt_tokens_details":)"
     R"({"cached_tokens":240}})",
     Figures{250, 240, 10, 0}},
    {"SGLang: reasoning at the top says no more", kChatCompletions,
     R"({"prompt_tokens":12,"total_tokens":92,"completion_tokens":80,"prompt_tokens_details":null,)"
     R"("reasoning_tokens":60})",
     Figures{12, 0, 80, 0}},
    {"Ollama", kChatCompletions,
     R"({"prompt_tokens":26,"completion_tokens":283,"total_tokens":309})", Figures{26, 0, 283, 0}},
    {"DeepSeek: cached under a name of its own", kChatCompletions,
     R"({"prompt_tokens":1650,"completion_tokens":10,"total_tokens":1660,)"
     R"("prompt_cache_hit_tokens":1600,"prompt_cache_miss_tokens":50,"completion_tokens_details":)"
     R"({"reasoning_tokens":4}})",
     Figures{1650, 1600, 10, 4}},
    {"xAI: reasoning beside the completion", kChatCompletions,
     R"({"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":)"
     R"({"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}})",
     Figures{32, 6, 103, 94}},
    {"Gemini: thoughts are in the total alone", kChatCompletions,
     R"({"completion_tokens":12,"prompt_tokens":8,"total_tokens":520})", Figures{8, 0, 512, 500}},
    {"Completions have no details", kCompletions,
     R"({"prompt_tokens":5,"completion_tokens":7,"total_tokens":12})", Figures{5, 0, 7, 0}},
    {"Embeddings have no output", kEmbeddings, R"({"prompt_tokens":8,"total_tokens":8})",
     Figures{8, 0, 0, 0}},
    {"Ollama's embeddings", kEmbeddings, R"({"prompt_tokens":8,"total_tokens":9})",
     Figures{8, 0, 0, 0}},
    {"Responses", kResponses,
     R"({"input_tokens":328,"input_tokens_details":{"cached_tokens":128},"output_tokens":52,)"
     R"("output_tokens_details":{"reasoning_tokens":30},"total_tokens":380})",
     Figures{328, 128, 52, 30}},
    {"Responses of vLLM", kResponses,
     R"({"input_tokens":14,"input_tokens_details":{"cached_tokens":0,"input_tokens_per_turn":[]},)"
     R"("output_tokens":9,"output_tokens_details":{"reasoning_tokens":3,"tool_output_tokens":0},)"
     R"("total_tokens":23})",
     Figures{14, 0, 9, 3}},
    {"Images", kImages,
     R"({"total_tokens":4210,"input_tokens":50,"output_tokens":4160,"input_tokens_details":)"
     R"({"text_tokens":10,"image_tokens":40}})",
     Figures{50, 0, 4160, 0}},
    {"Anthropic: input is without what was cached", kMessages,
     R"({"input_tokens":21,"cache_creation_input_tokens":188086,"cache_read_input_tokens":100,)"
     R"("cache_creation":{"ephemeral_5m_input_tokens":188000,"ephemeral_1h_input_tokens":86},)"
     R"("output_tokens":393,"service_tier":"standard"})",
     Figures{188207, 100, 393, 0}},
    {"Anthropic without a cache", kMessages, R"({"input_tokens":21,"output_tokens":3})",
     Figures{21, 0, 3, 0}},
    {"Anthropic: caches are null", kMessages,
     R"({"input_tokens":21,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,)"
     R"("output_tokens":3,"server_tool_use":null})",
     Figures{21, 0, 3, 0}},
    // What says nothing, or what cannot be.
    {"nothing", kChatCompletions, "null", std::nullopt},
    {"no output", kChatCompletions, R"({"prompt_tokens":5,"total_tokens":5})", std::nullopt},
    {"more cached than there was", kChatCompletions,
     R"({"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}})",
     std::nullopt},
    {"negative", kChatCompletions, R"({"prompt_tokens":-5,"completion_tokens":1})", std::nullopt},
    {"fractions", kResponses, R"({"input_tokens":1.5,"output_tokens":1})", std::nullopt},
    {"texts", kMessages, R"({"input_tokens":"21","output_tokens":3})", std::nullopt},
};

// An answer of the surface with that usage.
std::string reply_with(Surface surface, std::string_view usage) {
  const std::string told = R"(,"usage":)" + std::string(usage) + "}";
  switch (surface) {
    case kChatCompletions:
      return R"({"choices":[{"index":0,"message":{"role":"assistant","content":"x"}}])" + told;
    case kCompletions:
      return R"({"choices":[{"index":0,"text":"x"}])" + told;
    case kEmbeddings:
      return R"({"data":[{"embedding":[0.5]}])" + told;
    case kResponses:
      return R"({"id":"resp_1","output":[])" + told;
    case kImages:
      return R"({"data":[{"b64_json":"AA=="}])" + told;
    default:
      return R"({"type":"message","content":[])" + told;
  }
}

TEST(UsageGolden, OfWholeAnswers) {
  ReplyReader reader;
  for (const Case& one : kCases) {
    RememberingSink sink;
    const Padded padded(reply_with(one.surface, one.usage));
    const auto read = reader.read(one.surface, padded.view(), sink);
    ASSERT_TRUE(read) << one.of;
    EXPECT_EQ(figures(*read), one.is) << one.of;
  }
}

// The same where it comes with the last chunk of a stream, or the last event.
TEST(UsageGolden, OfStreams) {
  for (const Case& one : kCases) {
    const std::string usage = R"("usage":)" + std::string(one.usage) + "}";
    std::string stream;
    if (one.surface == kChatCompletions || one.surface == kCompletions) {
      stream = R"(data: {"choices":[],)" + usage + "\n\ndata: [DONE]\n\n";
    } else if (one.surface == kResponses) {
      stream = R"(data: {"type":"response.completed","response":{"id":"resp_1","output":[],)" +
               usage + "}\n\n";
    } else {
      continue;
    }
    StreamReader reader;
    reader.start(one.surface, false);
    RememberingSink sink;
    std::string out;
    ASSERT_TRUE(reader.feed(stream, out, sink)) << one.of;
    EXPECT_EQ(figures(reader.usage()), one.is) << one.of;
  }
}

std::optional<Figures> anthropic(std::initializer_list<std::string_view> deltas) {
  StreamReader reader;
  reader.start(kMessages, false);
  RememberingSink sink;
  std::string out;
  std::string stream =
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
      "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":10,"
      "\"cache_read_input_tokens\":5,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10},"
      "\"output_tokens\":1}}}\n\n";
  for (const std::string_view usage : deltas) {
    stream +=
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
        "\"end_turn\"},\"usage\":" +
        std::string(usage) + "}\n\n";
  }
  EXPECT_TRUE(reader.feed(stream, out, sink));
  return figures(reader.usage());
}

// What is told later is of all before, and not more of it.
TEST(UsageGolden, OfAnthropicStreamsIsCumulative) {
  EXPECT_EQ(anthropic({R"({"output_tokens":15})"}), (Figures{40, 5, 15, 0}));
  EXPECT_EQ(anthropic({R"({"output_tokens":15})", R"({"output_tokens":15})"}),
            (Figures{40, 5, 15, 0}))
      << "the same once more";
  EXPECT_EQ(anthropic({R"({"output_tokens":15})", R"({"output_tokens":40})"}),
            (Figures{40, 5, 40, 0}));
  // With a tool of its own the model reads more than it was asked with.
  EXPECT_EQ(anthropic({R"({"input_tokens":10682,"cache_creation_input_tokens":0,)"
                       R"("cache_read_input_tokens":0,"output_tokens":510,"server_tool_use":)"
                       R"({"web_search_requests":1}})"}),
            (Figures{10682, 0, 510, 0}));
  EXPECT_EQ(anthropic({R"({"output_tokens":null})"}), std::nullopt);
}

}  // namespace
}  // namespace tollgate::dialects
