// One message to several MCP servers at once: each is asked in its own words, and what they answer
// is read as that of one server is, page by page for a list.
//
// A server that is gone, slow, huge or lying is absent: the others answer without it, and who asked
// for the record is told which. Nothing is handed on here but what the sight of each lets pass.
//
// One loop's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialects/mcp_answer.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_forward.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// What one server is asked, and what came of it.
struct McpErrand {
  const config::Mcp* server = nullptr;
  McpTurn turn;
  std::string body;  // The message; of a list its params, without a cursor.
  std::unique_ptr<McpCallerSight> sight;

  std::string entries;  // Of its list, with a comma after each; once its last page is read.
  std::vector<std::pair<std::string, std::string>> listed;  // Until then: the name, the entry.
  Bytes listed_bytes = 0;
  std::optional<dialects::McpOpening> opening;
  std::string session;  // That it opened; empty: none.
  int withheld = 0;
  std::optional<Fault> absent;  // Why it says nothing; told before: it is not asked.
  bool is_over = false;         // It knows the session no more.
  int status = 0;               // The last of it; 0: none came.
  Duration waited{};
};

class McpFanout {
 public:
  static constexpr int kPagesMax = 64;
  // However long a server's calls may take: the others' callers wait for it here.
  static constexpr Duration kSilenceMax = std::chrono::seconds(10);
  static constexpr Duration kTotalMax = std::chrono::seconds(20);

  // Borrows all.
  McpFanout(const Clock& clock, Upstreams& upstreams) : clock_(clock), upstreams_(upstreams) {}

  struct Work {
    Exchange& exchange;
    Stop& stop;
    std::string_view id;  // Of the record.
    std::span<McpErrand> errands;
  };
  // Until all are done, or the caller is gone.
  Task<void> ask(const Work& work);

 private:
  class Calls;
  Task<void> run(const Work& work, Calls& calls, McpErrand& errand);
  // One exchange with it; `cursor` is JSON and becomes that of the next page, or empty.
  Task<FaultOr<void>> exchange(const Work& work, Calls& calls, const config::Upstream& upstream,
                               McpErrand& errand, std::string& cursor);
  Task<FaultOr<void>> read(UpstreamCall& call, McpErrand& errand, std::string& cursor);
  // Whether that was the answer.
  FaultOr<bool> take(std::string_view text, McpErrand& errand, std::string& cursor);

  const Clock& clock_;
  Upstreams& upstreams_;
  dialects::McpAnswerReader reader_;
};

}  // namespace tollgate::pipeline
