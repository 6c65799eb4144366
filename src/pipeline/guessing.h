// What guessing at credentials meets before it is known who asks (failures.h).
//
// What is refused for it is refused at once: a connection that is held open costs us more than
// the one who guesses.
#pragma once

#include "controls/authentication/failures.h"
#include "pipeline/identify.h"

namespace tollgate::pipeline {

// What one request shows, from before it is asked whose it is until that is known. Borrows all
// that it is made of.
class Guesses {
 public:
  Guesses(authentication::Failures& failures, const config::Config& config, const IpAddress& from,
          const Shown& shown, Arena& arena);

  // Refuses with kRateLimited and the wait while the address must wait. Without a refusal end()
  // must follow.
  Expected<void> begin(Instant now);

  // What became of it; gives what the caller is told. A wrong credential in a delay is told as the
  // delay. Tells the operator of many failures, at most once a minute of each kind.
  Expected<void> end(Expected<void> known, Instant now);

  // The rule that would have refused it, in observe mode.
  std::span<const std::string_view> observed() const;

 private:
  authentication::Failures& failures_;
  const authentication::FailurePolicy& policy_;
  authentication::Guess guess_;
  authentication::Look look_;
  bool observed_ = false;
};

}  // namespace tollgate::pipeline
