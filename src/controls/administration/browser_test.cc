// Pages of others, and names of others: each row is an attack or what it must not hinder.
#include "controls/administration/browser.h"

#include <gtest/gtest.h>

namespace tollgate::administration {
namespace {

Names plain() { return {"127.0.0.1", "", {}, false}; }
Names named() { return {"0.0.0.0", "https://admin.example.com", {"tollgate.internal"}, false}; }

TEST(Host, IsOneOfOurNames) {
  const std::pair<std::string_view, bool> rows[] = {
      {"127.0.0.1:9900", true},
      {"localhost:9900", true},
      {"LocalHost", true},
      {"[::1]:9900", true},
      {"10.1.2.3:9900", true},
      {"", true},  // No browser.
      {"evil.example.com", false},
      {"evil.example.com:9900", false},
      {"127.0.0.1.evil.example.com", false},
      {"localhost.evil.example.com", false},
      {"127.0.0.1:9900.evil.example.com", false},
      {"127.0.0.1@evil.example.com", false},
      {"[::1", false},
      {"[::1]x", false},
      {"[evil.example.com]", false},
      {":9900", false},
      {"localhost:", false},
      {"localhost:99x", false},
      {"2130706433", false},  // An address to some resolvers, a name to us.
  };
  for (const auto& [host, ours] : rows) EXPECT_EQ(is_own_host(plain(), host), ours) << host;
  EXPECT_TRUE(is_own_host(named(), "admin.example.com"));
  EXPECT_TRUE(is_own_host(named(), "Admin.Example.com:443"));
  EXPECT_TRUE(is_own_host(named(), "tollgate.internal:9900"));
  EXPECT_FALSE(is_own_host(named(), "example.com"));
  EXPECT_FALSE(is_own_host(plain(), "admin.example.com"));
}

TEST(Origin, IsThatOfTheAddressOrOfTheUrl) {
  EXPECT_EQ(origin_of(plain(), "127.0.0.1:9900"), "http://127.0.0.1:9900");
  EXPECT_EQ(origin_of({"127.0.0.1", "", {}, true}, "localhost:9900"), "https://localhost:9900");
  EXPECT_EQ(origin_of(named(), "10.0.0.1:9900"), "https://admin.example.com");
  EXPECT_FALSE(is_secure(plain()));
  EXPECT_TRUE(is_secure(named()));
  EXPECT_TRUE(is_secure({"127.0.0.1", "", {}, true}));
}

TEST(Call, MustComeFromAPageOfOurs) {
  constexpr std::string_view kHost = "127.0.0.1:9900";
  constexpr std::string_view kOurs = "http://127.0.0.1:9900";
  struct Row {
    std::string_view method, origin, site;
    bool by_header, by_cookie;
  };
  const Row rows[] = {
      {"POST", "", "", true, false},
      {"POST", kOurs, "", true, true},
      {"POST", kOurs, "same-origin", true, true},
      {"POST", "", "same-origin", true, true},
      {"POST", "", "none", false, false},
      {"POST", "", "same-site", false, false},
      {"POST", "", "cross-site", false, false},
      {"POST", kOurs, "cross-site", false, false},
      {"POST", "https://evil.example.com", "", false, false},
      {"POST", "https://evil.example.com", "same-origin", false, false},
      {"POST", "null", "", false, false},
      {"POST", "http://127.0.0.1", "", false, false},
      {"POST", "https://127.0.0.1:9900", "", false, false},
      {"POST", "http://127.0.0.1:8080", "same-site", false, false},
      {"DELETE", "", "", true, false},
      {"GET", "", "", true, true},
      {"GET", "", "none", true, true},
      {"GET", "", "same-origin", true, true},
      {"GET", "", "cross-site", false, false},
      {"GET", "https://evil.example.com", "cross-site", false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(&row - rows);
    const CallSigns call{row.method, kHost, row.origin, row.site};
    EXPECT_EQ(check_origin(plain(), call, Vouched::kByHeader).has_value(), row.by_header);
    EXPECT_EQ(check_origin(plain(), call, Vouched::kByCookie).has_value(), row.by_cookie);
  }
}

}  // namespace
}  // namespace tollgate::administration
