// A request about a response or a conversation that its provider keeps, from the door to the
// record: it costs what a request costs, and nothing by tokens.
#include <fmt/format.h>

#include "dialects/error_reply.h"
#include "dialects/reply.h"
#include "pipeline/at_work.h"
#include "pipeline/failure.h"
#include "pipeline/gone_watch.h"
#include "pipeline/held_request.h"
#include "pipeline/kept_response.h"
#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/refusals.h"
#include "pipeline/replies.h"
#include "pipeline/upstream_head.h"

namespace tollgate::pipeline {

namespace {

constexpr Bytes kBodyBytesMax = 4 << 10;  // Of one of which nothing is read.
constexpr Bytes kErrorBytesMax = 64 << 10;

Fault no_room_for_copy() { return {FaultKind::kNoRoom, "no room for a copy of the answer"}; }

Refusal refusal_of_fault(const Plan& plan, const Fault& fault) {
  Refusal refusal;
  if (fault.kind == FaultKind::kNoRoom) return no_room(overload::Lack::kMemory);
  refusal.rule = fmt::format("upstreams.{}", plan.upstream->name);
  const bool is_late = fault.kind == FaultKind::kTimeout;
  refusal.reason = is_late ? Reason::kUpstreamTimeout : Reason::kUpstreamError;
  refusal.message = is_late ? "The model server did not answer in time."
                            : "The model server could not be reached, or its answer ended early.";
  return refusal;
}

// In words of ours: what the provider says may be of its account.
Refusal refusal_of_status(const Plan& plan, int status) {
  Refusal refusal;
  refusal.rule = fmt::format("upstreams.{}", plan.upstream->name);
  if (status == 404) {
    refusal.reason = Reason::kNotFound;
    refusal.message = plan.kept.is_conversation
                          ? "The provider keeps no conversation or item of this id any more."
                          : "The provider keeps no response of this id any more.";
  } else if (status == 400 || status == 409 || status == 422) {
    refusal.reason = Reason::kInvalidRequest;
    refusal.message = fmt::format("The provider refuses this of this {}, with status {}.",
                                  plan.kept.is_conversation ? "conversation" : "response", status);
  } else if (is_refused_for_load(status)) {
    refusal.reason = Reason::kOverloaded;
    refusal.message = "The model server is overloaded. Try again shortly.";
    refusal.retry_after = std::chrono::seconds(1);
  } else {
    refusal.reason = Reason::kUpstreamError;
    refusal.message = fmt::format("The model server answered with status {}.", status);
  }
  return refusal;
}

// The one code of a provider's that tells its clients what to do: to ask again.
constexpr std::string_view kLocked = "conversation_locked";

bool is_locked(const Plan& plan, std::string_view body) {
  if (!plan.kept.is_conversation) return false;
  const std::optional<dialects::UpstreamError> error = dialects::read_error(body);
  return error && error->code == kLocked;
}

void write_locked(dialects::Dialect dialect, std::string_view id, std::string& out) {
  dialects::RefusalWords words;
  words.type = "invalid_request_error";
  words.code = kLocked;
  words.message =
      "The provider is at work on this conversation for another request. Try again shortly.";
  words.request_id = id;
  dialects::write_refusal(dialect, words, out);
}

struct KeptMessage {
  const Plan& plan;
  const KeptAsk& ask;
  std::string_view query;
  std::string_view body;
  int place;
  std::string_view id;  // Of the request.
};

// What the provider is asked by, behind the path of its API.
std::string path_of(const KeptMessage& message, std::string_view& method) {
  const std::string_view id = message.plan.kept.previous;
  method = "GET";
  switch (message.ask.action) {
    case KeptAction::kNothing:
    case KeptAction::kRetrieve:
      return fmt::format("/responses/{}", id);
    case KeptAction::kDelete:
      method = "DELETE";
      return fmt::format("/responses/{}", id);
    case KeptAction::kCancel:
      method = "POST";
      return fmt::format("/responses/{}/cancel", id);
    case KeptAction::kInputItems:
      return fmt::format("/responses/{}/input_items", id);
    case KeptAction::kCreateConversation:
      method = "POST";
      return "/conversations";
    case KeptAction::kRetrieveConversation:
      return fmt::format("/conversations/{}", id);
    case KeptAction::kUpdateConversation:
      method = "POST";
      return fmt::format("/conversations/{}", id);
    case KeptAction::kDeleteConversation:
      method = "DELETE";
      return fmt::format("/conversations/{}", id);
    case KeptAction::kCreateItems:
      method = "POST";
      return fmt::format("/conversations/{}/items", id);
    case KeptAction::kListItems:
      return fmt::format("/conversations/{}/items", id);
    case KeptAction::kRetrieveItem:
      return fmt::format("/conversations/{}/items/{}", id, message.ask.item);
    case KeptAction::kDeleteItem:
      method = "DELETE";
      return fmt::format("/conversations/{}/items/{}", id, message.ask.item);
  }
  return {};
}

std::string write_kept_message(const KeptMessage& message) {
  const config::Upstream& upstream = *message.plan.upstream;
  std::string_view method;
  const std::string path = path_of(message, method) + std::string(message.query);
  std::string out;
  begin_upstream_head(upstream, message.place, path, out, method);
  out += "\r\nAccept: application/json";
  end_upstream_head(message.id, message.body.size(), out);
  out += message.body;
  return out;
}

}  // namespace

void Pipeline::name_kept(Life& life) {
  const KeptAsk ask = kept_ask_of(*life.config, life.target);
  if (ask.action == KeptAction::kNothing) return;
  life.kept = ask;
  // Whoever may ask the model here may ask for what it answered.
  life.target.path = ask.door;
  life.target.method = "POST";
}

Task<void> Pipeline::serve_kept(Life& life) {
  Arena& arena = life.exchange.arena();
  const KeptAsk& ask = life.kept;
  life.record.surface = name_of(ask.action);
  const Bytes body_max = brings_texts(ask.action) ? life.body_max : kBodyBytesMax;
  const Expected<std::string_view> body = co_await life.exchange.read_body(body_max);
  if (!body) co_return co_await refuse_request(life, body.error());
  if (const Expected<void> again = co_await identify_again(life); !again) {
    co_return co_await refuse_request(life, again.error());
  }

  // Whose is it?
  const Facts facts{.config = *life.config,
                    .target = life.target,
                    .caller = life.caller,
                    .client_ip = life.record.client_ip,
                    .request = life.request,
                    .pepper = &services_.pepper};
  Expected<Plan> plan = find_kept(facts, ask, arena);
  if (!plan) co_return co_await refuse_request(life, plan.error());
  life.record.route = plan->route->name;
  life.record.model_asked = life.record.model_served = plan->model->name;
  life.record.upstream = plan->upstream->name;
  const Expected<std::string> query = kept_query(ask.action, life.exchange.head().target);
  if (!query) co_return co_await refuse_request(life, query.error());
  std::string written;
  if (brings_texts(ask.action)) {
    if (const Expected<void> kept = decide_kept_body(life, ask, *plan, *body, written); !kept) {
      co_return co_await refuse_request(life, kept.error());
    }
  } else if (!authorization::allows(plan->route->access, life.caller)) {
    observe(life, "routes." + plan->route->name);
  }
  if (const Expected<void> open =
          hold_to_answers(life, plan->route->name, plan->model->name, plan->charges);
      !open) {
    co_return co_await refuse_request(life, open.error());
  }
  choose_place(life, *plan);
  if (life.place < 0) co_return co_await refuse_request(life, unavailable_now(life, *plan));
  // From here on it is the caller's own, and there is somebody to ask.

  Expected<Hold, Shortfall> hold = co_await this->hold(life, plan->charges);
  life.record.degraded = services_.outages.now();
  if (!hold) {
    life.record.limits = hold.error().limits;
    life.record.budgets = hold.error().budgets;
    co_return co_await refuse_request(life, hold.error().refusal);
  }
  // From here on it is held; serve_kept_held settles it however it ends.
  const std::string message =
      write_kept_message({*plan, ask, *query, written, life.place, life.record.id});
  co_await serve_kept_held(life, facts, *plan, message, *hold);
}

Task<void> Pipeline::serve_kept_held(Life& life, const Facts& facts, const Plan& plan,
                                     const std::string& message, Hold& hold) {
  Arena& arena = life.exchange.arena();
  life.record.limits = hold.limits;
  life.record.budgets = hold.budgets;
  life.record.observed = joined(life.record.observed, hold.observed, arena);
  const Booking booking = booking_of(life.record, life.caller, plan);
  if (!co_await put_on_record(life, plan, hold, booking)) co_return;
  // From here on the decision is on record.

  KeptReply reply(services_.buffered);
  co_await fetch_kept(life, plan, message, reply);
  Used used;
  used.never_left = !reply.sent;
  services_.ledger.settle(hold, plan.charges, used, booking, services_.clock.now(),
                          services_.clock.wall());
  // From here on the provider is done with it, one way or another, and it is settled.

  if (!reply.unsent) {
    const audit::Attempt attempt{plan.upstream->name, reply.status, reply.waited};
    life.record.attempts = joined(life.record.attempts, std::span(&attempt, 1), arena);
  }
  life.record.queued = reply.queued;
  life.upstream_time += reply.waited + reply.queued;
  BufferPool::Lease told = buffers_.lease();
  if (reply.is_locked) {
    life.record.code = "upstream_rejected";
    write_locked(life.dialect, life.record.id, *told);
  } else if (!reply.refusal && !reply.is_gone) {
    AnswerVerdict verdict;
    const KeptAnswer answer{facts, plan, life.kept.action, scanner_, life.config->content_rules};
    const Expected<void> passed = read_kept(answer, reply.body, verdict, *told);
    if (!passed) {
      reply.refusal = passed.error();
    } else if (!reply.kept_bytes.keep(std::ssize(reply.body) + std::ssize(*told),
                                      overload::BufferedBytes::For::kAnswer)) {
      reply.refusal = refusal_of_fault(plan, no_room_for_copy());
    }
    tell_kept(life, verdict);
  }
  if (reply.refusal) co_return co_await refuse_request(life, *reply.refusal);
  BufferPool::Lease headers = buffers_.lease();
  write_id_headers(life.dialect, life.record.id, *headers);
  write_limit_headers(life.dialect, life.record.limits, life.wall, *headers);
  ReplyHead head;
  head.headers = *headers;
  if (reply.is_locked) head.status = reply.status;
  const bool is_gone = reply.is_gone || !co_await life.exchange.reply(head, *told);
  if (is_gone) {
    life.record.outcome = audit::Outcome::kCut;
    life.record.code = "caller_gone";
  }
  close_record(life);
}

void Pipeline::tell_kept(Life& life, const AnswerVerdict& verdict) {
  Arena& arena = life.exchange.arena();
  const auto found = arena.make<audit::ContentFinding>(verdict.found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const AnswerFinding& one = verdict.found[i];
    found[i] = {one.rule, arena.copy(one.where), one.action};
  }
  life.record.content_after = joined(life.record.content_after, found, arena);
}

// How the endpoint failed; nothing: it did not.
Task<std::optional<attempts::Failure>> Pipeline::read_kept_reply(Life& life, const Plan& plan,
                                                                 UpstreamCall& call,
                                                                 KeptReply& reply) {
  const GoneWatch watch(life.exchange, life.stop, call);
  const Instant began = services_.clock.now();
  const FaultOr<void> sent = co_await services_.upstreams.send(call);
  life.record.first_byte = services_.clock.now() - began;
  reply.sent = call.sent();
  std::optional<Fault> broken;
  std::optional<attempts::Failure> failure;
  if (sent) {
    reply.status = call.status();
    const bool is_answer = reply.status == 200;
    const FaultOr<std::string_view> body =
        co_await call.read_whole(is_answer ? life.config->edge.reply_bytes_max : kErrorBytesMax);
    if (!is_answer) {
      failure = failure_of_status(reply.status);
      const bool is_callers = reply.status == 400 || reply.status == 409;
      reply.is_locked = is_callers && body && is_locked(plan, *body);
      if (!reply.is_locked) reply.refusal = refusal_of_status(plan, reply.status);
    } else if (!body) {
      broken = body.error();
    } else if (reply.kept_bytes.keep(std::ssize(*body), overload::BufferedBytes::For::kAnswer)) {
      reply.body = *body;
    } else {
      broken = no_room_for_copy();
    }
  } else {
    broken = sent.error();
  }
  reply.waited = services_.clock.now() - began;
  reply.is_gone = life.exchange.caller_gone();
  if (!broken || reply.is_gone) co_return failure;
  if (life.stop.asked()) {
    reply.refusal = pipeline::revoked();
    co_return std::nullopt;
  }
  reply.refusal = refusal_of_fault(plan, *broken);
  co_return failure_of(life.stop, *broken);
}

// An attempt like any other: in turn, at a place, and with a word on the endpoint.
Task<void> Pipeline::fetch_kept(Life& life, const Plan& plan, const std::string& message,
                                KeptReply& reply) {
  const config::Upstream& upstream = *plan.upstream;
  const Clock& clock = services_.clock;
  attempts::Endpoint& at =
      *places_.of(*life.config, *plan.model)[static_cast<std::size_t>(life.place)];
  const UpstreamRequest request{&upstream, upstream.endpoint_at(life.place), message, std::nullopt};
  const Instant began = clock.now();
  Waiting waiting;
  CallHandle call;
  if (waits_in_turn(upstream)) {
    const double weight = weight_of(*life.config, life.caller, *plan.route);
    waiting = waiting_for(plan, life.caller.tenant, weight, life.exchange, began);
    bound_wait(waiting, life.stop, life.deadline);
    call = co_await services_.upstreams.open_in_turn(request, waiting);
  } else {
    call = services_.upstreams.open(request);
  }
  const Instant placed = waiting.waited ? clock.now() : began;
  reply.queued = placed - began;
  reply.unsent = true;
  if (!call) {
    reply.is_gone = life.exchange.caller_gone();
    if (reply.is_gone) co_return;
    reply.refusal = life.stop.asked() ? pipeline::revoked() : full(upstream, waiting);
    co_return;
  }
  const Tokens tokens = tokens_held(plan);
  AtWork at_work(at, upstream, tokens, placed);
  if (!at_work.began()) {
    if (waiting.waited) services_.upstreams.ended(upstream, waiting, 0, LoadSample::kNothing);
    reply.refusal = unavailable(upstream, at.available_from(tokens, placed) - placed);
    co_return;
  }
  reply.unsent = false;
  const std::optional<attempts::Failure> failure =
      co_await read_kept_reply(life, plan, *call, reply);
  if (reply.status != 0) {
    const std::optional<Duration> wait = learn_rates(at, upstream, *call, clock);
    if (reply.refusal && wait) reply.refusal->retry_after = *wait;
  }
  const bool is_answer = reply.status == 200 && !failure;
  at_work.judge(is_answer ? attempts::Ending::kAnswered : ending_of(failure, reply.status),
                clock.now());
  if (waits_in_turn(upstream)) {
    const bool is_too_much = failure && *failure != attempts::Failure::kError;
    const LoadSample answered = reply.status != 0 ? LoadSample::kAnswered : LoadSample::kNothing;
    services_.upstreams.ended(upstream, waiting, 0,
                              is_too_much ? LoadSample::kOverloaded : answered);
  }
}

}  // namespace tollgate::pipeline
