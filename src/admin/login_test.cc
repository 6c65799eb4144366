// People who log in at an issuer, and those who try to by another's login.
#include <gtest/gtest.h>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

class LoginTest : public ApiTest {
 protected:
  LoginTest() {
    web_.pages[std::string(kPlaces)] =
        fmt::format(R"({{"issuer":"{}","authorization_endpoint":"https://login.example.com/auth",)"
                    R"("token_endpoint":"{}","code_challenge_methods_supported":["S256"]}})",
                    kIssuer, kExchange);
  }

  static constexpr std::string_view kHost = "127.0.0.1:9900";

  struct Begun {
    std::string cookie;
    Parameters sent;  // To the issuer.
    std::string of(std::string_view name) const {
      for (const auto& [key, value] : sent) {
        if (key == name) return value;
      }
      return "(none)";
    }
  };
  static std::string first_cookie(const Caller& caller) {
    const std::string line = caller.header("set-cookie").value_or("");
    return line.substr(0, line.find(';'));
  }
  Begun begin(IpAddress from = {}) {
    const auto caller = ask("GET", "/admin/login", {}, {{"Host", std::string(kHost)}}, from);
    EXPECT_EQ(caller->status, 302) << caller->text;
    const std::string where = caller->header("location").value_or("");
    const std::string_view start = "https://login.example.com/auth?";
    EXPECT_TRUE(where.starts_with(start)) << where;
    return {first_cookie(*caller), *parse_query(where.substr(start.size()))};
  }
  // What the issuer says to whoever exchanges a code.
  void answer_with(std::string_view token) {
    web_.pages[std::string(kExchange)] = fmt::format(R"({{"id_token":"{}"}})", token);
  }
  std::string id_token(const Begun& begun, std::string_view more = R"("groups":["admins"])") {
    return issued(fmt::format(R"("nonce":"{}",{})", begun.of("nonce"), more), "browser");
  }
  std::unique_ptr<Caller> come_back(std::string_view query, std::string_view cookie) {
    Headers headers = {{"Host", std::string(kHost)}};
    if (!cookie.empty()) headers.emplace_back("Cookie", cookie);
    return ask("GET", fmt::format("/admin/callback?{}", query), {}, headers);
  }
  static std::string made_up(const Begun& begun, int i) {
    return fmt::format("code=made-up-{}&state={}", i, begun.of("state"));
  }
  static std::string answer(const Begun& begun) {
    return fmt::format("code=the-code&state={}", begun.of("state"));
  }
};

TEST_F(LoginTest, EndsInASession) {
  const Begun begun = begin();
  EXPECT_EQ(begun.of("client_id"), "browser");
  EXPECT_EQ(begun.of("response_type"), "code");
  EXPECT_EQ(begun.of("redirect_uri"), "http://127.0.0.1:9900/admin/callback");
  EXPECT_EQ(begun.of("code_challenge_method"), "S256");
  EXPECT_EQ(begun.of("scope"), "openid");
  EXPECT_GE(begun.of("state").size(), 43U);
  EXPECT_NE(begun.of("state"), begun.of("nonce"));
  answer_with(id_token(begun));
  const auto back = come_back(answer(begun) + "&session_state=x", begun.cookie);
  ASSERT_EQ(back->status, 200) << back->text;
  EXPECT_TRUE(back->content_type.starts_with("text/html"));
  const std::string session = first_cookie(*back);
  EXPECT_TRUE(session.starts_with("tollgate_admin="));
  EXPECT_NE(back->headers.find("tollgate_login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
            std::string::npos);
  const std::string& form = web_.bodies.back();
  EXPECT_NE(form.find("code=the-code"), std::string::npos);
  EXPECT_NE(form.find("redirect_uri=http%3A%2F%2F127.0.0.1%3A9900%2Fadmin%2Fcallback"),
            std::string::npos);
  EXPECT_EQ(form.find("client-secret"), std::string::npos) << "it is in the head";
  const auto who = ask("GET", "/admin/v1/session", {}, {{"Cookie", session}});
  EXPECT_EQ(field(*who, "kind"), "oidc");
  EXPECT_EQ(field(*who, "subject"), "ada");
  EXPECT_EQ(field(*who, "credential_id"), "corporate/ada");
  EXPECT_EQ(field(*who, "role"), "owner");
  EXPECT_EQ(field(*who, "expires"), "2026-03-04T06:30:00Z");
}

TEST_F(LoginTest, IsForTheBrowserThatBeganItOnce) {
  const Begun mine = begin();
  const Begun his = begin();
  answer_with(id_token(mine));
  const std::string attacks[][2] = {
      {answer(mine), ""},              // No cookie: another browser.
      {answer(mine), his.cookie},      // Its own login.
      {"code=the-code", mine.cookie},  // No state.
      {"code=the-code&state=", mine.cookie},
      {"", ""},
  };
  for (const auto& [query, cookie] : attacks) {
    const auto caller = come_back(query, cookie);
    EXPECT_TRUE(is_problem(*caller, 400)) << query << " " << caller->text;
    EXPECT_FALSE(caller->header("set-cookie").value_or("").starts_with("tollgate_admin="));
  }
  // What was tried with its cookie has ended it.
  EXPECT_TRUE(is_problem(*come_back(answer(mine), mine.cookie), 400));
  const Begun again = begin();
  answer_with(id_token(again));
  EXPECT_EQ(come_back(answer(again), again.cookie)->status, 200);
  EXPECT_TRUE(is_problem(*come_back(answer(again), again.cookie), 400)) << "replayed";
  const Begun late = begin();
  answer_with(id_token(late));
  clock_.pass(std::chrono::minutes(10));
  EXPECT_TRUE(is_problem(*come_back(answer(late), late.cookie), 400));
}

TEST_F(LoginTest, TakesNoIdTokenOfAnother) {
  const authentication::SigningKey forger = authentication::SigningKey::make("P-256");
  struct Row {
    std::string_view what;
    int status;
    std::function<std::string(const Begun&)> token;
  };
  const Row rows[] = {
      {"of another login", 401,
       [&](const Begun&) { return issued(R"("nonce":"other","groups":["admins"])", "browser"); }},
      {"without a nonce", 401,
       [&](const Begun&) { return issued(R"("groups":["admins"])", "browser"); }},
      {"of another client", 401,
       [&](const Begun& b) {
         return issued(fmt::format(R"("nonce":"{}","groups":["admins"])", b.of("nonce")), "else");
       }},
      {"an access token", 401,
       [&](const Begun& b) {
         return issued(fmt::format(R"("nonce":"{}","groups":["admins"])", b.of("nonce")));
       }},
      {"for another party", 401,
       [&](const Begun& b) { return id_token(b, R"("azp":"else","groups":["admins"])"); }},
      {"of one without a role", 403,
       [&](const Begun& b) { return id_token(b, R"("groups":["strangers"])"); }},
      {"of one without roles", 403, [&](const Begun& b) { return id_token(b, R"("a":1)"); }},
      {"not signed by the issuer", 401,
       [&](const Begun& b) {
         const std::string good = id_token(b);
         return good.substr(0, good.size() - 4) + "AAAA";
       }},
      {"that came with another access token", 401,
       [&](const Begun& b) { return id_token(b, R"("at_hash":"none","groups":["admins"])"); }},
      {"no token", 401, [](const Begun&) { return std::string("opaque"); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Begun begun = begin();
    answer_with(row.token(begun));
    const auto caller = come_back(answer(begun), begun.cookie);
    EXPECT_TRUE(is_problem(*caller, row.status)) << caller->text;
    EXPECT_FALSE(caller->header("set-cookie").value_or("").starts_with("tollgate_admin="));
  }
}

TEST_F(LoginTest, SaysWhatTheProviderDoes) {
  const Begun refused = begin();
  EXPECT_TRUE(is_problem(
      *come_back("error=access_denied&error_description=%3Cscript%3E&state=" + refused.of("state"),
                 refused.cookie),
      403));
  const Begun mixed = begin();
  EXPECT_TRUE(is_problem(
      *come_back(answer(mixed) + "&iss=https%3A%2F%2Fevil.example.com", mixed.cookie), 400));
  const Begun down = begin();
  web_.pages.erase(std::string(kExchange));
  EXPECT_TRUE(is_problem(*come_back(answer(down), down.cookie), 502));
  const Begun broken = begin();
  web_.pages[std::string(kExchange)] = R"({"error":"invalid_grant"})";
  EXPECT_TRUE(is_problem(*come_back(answer(broken), broken.cookie), 502));
  EXPECT_TRUE(is_problem(*come_back("code=a&code=b&state=c", down.cookie), 400));
  EXPECT_TRUE(is_problem(*come_back("code=%g1", down.cookie), 400));
}

// The provider knows him, and he is on record as one who was not let in.
TEST_F(LoginTest, IsOnRecordWhereItMayNotBegin) {
  for (int i = 0; i < 100; ++i) {
    const Begun begun = begin();
    answer_with(id_token(begun));
    const auto back = come_back(answer(begun), begun.cookie);
    if (back->status == 200) continue;
    EXPECT_TRUE(is_problem(*back, 429)) << back->text;
    break;
  }
  EXPECT_EQ(api().refusals(Reason::kRateLimited), 1U);
  const std::vector<std::string> all = records("admin.refuse");
  ASSERT_EQ(all.size(), 1U);
  for (const char* part : {R"("credential_id":"corporate/ada")", R"("code":"rate_limited")",
                           R"("object":"GET /admin/callback")"}) {
    EXPECT_TRUE(all.front().contains(part)) << all.front();
  }
}

TEST_F(LoginTest, AsksAProviderThatIsDownNotTooOften) {
  const std::string page = web_.pages[std::string(kPlaces)];
  web_.pages.clear();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(is_problem(*ask("GET", "/admin/login", {}, Headers{}), 502));
  }
  EXPECT_EQ(web_.asked_at(kPlaces), 1U);
  web_.pages[std::string(kPlaces)] = page;
  clock_.pass(Login::kFailureKept);
  begin();
  begin();
  EXPECT_EQ(web_.asked_at(kPlaces), 2U);
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/login?with=nobody", {}, Headers{}), 404));
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/login?x=1", {}, Headers{}), 400));
  EXPECT_EQ(ask("GET", "/admin/login?with=corporate", {}, Headers{})->status, 302);
}

// Whoever makes up codes fails as whoever makes up tokens does.
TEST_F(LoginTest, DelaysWhoMakesUpCodes) {
  web_.pages[std::string(kExchange)] = R"({"error":"invalid_grant"})";
  web_.statuses[std::string(kExchange)] = 400;
  for (int i = 0; i < 11; ++i) {
    const Begun begun = begin();
    EXPECT_TRUE(is_problem(*come_back(made_up(begun, i), begun.cookie), 401)) << i;
  }
  const Begun delayed = begin();
  EXPECT_TRUE(is_problem(*come_back(made_up(delayed, 11), delayed.cookie), 429));
  EXPECT_NE(ask("GET", "/admin/v1/keys", {}, bearer("a guess"))->status, 200);
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/keys", {}, bearer("another")), 429));
  // Nobody guesses a code, so whoever has a good one is not held up.
  web_.statuses.clear();
  const Begun good = begin();
  answer_with(id_token(good));
  EXPECT_EQ(come_back(answer(good), good.cookie)->status, 200);
}

// What goes wrong between the provider and us is not the fault of who logs in.
TEST_F(LoginTest, HoldsNothingOfTheProviderAgainstAnybody) {
  const std::pair<int, std::string_view> answers[] = {
      {500, "down"},
      {401, R"({"error":"invalid_client"})"},
      {400, R"({"error":"invalid_client"})"},
      {400, R"({"error":"invalid_grant","error":"invalid_grant"})"},
      {200, R"({"id_token":5})"},
      {0, ""},
  };
  for (const auto& [status, body] : answers) {
    SCOPED_TRACE(fmt::format("{} {}", status, body));
    web_.pages[std::string(kExchange)] = body;
    web_.statuses[std::string(kExchange)] = status;
    if (status == 0) web_.pages.erase(std::string(kExchange));
    for (int i = 0; i < 15; ++i) {
      const Begun begun = begin();
      EXPECT_TRUE(is_problem(*come_back(made_up(begun, i), begun.cookie), 502));
    }
  }
  web_.statuses.clear();
  answer_with("opaque");
  for (int i = 0; i < 15; ++i) {
    const Begun begun = begin();
    EXPECT_TRUE(is_problem(*come_back(made_up(begun, i), begun.cookie), 401));
  }
  EXPECT_EQ(ask("GET", "/admin/v1/keys")->status, 200) << "a new credential from there";
  EXPECT_EQ(api().refusals(Reason::kRateLimited), 0U);
}

// Codes of one address do not take all that the provider answers at once.
TEST_F(LoginTest, ExchangesAFewOfOneAddressAtOnce) {
  std::vector<Begun> begun;
  for (int i = 0; i <= Login::kExchangesOfAddressMax; ++i) begun.push_back(begin());
  const Begun other = begin(*read_address("192.0.2.1"));
  const auto begin_back = [&](const Begun& each, IpAddress from = {}) {
    pipeline::testing::Ask asked;
    asked.method = "GET";
    asked.target = "/admin/callback?" + answer(each);
    asked.headers = {{"Host", std::string(kHost)}, {"Cookie", each.cookie}};
    asked.ip = from;
    auto caller = std::make_unique<Caller>(asked, story_);
    start(api().serve(*caller));
    return caller;
  };
  std::vector<std::unique_ptr<Caller>> callers;
  for (const Begun& each : begun) callers.push_back(begin_back(each));
  EXPECT_TRUE(is_problem(*callers.back(), 429));
  const auto of_other = begin_back(other, *read_address("192.0.2.1"));
  EXPECT_EQ(web_.held(), static_cast<std::size_t>(Login::kExchangesOfAddressMax) + 1);
  answer_with(id_token(begun.back()));
  answer_all();
  // It was not over with that.
  EXPECT_EQ(come_back(answer(begun.back()), begun.back().cookie)->status, 200);
}

// What is in force at the end of a login decides it, whatever was when it began.
TEST_F(LoginTest, IsJudgedByWhatIsInForceAtItsEnd) {
  const auto finish_over = [&](std::shared_ptr<config::Config> next) {
    current_->swap(configuration());
    const Begun begun = begin();
    answer_with(id_token(begun));
    pipeline::testing::Ask asked;
    asked.method = "GET";
    asked.target = "/admin/callback?" + answer(begun);
    asked.headers = {{"Host", std::string(kHost)}, {"Cookie", begun.cookie}};
    auto caller = std::make_unique<Caller>(asked, story_);
    start(api().serve(*caller));
    current_->swap(std::move(next));
    answer_all();
    return caller;
  };
  auto demoted = configuration();
  auto& entry = demoted->admin.policy.oidc.front();
  entry.grants = {{"admins", administration::Role::kViewer, {"acme"}}};
  entry.bearer.name = entry.login.name = "";
  demoted->admin.policy.verifiers.clear();
  administration::derive(demoted->admin.policy);
  const auto made = finish_over(demoted);
  ASSERT_EQ(made->status, 200) << made->text;
  const auto who = ask("GET", "/admin/v1/session", {}, {{"Cookie", first_cookie(*made)}});
  EXPECT_EQ(who->status, 200) << "and it is no session of what is over";
  EXPECT_EQ(field(*who, "role"), "viewer");

  auto gone = configuration();
  gone->admin.policy = {};
  const auto refused = finish_over(gone);
  EXPECT_NE(refused->status, 200);
  EXPECT_FALSE(refused->header("set-cookie").value_or("").starts_with("tollgate_admin="));
}

TEST_F(LoginTest, WantsTheIssuerNamedWhereThatAlwaysNamesItself) {
  const Begun free = begin();
  answer_with(id_token(free));
  EXPECT_EQ(come_back(answer(free), free.cookie)->status, 200);
  clock_.pass(Login::kPlacesKept);
  std::string& page = web_.pages[std::string(kPlaces)];
  page.pop_back();
  page += R"(,"authorization_response_iss_parameter_supported":true})";
  const Begun silent = begin();
  answer_with(id_token(silent));
  EXPECT_TRUE(is_problem(*come_back(answer(silent), silent.cookie), 400));
  const Begun denied = begin();
  EXPECT_TRUE(is_problem(
      *come_back("error=access_denied&state=" + denied.of("state"), denied.cookie), 400));
  const Begun named = begin();
  answer_with(id_token(named));
  const std::string iss = "&iss=https%3A%2F%2Flogin.example.com";
  EXPECT_EQ(come_back(answer(named) + iss, named.cookie)->status, 200);
}

// What was learned of a provider by other terms than those in force is not believed.
TEST_F(LoginTest, BelievesAProviderByWhatIsConfiguredAlone) {
  begin();
  EXPECT_EQ(web_.asked_at(kPlaces), 1U);
  const auto trust = [&](CertificateAuthority authority) {
    auto config = configuration();
    config->admin.policy.oidc.front().bearer.certificate_authority = std::move(authority);
    current_->swap(config);
  };
  trust(certificate_authority("company.pem", "one"));
  begin();
  EXPECT_EQ(web_.asked_at(kPlaces), 2U);
  trust(certificate_authority("company.pem", "another"));
  web_.pages.erase(std::string(kPlaces));
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/login", {}, Headers{}), 502))
      << "one who is not vouched for any more";
  EXPECT_EQ(web_.asked_at(kPlaces), 3U);
  // What else changes asks nobody anew.
  trust(certificate_authority("moved.pem", "one"));
  begin();
  EXPECT_EQ(web_.asked_at(kPlaces), 3U);
}

// Many who begin at once ask the provider once.
TEST_F(LoginTest, AsksOnceForManyWhoBegin) {
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 5; ++i) {
    pipeline::testing::Ask asked;
    asked.method = "GET";
    asked.target = "/admin/login";
    callers.push_back(std::make_unique<Caller>(asked, story_));
    start(api().serve(*callers.back()));
  }
  answer_all();
  for (const auto& caller : callers) EXPECT_EQ(caller->status, 302);
  EXPECT_EQ(web_.asked_at(kPlaces), 1U);
}

// A token of the issuer is a credential by itself only where it is for us.
TEST_F(LoginTest, TakesAccessTokensAsTheyAre) {
  const auto status = [&](const std::string& token, std::string_view path = "budgets") {
    return ask("GET", fmt::format("/admin/v1/{}", path), {}, bearer(token))->status;
  };
  EXPECT_EQ(status(issued(R"("groups":["staff"])")), 200);
  EXPECT_EQ(status(issued(R"("groups":["staff"])"), "audit"), 403) << "a viewer";
  EXPECT_EQ(status(issued(R"("groups":["strangers"])")), 403);
  EXPECT_EQ(status(issued(R"("groups":["admins"])", "tollgate")), 401) << "a caller's";
  EXPECT_EQ(status(issued(R"("groups":["admins"],"nonce":"n")", "browser")), 401) << "an ID token";
  std::string forged = issued(R"("groups":["admins"])");
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(status(forged + "A"), 401);
}

}  // namespace
}  // namespace tollgate::admin
