// Requests of which parts are masked before anybody else has them: what is sent, counted, shown to
// guards and put on record, and what is refused as it cannot be masked.
#include <gtest/gtest.h>

#include <string>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kMasking = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic }
  judge: { url: "http://10.0.0.6:9000/v1", speaks: openai, credential: sk-judge }
guards:
  moderation: { kind: openai_moderation, upstream: judge, price_per_request: 0 }
content:
  rules:
    number: { pattern: '\bEMP-[0-9]{4}\b' }
models:
  small: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  cheap: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  opus: { upstream: claude, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  judged: { upstream: vllm, name: small, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 5, per: day, when_exhausted: { downgrade_to: cheap } } }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [small, cheap]
    allow: [{ tenants: [acme] }]
    prompt: { body: 1MiB, input_tokens: 20000, output_tokens: 100, choices: 1, count_input: always }
    tools: { allow: ["*"], mode: observe }
    content:
      request: [pii, secrets, own]
      response: [secrets]
      on_match: redact
      restore: true
      overrides: { secrets: { on_match: refuse }, pii.phone_number: { on_match: flag } }
  - name: judged
    path: /v1/chat/completions
    models: [judged]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    content: { request: [pii], on_match: redact, restore: true }
    guards: [moderation]
  - name: completions
    path: /v1/completions
    models: [small]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 4 }
    content: { request: [pii], on_match: redact }
  - name: messages
    path: /v1/messages
    models: [opus]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
    tools: { allow: ["*"], mode: observe }
    content: { request: [pii], on_match: redact, restore: true }
)";

constexpr std::string_view kAnn = "ann@hoverly.com";
constexpr std::string_view kBob = "bob@hoverly.org";
const std::string kKey = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

std::string chat_with(std::string_view text) {
  return R"({"model":"small","messages":[{"role":"user","content":")" + std::string(text) +
         R"("}]})";
}

class RedactionTest : public PipelineTest {
 protected:
  RedactionTest() : PipelineTest(kMasking) {}
  const std::string& decision() const {
    return world.trail.records.at(world.trail.records.size() - 2).written;
  }
  std::string sent(std::size_t message = 0) const {
    const std::string& whole = world.upstreams.messages.at(message);
    return whole.substr(whole.find("\r\n\r\n") + 4);
  }
  void expect_refused(const Caller& caller, std::string_view param) const {
    EXPECT_EQ(caller.status, 400) << caller.text;
    EXPECT_EQ(caller.header("x-tollgate-reason"), "content_refused") << caller.text;
    EXPECT_NE(caller.text.find("\"param\":\"" + std::string(param) + "\""), std::string::npos)
        << caller.text;
    EXPECT_NE(caller.text.find("cannot be masked"), std::string::npos) << caller.text;
    EXPECT_TRUE(world.upstreams.messages.empty());
    EXPECT_EQ(world.ledger.held, 0);
  }
};

TEST_F(RedactionTest, SendsMasksAndTheSameForTheSame) {
  const auto caller = world.serve(ask(
      chat_with("I am ann@hoverly.com, EMP-1234; write to bob@hoverly.org, cc ann@hoverly.com.")));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(sent().find("I am [REDACTED:pii.email#1], [REDACTED:own.number#1]; write to "
                        "[REDACTED:pii.email#2], cc [REDACTED:pii.email#1]."),
            std::string::npos)
      << sent();
  EXPECT_NE(decision().find(
                R"({"rule":"pii.email","where":"messages[0].content:5+15","action":"redact"})"),
            std::string::npos)
      << decision();
  EXPECT_NE(decision().find(R"({"rule":"own.number","where":"messages[0].content:22+8")"),
            std::string::npos)
      << decision();
  EXPECT_EQ(last().code, "");
  EXPECT_TRUE(last().observed.empty());
  expect_clean_books();
}

// A conversation brings its earlier turns again, which are not read again (scanned_texts.h).
TEST_F(RedactionTest, MasksWhatCameBeforeAsItDid) {
  const std::string turn = "I am ann@hoverly.com, " + std::string(300, '.') + " EMP-1234.";
  const std::string expected =
      "I am [REDACTED:pii.email#1], " + std::string(300, '.') + " [REDACTED:own.number#1].";
  std::string record;
  for (std::size_t request = 0; request < 3; ++request) {
    EXPECT_EQ(world.serve(ask(chat_with(turn)))->status, 200);
    EXPECT_NE(sent(request).find(expected), std::string::npos) << sent(request);
    const std::string found = decision().substr(decision().find(R"("content":[)"));
    if (request > 0) EXPECT_EQ(found, record);
    record = found;
  }
  // And what is refused is refused each time.
  const std::string refused = chat_with(turn + " " + kKey);
  for (int request = 0; request < 2; ++request) {
    EXPECT_EQ(world.serve(ask(refused))->header("x-tollgate-reason"), "content_refused");
  }
}

class KeyRedactionTest : public PipelineTest {
 protected:
  KeyRedactionTest()
      : PipelineTest(settings_with("name: chat\n",
                                   "name: chat\n    content: { request: [secrets], on_match: "
                                   "redact }\n")) {}
};

TEST_F(KeyRedactionTest, MasksAllOfAPrivateKey) {
  const std::string line = "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz/eYSFOdyBwmGwlrIrrNA3VjVJT";
  std::string key = "-----BEGIN RSA PRIVATE KEY" + std::string("-----\\n");
  for (int i = 0; i < 24; ++i) key += line + "\\n";
  key += "8vQxAbCd\\n-----END RSA PRIVATE KEY-----";
  EXPECT_EQ(world.serve(ask(chat_with("Here it is:\\n" + key + "\\nWhat is wrong?")))->status, 200);
  const std::string& sent = world.upstreams.messages.at(0);
  EXPECT_NE(sent.find(R"("Here it is:\n[REDACTED:secrets.rsa_private_key#1]\nWhat is wrong?")"),
            std::string::npos)
      << sent;
}

// Whatever a writer of JSON escapes, and with what nobody sees in it, at any line.
TEST_F(KeyRedactionTest, MasksAllOfAPrivateKeyInAnyForm) {
  const std::string line = "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz+eYSFOdyBwmGwlrIrrNA3VjVJT";
  const auto replaced = [](std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
    return text;
  };
  std::string key = "-----BEGIN RSA PRIVATE KEY" + std::string("-----\\n");
  for (int i = 0; i < 200; ++i) key += line + "\\n";
  key += "8vQxAbCd\\n-----END RSA PRIVATE KEY-----";
  const std::string hidden = "\u200b";
  std::string in_first = key;
  in_first.insert(key.find("MIIE") + 20, hidden);
  std::string in_mark = key;
  in_mark.insert(key.find("PRIVATE") + 3, hidden);
  std::string in_third = key;
  in_third.insert(key.find("MIIE") + 2 * (line.size() + 2) + 9, hidden);
  const std::string nested = replaced(key, "\\n", "\\\\n");
  for (const std::string& text :
       {in_first, in_mark, in_third, replaced(key, "/", "\\/"), replaced(nested, "/", "\\\\/"),
        replaced(nested, "+", "\\\\u002B"), replaced(key, "+", "&#43;"),
        replaced(key, "/", "&#x2F;"), replaced(key, "\\n", "\\n> ")}) {
    EXPECT_EQ(world.serve(ask(chat_with("Here it is:\\n" + text + "\\nWhat is wrong?")))->status,
              200);
    const std::string& sent = world.upstreams.messages.back();
    EXPECT_NE(sent.find("[REDACTED:secrets.rsa_private_key#1]"), std::string::npos) << sent;
    EXPECT_EQ(sent.find("SFOdyBwmG"), std::string::npos) << sent;
    EXPECT_EQ(sent.find("8vQxAbCd"), std::string::npos) << sent;
    EXPECT_NE(sent.find("What is wrong?"), std::string::npos) << sent;
  }
}

// As agents read files, and as logs and pages show them.
TEST_F(KeyRedactionTest, MasksAllOfAPrivateKeyHoweverItIsShown) {
  const std::string line = "MIIEowIBAAKCAQEAWHnhhrHXHPVTbT0/h5paRz+eYSFOdyBwmGwlrIrrNA3VjVJT";
  std::vector<std::string> lines = {"-----BEGIN RSA PRIVATE KEY" + std::string("-----")};
  for (int i = 0; i < 200; ++i) lines.push_back(line);
  lines.emplace_back("8vQxAbCd");
  lines.emplace_back("-----END RSA PRIVATE KEY-----");
  const std::pair<std::string, std::string> around[] = {{"     12\\t", "\\n"},
                                                        {"    12\u2192", "\\n"},
                                                        {"2024-01-02T03:04:05Z ", "\\n"},
                                                        {"", "<br>"},
                                                        {"", ""},
                                                        {"key += \\\"", "\\\\n\\\";\\n"}};
  for (const auto& [before, behind] : around) {
    std::string text;
    for (const std::string& one : lines) text.append(before).append(one).append(behind);
    EXPECT_EQ(world.serve(ask(chat_with("Here it is: " + text + " What is wrong?")))->status, 200);
    const std::string& sent = world.upstreams.messages.back();
    EXPECT_NE(sent.find("Here it is: " + before + "[REDACTED:secrets.rsa_private_key#1]" + behind +
                        " What is wrong?"),
              std::string::npos)
        << sent;
  }
}

TEST_F(RedactionTest, MasksAllThatAnyFormShows) {
  EXPECT_EQ(world.serve(ask(chat_with("Write to ann.x\u00ad.smith@hoverly.com, please.")))->status,
            200);
  EXPECT_NE(sent().find("Write to [REDACTED:pii.email#1], please."), std::string::npos) << sent();
}

TEST_F(RedactionTest, HoldsWhatIsReallySent) {
  (void)world.serve(ask(chat_with("I am ann@hoverly.com.")));
  const auto counted = [&] {
    const std::size_t at = decision().find("\"input_tokens_counted\":");
    return at == std::string::npos ? "none" : decision().substr(at, decision().find(',', at) - at);
  };
  const std::string masked = counted();
  (void)world.serve(ask(chat_with("I am [REDACTED:pii.email#1].")));
  EXPECT_EQ(masked, counted());
  EXPECT_NE(masked, "none");
  EXPECT_EQ(sent(0), sent(1));
}

TEST_F(RedactionTest, IsOfEveryFormAndEveryPlace) {
  const struct {
    std::string_view target;
    std::string body;
    std::string_view sends;
  } rows[] = {
      {"/v1/chat/completions", chat_with("ann\\u200b@hoverly.com!"), "[REDACTED:pii.email#1]!"},
      {"/v1/chat/completions", chat_with("\\uff41nn@hoverly.com!"), "[REDACTED:pii.email#1]!"},
      // Of what is encoded all of the run.
      {"/v1/chat/completions", chat_with("take aSBhbSBhbm5AaG92ZXJseS5jb20gaGVyZQ== now"),
       "take [REDACTED:pii.email#1] now"},
      {"/v1/chat/completions",
       R"({"model":"small","user":"ann@hoverly.com","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"to\":\"a\\nann@hoverly.com\"}"}}]}]})",
       R"({\"to\":\"a\\n[REDACTED:pii.email#1]\"})"},
      {"/v1/completions", R"({"model":"small","prompt":["x","to ann@hoverly.com"]})",
       R"("prompt":["x","to [REDACTED:pii.email#1]"])"},
      {"/v1/messages",
       R"({"model":"opus","max_tokens":9,"system":"of ann@hoverly.com","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"name":"\"ann@hoverly.com\""}}]}]})",
       R"("input":{"name":"\"[REDACTED:pii.email#1]\""})"},
  };
  for (const auto& row : rows) {
    world.upstreams.messages.clear();
    const auto caller = world.serve(ask(row.body, std::string(row.target)));
    ASSERT_EQ(world.upstreams.messages.size(), 1U) << caller->text;
    EXPECT_NE(sent().find(row.sends), std::string::npos) << sent();
    EXPECT_EQ(sent().find("verly.com"), std::string::npos) << sent();
    EXPECT_EQ(decision().find("verly.com"), std::string::npos) << decision();
  }
}

TEST_F(RedactionTest, RefusesWhatCannotBeMasked) {
  const auto rest = [](std::string_view more) {
    return R"({"model":"small","messages":[{"role":"user","content":"x")" + std::string(more) + "}";
  };
  expect_refused(*world.serve(ask(rest(R"(,"name":"EMP-1234"}])"))), "messages[0].name");
  expect_refused(*world.serve(ask(rest(R"(}],"metadata":{"ann@hoverly.com":"x"})"))), "metadata");
  expect_refused(*world.serve(ask(rest(R"(}],"metadata":{"k":4111111111111111})"))), "metadata");
  expect_refused(*world.serve(ask(rest(R"(}],"metadata":{"k":4111111111111111.0})"))), "metadata");
  expect_refused(
      *world.serve(ask(rest(
          R"(},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"card\":4111111111111111}"}}]}])"))),
      "messages[1].tool_calls[2]");
  const auto ids = world.serve(ask(R"({"model":"small","prompt":[1,2,3]})", "/v1/completions"));
  EXPECT_EQ(ids->header("x-tollgate-reason"), "content_refused") << ids->text;
}

TEST_F(RedactionTest, RefusesWhatAnotherRuleRefuses) {
  const auto caller = world.serve(ask(chat_with("ann@hoverly.com has " + kKey)));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused");
  EXPECT_NE(caller->text.find("secrets.aws_access_key"), std::string::npos) << caller->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
}

// What others flag is told where it stood in the request as it came.
TEST_F(RedactionTest, TellsPlacesInTheRequestAsItCame) {
  (void)world.serve(ask(chat_with("ann@hoverly.com, phone +49 30 901820")));
  EXPECT_NE(decision().find(R"("where":"messages[0].content:0+15","action":"redact"})"),
            std::string::npos)
      << decision();
  EXPECT_NE(decision().find(R"("where":"messages[0].content:23+13","action":"flag"})"),
            std::string::npos)
      << decision();
  EXPECT_NE(sent().find("[REDACTED:pii.email#1], phone +49 30 901820"), std::string::npos)
      << sent();
}

TEST_F(RedactionTest, MasksHundredsAndRefusesThousands) {
  std::string text;
  for (int i = 0; i < 900; ++i) text += "user" + std::to_string(i) + "@hoverly.com, ";
  auto caller = world.serve(ask(chat_with(text)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(sent().find("[REDACTED:pii.email#900]"), std::string::npos);
  EXPECT_EQ(sent().find('@'), std::string::npos);
  // The record has a bound of its own.
  EXPECT_EQ(last().written.find("\"content\":"), std::string::npos);
  world.upstreams.messages.clear();
  for (int i = 0; i < 200; ++i) text += "more" + std::to_string(i) + "@hoverly.com, ";
  caller = world.serve(ask(chat_with(text)));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_NE(caller->text.find("more than 1023 parts"), std::string::npos) << caller->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
}

TEST_F(RedactionTest, ShowsGuardsWhatIsSent) {
  Script clean;
  clean.pieces = {
      R"({"results":[{"flagged":false,"categories":{"hate":false},"category_scores":{"hate":0.01}}]})"};
  world.upstreams.first = {clean};
  const auto caller = world.serve(
      ask(R"({"model":"judged","messages":[{"role":"user","content":"I am ann@hoverly.com"}]})"));
  EXPECT_EQ(caller->status, 200) << caller->text;
  ASSERT_EQ(world.upstreams.messages.size(), 2U);
  for (const std::size_t message : {0U, 1U}) {
    EXPECT_NE(sent(message).find("[REDACTED:pii.email#1]"), std::string::npos) << sent(message);
    EXPECT_EQ(sent(message).find(kAnn), std::string::npos) << sent(message);
  }
}

constexpr const char* kEchoed =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello [REDACTED:pii.email#1], [REDACTED:pii.email#3]","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"to\":\"[REDACTED:own.number#1]\"}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";

TEST_F(RedactionTest, RestoresInTheAnswerWhatWasMasked) {
  world.upstreams.script.pieces = {kEchoed};
  const auto caller = world.serve(ask(chat_with("I am ann@hoverly.com, EMP-1234")));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(caller->text.find("Hello ann@hoverly.com, [REDACTED:pii.email#3]"), std::string::npos)
      << caller->text;
  EXPECT_NE(caller->text.find(R"({\"to\":\"EMP-1234\"})"), std::string::npos) << caller->text;
  // What was never in a request is in no answer.
  const auto other = world.serve(ask(chat_with("I am nobody")));
  EXPECT_NE(other->text.find("Hello [REDACTED:pii.email#1],"), std::string::npos) << other->text;
}

TEST_F(RedactionTest, RestoresInAStreamHoweverItIsCut) {
  for (const std::size_t size : {1U, 3U, 7U, 50U}) {
    std::string stream;
    const std::string said = "Hi [REDACTED:pii.email#1]! [1]";
    for (std::size_t at = 0; at < said.size(); at += size) stream += chunk(said.substr(at, size));
    stream += kFinish + usage_chunk(9, 4) + kDone;
    world.upstreams.script = {};
    world.upstreams.script.content_type = "text/event-stream";
    for (std::size_t at = 0; at < stream.size(); at += 100) {
      world.upstreams.script.pieces.push_back(stream.substr(at, 100));
    }
    const auto caller = world.serve(ask(
        R"({"model":"small","stream":true,"messages":[{"role":"user","content":"I am ann@hoverly.com"}]})"));
    EXPECT_EQ(caller->status, 200);
    EXPECT_EQ(caller->text.find("REDACTED"), std::string::npos) << caller->text;
    std::string text;
    constexpr std::string_view kContent = "\"content\":\"";
    for (std::size_t at = caller->text.find(kContent); at != std::string::npos;
         at = caller->text.find(kContent, at + 1)) {
      const std::size_t begin = at + kContent.size();
      text += caller->text.substr(begin, caller->text.find('"', begin) - begin);
    }
    EXPECT_EQ(text, "Hi ann@hoverly.com! [1]") << size;
    EXPECT_NE(caller->text.find("\"finish_reason\":\"stop\""), std::string::npos);
    EXPECT_TRUE(caller->text.ends_with(kDone));
    EXPECT_EQ(last().outcome, audit::Outcome::kAllowed);
    expect_clean_books();
  }
}

TEST_F(RedactionTest, RestoresForAnthropicToo) {
  world.upstreams.script.content_type = "text/event-stream";
  const auto delta = [](std::string_view text) {
    return event(
        "content_block_delta",
        R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")" +
            std::string(text) + "\"}}");
  };
  world.upstreams.script.pieces = {
      claude_opening(22), delta("To [REDAC"), delta("TED:pii.email#1]."), delta(" Ends ["),
      event("content_block_stop", R"({"type":"content_block_stop","index":0})")};
  world.upstreams.script.fault = FaultKind::kBroken;
  const auto caller = world.serve(ask(
      R"({"model":"opus","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"I am ann@hoverly.com"}]})",
      "/v1/messages"));
  EXPECT_NE(caller->text.find(delta("To ann@hoverly.com") + delta(".") + delta(" Ends [")),
            std::string::npos)
      << caller->text;
}

// A mask that the caller wrote is no mask of ours: ours have other numbers.
TEST_F(RedactionTest, IsNotConfusedByMasksThatTheCallerWrote) {
  world.upstreams.script.pieces = {kEchoed};
  const auto caller = world.serve(
      ask(chat_with("[REDACTED:pii.email#1] and [REDACTED:own.x#2] are ann@hoverly.com")));
  EXPECT_NE(sent().find("are [REDACTED:pii.email#3]"), std::string::npos) << sent();
  EXPECT_NE(caller->text.find("Hello [REDACTED:pii.email#1], ann@hoverly.com"), std::string::npos)
      << caller->text;
}

// Decided anew, counted at its end: it is the masked body that is read again.
TEST_F(RedactionTest, StaysMaskedWhenItIsDecidedAnew) {
  Books books;
  world.ledger.books = &books;
  const auto caller = world.serve(ask(chat_with("I am ann@hoverly.com, not bob@hoverly.org")));
  EXPECT_EQ(caller->status, 200) << caller->text;
  ASSERT_EQ(world.upstreams.messages.size(), 1U);
  EXPECT_NE(sent().find("I am [REDACTED:pii.email#1], not [REDACTED:pii.email#2]"),
            std::string::npos)
      << sent();
  EXPECT_EQ(sent().find(kBob), std::string::npos);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
