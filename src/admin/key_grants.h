// Which roles of a tenant's keys somebody who administers may give.
//
// Roles open routes, and routes are the owner's. So who is bound to tenants gives the roles that
// the configuration lists for that (`tenants.NAME.grantable_roles`), and no others: not by making a
// key, not by importing one, not by being shown the new secret of one, and not by giving one a
// later end.
//
// Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "controls/administration/administration.h"
#include "controls/authentication/authentication.h"
#include "storage/key_room.h"

namespace tollgate::admin {

// Null: none of that name is configured.
const config::Tenant* tenant_of(const config::Config& config, std::string_view name);

// How many keys it may have; one that is not configured any more as many as is usual.
storage::KeyRoom room_of(const config::Config& config, std::string_view tenant);

std::expected<void, administration::Lack> check_roles(const administration::Grant& own,
                                                      const config::Tenant& tenant,
                                                      const std::vector<std::string>& roles);

// Those of a key that is there.
std::expected<void, administration::Lack> check_roles(const administration::Grant& own,
                                                      const config::Config& config,
                                                      const authentication::KeyRecord& key);

}  // namespace tollgate::admin
