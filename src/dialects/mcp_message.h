// A message of a caller to an MCP server: read strictly, its headers held against its body, and
// written anew for the server.
//
// The body is JSON-RPC 2.0, one message, with no member beside those that the protocol has. What a
// header says again must be what the body says, decoded where it is encoded; a header that is there
// twice says nothing. What the client says it can do for servers is told to them only as far as the
// operator lets servers ask.
//
// Pure; linear in the body. One thread; a reader is reused. Source: modelcontextprotocol.io,
// 2026-07-28, "Streamable HTTP", "Server Validation"; 2025-11-25, "Transports".
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "dialects/mcp_methods.h"
#include "dialects/mcp_texts.h"

namespace tollgate::dialects {

// Codes of JSON-RPC errors, as the protocol has them.
inline constexpr int kRpcParseError = -32700;
inline constexpr int kRpcInvalidRequest = -32600;
inline constexpr int kRpcMethodNotFound = -32601;
inline constexpr int kRpcInvalidParams = -32602;
inline constexpr int kRpcHeaderMismatch = -32020;
inline constexpr int kRpcUnsupportedVersion = -32022;

struct McpRefusal {
  Refusal refusal;
  int code = 0;    // Of the JSON-RPC error.
  std::string id;  // Of the request, as JSON; empty: not known.
};

// Lines of the head; nothing: not there, or there twice with two values.
struct McpHeaders {
  std::optional<std::string_view> version;  // MCP-Protocol-Version
  std::optional<std::string_view> method;   // Mcp-Method
  std::optional<std::string_view> name;     // Mcp-Name
  bool twice = false;                       // One of them, with two values.
};

enum class McpKind : std::uint8_t { kRequest, kNotification, kResponse };

// Views live until the next read.
struct McpMessage {
  McpKind kind = McpKind::kRequest;
  McpEra era = McpEra::kLegacy;
  const McpMethod* method = nullptr;        // Null: a response.
  std::string_view id;                      // As JSON; empty: a notification.
  McpItem item = McpItem::kNone;            // What it is about,
  std::span<const std::string_view> names;  // by name or address; a subscription has several.
  std::string_view version;                 // As the request says it; empty: it does not.
  std::string_view answers;                 // Of a response: its id, where that is a text.
  std::string_view progress_token;  // As JSON: of a request, or what a notification is about.
  std::string_view progress_of;     // The latter, where it is a text.
  bool has_cursor = false;          // Of a list: not its first page.

  std::string_view name() const { return names.empty() ? std::string_view() : names.front(); }
};

// What one of several servers is told otherwise than the caller said it. Empty: as it is.
struct McpRenamed {
  std::string_view name;            // Of the tool or prompt.
  std::string_view id;              // Of a response, as JSON.
  std::string_view progress_token;  // That a notification is about, as JSON.
};

class McpReader {
 public:
  McpReader();
  ~McpReader();
  McpReader(McpReader&&) noexcept;

  // `body` has RequestReader::kPadding readable bytes behind its end.
  std::expected<McpMessage, McpRefusal> read(std::string_view body, const McpHeaders& headers);

  // Tells the texts of what was read last. Whether they may pass.
  bool read_texts(McpTextSink& sink) const;

  // What was read last, for the server; servers may ask for `requests` alone.
  void write(McpServerRequests requests, std::string& out, const McpRenamed& renamed = {}) const;
  // Its params alone, an object without `cursor`.
  void write_params(McpServerRequests requests, std::string& out) const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// The value of `Mcp-Name` for a name: as it is, or in the base64 form where it is no plain text.
std::string mcp_header_value(std::string_view text);
// What such a value means; nothing: it is not well formed.
std::optional<std::string> mcp_header_text(std::string_view value);

}  // namespace tollgate::dialects
