#include "controls/authentication/introspection.h"

#include <gtest/gtest.h>

#include "controls/authentication/forged_token_test.h"

namespace tollgate::authentication {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
const KnownTenants kTenants({"acme"});

IntrospectionPolicy policy() {
  IntrospectionPolicy made;
  made.name = "opaque";
  made.url = "https://login.example.com/introspect";
  made.client = "tollgate";
  made.client_secret = Secret("a+b c");
  made.issuer = "https://login.example.com";
  made.audiences = {"tollgate"};
  made.claims.tenant = "tenant";
  made.claims.roles = "roles";
  return made;
}

Expected<Identity> read(std::string_view answer, Arena& arena) {
  IntrospectionReader reader;
  return reader.read(policy(), answer, kTenants, kNow, arena);
}

constexpr std::string_view kGood =
    R"({"active":true,"iss":"https://login.example.com","aud":["tollgate"],"exp":1800000300,)"
    R"("sub":"alice","tenant":"acme","roles":["engineer"],"scope":"chat"})";

std::string good_with(std::string_view from, std::string_view to) {
  std::string text(kGood);
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(Introspection, AnActiveTokenIsWhoTheAnswerNames) {
  Arena arena;
  const Expected<Identity> who = read(kGood, arena);
  ASSERT_TRUE(who) << who.error().message;
  EXPECT_EQ(who->tenant, "acme");
  EXPECT_EQ(who->subject, "alice");
  EXPECT_EQ(who->credential_kind, CredentialKind::kIntrospection);
  EXPECT_EQ(who->credential_id, "opaque/alice");
  EXPECT_EQ(who->expires, WallTime(std::chrono::seconds(1'800'000'300)));
}

TEST(Introspection, OnlyTheTruthValueTrueIsActive) {
  const std::pair<std::string_view, Reason> rows[] = {
      {R"("active":false)", Reason::kInvalidCredential},
      {R"("active":"true")", Reason::kStoreUnavailable},
      {R"("active":1)", Reason::kStoreUnavailable},
      {R"("active":null)", Reason::kStoreUnavailable},
      {R"("Active":true)", Reason::kStoreUnavailable},
      {R"("active":true,"active":true)", Reason::kStoreUnavailable},
  };
  for (const auto& [member, reason] : rows) {
    Arena arena;
    const Expected<Identity> who = read(good_with(R"("active":true)", member), arena);
    ASSERT_FALSE(who) << member;
    EXPECT_EQ(who.error().reason, reason) << member;
  }
}

TEST(Introspection, AnAccessTokenMaySayThatItIsOne) {
  for (const std::string_view says :
       {R"("token_type":"Bearer")", R"("token_use":"access_token")", R"("typ":"Bearer")"}) {
    Arena arena;
    EXPECT_TRUE(read(good_with(R"("scope":"chat")", says), arena)) << says;
  }
}

// Whose tokens begin with what is seen by no other server.
TEST(Introspection, EachServerSeesItsOwnTokens) {
  std::vector<IntrospectionPolicy> all(3);
  all[0].prefixes = {"ghp_", "gho_"};
  all[1].prefixes = {"sk-"};
  struct Row {
    std::string_view token;
    std::array<bool, 3> sees;
  };
  const Row rows[] = {
      {"ghp_abc", {true, false, false}},    {"gho_abc", {true, false, false}},
      {"GHP_abc", {false, false, true}},    {"ghp", {false, false, true}},
      {"sk-ant-abc", {false, true, false}}, {"abc", {false, false, true}},
  };
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(may_see(all[i], all, row.token), row.sees[i]) << row.token << ' ' << i;
    }
  }
  // Keys of providers are nobody's, unless somebody says so.
  all.erase(all.begin() + 1);
  for (const IntrospectionPolicy& each : all) EXPECT_FALSE(may_see(each, all, "sk-ant-abc"));
}

TEST(Introspection, WhatIsNoAnswerDecidesNothing) {
  for (const std::string& answer :
       {std::string(), std::string("[]"), std::string("<html>"), std::string("{\"active\":true"),
        std::string(kIntrospectionBytesMax + 1, ' '), std::string("{\"error\":\"x\"}")}) {
    Arena arena;
    const Expected<Identity> who = read(answer, arena);
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().reason, Reason::kStoreUnavailable);
    EXPECT_TRUE(who.error().retry_after.has_value());
  }
}

TEST(Introspection, RefusesWhatIsNotForUs) {
  struct Row {
    std::string_view from;
    std::string_view to;
    Reason reason = Reason::kInvalidCredential;
  };
  const Row rows[] = {
      {"https://login.example.com", "https://login.example.com/"},
      {R"("aud":["tollgate"])", R"("aud":"tollgate2")"},
      {R"("aud":["tollgate"],)", ""},
      {"1800000300", "1800000000", Reason::kExpiredCredential},
      {"1800000300", "\"1900000000\""},
      {R"("sub":"alice",)", ""},
      {R"("tenant":"acme")", R"("tenant":"globex")"},
      {R"("scope":"chat")", R"("cnf":{"x5t#S256":"AAAA"})"},
      {R"("scope":"chat")", R"("nbf":1800000001)"},
      {R"("iss":"https://login.example.com",)", ""},
      {R"("exp":1800000300)", R"("exp":-1)"},
      {R"("exp":1800000300)", R"("exp":null)"},
      {R"("aud":["tollgate"])", R"("aud":["tollgate",1])"},
      // No access tokens, in the words of several servers.
      {R"("scope":"chat")", R"("token_type":"refresh_token")"},
      {R"("scope":"chat")", R"("token_use":"refresh_token")"},
      {R"("scope":"chat")", R"("typ":"Refresh")"},
      {R"("scope":"chat")", R"("typ":"Offline")"},
      {R"("scope":"chat")", R"("token_use":"id")"},
  };
  for (const Row& row : rows) {
    Arena arena;
    const Expected<Identity> who = read(good_with(row.from, row.to), arena);
    ASSERT_FALSE(who) << row.to;
    EXPECT_EQ(who.error().reason, row.reason) << row.to;
  }
}

TEST(Introspection, SaysWhoWeAreInTheWayThatIsConfigured) {
  IntrospectionPolicy asks = policy();
  // RFC 6749 2.3.1: both are form-encoded before they are joined.
  EXPECT_EQ(introspection_authorization(asks), "Basic dG9sbGdhdGU6YSUyQmIlMjBj");
  EXPECT_EQ(introspection_form(asks, "a/b=="), "token=a%2Fb%3D%3D&token_type_hint=access_token");
  asks.proof = ClientProof::kPost;
  EXPECT_EQ(introspection_authorization(asks), "");
  EXPECT_EQ(introspection_form(asks, "t"),
            "token=t&token_type_hint=access_token&client_id=tollgate&client_secret=a%2Bb%20c");
}

TEST(Introspection, AsksOnlyAboutWhatCanBeAToken) {
  for (const char* token : {"a", "a.b-c_d~e+f/g==", "2YotnFZFEjr1zCsicMWpAA"}) {
    EXPECT_TRUE(is_opaque_token(token)) << token;
  }
  const std::string long_one(kTokenBytesMax + 1, 'a');
  for (const std::string_view token : {"", "=", "a b", "a=b", "a\n", "a&b", "\xC3\xA9"}) {
    EXPECT_FALSE(is_opaque_token(token)) << token;
  }
  EXPECT_FALSE(is_opaque_token(long_one));
}

TEST(Introspection, EverythingThatDecidesIsInTheDigest) {
  const Digest first = digest_of(policy());
  IntrospectionPolicy other = policy();
  other.client_secret = Secret("other");
  EXPECT_NE(digest_of(other), first);
  other = policy();
  other.audiences = {"tollgate2"};
  EXPECT_NE(digest_of(other), first);
}

}  // namespace
}  // namespace tollgate::authentication
