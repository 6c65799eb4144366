#include "config/posture_mcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "config/mcp_pins.h"
#include "config/scalars.h"

namespace tollgate::config {

namespace {

bool some_tenant_has(const Config& config, const std::string& role) {
  return std::ranges::any_of(config.tenants, [&](const Tenant& tenant) {
    return std::ranges::count(tenant.roles, role) +
               std::ranges::count(tenant.grantable_roles, role) !=
           0;
  });
}

void unknown_roles(const Config& config, const authorization::NamedAccess& access,
                   const std::string& field, std::vector<Weakness>& found) {
  for (const auto& group : access.by_role) {
    if (some_tenant_has(config, group.name)) continue;
    found.push_back({"mcp-unknown-role", fmt::format("{}.by_role.{}", field, group.name),
                     fmt::format("No tenant has the role `{}`: only keys made with it have what it "
                                 "allows.",
                                 group.name),
                     fmt::format("roles: [{}] on a tenant, or keys with that role", group.name)});
  }
}

}  // namespace

bool asks_for(const Mcp& mcp, const std::string& role) {
  if (std::ranges::any_of(mcp.servers, [&](const Mcp& each) { return asks_for(each, role); })) {
    return true;
  }
  const auto asks = [&](const authorization::NamedAccess& access) {
    return std::ranges::any_of(access.by_role,
                               [&](const auto& group) { return group.name == role; });
  };
  return asks(mcp.tools) || asks(mcp.prompts) || asks(mcp.resources);
}

bool is_paid(const Mcp& mcp) {
  const auto has_price = [](const McpToolLimits& tool) {
    return tool.price_per_call.value_or(Money{}) > Money{};
  };
  return mcp.price_per_call > Money{} || std::ranges::any_of(mcp.tool_limits, has_price) ||
         std::ranges::any_of(mcp.servers, [](const Mcp& server) { return is_paid(server); });
}

std::vector<Weakness> weaknesses_of_mcp(const Config& config, const Mcp& mcp,
                                        const std::string& field) {
  std::vector<Weakness> found;
  for (const Mcp& server : mcp.servers) {
    auto of = weaknesses_of_mcp(config, server, fmt::format("{}.servers.{}", field, server.name));
    std::ranges::move(of, std::back_inserter(found));
  }
  if (!mcp.servers.empty()) return found;
  unknown_roles(config, mcp.tools, field + ".tools", found);
  unknown_roles(config, mcp.prompts, field + ".prompts", found);
  unknown_roles(config, mcp.resources, field + ".resources", found);
  if (mcp.tools.empty() && mcp.prompts.empty() && mcp.resources.empty()) {
    found.push_back({"mcp-allows-nothing", field,
                     "No tool, prompt or resource is named: every list is empty and every call is "
                     "refused.",
                     "tools: { allow: [search, fetch] }"});
  }
  if (std::ranges::count(mcp.tools.allow.entries(), "*") != 0) {
    found.push_back({"mcp-any-tool", field + ".tools.allow",
                     "Every caller of the route may call any tool that the server has, or comes to "
                     "have.",
                     "name the tools: [search, fetch]"});
  }
  if (!mcp.tools.empty() && mcp.pins == nullptr) {
    found.push_back({"mcp-tools-not-pinned", field,
                     "The server may change what a tool says of itself, and with it what models do "
                     "with it, from one call to the next.",
                     "pins: tools.pins, and `tollgate mcp approve`"});
  } else if (mcp.pins != nullptr && mcp.pins->pins().empty()) {
    found.push_back({"mcp-nothing-approved", field + ".pins",
                     "No definition is approved: no tool is listed or called.",
                     "tollgate mcp approve"});
  }
  if (mcp.mode == Mode::kObserve) {
    found.push_back({"mcp-observed", field + ".mode",
                     "Every caller of the route may use all that the server has; it is only "
                     "recorded what would have been refused.",
                     "mode: enforce"});
  }
  const std::vector<Endpoint>& endpoints = mcp.upstream.endpoints;
  const bool plain = !endpoints.empty() && !endpoints.front().tls &&
                     !is_loopback(endpoints.front().host) &&
                     (!mcp.upstream.credential.empty() || !mcp.credentials.empty() ||
                      !mcp.user_credentials.empty());
  if (plain) {
    found.push_back({"mcp-credential-in-plain-http", field + ".url",
                     "The server's credential travels in plain HTTP: whoever is on the way has it.",
                     "https://…"});
  }
  return found;
}

}  // namespace tollgate::config
