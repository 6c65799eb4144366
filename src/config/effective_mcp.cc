#include "config/effective_mcp.h"

#include <boost/json.hpp>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

namespace {

json::object groups(const std::vector<authorization::NamedAccess::Group>& all) {
  json::object made;
  for (const auto& group : all) made[group.name] = texts(group.allow);
  return made;
}

json::object access(const authorization::NamedAccess& access) {
  json::object made{{"allow", texts(access.allow)}};
  if (!access.by_role.empty()) made["by_role"] = groups(access.by_role);
  if (!access.by_tenant.empty()) made["by_tenant"] = groups(access.by_tenant);
  return made;
}

}  // namespace

json::object effective_mcp(const Mcp& mcp, Bytes body) {
  json::object made;
  const Upstream& server = mcp.upstream;
  if (!server.endpoints.empty()) made["url"] = format_url(server.endpoints.front());
  if (!server.credential.empty()) made["credential"] = text(kMask);
  if (!mcp.credentials.empty()) {
    json::object by_tenant;
    for (const auto& each : mcp.credentials) by_tenant[each.first] = text(kMask);
    made["credential_by_tenant"] = std::move(by_tenant);
  }
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
  made["origins"] = texts(mcp.origins);
  made["hosts"] = texts(mcp.hosts);
  made["body"] = format_bytes(body);
  made["answer"] = format_bytes(mcp.answer);
  made["concurrent_requests"] = server.concurrent_requests;
  made["timeout"] = {{"connect", format_duration(server.timeout.connect)},
                     {"first_byte", format_duration(server.timeout.first_byte)},
                     {"between_chunks", format_duration(server.timeout.between_chunks)},
                     {"total", format_duration(server.timeout.total)}};
  put(made, "certificate_authority", server.certificate_authority.path);
  return made;
}

}  // namespace tollgate::config
