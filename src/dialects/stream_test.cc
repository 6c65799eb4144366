#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "dialects/fixture_test.h"
#include "dialects/reply.h"

namespace tollgate::dialects {
namespace {

// Streams in the form that the providers' references show.
constexpr std::string_view kChat =
    R"(: ping

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{"content":"Hé 😀"},"finish_reason":null}],"obfuscation":"x"}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":1,"delta":{},"finish_reason":"tool_calls"}]}

)";
constexpr std::string_view kChatUsage =
    R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}}

)";
constexpr std::string_view kDone = "data: [DONE]\n\n";

constexpr std::string_view kMessageBegin =
    R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

)";
constexpr std::string_view kMessageEnd =
    R"(event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":21}}

event: message_stop
data: {"type":"message_stop"}

)";

struct Passed {
  std::string out;
  std::map<std::int64_t, std::string> told;
  std::optional<Usage> usage;
  bool finished = false;
  bool broken = false;

  friend bool operator==(const Passed& a, const Passed& b) {
    const auto same_usage = [](const std::optional<Usage>& x, const std::optional<Usage>& y) {
      if (!x || !y) return !x && !y;
      return x->input == y->input && x->output == y->output && x->cached_input == y->cached_input;
    };
    return a.out == b.out && a.told == b.told && same_usage(a.usage, b.usage) &&
           a.finished == b.finished && a.broken == b.broken;
  }
};

enum class UsageAsked : std::uint8_t { kNo, kYes };

// Feeds the pieces of `stream` between the `cuts`.
Passed pass(StreamReader& reader, Surface surface, UsageAsked asked, std::string_view stream,
            const std::vector<std::size_t>& cuts = {}) {
  reader.start(surface, asked == UsageAsked::kYes);
  Passed passed;
  RememberingSink sink;
  std::size_t at = 0;
  for (std::size_t i = 0; i <= cuts.size() && !passed.broken; ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : stream.size();
    const auto fed = reader.feed(stream.substr(at, end - at), passed.out, sink);
    at = end;
    passed.broken = !fed;
    passed.finished = fed && *fed == StreamState::kFinished;
  }
  passed.told = sink.told;
  passed.usage = reader.usage();
  return passed;
}

using Told = std::map<std::int64_t, std::string>;

std::string joined(std::initializer_list<std::string_view> pieces) {
  std::string all;
  for (const std::string_view piece : pieces) all += piece;
  return all;
}

TEST(Stream, HandsOnAChatAndHidesUsageNotAskedFor) {
  const std::string stream = joined({kChat, kChatUsage, kDone, "data: late\n\n"});
  StreamReader reader;
  const Passed hidden = pass(reader, Surface::kChatCompletions, UsageAsked::kNo, stream);
  EXPECT_EQ(hidden.out, joined({kChat, kDone}));
  EXPECT_EQ(hidden.told, (Told{{0, "hmHé 😀"}, {1, "f{\"a\":"}}));
  ASSERT_TRUE(hidden.usage);
  EXPECT_EQ(hidden.usage->input, 12);
  EXPECT_EQ(hidden.usage->output, 7);
  EXPECT_TRUE(hidden.finished);
  EXPECT_TRUE(reader.begun());
  EXPECT_FALSE(reader.failed());
  const Passed shown = pass(reader, Surface::kChatCompletions, UsageAsked::kYes, stream);
  EXPECT_EQ(shown.out, joined({kChat, kChatUsage, kDone}));
}

TEST(Stream, HandsOnMessagesUntouchedAndAddsUpTheirUsage) {
  const std::string stream = joined({kMessageBegin, kMessageEnd});
  StreamReader reader;
  const Passed passed = pass(reader, Surface::kMessages, UsageAsked::kNo, stream);
  EXPECT_EQ(passed.out, stream);
  EXPECT_EQ(passed.told, (Told{{0, "hmf{\"a\":"}}));
  ASSERT_TRUE(passed.usage);
  EXPECT_EQ(passed.usage->input, 15);
  EXPECT_EQ(passed.usage->cached_input, 3);
  EXPECT_EQ(passed.usage->output, 21);
  EXPECT_TRUE(passed.finished);
}

TEST(Stream, HasNoUsageBeforeItIsComplete) {
  StreamReader reader;
  EXPECT_FALSE(pass(reader, Surface::kMessages, UsageAsked::kNo, kMessageBegin).usage);
  EXPECT_FALSE(pass(reader, Surface::kChatCompletions, UsageAsked::kNo, kChat).usage);
  constexpr std::string_view kRunning =
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],"
      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n";
  EXPECT_FALSE(pass(reader, Surface::kChatCompletions, UsageAsked::kNo, kRunning).usage);
}

std::string chunk_of(int index, std::string_view finish, std::string_view usage) {
  return fmt::format(
      "data: "
      "{{\"choices\":[{{\"index\":{},\"delta\":{{\"content\":\"a\"}},\"finish_reason\":{}}}]{}}}"
      "\n\n",
      index, finish, usage);
}

// A choice may end, its usage beside it, before another one begins.
TEST(Stream, TakesUsageBesideAChoiceOnlyAtTheEnd) {
  constexpr std::string_view kOne = R"(,"usage":{"prompt_tokens":5,"completion_tokens":1})";
  constexpr std::string_view kTwo = R"(,"usage":{"prompt_tokens":5,"completion_tokens":2})";
  const std::string first = chunk_of(0, "\"stop\"", kOne);
  const std::string second = chunk_of(1, "null", "");
  const std::string last = chunk_of(1, "\"stop\"", kTwo);
  StreamReader reader;
  const auto usage_of = [&](std::initializer_list<std::string_view> events) {
    return pass(reader, Surface::kChatCompletions, UsageAsked::kNo, joined(events)).usage;
  };
  EXPECT_FALSE(usage_of({first}));
  EXPECT_FALSE(usage_of({first, second}));
  EXPECT_FALSE(usage_of({first, second, last}));
  EXPECT_FALSE(usage_of({first, second, kDone}));
  // A chunk of usage alone speaks of what came before it, and of nothing after it.
  EXPECT_TRUE(usage_of({first, kChatUsage}));
  EXPECT_FALSE(usage_of({first, kChatUsage, second}));
  const auto told = usage_of({first, second, last, kDone});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->output, 2);
}

std::string with_line_ends(std::string_view stream, std::string_view line_end) {
  std::string changed;
  for (const char c : stream) {
    if (c == '\n') {
      changed += line_end;
    } else {
      changed.push_back(c);
    }
  }
  return changed;
}

// The line ends of the standard, a mark at the begin, data of several lines.
std::vector<std::string> awkward_streams() {
  std::vector<std::string> streams;
  const std::string chat = joined({kChat, kChatUsage, kDone});
  for (const std::string_view line_end : {"\n", "\r\n", "\r"})
    streams.push_back(with_line_ends(chat, line_end));
  streams.push_back("\xef\xbb\xbf" + chat);
  streams.push_back(
      "data: {\"choices\":[{\"index\":0,\ndata\ndata:\"delta\":{\"content\":\"x\"}}]}\r\r" +
      with_line_ends(kChatUsage, "\r\n") + "data:[DONE]\r\n\r\n");
  streams.push_back("id: 1\nretry: 5\n\n\n\n" + chat);
  streams.push_back("data: {\"choices\":1}\n\n" + chat);
  streams.push_back("data: {broken\n\n" + chat);
  return streams;
}

TEST(Stream, IsTheSameWhereverItIsCut) {
  StreamReader reader;
  for (const UsageAsked asked : {UsageAsked::kNo, UsageAsked::kYes}) {
    for (const std::string& stream : awkward_streams()) {
      const Passed whole = pass(reader, Surface::kChatCompletions, asked, stream);
      EXPECT_EQ(whole.broken, stream.find("{broken") != stream.npos ||
                                  stream.find("\"choices\":1}") != stream.npos);
      for (std::size_t cut = 0; cut <= stream.size(); ++cut)
        ASSERT_EQ(pass(reader, Surface::kChatCompletions, asked, stream, {cut}), whole) << cut;
      std::vector<std::size_t> all(stream.size());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
      ASSERT_EQ(pass(reader, Surface::kChatCompletions, asked, stream, all), whole);
    }
  }
  const std::string messages = joined({kMessageBegin, kMessageEnd});
  const Passed whole = pass(reader, Surface::kMessages, UsageAsked::kNo, messages);
  for (std::size_t cut = 0; cut <= messages.size(); ++cut)
    ASSERT_EQ(pass(reader, Surface::kMessages, UsageAsked::kNo, messages, {cut}), whole) << cut;
}

// Any mixture of events, cut at any places.
TEST(Stream, IsTheSameForAnyHistoryOfPieces) {
  std::mt19937_64 random{5};
  const std::string_view events[] = {kChat,
                                     kChatUsage,
                                     ": c\n\n",
                                     "event: x\r\n\r\n",
                                     "\n",
                                     "\r",
                                     "data: {\"choices\":[{\"text\":\"t\"}]}\r\r",
                                     "data:\n\n"};
  StreamReader reader;
  for (int step = 0; step < 500; ++step) {
    SCOPED_TRACE(step);
    std::string stream;
    for (std::uint64_t i = 0, n = 1 + random() % 6; i < n; ++i)
      stream += events[random() % std::size(events)];
    if (random() % 2 == 0) stream += kDone;
    const Passed whole = pass(reader, Surface::kChatCompletions, UsageAsked::kNo, stream);
    std::vector<std::size_t> cuts;
    for (std::uint64_t i = 0, n = random() % 20; i < n; ++i)
      cuts.push_back(random() % (stream.size() + 1));
    std::ranges::sort(cuts);
    ASSERT_EQ(pass(reader, Surface::kChatCompletions, UsageAsked::kNo, stream, cuts), whole);
  }
}

constexpr Usage kCounted{.input = 8, .cached_input = 2, .output = 5, .reasoning = 1};

std::string ended_after(Surface surface, UsageAsked asked, std::string_view stream,
                        Ending ending = Ending::kLength) {
  StreamReader reader;
  pass(reader, surface, asked, stream);
  std::string out;
  reader.end(ending, kCounted, out);
  return out;
}

TEST(Stream, EndsEachOpenChoiceOfAChat) {
  // Cut in the tool call of choice 1, with choice 0 open as well.
  const std::size_t cut = kChat.find("data: ", kChat.find("\\\"a\\\":"));
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kYes, kChat.substr(0, cut)),
            R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m",)"
            R"("choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]})"
            "\n\n"
            R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m",)"
            R"("choices":[{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}]})"
            "\n\n"
            R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":17,"model":"m",)"
            R"("choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13,)"
            R"("prompt_tokens_details":{"cached_tokens":2},)"
            R"("completion_tokens_details":{"reasoning_tokens":1}}})"
            "\n\ndata: [DONE]\n\n");
}

TEST(Stream, EndsAChatAtAnyPoint) {
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kNo, "", Ending::kRefused),
            R"(data: {"id":"tollgate","object":"chat.completion.chunk","created":0,"model":"",)"
            R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)"
            R"("finish_reason":"content_filter"}]})"
            "\n\ndata: [DONE]\n\n");
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kNo, kChat), kDone);
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kYes, joined({kChat, kChatUsage})),
            kDone);
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kNo, joined({kChat, kDone})), "");
  EXPECT_EQ(ended_after(Surface::kCompletions, UsageAsked::kNo,
                        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"text\":\"a\"}]}\n\n"),
            R"(data: {"id":"c","object":"text_completion","created":0,"model":"",)"
            R"("choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]})"
            "\n\ndata: [DONE]\n\n");
  // What follows a broken event is the ending, after what was whole.
  EXPECT_EQ(ended_after(Surface::kChatCompletions, UsageAsked::kNo, joined({kChat, "data: {\n\n"})),
            kDone);
}

TEST(Stream, EndsMessagesAtAnyPoint) {
  EXPECT_EQ(ended_after(Surface::kMessages, UsageAsked::kNo, kMessageBegin),
            "event: content_block_stop\n"
            "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
            "event: message_delta\n"
            "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\","
            "\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\n"
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
  const std::string nothing =
      ended_after(Surface::kMessages, UsageAsked::kNo, "", Ending::kRefused);
  EXPECT_TRUE(nothing.starts_with("event: message_start\n"));
  EXPECT_NE(nothing.find("\"stop_reason\":\"refusal\""), std::string::npos);
  const std::size_t last = kMessageEnd.find("event: message_stop");
  EXPECT_EQ(ended_after(Surface::kMessages, UsageAsked::kNo,
                        joined({kMessageBegin, kMessageEnd.substr(0, last)})),
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
  EXPECT_EQ(ended_after(Surface::kMessages, UsageAsked::kNo, joined({kMessageBegin, kMessageEnd})),
            "");
}

// An ending is a stream that the reader itself takes for complete, wherever it begins.
// The event that is held back may be the one that told the finish.
TEST(Stream, EndsWhatAnEventThatIsTakenBackHadFinished) {
  StreamReader reader;
  pass(reader, Surface::kChatCompletions, UsageAsked::kNo,
       "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
       "\"much\"},\"finish_reason\":\"stop\"}]}\n\n");
  reader.take_back_last_event();
  std::string out;
  reader.end(Ending::kLength, {}, out);
  EXPECT_NE(out.find("\"finish_reason\":\"length\""), std::string::npos) << out;

  pass(reader, Surface::kMessages, UsageAsked::kNo,
       "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n"
       "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
       "\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n");
  reader.take_back_last_event();
  out.clear();
  reader.end(Ending::kLength, {}, out);
  EXPECT_NE(out.find("\"stop_reason\":\"max_tokens\""), std::string::npos) << out;
  EXPECT_EQ(out.find("message_start"), std::string::npos) << out;
}

TEST(Stream, NamesTheModelThatWasAskedWhereTheUpstreamNamedNone) {
  StreamReader reader;
  for (const Surface surface : {Surface::kChatCompletions, Surface::kMessages}) {
    reader.start(surface, false, "small");
    std::string out;
    reader.end(Ending::kLength, {}, out);
    EXPECT_NE(out.find("\"model\":\"small\""), std::string::npos) << out;
  }
}

TEST(Stream, WritesEndingsThatReadAsFinished) {
  for (const Surface surface : {Surface::kChatCompletions, Surface::kMessages}) {
    const std::string stream = surface == Surface::kMessages ? joined({kMessageBegin, kMessageEnd})
                                                             : joined({kChat, kChatUsage, kDone});
    for (std::size_t cut = 0; cut <= stream.size(); cut += 7) {
      SCOPED_TRACE(cut);
      StreamReader reader;
      Passed passed = pass(reader, surface, UsageAsked::kYes, stream.substr(0, cut));
      reader.end(Ending::kLength, kCounted, passed.out);
      const Passed again = pass(reader, surface, UsageAsked::kYes, passed.out);
      EXPECT_TRUE(again.finished);
      EXPECT_FALSE(again.broken);
      EXPECT_TRUE(again.usage);
      EXPECT_EQ(again.told, passed.told);
    }
  }
}

TEST(Stream, TellsAnErrorOfTheUpstreamAndWritesOurs) {
  StreamReader reader;
  constexpr std::string_view kOpenAiError = "data: {\"error\":{\"message\":\"boom\"}}\n\n";
  EXPECT_EQ(pass(reader, Surface::kChatCompletions, UsageAsked::kNo, kOpenAiError).out,
            kOpenAiError);
  EXPECT_TRUE(reader.failed());
  EXPECT_FALSE(reader.begun());
  pass(reader, Surface::kMessages, UsageAsked::kNo,
       "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n");
  EXPECT_TRUE(reader.failed());

  std::string out;
  pass(reader, Surface::kMessages, UsageAsked::kNo, "");
  EXPECT_FALSE(reader.failed());
  reader.fail("{\"type\":\"error\"}", out);
  EXPECT_EQ(out, "event: error\ndata: {\"type\":\"error\"}\n\n");
  out.clear();
  pass(reader, Surface::kChatCompletions, UsageAsked::kNo, "");
  reader.fail("{\"error\":{}}", out);
  EXPECT_EQ(out, "data: {\"error\":{}}\n\n");
}

TEST(Stream, HoldsNoEventLongerThanItsBound) {
  StreamReader reader;
  const std::string long_comment =
      ":" + std::string(static_cast<std::size_t>(StreamReader::kEventBytesMax), 'x');
  EXPECT_TRUE(pass(reader, Surface::kMessages, UsageAsked::kNo, long_comment).broken);
  EXPECT_TRUE(pass(reader, Surface::kMessages, UsageAsked::kNo, long_comment + "\n\n").broken);
  EXPECT_TRUE(pass(reader, Surface::kMessages, UsageAsked::kNo, long_comment, {10, 900}).broken);
  EXPECT_FALSE(
      pass(reader, Surface::kMessages, UsageAsked::kNo, long_comment.substr(0, 1 << 19)).broken);
}

}  // namespace
}  // namespace tollgate::dialects
