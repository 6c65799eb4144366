// The content policy of a route, applied to all that a request would send upstream: what the model
// reads, of every role and of the whole history, and what goes beside it.
//
// Pure but for the scanner, which is the loop's.
#pragma once

#include "base/arena.h"
#include "controls/content/scanner.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Puts on record what was found. Refuses with kContentRefused what the policy refuses, and what
// cannot be inspected: a prompt of token ids, a text that is encoded too often, or one that the
// scanner failed on. Images and
// recordings are no texts and are not inspected.
Expected<Inspected> inspect(const Facts& facts, const config::Route& route,
                            content::Scanner& scanner, Arena& arena, audit::Record& record);

}  // namespace tollgate::pipeline
