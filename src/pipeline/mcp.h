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

// Which of several servers something is of, and how that server knows it.
struct McpPlace {
  const config::Mcp* server = nullptr;
  std::string_view name;
};
// Tools and prompts by what their names begin with, addresses by the one server whose `resources`
// name them. Nothing: it is of none.
std::optional<McpPlace> mcp_place_of(const config::Mcp& endpoint, dialects::McpItem item,
                                     std::string_view name);
// The one of that name; null: none.
const config::Mcp* mcp_server_named(const config::Mcp& endpoint, std::string_view name);

// What one caller sees of a server, by the names that it has there. Borrows all.
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
  dialects::McpTextSink* texts() override { return texts_; }
  // What it is shown next is the first page of a list, and maybe further ones of the same.
  void lists_anew() { is_first_page_ = true; }
  // What reads the texts that would pass.
  void read_texts(dialects::McpTextSink& texts) { texts_ = &texts; }

 private:
  // Whether it can be used at all, whoever asks.
  bool is_sound(dialects::McpItem item, std::string_view name) const;
  bool is_reached(dialects::McpItem item, std::string_view name) const;

  const config::Mcp& mcp_;
  const authentication::Identity& caller_;
  dialects::McpTextSink* texts_ = nullptr;
  bool is_first_page_ = false;
  std::uint64_t listing_ = 0;  // Of the pins; 0: nobody here knows which one a page is of.
};

// That something of that kind does not exist or may not be used: of the server with that rule.
dialects::McpRefusal refuse_mcp_name(std::string_view rule, dialects::McpItem item,
                                     std::string_view id);
// Refuses with kToolNotAllowed what the caller may not use, whether it exists or not. `observed`:
// it would have.
Expected<void, dialects::McpRefusal> check_mcp_names(const dialects::McpMessage& message,
                                                     const config::Mcp& mcp,
                                                     const McpCallerSight& sight, bool& observed);

// What the server is shown for the caller; empty: nothing. Refuses with kRouteNotAllowed a caller
// who has no credential where users have their own.
Expected<std::string_view> mcp_credential(const config::Mcp& mcp,
                                          const authentication::Identity& caller);

// The tool that a message calls; empty: none.
std::string_view tool_called(const dialects::McpMethod* method, std::string_view name);

// Whose session it is, and of which server.
struct McpSessionOwner {
  std::string_view route;
  const authentication::Identity& caller;
};
// A text sealed to its owner, for the purpose `label`; nobody else can make one or open it.
std::string seal_mcp(const authentication::Pepper& pepper, std::string_view label,
                     const McpSessionOwner& owner, std::string_view text);
// That text, of at most `bytes_max` bytes of visible ASCII; nothing: it was sealed for nobody, or
// for somebody or something else.
std::optional<std::string> open_mcp(const authentication::Pepper& pepper, std::string_view label,
                                    const McpSessionOwner& owner, std::string_view sealed,
                                    std::size_t bytes_max);
// The id that the caller gets for `session`, the server's own.
std::string seal_mcp_session(const authentication::Pepper& pepper, const McpSessionOwner& owner,
                             std::string_view session);
// The server's own; nothing: it was made for nobody, or for somebody else.
std::optional<std::string> open_mcp_session(const authentication::Pepper& pepper,
                                            const McpSessionOwner& owner, std::string_view sealed);
// Visible ASCII, at most 512 bytes, and without the credential that the server is shown: what is
// sealed can be read.
bool is_mcp_session(std::string_view session, std::string_view credential = {});

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
