#include "config/effective_mcp.h"

#include <boost/json.hpp>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

namespace {

json::object groups(const std::vector<authorization::NamedAccess::Group>& all) {
  json::object made;
  for (const auto& group : all) made[group.name] = texts(group.allow.entries());
  return made;
}

json::object access(const authorization::NamedAccess& access) {
  json::object made{{"allow", texts(access.allow.entries())}};
  if (!access.by_role.empty()) made["by_role"] = groups(access.by_role);
  if (!access.by_tenant.empty()) made["by_tenant"] = groups(access.by_tenant);
  return made;
}

// What is of a server.
json::object effective_server(const Mcp& mcp) {
  json::object made;
  const Upstream& server = mcp.upstream;
  if (!server.endpoints.empty()) made["url"] = format_url(server.endpoints.front());
  if (!server.credential.empty()) made["credential"] = text(kMask);
  if (!mcp.credentials.empty()) {
    json::object by_tenant;
    for (const auto& each : mcp.credentials) by_tenant[each.first] = text(kMask);
    made["credential_by_tenant"] = std::move(by_tenant);
  }
  if (!mcp.user_credentials.empty()) {
    json::object by_user;
    for (const auto& each : mcp.user_credentials) by_user[each.first] = text(kMask);
    made["credential_by_user"] = std::move(by_user);
  }
  if (!mcp.tool_limits.empty()) {
    json::object by_tool;
    for (const McpToolLimits& each : mcp.tool_limits) {
      json::object of = figures_by_scope(each.limits);
      if (each.price_per_call) of["price_per_call"] = text(format_usd(*each.price_per_call));
      by_tool[each.tool] = std::move(of);
    }
    made["tool_limits"] = std::move(by_tool);
  }
  if (mcp.price_per_call > Money{}) made["price_per_call"] = text(format_usd(mcp.price_per_call));
  put(made, "pins", mcp.pins_file);
  made["tools"] = access(mcp.tools);
  made["prompts"] = access(mcp.prompts);
  made["resources"] = access(mcp.resources);
  made["mode"] = mcp.mode == Mode::kObserve ? "observe" : "enforce";
  json::array requests;
  for (int i = 0; i < dialects::kMcpServerRequestCount; ++i) {
    const auto request = static_cast<dialects::McpServerRequest>(i);
    if (mcp.server_requests.has(request)) requests.push_back(text(dialects::name_of(request)));
  }
  made["server_requests"] = std::move(requests);
  made["answer"] = format_bytes(mcp.answer);
  made["concurrent_requests"] = server.concurrent_requests;
  made["timeout"] = {{"connect", format_duration(server.timeout.connect)},
                     {"first_byte", format_duration(server.timeout.first_byte)},
                     {"between_chunks", format_duration(server.timeout.between_chunks)},
                     {"total", format_duration(server.timeout.total)}};
  put(made, "certificate_authority", server.certificate_authority.path);
  return made;
}

}  // namespace

json::object effective_mcp(const Mcp& mcp, Bytes body) {
  json::object made;
  if (mcp.servers.empty()) {
    made = effective_server(mcp);
  } else {
    json::object servers;
    for (const Mcp& server : mcp.servers) servers[server.name] = effective_server(server);
    made["servers"] = std::move(servers);
  }
  made["origins"] = texts(mcp.origins);
  made["hosts"] = texts(mcp.hosts);
  made["body"] = format_bytes(body);
  return made;
}

}  // namespace tollgate::config
