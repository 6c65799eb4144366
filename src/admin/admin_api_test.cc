// The admin API against a store in memory: who may ask, and what they are told.
#include "admin/admin_api.h"

#include <gtest/gtest.h>

#include <deque>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

using pipeline::testing::Ask;

class Api : public ApiTest {};

constexpr std::string_view kNoKeys = R"({"data":[],"has_more":false,"next":null})";

TEST_F(Api, AsksForTheTokenThatIsInForce) {
  AdminApi api(parts());
  const auto status = [&](std::string_view token) {
    Ask asked;
    asked.method = "GET";
    asked.target = "/admin/v1/keys";
    asked.headers = {{"Authorization", "Bearer " + std::string(token)}};
    Caller caller(asked, story_);
    start(api.serve(caller));
    answer_all();
    return caller.status;
  };
  EXPECT_EQ(status(kToken), 200);
  api.set_token(config::Secret("the-next-token"));
  EXPECT_EQ(status(kToken), 401);
  EXPECT_EQ(status("the-next-token"), 200);
}

Task<void> keep(Task<Expected<pipeline::Hold, pipeline::Shortfall>> task,
                std::optional<Expected<pipeline::Hold, pipeline::Shortfall>>& answer) {
  answer = co_await task;
}

TEST_F(Api, IsNotReadyOnceItDrains) {
  AdminApi api(parts());
  api.begin_draining();
  for (const char* target : {"/readyz", "/readyz?verbose", "/healthz"}) {
    Ask asked;
    asked.method = "GET";
    asked.target = target;
    Caller caller(asked, story_);
    start(api.serve(caller));
    EXPECT_EQ(caller.status, 503) << target;
    EXPECT_NE(caller.text.find("draining\n"), std::string::npos) << target;
  }
}

// What waits for the store holds up nothing else, and is bounded.
TEST_F(Api, AnswersHealthWhileOtherQuestionsWaitForTheStore) {
  AdminApi api(parts());
  std::deque<Caller> callers;
  const auto come = [&](const char* method, const char* target) -> Caller& {
    Ask asked;
    asked.method = method;
    asked.target = target;
    asked.headers = {{"Authorization", "Bearer " + std::string(kToken)}};
    Caller& caller = callers.emplace_back(asked, story_);
    start(api.serve(caller));
    return caller;
  };
  const Caller& change = come("POST", "/admin/v1/keys/none/revoke");
  EXPECT_FALSE(change.complete());
  for (const char* target : {"/livez", "/readyz", "/healthz", "/metrics"}) {
    EXPECT_TRUE(come("GET", target).complete()) << target;
  }
  for (int i = 1; i < 64; ++i) EXPECT_FALSE(come("GET", "/admin/v1/keys").complete());
  EXPECT_TRUE(is_problem(come("GET", "/admin/v1/keys"), 503));
  EXPECT_TRUE(come("GET", "/livez").complete());
  answer_all();
  EXPECT_TRUE(is_problem(change, 404));
  for (const Caller& caller : callers) EXPECT_TRUE(caller.complete());
  EXPECT_FALSE(come("GET", "/admin/v1/keys").complete());
  answer_all();
  EXPECT_EQ(callers.back().status, 200);
}

// The desk may be at one question when the gateway stops; the others would each take as long.
TEST_F(Api, SendsAwayWhoWaitsAtTheDeskOnceItCloses) {
  AdminApi api(parts());
  std::deque<Caller> callers;
  const auto come = [&](const char* method, const char* target, std::string body = {}) -> Caller& {
    Ask asked;
    asked.method = method;
    asked.target = target;
    asked.body = std::move(body);
    asked.headers = {{"Authorization", "Bearer " + std::string(kToken)}};
    Caller& caller = callers.emplace_back(asked, story_);
    start(api.serve(caller));
    return caller;
  };
  const Caller& waits = come("POST", "/admin/v1/keys", R"({"tenant":"acme"})");
  EXPECT_FALSE(waits.complete());
  api.begin_closing();
  EXPECT_TRUE(is_problem(come("GET", "/admin/v1/keys"), 503));
  answer_all();
  EXPECT_TRUE(is_problem(waits, 503)) << waits.text;
  EXPECT_EQ(store_->keys().size(), 0U);
  EXPECT_EQ(come("GET", "/livez").status, 200);
}

TEST_F(Api, AnswersHealthAndMetricsToAnyone) {
  for (const std::string_view path : {"/livez", "/readyz", "/healthz", "/metrics"}) {
    EXPECT_EQ(ask("GET", std::string(path), {}, {})->status, 200) << path;
  }
  EXPECT_TRUE(
      ask("GET", "/metrics", {}, {})->content_type.starts_with("text/plain; version=0.0.4"));
  EXPECT_TRUE(is_problem(*ask("POST", "/livez", {}, {}), 404));
  EXPECT_TRUE(is_problem(*ask("GET", "/elsewhere", {}, {}), 404));
}

TEST_F(Api, WantsTheTokenForAllElse) {
  const std::string token(kToken);
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), "Bearer " + token + "x",
        "Bearer " + token.substr(1), "Bearer x" + token.substr(1), "Basic " + token, token}) {
    Headers headers;
    if (!wrong.empty()) headers = {{"Authorization", wrong}};
    for (const std::string_view path :
         {"keys", "keys/x", "spend", "budgets", "audit", "config", "nothing"}) {
      api_.reset();  // Guesses are counted.
      const auto caller = ask("GET", "/admin/v1/" + std::string(path), {}, headers);
      EXPECT_TRUE(is_problem(*caller, 401)) << path << " " << wrong;
      EXPECT_EQ(caller->header("www-authenticate"), "Bearer");
      EXPECT_FALSE(caller->body_read());
    }
  }
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/nothing"), 404));
}

TEST_F(Api, LetsNobodyInWhereThereIsNoToken) {
  token_ = config::Secret();
  EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/keys", {}, bearer("")), 401));
}

TEST_F(Api, LeadsAKeyThroughItsLife) {
  const auto made = ask("POST", "/admin/v1/keys",
                        R"({"tenant":"acme","user":"ada","roles":["r"],"expires":"90d"})");
  EXPECT_EQ(made->status, 201) << made->text;
  EXPECT_EQ(made->header("cache-control"), "no-store");
  const std::string id = field(*made, "id");
  const std::string secret = field(*made, "secret");
  EXPECT_EQ(authentication::read_key(secret).value(), id);
  EXPECT_EQ(field(*made, "expires"), "2026-06-02T05:30:00Z");

  Arena arena;
  const auto facts = store_->keys().find(id, arena);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(authentication::verify(pepper_.digest(secret), *facts, IpAddress{}, clock_.wall()));

  const auto shown = ask("GET", "/admin/v1/keys/" + id);
  EXPECT_EQ(shown->status, 200);
  EXPECT_EQ(shown->text.find(secret), std::string::npos);
  EXPECT_NE(ask("GET", "/admin/v1/keys?tenant=acme")->text.find(id), std::string::npos);
  EXPECT_EQ(ask("GET", "/admin/v1/keys?tenant=globex")->text, kNoKeys);

  const auto fresh = ask("POST", "/admin/v1/keys/" + id + "/rotate", R"({"overlap":"1h"})");
  EXPECT_EQ(fresh->status, 201) << fresh->text;
  EXPECT_NE(field(*fresh, "secret"), secret);
  EXPECT_EQ(field(*fresh, "user"), "ada");
  EXPECT_EQ(field(*fresh, "expires"), "2026-06-02T05:30:00Z");
  EXPECT_EQ(field(*ask("GET", "/admin/v1/keys/" + id), "expires"), "2026-03-04T06:30:00Z");

  const auto revoked = ask("POST", "/admin/v1/keys/" + id + "/revoke");
  EXPECT_EQ(field(*revoked, "revoked"), "2026-03-04T05:30:00Z");
  EXPECT_TRUE(store_->keys().find(id, arena)->revoked);
  EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/keys/" + id + "/rotate"), 409));
}

TEST_F(Api, ListsAdminTokensPageByPage) {
  const auto make = [&](std::string_view role) {
    return field(
        *ask("POST", "/admin/v1/tokens", fmt::format(R"({{"name":"x","role":"{}"}})", role)), "id");
  };
  const std::string first = make("owner");
  clock_.pass(std::chrono::seconds(1));
  const std::string second = make("viewer");
  const auto list = [&](std::string_view query, std::string_view as = "owner") {
    return ask("GET", fmt::format("/admin/v1/tokens?{}", query), {}, bearer(token_of(as)));
  };
  EXPECT_EQ(field(*list("limit=1"), "next"), first);
  EXPECT_NE(list("limit=1&after=" + first)->text.find(second), std::string::npos);
  EXPECT_NE(list("limit=2")->text.find(R"("has_more":false,"next":null})"), std::string::npos);
  // Whoever does not reach a token learns nothing of it, not by a short page either.
  EXPECT_NE(list("limit=1", "operator")->text.find(second), std::string::npos);
  EXPECT_TRUE(is_problem(*list("after=" + first, "operator"), 400));
  for (const char* query : {"after=none", "limit=0", "limit=1001", "state=active"}) {
    EXPECT_TRUE(is_problem(*list(query), 400)) << query;
  }
}

TEST_F(Api, RefusesKeysThatItCannotUnderstand) {
  for (const std::string_view body :
       {"", "{", "[]", "{}", R"({"tenant":"nobody"})", R"({"tenant":5})",
        R"({"tenant":"acme","role":["x"]})", R"({"tenant":"acme","roles":"x"})",
        R"({"tenant":"acme","roles":[1]})", R"({"tenant":"acme","expires":"soon"})",
        R"({"tenant":"acme","tenant":"acme"})", R"({"tenant":"acme","expires":"2020-01-01"})",
        R"({"tenant":"acme","roles":["a"],"role\u0073":[]})",
        R"({"tenant":"acme","scopes":{"routes":["a"],"routes":["b"]}})"}) {
    EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/keys", std::string(body)), 400)) << body;
  }
  EXPECT_EQ(ask("GET", "/admin/v1/keys")->text, kNoKeys);
  for (const char* query : {"role=x", "tenant=%", "limit=0", "limit=1001", "limit=x", "after=none",
                            "state=gone", "tenant=acme&tenant=globex"}) {
    EXPECT_TRUE(is_problem(*ask("GET", fmt::format("/admin/v1/keys?{}", query)), 400)) << query;
  }
  EXPECT_TRUE(is_problem(*ask("DELETE", "/admin/v1/keys"), 404));
  for (const std::string_view path : {"keys/none", "keys/none/"}) {
    EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/" + std::string(path)), 404)) << path;
  }
  for (const std::string_view act : {"revoke", "rotate", "delete", "rotate/x"}) {
    EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/keys/none/" + std::string(act)), 404)) << act;
  }
  const std::string id = field(*ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})"), "id");
  for (const std::string_view body : {"{", R"({"overlap":"1h","overlap":"9d"})", R"({"overlap":5})",
                                      R"({"overlap":"x"})", R"({"overlp":"1h"})", "[]"}) {
    EXPECT_TRUE(
        is_problem(*ask("POST", "/admin/v1/keys/" + id + "/rotate", std::string(body)), 400))
        << body;
  }
  EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/keys", std::string((64 << 10) + 1, ' ')), 400));
}

// A member that is there twice has no meaning: which of the two holds?
TEST_F(Api, NamesWhatIsThereTwice) {
  const std::string id = field(*ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})"), "id");
  const std::string digest(64, 'a');
  const std::pair<std::string, std::string> rows[] = {
      {"keys", R"({"tenant":"acme","roles":["a"],"roles":["b"]})"},
      {"keys", R"({"tenant":"acme","scopes":{"models":["a"],"models":["b"]}})"},
      {"keys/import",
       fmt::format(R"({{"digest":"sha256:{0}","tenant":"acme","digest":"sha256:{0}"}})", digest)},
      {"keys/" + id + "/expire", R"({"expires":"1d","expires":"never"})"},
      {"keys/" + id + "/rotate", R"({"overlap":"1h","overlap":"9d"})"},
      {"tokens", R"({"name":"a","role":"viewer","role":"owner"})"},
      {"tokens/" + id + "/revoke", R"({"with_made":false,"with_made":true})"},
  };
  for (const auto& [path, body] : rows) {
    const auto refused = ask("POST", "/admin/v1/" + path, body);
    EXPECT_TRUE(is_problem(*refused, 400)) << path;
    EXPECT_NE(refused->text.find("is there twice"), std::string::npos) << refused->text;
  }
  // Nor is ignored what a question has no use for.
  for (const std::string& path : {"keys/" + id + "/revoke", std::string("gateways/x/retire")}) {
    EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/" + path, R"({"why":"x"})"), 400)) << path;
  }
  EXPECT_EQ(field(*ask("GET", "/admin/v1/keys/" + id), "revoked"), "(none)");
  EXPECT_EQ(ask("POST", "/admin/v1/keys/" + id + "/revoke", "{}")->status, 200);
}

TEST_F(Api, ListsKeysPageByPage) {
  std::vector<std::string> made;
  for (const char* user : {"ada", "eve", "ada"}) {
    made.push_back(field(
        *ask("POST", "/admin/v1/keys", fmt::format(R"({{"tenant":"acme","user":"{}"}})", user)),
        "id"));
    clock_.pass(std::chrono::seconds(1));
  }
  std::string next;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto page = ask("GET", "/admin/v1/keys?tenant=acme&limit=1" + next);
    EXPECT_EQ(page->status, 200);
    EXPECT_NE(page->text.find("\"id\":\"" + made[i]), std::string::npos) << page->text;
    const bool is_last = i + 1 == made.size();
    EXPECT_EQ(field(*page, "next"), is_last ? "(none)" : made[i]);
    EXPECT_EQ(page->text.find("\"has_more\":true") != std::string::npos, !is_last);
    next = "&after=" + made[i];
  }
  ask("POST", "/admin/v1/keys/" + made[0] + "/revoke");
  EXPECT_EQ(ask("GET", "/admin/v1/keys?state=revoked&user=eve")->text, kNoKeys);
  const std::string revoked = ask("GET", "/admin/v1/keys?state=revoked&user=ada")->text;
  EXPECT_NE(revoked.find(made[0]), std::string::npos);
  EXPECT_EQ(revoked.find(made[2]), std::string::npos);
}

TEST_F(Api, ShowsWhatWasSpentAndDecided) {
  authentication::Identity actor;
  actor.tenant = "acme";
  actor.subject = "ada";
  actor.credential_id = "key1";
  audit::Record record;
  record.id = "req_1";
  record.time = clock_.wall();
  record.actor = &actor;
  record.route = "chat";
  record.model_served = "small";
  std::string written;
  audit::write(record, audit::Phase::kDecision, written);
  ASSERT_TRUE(store_->trail().append(record, audit::Phase::kDecision, Money{100}, written));

  cost::Policy budget;
  budget.scope = limits::Scope::kTenantId;
  budget.limit = {1'000'000};
  budget.rule = "tenants.acme.budget";
  const pipeline::BudgetCharge charge{&budget, "acme", Money{100}};
  pipeline::Charges charges;
  charges.budgets = {&charge, 1};
  Arena arena;
  HandExecutor executor;
  // The first hold on a budget asks the store.
  std::optional<Expected<pipeline::Hold, pipeline::Shortfall>> answer;
  start(keep(store_->ledger().hold(charges, arena, executor, clock_.now(), clock_.wall()), answer));
  ASSERT_TRUE(store_->trail().flush());
  executor.run();
  ASSERT_TRUE(answer);
  Expected<pipeline::Hold, pipeline::Shortfall>& hold = *answer;
  ASSERT_TRUE(hold);
  EXPECT_NE(ask("GET", "/admin/v1/budgets")->text.find(R"("held_usd":0.0001)"), std::string::npos);
  pipeline::Booking booking;
  booking.id = record.id;
  booking.tenant = "acme";
  booking.user = "ada";
  booking.key_id = "key1";
  booking.route = "chat";
  booking.model = "small";
  store_->ledger().settle(*hold, charges, {9, 4, Money{49}}, booking, clock_.now(), clock_.wall());
  record.cost = {49};
  written.clear();
  audit::write(record, audit::Phase::kOutcome, written);
  ASSERT_TRUE(store_->trail().append(record, audit::Phase::kOutcome, Money{}, written));

  const auto spent = ask("GET", "/admin/v1/spend?by=user&since=1h");
  EXPECT_EQ(spent->status, 200);
  EXPECT_NE(spent->text.find(R"("user":"ada","tenant":"acme","requests":1)"), std::string::npos)
      << spent->text;
  EXPECT_NE(spent->text.find(R"("cost_usd":0.000049)"), std::string::npos);
  EXPECT_EQ(ask("GET", "/admin/v1/spend?tenant=globex")->text, "[]");

  const auto trail = ask("GET", "/admin/v1/audit?tenant=acme");
  EXPECT_EQ(trail->status, 200);
  simdjson::dom::parser parser;
  simdjson::dom::array records;
  ASSERT_EQ(parser.parse(trail->text).get(records), simdjson::SUCCESS) << trail->text;
  EXPECT_EQ(records.size(), 2U);
  EXPECT_NE(trail->text.find("\"hash\""), std::string::npos);
  EXPECT_EQ(ask("GET", "/admin/v1/audit?outcome=refused")->text, "[]");

  const auto budgets = ask("GET", "/admin/v1/budgets");
  EXPECT_NE(budgets->text.find(R"("spent_usd":0.000049,"held_usd":0.00)"), std::string::npos)
      << budgets->text;
}

// Page by page: each names the next, until there is none.
TEST_F(Api, PagesThroughTheTrail) {
  authentication::Identity actor;
  actor.tenant = "acme";
  audit::Record record;
  record.actor = &actor;
  record.time = clock_.wall();
  for (const char* id : {"req_1", "req_2"}) {
    record.id = id;
    std::string written;
    audit::write(record, audit::Phase::kDecision, written);
    ASSERT_TRUE(store_->trail().append(record, audit::Phase::kDecision, Money{}, written));
  }
  EXPECT_FALSE(ask("GET", "/admin/v1/audit?tenant=acme")->header("link"));
  int pages = 0;
  std::optional<std::string> next = "/admin/v1/audit?tenant=acme&limit=1&before=999999&since=1d";
  for (; next && pages < 5; ++pages) {
    const auto page = ask("GET", *next);
    EXPECT_EQ(page->status, 200);
    EXPECT_EQ(page->text == "[]", pages == 2);
    next = page->header("link");
    if (!next) break;
    EXPECT_TRUE(next->starts_with("</admin/v1/audit?tenant=acme&limit=1&since=1d&before="));
    EXPECT_TRUE(next->ends_with(">; rel=\"next\""));
    next = next->substr(1, next->find('>') - 1);
  }
  EXPECT_EQ(pages, 2);
}

TEST_F(Api, TellsWhatIsWrongWithAQuestion) {
  for (const std::string_view question :
       {"spend?by=moon", "spend?since=soon", "spend?x=1", "audit?limit=0", "audit?limit=999999",
        "audit?outcome=maybe", "audit?phase=x", "audit?before=x", "audit?tenant=%g1"}) {
    EXPECT_TRUE(is_problem(*ask("GET", "/admin/v1/" + std::string(question)), 400)) << question;
  }
  EXPECT_TRUE(is_problem(*ask("POST", "/admin/v1/spend"), 404));
}

TEST_F(Api, ShowsTheConfigurationWithoutItsSecrets) {
  const auto caller = ask("GET", "/admin/v1/config");
  EXPECT_EQ(caller->status, 200);
  EXPECT_NE(caller->text.find("vllm"), std::string::npos);
  EXPECT_EQ(caller->text.find("sk-upstream-secret"), std::string::npos);
}

TEST_F(Api, AnswersWhatIsNoHttpAsAProblem) {
  AdminApi api(parts());
  std::string headers;
  std::string body;
  api.refuse_malformed({}, "A header line has no name.", headers, body);
  EXPECT_NE(body.find("A header line has no name."), std::string::npos);
}

}  // namespace
}  // namespace tollgate::admin
