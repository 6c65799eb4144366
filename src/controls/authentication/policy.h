// What the operator writes under `authentication`: which credentials are believed, and whose
// they are.
//
// Pure. Safe from any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "controls/authentication/failures.h"
#include "controls/authentication/introspection.h"
#include "controls/authentication/jwt_policy.h"
#include "controls/authentication/mtls_policy.h"
#include "controls/authentication/session.h"

namespace tollgate::authentication {

struct Policy {
  bool api_keys = false;    // Without it no key is accepted at all.
  std::string pepper_file;  // 32 or more bytes; empty: made beside the ledger at first start.
  std::vector<JwtPolicy> jwt;
  std::vector<IntrospectionPolicy> introspection;
  std::vector<SessionPolicy> sessions;
  std::vector<MtlsPolicy> mtls;
  FailurePolicy failures;
  Digest stamp{};  // digest_of() all of it; of what is kept, all that another has is void.

  bool accepts_any() const {
    return api_keys || takes_tokens() || !sessions.empty() || !mtls.empty();
  }
  // Whether a secret that is no key of ours can be anybody's.
  bool takes_tokens() const { return !jwt.empty() || !introspection.empty(); }
};

// A tenant, and the roles that it gives its callers.
struct TenantRoles {
  std::string name;
  std::vector<std::string> roles;
};

// One digest of all that decides what a credential means, tenants included.
Digest digest_of(const Policy& policy, std::span<const TenantRoles> tenants);

}  // namespace tollgate::authentication
