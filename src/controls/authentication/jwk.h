// The keys that signatures are proven with, read from a JWK set (RFC 7517, RFC 8037).
//
// A set comes from a foreign server. Each key is taken or refused by itself, with a word why, so
// that one bad key does not lose the others. A key that is taken proves ONE algorithm, whatever a
// token claims: the one that it names, that of its curve, or for an RSA key that names none the
// first RSA algorithm that the operator allows. So a token can never choose how it is checked.
//
// Pure. A KeySet is const once read and safe from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controls/authentication/authentication.h"

namespace tollgate::authentication {

// RFC 7518 3.1 and RFC 8037. The symmetric ones are for session cookies only.
enum class Algorithm : std::uint8_t {
  kRs256,
  kRs384,
  kRs512,
  kPs256,
  kPs384,
  kPs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
  kHs256,
  kHs384,
  kHs512,
};
inline constexpr int kAlgorithmCount = static_cast<int>(Algorithm::kHs512) + 1;

std::string_view name_of(Algorithm algorithm);                    // "RS256"
std::optional<Algorithm> algorithm_named(std::string_view name);  // Exactly so spelled.
constexpr bool is_symmetric(Algorithm a) { return a >= Algorithm::kHs256; }

// kSecret: `oct` keys and no others, for who shares a secret with us and says so.
enum class KeyKind : std::uint8_t { kPublic, kSecret };

// What the operator allows of a set.
struct KeyRules {
  KeyKind kind = KeyKind::kPublic;
  std::span<const Algorithm> algorithms;  // Keys of others are refused.
};

class VerificationKey {
 public:
  // HMAC with `secret`, which has at least as many bytes as the algorithm's hash.
  static VerificationKey with_secret(Algorithm algorithm, std::string_view secret);
  VerificationKey(VerificationKey&&) noexcept;
  VerificationKey& operator=(VerificationKey&&) noexcept;
  ~VerificationKey();

  const std::string& id() const { return id_; }  // `kid`; empty: it has none.
  Algorithm algorithm() const { return algorithm_; }

  // Whether `signature` is this key's over `text`: of the exact size that its algorithm has, and
  // for ECDSA r and s in 1 to n - 1.
  bool proves(std::string_view text, std::span<const std::uint8_t> signature) const;

 private:
  friend class KeyReader;
  struct Material;
  VerificationKey(std::string id, Algorithm algorithm, std::unique_ptr<const Material> material);

  std::string id_;
  Algorithm algorithm_;
  std::unique_ptr<const Material> material_;
};

struct RefusedKey {
  std::string id;
  std::string why;  // For the operator.
};

struct KeySet {
  static constexpr std::size_t kDocumentBytesMax = std::size_t{1} << 20;
  static constexpr std::size_t kKeysMax = 256;
  static constexpr std::size_t kKeyIdBytesMax = 256;

  std::vector<VerificationKey> keys;
  std::vector<RefusedKey> refused;
  Digest digest{};  // Of the keys that were taken: the same for the same keys, in any order.

  // The key that proves `algorithm` under `id`. A token without an id is served only where one
  // single key can be meant.
  const VerificationKey* find(std::optional<std::string_view> id, Algorithm algorithm) const;
};

// The keys of a JWK set, or of one JWK by itself. An error, in words for the operator, for what is
// no such document: not JSON, a name twice, more than kDocumentBytesMax or kKeysMax.
//
// Refused alone: keys for other uses than signing, of other algorithms than `rules` allows, RSA
// below 2048 bits, beyond 8192, with an exponent that is even, 1 or above 32 bits, or made by a
// generator that is known to be weak (CVE-2017-15361), points beside their curve, secrets shorter
// than their hash, keys whose private half stands beside them, two of one id and algorithm, and
// secrets in a set that is otherwise public.
std::expected<KeySet, std::string> read_key_set(std::string_view document, const KeyRules& rules);

}  // namespace tollgate::authentication
