#include "config/effective_tools.h"

#include <utility>

#include "config/effective_parts.h"

namespace tollgate::config {

namespace json = boost::json;

json::object effective_tools(const tools::Policy& policy) {
  json::object made{{"allow", texts(policy.allow.entries())}};
  put(made, "deny", policy.deny.entries());
  if (!policy.by_role.empty()) {
    json::object by_role;
    for (const tools::OfRole& of : policy.by_role) by_role[of.role] = texts(of.allow.entries());
    made["by_role"] = std::move(by_role);
  }
  made["unlisted"] = text(choices::unlisted_tools()[static_cast<std::size_t>(policy.unlisted)]);
  made["arguments"] = text(choices::tool_arguments()[static_cast<std::size_t>(policy.arguments)]);
  made["definitions"] = policy.definitions;
  made["calls"] = policy.calls;
  if (policy.steps) made["steps"] = *policy.steps;
  if (policy.repeats) made["repeats"] = *policy.repeats;
  made["mode"] = text(choices::modes()[static_cast<std::size_t>(policy.mode)]);
  return made;
}

void put_tenant_tools(json::object& tenant, const tools::TenantPolicy& policy) {
  json::object made;
  put(made, "allow", policy.allow.entries());
  put(made, "deny", policy.deny.entries());
  if (!made.empty()) tenant["tools"] = std::move(made);
}

}  // namespace tollgate::config
