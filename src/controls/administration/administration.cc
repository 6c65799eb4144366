#include "controls/administration/administration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tollgate::administration {

namespace {

// The one table of rights: what each is called, and the least role that has it.
struct Row {
  Right right;
  std::string_view name;
  Role least;
};
constexpr std::array<Row, kRightCount> kRights = {{
    {Right::kReadSpend, "spend:read", Role::kViewer},
    {Right::kReadKeys, "keys:read", Role::kViewer},
    {Right::kReadGateways, "gateways:read", Role::kViewer},
    {Right::kReadConfiguration, "configuration:read", Role::kViewer},
    {Right::kReadMetrics, "metrics:read", Role::kViewer},
    {Right::kReadTrail, "trail:read", Role::kAuditor},
    {Right::kChangeKeys, "keys:change", Role::kOperator},
    {Right::kRetireGateways, "gateways:retire", Role::kOperator},
    {Right::kChangeTokens, "tokens:change", Role::kOperator},
    {Right::kChangeOwners, "owners:change", Role::kOwner},
}};
constexpr bool in_order() {
  for (std::size_t i = 0; i < kRights.size(); ++i) {
    if (static_cast<std::size_t>(kRights[i].right) != i) return false;
  }
  return true;
}
static_assert(in_order());

constexpr std::array<std::string_view, kRoleCount> kRoles = {"viewer", "auditor", "operator",
                                                             "owner"};

const Row& row_of(Right right) { return kRights[static_cast<std::size_t>(right)]; }

}  // namespace

std::string_view name_of(Right right) { return row_of(right).name; }

std::string_view name_of(Role role) { return kRoles[static_cast<std::size_t>(role)]; }

std::optional<Role> role_named(std::string_view name) {
  const auto found = std::ranges::find(kRoles, name);
  if (found == kRoles.end()) return std::nullopt;
  return static_cast<Role>(found - kRoles.begin());
}

bool has(Role role, Right right) { return role >= row_of(right).least; }

bool Grant::reaches(std::string_view tenant) const {
  return !is_bound() || std::ranges::find(tenants, tenant) != tenants.end();
}

std::expected<void, Lack> check_delegation(const Grant& own, const Grant& given) {
  for (const Row& row : kRights) {
    if (!has(given.role, row.right) || has(own.role, row.right)) continue;
    return std::unexpected(
        Lack{row.right, fmt::format("A role of {} goes beyond your own, {}: it has the right {}.",
                                    name_of(given.role), name_of(own.role), row.name)});
  }
  if (own.is_bound() && !given.is_bound()) {
    return std::unexpected(
        Lack{{}, "You are bound to tenants, so whom you name is bound to some of them, too."});
  }
  for (const std::string& tenant : given.tenants) {
    if (own.reaches(tenant)) continue;
    return std::unexpected(Lack{
        {}, fmt::format("You are not bound to the tenant `{}`, so nobody is by you.", tenant)});
  }
  if (own.expires && (!given.expires || *given.expires > *own.expires)) {
    return std::unexpected(
        Lack{{}, "It would outlive your own credential: name an end before that of yours."});
  }
  return {};
}

std::string_view name_of(Admin::Kind kind) {
  switch (kind) {
    case Admin::Kind::kToken:
      return "admin_token";
    case Admin::Kind::kOidc:
      return "oidc";
  }
  CHECK(false);
}

}  // namespace tollgate::administration
