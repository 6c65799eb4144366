// What is asked later of a response that a provider keeps: by whom, what of it is told, and what is
// on record.
#include "pipeline/kept_response.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

// In two parts, so that no scanner of repositories takes it for one.
const std::string kSecret = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

constexpr std::string_view kRoutes = R"(  - name: unkept
    path: /v1/unkept
    surface: responses
    models: [small]
    allow: [{}]
  - name: responses
    path: /v1/responses
    models: [small, big]
    allow: [{ tenants: [acme, globex] }]
    prompt: { body: 64KiB, input_tokens: 1000, output_tokens: 100 }
    tools: { allow: [look] }
    content: { response: [secrets] }
    stored_responses: true
)";

std::string response(std::string_view id, std::string_view items) {
  return R"({"id":")" + std::string(id) +
         R"(","object":"response","status":"completed","previous_response_id":"resp_0","output":[)" +
         std::string(items) +
         R"(],"usage":{"input_tokens":900000,"output_tokens":900000,"total_tokens":1800000}})";
}
std::string message(std::string_view text) {
  return R"({"type":"message","role":"assistant","content":[{"type":"output_text","text":")" +
         std::string(text) + R"("}]})";
}

class KeptResponses : public PipelineTest {
 protected:
  KeptResponses() : PipelineTest(std::string(kSettings) + std::string(kRoutes)) {
    world.upstreams.script.pieces = {response("resp_1", message("hello"))};
    const auto caller = world.serve(
        ask(R"({"model":"small","input":"Hello there","store":true})", "/v1/responses"));
    EXPECT_EQ(caller->status, 200) << caller->text;
    const std::size_t at = caller->text.find(R"("id":"resp_)") + 6;
    id = caller->text.substr(at, caller->text.find('"', at) - at);
    world.upstreams.messages.clear();
  }

  auto asks(std::string method, std::string rest, std::string answer = {}) {
    world.upstreams.messages.clear();
    if (!answer.empty()) world.upstreams.script.pieces = {std::move(answer)};
    Ask asked = ask({}, "/v1/responses/" + std::move(rest));
    asked.method = std::move(method);
    return world.serve(asked);
  }
  std::string sent() const { return world.upstreams.messages.back(); }

  std::string id;
};

TEST_F(KeptResponses, AreToldToTheirOwnerUnderTheirName) {
  const auto caller = asks("GET", id, response("resp_1", message("hello")));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_TRUE(sent().starts_with("GET /v1/responses/resp_1 HTTP/1.1\r\n")) << sent();
  EXPECT_NE(sent().find("Authorization: Bearer sk-upstream-secret"), std::string::npos);
  EXPECT_NE(caller->text.find(R"("id":")" + id + '"'), std::string::npos) << caller->text;
  EXPECT_NE(caller->text.find(R"("previous_response_id":null)"), std::string::npos);
  EXPECT_EQ(caller->text.find("resp_1"), std::string::npos);
  EXPECT_EQ(settled().used.cost, Money{}) << "whatever it says that it used before";
  EXPECT_EQ(settled().held, Money{});
  EXPECT_NE(last().written.find(R"("surface":"responses.retrieve")"), std::string::npos)
      << last().written;
  EXPECT_NE(last().written.find(R"("subject":"ada")"), std::string::npos) << last().written;
  EXPECT_EQ(world.ledger.limits.front().amount, 1) << "it is a request";
  expect_clean_books();
}

// The copy of what the provider told counts until the caller has it, and so does what is told of
// it.
TEST_F(KeptResponses, AreToldAsFarAsThereIsMemory) {
  const std::string answer = response("resp_1", message(std::string(40'000, 'x')));
  constexpr Bytes kRoom = 128 << 10;
  world.buffered.limit(kRoom);
  EXPECT_EQ(asks("GET", id, answer)->status, 200);
  EXPECT_EQ(world.buffered.bytes(), 0);
  const Bytes size = static_cast<Bytes>(answer.size());
  for (const Bytes left : {size - 1, size + 1}) {
    ASSERT_TRUE(world.buffered.take(kRoom - left, overload::BufferedBytes::For::kAnswer));
    const auto full = asks("GET", id, answer);
    EXPECT_EQ(full->status, 503) << full->text;
    EXPECT_EQ(full->header("x-tollgate-rule"), "edge.buffered_bytes_max");
    EXPECT_EQ(asks("GET", id, response("resp_1", message("hello")))->status, 200);
    EXPECT_EQ(world.buffered.bytes(), kRoom - left);
    world.buffered.give(kRoom - left);
  }
  expect_clean_books();
}

TEST_F(KeptResponses, AreForgottenAndCancelledAndListed) {
  const auto forgotten = asks("DELETE", id, R"({"id":"resp_1","deleted":true,"more":"x"})");
  EXPECT_EQ(forgotten->status, 200);
  EXPECT_EQ(forgotten->text, R"({"id":")" + id + R"(","object":"response","deleted":true})");
  EXPECT_TRUE(sent().starts_with("DELETE /v1/responses/resp_1 HTTP/1.1\r\n"));
  const auto cancelled = asks("POST", id + "/cancel", response("resp_1", message("hel")));
  EXPECT_EQ(cancelled->status, 200) << cancelled->text;
  EXPECT_TRUE(sent().starts_with("POST /v1/responses/resp_1/cancel HTTP/1.1\r\n"));
  const auto items = asks("GET", id + "/input_items?limit=5&order=asc",
                          R"({"object":"list","data":[)" + message("a") + "],\"has_more\":false}");
  EXPECT_EQ(items->status, 200) << items->text;
  EXPECT_TRUE(
      sent().starts_with("GET /v1/responses/resp_1/input_items?limit=5&order=asc HTTP/1.1\r\n"));
  EXPECT_NE(items->text.find(R"("text":"a")"), std::string::npos);
  expect_clean_books();
}

TEST_F(KeptResponses, AreNothingToAnybodyElse) {
  std::string told;
  const auto expect_unknown = [&](Ask asked) {
    const auto caller = world.serve(std::move(asked));
    EXPECT_EQ(caller->status, 404) << caller->text;
    if (told.empty()) told = caller->text;
    EXPECT_EQ(caller->text, told);  // In the same words.
    EXPECT_EQ(last().code, "not_found");
  };
  for (const std::string method : {"GET", "DELETE"}) {
    for (const auto& [tenant, user] :
         {std::pair("acme", "eve"), std::pair("globex", "ada"), std::pair("acme", "")}) {
      Ask asked = ask({}, "/v1/responses/" + id);
      asked.method = method;
      asked.headers = {{"Authorization", "Bearer " + world.add_key(tenant, user)}};
      expect_unknown(std::move(asked));
    }
    for (const std::string& other : {std::string("resp_1"), id.substr(0, id.size() - 2) + "AA"}) {
      Ask asked = ask({}, "/v1/responses/" + other);
      asked.method = method;
      expect_unknown(std::move(asked));
    }
  }
  EXPECT_TRUE(world.upstreams.messages.empty());
  Ask nobody = ask({}, "/v1/responses/" + id);
  nobody.method = "GET";
  nobody.headers = {};
  EXPECT_EQ(world.serve(nobody)->status, 401);
  expect_clean_books();
}

TEST_F(KeptResponses, AreInspectedAsAnAnswerIs) {
  for (const std::string& body :
       {response("resp_1", message("it is " + kSecret)),
        response("resp_1",
                 R"({"type":"function_call","name":"rm","call_id":"c","arguments":"{}"})"),
        response("resp_1", R"({"type":"web_search_call","id":"ws"})")}) {
    const auto caller = asks("GET", id, body);
    EXPECT_GE(caller->status, 400) << caller->text;
    EXPECT_LT(caller->status, 500) << caller->text;
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos);
  }
  EXPECT_EQ(asks("GET", id,
                 response("resp_1", R"({"type":"function_call","name":"look","arguments":"{}"})"))
                ->status,
            200);
  const std::string list = R"({"data":[)" + message(kSecret) + "]}";
  EXPECT_EQ(asks("GET", id + "/input_items", list)->status, 400);
  expect_clean_books();
}

TEST_F(KeptResponses, ThatAreNotWhatWasAskedForReachNobody) {
  for (const std::string& body :
       {response("resp_2", ""), std::string("hello"), std::string("[]"),
        std::string(R"({"id":"resp_1"})"), std::string(R"({"id":"resp_1","id":"resp_1"})")}) {
    EXPECT_EQ(asks("GET", id, body)->status, 502) << body;
  }
  for (const auto& [status, told] :
       {std::pair(404, 404), std::pair(400, 400), std::pair(429, 503), std::pair(401, 502)}) {
    world.upstreams.script.status = status;
    const auto caller = asks("GET", id, R"({"error":{"message":"key sk-upstream-secret"}})");
    EXPECT_EQ(caller->status, told) << status << caller->text;
    EXPECT_EQ(caller->text.find("sk-upstream"), std::string::npos);
    world.clock.pass(std::chrono::seconds(2));  // It may be left alone meanwhile.
  }
  expect_clean_books();
}

// An endpoint is known by what any attempt there came to.
TEST_F(KeptResponses, TellHowTheirEndpointIsLikeEveryAttempt) {
  world.upstreams.script.status = 500;
  int failed = 0;
  while (asks("GET", id)->status == 502 && failed < 100) ++failed;
  EXPECT_EQ(failed, attempts::BreakerPolicy{}.consecutive_failures);
  EXPECT_TRUE(world.upstreams.messages.empty()) << "it is left alone";
  EXPECT_EQ(last().code, "overloaded");
  const auto chat =
      world.serve(ask(R"({"model":"small","input":"Hello there","store":true})", "/v1/responses"));
  EXPECT_EQ(chat->status, 503) << "by whatever is asked there: " << chat->text;
  EXPECT_TRUE(world.upstreams.messages.empty());

  world.clock.pass(attempts::BreakerPolicy{}.open + std::chrono::milliseconds(1));
  world.upstreams.script.status = 200;
  EXPECT_EQ(asks("GET", id, response("resp_1", message("hello")))->status, 200);
  EXPECT_EQ(asks("GET", id)->status, 200) << "the probe closed it";
  expect_clean_books();
}

TEST_F(KeptResponses, LeaveAnEndpointAloneAsItAsks) {
  world.upstreams.script.status = 429;
  world.upstreams.script.headers["retry-after"] = "7";
  EXPECT_GE(std::stoi(asks("GET", id)->header("retry-after").value_or("0")), 7);
  world.clock.pass(std::chrono::seconds(6));
  EXPECT_EQ(asks("GET", id)->status, 503);
  EXPECT_TRUE(world.upstreams.messages.empty());
  world.upstreams.script = {};
  world.clock.pass(std::chrono::seconds(2));
  EXPECT_EQ(asks("GET", id, response("resp_1", message("hello")))->status, 200);
  // What is said of the request says nothing of the endpoint.
  world.upstreams.script.status = 404;
  for (int i = 0; i < 40; ++i) EXPECT_EQ(asks("GET", id)->status, 404);
  EXPECT_EQ(world.upstreams.messages.size(), 1U);
  expect_clean_books();
}

TEST_F(KeptResponses, AreHeldToAnswersToAlerts) {
  const auto hold = [&](alerts::Action action, limits::Scope scope, std::string subject) {
    alerts::Answer made;
    made.rule = "alerts[0]";
    made.scope = scope;
    made.subject = std::move(subject);
    made.action = action;
    world.pipeline.hold_to(std::make_shared<const alerts::InForce>(std::vector{made}));
  };
  for (const auto& [scope, subject] :
       {std::pair(limits::Scope::kRoute, "responses"), std::pair(limits::Scope::kModel, "small")}) {
    hold(alerts::Action::kFreeze, scope, subject);
    EXPECT_EQ(asks("GET", id)->status, 403);
    EXPECT_TRUE(world.upstreams.messages.empty());
  }
  hold(alerts::Action::kSlowDown, limits::Scope::kTenantId, "acme");
  EXPECT_EQ(asks("GET", id, response("resp_1", message("hello")))->status, 200);
  EXPECT_EQ(world.ledger.limits.back().rule, "alerts[0]");
  expect_clean_books();
}

TEST_F(KeptResponses, AreAskedByNothingThatIsNotKnown) {
  for (const std::string rest : {"?stream=true", "?include=x", "?starting_after=3", "?a%00=1"}) {
    const auto caller = asks("GET", id + rest);
    EXPECT_EQ(caller->status, 400) << rest << caller->text;
  }
  EXPECT_EQ(asks("GET", id + "/input_items?limit=a%20b")->status, 400);
  EXPECT_EQ(asks("PUT", id)->status, 404);
  EXPECT_EQ(asks("GET", id + "/more")->status, 404);
  EXPECT_EQ(asks("POST", id)->status, 404);
  Ask unkept = ask({}, "/v1/unkept/" + id);
  unkept.method = "GET";
  EXPECT_EQ(world.serve(unkept)->status, 404);
  EXPECT_TRUE(world.upstreams.messages.empty());
}

}  // namespace
}  // namespace tollgate::pipeline::testing
