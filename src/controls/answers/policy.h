// What the operator writes of answers that are given again: `routes.NAME.cache` and
// `routes.NAME.idempotency`.
#pragma once

#include <cstdint>
#include <optional>

#include "base/money.h"
#include "base/units.h"

namespace tollgate::answers {

// Among whom a cached answer is shared; never beyond a tenant.
enum class Scope : std::uint8_t { kUser, kTenant };

struct CachePolicy {
  Duration keep = std::chrono::minutes(10);
  Scope scope = Scope::kUser;
  Money price_per_hit;
  bool coalesce = false;  // Requests that are the same wait for the first of them.
};

struct IdempotencyPolicy {
  Duration keep = std::chrono::minutes(10);
};

struct Policy {
  std::optional<CachePolicy> cache;              // Nothing: none is given to another request.
  std::optional<IdempotencyPolicy> idempotency;  // Nothing: Idempotency-Key is not looked at.

  bool any() const { return cache || idempotency; }
};

}  // namespace tollgate::answers
