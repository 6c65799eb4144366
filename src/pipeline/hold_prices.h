// By which prices a request is held: which tier may serve it, and what its provider may be asked to
// keep. Internal to the pipeline.
//
// Pure. One thread at a time.
#pragma once

#include "pipeline/plan.h"

namespace tollgate::pipeline {

// The tiers by which the plan may be served, and what the upstream is told of them. Refuses with
// kUnsupportedParameter what the route does not let in, what has no price, and what cannot be said
// to an upstream that is asked by another surface. On other terms another model serves at its usual
// tier where it has none of that name, or is asked by another surface.
Expected<void> hold_tier(const Facts& facts, const Terms& terms, Plan& plan);

// Whether marks for the provider's cache are handed on: where each lifetime that is asked for has a
// price at every tier that may serve, and the upstream is asked by messages. Refuses there what is
// not known of one; on other terms none is handed on then.
Expected<void> hold_cache(const Facts& facts, const Terms& terms, Plan& plan);

// Whether an image may cost more than a text of as many tokens, now or later and at any tier: one
// that is kept is read again unseen, and paid as text where nobody tells its tokens apart.
bool has_dearer_images(const config::Model& model);

// Of output of which nobody tells the parts: all of it as what costs most, as it was held.
void charge_dearest_output(const Plan& plan, dialects::Usage& usage);

}  // namespace tollgate::pipeline
