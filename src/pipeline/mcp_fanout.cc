#include "pipeline/mcp_fanout.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "dialects/mcp_message.h"
#include "dialects/sse.h"
#include "pipeline/gather.h"

namespace tollgate::pipeline {

namespace {

constexpr Bytes kErrorBytesMax = 64 << 10;

bool is_list(const McpErrand& errand) {
  return errand.turn.asked.method != nullptr && !errand.turn.asked.method->lists.empty();
}

bool is_opening(const McpErrand& errand) {
  const dialects::McpMethod* method = errand.turn.asked.method;
  return method != nullptr && (method->name == "initialize" || method->name == "server/discover");
}

// Of a list the same for each page, but for its cursor.
std::string body_of(const McpErrand& errand, std::string_view cursor) {
  if (!is_list(errand)) return errand.body;
  std::string params = errand.body;
  if (!cursor.empty()) {
    params.pop_back();
    params += fmt::format("{}\"cursor\":{}}}", params.size() > 1 ? "," : "", cursor);
  }
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})",
                     errand.turn.asked.id, errand.turn.asked.method->name, params);
}

// Which of two entries of one name is meant nobody knows, on whatever pages they stand.
void keep_single(McpErrand& errand) {
  std::vector<std::string_view> names;
  for (const auto& [name, entry] : errand.listed) names.emplace_back(name);
  std::ranges::sort(names);
  for (const auto& [name, entry] : errand.listed) {
    if (entry.empty()) continue;  // Withheld before.
    const bool is_single = std::ranges::equal_range(names, std::string_view(name)).size() == 1;
    if (is_single) {
      errand.entries += entry;
    } else {
      ++errand.withheld;
    }
  }
  errand.listed.clear();
}

// The same server; its connections are the same, as they go by its name.
config::Upstream impatient(config::Upstream server) {
  config::Timeouts& timeout = server.timeout;
  timeout.first_byte = std::min(timeout.first_byte, McpFanout::kSilenceMax);
  timeout.between_chunks = std::min(timeout.between_chunks, McpFanout::kSilenceMax);
  timeout.total = std::min(timeout.total, McpFanout::kTotalMax);
  return server;
}

}  // namespace

// All calls that are open, so that a caller who leaves ends them together.
class McpFanout::Calls final : public Cancellable {
 public:
  Calls(Exchange& exchange, Stop& stop) : exchange_(exchange), stop_(stop) {
    exchange_.on_caller_gone(this);
    stop_.watch(this);
  }
  Calls(const Calls&) = delete;
  ~Calls() {
    exchange_.on_caller_gone(nullptr);
    stop_.watch(nullptr);
  }

  void cancel() override {
    cancelled_ = true;
    for (UpstreamCall* call : std::vector(open_)) call->cancel();
  }
  bool cancelled() const { return cancelled_; }

  class Open {
   public:
    Open(Calls& calls, UpstreamCall& call) : calls_(calls), call_(call) {
      calls_.open_.push_back(&call);
      if (calls_.cancelled_) call.cancel();
    }
    Open(const Open&) = delete;
    ~Open() { std::erase(calls_.open_, &call_); }

   private:
    Calls& calls_;
    UpstreamCall& call_;
  };

 private:
  Exchange& exchange_;
  Stop& stop_;
  std::vector<UpstreamCall*> open_;
  bool cancelled_ = false;
};

Task<void> McpFanout::ask(const Work& work) {
  Calls calls(work.exchange, work.stop);
  Gather gather;
  for (McpErrand& errand : work.errands) {
    if (!errand.absent) gather.begin(run(work, calls, errand));
  }
  co_await gather.all();
}

Task<void> McpFanout::run(const Work& work, Calls& calls, McpErrand& errand) {
  const Instant began = clock_.now();
  const config::Upstream upstream = impatient(errand.server->upstream);
  std::string cursor;
  for (int page = 0; page < kPagesMax; ++page) {
    const FaultOr<void> done = co_await exchange(work, calls, upstream, errand, cursor);
    errand.waited = clock_.now() - began;
    // Of one that nobody waits for any more nothing is known.
    if (!done && calls.cancelled()) co_return errand.listed.clear();
    if (!done) {
      errand.absent = done.error();
    } else if (errand.listed_bytes > errand.server->answer) {
      errand.absent = Fault{FaultKind::kBroken, "its list is too large"};
    } else if (!cursor.empty() && page + 1 == kPagesMax) {
      errand.absent =
          Fault{FaultKind::kBroken, fmt::format("its list has more than {} pages", kPagesMax)};
    }
    if (!errand.absent && !cursor.empty() && errand.waited > kTotalMax) {
      errand.absent = Fault{FaultKind::kTimeout, "its list takes too long"};
    }
    if (errand.absent) co_return errand.listed.clear();
    if (cursor.empty()) co_return keep_single(errand);
  }
}

Task<FaultOr<void>> McpFanout::exchange(const Work& work, Calls& calls,
                                        const config::Upstream& upstream, McpErrand& errand,
                                        std::string& cursor) {
  if (calls.cancelled()) co_return fault(FaultKind::kCancelled, "nobody waits for it");
  const std::string body =
      errand.turn.http_method == "POST" ? body_of(errand, cursor) : std::string();
  std::string message;
  write_mcp_head(upstream.endpoints.front(), errand.turn, work.exchange.head(), work.id,
                 body.size(), message);
  message += body;
  cursor.clear();
  errand.status = 0;
  const UpstreamRequest request{&upstream, 0, message};
  const CallHandle call = upstreams_.open(request);
  if (!call) co_return fault(FaultKind::kUnreachable, "it is at its concurrent_requests");
  const Calls::Open open(calls, *call);
  const FaultOr<void> sent = co_await upstreams_.send(*call);
  if (!sent) co_return std::unexpected(sent.error());
  errand.status = call->status();
  if (errand.turn.asked.method != nullptr && errand.turn.asked.method->name == "initialize") {
    errand.session = call->header("mcp-session-id");
  }
  FaultOr<void> done = co_await read(*call, errand, cursor);
  errand.is_over = !done && errand.status == 404 && !errand.turn.session.empty();
  co_return done;
}

Task<FaultOr<void>> McpFanout::read(UpstreamCall& call, McpErrand& errand, std::string& cursor) {
  const bool good = errand.status >= 200 && errand.status <= 299;
  const auto bad = [&errand] {
    return fault(FaultKind::kRefusedByPeer,
                 fmt::format("it answered with status {}", errand.status));
  };
  // What stands in an answer to no request nobody reads; a session that a server keeps to itself,
  // or knows no more, ends here all the same.
  const bool ends = errand.turn.http_method == "DELETE";
  if (errand.turn.asked.id.empty()) co_return good || ends ? FaultOr<void>() : bad();
  const std::string_view type = call.header("content-type");
  if (!good || is_type(type, "application/json")) {
    const FaultOr<std::string_view> body =
        co_await call.read_whole(good ? errand.server->answer : kErrorBytesMax);
    if (!body) co_return good ? std::unexpected(body.error()) : bad();
    const FaultOr<bool> taken = take(*body, errand, cursor);
    if (!taken || !*taken) {
      co_return !good ? bad()
      : taken         ? fault(FaultKind::kBroken, "it is no response")
                      : std::unexpected(taken.error());
    }
    co_return FaultOr<void>();
  }
  if (!is_type(type, "text/event-stream")) {
    co_return fault(FaultKind::kBroken, "it is neither JSON nor a stream");
  }
  dialects::SseSplitter events;
  for (;;) {
    const FaultOr<std::string_view> piece = co_await call.read();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) co_return fault(FaultKind::kBroken, "the stream ended without an answer");
    events.append(*piece);
    while (const std::optional<dialects::SseEvent> event = events.next()) {
      if (event->data.empty() || (!event->type.empty() && event->type != "message")) continue;
      const bool fits = std::ssize(event->data) <= errand.server->answer;
      const FaultOr<bool> taken =
          fits ? take(event->data, errand, cursor)
               : FaultOr<bool>(fault(FaultKind::kBroken, "a message of it is too large"));
      if (!taken) co_return std::unexpected(taken.error());
      if (*taken) co_return FaultOr<void>();
    }
    if (static_cast<Bytes>(events.pending()) > errand.server->answer) {
      co_return fault(FaultKind::kBroken, "a message of it is too large");
    }
    if (errand.listed_bytes > errand.server->answer) co_return FaultOr<void>();
  }
}

FaultOr<bool> McpFanout::take(std::string_view text, McpErrand& errand, std::string& cursor) {
  const dialects::McpAsked& asked = errand.turn.asked;
  if (is_list(errand)) {
    std::string entries;
    FaultOr<dialects::McpPage> page = reader_.read_page(text, asked, *errand.sight, entries);
    if (!page) return std::unexpected(page.error());
    // Who has no such list says that there is no such method.
    const bool has_none = page->error == dialects::kRpcMethodNotFound;
    if (page->error != 0 && !has_none) {
      return fault(FaultKind::kRefusedByPeer,
                   fmt::format("it answered with error {}", page->error));
    }
    if (page->refused) return fault(FaultKind::kRefusedByPeer, "what it says may not pass");
    errand.withheld += page->withheld;
    for (dialects::McpListed& each : page->listed) {
      std::string entry = entries.substr(each.begin, each.end - each.begin);
      hide_credential(errand.turn.credential, entry);
      errand.listed_bytes += std::ssize(each.name) + std::ssize(entry);
      errand.listed.emplace_back(std::move(each.name), std::move(entry));
    }
    cursor = std::move(page->cursor);
    return page->is_response;
  }
  if (is_opening(errand)) {
    FaultOr<std::optional<dialects::McpOpening>> opening = reader_.read_opening(text, asked);
    if (!opening) return std::unexpected(opening.error());
    if (!*opening) return false;
    if ((*opening)->failed) return fault(FaultKind::kRefusedByPeer, "it answered with an error");
    errand.opening = std::move(**opening);
    return true;
  }
  // Of what is said to all, whether it was heard.
  std::string told;
  dialects::McpSight& sight = *errand.sight;
  const FaultOr<dialects::McpAnswer> answer = reader_.read(text, asked, sight, told);
  if (!answer) return std::unexpected(answer.error());
  if (answer->passed != dialects::McpPassed::kAnswer) return false;
  if (answer->is_error) return fault(FaultKind::kRefusedByPeer, "it answered with an error");
  return true;
}

}  // namespace tollgate::pipeline
