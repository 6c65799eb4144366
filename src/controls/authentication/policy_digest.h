// One digest of a policy's fields. Internal to the room.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/sha256.h"
#include "controls/authentication/authentication.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::authentication {

// Lengths stand before texts, so that no two lists of fields write the same.
class PolicyDigest {
 public:
  void add(std::string_view text) { text_ += fmt::format("{}:{}", text.size(), text); }
  void add(std::int64_t number) { text_ += fmt::format("{};", number); }
  void add(const std::vector<std::string>& texts) {
    add(static_cast<std::int64_t>(texts.size()));
    for (const std::string& text : texts) add(text);
  }
  void add(const ClaimMapping& claims) {
    for (const std::string* name :
         {&claims.tenant, &claims.fixed_tenant, &claims.subject, &claims.roles, &claims.scopes}) {
      add(*name);
    }
    add(claims.tenants);
    add(static_cast<std::int64_t>(claims.tenant_by_subject.size()));
    for (const TenantBySubject& each : claims.tenant_by_subject) {
      add(each.pattern);
      add(each.tenant);
    }
  }
  void add(const CertificateAuthority& authority) { add(authority.pem); }
  Digest finish() const { return sha256(text_); }

 private:
  std::string text_;
};

}  // namespace tollgate::authentication
