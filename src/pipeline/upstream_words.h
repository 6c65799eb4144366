// What a provider says of an error, as a caller may have it. Internal to the pipeline.
//
// Pure.
#pragma once

#include "dialects/error_reply.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Takes out of a provider's words what a caller is not to know: our credential, where the
// upstream is, and what it calls the model.
void hide(dialects::UpstreamError& error, const Plan& plan);

}  // namespace tollgate::pipeline
