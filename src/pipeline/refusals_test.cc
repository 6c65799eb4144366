#include "pipeline/refusals.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "pipeline/ports.h"

namespace tollgate::pipeline {
namespace {

using Retry = RefusalRow::Retry;

// The promise to callers, written a second time on purpose: whoever changes a row changes what
// the SDKs of every caller do.
constexpr RefusalRow kPromised[] = {
    {Reason::kInvalidJson, "invalid_json", 400, "invalid_request_error", "invalid_json", 400,
     "invalid_request_error", "", Retry::kNo},
    {Reason::kDuplicateKey, "duplicate_key", 400, "invalid_request_error", "duplicate_key", 400,
     "invalid_request_error", "", Retry::kNo},
    {Reason::kInvalidRequest, "invalid_request", 400, "invalid_request_error", "invalid_request",
     400, "invalid_request_error", "", Retry::kNo},
    {Reason::kUnsupportedParameter, "unsupported_parameter", 400, "invalid_request_error",
     "unsupported_parameter", 400, "invalid_request_error", "", Retry::kNo},
    {Reason::kCredentialConflict, "credential_conflict", 400, "invalid_request_error",
     "credential_conflict", 400, "invalid_request_error", "", Retry::kNo},
    {Reason::kMissingCredential, "missing_credential", 401, "invalid_request_error",
     "invalid_api_key", 401, "authentication_error", "", Retry::kNo},
    {Reason::kInvalidCredential, "invalid_credential", 401, "invalid_request_error",
     "invalid_api_key", 401, "authentication_error", "", Retry::kNo},
    {Reason::kExpiredCredential, "expired_credential", 401, "invalid_request_error",
     "invalid_api_key", 401, "authentication_error", "", Retry::kNo},
    {Reason::kRevokedCredential, "revoked_credential", 401, "invalid_request_error",
     "invalid_api_key", 401, "authentication_error", "", Retry::kNo},
    {Reason::kRouteNotAllowed, "route_not_allowed", 403, "invalid_request_error",
     "permission_denied", 403, "permission_error", "", Retry::kNo},
    {Reason::kToolNotAllowed, "tool_not_allowed", 403, "invalid_request_error", "permission_denied",
     403, "permission_error", "", Retry::kNo},
    {Reason::kAnomalyRefused, "anomaly_refused", 403, "invalid_request_error", "permission_denied",
     403, "permission_error", "", Retry::kNo},
    {Reason::kNotFound, "not_found", 404, "invalid_request_error", "model_not_found", 404,
     "not_found_error", "", Retry::kNo},
    {Reason::kModelNotAllowed, "model_not_allowed", 404, "invalid_request_error", "model_not_found",
     404, "not_found_error", "", Retry::kNo},
    {Reason::kModelNotFound, "model_not_found", 404, "invalid_request_error", "model_not_found",
     404, "not_found_error", "", Retry::kNo},
    {Reason::kContentRefused, "content_refused", 400, "invalid_request_error",
     "content_policy_violation", 400, "invalid_request_error", "", Retry::kNo},
    {Reason::kBodyTooLarge, "body_too_large", 413, "invalid_request_error", "request_too_large",
     413, "request_too_large", "", Retry::kNo},
    {Reason::kPromptTooLarge, "prompt_too_large", 400, "invalid_request_error",
     "context_length_exceeded", 400, "invalid_request_error", "", Retry::kNo},
    {Reason::kOutputCapExceeded, "output_cap_exceeded", 400, "invalid_request_error",
     "max_tokens_exceeded", 400, "invalid_request_error", "", Retry::kNo},
    {Reason::kRateLimited, "rate_limited", 429, "requests", "rate_limit_exceeded", 429,
     "rate_limit_error", "", Retry::kAfter},
    {Reason::kConcurrencyLimited, "concurrency_limited", 429, "requests", "rate_limit_exceeded",
     429, "rate_limit_error", "", Retry::kAfter},
    {Reason::kBudgetExhausted, "budget_exhausted", 429, "insufficient_quota",
     "project_spend_limit_exceeded", 429, "rate_limit_error", "enforced_spend_limit_reached",
     Retry::kNever},
    {Reason::kOverloaded, "overloaded", 503, "server_error", "server_is_overloaded", 529,
     "overloaded_error", "", Retry::kAfter},
    {Reason::kStoreUnavailable, "store_unavailable", 503, "server_error", "server_is_overloaded",
     529, "overloaded_error", "", Retry::kAfter},
    {Reason::kAuditUnavailable, "audit_unavailable", 503, "server_error", "server_is_overloaded",
     529, "overloaded_error", "", Retry::kAfter},
    {Reason::kUpstreamError, "upstream_error", 502, "server_error", "upstream_error", 502,
     "api_error", "", Retry::kNo},
    {Reason::kUpstreamTimeout, "upstream_timeout", 504, "server_error", "upstream_timeout", 504,
     "timeout_error", "", Retry::kNo},
    {Reason::kIdempotencyKeyReused, "idempotency_key_reused", 422, "idempotency_error",
     "idempotency_key_reused", 422, "invalid_request_error", "", Retry::kNo},
};

TEST(Refusals, AnswerEachReasonAsPromised) {
  ASSERT_EQ(std::size(kPromised), static_cast<std::size_t>(kReasonCount));
  for (const RefusalRow& promised : kPromised) {
    SCOPED_TRACE(promised.code);
    const RefusalRow& row = row_of(promised.reason);
    EXPECT_EQ(row.reason, promised.reason);
    EXPECT_EQ(row.code, promised.code);
    EXPECT_EQ(row.openai_status, promised.openai_status);
    EXPECT_EQ(row.openai_type, promised.openai_type);
    EXPECT_EQ(row.openai_code, promised.openai_code);
    EXPECT_EQ(row.anthropic_status, promised.anthropic_status);
    EXPECT_EQ(row.anthropic_type, promised.anthropic_type);
    EXPECT_EQ(row.anthropic_code, promised.anthropic_code);
    EXPECT_EQ(row.retry, promised.retry);
  }
}

TEST(Refusals, GiveEachReasonOneRowAndOneCode) {
  std::set<std::string_view> codes;
  for (int i = 0; i < kReasonCount; ++i) {
    const RefusalRow& row = row_of(static_cast<Reason>(i));
    EXPECT_EQ(static_cast<int>(row.reason), i);
    EXPECT_TRUE(codes.insert(row.code).second) << row.code;
    EXPECT_EQ(row.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
  }
}

// 408, 409, 429 and 5xx make SDKs try again: only what may pass later, or forbids it by header.
TEST(Refusals, LetNoSdkRetryWhatCannotPass) {
  for (int i = 0; i < kReasonCount; ++i) {
    const RefusalRow& row = row_of(static_cast<Reason>(i));
    SCOPED_TRACE(row.code);
    const bool of_the_upstream =
        row.reason == Reason::kUpstreamError || row.reason == Reason::kUpstreamTimeout;
    for (const int status : {row.openai_status, row.anthropic_status}) {
      EXPECT_TRUE(status >= 400 && status < 600);
      EXPECT_TRUE(status != 408 && status != 409);
      const bool retried = status == 429 || status >= 500;
      EXPECT_EQ(retried, row.retry != Retry::kNo || of_the_upstream);
    }
  }
}

// A caller who tries names of models learns nothing from what an SDK shows.
TEST(Refusals, HideWhatIsHidden) {
  const RefusalRow& absent = row_of(Reason::kModelNotFound);
  for (const Reason reason : {Reason::kModelNotAllowed, Reason::kNotFound}) {
    const RefusalRow& row = row_of(reason);
    EXPECT_EQ(row.openai_status, absent.openai_status);
    EXPECT_EQ(row.openai_type, absent.openai_type);
    EXPECT_EQ(row.openai_code, absent.openai_code);
    EXPECT_EQ(row.anthropic_status, absent.anthropic_status);
    EXPECT_EQ(row.anthropic_type, absent.anthropic_type);
    EXPECT_EQ(row.anthropic_code, absent.anthropic_code);
  }
}

TEST(RequestHead, FindsAHeaderInAnyCaseAndOnlyByItsWholeName) {
  const Header headers[] = {
      {"Host", "gateway"}, {"X-API-Key", "first"},        {"x-api-key", "second"},
      {"x^", "caret"},     {"AUTHORIZATION", "Bearer x"}, {"empty", ""},
  };
  RequestHead head;
  head.headers = headers;
  EXPECT_EQ(head.header("host"), "gateway");
  EXPECT_EQ(head.header("x-api-key"), "first");
  EXPECT_EQ(head.header("X-Api-Key"), "first");
  EXPECT_EQ(head.header("authorization"), "Bearer x");
  EXPECT_EQ(head.header("x^"), "caret");
  for (const std::string_view absent :
       {"x-api-ke", "x-api-key2", "api-key", "x_api_key", "x~", "", "hos\xf4", "empty"}) {
    EXPECT_EQ(head.header(absent), "") << absent;
  }
  EXPECT_EQ(RequestHead{}.header("host"), "");
}

}  // namespace
}  // namespace tollgate::pipeline
