#include "cli/explain_actor.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "config/load.h"

namespace tollgate::cli {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

std::string claims(std::string_view more = "") {
  return fmt::format(R"({{"iss":"https://login.example.com","aud":"tollgate","exp":1800000300,)"
                     R"("iat":1799999000,"sub":"alice","org":"acme"{}}})",
                     more);
}

// The fixture, with one issuer and no key accepted.
std::shared_ptr<const config::Config> config_with(std::string_view more_of_jwt) {
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/tests/fixtures/small.yaml");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::string_view bare = "authentication: { api_keys: {} }";
  text.replace(
      text.find(bare), bare.size(),
      fmt::format("authentication: {{ jwt: [{{ name: sso, issuer: "
                  "\"https://login.example.com\", audience: tollgate, tenant: org{} }}] }}",
                  more_of_jwt));
  const std::string_view tenant = "acme: { ";
  text.replace(text.find(tenant), tenant.size(), "acme: { roles: [staff], ");
  const config::Loaded loaded = config::load_text(text, "t.yaml", config::process_environment());
  EXPECT_NE(loaded.config, nullptr) << format(loaded.problems.front());
  return loaded.config;
}

class ExplainActor : public ::testing::Test {
 protected:
  Expected<authentication::Identity> find(std::string_view as, const config::Config& config,
                                          const Circumstances& circumstances = {}) {
    FaultOr<Found> found = book.find(as, circumstances, config, nullptr, kNow, arena);
    EXPECT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->would_ask, "");
    return std::move(found->actor);
  }

  Arena arena;
  ActorBook book;
};

TEST_F(ExplainActor, HasTheRolesOfItsTenantToo) {
  const auto config = config_with("");
  const auto who = find(claims(), *config);
  ASSERT_TRUE(who) << who.error().message;
  ASSERT_EQ(who->roles.size(), 1u);
  EXPECT_EQ(who->roles[0], "staff");
}

TEST_F(ExplainActor, ByClaimsIsOfATokenOfTheTypeThatIsTaken) {
  const auto config = config_with(", token_type: access_token");
  const auto who = find(claims(), *config);
  EXPECT_TRUE(who) << who.error().message;
}

TEST_F(ExplainActor, BoundToACertificateNeedsIt) {
  // base64url of 32 zeros.
  const std::string bound =
      claims(R"(,"cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})");
  const auto config = config_with("");
  const auto without = find(bound, *config);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().reason, Reason::kInvalidCredential);
  Circumstances with;
  with.certificate.emplace();
  EXPECT_TRUE(find(bound, *config, with));
  with.certificate->digest[0] = 1;
  EXPECT_FALSE(find(bound, *config, with));
}

TEST_F(ExplainActor, ByAKeyIsNobodyWhereNoKeyIsTaken) {
  const auto who =
      find("tg_live_AbCdEf012345zyxwvutsrqponmlkjihgfedcba9876540gsgVj", *config_with(""));
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error().message, "No API key is accepted here.");
  // Of another shape it can only be a token.
  const auto token = find("K1b2C3d4E5f6", *config_with(""));
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().message, "The token is none that this gateway accepts.");
}

TEST_F(ExplainActor, OfWhomOthersKnowIsToldWhoTheyAre) {
  const auto config = config_with(
      " }], introspection: [{ name: opaque, url: \"https://login.example.com/introspect\", "
      "prefix: opq_, client: { id: me, secret: 0123456789abcdef }, fixed_tenant: acme }], "
      "sessions: [{ name: web, cookie: sid, redis: \"redis://127.0.0.1/2\", tenant: org");
  const auto told = [&](std::string_view as) {
    const auto found = book.find(as, {}, *config, nullptr, kNow, arena);
    return found ? found->would_ask : "fault: " + found.error().message;
  };
  EXPECT_EQ(told("opq_abc"),
            "authentication.introspection.opaque at https://login.example.com/introspect");
  EXPECT_EQ(told("Cookie: theme=dark; sid=abc"), "the store of authentication.sessions.web");
  // What they would not be asked about is decided.
  EXPECT_EQ(told("another"), "");
  EXPECT_EQ(told("cookie: sid=a*b"), "");
  EXPECT_FALSE(find("another", *config));
  EXPECT_FALSE(find("cookie: sid=a*b", *config));
  EXPECT_EQ(find("cookie: theme=dark", *config).error().reason, Reason::kMissingCredential);
  EXPECT_EQ(find("cookie: sid=a; sid=b", *config).error().reason, Reason::kCredentialConflict);
}

}  // namespace
}  // namespace tollgate::cli
