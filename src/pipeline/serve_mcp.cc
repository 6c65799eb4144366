// The life of a request to an MCP server, from its body on: the same steps as of any other.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "config/scalars.h"
#include "pipeline/life.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_event.h"
#include "pipeline/mcp_forward.h"
#include "pipeline/mcp_inspect.h"
#include "pipeline/mcp_life.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

using dialects::McpEra;

namespace {

const config::Route* route_of(const config::Config& config, const authorization::Target& target,
                              const authentication::Identity& caller) {
  for (const config::Route& route : config.routes) {
    if (route.mcp && authorization::lets_in(route.access, target, caller)) return &route;
  }
  return nullptr;
}

bool is_on_loopback(const config::Config& config, std::string_view listener) {
  const auto found = std::ranges::find(config.listeners, listener, &config::Listener::name);
  return found != config.listeners.end() && config::is_loopback(found->host);
}

}  // namespace

Refusal no_mcp_session(const config::Mcp& mcp) {
  return refuse(Reason::kNotFound, mcp.rule,
                "There is no such session. Start a new one with `initialize`.", "Mcp-Session-Id")
      .error();
}

// A rule that would have refused.
void Pipeline::observe(Life& life, std::string_view rule) {
  Arena& arena = life.exchange.arena();
  const auto one = arena.make<std::string_view>(1);
  one[0] = arena.copy(rule);
  life.record.observed = joined(life.record.observed, one, arena);
}

Refusal Pipeline::tell_mcp_refusal(Life& life, dialects::McpRefusal& refused) {
  // The revisions that are served, for whoever asks for another.
  constexpr std::string_view kSupported = R"(,"supported":["2026-07-28","2025-11-25"])";
  life.mcp.id = life.exchange.arena().copy(refused.id);
  life.mcp.code = refused.code;
  if (refused.code == dialects::kRpcUnsupportedVersion) life.mcp.data = kSupported;
  return std::move(refused.refusal);
}

void Pipeline::write_mcp_headers(const Life& life, std::string& headers) {
  write_id_headers(life.dialect, life.record.id, headers);
  headers += "cache-control: no-store\r\n";
  write_degraded_header(life.record.degraded, headers);
}

void Pipeline::settle_mcp(Life& life, const config::Route& route, const Charges& charges,
                          Hold& hold, bool never_left) {
  const Services& at = life.pipeline.services_;
  Booking booking;
  booking.id = life.record.id;
  booking.tenant = life.caller.tenant;
  booking.user = life.caller.subject;
  booking.key_id = life.caller.credential_id;
  booking.route = route.name;
  const Used used{.cost = life.record.cost, .never_left = never_left};
  at.ledger.settle(hold, charges, used, booking, at.clock.now(), at.clock.wall());
}

// A request that is held for, as the forwarder knows it.
class Pipeline::HeldMcpRequest final : public McpForwarder::Attempted {
 public:
  HeldMcpRequest(Life& life, const config::Route& route, const McpTurn& turn,
                 const Charges& charges, Hold& hold, Money price)
      : life_(life), route_(route), turn_(turn), charges_(charges), hold_(hold), price_(price) {}

  void write_headers(std::string_view session, std::string& headers) override {
    write_mcp_headers(life_, headers);
    if (!is_mcp_session(session, turn_.credential)) return;
    const McpSessionOwner owner{route_.name, life_.caller};
    headers += "mcp-session-id: ";
    headers += seal_mcp_session(life_.pipeline.services_.pepper, owner, session);
    headers += "\r\n";
  }

  std::string name_event(std::string_view event) override {
    const dialects::McpAsked& asked = turn_.asked;
    const std::string_view method =
        asked.method == nullptr ? std::string_view() : asked.method->name;
    return seal_mcp_event(
        life_.pipeline.services_.pepper, {route_.name, life_.caller},
        {std::string(asked.server), std::string(turn_.session), std::string(method),
         std::string(asked.id), std::string(asked.progress_token), std::string(event)});
  }

  // What was refused before any work is free. What was cut may have been done.
  void settle(const McpForwarded& result) override {
    const bool refused =
        result.failed || (result.status != 0 && (result.status < 200 || result.status > 299));
    if (result.sent && !refused) life_.record.cost = price_;
    settle_mcp(life_, route_, charges_, hold_, result.status == 0 && !result.sent);
  }

 private:
  Life& life_;
  const config::Route& route_;
  const McpTurn& turn_;
  const Charges& charges_;
  Hold& hold_;
  const Money price_;
};

Task<void> Pipeline::serve_mcp(Life& life) {
  const config::Route* route = route_of(*life.config, life.target, life.caller);
  CHECK(route != nullptr);  // One let the caller in.
  life.record.route = route->name;
  life.record.upstream = route->mcp->upstream.name;
  life.record.mcp_method = life.target.method;

  if (!authorization::allows(route->access, life.caller)) observe(life, "routes." + route->name);

  // What is asked, of which server, and may they ask it?
  McpCrowd crowd;
  BufferPool::Lease message = buffers_.lease();
  if (const Expected<void> sound = co_await read_mcp(life, *route, crowd, *message); !sound) {
    co_return co_await refuse_request(life, sound.error());
  }
  // From here on the page, the session, the method and what it names are allowed.

  // Is there room for it, and can they afford it?
  const McpDemand demand{crowd.server, tool_called(crowd.turn.asked.method, crowd.turn.name)};
  Charges charges = mcp_charges(*life.config, *route, life.caller, life.record.client_ip, demand,
                                life.exchange.arena());
  if (const Expected<void> open = hold_to_answers(life, route->name, {}, charges); !open) {
    co_return co_await refuse_request(life, open.error());
  }
  Expected<Hold, Shortfall> hold = co_await this->hold(life, charges);
  life.record.degraded = services_.outages.now();
  if (!hold) {
    life.record.limits = hold.error().limits;
    life.record.budgets = hold.error().budgets;
    co_return co_await refuse_request(life, hold.error().refusal);
  }
  // From here on it is held; what serves it settles it however it ends.
  if (crowd.server == nullptr) {
    co_return co_await serve_mcp_crowd(life, *route, crowd, charges, *hold);
  }
  co_await serve_mcp_held(life, *route, *crowd.server, crowd.turn, *message, charges, *hold);
}

Task<Expected<void>> Pipeline::read_mcp(Life& life, const config::Route& route, McpCrowd& crowd,
                                        std::string& message) {
  const RequestHead& head = life.exchange.head();
  const config::Mcp& mcp = *route.mcp;
  Expected<void> sound =
      check_mcp_caller(head, mcp, is_on_loopback(*life.config, life.record.listener));
  if (!sound) co_return sound;
  crowd.turn.http_method = life.target.method;
  if (!mcp.servers.empty()) co_return co_await read_mcp_crowd(life, route, crowd, message);
  McpTurn& turn = crowd.turn;
  crowd.server = &mcp;
  turn.asked.requests = mcp.server_requests;
  const Expected<std::string_view> credential = mcp_credential(mcp, life.caller);
  if (!credential) co_return std::unexpected(credential.error());
  turn.credential = *credential;
  BufferPool::Lease written = buffers_.lease();
  if (turn.http_method == "POST") {
    const Expected<std::string_view> body = co_await read_mcp_body(life, route);
    if (!body) co_return std::unexpected(body.error());
    sound = read_mcp_message(life, route, *body, turn, *written);
  } else {
    sound = open_mcp_stream(life, route, turn);
  }
  if (!sound) co_return sound;
  // Sessions are of the legacy revisions alone.
  const std::string_view sealed = head.header("mcp-session-id");
  if (turn.asked.era == McpEra::kLegacy && !sealed.empty()) {
    const McpSessionOwner owner{route.name, life.caller};
    const auto session = open_mcp_session(services_.pepper, owner, sealed);
    if (!session) co_return std::unexpected(no_mcp_session(mcp));
    turn.session = life.exchange.arena().copy(*session);
  }
  sound = resume_mcp(life, route, turn);
  if (!sound) co_return sound;
  write_mcp_head(mcp.upstream.endpoints.front(), turn, head, life.record.id, written->size(),
                 message);
  message += *written;
  co_return Expected<void>();
}

Task<Expected<std::string_view>> Pipeline::read_mcp_body(Life& life, const config::Route& route) {
  const Expected<std::string_view> body = co_await life.exchange.read_body(life.body_max);
  if (!body) co_return body;
  if (const Expected<void> again = co_await identify_again(life); !again) {
    co_return std::unexpected(again.error());
  }
  if (!authorization::lets_in(route.access, life.target, life.caller)) {
    co_return std::unexpected(authorization::refuse_caller());
  }
  co_return body;
}

// The message that was read, as far as it is one that is served; what it names is not yet looked
// at.
Expected<dialects::McpMessage> Pipeline::understand_mcp(Life& life, const config::Mcp& endpoint,
                                                        std::string_view body, McpTurn& turn) {
  Arena& arena = life.exchange.arena();
  life.record.prompt_bytes = static_cast<Bytes>(body.size());
  auto message = mcp_reader_.read(body, mcp_headers(life.exchange.head()));
  if (!message) {
    if (message.error().refusal.rule == "mcp") message.error().refusal.rule = endpoint.rule;
    return std::unexpected(tell_mcp_refusal(life, message.error()));
  }
  life.mcp.id = arena.copy(message->id);
  turn.asked.method = message->method;
  turn.asked.era = message->era;
  turn.asked.id = life.mcp.id;
  turn.kind = message->kind;
  turn.is_first_page = !message->has_cursor;
  turn.name = arena.copy(message->name());
  turn.version = arena.copy(message->version);
  life.record.mcp_method = message->method != nullptr ? message->method->name : "response";
  life.record.mcp_name = turn.name;
  return *message;
}

Expected<void> Pipeline::read_mcp_message(Life& life, const config::Route& route,
                                          std::string_view body, McpTurn& turn,
                                          std::string& written) {
  const Expected<dialects::McpMessage> message = understand_mcp(life, *route.mcp, body, turn);
  if (!message) return std::unexpected(message.error());
  if (Expected<void> may = check_mcp_message(life, route, *route.mcp, *message); !may) return may;
  mcp_reader_.write(route.mcp->server_requests, written);
  return {};
}

// Whether it may go to that server: what it is, what it names there, and what it says.
Expected<void> Pipeline::check_mcp_message(Life& life, const config::Route& route,
                                           const config::Mcp& server,
                                           const dialects::McpMessage& message) {
  if (message.kind == dialects::McpKind::kResponse && server.server_requests.bits == 0) {
    return refuse(Reason::kInvalidRequest, server.rule + ".server_requests",
                  "Nothing was asked of this client, so there is nothing to respond to.");
  }
  bool observed = false;
  const McpCallerSight sight(server, life.caller);
  if (auto may = check_mcp_names(message, server, sight, observed); !may) {
    return std::unexpected(tell_mcp_refusal(life, may.error()));
  }
  if (observed) observe(life, fmt::format("{}.{}", server.rule, dialects::name_of(message.item)));
  return inspect_mcp(life, route);
}

namespace {

// The texts of a message, and those that go beside it in its head.
class WithParameters final : public dialects::McpTextSink {
 public:
  WithParameters(McpInspection& inspection, const RequestHead& head)
      : inspection_(inspection), head_(head) {}

  void begin() override { inspection_.begin(); }
  void text(std::string_view place, std::string_view text, dialects::McpText kind) override {
    inspection_.text(place, text, kind);
  }
  bool passes() override {
    for (const Header& header : head_.headers) {
      if (is_mcp_parameter(header.name))
        inspection_.text("Mcp-Param", header.value, dialects::McpText::kWhole);
    }
    return inspection_.passes();
  }

 private:
  McpInspection& inspection_;
  const RequestHead& head_;
};

}  // namespace

// What the caller says to the server, by the route's content policy.
Expected<void> Pipeline::inspect_mcp(Life& life, const config::Route& route) {
  using Of = McpInspection::Of;
  if (!McpInspection::inspects(route, Of::kRequest)) return {};
  McpInspection inspection(route, scanner_, life.config->content_rules, Of::kRequest);
  WithParameters texts(inspection, life.exchange.head());
  const bool passes = mcp_reader_.read_texts(texts);
  life.record.content = inspection.told(life.exchange.arena());
  if (inspection.verdict().inspected == Inspected::kObserved) observe(life, rule_of(route));
  if (!passes) return std::unexpected(*inspection.refusal());
  return {};
}

// GET and DELETE have no body.
Expected<void> Pipeline::open_mcp_stream(Life& life, const config::Route& route, McpTurn& turn) {
  const dialects::McpHeaders headers = mcp_headers(life.exchange.head());
  const std::string_view version = headers.version.value_or("");
  const bool legacy = version.empty() || dialects::mcp_era_of(version) == McpEra::kLegacy;
  if (headers.twice || !legacy) {
    life.mcp.status = 405;
    return refuse(Reason::kNotFound, route.mcp->rule,
                  "This revision of the protocol has neither a stream by GET nor sessions.");
  }
  turn.version = life.exchange.arena().copy(version);
  if (!life.exchange.head().header("mcp-session-id").empty()) return {};
  return refuse(Reason::kInvalidRequest, route.mcp->rule,
                "Mcp-Session-Id is missing: a stream or its end is of a session.",
                "Mcp-Session-Id");
}

// What is left of a stream is still the answer to what was asked, and the session's alone.
Expected<void> Pipeline::resume_mcp(Life& life, const config::Route& route, McpTurn& turn) {
  const std::string_view sealed = life.exchange.head().header("last-event-id");
  if (turn.http_method != "GET" || sealed.empty()) return {};
  const auto event = open_mcp_event(services_.pepper, {route.name, life.caller}, sealed);
  const dialects::McpMethod* method =
      event ? dialects::mcp_method(event->method, McpEra::kLegacy) : nullptr;
  if (!event || event->session != turn.session || event->server != turn.asked.server ||
      (method == nullptr && !event->method.empty())) {
    return refuse(Reason::kInvalidRequest, route.mcp->rule,
                  "Last-Event-ID is of no stream of this session. Ask anew.", "Last-Event-ID");
  }
  Arena& arena = life.exchange.arena();
  turn.asked.method = method;
  turn.asked.id = arena.copy(event->request);
  turn.asked.progress_token = arena.copy(event->progress_token);
  turn.after = arena.copy(event->event);
  return {};
}

Task<bool> Pipeline::record_mcp(Life& life, const Hold& hold, Money held) {
  life.record.limits = hold.limits;
  life.record.budgets = hold.budgets;
  life.record.accounts = hold.accounts;
  life.record.observed = joined(life.record.observed, hold.observed, life.exchange.arena());
  // On record before the first byte goes upstream, or it does not go.
  life.decided = append(life, audit::Phase::kDecision, held);
  if (!life.decided || life.config->audit.survives != audit::Survives::kPowerLoss) {
    co_return life.decided;
  }
  co_return (co_await services_.trail.committed(life.record.id, services_.executor)).has_value();
}

Task<void> Pipeline::serve_mcp_held(Life& life, const config::Route& route,
                                    const config::Mcp& server, const McpTurn& turn,
                                    const std::string& message, const Charges& charges,
                                    Hold& hold) {
  Arena& arena = life.exchange.arena();
  const Money price = mcp_price({&server, tool_called(turn.asked.method, turn.name)});
  HeldMcpRequest held(life, route, turn, charges, hold, price);
  if (!co_await record_mcp(life, hold, price)) {
    held.settle(McpForwarded{});
    const Refusal refusal = unrecorded();
    co_return co_await refuse_request(life, refusal);
  }
  // From here on the decision is on record.

  McpCallerSight sight(server, life.caller);
  if (turn.is_first_page) sight.lists_anew();
  McpInspection inspection(route, scanner_, life.config->content_rules, McpInspection::Of::kAnswer);
  const bool inspects = McpInspection::inspects(route, McpInspection::Of::kAnswer);
  if (inspects) sight.read_texts(inspection);
  const McpForwarder::Work work{life.exchange, server, turn,      message,
                                sight,         held,   life.stop, inspects ? &inspection : nullptr};
  const McpForwarded result = co_await mcp_forwarder_.forward(work);
  // From here on the server is done with it, one way or another, and it is settled.

  const audit::Attempt attempt{server.upstream.name, result.status, result.waited};
  life.record.attempts = joined(life.record.attempts, std::span(&attempt, 1), arena);
  life.record.first_byte = result.first_byte;
  life.record.content_after = inspection.told(arena);
  if (inspection.verdict().inspected == Inspected::kObserved) observe(life, rule_of(route));
  life.record.mcp_failed = result.failed;
  life.record.mcp_withheld = result.withheld;
  life.upstream_time += result.waited;
  if (result.refusal) co_return co_await refuse_request(life, *result.refusal);
  if (!result.cut_code.empty()) life.record.code = result.cut_code;
  if (result.outcome != audit::Outcome::kAllowed) life.record.outcome = result.outcome;
  close_record(life);
}

}  // namespace tollgate::pipeline
