// Who `tollgate explain --as` speaks of: a key, a token, claims, or nobody.
#pragma once

#include <string_view>

#include "base/arena.h"
#include "base/fault.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/authentication/jws.h"
#include "storage/database.h"

namespace tollgate::cli {

// Keeps what the actors that it finds borrow.
class ActorBook {
 public:
  // The actor of `as`: a key of ours, whole or by its id; a token or a JSON object of claims, of
  // which the signature is not looked at; `anonymous`. A Fault where the store must be asked and
  // `store` is null or fails.
  FaultOr<Expected<authentication::Identity>> find(std::string_view as,
                                                   const config::Config& config,
                                                   storage::Database* store, WallTime now,
                                                   Arena& arena);

 private:
  Expected<authentication::Identity> by_token(std::string_view token, const config::Config& config,
                                              WallTime now, Arena& arena);

  authentication::TokenReader reader_;
  std::string token_;
};

}  // namespace tollgate::cli
