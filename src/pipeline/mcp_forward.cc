#include "pipeline/mcp_forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "pipeline/gone_watch.h"
#include "pipeline/mcp.h"
#include "pipeline/refusals.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

using dialects::McpPassed;

namespace {

constexpr Bytes kErrorBytesMax = 64 << 10;
constexpr int kParametersMax = 32;  // Of Mcp-Param-… lines.
constexpr std::size_t kParameterBytesMax = 4096;
constexpr std::size_t kRetryDigitsMax = 7;  // Of milliseconds.

void cut_by_caller(McpForwarded& result) {
  result.outcome = audit::Outcome::kCut;
  result.cut_code = "caller_gone";
}

Refusal refusal_of(const McpForwarder::Work& work, const Fault& fault) {
  if (work.stop.asked()) return revoked();
  Refusal refusal;
  refusal.rule = work.mcp.rule;
  refusal.reason =
      fault.kind == FaultKind::kTimeout ? Reason::kUpstreamTimeout : Reason::kUpstreamError;
  switch (fault.kind) {
    case FaultKind::kTimeout:
      refusal.message = "The MCP server did not answer in time.";
      break;
    case FaultKind::kUnreachable:
      refusal.message = "The MCP server could not be reached.";
      break;
    default:
      refusal.message = "The MCP server's answer was not one that may be passed on.";
  }
  refusal.recorded = fmt::format("{} {}", refusal.message, fault.message);
  return refusal;
}

// A response whose texts may not pass.
Refusal content_refusal(const McpForwarder::Work& work) {
  CHECK(work.inspection != nullptr && work.inspection->refusal());  // It said that they may not.
  return *work.inspection->refusal();
}

Refusal status_refusal(int status, const config::Mcp& mcp) {
  Refusal refusal;
  refusal.rule = mcp.rule;
  if (status == 429 || status == 503) {
    refusal.reason = Reason::kOverloaded;
    refusal.message = "The MCP server is overloaded. Try again shortly.";
    refusal.retry_after = std::chrono::seconds(1);
  } else {
    refusal.reason = Reason::kUpstreamError;
    refusal.message = status == 401 || status == 403
                          ? "The MCP server does not let this gateway in."
                          : fmt::format("The MCP server answered with status {}.", status);
  }
  return refusal;
}

// About the request itself, so the caller's to mend; 404 may say that a session is over.
bool is_callers_error(int status) {
  return status == 400 || status == 404 || status == 405 || status == 406 || status == 409 ||
         status == 413 || status == 415 || status == 422;
}

bool opens_session(const McpTurn& turn) {
  return turn.asked.method != nullptr && turn.asked.method->name == "initialize";
}

// A stream that stays open without an answer.
bool listens(const McpTurn& turn) {
  return turn.asked.method == nullptr || turn.asked.method->name == "subscriptions/listen";
}

void write_event(std::string_view message, std::string& out) {
  out.append("event: message\ndata: ").append(message).append("\n\n");
}

void line(std::string& out, std::string_view name, std::string_view value) {
  out.append("\r\n").append(name).append(": ").append(value);
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// What clients say in the head of a call's arguments; the server holds them against the body.
void write_parameters(const RequestHead& caller, std::string& out) {
  int left = kParametersMax;
  for (const Header& header : caller.headers) {
    if (left == 0 || !is_mcp_parameter(header.name)) continue;
    if (header.value.size() > kParameterBytesMax || !is_printable(header.value)) continue;
    line(out, header.name, header.value);
    --left;
  }
}

}  // namespace

bool is_type(std::string_view content_type, std::string_view wanted) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return equal_ignoring_case(type.substr(0, type.find_first_of(" \t")), wanted);
}

bool is_mcp_parameter(std::string_view header) {
  constexpr std::string_view kPrefix = "mcp-param-";
  return header.size() > kPrefix.size() &&
         equal_ignoring_case(header.substr(0, kPrefix.size()), kPrefix);
}

void hide_credential(std::string_view secret, std::string& text) {
  // A shorter one would be found by chance, in what is no secret.
  constexpr std::size_t kBytesMin = 8;
  constexpr std::string_view kHidden = "[hidden]";
  std::size_t at = secret.size() < kBytesMin ? std::string::npos : text.find(secret);
  if (at == std::string::npos) return;
  std::string clean;
  std::size_t from = 0;
  for (; at != std::string::npos; at = text.find(secret, from)) {
    clean.append(text, from, at - from).append(kHidden);
    from = at + secret.size();
  }
  text = clean.append(text, from);
}

void write_mcp_head(const config::Endpoint& server, const McpTurn& turn, const RequestHead& caller,
                    std::string_view id, std::size_t body_bytes, std::string& out) {
  begin_head(server, turn.http_method, server.path_prefix.empty() ? "/" : "", out);
  if (!turn.credential.empty()) {
    line(out, "Authorization", "Bearer ");
    out += turn.credential;
  }
  if (!turn.version.empty() && !opens_session(turn)) {
    line(out, "MCP-Protocol-Version", turn.version);
  }
  if (!turn.session.empty()) line(out, "Mcp-Session-Id", turn.session);
  if (!turn.after.empty()) line(out, "Last-Event-ID", turn.after);
  if (turn.asked.era == dialects::McpEra::kModern && turn.asked.method != nullptr) {
    line(out, "Mcp-Method", turn.asked.method->name);
    if (turn.asked.method->in_header) line(out, "Mcp-Name", dialects::mcp_header_value(turn.name));
    write_parameters(caller, out);
  }
  if (const std::string_view trace = caller.header("traceparent"); is_traceparent(trace)) {
    line(out, "traceparent", trace);
  }
  line(out, "Accept",
       turn.http_method == "GET" ? "text/event-stream" : "application/json, text/event-stream");
  end_upstream_head(id, body_bytes, out);
}

void McpForwarder::settle(const Work& work, McpForwarded& result) {
  if (!std::exchange(result.settled, true)) work.attempted.settle(result);
}

Task<McpForwarded> McpForwarder::forward(const Work& work) {
  McpForwarded result;
  co_await attempt(work, result);
  settle(work, result);
  co_return result;
}

Task<void> McpForwarder::attempt(const Work& work, McpForwarded& result) {
  const Instant began = clock_.now();
  const UpstreamRequest request{&work.mcp.upstream, 0, work.message};
  const CallHandle call = upstreams_.open(request);
  if (!call) {
    result.refusal = status_refusal(503, work.mcp);
    co_return;
  }
  const GoneWatch watch(work.exchange, work.stop, *call);
  const FaultOr<void> sent = co_await upstreams_.send(*call);
  result.first_byte = clock_.now() - began;
  result.sent = call->sent();
  if (!sent) {
    result.waited = result.first_byte;
    if (work.exchange.caller_gone()) {
      cut_by_caller(result);
    } else {
      result.refusal = refusal_of(work, sent.error());
    }
    co_return;
  }
  result.status = call->status();
  const std::string_view type = call->header("content-type");
  const bool asks = work.turn.kind == dialects::McpKind::kRequest;
  if (result.status < 200 || result.status > 299) {
    co_await relay_error(work, *call, result);
  } else if (work.turn.http_method == "DELETE" || !asks) {
    co_await relay_accepted(work, result);
  } else if (is_type(type, "text/event-stream")) {
    co_await relay_stream(work, *call, result);
  } else if (is_type(type, "application/json") && work.turn.http_method == "POST") {
    co_await relay_whole(work, *call, result);
  } else {
    result.refusal = refusal_of(work, {FaultKind::kBroken, "it is neither JSON nor a stream"});
  }
  result.waited = clock_.now() - began;
}

Task<void> McpForwarder::reply(const Work& work, int status, std::string_view body,
                               UpstreamCall* call, McpForwarded& result) {
  BufferPool::Lease headers = buffers_.lease();
  const std::string_view session = call != nullptr && opens_session(work.turn) && status == 200
                                       ? call->header("mcp-session-id")
                                       : std::string_view();
  work.attempted.write_headers(session, *headers);
  ReplyHead head;
  head.status = status;
  if (body.empty()) head.content_type = {};
  head.headers = *headers;
  settle(work, result);
  if (!co_await work.exchange.reply(head, body)) cut_by_caller(result);
}

Task<void> McpForwarder::relay_accepted(const Work& work, McpForwarded& result) {
  // What stands in such an answer nobody reads.
  const int status = work.turn.http_method == "DELETE" ? 200 : 202;
  co_await reply(work, status, {}, nullptr, result);
}

Task<void> McpForwarder::relay_error(const Work& work, UpstreamCall& call, McpForwarded& result) {
  const FaultOr<std::string_view> body = co_await call.read_whole(kErrorBytesMax);
  if (work.exchange.caller_gone()) {
    cut_by_caller(result);
    co_return;
  }
  if (!is_callers_error(result.status)) {
    result.refusal = status_refusal(result.status, work.mcp);
    co_return;
  }
  result.cut_code = "upstream_rejected";
  result.failed = true;
  BufferPool::Lease told = buffers_.lease();
  const bool read = body && is_type(call.header("content-type"), "application/json") &&
                    reader_.read_error(*body, work.turn.asked.id, work.sight, *told);
  if (!read) {
    dialects::write_mcp_error(
        work.turn.asked.id, result.status,
        fmt::format("The MCP server refused the request with status {}.", result.status), {},
        *told);
  }
  hide_credential(work.turn.credential, *told);
  co_await reply(work, result.status, *told, nullptr, result);
}

Task<void> McpForwarder::relay_whole(const Work& work, UpstreamCall& call, McpForwarded& result) {
  const FaultOr<std::string_view> body = co_await call.read_whole(work.mcp.answer);
  if (work.exchange.caller_gone()) {
    cut_by_caller(result);
    co_return;
  }
  if (!body) {
    result.refusal = refusal_of(work, body.error());
    co_return;
  }
  BufferPool::Lease told = buffers_.lease();
  const FaultOr<dialects::McpAnswer> answer =
      reader_.read(*body, work.turn.asked, work.sight, *told);
  if (!answer || answer->passed != McpPassed::kAnswer) {
    result.refusal =
        refusal_of(work, answer ? Fault{FaultKind::kBroken, "it is no response"} : answer.error());
    co_return;
  }
  result.failed = answer->is_error;
  result.withheld = answer->withheld;
  if (answer->refused) {
    result.refusal = content_refusal(work);
    co_return;
  }
  hide_credential(work.turn.credential, *told);
  co_await reply(work, 200, *told, &call, result);
}

// Where the caller can go on, should the stream break off, and when to try.
void McpForwarder::pass_place(const Work& work, const dialects::SseEvent& event, Stream& stream,
                              std::string& out) {
  const McpTurn& turn = work.turn;
  if (turn.asked.era != dialects::McpEra::kLegacy || turn.session.empty()) return;
  const bool is_wait =
      !event.retry.empty() && event.retry.size() <= kRetryDigitsMax &&
      std::ranges::all_of(event.retry, [](char c) { return c >= '0' && c <= '9'; });
  if (is_wait) out.append("retry: ").append(event.retry).append("\n");
  const bool tells = !turn.credential.empty() && event.id.contains(turn.credential);
  if (event.id.empty() || tells || !is_printable(event.id)) return;
  const std::string id = work.attempted.name_event(event.id);
  if (id.empty()) return;
  out.append("id: ").append(id).append("\n");
  stream.resumable = true;
}

bool McpForwarder::pass_events(const Work& work, Stream& stream, std::string& out,
                               McpForwarded& result) {
  dialects::SseSplitter& events = stream.events;
  const auto stops = [&stream](Refusal refusal) {
    stream.wrong = std::move(refusal);
    return false;
  };
  while (const std::optional<dialects::SseEvent> event = events.next()) {
    if (!event->type.empty() && event->type != "message") continue;
    if (event->data.empty()) {
      const std::size_t before = out.size();
      pass_place(work, *event, stream, out);
      if (out.size() > before) out.append("data: \n\n");
      continue;
    }
    if (std::ssize(event->data) > work.mcp.answer) {
      return stops(refusal_of(work, {FaultKind::kBroken, "a message of it is too large"}));
    }
    BufferPool::Lease told = buffers_.lease();
    const FaultOr<dialects::McpAnswer> answer =
        reader_.read(event->data, work.turn.asked, work.sight, *told);
    if (!answer) return stops(refusal_of(work, answer.error()));
    if (answer->passed == McpPassed::kWithheld) {
      ++result.withheld;
      continue;
    }
    if (answer->refused) return stops(content_refusal(work));
    hide_credential(work.turn.credential, *told);
    if (answer->passed != McpPassed::kAnswer) pass_place(work, *event, stream, out);
    write_event(*told, out);
    if (answer->passed != McpPassed::kAnswer) continue;
    result.failed = answer->is_error;
    result.withheld += answer->withheld;
    return false;
  }
  if (static_cast<Bytes>(events.pending()) <= work.mcp.answer) return true;
  return stops(refusal_of(work, {FaultKind::kBroken, "a message of it is too large"}));
}

Task<void> McpForwarder::relay_stream(const Work& work, UpstreamCall& call, McpForwarded& result) {
  Stream stream;
  stream.resumable = !work.turn.after.empty();
  BufferPool::Lease headers = buffers_.lease();
  BufferPool::Lease out = buffers_.lease();
  work.attempted.write_headers(
      opens_session(work.turn) ? call.header("mcp-session-id") : std::string_view(), *headers);
  headers->append("x-accel-buffering: no\r\n");
  ReplyHead head;
  head.content_type = "text/event-stream";
  head.headers = *headers;
  bool begun = false;
  // Who listens knows by the head that it is heard.
  if (listens(work.turn) || work.turn.http_method == "GET") {
    work.exchange.begin(head);
    begun = true;
    if (!co_await work.exchange.write(":\n\n")) co_return cut_by_caller(result);
  }
  for (bool goes_on = true; goes_on;) {
    const FaultOr<std::string_view> piece = co_await call.read();
    out->clear();
    if (!piece || piece->empty()) {
      end_stream(work, piece, stream, result);
      break;
    }
    stream.events.append(*piece);
    goes_on = pass_events(work, stream, *out, result);
    if (!goes_on || out->empty()) continue;  // The last of it goes out with the end.
    if (!std::exchange(begun, true)) work.exchange.begin(head);
    if (!co_await work.exchange.write(*out)) break;
  }
  if (work.exchange.caller_gone()) co_return cut_by_caller(result);
  if (stream.wrong) {
    const RefusalRow& row = row_of(stream.wrong->reason);
    if (!begun && out->empty()) {
      result.refusal = std::move(stream.wrong);
      co_return;
    }
    result.outcome = audit::Outcome::kCut;
    result.cut_code = row.code;
    if (work.turn.asked.method != nullptr) {
      std::string error;
      dialects::write_mcp_error(work.turn.asked.id, row.openai_status, stream.wrong->message, {},
                                error);
      write_event(error, *out);
    }
  }
  settle(work, result);
  if (!begun) work.exchange.begin(head);
  if (!out->empty() && !co_await work.exchange.write(*out)) cut_by_caller(result);
  if (!co_await work.exchange.finish() && result.outcome == audit::Outcome::kAllowed) {
    cut_by_caller(result);
  }
}

// A stream that came to an end without an answer. One that nobody asked a question may just end;
// one that the caller can go on with is left to them.
void McpForwarder::end_stream(const Work& work, const FaultOr<std::string_view>& piece,
                              Stream& stream, McpForwarded& result) {
  const bool ends_well = listens(work.turn) && (piece || piece.error().kind != FaultKind::kBroken);
  if (!work.stop.asked() && (ends_well || stream.resumable)) {
    if (piece || ends_well) return;
    result.outcome = audit::Outcome::kCut;
    result.cut_code = row_of(refusal_of(work, piece.error()).reason).code;
    return;
  }
  stream.wrong =
      refusal_of(work, piece ? Fault{FaultKind::kBroken, "the stream ended without an answer"}
                             : piece.error());
}

}  // namespace tollgate::pipeline
