// Ids of events in a stream of an MCP server, by which a caller goes on with one that broke off.
//
// The server's own id is sealed to the actor, the session and the request whose stream it is, so
// it is of use to nobody else, what comes of it is still held against what was asked, and nothing
// is kept here: any gateway of the same pepper opens it.
//
// Pure. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/mcp.h"

namespace tollgate::pipeline {

inline constexpr std::size_t kMcpEventBytesMax = 2048;  // Of all of it as one text.

struct McpEvent {
  std::string server;          // Of several; empty: the only one.
  std::string session;         // The server's own.
  std::string method;          // That was asked; empty: a stream that no request asked for.
  std::string request;         // Its id, as JSON,
  std::string progress_token;  // and its token, as JSON.
  std::string event;           // The server's own id.
};

// Empty: it is too long to be told.
std::string seal_mcp_event(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                           const McpEvent& event);
// Nothing: it was sealed for nobody, or for somebody else.
std::optional<McpEvent> open_mcp_event(const authentication::Pepper& pepper,
                                       const McpSessionOwner& owner, std::string_view sealed);

}  // namespace tollgate::pipeline
