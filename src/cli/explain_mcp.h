// The part of `tollgate explain` for a message to an MCP server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "config/config.h"

namespace tollgate::cli {

struct McpExplained {
  std::vector<std::pair<std::string, std::string>> told;
  std::optional<Refusal> refusal;
};

// What would be decided on `body`, whose headers are taken to say what it says. A definition that
// the server has changed is known to a running gateway alone.
McpExplained explain_mcp(const config::Config& config, const config::Route& route,
                         const authentication::Identity& caller, const IpAddress& address,
                         std::string body, Arena& arena);

}  // namespace tollgate::cli
