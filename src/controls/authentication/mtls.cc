#include "controls/authentication/mtls.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/check.h"
#include "controls/authentication/claim_reading.h"
#include "controls/authentication/claims.h"
#include "controls/authentication/spiffe.h"

namespace tollgate::authentication {

namespace {

constexpr std::string_view kScheme = "spiffe://";

// Whether `uri` means to be of that trust domain, however badly it is spelled.
bool is_of(std::string_view uri, std::string_view trust_domain) {
  if (!equal_ignoring_case(uri.substr(0, kScheme.size()), kScheme)) return false;
  uri.remove_prefix(kScheme.size());
  return equal_ignoring_case(uri.substr(0, uri.find_first_of("/?#:")), trust_domain);
}

struct Mapped {
  std::string_view name;
  std::string_view tenant;
  std::string_view credential_id = {};  // Empty: not made yet.
};

std::optional<Mapped> map_name(const MtlsPolicy& policy, std::string_view name) {
  if (!policy.tenant.empty()) return Mapped{name, policy.tenant};
  const std::optional<std::string_view> tenant = tenant_of(policy.tenant_by_name, name);
  if (!tenant) return std::nullopt;
  return Mapped{name, *tenant};
}

std::span<const std::string> names_of(const MtlsPolicy& policy,
                                      const ClientCertificate& certificate) {
  switch (policy.named_by) {
    case CertificateName::kCommonName:
      return std::span(&certificate.common_name, certificate.common_name.empty() ? 0 : 1);
    case CertificateName::kDnsName:
      return certificate.dns_names;
    case CertificateName::kSpiffeId:
      return certificate.uris;
  }
  CHECK(false);
}

Expected<void> check_rules(const MtlsPolicy& policy, const ClientCertificate& certificate,
                           std::string_view rule, WallTime now) {
  if (now >= certificate.not_after) {
    return refuse(Reason::kExpiredCredential, std::string(rule),
                  "The client certificate has expired. Connect anew with the current one.");
  }
  if (now < certificate.not_before) {
    return refuse(Reason::kInvalidCredential, std::string(rule),
                  "The client certificate is not valid yet: a clock is wrong.");
  }
  if (policy.named_by == CertificateName::kSpiffeId) {
    const Expected<SpiffeId> id = read_svid(certificate, rule);
    if (!id) return std::unexpected(id.error());
    return {};
  }
  if (certificate.is_authority) {
    return refuse(Reason::kInvalidCredential, std::string(rule),
                  "The client certificate is that of an authority, which names no caller.");
  }
  return {};
}

// Whose a certificate was does not change when it expires.
WallTime within(const ClientCertificate& certificate, WallTime now) {
  if (certificate.not_after <= certificate.not_before) return now;
  return std::clamp(now, certificate.not_before, certificate.not_after - Duration(1));
}

// What one policy says. A trust domain is its own namespace, so whoever claims it must be of its
// bundle; a plain name is only meant by those whom the policy's own bundle vouches for.
Expected<std::optional<Mapped>> judge(const MtlsPolicy& policy,
                                      const ClientCertificate& certificate,
                                      BundleVerdicts& verdicts, WallTime now) {
  const bool spiffe = policy.named_by == CertificateName::kSpiffeId;
  std::optional<Mapped> mapped;
  bool several = false;
  for (const std::string& name : names_of(policy, certificate)) {
    if (spiffe && !is_of(name, policy.trust_domain)) continue;
    const std::optional<Mapped> found = map_name(policy, name);
    several |= mapped && found;
    if (!mapped) mapped = found;
  }
  if (!mapped || policy.trust == nullptr) return std::nullopt;
  if (!spiffe && !verdicts.vouches(*policy.trust, certificate, within(certificate, now))) {
    return std::nullopt;
  }
  const std::string rule = "authentication.mtls." + policy.name;
  if (Expected<void> good = check_rules(policy, certificate, rule, now); !good) {
    return std::unexpected(good.error());
  }
  if (several) {
    return refuse(Reason::kInvalidCredential, rule,
                  "The client certificate has several names that could be meant.");
  }
  if (mapped->name.size() > kSubjectBytesMax) {
    return refuse(Reason::kInvalidCredential, rule,
                  fmt::format("The name in the client certificate is longer than {} bytes.",
                              kSubjectBytesMax));
  }
  if (spiffe && !verdicts.vouches(*policy.trust, certificate, now)) {
    return refuse(Reason::kInvalidCredential, rule,
                  "The client certificate is not vouched for by the bundle of its trust domain.");
  }
  return mapped;
}

Identity identity_of(const MtlsPolicy& policy, const Mapped& mapped,
                     const ClientCertificate& certificate, Arena& arena) {
  const auto roles = arena.make<std::string_view>(policy.roles.size());
  std::ranges::copy(policy.roles, roles.begin());
  Identity identity;
  identity.tenant = mapped.tenant;
  identity.subject = mapped.name;
  identity.credential_kind = CredentialKind::kMtls;
  identity.credential_id = mapped.credential_id.empty()
                               ? credential_id_of(policy.name, mapped.name, arena)
                               : arena.copy(mapped.credential_id);
  identity.roles = roles;
  identity.verifier = policy.name;
  identity.expires = certificate.not_after;
  return identity;
}

}  // namespace

Expected<std::optional<Identity>> identify(std::span<const MtlsPolicy> policies,
                                           const ClientCertificate& certificate,
                                           BundleVerdicts& verdicts, WallTime now, Arena& arena) {
  std::optional<Identity> identity;
  for (const MtlsPolicy& policy : policies) {
    const Expected<std::optional<Mapped>> mapped = judge(policy, certificate, verdicts, now);
    if (!mapped) return std::unexpected(mapped.error());
    if (!*mapped) continue;
    if (identity) {
      return refuse(Reason::kInvalidCredential, "authentication.mtls",
                    "The client certificate is mapped to two actors here.");
    }
    identity = identity_of(policy, **mapped, certificate, arena);
  }
  return identity;
}

Expected<std::optional<Identity>> KeptCertificate::identify(std::span<const MtlsPolicy> policies,
                                                            const Digest& stamp,
                                                            const ClientCertificate& certificate,
                                                            BundleVerdicts& verdicts, WallTime now,
                                                            Arena& arena) {
  const bool in_time = now >= certificate.not_before && now < certificate.not_after;
  if (kept_ && stamp_ == stamp && in_time && now >= given_ && now < given_ + kGood) {
    if (tenant_.empty()) return std::nullopt;
    const Mapped mapped{subject_, arena.copy(tenant_), credential_id_};
    return identity_of(policies[policy_], mapped, certificate, arena);
  }
  kept_ = false;
  Expected<std::optional<Identity>> said =
      authentication::identify(policies, certificate, verdicts, now, arena);
  if (!said) return said;
  kept_ = true;
  stamp_ = stamp;
  given_ = now;
  tenant_.clear();
  if (!*said) return said;
  const auto by = std::ranges::find(policies, (*said)->verifier, &MtlsPolicy::name);
  policy_ = static_cast<std::size_t>(by - policies.begin());
  tenant_ = (*said)->tenant;
  subject_ = (*said)->subject;
  credential_id_ = (*said)->credential_id;
  return said;
}

}  // namespace tollgate::authentication
