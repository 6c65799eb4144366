// What the operator writes under `authentication`: which credentials are believed, and whose
// they are.
//
// Pure. Safe from any thread.
#pragma once

#include <string>
#include <vector>

#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {

struct Policy {
  bool api_keys = false;    // Without it no key is accepted at all.
  std::string pepper_file;  // 32 or more bytes; empty: made beside the ledger at first start.
  std::vector<JwtPolicy> jwt;

  // Whether a secret that is no key of ours can be anybody's.
  bool takes_tokens() const { return !jwt.empty(); }
};

}  // namespace tollgate::authentication
