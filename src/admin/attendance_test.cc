// Who came, on record.
#include "admin/attendance.h"

#include <gtest/gtest.h>

#include <random>

#include "admin/testing_api.h"

namespace tollgate::admin {
namespace {

class AttendanceTest : public ApiTest {
 protected:
  std::string only(std::string_view action) {
    const std::vector<std::string> found = records(action);
    EXPECT_EQ(found.size(), 1U) << action;
    return found.empty() ? "" : found.front();
  }
  static void expect_parts(const std::string& record, std::vector<std::string_view> parts) {
    for (const std::string_view part : parts) {
      EXPECT_TRUE(record.contains(part)) << part << "\n" << record;
    }
  }
  static std::string cookie_of(const Caller& caller) {
    const std::string line = caller.header("set-cookie").value_or("");
    return line.substr(0, line.find(';'));
  }

  // Nobody else can write while it lives.
  class Locked {
   public:
    explicit Locked(const storage::Store& store) : database_(*store.reader()) {
      lock_.emplace(*storage::Transaction::begin(*database_));
    }

   private:
    std::unique_ptr<storage::Database> database_;
    std::optional<storage::Transaction> lock_;
  };
  // How many refusals are told of on record.
  std::uint64_t told() {
    std::uint64_t count = 0;
    for (const std::string& record : records("admin.refuse")) {
      const std::size_t at = record.find(R"("further":)");
      count += at == std::string::npos ? 1 : std::stoull(record.substr(at + 10));
    }
    return count;
  }

  const IpAddress here_ = *read_address("192.0.2.7");
};

TEST_F(AttendanceTest, TellsOfSessionsThatBeginAndEnd) {
  const auto begun = ask("POST", "/admin/v1/session", {}, bearer(token_of("acme-operator")), here_);
  ASSERT_EQ(begun->status, 201);
  const std::string cookie = cookie_of(*begun);
  const std::string id = cookie.substr(cookie.find('=') + 1);
  const std::string name = fmt::format(R"("object":"{}")", administration::public_name_of(id));
  expect_parts(only("session.begin"),
               {name, R"("kind":"admin_token")", R"("subject":"acme-operator")",
                R"("credential_id":"admin.tokens.acme-operator")", R"("role":"operator")",
                R"("tenants":["acme"])", R"("client_ip":"192.0.2.7")"});
  EXPECT_TRUE(records("session.end").empty());
  const Headers page = {{"Cookie", cookie},
                        {"Host", "127.0.0.1:9900"},
                        {"Origin", "http://127.0.0.1:9900"},
                        {"X-Tollgate-Csrf", field(*begun, "csrf")}};
  EXPECT_EQ(ask("DELETE", "/admin/v1/session", {}, page, here_)->status, 200);
  expect_parts(only("session.end"), {name, R"("subject":"acme-operator")"});
  for (const char* action : {"session.begin", "session.end"}) {
    EXPECT_FALSE(only(action).contains(id)) << "what is on record is no session";
  }
}

TEST_F(AttendanceTest, NamesTheSessionWhosePlaceIsTaken) {
  const auto first = ask("POST", "/admin/v1/session", {}, bearer(kToken));
  const std::string cookie = cookie_of(*first);
  Headers both = bearer(token_of("viewer"));
  both.emplace_back("Cookie", cookie);
  EXPECT_EQ(ask("POST", "/admin/v1/session", {}, both)->status, 201);
  const std::string name = administration::public_name_of(cookie.substr(cookie.find('=') + 1));
  expect_parts(records("session.begin").front(), {fmt::format(R"("replaces":"{}")", name)});
  EXPECT_EQ(ask("GET", "/admin/v1/session", {}, {{"Cookie", cookie}})->status, 401);
}

TEST_F(AttendanceTest, TellsOfThoseWhoAreRefused) {
  ask("GET", "/admin/v1/keys", {}, bearer("a-guess-that-is-no-token"), here_);
  const std::string unknown = only("admin.refuse");
  expect_parts(unknown, {R"("kind":"unknown")", R"("object":"GET /admin/v1/keys")",
                         R"("code":"invalid_credential")", R"("client_ip":"192.0.2.7")"});
  EXPECT_FALSE(unknown.contains("a-guess"));
  ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})", bearer(token_of("viewer")), here_);
  expect_parts(records("admin.refuse").front(),
               {R"("subject":"viewer")", R"("object":"POST /admin/v1/keys")",
                R"("code":"route_not_allowed")", R"("right":"keys:change")"});
  ask("GET", "/admin/v1/config", {}, bearer(token_of("acme-owner")), here_);
  expect_parts(records("admin.refuse").front(),
               {R"("subject":"acme-owner")", R"("object":"GET /admin/v1/config")"});
  Headers foreign = bearer(kToken);
  foreign.emplace_back("Origin", "https://evil.example.com");
  ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})", foreign, here_);
  expect_parts(records("admin.refuse").front(),
               {R"("subject":"admin.token")", R"("code":"route_not_allowed")"});
  // Of a token of ours what is public is told.
  const std::string made =
      field(*ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"viewer"})"), "id");
  EXPECT_EQ(ask("POST", "/admin/v1/tokens/" + made + "/revoke")->status, 200);
  EXPECT_EQ(records("admin.refuse").size(), 4U);
  // A browser may have been sent with the answer to a login of somebody else.
  ask("GET", "/admin/callback?code=of-his-own&state=x", {}, Headers{}, here_);
  expect_parts(records("admin.refuse").front(),
               {R"("object":"GET /admin/callback")", R"("code":"invalid_request")"});
  EXPECT_FALSE(records("admin.refuse").front().contains("of-his-own"));
  // Whoever shows nothing is nobody who was refused.
  ask("GET", "/admin/v1/keys", {}, Headers{}, here_);
  EXPECT_EQ(records("admin.refuse").size(), 5U);
}

// Whoever has the right to ask and asks for more than he may give is refused at the desk, not at
// the door: on record and counted all the same.
TEST_F(AttendanceTest, TellsOfWhatTheDeskForbids) {
  const std::string theirs =
      field(*ask("POST", "/admin/v1/tokens", R"({"name":"x","role":"owner"})"), "id");
  auto config = configuration();
  config->tenants.front().grantable_roles = {"reader"};
  current_->swap(config);
  const std::string key =
      field(*ask("POST", "/admin/v1/keys", R"({"tenant":"acme","roles":["writer"]})"), "id");
  struct Row {
    std::string_view as;
    std::string path;
    std::string body;
    std::string_view asked;
    std::string_view more;
  };
  const std::string digest(64, 'a');
  const Row rows[] = {
      {"operator", "tokens", R"({"name":"x","role":"owner"})", "POST /admin/v1/tokens",
       R"("right":"owners:change")"},
      {"acme-operator", "tokens", R"({"name":"x","role":"viewer"})", "POST /admin/v1/tokens", ""},
      {"acme-owner", "tokens", R"({"name":"x","role":"viewer","tenants":["globex"]})",
       "POST /admin/v1/tokens", ""},
      {"operator", fmt::format("tokens/{}/revoke", theirs), "", "POST /admin/v1/tokens/{id}/revoke",
       theirs},
      {"acme-operator", "keys", R"({"tenant":"globex"})", "POST /admin/v1/keys", ""},
      {"acme-operator", "keys", R"({"tenant":"acme","roles":["writer"]})", "POST /admin/v1/keys",
       ""},
      {"acme-operator", "keys/import",
       fmt::format(R"({{"digest":"sha256:{}","tenant":"acme","roles":["writer"]}})", digest),
       "POST /admin/v1/keys/import", ""},
      {"acme-operator", "keys/import",
       fmt::format(R"({{"digest":"sha256:{}","tenant":"globex"}})", digest),
       "POST /admin/v1/keys/import", ""},
      {"acme-operator", fmt::format("keys/{}/rotate", key), "", "POST /admin/v1/keys/{id}/rotate",
       key},
  };
  std::size_t told = 0;
  for (const Row& row : rows) {
    SCOPED_TRACE(fmt::format("{} {} {}", row.as, row.path, row.body));
    const auto caller =
        ask("POST", "/admin/v1/" + row.path, row.body, bearer(token_of(row.as)), here_);
    EXPECT_TRUE(is_problem(*caller, 403)) << caller->text;
    ++told;
    EXPECT_EQ(api().refusals(Reason::kRouteNotAllowed), told);
    const std::vector<std::string> all = records("admin.refuse");
    ASSERT_EQ(all.size(), told);
    expect_parts(all.front(), {fmt::format(R"("subject":"{}")", row.as),
                               fmt::format(R"("object":"{}")", row.asked), row.more,
                               R"("code":"route_not_allowed")", R"("client_ip":"192.0.2.7")"});
  }
}

TEST_F(AttendanceTest, TellsOfSessionsThatMayNotBegin) {
  int begun = 0;
  while (ask("POST", "/admin/v1/session", {}, bearer(token_of("viewer")), here_)->status == 201) {
    ASSERT_LT(++begun, 100);
  }
  EXPECT_EQ(api().refusals(Reason::kRateLimited), 1U);
  expect_parts(only("admin.refuse"), {R"("subject":"viewer")", R"("code":"rate_limited")",
                                      R"("object":"POST /admin/v1/session")"});
}

// What somebody writes into a path is no part of the record.
TEST_F(AttendanceTest, HoldsNoTextOfStrangers) {
  const std::string_view paths[] = {"keys/forged", "keys/forged/rotate", "forged",
                                    "forged/a/b",  "keys/import/forged", "gateways/forged/retire"};
  for (const std::string_view path : paths) {
    for (const char* method : {"GET", "POST", "FORGED"}) {
      ask(method, fmt::format("/admin/v1/{}", path), {}, bearer("a-guess"), here_);
    }
  }
  // Nor is what an administrator names, unless it could be an id.
  ask("POST", "/admin/v1/keys/for%20ged/revoke", {}, bearer(token_of("viewer")), here_);
  const std::vector<std::string> all = records("admin.refuse");
  EXPECT_GE(all.size(), 10U);
  for (const std::string& record : all) {
    EXPECT_FALSE(record.contains("forged") || record.contains("FORGED") ||
                 record.contains(" ged") || record.contains("20ged"))
        << record;
    EXPECT_TRUE(record.contains(R"("object":"another path")") ||
                record.contains("/admin/v1/keys/{id}") ||
                record.contains(R"("object":"POST /admin/v1/gateways/{id}/retire")"))
        << record;
  }
}

// However many come: so many records and no more, and nobody is forgotten.
TEST_F(AttendanceTest, IsBoundedAndCountsTheRest) {
  const int many = 3 * pipeline::Strangers::kBurst;
  for (int i = 0; i < many; ++i) ask("GET", "/admin/v1/keys", {}, bearer("a-guess"), here_);
  api().close();
  answer_all();
  EXPECT_LE(records("admin.refuse").size(),
            static_cast<std::size_t>(pipeline::Strangers::kBurst) + 3);
  EXPECT_EQ(told(), static_cast<std::uint64_t>(many));
}

// Nobody has to come for that.
TEST_F(AttendanceTest, TellsOfThoseWhoWereCountedWithinASecond) {
  const int many = 2 * pipeline::Strangers::kBurst;
  for (int i = 0; i < many; ++i) ask("GET", "/admin/v1/keys", {}, bearer("a-guess"), here_);
  EXPECT_LT(told(), static_cast<std::uint64_t>(many));
  clock_.pass(pipeline::Strangers::kTellEvery);
  api().tend();
  answer_all();
  EXPECT_EQ(told(), static_cast<std::uint64_t>(many));
}

TEST_F(AttendanceTest, LetsNoSessionBeginWithoutItsRecord) {
  {
    const Locked store(*store_);
    const auto refused = ask("POST", "/admin/v1/session");
    EXPECT_TRUE(is_problem(*refused, 503)) << refused->text;
    EXPECT_EQ(refused->header("retry-after"), "1");
    EXPECT_FALSE(refused->header("set-cookie"));
    ask("GET", "/admin/v1/keys", {}, bearer("a-guess"));
  }
  EXPECT_EQ(ask("POST", "/admin/v1/session")->status, 201);
  EXPECT_EQ(records("session.begin").size(), 1U);
  // What could not be written is written when it can be.
  clock_.pass(Attendance::kRetryEvery);
  api().tend();
  answer_all();
  const std::vector<std::string> refusals = records("admin.refuse");
  ASSERT_EQ(refusals.size(), 2U);
  expect_parts(refusals.back(), {R"("code":"store_unavailable")"});
  expect_parts(refusals.front(), {R"("code":"invalid_credential")"});
}

// What nobody can write any more is at least said.
TEST_F(AttendanceTest, SaysAtTheEndHowManyAreNotOnRecord) {
  const int many = 2 * pipeline::Strangers::kBurst;
  std::optional<Locked> store(*store_);
  for (int i = 0; i < many; ++i) ask("GET", "/admin/v1/keys", {}, bearer("a-guess"), here_);
  ::testing::internal::CaptureStderr();
  api().close();
  answer_all();
  EXPECT_TRUE(::testing::internal::GetCapturedStderr().contains(
      fmt::format("tollgate: {} refusals at the admin address are not on record", many)));
  EXPECT_EQ(told(), 0U);
  store.reset();
  api().close();
  answer_all();
  EXPECT_EQ(told(), static_cast<std::uint64_t>(many)) << "a later end has them all";
}

// Whoever comes, and whenever the store can be written: in the end each is told once.
TEST_F(AttendanceTest, CountsEachOnceForAnyHistory) {
  std::mt19937_64 random{11};
  std::optional<Locked> store;
  std::uint64_t refused = 0;
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE(step);
    switch (random() % 8) {
      case 0:
        if (!store) store.emplace(*store_);
        break;
      case 1:
        store.reset();
        break;
      case 2:
        clock_.pass(std::chrono::milliseconds(random() % 2000));
        break;
      case 3:
        api().tend();
        answer_all();
        break;
      default:
        for (std::uint64_t i = random() % 60; i > 0; --i, ++refused) {
          const bool known = random() % 2 == 0;
          const std::string shown = known ? token_of("viewer") : "a-guess";
          ask("POST", "/admin/v1/keys", {}, bearer(shown),
              *read_address(fmt::format("192.0.2.{}", random() % 4)));
        }
    }
    ASSERT_LE(told(), refused);
  }
  store.reset();
  api().close();
  answer_all();
  EXPECT_EQ(told(), refused);
}

}  // namespace
}  // namespace tollgate::admin
