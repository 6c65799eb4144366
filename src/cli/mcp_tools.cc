#include "cli/mcp_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "dialects/mcp_answer.h"
#include "dialects/mcp_message.h"
#include "dialects/sse.h"
#include "net/net.h"
#include "pipeline/mcp_forward.h"

namespace tollgate::cli {

namespace json = boost::json;

namespace {

using dialects::McpEra;
using dialects::McpItem;

constexpr int kPagesMax = 100;
constexpr std::string_view kOpening =
    R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
    R"("capabilities":{},"clientInfo":{"name":"tollgate","version":")" TOLLGATE_VERSION R"("}}})";
constexpr std::string_view kOpened = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

class Collected final : public dialects::McpSight {
 public:
  bool sees(McpItem, std::string_view name) const override { return dialects::is_mcp_name(name); }
  bool sees_definition(McpItem, std::string_view name, std::string_view definition) override {
    // What may be called under no name, or is there twice, is nothing to approve.
    if (sees({}, name) && !definition.empty()) {
      tools.push_back({std::string(name), std::string(definition)});
    }
    return true;
  }
  bool holds_definitions(McpItem) const override { return true; }

  std::vector<McpTool> tools;
};

// One exchange with the server: what it answered, written anew.
struct Answer {
  int status = 0;
  std::string session;
  std::string message;  // Empty: none.
};

class Asking {
 public:
  explicit Asking(const config::Mcp& mcp) : mcp_(mcp), pool_(loop_, gates_) {}

  FaultOr<std::vector<McpTool>> run() {
    start(work());
    loop_.run();
    if (!failed_.message.empty()) return std::unexpected(failed_);
    std::ranges::sort(sight_.tools, {}, &McpTool::name);
    return std::move(sight_.tools);
  }

 private:
  Task<void> work() {
    era_ = McpEra::kModern;
    FaultOr<bool> listed = co_await list();
    if (listed && !*listed) {
      era_ = McpEra::kLegacy;
      listed = co_await open();
      if (listed && *listed) listed = co_await list();
    }
    if (!listed) {
      failed_ = listed.error();
    } else if (!*listed) {
      failed_ = {FaultKind::kRefusedByPeer,
                 fmt::format("{}: the server answered with status {}", mcp_.rule, status_)};
    }
    loop_.stop();
  }

  // Whether the server speaks so.
  Task<FaultOr<bool>> list() {
    std::string cursor;
    for (int page = 0; page < kPagesMax; ++page) {
      const std::string body = list_of(cursor);
      const FaultOr<Answer> answer = co_await ask("tools/list", body);
      if (!answer) co_return std::unexpected(answer.error());
      if (answer->status != 200) co_return false;
      cursor = cursor_of(answer->message);
      if (cursor.empty()) co_return true;
    }
    co_return fault(FaultKind::kBroken,
                    fmt::format("{}: its list has more than {} pages", mcp_.rule, kPagesMax));
  }

  Task<FaultOr<bool>> open() {
    FaultOr<Answer> answer = co_await ask("initialize", kOpening);
    if (!answer) co_return std::unexpected(answer.error());
    if (answer->status != 200) co_return false;
    session_ = answer->session;
    answer = co_await ask("notifications/initialized", kOpened);
    if (!answer) co_return std::unexpected(answer.error());
    co_return true;
  }

  std::string list_of(const std::string& cursor) const {
    json::object params;
    if (!cursor.empty()) params["cursor"] = cursor;
    if (era_ == McpEra::kModern) {
      params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", dialects::kMcpModern},
                         {"io.modelcontextprotocol/clientInfo",
                          {{"name", "tollgate"}, {"version", TOLLGATE_VERSION}}},
                         {"io.modelcontextprotocol/clientCapabilities", json::object()}};
    }
    return json::serialize(json::object{
        {"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/list"}, {"params", std::move(params)}});
  }

  // Of what was written anew by us, so it is sound.
  static std::string cursor_of(const std::string& message) {
    boost::system::error_code bad;
    const json::value read = json::parse(message, bad);
    const json::value* cursor = bad ? nullptr : read.find_pointer("/result/nextCursor", bad);
    return cursor != nullptr && cursor->is_string() ? std::string(cursor->get_string())
                                                    : std::string();
  }

  Task<FaultOr<Answer>> ask(std::string_view method, std::string_view body) {
    pipeline::McpTurn turn;
    turn.http_method = "POST";
    turn.asked.method = dialects::mcp_method(method, era_);
    turn.asked.era = era_;
    turn.asked.id = "1";
    turn.version = era_ == McpEra::kModern ? dialects::kMcpModern : dialects::kMcpNewestLegacy;
    turn.session = session_;
    turn.credential = mcp_.upstream.credential.reveal();
    std::string message;
    pipeline::write_mcp_head(mcp_.upstream.endpoints.front(), turn, {}, "tollgate-mcp", body.size(),
                             message);
    message += body;
    pipeline::UpstreamRequest request;
    request.upstream = &mcp_.upstream;
    request.message = message;
    const pipeline::CallHandle call = pool_.open(request);
    if (call == nullptr) co_return fault(FaultKind::kUnreachable, mcp_.rule + ": it is at work");
    const FaultOr<void> sent = co_await pool_.send(*call);
    if (!sent) co_return std::unexpected(sent.error());
    Answer answer;
    answer.status = status_ = call->status();
    answer.session = call->header("mcp-session-id");
    if (answer.status != 200 || turn.asked.method->notification) co_return answer;
    const FaultOr<void> read = co_await read_answer(*call, turn.asked, answer.message);
    if (!read) co_return std::unexpected(read.error());
    co_return answer;
  }

  Task<FaultOr<void>> read_answer(pipeline::UpstreamCall& call, const dialects::McpAsked& asked,
                                  std::string& message) {
    if (!call.header("content-type").starts_with("text/event-stream")) {
      const FaultOr<std::string_view> body = co_await call.read_whole(mcp_.answer);
      if (!body) co_return std::unexpected(body.error());
      co_return take(*body, asked, message);
    }
    dialects::SseSplitter events;
    while (message.empty()) {
      const FaultOr<std::string_view> piece = co_await call.read();
      if (!piece) co_return std::unexpected(piece.error());
      if (piece->empty() || static_cast<Bytes>(events.pending()) > mcp_.answer) {
        co_return fault(FaultKind::kBroken, mcp_.rule + ": the stream had no answer");
      }
      events.append(*piece);
      while (const auto event = events.next()) {
        if (event->data.empty() || !message.empty()) continue;
        const FaultOr<void> taken = take(event->data, asked, message);
        if (!taken) co_return taken;
      }
    }
    co_return FaultOr<void>();
  }

  FaultOr<void> take(std::string_view text, const dialects::McpAsked& asked, std::string& message) {
    const FaultOr<dialects::McpAnswer> answer = reader_.read(text, asked, sight_, message);
    if (!answer) {
      return fault(answer.error().kind, fmt::format("{}: of the server's answer: {}", mcp_.rule,
                                                    answer.error().message));
    }
    if (answer->passed != dialects::McpPassed::kAnswer) message.clear();
    if (!answer->is_error) return {};
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("{}: the server answered with an error: {}", mcp_.rule, message));
  }

  const config::Mcp& mcp_;
  net::Loop loop_;
  net::UpstreamGates gates_;
  net::UpstreamPool pool_;
  dialects::McpAnswerReader reader_;
  Collected sight_;
  McpEra era_ = McpEra::kModern;
  std::string session_;
  int status_ = 0;
  Fault failed_{};
};

}  // namespace

FaultOr<std::vector<McpTool>> fetch_mcp_tools(const config::Mcp& mcp) { return Asking(mcp).run(); }

}  // namespace tollgate::cli
