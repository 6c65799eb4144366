#include "pipeline/pages.h"

#include <gtest/gtest.h>

#include <array>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

class Pages : public PipelineTest {
 protected:
  Pages()
      : PipelineTest(
            settings_with("authentication: { api_keys: {} }",
                          "authentication:\n  api_keys: {}\n  sessions:\n"
                          "    - { name: web, cookie: sid, secret: "
                          "0123456789abcdef0123456789abcdef, tenant: org, "
                          "origins: [\"https://app.example.com\", \"http://localhost:3000\"] }")) {}

  Ask from_page(std::string origin, std::string method) {
    Ask asked = ask_as(world.add_key("acme"), std::string(kHello));
    asked.method = std::move(method);
    asked.headers.emplace_back("Origin", std::move(origin));
    return asked;
  }
  Ask preflight(std::string origin, std::string headers = "content-type") {
    Ask asked = from_page(std::move(origin), "OPTIONS");
    std::erase_if(asked.headers, [](const auto& each) { return each.first != "Origin"; });
    asked.headers.emplace_back("Access-Control-Request-Method", "POST");
    asked.headers.emplace_back("Access-Control-Request-Headers", std::move(headers));
    asked.body.clear();
    return asked;
  }
  static bool is_told(const Caller& caller) {
    return caller.headers.find("access-control-") != std::string::npos;
  }
};

constexpr std::string_view kOrigin = "access-control-allow-origin";

TEST_F(Pages, ThatAreListedAreAnsweredBeforeTheyCall) {
  const auto caller = world.serve(
      preflight("https://app.example.com", "Content-Type, x-evil,authorization , X-Stainless-OS"));
  EXPECT_EQ(caller->status, 204);
  EXPECT_EQ(caller->text, "");
  EXPECT_EQ(caller->header(kOrigin), "https://app.example.com");
  EXPECT_EQ(caller->header("access-control-allow-credentials"), "true");
  EXPECT_EQ(caller->header("access-control-allow-methods"), "GET, POST, DELETE");
  EXPECT_EQ(caller->header("access-control-allow-headers"),
            "authorization, content-type, x-stainless-os");
  EXPECT_EQ(caller->header("access-control-max-age"), "600");
  EXPECT_EQ(caller->header("vary"),
            "origin, access-control-request-method, access-control-request-headers");
  // It is no request: nothing is held, forwarded or on record.
  EXPECT_TRUE(world.trail.records.empty());
  EXPECT_TRUE(world.upstreams.messages.empty());
}

// Answers and refusals alike, whole and streamed.
TEST_F(Pages, ThatAreListedMayReadWhatTheyAreAnswered) {
  struct Row {
    Ask asked;
    int status;
  };
  Ask refused = from_page("http://localhost:3000", "POST");
  refused.body = R"({"model":"nothing","messages":[{"role":"user","content":"hi"}]})";
  Ask nobody = from_page("http://localhost:3000", "POST");
  std::erase_if(nobody.headers, [](const auto& each) { return each.first != "Origin"; });
  Ask models = from_page("http://localhost:3000", "GET");
  models.target = "/v1/models";
  const Row rows[] = {{from_page("http://localhost:3000", "POST"), 200},
                      {std::move(refused), 404},
                      {std::move(nobody), 401},
                      {std::move(models), 200}};
  for (const Row& row : rows) {
    const auto caller = world.serve(row.asked);
    EXPECT_EQ(caller->status, row.status);
    EXPECT_EQ(caller->header(kOrigin), "http://localhost:3000") << row.status;
    EXPECT_EQ(caller->header("access-control-allow-credentials"), "true");
    EXPECT_EQ(caller->header("vary"), "origin");
    EXPECT_EQ(caller->headers.find('*'), std::string::npos);
  }
}

// What is wrong with a request is what its page wants to know, and that nobody is there as well.
TEST_F(Pages, MayReadThatTheirRequestIsMalformed) {
  for (const bool listed : {true, false}) {
    const Header header{"Origin", listed ? "https://app.example.com" : "https://evil.example.com"};
    RequestHead head;
    head.method = "POST";
    head.headers = {&header, 1};
    std::string headers;
    std::string body;
    world.pipeline.refuse_malformed(head, "A header line has no name.", headers, body);
    EXPECT_EQ(headers.contains("access-control-allow-origin: https://app.example.com\r\n"), listed);
    EXPECT_EQ(headers.contains("access-control-"), listed) << headers;
    Ask alive = from_page(std::string(header.value), "GET");
    alive.target = "/livez";
    const auto caller = world.serve(alive);
    EXPECT_EQ(caller->status, 200);
    EXPECT_EQ(caller->header(kOrigin).has_value(), listed);
    EXPECT_EQ(caller->header("vary"), "origin");
  }
}

// A cache may keep what is answered to a read, and to nothing else; there it says of whom it is.
TEST_F(Pages, AnswersToReadsAreForNoCache) {
  struct Row {
    std::string method;
    std::string target;
    std::string origin;
    int status;
    std::optional<std::string> vary;
    std::optional<std::string> cache;
  };
  const std::string page = "https://app.example.com";
  const std::string chat = "/v1/chat/completions";
  const std::optional<std::string> nothing;
  const Row rows[] = {
      {"GET", "/v1/models", page, 200, "origin", "no-store"},
      {"GET", "/v1/models", "https://evil.com", 200, "origin", "no-store"},
      {"GET", "/v1/models", "", 200, "origin", "no-store"},
      {"GET", "/v1/nothing", "", 404, "origin", "no-store"},
      {"GET", "/livez", "", 200, "origin", "no-store"},
      {"POST", chat, page, 200, "origin", nothing},
      {"POST", chat, "https://evil.com", 200, nothing, nothing},
      {"POST", chat, "", 200, nothing, nothing},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.method + " " + row.target + " " + row.origin);
    Ask asked = from_page(row.origin, row.method);
    if (row.origin.empty())
      std::erase_if(asked.headers, [](auto& it) { return it.first == "Origin"; });
    asked.target = row.target;
    const auto caller = world.serve(asked);
    EXPECT_EQ(caller->status, row.status);
    EXPECT_EQ(caller->header("vary"), row.vary);
    EXPECT_EQ(caller->header("cache-control"), row.cache);
  }
}

// Where no page is listed no answer depends on one, but on who asks it does.
TEST_F(PipelineTest, AnswersToReadsAreForNoCacheWhereNoPageIsListed) {
  Ask asked = ask_as(world.add_key("acme"), std::string(kHello));
  asked.headers.emplace_back("Origin", "https://app.example.com");
  EXPECT_EQ(world.serve(asked)->header("vary"), std::nullopt);
  EXPECT_EQ(world.serve(asked)->header("cache-control"), std::nullopt);
  asked.method = "GET";
  asked.target = "/v1/models";
  const auto models = world.serve(asked);
  EXPECT_EQ(models->status, 200);
  EXPECT_EQ(models->header("vary"), std::nullopt);
  EXPECT_EQ(models->header("cache-control"), "no-store");
}

TEST_F(Pages, ThatAreNotListedAreToldNothing) {
  for (const std::string origin :
       {"https://evil.example.com", "https://app.example.com.evil.com", "https://app.example.com/",
        "http://app.example.com", "https://APP.example.com", "null", "*", ""}) {
    const auto before = world.serve(preflight(origin));
    EXPECT_EQ(before->status, 401) << origin;
    EXPECT_FALSE(is_told(*before)) << origin;
    const auto call = world.serve(from_page(origin, "POST"));
    EXPECT_EQ(call->status, 200) << origin;
    EXPECT_FALSE(is_told(*call)) << origin;
  }
  Ask twice = preflight("https://app.example.com");
  twice.headers.emplace_back("Origin", "https://evil.example.com");
  EXPECT_FALSE(is_told(*world.serve(twice)));
}

TEST_F(Pages, AskWithAPreflightOrAreCallersLikeOthers) {
  Ask plain = preflight("https://app.example.com");
  std::erase_if(plain.headers, [](const auto& each) { return each.first != "Origin"; });
  EXPECT_EQ(world.serve(plain)->status, 401);
}

}  // namespace
}  // namespace tollgate::pipeline::testing
