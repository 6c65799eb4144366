// The life of a request to an MCP server, from its body on: the same steps as of any other.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "config/scalars.h"
#include "pipeline/life.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_forward.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

namespace {

// The revisions that are served, for whoever asks for another.
constexpr std::string_view kSupported = R"(,"supported":["2026-07-28","2025-11-25"])";

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

std::string_view credential_of(const config::Mcp& mcp, std::string_view tenant) {
  for (const auto& [of, secret] : mcp.credentials) {
    if (of == tenant) return secret.reveal();
  }
  return mcp.upstream.credential.reveal();
}

Refusal no_session(const config::Mcp& mcp) {
  return refuse(Reason::kNotFound, mcp.rule,
                "There is no such session. Start a new one with `initialize`.", "Mcp-Session-Id")
      .error();
}

}  // namespace

// A rule that would have refused.
void Pipeline::observe(Life& life, std::string_view rule) {
  Arena& arena = life.exchange.arena();
  const auto one = arena.make<std::string_view>(1);
  one[0] = arena.copy(rule);
  life.record.observed = joined(life.record.observed, one, arena);
}

// A request that is held for, as the forwarder knows it.
class Pipeline::HeldMcpRequest final : public McpForwarder::Attempted {
 public:
  HeldMcpRequest(Life& life, const config::Route& route, const Charges& charges, Hold& hold)
      : life_(life), route_(route), charges_(charges), hold_(hold) {}

  void write_headers(std::string_view session, std::string& headers) override {
    write_id_headers(life_.dialect, life_.record.id, headers);
    headers += "cache-control: no-store\r\n";
    write_degraded_header(life_.record.degraded, headers);
    if (!is_mcp_session(session)) return;
    const McpSessionOwner owner{route_.name, life_.caller};
    headers += "mcp-session-id: ";
    headers += seal_mcp_session(life_.pipeline.services_.pepper, owner, session);
    headers += "\r\n";
  }

  void settle(const McpForwarded& result) override {
    const Services& at = life_.pipeline.services_;
    Booking booking;
    booking.id = life_.record.id;
    booking.tenant = life_.caller.tenant;
    booking.user = life_.caller.subject;
    booking.key_id = life_.caller.credential_id;
    booking.route = route_.name;
    at.ledger.settle(hold_, charges_, Used{.never_left = result.status == 0}, booking,
                     at.clock.now(), at.clock.wall());
  }

 private:
  Life& life_;
  const config::Route& route_;
  const Charges& charges_;
  Hold& hold_;
};

Task<void> Pipeline::serve_mcp(Life& life) {
  const config::Route* route = route_of(*life.config, life.target, life.caller);
  CHECK(route != nullptr);  // One let the caller in.
  life.record.route = route->name;
  life.record.upstream = route->mcp->upstream.name;
  life.record.mcp_method = life.target.method;

  if (!authorization::allows(route->access, life.caller)) observe(life, "routes." + route->name);

  // What is asked, and may they ask it?
  McpTurn turn;
  BufferPool::Lease message = buffers_.lease();
  if (const Expected<void> sound = co_await read_mcp(life, *route, turn, *message); !sound) {
    co_return co_await refuse_request(life, sound.error());
  }
  // From here on the page, the session, the method and what it names are allowed.

  // Is there room for it?
  const Charges charges =
      mcp_charges(*life.config, *route, life.caller, life.record.client_ip, life.exchange.arena());
  Expected<Hold, Shortfall> hold = co_await this->hold(life, charges);
  life.record.degraded = services_.outages.now();
  if (!hold) {
    life.record.limits = hold.error().limits;
    co_return co_await refuse_request(life, hold.error().refusal);
  }
  // From here on it is held; serve_mcp_held settles it however it ends.
  co_await serve_mcp_held(life, *route, turn, *message, charges, *hold);
}

Task<Expected<void>> Pipeline::read_mcp(Life& life, const config::Route& route, McpTurn& turn,
                                        std::string& message) {
  const RequestHead& head = life.exchange.head();
  const config::Mcp& mcp = *route.mcp;
  Expected<void> sound =
      check_mcp_caller(head, mcp, is_on_loopback(*life.config, life.record.listener));
  if (!sound) co_return sound;
  turn.http_method = life.target.method;
  turn.asked.requests = mcp.server_requests;
  turn.credential = credential_of(mcp, life.caller.tenant);
  BufferPool::Lease written = buffers_.lease();
  if (turn.http_method == "POST") {
    const Expected<std::string_view> body = co_await life.exchange.read_body(life.body_max);
    if (!body) co_return std::unexpected(body.error());
    // A body may take its time, and a key may end meanwhile.
    if (services_.clock.now() - life.began > kIdentityFresh) {
      life.wall = services_.clock.wall();
      sound = co_await identify(life);
      if (!sound) co_return sound;
      if (!authorization::lets_in(route.access, life.target, life.caller)) {
        co_return std::unexpected(authorization::refuse_caller());
      }
    }
    sound = read_mcp_message(life, route, *body, turn, *written);
  } else {
    sound = open_mcp_stream(life, route, turn);
  }
  if (!sound) co_return sound;
  // Sessions are of the legacy revisions alone.
  const std::string_view sealed = head.header("mcp-session-id");
  if (turn.asked.era == dialects::McpEra::kLegacy && !sealed.empty()) {
    const McpSessionOwner owner{route.name, life.caller};
    const auto session = open_mcp_session(services_.pepper, owner, sealed);
    if (!session) co_return std::unexpected(no_session(mcp));
    turn.session = life.exchange.arena().copy(*session);
  }
  write_mcp_head(mcp.upstream.endpoints.front(), turn, head, life.record.id, written->size(),
                 message);
  message += *written;
  co_return Expected<void>();
}

Expected<void> Pipeline::read_mcp_message(Life& life, const config::Route& route,
                                          std::string_view body, McpTurn& turn,
                                          std::string& written) {
  Arena& arena = life.exchange.arena();
  const config::Mcp& mcp = *route.mcp;
  life.record.prompt_bytes = static_cast<Bytes>(body.size());
  const auto told = [&](dialects::McpRefusal& refused) {
    life.mcp.id = arena.copy(refused.id);
    life.mcp.code = refused.code;
    if (refused.code == dialects::kRpcUnsupportedVersion) life.mcp.data = kSupported;
    if (refused.refusal.rule == "mcp") refused.refusal.rule = mcp.rule;
    return std::unexpected(std::move(refused.refusal));
  };
  auto message = mcp_reader_.read(body, mcp_headers(life.exchange.head()));
  if (!message) return told(message.error());
  life.mcp.id = arena.copy(message->id);
  turn.asked.method = message->method;
  turn.asked.era = message->era;
  turn.asked.id = life.mcp.id;
  turn.kind = message->kind;
  turn.name = arena.copy(message->name());
  turn.version = arena.copy(message->version);
  life.record.mcp_method = message->method != nullptr ? message->method->name : "response";
  life.record.mcp_name = turn.name;
  if (message->kind == dialects::McpKind::kResponse && mcp.server_requests.bits == 0) {
    return refuse(Reason::kInvalidRequest, mcp.rule + ".server_requests",
                  "Nothing was asked of this client, so there is nothing to respond to.");
  }
  bool observed = false;
  const McpCallerSight sight(mcp, life.caller);
  if (auto may = check_mcp_names(*message, mcp, sight, observed); !may) return told(may.error());
  if (observed) observe(life, fmt::format("{}.{}", mcp.rule, dialects::name_of(message->item)));
  mcp_reader_.write(mcp.server_requests, written);
  return {};
}

// GET and DELETE have no body.
Expected<void> Pipeline::open_mcp_stream(Life& life, const config::Route& route, McpTurn& turn) {
  const dialects::McpHeaders headers = mcp_headers(life.exchange.head());
  const std::string_view version = headers.version.value_or("");
  const bool legacy = version.empty() || dialects::mcp_era_of(version) == dialects::McpEra::kLegacy;
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

Task<void> Pipeline::serve_mcp_held(Life& life, const config::Route& route, const McpTurn& turn,
                                    const std::string& message, const Charges& charges,
                                    Hold& hold) {
  Arena& arena = life.exchange.arena();
  life.record.limits = hold.limits;
  life.record.observed = joined(life.record.observed, hold.observed, arena);
  HeldMcpRequest held(life, route, charges, hold);

  // On record before the first byte goes upstream, or it does not go.
  bool recorded = append(life, audit::Phase::kDecision);
  life.decided = recorded;
  if (recorded && life.config->audit.survives == audit::Survives::kPowerLoss) {
    recorded = (co_await services_.trail.committed(life.record.id, services_.executor)).has_value();
  }
  if (!recorded) {
    held.settle(McpForwarded{});
    const Refusal refusal = unrecorded();
    co_return co_await refuse_request(life, refusal);
  }
  // From here on the decision is on record.

  McpCallerSight sight(*route.mcp, life.caller);
  const McpForwarder::Work work{life.exchange, *route.mcp, turn, message, sight, held, life.stop};
  const McpForwarded result = co_await mcp_forwarder_.forward(work);
  // From here on the server is done with it, one way or another, and it is settled.

  const audit::Attempt attempt{route.mcp->upstream.name, result.status, result.waited};
  life.record.attempts = joined(life.record.attempts, std::span(&attempt, 1), arena);
  life.record.first_byte = result.first_byte;
  life.record.mcp_failed = result.failed;
  life.record.mcp_withheld = result.withheld;
  life.upstream_time += result.waited;
  if (result.refusal) co_return co_await refuse_request(life, *result.refusal);
  if (!result.cut_code.empty()) life.record.code = result.cut_code;
  if (result.outcome != audit::Outcome::kAllowed) life.record.outcome = result.outcome;
  close_record(life);
}

}  // namespace tollgate::pipeline
