#include "pipeline/refusals.h"

#include <array>

#include "base/check.h"

namespace tollgate::pipeline {

namespace {

using Retry = RefusalRow::Retry;

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kServer = "server_error";
constexpr std::string_view kNone;

// The statuses are chosen for what the SDKs do with them: none retries a 4xx but 408, 409 and
// 429, so a verdict that no repetition changes is never one of those three, and a budget, which
// is a 429 for the sake of its exception class, forbids the retry by header.
//
// `not_found`, `model_not_allowed` and `model_not_found` differ in our code alone.
constexpr std::array<RefusalRow, kReasonCount> kRows{{
    {Reason::kInvalidJson, "invalid_json", 400, kInvalid, "invalid_json", 400, kInvalid, kNone,
     Retry::kNo},
    {Reason::kDuplicateKey, "duplicate_key", 400, kInvalid, "duplicate_key", 400, kInvalid, kNone,
     Retry::kNo},
    {Reason::kInvalidRequest, "invalid_request", 400, kInvalid, "invalid_request", 400, kInvalid,
     kNone, Retry::kNo},
    {Reason::kUnsupportedParameter, "unsupported_parameter", 400, kInvalid, "unsupported_parameter",
     400, kInvalid, kNone, Retry::kNo},
    {Reason::kCredentialConflict, "credential_conflict", 400, kInvalid, "credential_conflict", 400,
     kInvalid, kNone, Retry::kNo},

    {Reason::kMissingCredential, "missing_credential", 401, kInvalid, "invalid_api_key", 401,
     "authentication_error", kNone, Retry::kNo},
    {Reason::kInvalidCredential, "invalid_credential", 401, kInvalid, "invalid_api_key", 401,
     "authentication_error", kNone, Retry::kNo},
    {Reason::kExpiredCredential, "expired_credential", 401, kInvalid, "invalid_api_key", 401,
     "authentication_error", kNone, Retry::kNo},
    {Reason::kRevokedCredential, "revoked_credential", 401, kInvalid, "invalid_api_key", 401,
     "authentication_error", kNone, Retry::kNo},

    {Reason::kRouteNotAllowed, "route_not_allowed", 403, kInvalid, "permission_denied", 403,
     "permission_error", kNone, Retry::kNo},
    {Reason::kToolNotAllowed, "tool_not_allowed", 403, kInvalid, "permission_denied", 403,
     "permission_error", kNone, Retry::kNo},
    {Reason::kAnomalyRefused, "anomaly_refused", 403, kInvalid, "permission_denied", 403,
     "permission_error", kNone, Retry::kNo},
    {Reason::kNotFound, "not_found", 404, kInvalid, "model_not_found", 404, "not_found_error",
     kNone, Retry::kNo},
    {Reason::kModelNotAllowed, "model_not_allowed", 404, kInvalid, "model_not_found", 404,
     "not_found_error", kNone, Retry::kNo},
    {Reason::kModelNotFound, "model_not_found", 404, kInvalid, "model_not_found", 404,
     "not_found_error", kNone, Retry::kNo},
    {Reason::kContentRefused, "content_refused", 400, kInvalid, "content_policy_violation", 400,
     kInvalid, kNone, Retry::kNo},

    {Reason::kBodyTooLarge, "body_too_large", 413, kInvalid, "request_too_large", 413,
     "request_too_large", kNone, Retry::kNo},
    {Reason::kPromptTooLarge, "prompt_too_large", 400, kInvalid, "context_length_exceeded", 400,
     kInvalid, kNone, Retry::kNo},
    {Reason::kOutputCapExceeded, "output_cap_exceeded", 400, kInvalid, "max_tokens_exceeded", 400,
     kInvalid, kNone, Retry::kNo},

    {Reason::kRateLimited, "rate_limited", 429, "requests", "rate_limit_exceeded", 429,
     "rate_limit_error", kNone, Retry::kAfter},
    {Reason::kConcurrencyLimited, "concurrency_limited", 429, "requests", "rate_limit_exceeded",
     429, "rate_limit_error", kNone, Retry::kAfter},
    {Reason::kBudgetExhausted, "budget_exhausted", 429, "insufficient_quota",
     "project_spend_limit_exceeded", 429, "rate_limit_error", "enforced_spend_limit_reached",
     Retry::kNever},

    {Reason::kOverloaded, "overloaded", 503, kServer, "server_is_overloaded", 529,
     "overloaded_error", kNone, Retry::kAfter},
    {Reason::kStoreUnavailable, "store_unavailable", 503, kServer, "server_is_overloaded", 529,
     "overloaded_error", kNone, Retry::kAfter},
    {Reason::kAuditUnavailable, "audit_unavailable", 503, kServer, "server_is_overloaded", 529,
     "overloaded_error", kNone, Retry::kAfter},
    {Reason::kUpstreamError, "upstream_error", 502, kServer, "upstream_error", 502, "api_error",
     kNone, Retry::kNo},
    {Reason::kUpstreamTimeout, "upstream_timeout", 504, kServer, "upstream_timeout", 504,
     "timeout_error", kNone, Retry::kNo},

    {Reason::kIdempotencyKeyReused, "idempotency_key_reused", 422, "idempotency_error",
     "idempotency_key_reused", 422, kInvalid, kNone, Retry::kNo},
}};

// A row for each reason, at its own place.
constexpr bool complete() {
  for (int i = 0; i < kReasonCount; ++i) {
    if (static_cast<int>(kRows[i].reason) != i || kRows[i].code.empty()) return false;
  }
  return true;
}
static_assert(complete());

}  // namespace

const RefusalRow& row_of(Reason reason) {
  const auto index = static_cast<std::size_t>(reason);
  CHECK(index < kRows.size());
  return kRows[index];
}

// What cannot be put on record is not forwarded.
Refusal unrecorded() {
  Refusal refusal;
  refusal.reason = Reason::kAuditUnavailable;
  refusal.rule = "audit";
  refusal.message = "The decision could not be recorded, so nothing was forwarded.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

}  // namespace tollgate::pipeline
