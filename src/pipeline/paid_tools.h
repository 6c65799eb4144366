// Calls of tools that the provider runs itself and is paid for each: held at the most that the
// request lets it make, and settled at those that the answer tells. Internal to the pipeline.
//
// Pure.
#pragma once

#include "pipeline/forward.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

// Completes the plan of a request that offers such tools. Refuses with kUnsupportedParameter one
// that has no price on the model, and one that is paid and cannot be held to a number of calls.
Expected<void> hold_paid_tools(const Facts& facts, Plan& plan, Arena& arena, audit::Record& record);

// What the model reads of what they find is input, as much as the operator says at most: held
// behind the count of the request.
void hold_tool_tokens(Plan& plan);

// What so many calls cost on the model; those without a price nothing.
Money cost_of(const config::PriceList& prices, const dialects::ToolCalls& calls);

// Of the calls that an answer told those that are paid: at most what was held, the dearest first.
dialects::ToolCalls paid_of(const Plan& plan, const dialects::ToolCalls& told);

// The calls that were settled, in the outcome.
void tell_paid_calls(const config::PriceList& prices, const dialects::ToolCalls& paid, Arena& arena,
                     audit::Record& record);

}  // namespace tollgate::pipeline
