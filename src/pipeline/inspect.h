// The content policy of a route, applied to all that a request would send upstream: what the model
// reads, of every role and of the whole history, and what goes beside it.
//
// Pure but for the scanner, which is the loop's.
#pragma once

#include <cstddef>
#include <string>

#include "base/arena.h"
#include "controls/content/scanner.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Where a text stands that the scanner has numbered.
std::string place_of(const dialects::Request& request, std::size_t text);

// Puts on record what was found. Where something has to be masked that is all: it is still in the
// scanner, and the request has to be read anew without it (redaction.h). Refuses with
// kContentRefused what the policy refuses, and what cannot be inspected: a prompt of token ids, a
// text that is encoded too often, or one that the scanner failed on. Images and recordings are no
// texts and are not inspected.
Expected<Inspected> inspect(const Facts& facts, const config::Route& route,
                            content::Scanner& scanner, Arena& arena, audit::Record& record);

}  // namespace tollgate::pipeline
