// A message of an MCP server to the one who called: read strictly, held against what was asked,
// and written anew without what the caller may not see.
//
// A server is not believed. A response has to be to the request that was sent; of a list only what
// the caller may use stands in it, and no two entries of one name; what the server says it can do
// is told as far as it is served here; what it asks of the caller passes as far as the operator
// lets it; a notification that nobody knows does not pass.
//
// Pure; linear in the message but for the names of one list, which are sorted. One thread; a reader
// is reused.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/fault.h"
#include "dialects/mcp_methods.h"

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

 protected:
  ~McpSight() = default;
};

struct McpAsked {
  const McpMethod* method = nullptr;  // Null: a stream that no request asked for.
  McpEra era = McpEra::kLegacy;
  std::string_view id;  // As JSON.
  McpServerRequests requests;
};

enum class McpPassed : std::uint8_t {
  kAnswer,    // The response: the last message of an answer.
  kPassed,    // A notification, or a request of the server, for the caller.
  kWithheld,  // Nothing that the caller gets; nothing was written.
};

struct McpAnswer {
  McpPassed passed = McpPassed::kWithheld;
  bool is_error = false;  // Of a response: the server says that it failed.
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

  // The error of an answer with an error status, written anew for `id`; nothing: it is none.
  bool read_error(std::string_view text, std::string_view id, std::string& out);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// A JSON-RPC error. `id` is JSON, empty: not known. `data` is JSON; empty: none.
void write_mcp_error(std::string_view id, int code, std::string_view message, std::string_view data,
                     std::string& out);

}  // namespace tollgate::dialects
