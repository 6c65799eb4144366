// A request to an endpoint behind which several MCP servers stand: to the one that it names, or to
// all of them at once, or answered by the gateway itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>

#include "dialects/mcp_server_id.h"
#include "pipeline/mcp.h"
#include "pipeline/mcp_event.h"
#include "pipeline/mcp_inspect.h"
#include "pipeline/mcp_life.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"

namespace tollgate::pipeline {

using dialects::McpEra;
using dialects::McpKind;

namespace {

constexpr std::string_view kSessionsLabel = "tollgate mcp sessions";
constexpr std::string_view kNotInSession = "it could not be asked when the session began";

// Which of several servers a message is for, and what of it that server knows otherwise.
struct Addressed {
  const config::Mcp* server = nullptr;  // Null: none.
  std::string name;
  std::string id;              // Of a response, as JSON.
  std::string progress_token;  // That a notification is about, as JSON.
};

Addressed address(const config::Mcp& endpoint, const dialects::McpMessage& asked) {
  Addressed made;
  const bool responds = asked.kind == McpKind::kResponse;
  if (responds || asked.method->name == "notifications/progress") {
    auto id = dialects::read_mcp_server_id(responds ? asked.answers : asked.progress_of);
    if (!id) return made;
    made.server = mcp_server_named(endpoint, id->server);
    (responds ? made.id : made.progress_token) = std::move(id->json);
  } else if (const auto place = mcp_place_of(endpoint, asked.item, asked.name())) {
    made.server = place->server;
    made.name = place->name;
  }
  return made;
}

Refusal not_in_session(const config::Mcp& server) {
  return refuse(Reason::kUpstreamError, server.rule,
                fmt::format("The MCP server `{}` could not be asked when this session began. Start "
                            "a new one to use it.",
                            server.name))
      .error();
}

// How servers answer a revision that they do not know.
bool speaks_not(const McpErrand& errand) { return errand.status == 400 || errand.status == 404; }

bool is_initialize(const dialects::McpMethod* method) {
  return method != nullptr && method->name == "initialize";
}

bool is_absent(const McpErrand& errand) { return errand.absent.has_value(); }

// The sessions that were opened, as one text. One that it cannot hold is as good as none.
std::string keep_sessions(McpCrowd& crowd) {
  for (const McpErrand& errand : crowd.errands) {
    if (errand.absent || !errand.opening) continue;
    if (!errand.session.empty() && !is_mcp_session(errand.session, errand.turn.credential))
      continue;
    crowd.sessions.push_back({errand.server->name, errand.opening->capabilities,
                              errand.opening->version, errand.session});
  }
  std::string text = write_mcp_sessions(crowd.sessions);
  for (McpErrand& errand : crowd.errands) {
    const bool kept =
        std::ranges::count(crowd.sessions, errand.server->name, &McpServerSession::server) != 0;
    if (!errand.absent && !kept) {
      errand.absent = Fault{FaultKind::kBroken, "the id of its session is of no use"};
    }
  }
  return text;
}

// Why no server said anything.
Refusal refuse_absent(const config::Mcp& endpoint, const McpCrowd& crowd, McpError& error) {
  if (crowd.errands.empty()) {
    return refuse(Reason::kRouteNotAllowed, endpoint.rule,
                  "No MCP server behind this endpoint has a credential for this user. The operator "
                  "can add one.")
        .error();
  }
  const bool modern = crowd.turn.asked.era == McpEra::kModern;
  if (modern && std::ranges::all_of(crowd.errands, speaks_not)) {
    error.code = dialects::kRpcUnsupportedVersion;
    error.data = R"(,"supported":["2025-11-25"])";
    return refuse(Reason::kUnsupportedParameter, endpoint.rule,
                  "No MCP server behind this endpoint speaks 2026-07-28.", "MCP-Protocol-Version")
        .error();
  }
  Refusal refusal = refuse(Reason::kUpstreamError, endpoint.rule,
                           "None of the MCP servers behind this endpoint could be asked.")
                        .error();
  refusal.recorded = refusal.message;
  for (const McpErrand& errand : crowd.errands) {
    refusal.recorded += fmt::format(" {}: {}.", errand.server->name, errand.absent->message);
  }
  return refusal;
}

}  // namespace

Task<Expected<void>> Pipeline::read_mcp_crowd(Life& life, const config::Route& route,
                                              McpCrowd& crowd, std::string& message) {
  const config::Mcp& endpoint = *route.mcp;
  McpTurn& turn = crowd.turn;
  if (turn.http_method != "POST") {
    Expected<void> sound = open_mcp_stream(life, route, turn);
    if (sound) sound = open_mcp_crowd(life, route, crowd);
    if (sound && turn.http_method == "GET") {
      co_return resume_mcp_crowd(life, route, crowd, message);
    }
    if (sound) send_to_all(life, route, crowd);
    co_return sound;
  }
  const Expected<std::string_view> body = co_await read_mcp_body(life, route);
  if (!body) co_return std::unexpected(body.error());
  const Expected<dialects::McpMessage> asked = understand_mcp(life, endpoint, *body, turn);
  if (!asked) co_return std::unexpected(asked.error());
  const McpRouted routed = mcp_routed(asked->method);
  if (routed == McpRouted::kNot) {
    life.mcp.code = dialects::kRpcMethodNotFound;
    const bool modern = turn.asked.era == McpEra::kModern;
    co_return refuse(modern ? Reason::kNotFound : Reason::kUnsupportedParameter, endpoint.rule,
                     fmt::format("The method `{}` is not served where several servers stand behind "
                                 "one endpoint.",
                                 asked->method->name),
                     "method");
  }
  if (asked->has_cursor) {
    life.mcp.code = dialects::kRpcInvalidParams;
    co_return refuse(Reason::kInvalidRequest, endpoint.rule,
                     "This list has one page: leave `params.cursor` out.", "params.cursor");
  }
  if (turn.asked.era == McpEra::kLegacy && !is_initialize(asked->method)) {
    if (Expected<void> known = open_mcp_crowd(life, route, crowd); !known) co_return known;
  }
  if (routed == McpRouted::kOne) {
    BufferPool::Lease written = buffers_.lease();
    Expected<void> sound = send_to_one(life, route, *asked, crowd, *written);
    if (!sound) co_return sound;
    write_mcp_head(crowd.server->upstream.endpoints.front(), turn, life.exchange.head(),
                   life.record.id, written->size(), message);
    message += *written;
    co_return sound;
  }
  Expected<void> sound = inspect_mcp(life, route);
  if (sound && routed == McpRouted::kAll) send_to_all(life, route, crowd);
  co_return sound;
}

Expected<void> Pipeline::open_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd) {
  const std::string_view sealed = life.exchange.head().header("mcp-session-id");
  if (sealed.empty()) {
    return refuse(Reason::kInvalidRequest, route.mcp->rule,
                  "Mcp-Session-Id is missing: a session begins with `initialize`.",
                  "Mcp-Session-Id");
  }
  const McpSessionOwner owner{route.name, life.caller};
  const auto text = open_mcp(services_.pepper, kSessionsLabel, owner, sealed, kMcpSessionsBytesMax);
  auto sessions = text ? read_mcp_sessions(*text) : std::nullopt;
  if (!sessions) return std::unexpected(no_mcp_session(*route.mcp));
  crowd.sessions = std::move(*sessions);
  return {};
}

Expected<void> Pipeline::send_to_one(Life& life, const config::Route& route,
                                     const dialects::McpMessage& asked, McpCrowd& crowd,
                                     std::string& written) {
  const config::Mcp& endpoint = *route.mcp;
  const Addressed to = address(endpoint, asked);
  if (to.server == nullptr && asked.item != dialects::McpItem::kNone) {
    auto unknown = refuse_mcp_name(endpoint.rule + ".servers", asked.item, asked.id);
    return std::unexpected(tell_mcp_refusal(life, unknown));
  }
  if (to.server == nullptr) {
    return refuse(Reason::kInvalidRequest, endpoint.rule,
                  "This is about nothing that a server of this endpoint asked.");
  }
  const config::Mcp& server = *to.server;
  Arena& arena = life.exchange.arena();
  McpTurn& turn = crowd.turn;
  const std::array<std::string_view, 1> names{arena.copy(to.name)};
  dialects::McpMessage there = asked;
  if (!to.name.empty()) there.names = names;
  if (Expected<void> may = check_mcp_message(life, route, server, there); !may) return may;
  if (Expected<void> known = turn_to(life, server, crowd); !known) return known;
  turn.name = names.front();
  turn.asked.progress_token = arena.copy(asked.progress_token);
  const bool renames = asked.item != dialects::McpItem::kResource;
  mcp_reader_.write(server.server_requests, written,
                    {.name = renames ? std::string_view(to.name) : std::string_view(),
                     .id = to.id,
                     .progress_token = to.progress_token});
  return {};
}

// A stream of one server goes on; a new one would have to be of all of them.
Expected<void> Pipeline::resume_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                                          std::string& message) {
  const std::string_view sealed = life.exchange.head().header("last-event-id");
  if (sealed.empty()) {
    life.mcp.status = 405;
    return refuse(Reason::kNotFound, route.mcp->rule,
                  "Where several servers stand behind one endpoint there is no stream by GET.");
  }
  const auto event = open_mcp_event(services_.pepper, {route.name, life.caller}, sealed);
  const config::Mcp* server = event ? mcp_server_named(*route.mcp, event->server) : nullptr;
  McpTurn& turn = crowd.turn;
  if (server != nullptr) {
    if (Expected<void> known = turn_to(life, *server, crowd); !known) return known;
  }
  if (Expected<void> sound = resume_mcp(life, route, turn); !sound) return sound;
  write_mcp_head(crowd.server->upstream.endpoints.front(), turn, life.exchange.head(),
                 life.record.id, 0, message);
  return {};
}

// What one server is shown and told besides the message.
Expected<void> Pipeline::turn_to(Life& life, const config::Mcp& server, McpCrowd& crowd) {
  const Expected<std::string_view> credential = mcp_credential(server, life.caller);
  if (!credential) return std::unexpected(credential.error());
  Arena& arena = life.exchange.arena();
  McpTurn& turn = crowd.turn;
  if (turn.asked.era == McpEra::kLegacy) {
    const auto session = std::ranges::find(crowd.sessions, server.name, &McpServerSession::server);
    if (session == crowd.sessions.end()) return std::unexpected(not_in_session(server));
    turn.session = arena.copy(session->id);
    turn.version = arena.copy(session->version);
  }
  crowd.server = &server;
  life.record.upstream = server.upstream.name;
  turn.credential = *credential;
  turn.asked.requests = server.server_requests;
  turn.asked.server = server.name;
  return {};
}

void Pipeline::send_to_all(Life& life, const config::Route& route, McpCrowd& crowd) {
  Arena& arena = life.exchange.arena();
  const McpTurn& turn = crowd.turn;
  const dialects::McpMethod* method = turn.asked.method;
  const bool in_session = turn.asked.era == McpEra::kLegacy && !is_initialize(method);
  for (const config::Mcp& server : route.mcp->servers) {
    // Whoever a server does not know sees nothing of it.
    const Expected<std::string_view> credential = mcp_credential(server, life.caller);
    if (!credential) continue;
    McpErrand errand;
    errand.server = &server;
    errand.turn = turn;
    errand.turn.credential = *credential;
    errand.turn.asked.requests = server.server_requests;
    errand.turn.asked.server = server.name;
    errand.sight = std::make_unique<McpCallerSight>(server, life.caller);
    if (in_session) {
      const auto session =
          std::ranges::find(crowd.sessions, server.name, &McpServerSession::server);
      if (session == crowd.sessions.end()) {
        errand.absent = Fault{FaultKind::kUnreachable, std::string(kNotInSession)};
      } else if (!mcp_capable(session->capabilities, method)) {
        continue;
      } else {
        errand.turn.session = arena.copy(session->id);
        errand.turn.version = arena.copy(session->version);
      }
    }
    if (method != nullptr && !method->lists.empty()) {
      errand.sight->lists_anew();
      mcp_reader_.write_params(server.server_requests, errand.body);
    } else if (turn.http_method == "POST") {
      mcp_reader_.write(server.server_requests, errand.body);
    }
    crowd.errands.push_back(std::move(errand));
  }
}

Task<void> Pipeline::serve_mcp_crowd(Life& life, const config::Route& route, McpCrowd& crowd,
                                     const Charges& charges, Hold& hold) {
  Arena& arena = life.exchange.arena();
  if (!co_await record_mcp(life, hold, {})) {
    settle_mcp(life, route, charges, hold, true);
    const Refusal refusal = unrecorded();
    co_return co_await refuse_request(life, refusal);
  }
  // From here on the decision is on record.

  McpInspection inspection(route, scanner_, life.config->content_rules, McpInspection::Of::kAnswer);
  if (McpInspection::inspects(route, McpInspection::Of::kAnswer)) {
    for (McpErrand& errand : crowd.errands) errand.sight->read_texts(inspection);
  }
  const McpFanout::Work work{life.exchange, life.stop, life.record.id, crowd.errands};
  co_await mcp_fanout_.ask(work);
  // From here on the servers are done with it, one way or another.

  BufferPool::Lease headers = buffers_.lease();
  BufferPool::Lease body = buffers_.lease();
  write_mcp_headers(life, *headers);
  std::optional<Refusal> refusal = answer_mcp_crowd(life, route, crowd, *headers, *body);
  const bool never_left = std::ranges::none_of(
      crowd.errands, [](const McpErrand& errand) { return errand.status != 0; });
  settle_mcp(life, route, charges, hold, never_left && !crowd.errands.empty());
  life.record.content_after = inspection.told(arena);
  if (inspection.verdict().inspected == Inspected::kObserved) observe(life, rule_of(route));
  tell_of_mcp_crowd(life, crowd);
  if (life.exchange.caller_gone()) {
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
    co_return close_record(life);
  }
  if (refusal) co_return co_await refuse_request(life, *refusal);
  ReplyHead head;
  const bool asks = crowd.turn.kind == McpKind::kRequest;
  head.status = asks || crowd.turn.http_method == "DELETE" ? 200 : 202;
  if (body->empty()) head.content_type = {};
  head.headers = *headers;
  if (!co_await life.exchange.reply(head, *body)) {
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
  }
  close_record(life);
}

// Each server that was asked, and those that the answer is without.
void Pipeline::tell_of_mcp_crowd(Life& life, const McpCrowd& crowd) {
  Arena& arena = life.exchange.arena();
  const auto attempts = arena.make<audit::Attempt>(crowd.errands.size());
  const auto absent = arena.make<std::string_view>(crowd.errands.size());
  std::size_t missing = 0;
  Duration waited{};
  for (std::size_t i = 0; i < crowd.errands.size(); ++i) {
    const McpErrand& errand = crowd.errands[i];
    attempts[i] = {errand.server->upstream.name, errand.status, errand.waited};
    if (errand.absent) absent[missing++] = errand.server->name;
    life.record.mcp_withheld += errand.withheld;
    waited = std::max(waited, errand.waited);
  }
  life.record.attempts = joined(life.record.attempts, attempts, arena);
  life.record.mcp_absent = absent.first(missing);
  life.upstream_time += waited;
}

// What the caller gets, or why nothing.
std::optional<Refusal> Pipeline::answer_mcp_crowd(Life& life, const config::Route& route,
                                                  McpCrowd& crowd, std::string& headers,
                                                  std::string& body) {
  const config::Mcp& endpoint = *route.mcp;
  const dialects::McpAsked& asked = crowd.turn.asked;
  if (life.stop.asked()) return tollgate::pipeline::revoked();
  if (crowd.turn.http_method == "DELETE")
    return std::nullopt;  // A session is over when it says so.
  if (std::ranges::any_of(crowd.errands, &McpErrand::is_over)) return no_mcp_session(endpoint);
  const bool begins = is_initialize(asked.method);
  const std::string sessions = begins ? keep_sessions(crowd) : std::string();
  std::string version(dialects::kMcpNewestLegacy);
  std::string entries;
  std::uint8_t capabilities = 0;
  for (const McpErrand& errand : crowd.errands) {
    if (errand.absent) continue;
    entries += errand.entries;
    if (!errand.opening) continue;
    capabilities = static_cast<std::uint8_t>(capabilities | errand.opening->capabilities);
    if (begins) version = std::min(version, errand.opening->version);
  }
  if (std::ranges::all_of(crowd.errands, is_absent) && (begins || !crowd.errands.empty())) {
    return refuse_absent(endpoint, crowd, life.mcp);
  }
  if (begins) {
    headers += "mcp-session-id: ";
    headers += seal_mcp(services_.pepper, kSessionsLabel, {route.name, life.caller}, sessions);
    headers += "\r\n";
    write_mcp_initialized(asked.id, version, capabilities, body);
  } else if (asked.method == nullptr || asked.method->notification) {
    // Nobody waits for words.
  } else if (asked.method->name == "server/discover") {
    write_mcp_discovered(asked.id, capabilities, body);
  } else if (!asked.method->lists.empty()) {
    write_mcp_list(asked.id, *asked.method, asked.era, entries, body);
  } else {
    write_mcp_done(asked.id, body);
  }
  return std::nullopt;
}

}  // namespace tollgate::pipeline
