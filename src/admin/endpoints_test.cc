#include "admin/endpoints.h"

#include <gtest/gtest.h>

#include <set>

namespace tollgate::admin {
namespace {

TEST(Endpoints, AreFoundByMethodAndPath) {
  struct Row {
    std::string_view method, path;
    Endpoint endpoint;
    std::string_view id;
  };
  const Row rows[] = {
      {"GET", "keys", Endpoint::kListKeys, ""},
      {"POST", "keys", Endpoint::kCreateKey, ""},
      {"POST", "keys/import", Endpoint::kImportKeys, ""},
      {"GET", "keys/import", Endpoint::kShowKey, "import"},
      {"GET", "keys/abc", Endpoint::kShowKey, "abc"},
      {"POST", "keys/abc/rotate", Endpoint::kRotateKey, "abc"},
      {"POST", "gateways/g1/retire", Endpoint::kRetireGateway, "g1"},
      {"GET", "alerts", Endpoint::kListAlertAnswers, ""},
      {"POST", "alerts/ans_1/release", Endpoint::kReleaseAlertAnswer, "ans_1"},
      {"POST", "tokens/t/revoke", Endpoint::kRevokeToken, "t"},
      {"DELETE", "session", Endpoint::kEndSession, ""},
  };
  for (const Row& row : rows) {
    const auto match = find_endpoint(row.method, row.path);
    ASSERT_TRUE(match) << row.method << " " << row.path;
    EXPECT_EQ(match->row->endpoint, row.endpoint) << row.path;
    EXPECT_EQ(match->id, row.id) << row.path;
  }
}

TEST(Endpoints, AreNotFoundByAnythingElse) {
  const std::pair<std::string_view, std::string_view> rows[] = {{"GET", ""},
                                                                {"GET", "keys/"},
                                                                {"GET", "keys/a/b"},
                                                                {"GET", "/keys"},
                                                                {"DELETE", "keys"},
                                                                {"get", "keys"},
                                                                {"HEAD", "keys"},
                                                                {"POST", "keys//rotate"},
                                                                {"GET", "keys/a/rotate"},
                                                                {"POST", "keys/a/rotate/"},
                                                                {"PUT", "tokens"},
                                                                {"POST", "gateways/a/b/retire"},
                                                                {"GET", "gateways/a"},
                                                                {"PATCH", "session"}};
  for (const auto& [method, path] : rows) {
    EXPECT_FALSE(find_endpoint(method, path)) << method << " " << path;
  }
}

// Only what somebody asks about himself wants no right; whatever changes something wants one that
// changes.
TEST(Endpoints, WantARight) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  EXPECT_EQ(endpoints().size(), static_cast<std::size_t>(kEndpointCount));
  for (const EndpointRow& row : endpoints()) {
    EXPECT_TRUE(seen.emplace(row.method, row.path).second) << row.path;
    if (!row.right) {
      EXPECT_EQ(row.path, "session");
      continue;
    }
    const std::string_view right = name_of(*row.right);
    EXPECT_TRUE(row.method == "GET" || !right.ends_with(":read")) << row.path;
  }
}

}  // namespace
}  // namespace tollgate::admin
