// One attempt at an upstream: send, meter what comes back while it passes, end it well.
//
// forward() never refuses: by then the request is paid for. It says what happened, and what
// that used, in a Forwarded, whatever the upstream or the caller did. The rules of the bill:
//   - the provider's usage, figure by figure, but at most what was held and not far below what
//     passed; without one, our own count of what passed;
//   - an upstream that answered with an error, or was never reached, is free;
//   - a whole reply that was cut before it arrived may have been made in full, so it costs its
//     input and the whole output cap; a stream that was cut costs what had passed, or the same
//     where the model reasons unseen;
//   - an answer that the content policy or a guard refuses costs what it would have cost: it was
//     made.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "controls/attempts/endpoint.h"
#include "controls/overload/buffered_bytes.h"
#include "dialects/error_reply.h"
#include "dialects/reply.h"
#include "dialects/restoring.h"
#include "dialects/sealed_response.h"
#include "pipeline/answer_filter.h"
#include "pipeline/buffers.h"
#include "pipeline/counting.h"
#include "pipeline/plan.h"
#include "pipeline/ports.h"

namespace tollgate::pipeline {

class AnswerGuards;  // answer_guards.h
class ToolWatch;     // tool_rules.h

// What the upstream made of it.
struct Forwarded {
  // Nothing where the caller got a reply of the model (also one that was cut on the way).
  std::optional<Refusal> refusal;
  // Of the upstream. With a refusal the caller has no byte, so another attempt may be made.
  std::optional<attempts::Failure> failure;
  bool unsent = false;                // Nothing was: there was no place for it.
  bool full = false;                  // None at the upstream, wherever.
  std::optional<Duration> told_wait;  // By the provider, how long to leave it alone.
  // A refusal of the provider that the caller gets as it is: bad parameters, for instance.
  int relayed_status = 0;
  audit::Outcome outcome = audit::Outcome::kAllowed;
  std::string_view cut_code;  // Why it was cut: "caller_gone", "output_cap_exceeded"…
  bool repeats = false;       // What there is of it repeats itself, and was not ended for that.
  AnswerVerdict answer;       // What the content policy found in it.
  dialects::Usage usage;
  audit::UsageSource source = audit::UsageSource::kNone;
  std::optional<Tokens> provider_input;  // For the error of our count.
  int status = 0;                        // Of the upstream; 0: none came.
  Duration queued{};                     // For a place at the upstream.
  Duration waited{};                     // On the upstream, until its last byte.
  Duration first_byte{};                 // From the start of the attempt.
  bool settled = false;
};

// What the request that an attempt is made for does on the way; a response that the provider keeps
// has the name by which its caller can go on from it (stored_response.h).
class Attempted : public dialects::ResponseNames {
 public:
  // What the reply's head says beside its content, asked for once the usage is known (a whole
  // reply) or at its start (a streamed one).
  virtual void write_headers(const Forwarded& so_far, std::string& headers) = 0;
  // The plan with the input as it is to be billed. Where that was held at a bound it is what the
  // provider `reported`, if that is credible, else it is counted by now.
  virtual const Plan& billed(std::optional<Tokens> reported) = 0;
  // Once, when it is known what was used, and before the caller has the last byte of a reply:
  // who has a whole answer may ask again at once with what this one did not use.
  virtual void settle(const Forwarded& result) = 0;

 protected:
  ~Attempted() = default;
};

// Writes the whole HTTP request for the upstream: our own head, then the body written anew.
struct UpstreamMessage {
  const config::Upstream& upstream;
  int place;  // Of config::Upstream.
  dialects::Surface surface;
  dialects::Delivery delivery;
  const RequestHead& caller;  // anthropic-version and traceparent are taken over.
  std::string_view id;
  std::string_view content_type;  // Of the body.
};
void write_upstream_head(const UpstreamMessage& message, std::size_t body_bytes, std::string& out);

// What a request may take of an endpoint at most.
Tokens tokens_held(const Plan& plan);
// The answer where none of its endpoints may be asked before `wait` has passed.
Refusal unavailable(const config::Upstream& upstream, Duration wait);

// The answer to a request whose key was revoked while it was at work.
Refusal revoked();

// One loop's.
class Forwarder {
 public:
  // Borrows all. The scanner is used between two waits only, so it can be shared.
  Forwarder(const Clock& clock, Upstreams& upstreams, Counting& counting, BufferPool& buffers,
            content::Scanner& scanner, overload::BufferedBytes* buffered)
      : clock_(clock),
        upstreams_(upstreams),
        counting_(counting),
        buffers_(buffers),
        scanner_(scanner),
        buffered_(buffered) {}

  struct Work {
    Exchange& exchange;
    const Plan& plan;
    int place;  // The one that `message` is written for…
    attempts::Endpoint& at;
    std::string_view tenant;             // Who is served fairly beside others where it has to wait…
    double weight;                       // …and the share of that…
    std::optional<Instant> deadline;     // …and until when an answer is of use; nothing: any time.
    std::optional<Duration> first_byte;  // Where less than the upstream's is waited for it.
    dialects::Delivery delivery;
    bool usage_asked;
    std::string_view id;       // Of the request.
    std::string_view message;  // The HTTP request.
    Bytes reply_bytes_max;
    std::span<const dialects::Masked> masked;  // What is restored in the answer; none: nothing.
    const SharedRules& rules;  // That answers are inspected by, where the route asks for it.
    AnswerGuards* guards;      // That are asked about the answer; null: none.
    ToolWatch& tools;          // Whether its calls may go on.
    Attempted& attempted;
    Stop& stop;
  };
  // Has settled, whatever came of it.
  Task<Forwarded> forward(const Work& work);

 private:
  void bill_whole(const Work& work, std::string_view body, Bytes measured,
                  const std::optional<dialects::Usage>& usage, Forwarded& result);
  Task<void> attempt(const Work& work, Forwarded& result);
  Task<void> relay_reply(const Work& work, UpstreamCall& call, Forwarded& result);
  // The call's answer as controls and the caller read it (relay.cc).
  Task<void> relay_answer(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay_whole(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay_stream(const Work& work, UpstreamCall& call, Forwarded& result);
  // A fault: there is no answer.
  Task<std::optional<Fault>> relay_sound(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay_error(const Work& work, UpstreamCall& call, Forwarded& result);
  bool is_clean(const Work& work, const dialects::UpstreamError& error);
  Task<void> drain(UpstreamCall& call, dialects::StreamReader& stream, OutputCount& passed);
  void settle(const Work& work, Forwarded& result);
  void bill(const Work& work, const std::optional<dialects::Usage>& reported, OutputCount& passed,
            Forwarded& result);
  void bill_told(const Work& work, const dialects::EarlyUsage& told, OutputCount& passed,
                 Forwarded& result);
  void bill_cut(const Work& work, const dialects::StreamReader& stream, OutputCount& passed,
                Forwarded& result);

  const Clock& clock_;
  Upstreams& upstreams_;
  Counting& counting_;
  BufferPool& buffers_;
  content::Scanner& scanner_;
  overload::BufferedBytes* buffered_;  // Null: what is held back is not counted.
  dialects::ReplyReader reply_reader_;
};

}  // namespace tollgate::pipeline
