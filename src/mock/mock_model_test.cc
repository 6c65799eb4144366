// The mock tells the truth: what it reports is what it sends, unless it was asked to lie.
#include "mock/mock_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dialects/framing.h"
#include "dialects/reply.h"
#include "pipeline/testing_caller.h"

namespace tollgate::mock {
namespace {

using dialects::Surface;
using pipeline::testing::Ask;
using pipeline::testing::Caller;

const tokens::Vocabulary& vocabulary() {
  static const auto loaded = tokens::Vocabulary::load("o200k_base", TOLLGATE_VOCABULARIES);
  CHECK(loaded.has_value());
  return **loaded;
}

class Text final : public dialects::OutputSink {
 public:
  void text(std::int64_t choice, std::string_view piece) override {
    if (choices.size() <= static_cast<std::size_t>(choice)) {
      choices.resize(static_cast<std::size_t>(choice) + 1);
    }
    choices[static_cast<std::size_t>(choice)] += piece;
  }
  Tokens tokens() const {
    tokens::Counter counter(vocabulary());
    Tokens sum = 0;
    for (const std::string& choice : choices) sum += counter.count(choice);
    return sum;
  }
  std::vector<std::string> choices;
};

struct Told {
  Text text;
  std::optional<dialects::Usage> usage;
};

class Mock : public ::testing::Test {
 protected:
  std::unique_ptr<Caller> ask(std::string target, std::string body, const Policy& policy = {}) {
    Ask asked;
    asked.target = std::move(target);
    asked.body = std::move(body);
    auto caller = std::make_unique<Caller>(asked, story_);
    MockModel mock(loop_, vocabulary(), policy, stats);
    start(mock.serve(*caller));
    return caller;
  }

  static Told read_whole(Surface surface, const Caller& caller) {
    Told told;
    dialects::ReplyReader reader;
    std::string body = caller.text;
    const std::size_t size = body.size();
    body.append(dialects::RequestReader::kPadding, '\0');
    const auto usage = reader.read(surface, {body.data(), size}, told.text);
    EXPECT_TRUE(usage) << caller.text;
    if (usage) told.usage = *usage;
    return told;
  }
  static Told read_stream(Surface surface, const Caller& caller) {
    Told told;
    dialects::StreamReader reader;
    reader.start(surface, true);
    std::string out;
    const auto state = reader.feed(caller.text, out, told.text);
    EXPECT_TRUE(state);
    EXPECT_EQ(*state, dialects::StreamState::kFinished);
    told.usage = reader.usage();
    return told;
  }

  net::Loop loop_;
  pipeline::testing::Story story_;
  Stats stats;
};

struct Form {
  Surface surface;
  std::string_view target;
  std::string_view body;  // Ends before the closing brace.
};
constexpr Form kForms[] = {
    {Surface::kChatCompletions, "/v1/chat/completions",
     R"({"model":"m","stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Write 37 words"}])"},
    {Surface::kCompletions, "/v1/completions",
     R"({"model":"m","stream_options":{"include_usage":true},"prompt":"Write 37 words")"},
    {Surface::kMessages, "/v1/messages",
     R"({"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"Write 37 words"}])"},
};

std::string with_stream(std::string_view body) { return std::string(body) + ",\"stream\":true}"; }

// Options of streams belong to streams alone.
std::string whole(std::string_view body) {
  std::string text(body);
  constexpr std::string_view kOptions = R"("stream_options":{"include_usage":true},)";
  if (const std::size_t at = text.find(kOptions); at != std::string::npos) {
    text.erase(at, kOptions.size());
  }
  return text + "}";
}

TEST_F(Mock, ReportsExactlyWhatItSendsWholeAndStreamed) {
  tokens::Counter counter(vocabulary());
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.target);
    const Told told = read_whole(form.surface, *ask(std::string(form.target), whole(form.body)));
    ASSERT_TRUE(told.usage);
    EXPECT_EQ(told.usage->output, 37);
    EXPECT_EQ(told.text.tokens(), 37);
    EXPECT_GT(told.usage->input, counter.count("Write 37 words"));

    const auto streamed = ask(std::string(form.target), with_stream(form.body));
    EXPECT_EQ(streamed->content_type, "text/event-stream");
    const Told again = read_stream(form.surface, *streamed);
    ASSERT_TRUE(again.usage);
    EXPECT_EQ(again.usage->output, 37);
    EXPECT_EQ(again.usage->input, told.usage->input);
    EXPECT_EQ(again.text.choices, told.text.choices);
  }
  EXPECT_EQ(stats.requests, 6);
  EXPECT_EQ(stats.streams, 3);
  EXPECT_EQ(stats.output_tokens, 6 * 37);
}

TEST_F(Mock, CountsTheInputAsThePublishedFormulaDoes) {
  const auto caller = ask("/v1/chat/completions",
                          R"({"model":"m","messages":[{"role":"user","content":"Hello there"}]})");
  // Three tokens a message and three for the reply, around "user" and "Hello there".
  EXPECT_EQ(read_whole(Surface::kChatCompletions, *caller).usage->input, 9);
}

TEST_F(Mock, IsAnMcpServerToo) {
  const std::string list = R"({"jsonrpc":"2.0","id":"a","method":"tools/list"})";
  const auto honest = ask("/mcp", list);
  EXPECT_EQ(honest->status, 200);
  EXPECT_NE(honest->text.find(R"("id":"a")"), std::string::npos);
  EXPECT_NE(honest->text.find("search_docs"), std::string::npos);
  EXPECT_EQ(honest->text.find("add_numbers"), std::string::npos);
  EXPECT_NE(ask("/mcp", list, {.fail = Fail::kLeak})->text.find("add_numbers"), std::string::npos);
  const auto call = ask("/mcp", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)"
                                R"({"name":"get_weather","arguments":{}}})");
  EXPECT_NE(call->text.find(R"("isError":false)"), std::string::npos) << call->text;
  EXPECT_EQ(ask("/mcp", R"({"jsonrpc":"2.0","method":"notifications/initialized"})")->status, 202);
  EXPECT_EQ(ask("/mcp", "{")->status, 400);
}

TEST_F(Mock, ObeysTheLastNumberAndTheCap) {
  struct Case {
    std::string_view content;
    std::string_view cap;
    Tokens output;
    std::string_view finish;
  };
  for (const Case& each : {Case{"Of 3 things name 5", "", 5, "stop"},
                           Case{"Write 50", ",\"max_tokens\":7", 7, "length"},
                           Case{"no number", "", 48, "stop"}, Case{"Write 0", "", 48, "stop"},
                           Case{"Write 99999999999999999999", ",\"max_tokens\":9", 9, "length"}}) {
    SCOPED_TRACE(each.content);
    const auto caller = ask("/v1/chat/completions",
                            R"({"model":"m","messages":[{"role":"user","content":")" +
                                std::string(each.content) + "\"}]" + std::string(each.cap) + "}");
    const Told told = read_whole(Surface::kChatCompletions, *caller);
    EXPECT_EQ(told.text.tokens(), each.output);
    EXPECT_NE(caller->text.find("\"finish_reason\":\"" + std::string(each.finish) + "\""),
              std::string::npos);
  }
}

TEST_F(Mock, MakesAsManyChoicesAsAsked) {
  const auto caller =
      ask("/v1/chat/completions",
          R"({"model":"m","n":3,"messages":[{"role":"user","content":"Write 4"}]})");
  const Told told = read_whole(Surface::kChatCompletions, *caller);
  EXPECT_EQ(told.text.choices.size(), 3U);
  EXPECT_EQ(told.usage->output, 12);
  EXPECT_EQ(told.text.tokens(), 12);
}

TEST_F(Mock, CallsTheFirstToolUntilOneHasAnswered) {
  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","required":["city"]}}}])";
  const std::string asked =
      R"({"model":"m",)" + tools + R"(,"messages":[{"role":"user","content":"Weather?"})";
  const auto call = ask("/v1/chat/completions", asked + "]}");
  EXPECT_NE(call->text.find("\"finish_reason\":\"tool_calls\""), std::string::npos) << call->text;
  EXPECT_NE(call->text.find(R"({\"city\":\"example\"})"), std::string::npos) << call->text;
  const Told told = read_whole(Surface::kChatCompletions, *call);
  tokens::Counter counter(vocabulary());
  EXPECT_EQ(told.usage->output,
            counter.count("get_weather") + counter.count(R"({"city":"example"})"));

  const auto streamed = ask("/v1/chat/completions", asked + "],\"stream\":true}");
  EXPECT_EQ(read_stream(Surface::kChatCompletions, *streamed).text.choices, told.text.choices);

  const auto answer = ask(
      "/v1/chat/completions",
      asked +
          R"(,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"sunny"}]})");
  EXPECT_NE(answer->text.find("\"finish_reason\":\"stop\""), std::string::npos) << answer->text;

  const auto anthropic = ask(
      "/v1/messages",
      R"({"model":"m","max_tokens":99,"tools":[{"name":"look","input_schema":{"type":"object","required":["q"]}}],"messages":[{"role":"user","content":"x"}]})");
  EXPECT_NE(anthropic->text.find("\"stop_reason\":\"tool_use\""), std::string::npos);
  EXPECT_NE(anthropic->text.find(R"("input":{"q":"example"})"), std::string::npos);

  const auto answered = ask(
      "/v1/messages",
      R"({"model":"m","max_tokens":99,"tools":[{"name":"look","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"look","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"seen"}]}]})");
  EXPECT_NE(answered->text.find("\"stop_reason\":\"end_turn\""), std::string::npos)
      << answered->text;
}

TEST_F(Mock, EmbedsEachInput) {
  const auto caller = ask("/v1/embeddings", R"({"model":"m","input":["a","b","c"]})");
  EXPECT_EQ(caller->status, 200);
  EXPECT_NE(caller->text.find("\"index\":2"), std::string::npos);
  EXPECT_EQ(caller->text.find("\"index\":3"), std::string::npos);
  EXPECT_EQ(read_whole(Surface::kEmbeddings, *caller).usage->output, 0);
}

TEST_F(Mock, MisbehavesAsAsked) {
  const std::string body = whole(kForms[0].body);
  const auto with = [&](Fail fail, const std::string& text) {
    Policy policy;
    policy.fail = fail;
    return ask("/v1/chat/completions", text, policy);
  };
  EXPECT_EQ(with(Fail::kStatus500, body)->status, 500);
  EXPECT_EQ(with(Fail::kStatus429, body)->status, 429);
  EXPECT_EQ(with(Fail::kStatus401, body)->status, 401);
  EXPECT_NE(with(Fail::kGarbage, body)->text.find("<html>"), std::string::npos);

  const auto cut = with(Fail::kCut, body);
  EXPECT_TRUE(cut->answered());
  EXPECT_FALSE(cut->complete());
  const auto cut_stream = with(Fail::kCut, with_stream(kForms[0].body));
  EXPECT_FALSE(cut_stream->complete());
  EXPECT_GT(cut_stream->pieces.size(), 10U);

  const Told low = read_whole(Surface::kChatCompletions, *with(Fail::kLieLow, body));
  EXPECT_EQ(low.usage->output, 1);
  EXPECT_EQ(low.text.tokens(), 37);
  const Told high = read_whole(Surface::kChatCompletions, *with(Fail::kLieHigh, body));
  EXPECT_EQ(high.usage->output, 37'000);
  EXPECT_EQ(high.text.tokens(), 37);

  const auto leaking = with(Fail::kLeak, with_stream(kForms[0].body));
  EXPECT_NE(leaking->text.find("Q3EG"), std::string::npos);
  EXPECT_EQ(leaking->text.find("Q3EGRS5W"), std::string::npos) << "in parts";

  const auto over =
      with(Fail::kOverrun,
           R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Write 2"}]})");
  EXPECT_EQ(read_whole(Surface::kChatCompletions, *over).text.tokens(), 50);
}

TEST_F(Mock, ReportsNoUsageWhereItWasToldNotTo) {
  Policy policy;
  policy.reports_usage = false;
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.target);
    EXPECT_FALSE(
        read_whole(form.surface, *ask(std::string(form.target), whole(form.body), policy)).usage);
    EXPECT_FALSE(
        read_stream(form.surface, *ask(std::string(form.target), with_stream(form.body), policy))
            .usage);
  }
}

TEST_F(Mock, RefusesWhatItCannotRead) {
  EXPECT_EQ(ask("/v1/chat/completions", "{")->status, 400);
  EXPECT_EQ(ask("/v1/nothing", "{}")->status, 404);
  EXPECT_EQ(ask("/v1/models", "")->status, 200);
}

TEST_F(Mock, TellsWhatItServed) {
  (void)ask("/v1/messages", whole(kForms[2].body));
  const auto caller = ask("/mock/stats", "");
  EXPECT_NE(caller->text.find(R"("requests":1,"streams":0,"cancelled":0)"), std::string::npos);
  EXPECT_NE(caller->text.find(R"("output_tokens":37)"), std::string::npos) << caller->text;
}

TEST(MockFails, HaveANameEach) {
  EXPECT_EQ(fail_names().size(), 11U);
  for (const std::string_view name : fail_names()) EXPECT_TRUE(fail_named(name)) << name;
  EXPECT_EQ(fail_named("lie-low"), Fail::kLieLow);
  EXPECT_FALSE(fail_named("sometimes"));
}

// Whoever tries an agent says in his prompt what it is to do.
TEST_F(Mock, CallsWhatThePromptAsksForInItsOrder) {
  constexpr std::string_view kTools =
      R"("tools":[{"type":"function","name":"read"},{"type":"function","name":"run"}])";
  const auto body = [&](std::string_view prompt, std::string_view more) {
    return fmt::format(R"({{"model":"m",{},"input":[{{"role":"user","content":"{}"}}{}]}})", kTools,
                       prompt, more);
  };
  constexpr std::string_view kAnswered =
      R"(,{"type":"function_call","call_id":"c","name":"run","arguments":"{}"},)"
      R"({"type":"function_call_output","call_id":"c","output":"done"})";
  constexpr std::string_view kTwo =
      R"(First. Call run with {\"cmd\": \"echo }\", \"n\": {}}, then Call read with {\"p\":1}.)";
  const auto first = ask("/v1/responses", body(kTwo, {}));
  EXPECT_NE(first->text.find(R"("name":"run","arguments":"{\"cmd\": \"echo }\", \"n\": {}}")"),
            std::string::npos)
      << first->text;
  const auto second = ask("/v1/responses", body(kTwo, kAnswered));
  EXPECT_NE(second->text.find(R"("name":"read","arguments":"{\"p\":1}")"), std::string::npos)
      << second->text;
  const auto ended = ask("/v1/responses", body("Call run with {}", kAnswered));
  EXPECT_EQ(ended->text.find(R"("type":"function_call")"), std::string::npos) << ended->text;
  // What is no tool here, or no JSON, is no call that was asked for: the first tool is.
  for (const std::string_view prompt :
       {"Call nobody with {}", "Call run with {", "Call run with {a}", "Call run"}) {
    const auto other = ask("/v1/responses", body(prompt, {}));
    EXPECT_NE(other->text.find(R"("name":"read")"), std::string::npos) << prompt;
  }
}

TEST_F(Mock, CallsACustomToolWithAText) {
  constexpr std::string_view kBody =
      R"({"model":"m","stream":STREAM,"tools":[{"type":"custom","name":"exec"}],"input":)"
      R"("Call exec with \"say(\\\"hi\\\")\"."})";
  for (const bool streamed : {false, true}) {
    std::string body(kBody);
    body.replace(body.find("STREAM"), 6, streamed ? "true" : "false");
    const auto caller = ask("/v1/responses", body);
    EXPECT_NE(caller->text.find(R"("type":"custom_tool_call")"), std::string::npos);
    EXPECT_NE(caller->text.find(R"x("name":"exec","input":"say(\"hi\")")x"), std::string::npos)
        << caller->text;
  }
}

}  // namespace
}  // namespace tollgate::mock
