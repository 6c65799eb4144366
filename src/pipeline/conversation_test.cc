// Conversations that a provider keeps: whose they are, what a turn is held at, and what is put into
// them and told of them.
#include "pipeline/conversation.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

// In two parts, so that no scanner of repositories takes it for one.
const std::string kSecret = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

constexpr std::string_view kSettings = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  other: { url: "http://10.0.0.6:8000/v1", speaks: openai }
  chats: { url: "http://10.0.0.7:8000/v1", speaks: openai, surfaces: [chat_completions] }
models:
  small: { upstream: vllm, name: there, tokenizer: o200k_base, context_tokens: 1000, price_per_million: { input: 1, output: 10 } }
  large: { upstream: vllm, tokenizer: o200k_base, context_tokens: 9000, price_per_million: { input: 1, output: 10 } }
  unsaid: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 } }
  elsewhere: { upstream: other, tokenizer: o200k_base, context_tokens: 1000, price_per_million: { input: 1, output: 10 } }
  chat: { upstream: chats, tokenizer: o200k_base, context_tokens: 1000, price_per_million: { input: 1, output: 10 } }
tenants:
  acme: { budget: { usd: 500, per: month, when_exhausted: refuse } }
  globex: {}
limits:
  tenant_id: { requests_per_minute: 120, input_tokens_per_minute: 80000 }
routes:
  - name: unkept
    path: /v2/responses
    surface: responses
    models: [small]
    allow: [{ tenants: [acme] }]
  - name: responses
    path: /v1/responses
    models: [chat, small, large, unsaid, elsewhere]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100 }
    tools: { allow: [look] }
    content: { request: [secrets], response: [secrets] }
    stored_responses: true
  - name: careful
    path: /v3/responses
    surface: responses
    models: [small]
    allow: [{ tenants: [acme] }]
    content: { response: [secrets] }
    stored_responses: true
)";

constexpr std::string_view kMade =
    R"({"id":"conv_1","object":"conversation","created_at":7,"metadata":{"topic":"x"},"more":1})";

std::string item(std::string_view text) {
  return R"({"type":"message","role":"user","content":[{"type":"input_text","text":")" +
         std::string(text) + R"("}]})";
}
std::string list_of(std::string_view items) {
  return R"({"object":"list","data":[)" + std::string(items) +
         R"(],"first_id":"msg_1","last_id":"msg_1","has_more":false})";
}
std::string answered(std::string_view items, int input = 9) {
  return R"({"id":"resp_1","object":"response","status":"completed","conversation":{"id":"conv_1"},)"
         R"("output":[)" +
         std::string(items) + R"(],"usage":{"input_tokens":)" + std::to_string(input) +
         R"(,"output_tokens":1,"total_tokens":10}})";
}

class Conversations : public PipelineTest {
 protected:
  Conversations() : PipelineTest(kSettings) {
    const auto made = asks("POST", "", {}, kMade);
    EXPECT_EQ(made->status, 200) << made->text;
    const std::size_t at = made->text.find(R"("id":"conv_)") + 6;
    id = made->text.substr(at, made->text.find('"', at) - at);
  }

  Ask asking(std::string method, std::string rest, std::string body = {}) const {
    Ask asked = ask(std::move(body), "/v1/conversations" + std::move(rest));
    asked.method = std::move(method);
    return asked;
  }
  std::unique_ptr<Caller> asks(std::string method, std::string rest, std::string body,
                               std::string_view answer = {}) {
    world.upstreams.messages.clear();
    if (!answer.empty()) world.upstreams.script.pieces = {std::string(answer)};
    return world.serve(asking(std::move(method), std::move(rest), std::move(body)));
  }
  std::unique_ptr<Caller> turn(std::string_view more, std::string_view answer = {},
                               std::string_view model = "small") {
    world.upstreams.messages.clear();
    if (!answer.empty()) world.upstreams.script.pieces = {std::string(answer)};
    return world.serve(ask(R"({"model":")" + std::string(model) + R"(","input":"Hello there",)" +
                               std::string(more) + "}",
                           "/v1/responses"));
  }
  std::string conversation() const { return R"("conversation":")" + id + '"'; }
  std::string sent() const {
    return world.upstreams.messages.empty() ? "nothing" : world.upstreams.messages.back();
  }
  std::string body_sent() const { return sent().substr(sent().find("\r\n\r\n") + 4); }

  std::string id;
};

TEST_F(Conversations, AreMadeUnderANameThatIsTheirOwnersAlone) {
  EXPECT_EQ(sent().substr(0, sent().find("\r\n")), "POST /v1/conversations HTTP/1.1");
  EXPECT_EQ(body_sent(), "{}");
  const auto made =
      asks("POST", "", R"({"metadata":{"topic":"x"},"items":[)" + item("Hi") + "]}", kMade);
  EXPECT_EQ(made->status, 200) << made->text;
  EXPECT_EQ(body_sent(), R"({"items":[)" + item("Hi") + R"(],"metadata":{"topic":"x"}})");
  EXPECT_TRUE(
      made->text.ends_with(R"(","object":"conversation","created_at":7,"metadata":{"topic":"x"}})"))
      << made->text;
  EXPECT_EQ(made->text.find("conv_1"), std::string::npos);
  EXPECT_NE(last().written.find(R"("subject":"ada")"), std::string::npos) << last().written;
  EXPECT_EQ(settled().held, Money{});
  EXPECT_EQ(settled().used.cost, Money{});
  expect_clean_books();
}

TEST_F(Conversations, AreToldChangedAndForgotten) {
  const std::string told =
      R"({"id":")" + id + R"(","object":"conversation","created_at":7,"metadata":{"topic":"x"}})";
  EXPECT_EQ(asks("GET", "/" + id, {}, kMade)->text, told);
  EXPECT_TRUE(sent().starts_with("GET /v1/conversations/conv_1 HTTP/1.1\r\n")) << sent();
  EXPECT_EQ(asks("POST", "/" + id, R"({"metadata":{"topic":"x"}})", kMade)->text, told);
  EXPECT_TRUE(sent().starts_with("POST /v1/conversations/conv_1 HTTP/1.1\r\n")) << sent();
  EXPECT_EQ(body_sent(), R"({"metadata":{"topic":"x"}})");
  EXPECT_EQ(asks("POST", "/" + id, R"({"metadata":null})", kMade)->status, 200);
  EXPECT_EQ(body_sent(), R"({"metadata":null})");
  EXPECT_EQ(asks("DELETE", "/" + id, {}, R"({"id":"conv_1","deleted":true})")->text,
            R"({"id":")" + id + R"(","object":"conversation.deleted","deleted":true})");
  EXPECT_TRUE(sent().starts_with("DELETE /v1/conversations/conv_1 HTTP/1.1\r\n")) << sent();
  expect_clean_books();
}

TEST_F(Conversations, HaveItems) {
  const std::string items = "/" + id + "/items";
  EXPECT_EQ(asks("POST", items, R"({"items":[)" + item("Hi") + "]}", list_of(item("Hi")))->text,
            list_of(item("Hi")));
  EXPECT_TRUE(sent().starts_with("POST /v1/conversations/conv_1/items HTTP/1.1\r\n")) << sent();
  EXPECT_EQ(body_sent(), R"({"items":[)" + item("Hi") + "]}");
  EXPECT_EQ(asks("GET", items + "?limit=5&order=asc&after=msg_1", {}, list_of(item("Hi")))->text,
            list_of(item("Hi")));
  EXPECT_TRUE(sent().starts_with(
      "GET /v1/conversations/conv_1/items?limit=5&order=asc&after=msg_1 HTTP/1.1\r\n"))
      << sent();
  EXPECT_EQ(asks("GET", items + "/msg_1", {}, item("Hi"))->text, item("Hi"));
  EXPECT_TRUE(sent().starts_with("GET /v1/conversations/conv_1/items/msg_1 HTTP/1.1\r\n"));
  EXPECT_NE(asks("DELETE", items + "/msg_1", {}, kMade)->text.find(id), std::string::npos);
  EXPECT_TRUE(sent().starts_with("DELETE /v1/conversations/conv_1/items/msg_1 HTTP/1.1\r\n"));
  expect_clean_books();
}

TEST_F(Conversations, AreGoneOnFromInTurns) {
  for (const std::string& named : {conversation(), R"("conversation":{"id":")" + id + "\"}"}) {
    const auto caller = turn(named, answered(item("Hello")));
    ASSERT_EQ(caller->status, 200) << caller->text;
    EXPECT_NE(body_sent().find(R"("conversation":"conv_1")"), std::string::npos) << sent();
    EXPECT_NE(body_sent().find(R"("store":false)"), std::string::npos) << sent();
    EXPECT_NE(caller->text.find(R"("conversation":{"id":")" + id + "\"}"), std::string::npos)
        << caller->text;
    EXPECT_EQ(caller->text.find("conv_1"), std::string::npos);
  }
  expect_clean_books();
}

TEST_F(Conversations, AreGoneOnFromInStreams) {
  world.upstreams.script.content_type = "text/event-stream";
  const std::string begun = R"({"type":"response.created","response":)" + answered("") + "}";
  const std::string ended = R"({"type":"response.completed","response":)" + answered("") + "}";
  const auto caller = turn(conversation() + R"(,"stream":true)",
                           event("response.created", begun) + event("response.completed", ended));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(caller->text.find(id), std::string::npos);
  EXPECT_EQ(caller->text.find("conv_1"), std::string::npos) << caller->text;
  expect_clean_books();
}

// What it holds nobody here has seen whole, so it is all that the model's context takes.
TEST_F(Conversations, AreHeldWholeAndPaidByWhatTheProviderSays) {
  EXPECT_EQ(turn(conversation(), answered(item("Hello"), 300))->status, 200);
  // 1,000 tokens of input at a dollar, 100 of output at ten, each for a million.
  EXPECT_EQ(settled().held, Money{2000});
  EXPECT_EQ(settled().used.input, 300);
  EXPECT_EQ(settled().used.cost, Money{310});
  ASSERT_EQ(world.ledger.limits.size(), 2U);
  EXPECT_EQ(world.ledger.limits[1].amount, 1000);
  // A provider that says more is paid what was held.
  EXPECT_EQ(turn(conversation(), answered(item("Hello"), 5000))->status, 200);
  EXPECT_EQ(settled().used.input, 1000);
  EXPECT_LE(settled().used.cost, settled().held);
  expect_clean_books();
}

TEST_F(Conversations, AreRefusedWhereTheyHaveNoBound) {
  for (const auto& [model, rule] : {std::pair("unsaid", "models.unsaid.context_tokens"),
                                    std::pair("large", "routes.responses.prompt.input_tokens"),
                                    std::pair("chat", "routes.responses.stored_responses")}) {
    const auto caller = turn(conversation(), {}, model);
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_NE(caller->text.find(R"("param":"conversation")"), std::string::npos) << caller->text;
    EXPECT_EQ(last().rule, rule);
    EXPECT_EQ(sent(), "nothing");
  }
  for (const std::string_view more :
       {R"(,"tools":[{"type":"web_search"}])", R"(,"previous_response_id":"resp_x")",
        R"(,"background":true)"}) {
    const auto caller = turn(conversation() + std::string(more));
    EXPECT_EQ(caller->status >= 400 && caller->status < 404, true) << caller->text;
    EXPECT_EQ(sent(), "nothing") << more;
  }
  // Later turns would be offered a tool that they do not say.
  world.upstreams.messages.clear();
  const auto offered = world.serve(ask(R"({"model":"small","input":[{"role":"user","content":"x"},)"
                                       R"({"type":"additional_tools","role":"developer","tools":[)"
                                       R"({"type":"function","name":"look","parameters":{}}]}],)" +
                                           conversation() + "}",
                                       "/v1/responses"));
  EXPECT_NE(offered->text.find(R"("param":"conversation")"), std::string::npos) << offered->text;
  EXPECT_EQ(sent(), "nothing");
  for (const std::string_view wrong :
       {R"("conversation":7)", R"("conversation":{})", R"("conversation":"")",
        R"("conversation":{"id":"conv_1","more":1})", R"("conversation":["conv_1"])"}) {
    EXPECT_EQ(turn(wrong)->status, 400) << wrong;
    EXPECT_EQ(sent(), "nothing") << wrong;
  }
  expect_clean_books();
}

TEST_F(Conversations, AreNothingToAnybodyElse) {
  std::string told;
  const auto expect_unknown = [&](Ask asked) {
    world.upstreams.messages.clear();
    const auto caller = world.serve(std::move(asked));
    EXPECT_EQ(caller->status, 404) << caller->text;
    if (told.empty()) told = caller->text;
    EXPECT_EQ(caller->text, told);  // In the same words.
    EXPECT_EQ(sent(), "nothing");
  };
  const std::string more = R"({"items":[)" + item("Hi") + "]}";
  const std::string other = id.substr(0, id.size() - 2) + "AA";
  for (const auto& [method, behind, body] :
       {std::tuple("GET", "", ""), std::tuple("DELETE", "", ""),
        std::tuple("POST", "", R"({"metadata":{}})"), std::tuple("GET", "/items", ""),
        std::tuple("POST", "/items", more.c_str()), std::tuple("GET", "/items/msg_1", ""),
        std::tuple("DELETE", "/items/msg_1", "")}) {
    for (const auto& [tenant, user] :
         {std::pair("acme", "eve"), std::pair("globex", "ada"), std::pair("acme", "")}) {
      Ask asked = asking(method, "/" + id + behind, body);
      asked.headers = {{"Authorization", "Bearer " + world.add_key(tenant, user)}};
      expect_unknown(std::move(asked));
    }
    for (const std::string& named : {std::string("conv_1"), std::string("resp_1"), other}) {
      expect_unknown(asking(method, "/" + named + behind, body));
    }
  }
  told.clear();
  const std::string turn_of = R"({"model":"small","input":"Hi",)";
  Ask eves = ask(turn_of + conversation() + "}", "/v1/responses");
  eves.headers = {{"Authorization", "Bearer " + world.add_key("acme", "eve")}};
  expect_unknown(std::move(eves));
  expect_unknown(ask(turn_of + R"("conversation":"conv_1"})", "/v1/responses"));
  // Nor at another provider.
  expect_unknown(
      ask(R"({"model":"elsewhere","input":"Hi",)" + conversation() + "}", "/v1/responses"));
  expect_clean_books();
}

TEST_F(Conversations, TakeWhatAPromptMaySay) {
  const std::string items = "/" + id + "/items";
  const auto refused = [&](const std::string& rest, const std::string& body,
                           std::string_view reason) {
    const auto caller = asks("POST", rest, body);
    EXPECT_EQ(caller->header("x-tollgate-reason"), reason) << body << caller->text;
    EXPECT_EQ(sent(), "nothing");
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos);
  };
  refused(items, R"({"items":[)" + item("my key is " + kSecret) + "]}", "content_refused");
  refused("", R"({"items":[)" + item("my key is " + kSecret) + "]}", "content_refused");
  refused("/" + id, R"({"metadata":{"key":")" + kSecret + "\"}}", "content_refused");
  refused(items, R"({"items":[{"type":"item_reference","id":"msg_1"}]})", "unsupported_parameter");
  refused(items, R"({"items":[{"type":"file_search_call","id":"x"}]})", "unsupported_parameter");
  refused(items,
          R"({"items":[{"type":"function_call","call_id":"c","name":"rm","arguments":"{}"}]})",
          "tool_not_allowed");
  refused(items, R"({"items":[)" + item("Hi") + R"(],"include":["x"]})", "unsupported_parameter");
  refused(items,
          R"({"items":[{"type":"additional_tools","role":"developer","tools":[)"
          R"({"type":"function","name":"look","parameters":{}}]}]})",
          "unsupported_parameter");
  refused(items, R"({"items":[]})", "invalid_request");
  refused(items, R"({"items":"Hi"})", "invalid_request");
  refused(items, R"({})", "invalid_request");
  refused(items, "", "invalid_json");
  refused(items, "[]", "invalid_request");
  refused(items, R"({"items":[],"items":[]})", "duplicate_key");
  refused("/" + id, R"({"items":[)" + item("Hi") + "]}", "unsupported_parameter");
  refused("/" + id, "{}", "invalid_request");
  std::string large;
  for (int i = 0; i < 2100; ++i) large += "word ";
  refused(items, R"({"items":[)" + item(large) + "]}", "prompt_too_large");
  refused(items, std::string((64 << 10) + 1, ' '), "body_too_large");
  expect_clean_books();
}

// It would be told again in the answer, and a conversation be kept whose id nobody was told.
TEST_F(Conversations, KeepNothingThatNoAnswerMayTell) {
  const auto careful = [&](std::string rest, std::string body) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::string(kMade)};
    return world.serve(ask(std::move(body), "/v3/conversations" + std::move(rest)));
  };
  const auto made = careful("", R"({"metadata":{"topic":"x"},"items":[)" + item("Hi") + "]}");
  ASSERT_EQ(made->status, 200) << made->text;
  const std::size_t at = made->text.find(R"("id":"conv_)") + 6;
  const std::string of_it = "/" + made->text.substr(at, made->text.find('"', at) - at);
  const std::string items = R"("items":[)" + item("Hi") + "," + item("my key is " + kSecret) + "]";
  const std::string metadata = R"("metadata":{"key":")" + kSecret + "\"}";
  for (const auto& [rest, body, where] :
       {std::tuple(std::string(), "{" + items + "}", "items[1].content[0].text"),
        std::tuple(std::string(), "{" + metadata + "}", "metadata.key"),
        std::tuple(of_it, "{" + metadata + "}", "metadata.key"),
        std::tuple(of_it + "/items", "{" + items + "}", "items[1].content[0].text")}) {
    const auto caller = careful(rest, body);
    EXPECT_EQ(sent(), "nothing") << body;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
    EXPECT_NE(caller->text.find(std::string("'") + where + "' holds"), std::string::npos)
        << caller->text;
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos);
    EXPECT_EQ(last().rule, "routes.careful.content");
    EXPECT_NE(last().written.find(std::string(where) + ":"), std::string::npos) << last().written;
  }
  expect_clean_books();
}

TEST_F(Conversations, TellWhatAnAnswerMayHold) {
  const std::string items = "/" + id + "/items";
  const std::string rm = R"({"type":"function_call","call_id":"c","name":"rm","arguments":"{}"})";
  for (const auto& [rest, answer] :
       {std::pair(items, list_of(item(kSecret))), std::pair(items, list_of(rm)),
        std::pair(items + "/msg_1", item(kSecret)), std::pair(items + "/msg_1", rm),
        std::pair("/" + id, R"({"id":"conv_1","metadata":{"a":")" + kSecret + "\"}}")}) {
    const auto caller = asks("GET", rest, {}, answer);
    EXPECT_TRUE(caller->status == 400 || caller->status == 403) << answer << caller->text;
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos);
  }
  for (const std::string_view broken : {R"({"id":"conv_2","metadata":{}})", "hello", "[]",
                                        R"({"metadata":{}})", R"({"id":"conv_1","id":"conv_1"})"}) {
    EXPECT_EQ(asks("GET", "/" + id, {}, broken)->status, 502) << broken;
    EXPECT_EQ(asks("POST", "", {}, broken)->status, broken.find("conv_2") == 7 ? 200 : 502)
        << broken;
  }
  EXPECT_EQ(asks("GET", items, {}, R"({"object":"list"})")->status, 502);
  EXPECT_EQ(asks("GET", items + "/msg_1", {}, "[]")->status, 502);
  expect_clean_books();
}

// The code by which clients know to ask again; of anything else that is refused there are our
// words.
TEST_F(Conversations, ThatAreLockedAreToldSo) {
  const auto locked = [](std::string_view code) {
    return R"({"error":{"message":"org-7 is at work","type":"invalid_request_error","code":")" +
           std::string(code) + "\"}}";
  };
  const std::string more = R"({"items":[)" + item("Hi") + "]}";
  for (const int status : {400, 409}) {
    world.upstreams.script.status = status;
    const auto caller = asks("POST", "/" + id + "/items", more, locked("conversation_locked"));
    EXPECT_EQ(caller->status, status) << caller->text;
    EXPECT_NE(caller->text.find(R"("code":"conversation_locked")"), std::string::npos)
        << caller->text;
    EXPECT_EQ(caller->text.find("org-7"), std::string::npos);
    EXPECT_NE(last().written.find("upstream_rejected"), std::string::npos) << last().written;
    const auto other = asks("POST", "/" + id + "/items", more, locked("org_7_limit"));
    EXPECT_EQ(other->status, 400) << other->text;
    EXPECT_EQ(other->text.find("org"), std::string::npos) << other->text;
  }
  world.upstreams.script.status = 500;
  EXPECT_EQ(asks("DELETE", "/" + id, {}, locked("conversation_locked"))->status, 502);
  world.upstreams.script.status = 200;
  expect_clean_books();
}

TEST_F(Conversations, AreAskedByNothingThatIsNotKnown) {
  EXPECT_EQ(asks("GET", "", {})->status, 404) << "there is no list of all";
  EXPECT_EQ(asks("PUT", "/" + id, {})->status, 404);
  EXPECT_EQ(asks("GET", "/" + id + "/more", {})->status, 404);
  EXPECT_EQ(asks("GET", "/" + id + "/items/", {})->status, 404);
  EXPECT_EQ(asks("GET", "/" + id + "/items/a/b", {})->status, 404);
  EXPECT_EQ(asks("GET", "/" + id + "/items/a%20b", {})->status, 400);
  EXPECT_EQ(asks("POST", "/" + id + "/items/msg_1", {})->status, 404);
  EXPECT_EQ(asks("GET", "/" + id + "?include=x", {})->status, 400);
  EXPECT_EQ(asks("POST", "/" + id + "/items?include=x", R"({"items":[]})")->status, 400);
  Ask unkept = asking("POST", "", "{}");
  unkept.target = "/v2/conversations";
  EXPECT_EQ(world.serve(unkept)->status, 404);
  EXPECT_EQ(sent(), "nothing");
}

}  // namespace
}  // namespace tollgate::pipeline::testing
