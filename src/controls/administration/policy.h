// What the operator writes under `admin` about who administers.
//
// Pure. Safe from any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "base/secret.h"
#include "controls/administration/administration.h"
#include "controls/authentication/jwt_policy.h"

namespace tollgate::administration {

// A token that the configuration gives to somebody.
struct FixedToken {
  static constexpr std::size_t kBytesMin = 32;
  std::string name;
  Secret token;
  Grant grant;  // Never expires.
};

// Who has `value` in the claim of roles is granted this.
struct RoleGrant {
  std::string value;
  Role role = Role::kViewer;
  std::vector<std::string> tenants;  // Empty: all.
};

// One entry of `admin.oidc`: an issuer of OpenID Connect whose people administer. `bearer` says
// which of its tokens are taken as they are; `login` which ID tokens a browser may log in with,
// where there is a client.
struct OidcPolicy {
  std::string name;
  authentication::JwtPolicy bearer;
  authentication::JwtPolicy login;
  std::string client;    // Who we are there; empty: no login in the browser.
  Secret client_secret;  // Empty: a public client.
  std::string scopes = "openid";
  std::string tenants;            // The claim that binds to tenants; empty: none does.
  std::vector<RoleGrant> grants;  // The first that fits holds.
};

struct SessionRules {
  Duration idle_max = std::chrono::minutes(30);
  Duration age_max = std::chrono::hours(8);
};

struct Policy {
  std::vector<FixedToken> tokens;
  std::vector<OidcPolicy> oidc;
  SessionRules sessions;
  std::string url;                 // By which browsers reach us; empty: as they say.
  std::vector<std::string> hosts;  // Further names of this address.

  // Of all entries of `oidc`, for whoever verifies their tokens: those of bearers, then of logins.
  std::vector<authentication::JwtPolicy> verifiers;
  authentication::Digest oidc_stamp{};  // Digest of all that decides who somebody of `oidc` is.
};

// Fills the last two from `oidc`.
void derive(Policy& policy);

// What the configuration must refuse of one entry.
std::vector<authentication::PolicyMistake> check(const OidcPolicy& policy);

// Where a token was shown: by itself, or at the end of a login.
enum class Shown : std::uint8_t { kAsBearer, kAtLogin };

// Who somebody is whose token one of `verifiers` verified: `identity.scopes` has what the claim of
// tenants lists. kInvalidCredential for a token that is for the other place, kRouteNotAllowed where
// no grant fits, or where nothing is left of the tenants that both the grant and the claim allow.
Expected<Admin> admin_of(const Policy& policy, const authentication::Identity& identity,
                         Shown shown);

// The tenant of all who administer, for those who verify tokens: no tenant of the gateway's.
inline constexpr std::string_view kNoTenant = "administrators";

}  // namespace tollgate::administration
