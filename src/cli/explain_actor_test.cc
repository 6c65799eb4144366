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
    FaultOr<Expected<authentication::Identity>> found =
        book.find(as, circumstances, config, nullptr, kNow, arena);
    EXPECT_TRUE(found) << found.error().message;
    return std::move(*found);
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
  EXPECT_TRUE(find(bound, *config, {.certificate = authentication::Digest{}}));
  EXPECT_FALSE(find(bound, *config, {.certificate = authentication::Digest{1}}));
}

TEST_F(ExplainActor, ByAKeyIsNobodyWhereNoKeyIsTaken) {
  const auto who = find("K1b2C3d4E5f6", *config_with(""));
  ASSERT_FALSE(who);
  EXPECT_EQ(who.error().message, "No API key is accepted here.");
}

}  // namespace
}  // namespace tollgate::cli
