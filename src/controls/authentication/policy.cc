#include "controls/authentication/policy.h"

#include "controls/authentication/policy_digest.h"

namespace tollgate::authentication {

Digest digest_of(const Policy& policy, std::span<const TenantRoles> tenants) {
  PolicyDigest text;
  const auto add = [&](const auto& parts) {
    text.add(static_cast<std::int64_t>(parts.size()));
    for (const auto& part : parts) {
      const Digest digest = digest_of(part);
      text.add(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
    }
  };
  add(policy.jwt);
  add(policy.introspection);
  add(policy.sessions);
  add(policy.mtls);
  text.add(static_cast<std::int64_t>(tenants.size()));
  for (const TenantRoles& tenant : tenants) {
    text.add(tenant.name);
    text.add(tenant.roles);
  }
  return text.finish();
}

}  // namespace tollgate::authentication
