#include "controls/authentication/jwt_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "controls/authentication/policy_digest.h"
#include "controls/authentication/spiffe_id.h"

namespace tollgate::authentication {

namespace {

constexpr std::array kPublicAlgorithms = {
    Algorithm::kRs256, Algorithm::kRs384, Algorithm::kRs512, Algorithm::kPs256, Algorithm::kPs384,
    Algorithm::kPs512, Algorithm::kEs256, Algorithm::kEs384, Algorithm::kEs512, Algorithm::kEdDsa};

using Mistakes = std::vector<PolicyMistake>;

bool has(std::span<const std::string> texts, std::string_view text) {
  return std::ranges::find(texts, text) != texts.end();
}

// What a JWT-SVID may not be (SPIFFE JWT-SVID 2.1, 3.1).
void check_trust_domain(const JwtPolicy& policy, Mistakes& found) {
  if (!is_trust_domain(policy.trust_domain)) {
    found.push_back({"trust_domain", "It is no trust domain: `example.org`, without a scheme."});
  }
  if (policy.kind != CredentialKind::kWorkload) {
    found.push_back({"kind", "A SPIFFE ID names a workload."});
  }
  if (std::ranges::find(policy.algorithms, Algorithm::kEdDsa) != policy.algorithms.end()) {
    found.push_back({"algorithms", "EdDSA signs no JWT-SVID."});
  }
  if (policy.type == TokenType::kAccessToken) {
    found.push_back({"type", "A JWT-SVID is no `at+jwt`."});
  }
}

void check_issuer(const JwtPolicy& policy, Mistakes& found) {
  if (policy.issuer.empty() && !policy.trust_domain.empty()) {
    if (policy.keys != KeyOrigin::kDiscovery) return;
    found.push_back({"issuer", "Without an issuer its keys are at a `jwks_url` or `jwks_file`."});
    return;
  }
  if (policy.issuer.empty()) {
    found.push_back({"issuer", "Without an issuer a token of anybody would do."});
    return;
  }
  const bool plain = policy.issuer.starts_with("http://");
  if ((plain || policy.keys == KeyOrigin::kDiscovery) && !is_safe_url(policy.issuer)) {
    found.push_back({"issuer",
                     "Keys that come over plain http are anybody's: the issuer must be an https "
                     "URL (http only on loopback)."});
  }
}

void check_audiences(const JwtPolicy& policy, Mistakes& found) {
  if (policy.audiences.empty() || has(policy.audiences, "")) {
    found.push_back(
        {"audience", "Without an audience a token for any other service of the issuer would do."});
  }
}

void check_algorithms(const JwtPolicy& policy, Mistakes& found) {
  if (policy.algorithms.empty()) {
    found.push_back({"algorithms", "Without an algorithm no token is accepted."});
  }
  for (const Algorithm algorithm : policy.algorithms) {
    if (!is_symmetric(algorithm)) continue;
    found.push_back(
        {"algorithms", fmt::format("{} shares a secret with the issuer, so whoever checks a token "
                                   "could make one. Use an algorithm with a public key.",
                                   name_of(algorithm))});
  }
}

void check_keys(const JwtPolicy& policy, Mistakes& found) {
  switch (policy.keys) {
    case KeyOrigin::kDiscovery:
      return;
    case KeyOrigin::kUrl:
      if (is_safe_url(policy.keys_at)) return;
      found.push_back({"jwks_url", "Keys come from an https URL (http only on loopback)."});
      return;
    case KeyOrigin::kFile:
      if (policy.keys_at.empty()) found.push_back({"jwks_file", "It names no file."});
      return;
    case KeyOrigin::kReview:
      if (policy.review) return;
      found.push_back({"token_review", "Nobody else proves the tokens."});
      return;
  }
}

void check_review(const JwtPolicy& policy, Mistakes& found) {
  if (!policy.review) return;
  if (policy.kind != CredentialKind::kWorkload) {
    found.push_back({"kind", "`token_review` is for workloads of a cluster: write `workload`."});
  }
  if (!policy.trust_domain.empty()) {
    found.push_back({"trust_domain", "No API server knows JWT-SVIDs: not with `token_review`."});
  }
}

void check_patterns(const ClaimMapping& mapping, Mistakes& found) {
  const std::string field = "tenant_by_subject";
  for (const TenantBySubject& each : mapping.tenant_by_subject) {
    const std::string& pattern = each.pattern;
    if (pattern.empty() || pattern.size() > kPatternBytesMax) {
      found.push_back({field, fmt::format("A pattern has 1 to {} bytes.", kPatternBytesMax)});
    } else if (pattern == "*") {
      found.push_back({field, "`*` alone is every subject: write the tenant as `fixed_tenant`."});
    } else if (pattern.contains("**")) {
      found.push_back({field, fmt::format("`{}`: one `*` at a time.", pattern)});
    }
    if (each.tenant.empty()) {
      found.push_back({field, fmt::format("`{}` names no tenant.", pattern)});
    }
  }
  if (!found.empty()) return;
  if (const auto both = find_overlap(mapping.tenant_by_subject)) {
    found.push_back({field, fmt::format("One subject could match both `{}` and `{}`, which name "
                                        "different tenants.",
                                        both->first, both->second)});
  }
}

// The host of an http URL; empty where there is none or somebody else's name stands before it.
std::string_view host_of(std::string_view rest) {
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.contains('@') || rest.contains('\\')) return {};
  if (rest.starts_with('[')) return rest.substr(0, rest.find(']') + 1);
  return rest.substr(0, rest.find(':'));
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

std::span<const Algorithm> public_algorithms() { return kPublicAlgorithms; }

bool is_safe_url(std::string_view url) {
  constexpr std::string_view kTls = "https://";
  constexpr std::string_view kPlain = "http://";
  if (url.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  if (url.starts_with(kTls)) return !host_of(url.substr(kTls.size())).empty();
  return url.starts_with(kPlain) && is_loopback(host_of(url.substr(kPlain.size())));
}

bool is_loopback_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  return scheme != std::string_view::npos && is_loopback(host_of(url.substr(scheme + 3)));
}

std::vector<PolicyMistake> check(const ClaimMapping& mapping) {
  Mistakes found;
  const int tenants = int{!mapping.tenant.empty()} + int{!mapping.fixed_tenant.empty()} +
                      int{!mapping.tenant_by_subject.empty()};
  if (tenants != 1) {
    found.push_back({"tenant",
                     "Exactly one of `tenant`, `fixed_tenant` and `tenant_by_subject` says whose "
                     "the callers are."});
  }
  if (!mapping.tenants.empty() && mapping.tenant.empty()) {
    found.push_back({"tenants", "It bounds what a claim may name: it goes with `tenant`."});
  }
  if (mapping.subject.empty()) {
    found.push_back({"subject", "Without a subject nobody is accountable."});
  }
  Mistakes patterns;
  check_patterns(mapping, patterns);
  found.insert(found.end(), patterns.begin(), patterns.end());
  return found;
}

void check_optional(const std::vector<std::string>& audiences, Mistakes& found) {
  if (has(audiences, "")) found.push_back({"audience", "It is empty."});
}

std::vector<PolicyMistake> check(const TokenReviewPolicy& review) {
  Mistakes found;
  if (!is_safe_url(review.url) || review.url.contains('?')) {
    found.push_back({"url",
                     "Tokens are sent there, so it is the https URL of the API server (http only "
                     "on loopback)."});
  }
  if (review.token_file.empty()) {
    found.push_back({"token_file", "Without a token of our own nobody may ask there."});
  }
  if (review.kept < Duration::zero() || review.kept > TokenReviewPolicy::kKeptMax) {
    found.push_back({"keep", "It is 0s to 30s: a token that has ended is good for as long."});
  }
  return found;
}

std::vector<PolicyMistake> check(const JwtPolicy& policy) {
  Mistakes found;
  if (policy.name.empty()) found.push_back({"name", "It is empty."});
  if (policy.kind != CredentialKind::kJwt && policy.kind != CredentialKind::kWorkload) {
    found.push_back({"kind", "A token is of kind jwt or workload."});
  }
  if (!policy.trust_domain.empty()) check_trust_domain(policy, found);
  check_issuer(policy, found);
  check_audiences(policy, found);
  check_algorithms(policy, found);
  check_keys(policy, found);
  check_review(policy, found);
  if (policy.leeway < Duration::zero() || policy.leeway > JwtPolicy::kLeewayMax) {
    found.push_back({"leeway", "It is 0s to 60s."});
  }
  if (policy.token_max_age && *policy.token_max_age <= Duration::zero()) {
    found.push_back({"token_max_age", "No token is younger than that."});
  }
  const Mistakes claims = check(policy.claims);
  found.insert(found.end(), claims.begin(), claims.end());
  return found;
}

std::vector<PolicyMistake> check(std::span<const JwtPolicy> policies) {
  Mistakes found;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    for (std::size_t j = i + 1; j < policies.size(); ++j) {
      const JwtPolicy& a = policies[i];
      const JwtPolicy& b = policies[j];
      if (a.name == b.name) {
        found.push_back({"name", fmt::format("Two verifiers are named `{}`.", a.name)});
      }
      const bool one_domain = !a.trust_domain.empty() && a.trust_domain == b.trust_domain;
      const bool one_issuer = !a.issuer.empty() && a.issuer == b.issuer;
      if (!one_domain && !one_issuer) continue;
      for (const std::string& audience : a.audiences) {
        if (!has(b.audiences, audience)) continue;
        found.push_back({"audience", fmt::format("`{}` and `{}` would both answer for a token of "
                                                 "this issuer for `{}`.",
                                                 a.name, b.name, audience)});
      }
    }
  }
  return found;
}

Digest digest_of_keys(const JwtPolicy& policy) {
  PolicyDigest text;
  text.add("keys");
  text.add(policy.name);
  text.add(policy.issuer);
  text.add(static_cast<std::int64_t>(policy.algorithms.size()));
  for (const Algorithm algorithm : policy.algorithms) text.add(name_of(algorithm));
  text.add(static_cast<std::int64_t>(policy.keys));
  text.add(policy.keys_at);
  text.add(policy.certificate_authority);
  return text.finish();
}

Digest digest_of(const JwtPolicy& policy) {
  PolicyDigest text;
  text.add(policy.name);
  text.add(static_cast<std::int64_t>(policy.kind));
  text.add(policy.issuer);
  text.add(policy.trust_domain);
  text.add(policy.audiences);
  text.add(static_cast<std::int64_t>(policy.algorithms.size()));
  for (const Algorithm algorithm : policy.algorithms) text.add(name_of(algorithm));
  text.add(static_cast<std::int64_t>(policy.type));
  text.add(policy.leeway.count());
  text.add(policy.token_max_age.value_or(Duration(-1)).count());
  text.add(static_cast<std::int64_t>(policy.keys));
  text.add(policy.keys_at);
  text.add(policy.certificate_authority);
  text.add(policy.claims);
  text.add(static_cast<std::int64_t>(policy.review.has_value()));
  if (policy.review) {
    text.add(policy.review->url);
    text.add(policy.review->certificate_authority);
    text.add(policy.review->token_file);
    text.add(policy.review->timeout.count());
    text.add(policy.review->kept.count());
  }
  return text.finish();
}

}  // namespace tollgate::authentication
