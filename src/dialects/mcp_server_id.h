// Names, ids and tokens that one of several servers behind an endpoint gives out, as callers know
// them: with the server's name before them, so that what a caller says of one comes to that server
// alone, and two servers may use the same.
//
// An id is "SERVER:n:NUMBER" or "SERVER:s:TEXT". The name of a server has no colon.
//
// Pure. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tollgate::dialects {

// Of a tool or a prompt: "SERVER__NAME". The name of a server has no `_`, so the first separator
// ends it, whatever a tool is called.
inline constexpr std::string_view kMcpServerSeparator = "__";

struct McpServerId {
  std::string_view server;
  std::string json;  // The id as the server gave it out.
};

// Whose `text` is; nothing: it is none of these. Views `text`.
std::optional<McpServerId> read_mcp_server_id(std::string_view text);

}  // namespace tollgate::dialects
