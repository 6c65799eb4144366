#include "controls/authentication/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/ascii.h"
#include "base/check.h"
#include "controls/authentication/base64url.h"
#include "controls/authentication/claim_reading.h"
#include "controls/authentication/spiffe_id.h"

namespace tollgate::authentication {

namespace dom = simdjson::dom;

namespace {

std::string rule_of(const JwtPolicy& policy) { return "authentication.jwt." + policy.name; }

// RFC 7515 4.1.9: a media type in any case, whose `application/` may be left out.
bool has_type(const Token& token, const JwtPolicy& policy) {
  constexpr std::string_view kPrefix = "application/";
  std::string_view type = token.type;
  if (equal_ignoring_case(type.substr(0, kPrefix.size()), kPrefix)) {
    type.remove_prefix(kPrefix.size());
  }
  const bool plain = token.type.empty() || equal_ignoring_case(type, "jwt");
  if (!policy.trust_domain.empty()) return plain || equal_ignoring_case(type, "jose");
  if (equal_ignoring_case(type, "at+jwt")) return true;
  return policy.type == TokenType::kAny && plain;
}

// Whether a token says that it comes from where `policy` believes it.
bool is_of(const JwtPolicy& policy, const Token& token) {
  const bool by_issuer = !policy.issuer.empty() && token.issuer == policy.issuer;
  if (policy.trust_domain.empty()) return by_issuer;
  const std::optional<SpiffeId> workload =
      read_spiffe_id(text_member(token.claims->object(), "sub").value_or(""));
  return (by_issuer || policy.issuer.empty()) && workload && !workload->path.empty() &&
         workload->trust_domain == policy.trust_domain;
}

// The times of a token, all of them at once; gives when it stops.
Expected<WallTime> check_times(const JwtPolicy& policy, const dom::object& claims, WallTime now,
                               std::string_view rule) {
  const auto expires = read_time(claims, "exp", Presence::kMandatory, rule);
  if (!expires) return std::unexpected(expires.error());
  const auto not_before = read_time(claims, "nbf", Presence::kOptional, rule);
  if (!not_before) return std::unexpected(not_before.error());
  const auto issued = read_time(
      claims, "iat", policy.token_max_age ? Presence::kMandatory : Presence::kOptional, rule);
  if (!issued) return std::unexpected(issued.error());

  WallTime ends = **expires;
  if (policy.token_max_age) ends = std::min(ends, **issued + *policy.token_max_age);
  if (now >= ends + policy.leeway) {
    return refuse_expired(rule, "The token has expired. Get a new one.");
  }
  if ((*not_before && now + policy.leeway < **not_before) ||
      (*issued && now + policy.leeway < **issued)) {
    return refuse_claims(rule,
                         "The token is not valid yet (`nbf`, `iat`): the clock of its issuer or "
                         "of this gateway is wrong.");
  }
  return ends;
}

// RFC 7800: a token that is bound to a key is nobody's without it. Only the binding to a
// certificate can be proven here, so every other one is refused.
Expected<std::optional<Digest>> read_binding(const dom::object& claims, std::string_view rule) {
  if (!has_member(claims, "cnf")) return std::nullopt;
  dom::object confirmation;
  Digest digest;
  std::string bytes;
  if (claims.at_key("cnf").get(confirmation) != simdjson::SUCCESS || confirmation.size() != 1 ||
      decode_base64url(text_member(confirmation, "x5t#S256").value_or(""), bytes) !=
          Decoded::kWell ||
      bytes.size() != digest.size()) {
    return refuse_claims(rule,
                         "The token is bound to a key (`cnf`) in another way than by the "
                         "certificate's thumbprint `x5t#S256`.");
  }
  std::ranges::copy(bytes_of(bytes), digest.begin());
  return digest;
}

}  // namespace

Expected<std::size_t> choose_verifier(std::span<const JwtPolicy> policies, const Token& token) {
  CHECK(token.claims != nullptr);
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (!is_of(policies[i], token)) continue;
    if (!chosen) chosen = i;
    if (!has_audience(token.claims->object(), policies[i].audiences)) continue;
    chosen = i;
    break;
  }
  if (chosen) return *chosen;
  return refuse_claims("authentication.jwt",
                       "The issuer of the token (`iss`) is none that this gateway accepts.");
}

Expected<Identity> identify(const JwtPolicy& policy, const Token& token, const Tenants& tenants,
                            WallTime now, Arena& arena) {
  CHECK(token.claims != nullptr);
  const dom::object& claims = token.claims->object();
  const std::string rule = rule_of(policy);
  if (!has_type(token, policy)) {
    return refuse_claims(rule, policy.type == TokenType::kAny
                                   ? "The token is of a type (`typ`) that is not accepted here."
                                   : "The token is no access token (`typ`: `at+jwt`).");
  }
  if (!is_of(policy, token)) {
    return refuse_claims(rule, policy.trust_domain.empty()
                                   ? "The issuer of the token (`iss`) is not the one expected."
                                   : "The token's `sub` is no SPIFFE ID of the trust domain, or "
                                     "its issuer is not the one expected.");
  }
  if (!has_audience(claims, policy.audiences)) {
    return refuse_claims(rule, "The token is not for this gateway (`aud`).");
  }
  const Expected<WallTime> ends = check_times(policy, claims, now, rule);
  if (!ends) return std::unexpected(ends.error());
  Expected<std::optional<Digest>> certificate = read_binding(claims, rule);
  if (!certificate) return std::unexpected(std::move(certificate.error()));
  // From here on the token is good and for us. Who does it speak for?

  const Voucher voucher{.name = policy.name, .kind = policy.kind, .rule = rule};
  Expected<Identity> identity = map_claims(policy.claims, voucher, claims, tenants, arena);
  if (!identity) return identity;
  identity->expires = *ends;
  identity->certificate = *certificate;
  return identity;
}

Expected<Identity> verify_token(const JwtPolicy& policy, const KeySet& keys, const Token& token,
                                const Tenants& tenants, WallTime now, Arena& arena) {
  const bool allowed =
      std::ranges::find(policy.algorithms, token.algorithm) != policy.algorithms.end();
  const VerificationKey* key = allowed ? keys.find(token.key_id, token.algorithm) : nullptr;
  if (key == nullptr) return std::unexpected(refuse_signature(rule_of(policy)));
  if (Expected<void> good = check_signature(token, *key, rule_of(policy)); !good) {
    return std::unexpected(std::move(good.error()));
  }
  return identify(policy, token, tenants, now, arena);
}

Expected<void> check_binding(const Identity& identity, const std::optional<Digest>& certificate) {
  if (!identity.certificate || identity.certificate == certificate) return {};
  return refuse_claims("authentication.jwt",
                       "The token is bound to a client certificate that this connection has not "
                       "proven.");
}

Refusal refuse_unasked(std::string_view rule) {
  Refusal refusal;
  refusal.reason = Reason::kStoreUnavailable;
  refusal.rule = rule;
  refusal.message =
      "Who would know this credential is out of reach, so nobody can tell whose it is. Nothing was "
      "forwarded; try again shortly.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

}  // namespace tollgate::authentication
