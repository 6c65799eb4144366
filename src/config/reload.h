// What lies between the configuration in force and the next one: what a running gateway cannot
// take over, and what would be gone.
//
// Pure.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace tollgate::config {

// The fields that differ and that need a restart, by name; empty: all of `next` can be taken over.
std::vector<std::string> needs_restart(const Config& now, const Config& next);

// The rules, budgets and routes of `now` that `next` does not have, and what content policies,
// guards and rules on tools do less: "routes.chat.content.request.pii.email (left out)",
// "routes.chat.tools.deny.rm"; rules of the operator's own and words of theirs:
// "content.rules.names". A file that is written in
// two steps is often whole YAML after the first: whoever did not ask for a reload is not given
// one that takes controls away.
std::vector<std::string> vanished(const Config& now, const Config& next);

}  // namespace tollgate::config
