#include "controls/authentication/mtls_policy.h"

#include <fmt/format.h>

#include "controls/authentication/policy_digest.h"
#include "controls/authentication/spiffe_id.h"

namespace tollgate::authentication {

namespace {

// The tenants that two policies give to one name, where they differ.
bool collide(const MtlsPolicy& a, const MtlsPolicy& b) {
  if (a.named_by != b.named_by || a.trust_domain != b.trust_domain) return false;
  if (a.named_by != CertificateName::kSpiffeId && a.trust && b.trust &&
      a.trust->digest() != b.trust->digest()) {
    return false;  // No authority of one vouches for what the other's does.
  }
  if (a.tenant_by_name.empty() || b.tenant_by_name.empty()) return true;
  for (const TenantBySubject& one : a.tenant_by_name) {
    for (const TenantBySubject& other : b.tenant_by_name) {
      if (overlap(one.pattern, other.pattern)) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<PolicyMistake> check(const MtlsPolicy& policy) {
  std::vector<PolicyMistake> found;
  const bool spiffe = policy.named_by == CertificateName::kSpiffeId;
  const std::string patterns = spiffe ? "tenant_by_spiffe_id" : "tenant_by_subject";
  if (policy.name.empty()) found.push_back({"name", "It is empty."});
  if (spiffe && !is_trust_domain(policy.trust_domain)) {
    found.push_back({"trust_domain", "It is no trust domain: `example.org`, without a scheme."});
  }
  if (policy.tenant.empty() == policy.tenant_by_name.empty()) {
    found.push_back(
        {"tenant", fmt::format("Exactly one of `tenant` and `{}` says whose the certificates are.",
                               patterns)});
    return found;
  }
  if (policy.tenant_by_name.empty()) return found;
  ClaimMapping mapping;
  mapping.tenant_by_subject = policy.tenant_by_name;
  for (PolicyMistake& mistake : check(mapping)) {
    found.push_back({patterns, std::move(mistake.why)});
  }
  const std::string own = fmt::format("spiffe://{}/", policy.trust_domain);
  for (const TenantBySubject& each : policy.tenant_by_name) {
    if (!spiffe || each.pattern.starts_with(own)) continue;
    found.push_back({patterns, fmt::format("`{}` fits no SPIFFE ID of this trust domain: those "
                                           "begin with `{}`.",
                                           each.pattern, own)});
  }
  return found;
}

Digest digest_of(const MtlsPolicy& policy) {
  PolicyDigest text;
  text.add("mtls");
  text.add(policy.name);
  text.add(static_cast<std::int64_t>(policy.named_by));
  text.add(policy.trust_domain);
  if (policy.trust != nullptr) {
    const Digest& trust = policy.trust->digest();
    text.add(std::string_view(reinterpret_cast<const char*>(trust.data()), trust.size()));
  }
  text.add(policy.tenant);
  text.add(static_cast<std::int64_t>(policy.tenant_by_name.size()));
  for (const TenantBySubject& each : policy.tenant_by_name) {
    text.add(each.pattern);
    text.add(each.tenant);
  }
  text.add(policy.roles);
  return text.finish();
}

std::vector<PolicyMistake> check(std::span<const MtlsPolicy> policies) {
  std::vector<PolicyMistake> found;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const MtlsPolicy& a = policies[j];
      const MtlsPolicy& b = policies[i];
      if (a.name == b.name) {
        found.push_back({"name", fmt::format("Two entries are named `{}`.", a.name)});
      } else if (collide(a, b)) {
        found.push_back({"tenant", fmt::format("One certificate could be meant by `{}` as well as "
                                               "by `{}`: give each names of its own, or write "
                                               "one entry.",
                                               a.name, b.name)});
      }
    }
  }
  return found;
}

}  // namespace tollgate::authentication
