// One attempt, from its place at an endpoint to what that learns of it.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/at_work.h"
#include "pipeline/failure.h"
#include "pipeline/forward.h"
#include "pipeline/gone_watch.h"

namespace tollgate::pipeline {

namespace {

using attempts::Ending;

// Whether less was waited for than the upstream is given: that says little of how it is.
bool is_impatient(const Forwarder::Work& work, const Forwarded& result) {
  const bool was_sent = result.source != audit::UsageSource::kNone;
  return result.failure == attempts::Failure::kTimeout && result.status == 0 && was_sent &&
         work.first_byte && *work.first_byte < work.plan.upstream->timeout.first_byte;
}

Ending ending_for(const Forwarder::Work& work, const Forwarded& result) {
  if (result.status == 200 && !result.failure && result.outcome != audit::Outcome::kCut) {
    return Ending::kAnswered;
  }
  return is_impatient(work, result) ? Ending::kSilent : ending_of(result.failure, result.status);
}

// The endpoint may not be asked now after all: nothing was sent, and nothing is paid.
void refuse_unavailable(const Forwarder::Work& work, Instant now, Forwarded& result) {
  const Instant from = work.at.available_from(tokens_held(work.plan), now);
  result.refusal = unavailable(*work.plan.upstream, from - now);
  result.failure = attempts::Failure::kOverloaded;
  result.unsent = true;
}

// Whether it took on more than it can.
bool is_too_much(const Forwarder::Work& work, const Forwarded& result) {
  return result.failure == attempts::Failure::kOverloaded ||
         (result.failure == attempts::Failure::kTimeout && !is_impatient(work, result));
}

// Where no head of an answer came, nothing is known of what it can do.
LoadSample sample_of(const Forwarder::Work& work, const Forwarded& result) {
  if (is_too_much(work, result)) return LoadSample::kOverloaded;
  return result.status != 0 ? LoadSample::kAnswered : LoadSample::kNothing;
}

void refuse_full(const Forwarder::Work& work, const Waiting& waiting, Forwarded& result) {
  if (work.exchange.caller_gone()) return cut_by_caller(result);
  result.unsent = result.full = true;
  if (work.stop.asked()) {
    result.refusal = revoked();
    return;
  }
  result.refusal = full(*work.plan.upstream, waiting);
  result.failure = attempts::Failure::kOverloaded;
}

}  // namespace

Tokens tokens_held(const Plan& plan) {
  return std::min(plan.input.held() + plan.output_cap_total, kTokensMax);
}

Refusal unavailable(const config::Upstream& upstream, Duration wait) {
  Refusal refusal;
  refusal.reason = Reason::kOverloaded;
  refusal.rule = fmt::format("upstreams.{}.circuit_breaker", upstream.name);
  refusal.message =
      "The model server is left alone for a moment: it failed, or asked for it. Try again shortly.";
  refusal.retry_after = std::max<Duration>(wait, std::chrono::seconds(1));
  return refusal;
}

Task<void> Forwarder::attempt(const Work& work, Forwarded& result) {
  const Instant began = clock_.now();
  UpstreamRequest request;
  request.upstream = work.plan.upstream;
  request.endpoint = work.plan.upstream->endpoint_at(work.place);
  request.message = work.message;
  request.first_byte = work.first_byte;
  request.awaits_body = true;
  Waiting waiting;
  CallHandle call;
  if (waits_in_turn(*work.plan.upstream)) {
    waiting = waiting_for(work.plan, work.tenant, work.weight, work.exchange, began);
    bound_wait(waiting, work.stop, work.deadline);
    call = co_await upstreams_.open_in_turn(request, waiting);
  } else {
    call = upstreams_.open(request);
  }
  const Instant placed = waiting.waited ? clock_.now() : began;
  result.queued = placed - began;
  if (!call) co_return refuse_full(work, waiting, result);
  // How the endpoint is may have changed while it waited.
  AtWork at_work(work.at, *work.plan.upstream, tokens_held(work.plan), placed);
  if (!at_work.began()) {
    if (waiting.waited) {
      upstreams_.ended(*work.plan.upstream, waiting, 0, LoadSample::kNothing);
    }
    co_return refuse_unavailable(work, placed, result);
  }
  const GoneWatch watch(work.exchange, work.stop, *call);
  const FaultOr<void> sent = co_await upstreams_.send(*call);
  result.first_byte = clock_.now() - placed;
  if (sent) {
    result.status = call->status();
    if (result.status == 200) at_work.answers(clock_.now());
    result.told_wait = learn_rates(work.at, *work.plan.upstream, *call, clock_);
    co_await relay_reply(work, *call, result);
    if (result.waited == Duration{}) result.waited = clock_.now() - placed;
  } else {
    result.waited = result.first_byte;
    // Once sent it may be at work upstream, and nobody will say what it made.
    const bool has_begun = work.delivery == dialects::Delivery::kStreamed && call->status() == 200;
    if (has_begun && sent.error().kind != FaultKind::kTimeout) {
      bill_begun(work, result);
    } else if (call->sent()) {
      bill_held(work, result);
    }
    if (work.exchange.caller_gone()) {
      cut_by_caller(result);
    } else {
      fail(work, sent.error(), result);
    }
  }
  at_work.judge(ending_for(work, result), clock_.now());
  if (waits_in_turn(*work.plan.upstream)) {
    const Tokens used = std::min(result.usage.input + result.usage.output, waiting.tokens);
    upstreams_.ended(*work.plan.upstream, waiting, used, sample_of(work, result));
  }
}

Task<void> Forwarder::relay_reply(const Work& work, UpstreamCall& call, Forwarded& result) {
  if (result.status != 200) {
    co_await relay_error(work, call, result);
  } else if (work.plan.route->surface == dialects::Surface::kSpeech) {
    const std::optional<Fault> broken = co_await relay_sound(work, call, result);
    if (broken && work.exchange.caller_gone()) {
      cut_by_caller(result);
    } else if (broken) {
      fail(work, *broken, result);
    }
  } else {
    co_await relay_answer(work, call, result);
  }
}

}  // namespace tollgate::pipeline
