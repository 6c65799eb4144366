// A message of an MCP server to the one who called: read strictly, held against what was asked,
// and written anew without what the caller may not see.
//
// A server is not believed. A response has to be to the request that was sent; of a list only what
// the caller may use stands in it, and no two entries of one name, or of names of tools or prompts
// that differ in case alone; what the server says it can do
// is told as far as it is served here; what it asks of the caller passes as far as the operator
// lets it; a notification that nobody knows does not pass. Where texts are read, what may not pass
// of a list is an entry of it, and else a message.
//
// Pure; linear in the message but for the names of one list, which are sorted. One thread; a reader
// is reused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "dialects/mcp_methods.h"
#include "dialects/mcp_texts.h"

namespace tollgate::dialects {

// What the caller may use.
class McpSight {
 public:
  virtual bool sees(McpItem item, std::string_view name) const = 0;
  // The same of an entry of a list, by its whole definition in canonical JSON (keys sorted). Told
  // of every entry, also of those that the caller may not see; empty where its name is there twice.
  virtual bool sees_definition(McpItem item, std::string_view name,
                               std::string_view definition) = 0;
  // Whether it wants to know definitions at all.
  virtual bool holds_definitions(McpItem item) const = 0;
  // What reads the texts that would pass; null: nobody does.
  virtual McpTextSink* texts() { return nullptr; }

 protected:
  ~McpSight() = default;
};

struct McpAsked {
  const McpMethod* method = nullptr;  // Null: a stream that no request asked for.
  McpEra era = McpEra::kLegacy;
  std::string_view id;  // As JSON.
  McpServerRequests requests;
  // Of one of several servers behind an endpoint: its name, which stands before those of its tools
  // and prompts, and before the ids that it gives out; and the token by which alone it may report
  // progress, as JSON. Empty: it is the only server.
  std::string_view server;
  std::string_view progress_token;
};

// What a server can do, as far as it is told where several stand behind an endpoint.
enum class McpCapability : std::uint8_t { kTools, kPrompts, kResources, kCompletions, kLogging };
inline constexpr int kMcpCapabilityCount = 5;
std::string_view name_of(McpCapability capability);

// How one of several servers answered `initialize` or `server/discover`.
struct McpOpening {
  std::string version;            // Of legacy.
  std::uint8_t capabilities = 0;  // A bit of each.
  bool failed = false;            // With an error.
};

// An entry of a page, and where it was written, with its comma; nothing was of one that is
// withheld.
struct McpListed {
  std::string name;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// A page of a list of one of several servers.
struct McpPage {
  bool is_response = false;  // Else a message beside it, which nobody gets.
  int error = 0;             // The server's own; 0: none.
  bool refused = false;      // What stands beside its list may not pass.
  int withheld = 0;
  std::string cursor;             // Of the next page, as JSON; empty: this is the last.
  std::vector<McpListed> listed;  // All that it named.
};

enum class McpPassed : std::uint8_t {
  kAnswer,    // The response: the last message of an answer.
  kPassed,    // A notification, or a request of the server, for the caller.
  kWithheld,  // Nothing that the caller gets; nothing was written.
};

struct McpAnswer {
  McpPassed passed = McpPassed::kWithheld;
  bool is_error = false;  // Of a response: the server says that it failed.
  bool refused = false;   // Of a response: its texts may not pass, and nothing was written.
  int withheld = 0;       // Entries of a list.
};

class McpAnswerReader {
 public:
  McpAnswerReader();
  ~McpAnswerReader();
  McpAnswerReader(McpAnswerReader&&) noexcept;

  // Appends to `out` what the caller gets. kBroken says what is wrong with the message. `text` has
  // RequestReader::kPadding readable bytes behind its end.
  FaultOr<McpAnswer> read(std::string_view text, const McpAsked& asked, McpSight& sight,
                          std::string& out);

  // The same of a server of several that is asked for all: what it says of itself…
  FaultOr<std::optional<McpOpening>> read_opening(std::string_view text, const McpAsked& asked);
  // …and a page of its list, whose entries are appended to `out` with a comma after each.
  FaultOr<McpPage> read_page(std::string_view text, const McpAsked& asked, McpSight& sight,
                             std::string& out);

  // The error of an answer with an error status, written anew for `id`. False: it is none, or its
  // texts may not pass.
  bool read_error(std::string_view text, std::string_view id, McpSight& sight, std::string& out);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// A JSON-RPC error. `id` is JSON, empty: not known. `data` is JSON; empty: none.
void write_mcp_error(std::string_view id, int code, std::string_view message, std::string_view data,
                     std::string& out);

}  // namespace tollgate::dialects
