// From the claims of a token to the actor that they name.
//
// A token that its key signed still says nothing here: it must be of this issuer, for this
// audience, of the right type and in its time (RFC 7519 4.1, RFC 8725 3.8 to 3.12). Then the
// operator's mapping says which tenant, subject, roles and scopes its claims mean. What a claim
// must be and is not, is refused, never guessed.
//
// No I/O; time is an argument. Safe from any thread.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/refusal.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/jws.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {

// No moment in a claim lies behind the year 9999, none before 1970.
inline constexpr std::int64_t kSecondsMax = 253'402'300'799;
inline constexpr std::size_t kSubjectBytesMax = 256;  // As many as a record tells.
inline constexpr std::size_t kNameBytesMax = 256;     // Of a role or a scope.
inline constexpr std::size_t kNamesMax = 256;         // Roles, or scopes.

// The tenants that exist.
class Tenants {
 public:
  virtual ~Tenants() = default;
  virtual bool contains(std::string_view name) const = 0;
};

// The verifier for a token's issuer or its SPIFFE trust domain, by its place in `policies`; of
// several the one for the token's audience. kInvalidCredential where none is for its issuer.
Expected<std::size_t> choose_verifier(std::span<const JwtPolicy> policies, const Token& token);

// Who a token speaks for. The signature must have been checked, with a key of `policy`'s issuer.
// kExpiredCredential for one that was good; kInvalidCredential for all else. `expires` of the
// identity is when the token stops, leeway not counted in. All views are in `arena`.
Expected<Identity> identify(const JwtPolicy& policy, const Token& token, const Tenants& tenants,
                            WallTime now, Arena& arena);

// All of it, in order: the key by its id, its signature, its claims. A token whose key is not in
// `keys` is refused like a forged one; who wants to look for new keys first asks keys.find().
Expected<Identity> verify_token(const JwtPolicy& policy, const KeySet& keys, const Token& token,
                                const Tenants& tenants, WallTime now, Arena& arena);

// Refuses an identity whose token is bound to a client certificate (RFC 8705 3) by a connection
// that has not proven that one. Every caller of identify() owes this call: `certificate` is the
// SHA-256 of the DER of the certificate that the connection proved.
Expected<void> check_binding(const Identity& identity, const std::optional<Digest>& certificate);

// The answer where whoever knows a credential cannot be asked, or does not answer as it should.
Refusal refuse_unasked(std::string_view rule);

}  // namespace tollgate::authentication
