// Who may do what at the admin address.
//
// Rights are what can be done there; a role is a set of them, and each role has all that the one
// below it has. An administrator has one role, for all tenants or for those that it is bound to,
// until its credential ends. What one gives to another is never above what he has: not in rights,
// not in tenants, not in time. So along any chain of delegations rights only shrink.
//
// Pure. Safe from any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace tollgate::administration {

enum class Right : std::uint8_t {
  kReadSpend,          // And budgets.
  kReadKeys,           // Without their secrets, which nobody can read.
  kReadGateways,       // Who shares the store.
  kReadConfiguration,  // Secrets masked.
  kReadMetrics,        // And why the gateway is not ready.
  kReadTrail,          // Decisions, outcomes and changes.
  kChangeKeys,         // Create, import, rotate, expire, revoke.
  kRetireGateways,
  kChangeTokens,  // See, create and revoke admin tokens, up to one's own rights.
  kChangeOwners,  // Those of owners.
};
inline constexpr int kRightCount = static_cast<int>(Right::kChangeOwners) + 1;
std::string_view name_of(Right right);  // "keys:change"

// From the least to the most.
enum class Role : std::uint8_t { kViewer, kAuditor, kOperator, kOwner };
inline constexpr int kRoleCount = static_cast<int>(Role::kOwner) + 1;
std::string_view name_of(Role role);  // "viewer"
std::optional<Role> role_named(std::string_view name);
bool has(Role role, Right right);

// What somebody is given.
struct Grant {
  Role role = Role::kViewer;
  std::vector<std::string> tenants;  // Bound to these; empty: all, and what is of none.
  std::optional<WallTime> expires;

  bool is_bound() const { return !tenants.empty(); }
  bool reaches(std::string_view tenant) const;
};

inline constexpr std::size_t kTenantsMax = 64;  // Of one grant.

// What stands against a grant by somebody: the first right that he lacks, or another bound.
struct Lack {
  std::optional<Right> right;
  std::string why;  // A sentence.
};
std::expected<void, Lack> check_delegation(const Grant& own, const Grant& given);

// Somebody who is known.
struct Admin {
  enum class Kind : std::uint8_t { kToken, kOidc };
  Kind kind = Kind::kToken;
  std::string subject;        // A token's name, or the issuer's for a person.
  std::string credential_id;  // Public: the token's id, its place in the configuration, or
                              // "corporate/ada".
  Grant grant;
};
std::string_view name_of(Admin::Kind kind);  // "admin_token"

}  // namespace tollgate::administration
