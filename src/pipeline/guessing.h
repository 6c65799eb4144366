// What guessing at credentials meets before it is known who asks (failures.h).
//
// What is refused for it is refused at once: a connection that is held open costs us more than
// the one who guesses.
#pragma once

#include "controls/authentication/failures.h"
#include "pipeline/identify.h"

namespace tollgate::pipeline {

// The secret that a request shows; empty: none that could be guessed.
std::string_view secret_of(const Shown& shown);

// Refuses with kRateLimited and the wait while the address must wait.
Expected<void> check_guesses(const authentication::Failures& failures,
                             const authentication::FailurePolicy& policy, const IpAddress& from,
                             const Shown& shown, Instant now);

// What became of it. Tells the operator of many failures, at most once a minute of each kind.
void count_guess(authentication::Failures& failures, const authentication::FailurePolicy& policy,
                 const IpAddress& from, const Shown& shown, const Expected<void>& known,
                 Instant now);

}  // namespace tollgate::pipeline
