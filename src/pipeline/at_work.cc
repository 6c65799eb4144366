#include "pipeline/at_work.h"

#include <fmt/format.h>

#include <algorithm>

#include "dialects/rate_headers.h"
#include "pipeline/forward.h"

namespace tollgate::pipeline {

namespace {

// A limited endpoint that does not say for how long is left alone for so long.
constexpr Duration kLimitedFor = std::chrono::seconds(1);
// One that does not take our credential, where there are others.
constexpr Duration kUnknownThereFor = std::chrono::seconds(30);

}  // namespace

bool is_refused_for_load(int status) { return status == 429 || status == 503 || status == 529; }

std::optional<attempts::Failure> failure_of_status(int status) {
  if (is_refused_for_load(status)) return attempts::Failure::kOverloaded;
  // What is said of the request says nothing of the server; of our credential it does.
  const bool is_of_credential = status == 401 || status == 402 || status == 403;
  const bool is_of_request = status >= 400 && status < 500 && !is_of_credential && status != 408;
  if (is_of_request) return std::nullopt;
  return attempts::Failure::kError;
}

attempts::Ending ending_of(const std::optional<attempts::Failure>& failure, int status) {
  // Of an account with little credit a large request is refused and a small one is not.
  const bool is_limit = status == 429 || status == 402;
  return !failure || is_limit ? attempts::Ending::kUnknown : attempts::Ending::kFailed;
}

bool waits_in_turn(const config::Upstream& upstream) {
  return upstream.queue || upstream.adaptive_concurrency;
}

Waiting waiting_for(const Plan& plan, std::string_view tenant, double weight, Exchange& exchange,
                    Instant now) {
  const std::optional<overload::QueuePolicy>& queue = plan.upstream->queue;
  Waiting waiting;
  const auto priority = static_cast<std::size_t>(plan.route->priority);
  waiting.flow =
      exchange.arena().copy(fmt::format("{}/{}", overload::kPriorities[priority], tenant));
  waiting.weight = weight;
  waiting.tokens = tokens_held(plan);
  waiting.exchange = &exchange;
  waiting.until = now + (queue ? queue->wait : Duration{});
  return waiting;
}

void bound_wait(Waiting& waiting, Stop& stop, std::optional<Instant> deadline) {
  waiting.stop = &stop;
  if (deadline) waiting.until = std::min(waiting.until, *deadline);
}

double weight_of(const config::Config& config, const authentication::Identity& caller,
                 const config::Route& route) {
  const config::Tenant* tenant = tenant_named(config, caller.tenant);
  const auto weight = static_cast<double>(tenant == nullptr ? 1 : tenant->weight);
  return weight * overload::weight_of(route.priority);
}

Refusal full(const config::Upstream& upstream, const Waiting& waiting) {
  Refusal refusal;
  refusal.reason = Reason::kOverloaded;
  const std::string_view rule = waiting.waited ? "queue" : "concurrent_requests";
  refusal.rule = fmt::format("upstreams.{}.{}", upstream.name, rule);
  if (waiting.expected) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*waiting.expected);
    refusal.message = fmt::format(
        "The model server is at work on as many requests as it may take. As places come up now it "
        "would take {} s until one does for this request, which is longer than it may wait.",
        seconds.count());
    refusal.retry_after = std::max(std::chrono::seconds(1), seconds);
    return refusal;
  }
  refusal.message = waiting.waited
                        ? "The model server is at work on as many requests as it may take, and no "
                          "place came up in time."
                        : "The model server is at work on as many requests as it may take.";
  refusal.retry_after = std::chrono::seconds(1);
  return refusal;
}

std::optional<Duration> learn_rates(attempts::Endpoint& at, const config::Upstream& upstream,
                                    const UpstreamCall& call, const Clock& clock) {
  const int status = call.status();
  const bool refused = is_refused_for_load(status);
  const dialects::RateTold told = dialects::read_rates(
      [&](std::string_view name) { return call.header(name); }, refused, clock.wall());
  const Instant now = clock.now();
  if (told.tokens_left) at.told_left(*told.tokens_left, now + told.tokens_reset);
  if (told.wait && *told.wait > Duration{}) {
    at.leave_alone(now + *told.wait);
  } else if (status == 429) {
    at.leave_alone(now + kLimitedFor);
  }
  const bool is_of_credential = status == 401 || status == 403;
  if (is_of_credential && !upstream.further_credentials.empty()) {
    at.leave_alone(now + kUnknownThereFor);
  }
  return refused ? told.wait : std::nullopt;
}

}  // namespace tollgate::pipeline
