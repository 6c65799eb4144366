// Requests on a route with a content policy: what is refused, flagged or observed, on every
// surface, and what of it goes upstream and on record.
#include <gtest/gtest.h>
#include <hs/hs.h>

#include <cstdlib>
#include <string>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  cheap: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  opus: { upstream: claude, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 0.001, per: day, when_exhausted: { downgrade_to: cheap } } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, cheap]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    tools: { allow: ["*"] }
    content: { request: [secrets] }
  - name: completions
    path: /v1/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 4 }
    content: { request: [secrets] }
  - name: embed
    path: /v1/embeddings
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 4 }
    content: { request: [secrets] }
  - name: messages
    path: /v1/messages
    models: [opus]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    tools: { allow: ["*"] }
    content: { request: [secrets] }
)";

std::string doors_with(std::string_view what) {
  std::string text(kDoors);
  constexpr std::string_view kContent = "content: { request: [secrets] }";
  const std::size_t at = text.find(kContent);
  return text.replace(at, kContent.size(), what);
}

// In two parts, so that no scanner of repositories takes it for one.
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";
const std::string kFoundInChat = R"("content":[{"rule":"secrets.aws_access_key",)"
                                 R"("where":"messages[0].content:10+20","action":")";

std::string chat_with(std::string_view text) {
  return R"({"model":"small","messages":[{"role":"user","content":"my key is )" +
         std::string(text) + R"("}]})";
}

class ContentTest : public PipelineTest {
 protected:
  explicit ContentTest(std::string_view settings = kDoors) : PipelineTest(settings) {}
  const std::string& decision() const {
    return world.trail.records.at(world.trail.records.size() - 2).written;
  }
  void expect_nothing_left() const {
    EXPECT_EQ(world.ledger.held, 0);
    EXPECT_TRUE(world.upstreams.messages.empty());
    expect_clean_books();
  }
};

TEST_F(ContentTest, RefusesASecretAndSaysWhichAndWhere) {
  const auto caller = world.serve(ask(chat_with(kKey)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
  for (const char* part : {R"("code":"content_policy_violation")", "secrets.aws_access_key",
                           R"("param":"messages[0].content")", "20 bytes from byte 10"}) {
    EXPECT_NE(caller->text.find(part), std::string::npos) << caller->text;
  }
  EXPECT_EQ(last().code, "content_refused");
  EXPECT_EQ(last().rule, "routes.chat.content");
  EXPECT_NE(decision().find(kFoundInChat + "refuse\"}]"), std::string::npos) << decision();
  expect_nothing_left();
}

TEST_F(ContentTest, TellsNobodyWhatItFound) {
  const auto caller = world.serve(ask(chat_with(kKey)));
  EXPECT_EQ(caller->text.find(kKey), std::string::npos);
  for (const Recorded& record : world.trail.records)
    EXPECT_EQ(record.written.find(kKey), std::string::npos);
}

TEST_F(ContentTest, LetsPassWhatHoldsNone) {
  const auto caller = world.serve(ask(chat_with("where it was")));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(decision().find("\"content\""), std::string::npos);
  expect_clean_books();
}

TEST_F(ContentTest, FindsItWhereverItStandsOnEverySurface) {
  const struct {
    std::string_view target;
    std::string body;  // KEY stands for it.
    std::string_view where;
  } rows[] = {
      {"/v1/chat/completions",
       R"({"model":"small","messages":[{"role":"system","content":"KEY"},{"role":"user","content":"x"}]})",
       "messages[0].content:0+20"},
      {"/v1/chat/completions",
       R"({"model":"small","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","description":"of:\nKEY"}}]})",
       "tools[0]:"},
      {"/v1/chat/completions",
       R"({"model":"small","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"k\":\"a\\nKEY\"}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]})",
       "messages[1].tool_calls[2]:"},
      {"/v1/chat/completions",
       R"({"model":"small","messages":[{"role":"user","content":"x"}],"metadata":{"k":"KEY"}})",
       "metadata:"},
      {"/v1/completions", R"({"model":"small","prompt":["x","KEY"]})", "prompt[1]:0+20"},
      {"/v1/completions", R"({"model":"small","prompt":"x","suffix":"KEY"})", "suffix:0+20"},
      {"/v1/embeddings", R"({"model":"small","input":["x","y","KEY"]})", "input[2]:0+20"},
      {"/v1/messages",
       R"({"model":"opus","max_tokens":9,"system":"KEY","messages":[{"role":"user","content":"x"}]})",
       "system:0+20"},
      {"/v1/messages",
       R"({"model":"opus","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"KEY"}]}]}]})",
       "messages[0].content[1]:0+20"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.body);
    std::string body = row.body;
    body.replace(body.find("KEY"), 3, kKey);
    const auto caller = world.serve(ask(body, std::string(row.target)));
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
    EXPECT_NE(decision().find("\"where\":\"" + std::string(row.where)), std::string::npos)
        << decision();
  }
  expect_nothing_left();
}

TEST_F(ContentTest, FindsWhatIsSplitByCharactersThatNobodySees) {
  std::string split;
  for (const char c : kKey) split += std::string(1, c) + "\u200b";
  const auto caller = world.serve(ask(chat_with(split)));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  expect_nothing_left();
}

TEST_F(ContentTest, FindsWhatIsEncoded) {
  // "my key is AKIA…" in base64, as a model would decode it.
  const auto caller = world.serve(ask(chat_with("bXkga2V5IGlzIEFLSUFRM0VHUlM1V1hOQjdUQzJW")));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(decision().find(R"("where":"messages[0].content:10+40")"), std::string::npos)
      << decision();
  expect_nothing_left();
}

TEST_F(ContentTest, AnswersInTheDialectOfTheCaller) {
  const auto caller = world.serve(ask(
      R"({"model":"opus","max_tokens":9,"messages":[{"role":"user","content":")" + kKey + R"("}]})",
      "/v1/messages"));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find(R"("type":"invalid_request_error")"), std::string::npos)
      << caller->text;
}

TEST_F(ContentTest, RefusesAPromptThatItCannotRead) {
  for (const std::string_view prompt : {"[1,2,3]", "[\"x\",[1,2]]"}) {
    const auto caller = world.serve(
        ask(R"({"model":"small","prompt":)" + std::string(prompt) + "}", "/v1/completions"));
    EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
    EXPECT_NE(caller->text.find("token ids"), std::string::npos) << caller->text;
    EXPECT_NE(caller->text.find(R"("param":"prompt")"), std::string::npos) << caller->text;
  }
  expect_nothing_left();
}

TEST_F(ContentTest, PutsNoMoreThanABoundOnRecord) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += kKey + " ";
  (void)world.serve(ask(chat_with(many)));
  std::size_t told = 0;
  for (std::size_t at = 0; (at = decision().find("\"where\"", at)) != std::string::npos; ++at)
    ++told;
  EXPECT_EQ(told, content::Scanner::kFindingsMax);
}

TEST_F(ContentTest, RefusesWhatIsEncodedTooOften) {
  // "an ordinary sentence of some length" in base64, three times and four times over.
  const std::string three =
      "V1ZjMFoySXpTbXRoVnpWb1kyNXJaMk15Vm5Wa1IxWjFXVEpWWjJJeVdXZGpNamwwV2xOQ2MxcFhOVzVrUjJjOQ==";
  const std::string four =
      "VjFaak1Gb3lTWHBUYlhSb1ZucFdiMWt5TlhKYU1rMTVWbTVXYTFJeFdqRlhWRXBXV2pKSmVWZFhaR3BO"
      "YW13d1YyeE9RMk14Y0ZoT1Z6VnJVakpqT1E9PQ==";
  EXPECT_EQ(world.serve(ask(chat_with(three)))->status, 200);
  const auto caller = world.serve(ask(chat_with(four)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(caller->text.find("more than 3 times over"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find(R"("param":"messages[0].content")"), std::string::npos)
      << caller->text;
}

void* no_memory(std::size_t) { return nullptr; }

TEST_F(ContentTest, LetsNothingPassThatItCouldNotInspect) {
  ASSERT_EQ(hs_set_scratch_allocator(no_memory, std::free), HS_SUCCESS);
  const auto caller = world.serve(ask(chat_with("where it was")));
  ASSERT_EQ(hs_set_scratch_allocator(nullptr, nullptr), HS_SUCCESS);
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("could not be inspected"), std::string::npos) << caller->text;
  expect_nothing_left();
  EXPECT_EQ(world.serve(ask(chat_with("where it was")))->status, 200);
}

class FlaggedContentTest : public ContentTest {
 protected:
  FlaggedContentTest()
      : ContentTest(doors_with("content: { request: [secrets], on_match: flag }")) {}
};

TEST_F(FlaggedContentTest, OnlyPutsOnRecordWhatItFlags) {
  const auto caller = world.serve(ask(chat_with(kKey)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(decision().find(kFoundInChat + "flag\"}]"), std::string::npos) << decision();
  EXPECT_EQ(last().code, "");
  EXPECT_TRUE(last().observed.empty());
  EXPECT_NE(world.upstreams.messages.at(0).find(kKey), std::string::npos);
  expect_clean_books();
}

class UnicodeContentTest : public ContentTest {
 protected:
  UnicodeContentTest() : ContentTest(doors_with("content: { request: [unicode] }")) {}
};

TEST_F(UnicodeContentTest, RefusesAHiddenText) {
  const auto caller = world.serve(ask(chat_with("fine \U000E0069\U000E0067\U000E006E.")));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(decision().find(R"("rule":"unicode.tags","where":"messages[0].content:15+12")"),
            std::string::npos)
      << decision();
  expect_nothing_left();
  EXPECT_EQ(world.serve(ask(chat_with("fine \U0001F469\u200d\U0001F467 " + kKey)))->status, 200);
}

// Who serves the call may hand on what its arguments say.
TEST_F(UnicodeContentTest, RefusesATextThatIsHiddenInArguments) {
  const auto calls = [](std::string_view type, std::string_view call) {
    return R"({"model":"small","messages":[{"role":"user","content":"Hello"},{"role":"assistant","tool_calls":[{"id":"c","type":")" +
           std::string(type) + R"(",")" + std::string(type) + R"(":)" + std::string(call) +
           R"(}]},{"role":"tool","tool_call_id":"c","content":"ok"}]})";
  };
  const auto caller = world.serve(ask(calls(
      "function", R"({"name":"f","arguments":"{\"a\":\"fine\\udb40\\udc69\\udb40\\udc67\"}"})")));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(decision().find(R"("rule":"unicode.tags")"), std::string::npos) << decision();
  EXPECT_NE(decision().find(R"("messages[1].tool_calls[2]:10+24")"), std::string::npos)
      << decision();
  expect_nothing_left();
  // What is escaped for its reader as well is there for all to see; so is the text of a program.
  EXPECT_EQ(world
                .serve(ask(calls("function",
                                 R"({"name":"f","arguments":"{\"a\":\"\\\\udb40\\\\udc69\"}"})")))
                ->status,
            200);
  EXPECT_EQ(world.serve(ask(calls("custom", R"({"name":"f","input":"print '\\u202e'"})")))->status,
            200);
}

class OwnContentTest : public ContentTest {
 protected:
  OwnContentTest()
      : ContentTest(doors_with("content: { request: [own], overrides: { own.plan: { on_match: flag "
                               "} } }") +
                    R"(
content:
  rules:
    number: { pattern: '\bEMP-[0-9]{4,6}\b' }
    plan: { words: [Blue Harvest] }
)") {}
};

TEST_F(OwnContentTest, HoldsRequestsToTheRulesOfTheOperator) {
  const auto caller = world.serve(ask(chat_with("EMP-1\u200b234, please")));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(
      decision().find(
          R"("content":[{"rule":"own.number","where":"messages[0].content:10+11","action":"refuse"}])"),
      std::string::npos)
      << decision();
  expect_nothing_left();
  EXPECT_EQ(world.serve(ask(chat_with("on BLUE  h\u0430rvest " + kKey)))->status, 200);
  EXPECT_NE(decision().find(R"("rule":"own.plan","where":"messages[0].content:13+14",)"
                            R"("action":"flag")"),
            std::string::npos)
      << decision();
}

class OwnAnswerTest : public ContentTest {
 protected:
  OwnAnswerTest()
      : ContentTest(doors_with("content: { response: [own] }") + R"(
content:
  rules:
    number: { pattern: '\bEMP-[0-9]{4,6}\b' }
    plan: { words: [Blue Harvest] }
)") {}
};

TEST_F(OwnAnswerTest, HoldsWholeAnswersToTheRulesOfTheOperator) {
  world.upstreams.script.pieces = {whole(reported(9, 4), "It is EMP-1234.")};
  const auto caller = world.serve(ask(chat_with("who?")));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(last().written.find(R"("where":"choices[0].message.content:6+8")"), std::string::npos)
      << last().written;
  world.upstreams.script.pieces = {whole(reported(9, 4), "It is EMP-12345678.")};
  EXPECT_EQ(world.serve(ask(chat_with("who?")))->status, 200);
}

TEST_F(OwnAnswerTest, EndsAStreamBeforeAMatch) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {chunk("The plan is "),
                                   chunk("called bl\u00fc"),
                                   chunk("e har"),
                                   chunk("vest, and"),
                                   kFinish,
                                   kDone};
  const auto caller = world.serve(ask(
      R"({"model":"small","stream":true,"messages":[{"role":"user","content":"what plan?"}]})"));
  EXPECT_EQ(caller->status, 200);
  EXPECT_EQ(caller->text.find("vest"), std::string::npos) << caller->text;
  EXPECT_EQ(caller->text.find("har"), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find("content_filter"), std::string::npos) << caller->text;
  EXPECT_EQ(last().code, "content_refused");
  expect_clean_books();
}

class ObservedContentTest : public ContentTest {
 protected:
  ObservedContentTest()
      : ContentTest(doors_with("content: { request: [secrets], mode: observe }")) {}
};

TEST_F(ObservedContentTest, TellsWhatItWouldHaveRefused) {
  const auto caller = world.serve(ask(chat_with(kKey)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(decision().find(kFoundInChat + "observe\"}]"), std::string::npos) << decision();
  EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.content"});
  (void)world.serve(ask(chat_with("where it was")));
  EXPECT_TRUE(last().observed.empty());
  expect_clean_books();
}

// Decided anew for a cheaper model it is the same request: it is told once, and still observed.
TEST_F(ObservedContentTest, TellsItOfARequestThatIsServedByAnotherModel) {
  Books books;
  world.ledger.books = &books;
  const auto caller = world.serve(ask(chat_with(kKey)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(last().outcome, audit::Outcome::kDowngraded);
  EXPECT_NE(decision().find(kFoundInChat + "observe\"}]"), std::string::npos) << decision();
  EXPECT_EQ(last().observed, std::vector<std::string>{"routes.chat.content"});
}

}  // namespace
}  // namespace tollgate::pipeline::testing
