// Who asks? Ties a request to exactly one actor, or refuses it.
//
// A tenant API key is `tg_live_` + 12 characters that name it in public + 32 secret ones + 6
// of a CRC-32 (base 62 throughout), so that a mistyped key never costs a lookup, a secret
// scanner can recognise a leaked one, and the secret holds 190 random bits. We keep only
// HMAC-SHA-256(pepper, whole key) and compare in constant time: a stolen store is no credential.
// Other kinds of credential join behind the same door: find_credential, then a verifier that
// returns an Identity (jws.h and claims.h for tokens, session_cookie.h for cookies).
//
// Pure: random bytes and time are arguments. Safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/units.h"
#include "controls/authentication/key_scopes.h"

namespace tollgate::authentication {

using Digest = std::array<std::uint8_t, 32>;

// kAnonymous is none: what a caller without a credential is recorded with, and nothing that
// `allow` can name.
enum class CredentialKind : std::uint8_t {
  kApiKey,
  kJwt,
  kWorkload,
  kSession,
  kIntrospection,
  kMtls,
  kAnonymous
};
inline constexpr int kCredentialKindCount = static_cast<int>(CredentialKind::kAnonymous);
std::string_view name_of(CredentialKind kind);  // "api_key"
std::optional<CredentialKind> credential_kind_named(std::string_view name);

// Who answers for callers without a credential.
inline constexpr std::string_view kAnonymousTenant = "anonymous";

// The accountable actor of one request. Views live in the request's arena.
struct Identity {
  std::string_view tenant;
  std::string_view subject;  // The user within the tenant; may be empty.
  CredentialKind credential_kind = CredentialKind::kApiKey;
  // Public and the same for all that one credential asks: the key's id, or who vouches for whom,
  // "corporate/alice". Never the secret.
  std::string_view credential_id;
  std::span<const std::string_view> roles;
  std::string_view verifier;                 // Its name in the configuration; empty: API keys.
  std::span<const std::string_view> scopes;  // What the token was given for.
  std::optional<WallTime> expires;           // Of the credential.
  std::optional<Digest> certificate;         // SHA-256 of the one that it is bound to, RFC 8705.
  Reach reach;                               // What it is for at most.
};

// The credential headers of a request, as they came. Empty: absent.
struct CredentialHeaders {
  std::string_view authorization;  // "Bearer …"
  std::string_view x_api_key;
  std::string_view api_key;
};

// The one secret that the headers carry. kMissingCredential when there is none,
// kInvalidCredential for another scheme than Bearer, kCredentialConflict when two differ.
Expected<std::string_view> find_credential(const CredentialHeaders& headers);

inline constexpr std::string_view kKeyPrefix = "tg_live_";
inline constexpr std::size_t kKeyIdLength = 12;
inline constexpr std::size_t kKeyLength = kKeyPrefix.size() + kKeyIdLength + 32 + 6;

// The public id inside a secret of the right shape and checksum; else kInvalidCredential.
Expected<std::string_view> read_key(std::string_view secret);

// Makes digests; holds the pepper. Moves, never prints.
class Pepper {
 public:
  explicit Pepper(std::span<const std::uint8_t> bytes);  // At least 32.
  ~Pepper();                                             // Wipes.
  Pepper(const Pepper&) = delete;
  Pepper(Pepper&&) noexcept;
  Digest digest(std::string_view secret) const;

 private:
  std::array<std::uint8_t, 32> key_{};  // SHA-256 of the bytes given.
};

// What the store keeps of a key. `id` is public.
struct KeyRecord {
  std::string id;
  Digest digest{};
  std::string tenant;
  std::string user;
  std::vector<std::string> roles;
  std::string name;  // A label of the operator.
  WallTime created{};
  std::optional<WallTime> expires;
  std::optional<WallTime> revoked;
  KeyScopes scopes;
  std::string replaces;     // The key that it was rotated from; may be empty.
  std::string replaced_by;  // And into.
  std::optional<WallTime> last_used;
};

// What a request needs of a key: views into its arena, so a change of the store cannot move
// them under it.
struct KeyFacts {
  std::string_view id;
  Digest digest{};
  std::string_view tenant;
  std::string_view user;
  std::span<const std::string_view> roles;
  std::optional<WallTime> expires;
  std::optional<WallTime> revoked;
  Reach reach;
  std::span<const AddressRange> addresses;  // From which it may be used; empty: from all.
  void* slot = nullptr;                     // The store's own.
};

// Whether that is the digest of the key of `facts`; takes the same time for every digest.
bool is_key(const Digest& digest, const KeyFacts& facts);

// Whether that is the digest of the key of `facts`, which came `from` there and is neither revoked
// nor expired at `now`. A wrong secret is kInvalidCredential, whatever else is true of the key.
// Where the key's scopes do not name that address the answer is that to a wrong secret, so that
// whoever found it learns nothing.
Expected<void> verify(const Digest& digest, const KeyFacts& facts, const IpAddress& from,
                      WallTime now);

// The answer to a key that does not exist.
Refusal refuse_unknown();

struct NewKey {
  std::string id;
  std::string secret;  // Shown once.
};
// `random` must come from a cryptographic generator. Other secrets of the same shape have another
// prefix.
NewKey make_key(std::span<const std::uint8_t, 64> random, std::string_view prefix = kKeyPrefix);

// The public id inside a secret of that prefix, if its shape and checksum are right.
std::optional<std::string_view> public_id(std::string_view secret, std::string_view prefix);

}  // namespace tollgate::authentication
