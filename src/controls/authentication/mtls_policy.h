// What the operator writes about client certificates: whose bundle to believe, and who their
// holders are here.
//
// Pure. Safe from any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "controls/authentication/jwt_policy.h"
#include "controls/authentication/subject_pattern.h"
#include "controls/authentication/trust_bundle.h"

namespace tollgate::authentication {

// What in a certificate names its holder.
enum class CertificateName : std::uint8_t {
  kCommonName,  // The one CN of its subject.
  kDnsName,     // A DNS name among its alternative names.
  kSpiffeId,    // Its one URI: an X.509-SVID.
};

// One entry of `authentication.mtls`.
struct MtlsPolicy {
  std::string name;
  CertificateName named_by = CertificateName::kCommonName;
  std::string trust_domain;                  // Of kSpiffeId, and of nothing else.
  std::string bundle;                        // Path of a PEM text; where `trust` was read from.
  std::unique_ptr<const TrustBundle> trust;  // Null only in a policy that was refused.

  // One of these two says the tenant.
  std::string tenant;
  std::vector<TenantBySubject> tenant_by_name;  // By the first pattern that fits the name.
  std::vector<std::string> roles;
};

// What the configuration must refuse, by the field as the operator writes it.
std::vector<PolicyMistake> check(const MtlsPolicy& policy);
Digest digest_of(const MtlsPolicy& policy);

// Mistakes of several together: two of one name, two that could both be meant by one certificate.
std::vector<PolicyMistake> check(std::span<const MtlsPolicy> policies);

}  // namespace tollgate::authentication
