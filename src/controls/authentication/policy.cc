#include "controls/authentication/policy.h"

#include "controls/authentication/policy_digest.h"

namespace tollgate::authentication {

Digest digest_of(const Policy& policy, const std::vector<std::string>& tenants) {
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
  text.add(tenants);
  return text.finish();
}

}  // namespace tollgate::authentication
