// Who `tollgate explain --as` speaks of: a key, a token, claims, or nobody.
#pragma once

#include <optional>
#include <string_view>

#include "base/address.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/authentication/jws.h"
#include "storage/database.h"

namespace tollgate::cli {

// What a request of theirs would come with.
struct Circumstances {
  std::optional<IpAddress> address;                   // Nothing: from where they may.
  std::optional<authentication::Digest> certificate;  // Proven by the connection.
};

// Keeps what the actors that it finds borrow.
class ActorBook {
 public:
  // The actor of `as`: a key of ours or an imported one, whole or by its id; a token or a JSON
  // object of claims, of which the signature is not looked at; `anonymous`. What is not proven
  // here, an id without its secret, is taken as proven; from there on it is what the gateway does.
  // A Fault where the store must be asked and `store` is null or fails, or the pepper is needed and
  // is not here.
  FaultOr<Expected<authentication::Identity>> find(std::string_view as,
                                                   const Circumstances& circumstances,
                                                   const config::Config& config,
                                                   storage::Database* store, WallTime now,
                                                   Arena& arena);

 private:
  Expected<authentication::Identity> by_token(std::string_view token,
                                              const Circumstances& circumstances,
                                              const config::Config& config, WallTime now,
                                              Arena& arena);
  std::string_view token_of(std::string_view claims, const config::Config& config);

  authentication::TokenReader reader_;
  std::string token_;
  std::optional<authentication::KeyRecord> key_;
};

}  // namespace tollgate::cli
