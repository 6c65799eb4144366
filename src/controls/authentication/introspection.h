// Opaque tokens: what the server that gave one out says of it (RFC 7662).
//
// An answer counts only where `active` is the JSON value true. Whatever is no such answer is an
// accident, not a verdict: the token is then neither good nor bad, and its caller is told to try
// again.
//
// No I/O; time is an argument. A reader belongs to one thread.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/refusal.h"
#include "base/secret.h"
#include "controls/authentication/claims.h"

namespace tollgate::authentication {

inline constexpr std::size_t kIntrospectionBytesMax = std::size_t{64} << 10;

// How we say who we are: RFC 6749 2.3.1.
enum class ClientProof : std::uint8_t { kBasic, kPost };

// One entry of `authentication.introspection`.
struct IntrospectionPolicy {
  static constexpr Duration kKeptMax = std::chrono::seconds(30);

  std::string name;
  std::string url;
  std::vector<std::string> prefixes;  // Its tokens begin with one of them; empty: with anything.
  std::string client;
  Secret client_secret;
  ClientProof proof = ClientProof::kBasic;
  std::string issuer;                  // `iss` of the answer; empty: not looked at.
  std::vector<std::string> audiences;  // `aud` of the answer has one of them; empty: not looked at.
  ClaimMapping claims;
  Duration timeout = std::chrono::seconds(2);
  Duration kept = kKeptMax;  // A good answer, and never beyond `exp`.
  CertificateAuthority certificate_authority;
};

std::vector<PolicyMistake> check(const IntrospectionPolicy& policy);
Digest digest_of(const IntrospectionPolicy& policy);

// Keys of model providers begin so. Callers send them here by mistake, and nobody else is to see
// them, unless an entry says by its prefixes that they are its own.
inline constexpr std::string_view kForeignKeyPrefix = "sk-";

// Whether the server of `policy`, one of `all`, may see `token`: by its prefixes; without any,
// where no other's are the token's.
bool may_see(const IntrospectionPolicy& policy, std::span<const IntrospectionPolicy> all,
             std::string_view token);

// The form that is posted for `token`.
std::string introspection_form(const IntrospectionPolicy& policy, std::string_view token);
// The head line that proves who we are, "Basic …"; empty where the form does.
std::string introspection_authorization(const IntrospectionPolicy& policy);

// Whether a text can be an opaque token at all: RFC 6750 2.1, up to kTokenBytesMax.
bool is_opaque_token(std::string_view token);

class IntrospectionReader {
 public:
  IntrospectionReader();
  ~IntrospectionReader();

  // Who the token of an answer speaks for. kInvalidCredential for one that is not active, not for
  // us or no access token, kExpiredCredential past its `exp`, kStoreUnavailable for what is no
  // answer. Views of the identity are in `arena`.
  Expected<Identity> read(const IntrospectionPolicy& policy, std::string_view answer,
                          const Tenants& tenants, WallTime now, Arena& arena);

 private:
  std::unique_ptr<JsonDocument> answer_;
  std::string text_;
};

}  // namespace tollgate::authentication
