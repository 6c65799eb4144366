// What a request to an MCP server asks, decided: pure, from the head and the message that was read.
//
// A turn is one HTTP request of a session or of none. It passes where the page that calls may, the
// host is ours, the method has a row (dialects/mcp_methods.h), and what it is about is allowed to
// this caller. A session's id that a caller has is ours: it seals the server's own to the actor
// whom it was made for, so nobody else can use it, on any gateway of the same pepper, and nothing
// is kept for it here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "config/config.h"
#include "dialects/mcp_answer.h"
#include "dialects/mcp_message.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// Whether a page in a browser may call, and the host is one of the endpoint's: else its name could
// be made to point here (DNS rebinding).
Expected<void> check_mcp_caller(const RequestHead& head, const config::Mcp& mcp,
                                bool is_on_loopback);

// The MCP server at the target; null: none.
const config::Mcp* mcp_at(const config::Config& config, const authorization::Target& target);

// The one whose metadata (RFC 9728) stands at the target of a GET; null: none.
const config::Mcp* mcp_metadata_at(const config::Config& config, const RequestHead& head);

// Lines of the head that the protocol has.
dialects::McpHeaders mcp_headers(const RequestHead& head);

// What one caller sees of a server. Borrows all.
class McpCallerSight final : public dialects::McpSight {
 public:
  McpCallerSight(const config::Mcp& mcp, const authentication::Identity& caller)
      : mcp_(mcp), caller_(caller) {}
  bool allows(dialects::McpItem item, std::string_view name) const;
  // In observe mode all that is well formed.
  bool sees(dialects::McpItem item, std::string_view name) const override;
  // Whether the definition of an allowed tool is not the one that was approved, or was never.
  bool is_unapproved(dialects::McpItem item, std::string_view name) const;
  bool sees_definition(dialects::McpItem item, std::string_view name,
                       std::string_view definition) override;
  bool holds_definitions(dialects::McpItem item) const override;

 private:
  const config::Mcp& mcp_;
  const authentication::Identity& caller_;
};

// Refuses with kToolNotAllowed what the caller may not use, whether it exists or not. `observed`:
// it would have.
Expected<void, dialects::McpRefusal> check_mcp_names(const dialects::McpMessage& message,
                                                     const config::Mcp& mcp,
                                                     const McpCallerSight& sight, bool& observed);

// Whose session it is, and of which server.
struct McpSessionOwner {
  std::string_view route;
  const authentication::Identity& caller;
};
// The id that the caller gets for `session`, the server's own.
std::string seal_mcp_session(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                             std::string_view session);
// The server's own; nothing: it was made for nobody, or for somebody else.
std::optional<std::string> open_mcp_session(const authentication::Pepper& pepper,
                                            const McpSessionOwner& owner, std::string_view sealed);
// Visible ASCII, at most 512 bytes.
bool is_mcp_session(std::string_view session);

// How a JSON-RPC error says a refusal.
struct McpError {
  std::string_view id;                    // As JSON; empty: not known.
  int code = 0;                           // 0: the HTTP status.
  int status = 0;                         // Of HTTP; 0: that of the reason.
  std::string_view challenge = "Bearer";  // To callers without a good credential.
  std::string_view data;                  // Further members of `data`, each ",\"key\":value".
};
// The status; `body` is a JSON-RPC error with reason, rule and id in its `data`.
int write_mcp_refusal(const McpError& error, const Refusal& refusal, std::string_view id,
                      double jitter, std::string& headers, std::string& body);

}  // namespace tollgate::pipeline
