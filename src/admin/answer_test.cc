#include "admin/answer.h"

#include <gtest/gtest.h>

namespace tollgate::admin {
namespace {

TEST(Answer, TellsProblemsAsRfc9457) {
  const Answer made = problem(404, "Not found", "no \"x\"");
  EXPECT_EQ(made.status, 404);
  EXPECT_EQ(made.type, "application/problem+json");
  EXPECT_EQ(made.body,
            R"({"type":"about:blank","title":"Not found","status":404,"detail":"no \"x\""})");
}

TEST(Answer, NamesTheRightThatLacks) {
  const Answer made = forbidden(administration::Right::kChangeKeys);
  EXPECT_EQ(made.status, 403);
  EXPECT_NE(made.body.find(R"("right":"keys:change")"), std::string::npos) << made.body;
  const Answer other = forbidden(administration::Lack{{}, "Not your tenant."});
  EXPECT_EQ(other.body.find("\"right\""), std::string::npos);
}

TEST(Answer, TellsWhoIsNotLetInWhatHelpsHim) {
  struct Row {
    Reason reason;
    int status;
    std::string_view code;
  };
  const Row rows[] = {{Reason::kMissingCredential, 401, "missing_credential"},
                      {Reason::kInvalidCredential, 401, "invalid_credential"},
                      {Reason::kExpiredCredential, 401, "expired_credential"},
                      {Reason::kRevokedCredential, 401, "revoked_credential"},
                      {Reason::kCredentialConflict, 400, "credential_conflict"},
                      {Reason::kRouteNotAllowed, 403, "route_not_allowed"},
                      {Reason::kRateLimited, 429, "rate_limited"},
                      {Reason::kStoreUnavailable, 503, "store_unavailable"}};
  for (const Row& row : rows) {
    Refusal refusal;
    refusal.reason = row.reason;
    refusal.message = "Because.";
    if (row.status == 429) refusal.retry_after = std::chrono::milliseconds(1500);
    const Answer made = refused(refusal);
    EXPECT_EQ(made.status, row.status) << row.code;
    EXPECT_NE(made.body.find(std::string(row.code)), std::string::npos) << made.body;
    EXPECT_EQ(made.headers.contains("www-authenticate: Bearer\r\n"), row.status == 401);
    EXPECT_EQ(made.headers.contains("retry-after: 2\r\n"), row.status == 429);
  }
}

}  // namespace
}  // namespace tollgate::admin
