// Makes tenant API keys: the one place where a request for a key becomes a record, for the
// admin API and the command alike.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fault.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"

namespace tollgate::admin {

struct KeyWish {
  std::string tenant;
  std::string user;
  std::vector<std::string> roles;
  std::string name;
  std::optional<WallTime> expires;
  authentication::KeyScopes scopes;
};

struct MadeKey {
  authentication::KeyRecord record;
  std::string secret;  // Shown once.
};

// What the store keeps of a key that is to be as wished.
authentication::KeyRecord record_of(const KeyWish& wish, std::string id,
                                    const authentication::Digest& digest, WallTime now);

// Draws from the cryptographic generator of OpenSSL; a Fault where that fails.
FaultOr<MadeKey> make_key(const KeyWish& wish, const authentication::Pepper& pepper, WallTime now);

}  // namespace tollgate::admin
