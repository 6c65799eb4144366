// Sessions of the browser, and what pages of others try with them.
#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

constexpr std::string_view kHost = "127.0.0.1:9900";

class Session : public ApiTest {
 protected:
  struct Browser {
    std::string cookie;  // "tollgate_admin=…"
    std::string csrf;
  };

  static std::string cookie_of(const Caller& caller) {
    const std::string line = caller.header("set-cookie").value_or("");
    return line.substr(0, line.find(';'));
  }
  Browser begin(std::string_view token = kToken, Headers more = {}) {
    Headers headers = bearer(token);
    headers.insert(headers.end(), more.begin(), more.end());
    const auto begun = ask("POST", "/admin/v1/session", {}, headers);
    EXPECT_EQ(begun->status, 201) << begun->text;
    return {cookie_of(*begun), field(*begun, "csrf")};
  }
  std::unique_ptr<Caller> by_cookie(const Browser& browser, std::string method,
                                    std::string path = "session", Headers more = {},
                                    std::string body = {}) {
    Headers headers = {{"Host", std::string(kHost)}, {"Cookie", browser.cookie}};
    headers.insert(headers.end(), more.begin(), more.end());
    return ask(std::move(method), "/admin/v1/" + path, std::move(body), headers);
  }
  static Headers page(const Browser& browser) {
    return {{"Origin", "http://" + std::string(kHost)}, {"X-Tollgate-Csrf", browser.csrf}};
  }
};

TEST_F(Session, BeginsTellsAndEnds) {
  const auto begun = ask("POST", "/admin/v1/session", {}, bearer(token_of("acme-operator")));
  ASSERT_EQ(begun->status, 201);
  const std::string line = begun->header("set-cookie").value_or("");
  EXPECT_TRUE(line.starts_with("tollgate_admin="));
  EXPECT_TRUE(line.ends_with("; Path=/; HttpOnly; SameSite=Strict")) << line;
  const Browser browser{cookie_of(*begun), field(*begun, "csrf")};
  const auto shown = by_cookie(browser, "GET");
  EXPECT_EQ(shown->status, 200);
  EXPECT_EQ(field(*shown, "subject"), "acme-operator");
  EXPECT_EQ(field(*shown, "role"), "operator");
  EXPECT_EQ(field(*shown, "csrf"), browser.csrf);
  EXPECT_NE(shown->text.find(R"("tenants":["acme"])"), std::string::npos);
  EXPECT_NE(shown->text.find(R"("keys:change")"), std::string::npos);
  EXPECT_EQ(shown->text.find("owners:change"), std::string::npos);
  // A token by itself is told who it is, and needs no such value.
  EXPECT_EQ(field(*ask("GET", "/admin/v1/session"), "csrf"), "(none)");

  const auto ended = by_cookie(browser, "DELETE", "session", page(browser));
  EXPECT_EQ(ended->status, 200) << ended->text;
  EXPECT_NE(ended->header("set-cookie").value_or("").find("Max-Age=0"), std::string::npos);
  EXPECT_TRUE(is_problem(*by_cookie(browser, "GET"), 401));
}

TEST_F(Session, IsMarkedForTlsWhereThatIsSpoken) {
  auto config = configuration();
  config->admin.tls.emplace();
  current_->swap(config);
  const auto begun = ask("POST", "/admin/v1/session");
  const std::string line = begun->header("set-cookie").value_or("");
  EXPECT_TRUE(line.starts_with("__Host-tollgate_admin=")) << line;
  EXPECT_TRUE(line.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure")) << line;
}

// Each row is what a page of somebody else can make a browser send.
TEST_F(Session, DoesNothingForPagesOfOthers) {
  const Browser mine = begin();
  const Browser other = begin(token_of("viewer"));
  const std::string ours = "http://" + std::string(kHost);
  const std::vector<Headers> attacks = {
      {},
      {{"Origin", ours}},
      {{"X-Tollgate-Csrf", mine.csrf}},
      {{"Origin", "https://evil.example.com"}, {"X-Tollgate-Csrf", mine.csrf}},
      {{"Origin", "null"}, {"X-Tollgate-Csrf", mine.csrf}},
      {{"Origin", ours}, {"Sec-Fetch-Site", "cross-site"}, {"X-Tollgate-Csrf", mine.csrf}},
      {{"Sec-Fetch-Site", "same-site"}, {"X-Tollgate-Csrf", mine.csrf}},
      {{"Sec-Fetch-Site", "none"}, {"X-Tollgate-Csrf", mine.csrf}},
      {{"Origin", ours}, {"X-Tollgate-Csrf", ""}},
      {{"Origin", ours}, {"X-Tollgate-Csrf", other.csrf}},
      {{"Origin", ours}, {"X-Tollgate-Csrf", mine.csrf + "x"}},
  };
  for (const Headers& attack : attacks) {
    SCOPED_TRACE(&attack - attacks.data());
    const auto caller = by_cookie(mine, "POST", "keys", attack, R"({"tenant":"acme"})");
    EXPECT_TRUE(is_problem(*caller, 403)) << caller->text;
    EXPECT_FALSE(caller->body_read());
    EXPECT_FALSE(caller->header("access-control-allow-origin"));
  }
  EXPECT_EQ(store_->keys().size(), 0U);
  EXPECT_TRUE(is_problem(*by_cookie(mine, "GET", "keys", {{"Sec-Fetch-Site", "cross-site"}}), 403));
  EXPECT_EQ(by_cookie(mine, "POST", "keys", page(mine), R"({"tenant":"acme"})")->status, 201);
  EXPECT_EQ(by_cookie(mine, "POST", "keys",
                      {{"Sec-Fetch-Site", "same-origin"}, {"X-Tollgate-Csrf", mine.csrf}},
                      R"({"tenant":"acme"})")
                ->status,
            201);
}

TEST_F(Session, IsNobodysUnderAnotherName) {
  Headers headers = bearer(kToken);
  for (const char* host : {"evil.example.com", "evil.example.com:9900", "127.0.0.1.nip.io"}) {
    headers = bearer(kToken);
    headers.emplace_back("Host", host);
    for (const char* target : {"/admin/v1/keys", "/metrics", "/admin/login", "/"}) {
      EXPECT_TRUE(is_problem(*ask("GET", target, {}, headers), 421)) << host << target;
    }
    EXPECT_EQ(ask("GET", "/livez", {}, headers)->status, 200);
    EXPECT_EQ(ask("GET", "/readyz", {}, headers)->status, 200);
  }
}

// A browser that comes with an id of somebody's choice gets another one, and that one is nothing.
TEST_F(Session, IsNeverOneThatSomebodyChose) {
  const Browser planted{"tollgate_admin=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ""};
  EXPECT_TRUE(is_problem(*by_cookie(planted, "GET"), 401));
  const Browser fresh = begin(kToken, {{"Cookie", planted.cookie}});
  EXPECT_NE(fresh.cookie, planted.cookie);
  EXPECT_TRUE(is_problem(*by_cookie(planted, "GET"), 401));
  // The one before is over when the browser begins anew.
  const Browser again = begin(kToken, {{"Cookie", fresh.cookie}});
  EXPECT_TRUE(is_problem(*by_cookie(fresh, "GET"), 401));
  EXPECT_EQ(by_cookie(again, "GET")->status, 200);
  // And none begins by a cookie.
  EXPECT_TRUE(is_problem(*by_cookie(again, "POST", "session", page(again)), 400));
}

TEST_F(Session, EndsWithWhatBeganIt) {
  const auto made = ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"operator"})");
  const Browser stored = begin(field(*made, "secret"));
  const Browser fixed = begin(token_of("viewer"));
  const Browser first = begin();
  const Browser person = begin(issued(R"("groups":["admins"])"));
  for (const Browser* each : {&stored, &fixed, &first, &person}) {
    EXPECT_EQ(by_cookie(*each, "GET")->status, 200);
  }
  EXPECT_EQ(ask("POST", "/admin/v1/tokens/" + field(*made, "id") + "/revoke")->status, 200);
  EXPECT_TRUE(is_problem(*by_cookie(stored, "GET"), 401));
  api().set_token(config::Secret("the-next-token-of-the-test-0123456789"));
  EXPECT_TRUE(is_problem(*by_cookie(first, "GET"), 401));

  // What the configuration says of a token holds for its sessions at once.
  auto config = configuration();
  for (auto& token : config->admin.policy.tokens) {
    if (token.name == "viewer") token.grant = {administration::Role::kAuditor, {"acme"}, {}};
  }
  current_->swap(config);
  EXPECT_EQ(field(*by_cookie(fixed, "GET"), "role"), "auditor");
  EXPECT_EQ(by_cookie(person, "GET")->status, 200);
  config = configuration();
  config->admin.policy = {};
  current_->swap(config);
  EXPECT_TRUE(is_problem(*by_cookie(fixed, "GET"), 401));
  EXPECT_TRUE(is_problem(*by_cookie(person, "GET"), 401));
}

TEST_F(Session, EndsInTimeAndNeverAfterItsToken) {
  const Browser person = begin(issued(R"("groups":["staff"])"));
  const Browser idle = begin();
  for (int i = 0; i < 2; ++i) {
    clock_.pass(std::chrono::minutes(29));
    EXPECT_EQ(by_cookie(person, "GET")->status, 200);
  }
  EXPECT_TRUE(is_problem(*by_cookie(idle, "GET"), 401));
  clock_.pass(std::chrono::minutes(3));
  EXPECT_TRUE(is_problem(*by_cookie(person, "GET"), 401)) << "its token lasted an hour";
}

TEST_F(Session, TakesNoTwoCredentials) {
  Headers twice = bearer(kToken);
  twice.emplace_back("authorization", "Bearer " + token_of("viewer"));
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/keys", {}, twice), 400));
  twice[1].second = twice[0].second;
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/keys", {}, twice), 400)) << "the same twice";
  const Browser browser = begin();
  EXPECT_TRUE(is_problem(*by_cookie(browser, "GET", "keys", {{"Cookie", "a=b"}}), 400));
  const Browser two{browser.cookie + "; tollgate_admin=other", ""};
  EXPECT_TRUE(is_problem(*by_cookie(two, "GET"), 400));
  for (const std::string& value :
       {std::string("Basic YTpi"), std::string("Bearer"), "Bearer " + std::string(20'000, 'a'),
        std::string("Bearer \xff")}) {
    EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/keys", {}, {{"Authorization", value}}), 401));
  }
}

TEST_F(Session, AnswersAreHardened) {
  for (const char* target : {"/livez", "/metrics", "/admin/v1/session", "/elsewhere"}) {
    const auto caller = ask("GET", target);
    EXPECT_EQ(caller->header("cache-control"), "no-store") << target;
    EXPECT_EQ(caller->header("x-content-type-options"), "nosniff");
    EXPECT_EQ(caller->header("referrer-policy"), "no-referrer");
    EXPECT_EQ(caller->header("content-security-policy"),
              "default-src 'none'; frame-ancestors 'none'");
    EXPECT_FALSE(caller->header("access-control-allow-origin"));
  }
}

}  // namespace
}  // namespace tollgate::admin
