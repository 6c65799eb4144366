// Who `tollgate explain --as` speaks of: a key, a token, claims, a cookie, a certificate, or
// nobody.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/refusal.h"
#include "config/config.h"
#include "controls/authentication/client_certificate.h"
#include "controls/authentication/jws.h"
#include "controls/authentication/trust_bundle.h"
#include "pipeline/ports.h"
#include "storage/database.h"

namespace tollgate::cli {

// What a request of theirs would come with.
struct Circumstances {
  // Whether issuers, introspection endpoints and stores of sessions are asked, as a gateway does.
  enum class Others : std::uint8_t { kNotAsked, kAsked };

  std::optional<IpAddress> address;                              // Nothing: from where they may.
  std::optional<authentication::ClientCertificate> certificate;  // Proven by the connection.
  Others others = Others::kNotAsked;
};

// The actor; nobody, or who it was cannot be told without others: then whom a gateway would ask.
struct Found {
  Expected<authentication::Identity> actor;
  std::string would_ask = {};  // Not empty: `actor` says nothing.
};

// Keeps what the actors that it finds borrow.
class ActorBook {
 public:
  // The actor of `as`: a key of ours or an imported one, whole or by its id; a token or a JSON
  // object of claims, of which the signature is not looked at unless others are asked; an opaque
  // token; `cookie: NAME=VALUE`; `anonymous`, or empty, for the certificate alone. What is not
  // proven here, an id without its secret, is taken as proven; from there on it is what the gateway
  // does. A Fault where the store must be asked and `store` is null or fails, or the pepper is
  // needed and is not here.
  FaultOr<Found> find(std::string_view as, const Circumstances& circumstances,
                      const config::Config& config, storage::Database* store, WallTime now,
                      Arena& arena);

 private:
  using Actor = Expected<authentication::Identity>;

  FaultOr<Found> find_alone(std::string_view as, const Circumstances& circumstances,
                            const config::Config& config, storage::Database* store, WallTime now,
                            Arena& arena);
  FaultOr<Actor> by_key(std::string_view as, const Circumstances& circumstances,
                        const config::Config& config, storage::Database* store, WallTime now,
                        Arena& arena);
  FaultOr<bool> is_key(std::string_view as, const config::Config& config, storage::Database* store);
  Found by_others(const pipeline::Presented& shown, const Circumstances& circumstances,
                  const config::Config& config, WallTime now, Arena& arena);
  Actor by_token(std::string_view token, const Circumstances& circumstances,
                 const config::Config& config, WallTime now, Arena& arena);
  std::string_view token_of(std::string_view claims, const config::Config& config);

  authentication::TokenReader reader_;
  authentication::BundleVerdicts verdicts_;
  std::string token_;
  std::optional<authentication::KeyRecord> key_;
};

}  // namespace tollgate::cli
