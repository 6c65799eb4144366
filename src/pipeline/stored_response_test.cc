// Responses that a provider keeps: whose they are, what is held for them, and what leaves.
#include "pipeline/stored_response.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

authentication::Identity caller_of(std::string_view tenant, std::string_view subject,
                                   std::string_view credential = "key1") {
  authentication::Identity made;
  made.tenant = tenant;
  made.subject = subject;
  made.credential_id = credential;
  return made;
}

struct Owned {
  config::Route route{.name = "responses", .stored_responses = "digest"};
  config::Upstream upstream{.name = "vllm"};
  config::Model model{.name = "small"};
  authentication::Identity caller = caller_of("acme", "ada");
  authentication::Pepper pepper = test_pepper();

  std::string seal() const {
    return seal_response(pepper, {route, upstream, model, caller}, {.id = "resp_1", .tokens = 42});
  }
  bool opens(std::string_view sealed) const {
    return open_response(pepper, {route, upstream, model, caller}, sealed).has_value();
  }
};

TEST(StoredResponse, IsOfTheActorWhoseItIs) {
  const std::string sealed = Owned().seal();
  EXPECT_TRUE(dialects::is_response_id(sealed)) << sealed;
  const Owned same{.caller = caller_of("acme", "ada", "key2")};  // Another key of the same person.
  const auto opened =
      open_response(same.pepper, {same.route, same.upstream, same.model, same.caller}, sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->id, "resp_1");
  EXPECT_EQ(opened->tokens, 42);

  EXPECT_FALSE(Owned{.caller = caller_of("acme", "eve")}.opens(sealed));
  EXPECT_FALSE(Owned{.caller = caller_of("globex", "ada")}.opens(sealed));
  EXPECT_FALSE((Owned{.caller = caller_of("acme", "", "ada")}.opens(sealed)));
  EXPECT_FALSE((Owned{.route = {.name = "other", .stored_responses = "digest"}}.opens(sealed)));
  EXPECT_FALSE((Owned{.route = {.name = "responses", .stored_responses = "x"}}.opens(sealed)));
  EXPECT_FALSE(Owned{.upstream = {.name = "other"}}.opens(sealed));
  EXPECT_FALSE(Owned{.model = {.name = "big"}}.opens(sealed));
  Owned vouched;
  vouched.caller.verifier = "corporate";
  EXPECT_FALSE(vouched.opens(sealed));
}

TEST(StoredResponse, IsNothingWhereACharacterDiffers) {
  const Owned owned;
  const std::string sealed = owned.seal();
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string other = sealed;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(owned.opens(other)) << i;
  }
  for (const std::string_view text : {"", "resp_", "resp_1", "resp_AAAA", "x"}) {
    EXPECT_FALSE(owned.opens(text)) << text;
  }
  EXPECT_FALSE(owned.opens(sealed + "A"));
  EXPECT_FALSE(owned.opens("resp_" + std::string(4096, 'A')));
}

constexpr std::string_view kRoute = R"(  - name: responses
    path: /v1/responses
    models: [small, big]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 1000, output_tokens: 100 }
    tools: { allow: [look, "type:web_search"], unlisted: remove }
    content: { request: [pii], on_match: redact }
    stored_responses: true
  - name: unkept
    path: /v1/responses
    models: [unknown]
    allow: [{ tenants: [acme] }]
  - name: chatting
    path: /v1/responses
    models: [chatting]
    allow: [{ tenants: [acme] }]
    stored_responses: true
)";
constexpr std::int64_t kOutputHeld = 100 * 10;  // Micro-dollars.

std::string settings() {
  std::string text = settings_with(
      "tenants:",
      "  chatting: { upstream: chats, price_per_million: { input: 1, output: 10 } }\ntenants:");
  const std::string_view upstreams = "upstreams:\n";
  text.insert(text.find(upstreams) + upstreams.size(),
              "  chats: { url: \"http://10.0.0.6/v1\", speaks: openai, surfaces: "
              "[chat_completions] }\n");
  return text + std::string(kRoute);
}

std::string reply(std::string_view id, std::string_view usage = R"("input_tokens":9,)"
                                                                R"("output_tokens":4)") {
  return R"({"id":")" + std::string(id) +
         R"(","object":"response","status":"completed","output":[{"type":"message","role":)"
         R"("assistant","content":[{"type":"output_text","text":"the answer is simple"}]}],)"
         R"("usage":{)" +
         std::string(usage) + "}}";
}

class StoredResponses : public PipelineTest {
 protected:
  StoredResponses() : PipelineTest(settings()) {
    world.upstreams.script.pieces = {reply("resp_1")};
  }

  Ask responses(std::string_view more, std::string_view input = "Hello there") const {
    return ask(R"({"model":"small","input":")" + std::string(input) + '"' + std::string(more) + "}",
               "/v1/responses");
  }
  std::string sent() const {
    const std::string& message = world.upstreams.messages.back();
    return message.substr(message.find("\r\n\r\n") + 4);
  }
  static std::string id_in(std::string_view text) {
    const std::size_t at = text.find(R"("id":"resp_)") + 6;
    return std::string(text.substr(at, text.find('"', at) - at));
  }
  // The id that Ada has of one that is kept.
  std::string kept() {
    const auto caller = world.serve(responses(R"(,"store":true)"));
    EXPECT_EQ(caller->status, 200) << caller->text;
    return id_in(caller->text);
  }
  static std::string going_on(std::string_view id) {
    return R"(,"previous_response_id":")" + std::string(id) + '"';
  }
};

// "Hello there" in a request of its own, and with it the most that it makes.
TEST_F(StoredResponses, AreGoneOnFromByTheirOwner) {
  const std::string id = kept();
  EXPECT_NE(sent().find(R"("store":true)"), std::string::npos) << sent();
  const std::int64_t first = settled().held.micro_usd;
  const std::int64_t input = first - kOutputHeld;
  world.upstreams.script.pieces = {R"({"previous_response_id":"resp_1",)" +
                                   reply("resp_2").substr(1)};
  const auto caller = world.serve(responses(R"(,"store":true)" + going_on(id)));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(sent().find(R"("previous_response_id":"resp_1")"), std::string::npos) << sent();
  EXPECT_NE(caller->text.find(R"("previous_response_id":")" + id + '"'), std::string::npos);
  EXPECT_EQ(caller->text.find("\"resp_"), caller->text.find("\"resp_" + id.substr(5)));
  // Held is what the first had held, and all that it could make.
  EXPECT_EQ(settled().held.micro_usd, first + input + kCap);
  EXPECT_EQ(settled().used.input, 9);  // As the provider said.

  // With the third the second is held too, in which is the first.
  const std::string second = id_in(caller->text);
  world.upstreams.script.pieces = {reply("resp_3")};
  const auto third = world.serve(responses(going_on(second)));
  EXPECT_NE(sent().find(R"("previous_response_id":"resp_2")"), std::string::npos) << sent();
  EXPECT_NE(sent().find(R"("store":false)"), std::string::npos) << sent();
  EXPECT_EQ(settled().held.micro_usd, first + 2 * (input + kCap));
  // What is not kept has the provider's id.
  EXPECT_EQ(id_in(third->text), "resp_3");
  EXPECT_EQ(world.meter.counts, 1);  // Nothing is learned of what nobody here has counted.
  expect_clean_books();
}

TEST_F(StoredResponses, CostAtMostWhatWasHeldForThem) {
  const std::string id = kept();
  for (const std::string_view usage :
       {R"("input_tokens":60,"output_tokens":4)", R"("input_tokens":9000,"output_tokens":4)"}) {
    world.upstreams.script.pieces = {reply("resp_2", usage)};
    EXPECT_EQ(world.serve(responses(going_on(id)))->status, 200);
    if (usage.find("9000") == std::string_view::npos) {
      EXPECT_EQ(settled().used.input, 60);
    }
    EXPECT_LE(settled().used.cost, settled().held);
  }
  expect_clean_books();
}

TEST_F(StoredResponses, AreNothingToAnybodyElse) {
  const std::string id = kept();
  const auto sent_so_far = world.upstreams.messages.size();
  std::string told;
  const auto expect_unknown = [&](Ask asked) {
    const auto caller = world.serve(std::move(asked));
    EXPECT_EQ(caller->status, 404) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "not_found");
    EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.responses.stored_responses");
    EXPECT_EQ(last().code, "not_found");
    if (told.empty()) told = caller->text;
    EXPECT_EQ(caller->text, told);  // In the same words.
    EXPECT_EQ(world.upstreams.messages.size(), sent_so_far);
  };
  for (const auto& [tenant, user] :
       {std::pair("acme", "eve"), std::pair("globex", "ada"), std::pair("acme", "")}) {
    Ask asked = responses(going_on(id));
    asked.headers = {{"Authorization", "Bearer " + world.add_key(tenant, user)}};
    expect_unknown(std::move(asked));
  }
  // Of another model, the provider's own, and one that is made up.
  expect_unknown(ask(R"({"model":"big","input":"x")" + going_on(id) + "}", "/v1/responses"));
  expect_unknown(responses(going_on("resp_1")));
  expect_unknown(responses(going_on(id.substr(0, id.size() - 2) + "AA")));
  expect_clean_books();
}

TEST_F(StoredResponses, HaveOneIdThroughoutAStream) {
  const std::string id = kept();
  const std::string response = R"({"id":"resp_2","previous_response_id":"resp_1","output":[]})";
  const auto told = [&](std::string_view type) {
    return event(type, R"({"type":")" + std::string(type) + R"(","response":)" + response + "}");
  };
  const std::string begin =
      told("response.created") +
      event("response.output_item.added",
            R"({"type":"response.output_item.added","output_index":0,"item":{"id":"m","type":)"
            R"("message","role":"assistant","content":[]}})");
  const auto delta = [](std::string_view text) {
    return event("response.output_text.delta",
                 R"({"type":"response.output_text.delta","output_index":0,"content_index":0,)"
                 R"("item_id":"m","delta":")" +
                     std::string(text) + R"("})");
  };
  std::string endless;
  for (int i = 0; i < 200; ++i) endless += delta(" more and more");
  for (const std::string& rest :
       {delta("the answer") + told("response.completed"), endless, delta("the answer")}) {
    world.upstreams.script.content_type = "text/event-stream";
    world.upstreams.script.pieces = {begin, rest};
    const auto caller = world.serve(responses(R"(,"store":true,"stream":true)" + going_on(id)));
    EXPECT_EQ(caller->status, 200) << caller->text;
    const std::string own = id_in(caller->text);
    EXPECT_GT(own.size(), 40U);
    std::size_t seen = 0;
    for (std::size_t at = 0; (at = caller->text.find(R"("id":"resp_)", at)) != std::string::npos;
         ++at) {
      EXPECT_EQ(caller->text.compare(at + 6, own.size() + 1, own + '"'), 0);
      ++seen;
    }
    EXPECT_GE(seen, rest == delta("the answer") ? 1U : 2U) << caller->text;
    EXPECT_EQ(caller->text.find(R"("resp_1")"), std::string::npos);
    EXPECT_EQ(caller->text.find(R"("resp_2")"), std::string::npos);
    expect_clean_books();

    world.upstreams.script.content_type = "application/json";
    world.upstreams.script.pieces = {reply("resp_3")};
    EXPECT_EQ(world.serve(responses(going_on(own)))->status, 200);
    EXPECT_NE(sent().find(R"("previous_response_id":"resp_2")"), std::string::npos) << sent();
  }
}

// What is read again, masked and without a tool, goes on from the same.
TEST_F(StoredResponses, AreKeptThroughMasksAndRemovedTools) {
  const std::string id = kept();
  const auto caller = world.serve(
      responses(R"(,"tools":[{"type":"function","name":"rm","parameters":{}}])" + going_on(id),
                "Write to ada@acme-mail.org"));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(sent().find("[REDACTED:pii.email#1]"), std::string::npos) << sent();
  EXPECT_EQ(sent().find("rm"), std::string::npos) << sent();
  EXPECT_NE(sent().find(R"("previous_response_id":"resp_1")"), std::string::npos) << sent();
  expect_clean_books();
}

TEST_F(StoredResponses, CountAgainstTheCapOnInput) {
  std::string id = kept();
  int turns = 1;
  for (; turns < 20; ++turns) {
    const auto caller = world.serve(responses(R"(,"store":true)" + going_on(id)));
    if (caller->status != 200) {
      EXPECT_EQ(caller->header("x-tollgate-reason"), "prompt_too_large") << caller->text;
      break;
    }
    id = id_in(caller->text);
  }
  EXPECT_GE(turns, 8);
  EXPECT_LE(turns, 10);
}

TEST_F(StoredResponses, AreNotMadeWhereTheyCouldNotBeHeld) {
  const auto expect_refused = [&](std::string body, std::string_view param) {
    const auto caller = world.serve(ask(std::move(body), "/v1/responses"));
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-reason"), "unsupported_parameter");
    EXPECT_NE(caller->text.find(R"("param":")" + std::string(param) + '"'), std::string::npos)
        << caller->text;
    EXPECT_TRUE(world.upstreams.messages.empty());
  };
  expect_refused(R"({"model":"small","input":"x","store":true,"tools":[{"type":"web_search"}]})",
                 "store");
  // What goes on from it would be offered a tool that no request says.
  expect_refused(R"({"model":"small","input":[{"role":"user","content":"x"},)"
                 R"({"type":"additional_tools","role":"developer","tools":[)"
                 R"({"type":"function","name":"look","parameters":{}}]}],"store":true})",
                 "store");
  // On a route that keeps nothing, and where the model is asked by another API.
  expect_refused(R"({"model":"unknown","input":"x","store":true})", "store");
  expect_refused(R"({"model":"unknown","input":"x","previous_response_id":"resp_1"})",
                 "previous_response_id");
  expect_refused(R"({"model":"chatting","input":"x","store":true})", "store");
  expect_clean_books();
}

TEST_F(StoredResponses, WithoutAnIdToBindAreBroken) {
  world.upstreams.script.pieces = {reply("r")};
  const auto caller = world.serve(responses(R"(,"store":true)"));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "upstream_error") << caller->text;
  expect_clean_books();
}

TEST_F(StoredResponses, AreNamedAsTheCallerKnowsThemInErrors) {
  const std::string id = kept();
  world.upstreams.script.status = 400;
  world.upstreams.script.pieces = {
      R"({"error":{"message":"Previous response with id 'resp_1' not found.","type":)"
      R"("invalid_request_error","param":"previous_response_id","code":null}})"};
  const auto caller = world.serve(responses(going_on(id)));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("'" + id + "'"), std::string::npos) << caller->text;
  EXPECT_EQ(caller->text.find("'resp_1'"), std::string::npos);
  expect_clean_books();
}

// A budget that would have another model answer refuses what only this one can go on from.
class StoredAndShort : public PipelineTest {
 protected:
  StoredAndShort()
      : PipelineTest(settings_with("usd: 500, per: month, when_exhausted: refuse",
                                   "usd: 0.005, per: month, when_exhausted: { downgrade_to: "
                                   "small }") +
                     std::string(kRoute.substr(0, kRoute.find("  - name: unkept")))) {
    world.ledger.books = &books;
    world.upstreams.script.pieces = {reply("resp_1")};
  }
  Books books;
};

TEST_F(StoredAndShort, AreServedByNoOtherModel) {
  const std::string body = R"({"model":"big","input":"Hello there")";
  EXPECT_EQ(world.serve(ask(body + "}", "/v1/responses"))->status, 200);
  EXPECT_EQ(settled().model, "small");
  const auto caller = world.serve(ask(body + R"(,"store":true})", "/v1/responses"));
  EXPECT_EQ(caller->status, 429) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-reason"), "budget_exhausted");
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
