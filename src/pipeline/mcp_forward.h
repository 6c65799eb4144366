// One request to an MCP server: send, read its answer message by message, hand on what may pass.
//
// forward() never refuses: by then the decision is on record. It says what happened. A server that
// is gone, slow, huge or lying is told as such: by a refusal while the caller has nothing yet, else
// by a JSON-RPC error as the last message of the stream, which is then ended well. What the server
// is sent is written anew, and never what the caller shows of who they are.
//
// One loop's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "dialects/mcp_answer.h"
#include "dialects/mcp_message.h"
#include "dialects/sse.h"
#include "pipeline/buffers.h"
#include "pipeline/forward.h"
#include "pipeline/mcp_inspect.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

struct McpForwarded {
  std::optional<Refusal> refusal;  // Nothing where the caller got an answer, whole or cut.
  audit::Outcome outcome = audit::Outcome::kAllowed;
  std::string_view cut_code;
  bool failed = false;  // The server answered with an error of its own.
  int withheld = 0;     // Entries of a list, and messages of a stream.
  int status = 0;       // Of the server; 0: none came.
  bool sent = false;    // Something of the request has reached it.
  Duration waited{};    // On the server, until its last byte.
  Duration first_byte{};
  bool settled = false;
};

// What the caller asks, in the request's arena.
struct McpTurn {
  std::string_view http_method;  // POST, GET or DELETE.
  dialects::McpAsked asked;
  dialects::McpKind kind = dialects::McpKind::kRequest;
  bool is_first_page = false;   // It asks for a list from its begin.
  std::string_view name;        // What it is about; empty: nothing.
  std::string_view version;     // As the request says it; empty: it does not.
  std::string_view session;     // The server's own; empty: none.
  std::string_view credential;  // That the server is shown; empty: none.
  std::string_view after;       // The server's id of the event to go on behind; empty: none.
};

// Whether a `content-type` is of that media type (RFC 9110, 8.3.1), whatever its parameters.
bool is_type(std::string_view content_type, std::string_view wanted);

// Whether it is a header in which clients say an argument of a call.
bool is_mcp_parameter(std::string_view header);
// Puts `[hidden]` in the place of the server's credential in what it says.
void hide_credential(std::string_view secret, std::string& text);
// The head of the request to the server. `caller` gives traceparent and Mcp-Param-….
void write_mcp_head(const config::Endpoint& server, const McpTurn& turn, const RequestHead& caller,
                    std::string_view id, std::size_t body_bytes, std::string& out);

class McpForwarder {
 public:
  // Borrows both.
  McpForwarder(const Clock& clock, Upstreams& upstreams, BufferPool& buffers)
      : clock_(clock), upstreams_(upstreams), buffers_(buffers) {}

  // What the request does on the way.
  class Attempted {
   public:
    // Head lines of the answer; `session` is the server's own for a new one, or empty.
    virtual void write_headers(std::string_view session, std::string& headers) = 0;
    // The caller's id for an event of the stream; empty: it gets none. `event` is the server's own.
    virtual std::string name_event(std::string_view event) = 0;
    // Once, before the caller has the last byte.
    virtual void settle(const McpForwarded& result) = 0;

   protected:
    ~Attempted() = default;
  };

  struct Work {
    Exchange& exchange;
    const config::Mcp& mcp;  // The server.
    const McpTurn& turn;
    std::string_view message;  // The HTTP request.
    dialects::McpSight& sight;
    Attempted& attempted;
    Stop& stop;
    const McpInspection* inspection = nullptr;  // That the sight reads texts with; null: none.
  };
  // Has settled, whatever came of it.
  Task<McpForwarded> forward(const Work& work);

 private:
  static void settle(const Work& work, McpForwarded& result);
  Task<void> attempt(const Work& work, McpForwarded& result);
  Task<void> relay_accepted(const Work& work, McpForwarded& result);
  Task<void> relay_error(const Work& work, UpstreamCall& call, McpForwarded& result);
  Task<void> relay_whole(const Work& work, UpstreamCall& call, McpForwarded& result);
  Task<void> relay_stream(const Work& work, UpstreamCall& call, McpForwarded& result);
  Task<void> reply(const Work& work, int status, std::string_view body, UpstreamCall* call,
                   McpForwarded& result);
  // A stream on its way.
  struct Stream {
    dialects::SseSplitter events;
    std::optional<Refusal> wrong;  // Why it goes no further, where that is not its end.
    bool resumable = false;        // The caller knows an event to go on behind.
  };
  // Reads what is there of the stream into `out`. Whether it goes on.
  bool pass_events(const Work& work, Stream& stream, std::string& out, McpForwarded& result);
  static void pass_place(const Work& work, const dialects::SseEvent& event, Stream& stream,
                         std::string& out);

  static void end_stream(const Work& work, const FaultOr<std::string_view>& piece, Stream& stream,
                         McpForwarded& result);

  const Clock& clock_;
  Upstreams& upstreams_;
  BufferPool& buffers_;
  dialects::McpAnswerReader reader_;
};

}  // namespace tollgate::pipeline
