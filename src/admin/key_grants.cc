#include "admin/key_grants.h"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::admin {

using administration::Grant;
using administration::Lack;

const config::Tenant* tenant_of(const config::Config& config, std::string_view name) {
  const auto found = std::ranges::lower_bound(config.tenants, name, {}, &config::Tenant::name);
  return found != config.tenants.end() && found->name == name ? &*found : nullptr;
}

storage::KeyRoom room_of(const config::Config& config, std::string_view tenant) {
  const config::Tenant* const found = tenant_of(config, tenant);
  return {.of_tenant = found == nullptr ? config::Tenant().keys_max : found->keys_max};
}

std::expected<void, Lack> check_roles(const Grant& own, const config::Tenant& tenant,
                                      const std::vector<std::string>& roles) {
  if (!own.is_bound()) return {};
  for (const std::string& role : roles) {
    if (std::ranges::count(tenant.grantable_roles, role) != 0) continue;
    return std::unexpected(
        Lack{{},
             fmt::format("You are bound to tenants, so you give keys of `{0}` the roles that "
                         "`tenants.{0}.grantable_roles` lists, and `{1}` is none of them. Whoever "
                         "writes the configuration adds it there: grantable_roles: [{1}]",
                         tenant.name, role)});
  }
  return {};
}

std::expected<void, Lack> check_roles(const Grant& own, const config::Config& config,
                                      const authentication::KeyRecord& key) {
  const config::Tenant* const tenant = tenant_of(config, key.tenant);
  if (tenant != nullptr) return check_roles(own, *tenant, key.roles);
  config::Tenant nobody;
  nobody.name = key.tenant;
  return check_roles(own, nobody, key.roles);
}

}  // namespace tollgate::admin
