// What every attempt is to the endpoint that it goes to, whatever it asks there: a place, a word on
// how the endpoint is, and what the head of its answer says of its own limits. Internal to the
// pipeline.
//
// One loop's; the endpoint is all loops'.
#pragma once

#include <optional>

#include "controls/attempts/endpoint.h"
#include "controls/attempts/failure.h"
#include "pipeline/plan.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

// The place of one attempt. Borrows the endpoint and the upstream.
class AtWork {
 public:
  AtWork(attempts::Endpoint& at, const config::Upstream& upstream, Tokens tokens, Instant now)
      : at_(at),
        policy_(upstream.breaker),
        tokens_(tokens),
        began_(at.begin(policy_, tokens, now, visit_)) {}
  AtWork(const AtWork&) = delete;
  ~AtWork() {
    if (began_) at_.end(tokens_, visit_);
  }

  // False: the endpoint may not be asked now after all.
  bool began() const { return began_; }
  // The first byte of the answer came.
  void answers(Instant now) { at_.answers(visit_, now); }
  // Once, at its end.
  void judge(attempts::Ending ending, Instant now) { at_.judge(policy_, visit_, ending, now); }

 private:
  attempts::Endpoint& at_;
  const attempts::BreakerPolicy& policy_;
  const Tokens tokens_;
  attempts::Visit visit_;
  bool began_;
};

// Whether a status says that the endpoint takes no more at the moment.
bool is_refused_for_load(int status);

// What a status other than 200 says of the endpoint; nothing: it is about the request.
std::optional<attempts::Failure> failure_of_status(int status);

// What an answer that did not come, or broke off, says of the endpoint. What is the caller's to
// mend says nothing, nor does a limit.
attempts::Ending ending_of(const std::optional<attempts::Failure>& failure, int status);

// Whether requests wait for a place at this upstream, so that none goes there but in turn.
bool waits_in_turn(const config::Upstream& upstream);

// How a request of `tenant` waits there, beside those of others; `weight` is weight_of().
Waiting waiting_for(const Plan& plan, std::string_view tenant, double weight, Exchange& exchange,
                    Instant now);
// No longer than its key is good, and its client waits; nothing: as long as it takes.
void bound_wait(Waiting& waiting, Stop& stop, std::optional<Instant> deadline);
double weight_of(const config::Config& config, const authentication::Identity& caller,
                 const config::Route& route);

// Why it did not get a place.
Refusal full(const config::Upstream& upstream, const Waiting& waiting);

// Keeps what the head of the answer says of the endpoint's own limits, so that they are kept before
// it has to refuse. How long it asks to be left alone, where it refused for that.
std::optional<Duration> learn_rates(attempts::Endpoint& at, const config::Upstream& upstream,
                                    const UpstreamCall& call, const Clock& clock);

}  // namespace tollgate::pipeline
