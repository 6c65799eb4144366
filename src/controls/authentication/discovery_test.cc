#include "controls/authentication/discovery.h"

#include <gtest/gtest.h>

namespace tollgate::authentication {
namespace {

using std::chrono::seconds;

TEST(Discovery, SaysHowLongAnAnswerMayBeKept) {
  const std::pair<std::string_view, std::optional<Duration>> rows[] = {
      {"", std::nullopt},
      {"public", std::nullopt},
      {"max-age=0", Duration::zero()},
      {"public, max-age=19837, must-revalidate, no-transform", seconds(19837)},
      {"MAX-AGE=60", seconds(60)},
      {" private ,\tmax-age=60 ", seconds(60)},
      {"no-store", Duration::zero()},
      {"max-age=60, no-cache", Duration::zero()},
      {"max-age=99999999999999999999", seconds(2'147'483'647)},
      {"max-age=-1", std::nullopt},
      {"max-age=", std::nullopt},
      {"max-age=1h", std::nullopt},
      {"max-age=99999999999999999999h", std::nullopt},
      {"s-maxage=60", std::nullopt},
      {",,,=,", std::nullopt},
  };
  for (const auto& [told, expected] : rows) EXPECT_EQ(kept_for(told), expected) << told;
}

// An issuer elsewhere must not have this machine's own servers asked.
TEST(Discovery, LeadsToThisMachineOnlyWhereTheIssuerIsHere) {
  const auto leads = [](const std::string& issuer, const std::string& keys) {
    const std::string text = R"({"issuer":")" + issuer + R"(","jwks_uri":")" + keys + R"("})";
    return read_discovery(text, issuer).has_value();
  };
  EXPECT_TRUE(leads("https://a.example.com", "https://keys.example.com/k"));
  EXPECT_TRUE(leads("http://127.0.0.1:80", "http://127.0.0.1:81/k"));
  for (const std::string keys : {"http://127.0.0.1:9900/k", "https://127.0.0.1/k",
                                 "http://localhost/k", "https://[::1]:6443/k"}) {
    EXPECT_FALSE(leads("https://a.example.com", keys)) << keys;
  }
}

TEST(Discovery, IsWhereTheStandardSays) {
  EXPECT_EQ(discovery_url("https://a.example.com"),
            "https://a.example.com/.well-known/openid-configuration");
  EXPECT_EQ(discovery_url("https://a.example.com/realms/main/"),
            "https://a.example.com/realms/main/.well-known/openid-configuration");
}

}  // namespace
}  // namespace tollgate::authentication
