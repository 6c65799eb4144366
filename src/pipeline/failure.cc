#include "pipeline/failure.h"

#include <fmt/format.h>

#include "pipeline/at_work.h"
#include "pipeline/hold_prices.h"
#include "pipeline/paid_tools.h"

namespace tollgate::pipeline {

namespace {

// Whatever is sent to an upstream that has no place is refused for so long at the least.
constexpr Duration kOverloadedFor = std::chrono::seconds(1);

Refusal upstream_refusal(const Fault& fault, std::string_view upstream) {
  if (fault.kind == FaultKind::kNoRoom) return no_room(overload::Lack::kMemory);
  Refusal refusal;
  refusal.rule = fmt::format("upstreams.{}", upstream);
  if (fault.kind == FaultKind::kTimeout) {
    refusal.reason = Reason::kUpstreamTimeout;
    refusal.message = "The model server did not answer in time.";
  } else {
    refusal.reason = Reason::kUpstreamError;
    refusal.message = fault.kind == FaultKind::kUnreachable
                          ? "The model server could not be reached."
                          : "The model server's answer could not be understood or ended too early.";
  }
  return refusal;
}

}  // namespace

void bill_held(const Forwarder::Work& work, Forwarded& result) {
  const Plan& plan = work.attempted.billed({});
  result.usage = {};
  result.usage.input = plan.input.held();
  result.usage.cache_write = result.usage.input;  // As far as it was asked for.
  result.usage.output = plan.output_cap_total;
  result.usage.units = plan.made.units;
  charge_dearest_output(plan, result.usage);
  result.usage.tool_calls = paid_of(plan, plan.paid_tools.most);
  result.source = audit::UsageSource::kCounted;
}

void bill_begun(const Forwarder::Work& work, Forwarded& result) {
  const Plan& plan = work.attempted.billed({});
  // Reasoning does not pass by here, so nobody knows how much it was.
  if (plan.model->reasoning) return bill_held(work, result);
  result.usage = {.units = plan.made.units};
  result.usage.input = plan.input.tokens;
  result.usage.cache_write = result.usage.input;  // As far as it was asked for.
  result.source = audit::UsageSource::kCounted;
}

void cut_by_caller(Forwarded& result) {
  result.outcome = audit::Outcome::kCut;
  result.cut_code = "caller_gone";
}

std::optional<attempts::Failure> failure_of(const Stop& stop, const Fault& fault) {
  if (stop.asked() || fault.kind == FaultKind::kNoRoom) return std::nullopt;
  return fault.kind == FaultKind::kTimeout ? attempts::Failure::kTimeout
                                           : attempts::Failure::kError;
}

Refusal refusal_of(const Forwarder::Work& work, const Fault& fault) {
  return work.stop.asked() ? revoked() : upstream_refusal(fault, work.plan.upstream->name);
}

void fail(const Forwarder::Work& work, const Fault& fault, Forwarded& result) {
  result.refusal = refusal_of(work, fault);
  // That we have no room says nothing of the upstream.
  result.failure = failure_of(work.stop, fault);
}

void fail_by_status(const Forwarder::Work& work, Forwarded& result) {
  Refusal refusal;
  refusal.rule = fmt::format("upstreams.{}", work.plan.upstream->name);
  result.failure = failure_of_status(result.status);
  if (is_refused_for_load(result.status)) {
    refusal.reason = Reason::kOverloaded;
    refusal.message = "The model server is overloaded. Try again shortly.";
    refusal.retry_after = result.told_wait.value_or(kOverloadedFor);
  } else {
    refusal.reason = Reason::kUpstreamError;
    refusal.message = fmt::format("The model server answered with status {}.", result.status);
  }
  result.refusal = std::move(refusal);
}

}  // namespace tollgate::pipeline
