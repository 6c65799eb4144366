#include "controls/authentication/session.h"

#include <gtest/gtest.h>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
const KnownTenants kTenants({"acme"});

SessionPolicy policy() {
  SessionPolicy made;
  made.cookie.name = "web";
  made.cookie.cookie = "sid";
  made.cookie.claims.tenant = "user.org";
  made.cookie.claims.subject = "user.id";
  made.cookie.claims.roles = "roles";
  made.cookie.age_max = std::chrono::hours(12);
  made.cookie.idle_max = std::chrono::hours(1);
  made.cookie.last_used = "used";
  made.created = "created";
  made.redis_url = Secret("redis://127.0.0.1");
  made.key = "session:{id}";
  return made;
}

std::string session(std::int64_t created, std::int64_t used) {
  return fmt::format(
      R"({{"user":{{"org":"acme","id":"alice"}},"roles":["engineer"],"created":{},"used":{}}})",
      created, used);
}

Expected<Identity> read(const SessionPolicy& by, std::string_view stored, Arena& arena) {
  StoredSessionReader reader;
  return reader.read(by, stored, kTenants, kNow, arena);
}

TEST(Session, IsWhoItsMembersName) {
  Arena arena;
  const Expected<Identity> who = read(policy(), session(1'799'999'000, 1'799'999'900), arena);
  ASSERT_TRUE(who) << who.error().message;
  EXPECT_EQ(who->tenant, "acme");
  EXPECT_EQ(who->subject, "alice");
  EXPECT_EQ(who->credential_kind, CredentialKind::kSession);
  EXPECT_EQ(who->expires, kNow - std::chrono::seconds(100) + std::chrono::hours(1));
}

TEST(Session, EndsByItsAgeAndByBeingIdle) {
  struct Row {
    std::int64_t created;
    std::int64_t used;
    std::optional<Reason> refused;
  };
  constexpr std::int64_t kSecond = 1'800'000'000;
  const Row rows[] = {
      {kSecond - 12 * 3600 + 1, kSecond, std::nullopt},
      {kSecond - 12 * 3600, kSecond, Reason::kExpiredCredential},
      {kSecond - 4000, kSecond - 3599, std::nullopt},
      {kSecond - 4000, kSecond - 3600, Reason::kExpiredCredential},
      {kSecond + 30, kSecond, std::nullopt},
      {kSecond + 31, kSecond, Reason::kInvalidCredential},
      {kSecond, kSecond + 31, Reason::kInvalidCredential},
      {-1, kSecond, Reason::kInvalidCredential},
  };
  for (const Row& row : rows) {
    Arena arena;
    const Expected<Identity> who = read(policy(), session(row.created, row.used), arena);
    EXPECT_EQ(who ? std::nullopt : std::optional(who.error().reason), row.refused)
        << row.created << " " << row.used;
  }
  SessionPolicy kept_by_redis = policy();
  kept_by_redis.created.clear();
  kept_by_redis.cookie.last_used.clear();
  Arena arena;
  const Expected<Identity> who = read(kept_by_redis, session(0, 0), arena);
  ASSERT_TRUE(who);
  EXPECT_FALSE(who->expires.has_value());
}

TEST(Session, RefusesWhatIsNoSession) {
  for (const std::string& stored :
       {std::string(), std::string("OK"), std::string("[]"), std::string("{}"),
        std::string(R"({"user":{"org":"globex","id":"a"},"created":1799999999,"used":1799999999})"),
        std::string(R"({"user":{"org":"acme"},"created":1799999999,"used":1799999999})"),
        std::string(kSessionBytesMax + 1, ' ')}) {
    Arena arena;
    const Expected<Identity> who = read(policy(), stored, arena);
    ASSERT_FALSE(who) << stored.substr(0, 80);
    EXPECT_EQ(who.error().reason, Reason::kInvalidCredential);
  }
}

TEST(Session, OnlyAPlainNameLeadsToAKey) {
  EXPECT_TRUE(is_session_id("aZ09-_.~"));
  EXPECT_EQ(store_key(policy(), "abc"), "session:abc");
  for (const std::string_view id :
       {"", "a b", "a:b", "a*", "a\r\nGET b", "../a", "a%20", "{id}", "\xC3\xA9"}) {
    EXPECT_FALSE(is_session_id(id)) << id;
  }
  EXPECT_FALSE(is_session_id(std::string(kSessionIdBytesMax + 1, 'a')));
}

TEST(Session, PagesOfOthersCannotUseIt) {
  struct Row {
    CallOrigin call;
    bool passes;
    bool passes_where_listed;  // With origins: [https://app.example.com].
  };
  constexpr std::string_view kHost = "llm.example.com";
  const Row rows[] = {
      {{"POST", kHost, "https://llm.example.com", "same-origin"}, true, false},
      {{"POST", kHost, "https://llm.example.com", ""}, true, false},
      {{"POST", kHost, "http://llm.example.com", ""}, false, false},
      {{"POST", kHost, "http://llm.example.com", "", Transport::kPlain}, true, false},
      {{"POST", kHost, "https://llm.example.com", "", Transport::kPlain}, true, false},
      {{"POST", kHost, "https://evil.com", "", Transport::kPlain}, false, false},
      {{"POST", kHost, "", "same-origin"}, true, false},
      {{"POST", kHost, "https://app.example.com", "same-site"}, false, true},
      {{"POST", kHost, "https://app.example.com", ""}, false, true},
      {{"POST", kHost, "https://app.example.com.evil.com", ""}, false, false},
      {{"POST", kHost, "http://app.example.com", ""}, false, false},
      {{"POST", kHost, "https://evil.com", "cross-site"}, false, false},
      {{"POST", kHost, "https://llm.example.com", "cross-site"}, false, false},
      {{"POST", kHost, "null", ""}, false, false},
      {{"POST", kHost, "", ""}, false, false},
      {{"POST", kHost, "", "none"}, false, false},
      {{"POST", "", "https://", ""}, false, false},
      {{"DELETE", kHost, "https://evil.com", ""}, false, false},
      {{"get", kHost, "https://evil.com", ""}, false, false},
      {{"POST", kHost, "https://llm.example.com", "none"}, false, false},
      // What is only read: the browser says of whose page, or it is of none.
      {{"GET", kHost, "https://evil.com", "cross-site"}, false, false},
      {{"GET", kHost, "https://evil.com", ""}, false, false},
      {{"GET", kHost, "null", ""}, false, false},
      {{"HEAD", kHost, "https://evil.com", "cross-site"}, false, false},
      {{"OPTIONS", kHost, "https://evil.com", "cross-site"}, false, false},
      {{"GET", kHost, "https://app.example.com", "same-site"}, false, true},
      {{"GET", kHost, "https://llm.example.com", "same-origin"}, true, false},
      {{"GET", kHost, "", "same-origin"}, true, false},
      {{"GET", "app.example.com", "", "same-origin"}, true, true},
      {{"GET", kHost, "", "cross-site"}, false, false},
      {{"GET", kHost, "", "same-site"}, false, false},
      {{"GET", kHost, "", "none"}, true, true},
      {{"GET", kHost, "", ""}, true, true},
  };
  SessionPolicy listed = policy();
  listed.origins = {"https://app.example.com"};
  for (const Row& row : rows) {
    SCOPED_TRACE(fmt::format("{} {} {}", row.call.method, row.call.origin, row.call.fetch_site));
    const Expected<void> plain = check_origin(policy(), row.call);
    EXPECT_EQ(plain.has_value(), row.passes);
    if (!plain) EXPECT_EQ(plain.error().reason, Reason::kRouteNotAllowed);
    EXPECT_EQ(check_origin(listed, row.call).has_value(), row.passes_where_listed);
  }
}

// Only a browser says where a call comes from, and whoever is none has the certificate by right.
TEST(Certificate, IsNotUsedByPagesOfOthers) {
  struct Row {
    CallOrigin call;
    bool passes;
  };
  constexpr std::string_view kHost = "llm.example.com";
  const Row rows[] = {
      {{"POST", kHost, "", ""}, true},
      {{"GET", kHost, "", ""}, true},
      {{"GET", kHost, "", "none"}, true},
      {{"POST", kHost, "https://llm.example.com", "same-origin"}, true},
      {{"POST", kHost, "https://llm.example.com", ""}, true},
      {{"POST", kHost, "", "same-origin"}, true},
      {{"POST", kHost, "http://llm.example.com", ""}, false},
      {{"POST", kHost, "https://llm.example.com", "cross-site"}, false},
      {{"POST", kHost, "https://llm.example.com:8443", ""}, false},
      {{"POST", kHost, "https://app.example.com", "same-site"}, false},
      {{"POST", kHost, "https://evil.com", ""}, false},
      {{"POST", kHost, "null", ""}, false},
      {{"POST", kHost, "", "cross-site"}, false},
      {{"GET", kHost, "", "cross-site"}, false},
      {{"GET", kHost, "https://evil.com", "cross-site"}, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(fmt::format("{} {} {}", row.call.method, row.call.origin, row.call.fetch_site));
    const Expected<void> verdict = check_certificate_origin(row.call);
    EXPECT_EQ(verdict.has_value(), row.passes);
    if (!verdict) EXPECT_EQ(verdict.error().reason, Reason::kRouteNotAllowed);
  }
}

}  // namespace
}  // namespace tollgate::authentication
