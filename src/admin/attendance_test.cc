// Who came, on record.
#include "admin/attendance.h"

#include <gtest/gtest.h>

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
  expect_parts(unknown, {R"("kind":"unknown")", R"("object":"GET keys")",
                         R"("code":"invalid_credential")", R"("client_ip":"192.0.2.7")"});
  EXPECT_FALSE(unknown.contains("a-guess"));
  ask("POST", "/admin/v1/keys", R"({"tenant":"acme"})", bearer(token_of("viewer")), here_);
  expect_parts(records("admin.refuse").front(),
               {R"("subject":"viewer")", R"("object":"POST keys")", R"("code":"route_not_allowed")",
                R"("right":"keys:change")"});
  ask("GET", "/admin/v1/config", {}, bearer(token_of("acme-owner")), here_);
  expect_parts(records("admin.refuse").front(),
               {R"("subject":"acme-owner")", R"("object":"GET config")"});
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

// However many come: so many records and no more, and nobody is forgotten.
TEST_F(AttendanceTest, IsBoundedAndCountsTheRest) {
  const int many = 3 * pipeline::Strangers::kBurst;
  for (int i = 0; i < many; ++i) {
    ask("GET", "/admin/v1/keys", {}, bearer(fmt::format("guess-{}", i)), here_);
  }
  api().close();
  answer_all();
  const std::vector<std::string> all = records("admin.refuse");
  EXPECT_LE(all.size(), static_cast<std::size_t>(pipeline::Strangers::kBurst) + 3);
  std::uint64_t told = 0;
  for (const std::string& record : all) {
    const std::size_t at = record.find(R"("further":)");
    told += at == std::string::npos ? 1 : std::stoull(record.substr(at + 10));
  }
  EXPECT_EQ(told, static_cast<std::uint64_t>(many));
}

TEST_F(AttendanceTest, LetsNoSessionBeginWithoutItsRecord) {
  FaultOr<std::unique_ptr<storage::Database>> other = store_->reader();
  ASSERT_TRUE(other);
  {
    FaultOr<storage::Transaction> lock = storage::Transaction::begin(**other);
    ASSERT_TRUE(lock);
    const auto refused = ask("POST", "/admin/v1/session");
    EXPECT_TRUE(is_problem(*refused, 503)) << refused->text;
    EXPECT_FALSE(refused->header("set-cookie"));
    ask("GET", "/admin/v1/keys", {}, bearer("a-guess"));
  }
  EXPECT_EQ(ask("POST", "/admin/v1/session")->status, 201);
  // What could not be written is told by its number.
  ask("GET", "/admin/v1/keys", {}, bearer("another-guess"));
  EXPECT_EQ(records("session.begin").size(), 1U);
  const std::vector<std::string> refusals = records("admin.refuse");
  ASSERT_EQ(refusals.size(), 2U);
  EXPECT_TRUE(refusals.front().contains(R"("further":1)") ||
              refusals.back().contains(R"("further":1)"));
}

}  // namespace
}  // namespace tollgate::admin
