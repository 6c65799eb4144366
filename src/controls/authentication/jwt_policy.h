// What the operator writes about tokens: whom to believe, and who its callers are here.
//
// Pure. Safe from any thread.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate_authority.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/jwk.h"
#include "controls/authentication/subject_pattern.h"

namespace tollgate::authentication {

// Which claims say who a caller is. A claim is named as it is spelled, dots and slashes included;
// where there is none of that name, a dot leads into an object: `realm_access.roles` is the
// member `roles` of the claim `realm_access`. Of several readings the longest name wins.
struct ClaimMapping {
  // One of these three says the tenant.
  std::string tenant;                              // A claim.
  std::string fixed_tenant;                        // The same for all.
  std::vector<TenantBySubject> tenant_by_subject;  // By the first pattern that fits.
  std::vector<std::string> tenants;  // The only ones that the claim may name; empty: any.
  std::string subject = "sub";       // A claim that is a text.
  std::string roles;             // A claim: a list of texts, or one text of words. Empty: no roles.
  std::string scopes = "scope";  // As roles.
};

// kReview: none are known here, the API server of the cluster proves each token (token_review.h).
enum class KeyOrigin : std::uint8_t { kDiscovery, kUrl, kFile, kReview };

// Which `typ` a token may have. OpenID Connect's ID tokens have `JWT` or none, so only
// kAccessToken tells them from access tokens.
enum class TokenType : std::uint8_t {
  kAny,          // None, `JWT` or `at+jwt`; of a JWT-SVID none, `JWT` or `JOSE`.
  kAccessToken,  // `at+jwt` and no other: RFC 9068.
};

// `token_review` of an entry: the API server of a Kubernetes cluster is asked of every token, so
// that one whose pod or account is gone ends before its time.
struct TokenReviewPolicy {
  static constexpr Duration kKeptMax = std::chrono::seconds(30);

  std::string url;  // Of the API server, without the path of reviews.
  CertificateAuthority certificate_authority;
  std::string token_file;  // Our own token there; read anew for each question.
  Duration timeout = std::chrono::seconds(2);
  Duration kept = kKeptMax;  // A good answer, and never beyond the token.
};

// One entry of `authentication.jwt`.
struct JwtPolicy {
  static constexpr Duration kLeewayMax = std::chrono::seconds(60);

  std::string name;
  CredentialKind kind = CredentialKind::kJwt;  // Or kWorkload.
  std::string issuer;                          // `iss`, to the letter.
  // Set: the tokens are JWT-SVIDs of this SPIFFE trust domain. `sub` must be a SPIFFE ID of it;
  // the issuer may then be empty, and `iss` is not looked at.
  std::string trust_domain;
  std::vector<std::string> audiences;  // `aud` has one of them, to the letter.
  std::vector<Algorithm> algorithms = {Algorithm::kRs256, Algorithm::kEs256};
  TokenType type = TokenType::kAny;
  ClaimMapping claims;
  Duration leeway = std::chrono::seconds(30);  // For clocks that differ.
  std::optional<Duration> token_max_age;       // Since `iat`, which is mandatory then.
  KeyOrigin keys = KeyOrigin::kDiscovery;
  std::string keys_at;  // The URL or file of the key set; with kDiscovery empty.
  CertificateAuthority certificate_authority;  // Of the issuer's server.
  std::optional<TokenReviewPolicy> review;
};

// What the configuration must refuse: the field, as JwtPolicy's text names it, and why.
struct PolicyMistake {
  std::string field;
  std::string why;
};

std::vector<PolicyMistake> check(const JwtPolicy& policy);
std::vector<PolicyMistake> check(const ClaimMapping& mapping);
std::vector<PolicyMistake> check(const TokenReviewPolicy& review);
// Audiences that need not be written.
void check_optional(const std::vector<std::string>& audiences, std::vector<PolicyMistake>& found);

// Mistakes of several together: two of one name, and two that could both be meant by one token.
std::vector<PolicyMistake> check(std::span<const JwtPolicy> policies);

// All that may sign tokens: what `algorithms` may list. `none` and shared secrets never can.
std::span<const Algorithm> public_algorithms();

// Whether `url` is https, or http to this very machine.
bool is_safe_url(std::string_view url);
// Whether its host is this very machine, by https or http.
bool is_loopback_url(std::string_view url);

// One digest of all that decides what a token means. Tokens that were verified under another are
// verified anew.
Digest digest_of(const JwtPolicy& policy);

// The same of what decides which keys prove them: an entry that maps its claims anew goes on with
// the keys that are known.
Digest digest_of_keys(const JwtPolicy& policy);

}  // namespace tollgate::authentication
