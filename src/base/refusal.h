// The answer to a request that may not pass, as a value.
//
// Every reason has one row in one table (pipeline/refusals.cc) that gives its status and its
// words in each dialect. A Refusal is built where the decision falls and carries all that the
// reply, the record and the metrics say about it, so that none of them computes it again.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace tollgate {

enum class Reason : std::uint8_t {
  // The request cannot be understood.
  kInvalidJson,
  kDuplicateKey,
  kInvalidRequest,
  kUnsupportedParameter,
  kCredentialConflict,
  // Nobody accountable asks.
  kMissingCredential,
  kInvalidCredential,
  kExpiredCredential,
  kRevokedCredential,
  // They may not ask this.
  kRouteNotAllowed,
  kToolNotAllowed,
  kAnomalyRefused,
  kNotFound,
  kModelNotAllowed,
  kModelNotFound,
  kContentRefused,
  // It is too much at once.
  kBodyTooLarge,
  kPromptTooLarge,
  kOutputCapExceeded,
  // It is too much for now.
  kRateLimited,
  kConcurrencyLimited,
  kBudgetExhausted,
  // We or the upstream cannot.
  kOverloaded,
  kStoreUnavailable,
  kAuditUnavailable,
  kUpstreamError,
  kUpstreamTimeout,
  // It is not what was asked under the same key before.
  kIdempotencyKeyReused,
};
inline constexpr int kReasonCount = static_cast<int>(Reason::kIdempotencyKeyReused) + 1;

// What a rate limit counts; the OpenAI dialect says it in the error's type.
enum class Counted : std::uint8_t { kRequests, kTokens };

struct Refusal {
  Reason reason = Reason::kInvalidRequest;
  std::string rule;      // Its path in the configuration, "limits.tenant_id.requests_per_minute".
  std::string message;   // One or two sentences: what was wrong, where, what to do. No secrets.
  std::string recorded;  // Instead of it in the record, where the caller must not know; or empty.
  std::string param;     // The field of the request at fault, "messages[2].content"; may be empty.
  Counted counted = Counted::kRequests;
  // The shortest wait after which the same request would pass; nothing when no wait helps.
  std::optional<Duration> retry_after;
};

template <class T, class E = Refusal>
using Expected = std::expected<T, E>;

inline std::unexpected<Refusal> refuse(Reason reason, std::string rule, std::string message,
                                       std::string param = {}) {
  Refusal refusal;
  refusal.reason = reason;
  refusal.rule = std::move(rule);
  refusal.message = std::move(message);
  refusal.param = std::move(param);
  return std::unexpected<Refusal>(std::move(refusal));
}

}  // namespace tollgate
