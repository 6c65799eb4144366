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
#include "dialects/error_reply.h"
#include "dialects/reply.h"
#include "dialects/restoring.h"
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
  Duration waited{};                     // On the upstream, until its last byte.
  Duration first_byte{};                 // From the start of the attempt.
  bool settled = false;
};

// Ends a request from outside while it is at work, on its loop: its key was revoked.
class Stop {
 public:
  void ask() {
    asked_ = true;
    if (call_ != nullptr) call_->cancel();
  }
  bool asked() const { return asked_; }
  // The call to be given up; null: none.
  void watch(Cancellable* call) {
    call_ = call;
    if (asked_ && call_ != nullptr) call_->cancel();
  }

 private:
  Cancellable* call_ = nullptr;
  bool asked_ = false;
};

// What the request that an attempt is made for does on the way.
class Attempted {
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
  int endpoint;  // Index into its endpoints.
  dialects::Surface surface;
  dialects::Delivery delivery;
  const RequestHead& caller;  // anthropic-version and traceparent are taken over.
  std::string_view id;
};
void write_upstream_head(const UpstreamMessage& message, std::size_t body_bytes, std::string& out);

// The answer to a request whose key was revoked while it was at work.
Refusal revoked();

// One loop's.
class Forwarder {
 public:
  // Borrows all. The scanner is used between two waits only, so it can be shared.
  Forwarder(const Clock& clock, Upstreams& upstreams, Counting& counting, BufferPool& buffers,
            content::Scanner& scanner)
      : clock_(clock),
        upstreams_(upstreams),
        counting_(counting),
        buffers_(buffers),
        scanner_(scanner) {}

  struct Work {
    Exchange& exchange;
    const Plan& plan;
    int endpoint;  // The one that `message` is written for.
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
  Task<void> attempt(const Work& work, Forwarded& result);
  Task<void> relay_whole(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay_stream(const Work& work, UpstreamCall& call, Forwarded& result);
  Task<void> relay_error(const Work& work, UpstreamCall& call, Forwarded& result);
  bool is_clean(const Work& work, const dialects::UpstreamError& error);
  Task<void> drain(UpstreamCall& call, dialects::StreamReader& stream, OutputCount& passed);
  void settle(const Work& work, Forwarded& result);
  void bill(const Work& work, const std::optional<dialects::Usage>& reported, OutputCount& passed,
            Forwarded& result);
  void bill_cut(const Work& work, const std::optional<dialects::Usage>& reported,
                OutputCount& passed, Forwarded& result);

  const Clock& clock_;
  Upstreams& upstreams_;
  Counting& counting_;
  BufferPool& buffers_;
  content::Scanner& scanner_;
  dialects::ReplyReader reply_reader_;
};

}  // namespace tollgate::pipeline
