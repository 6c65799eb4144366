// Responses that a provider keeps (`store: true` of OpenAI's Responses API), usable by those alone
// whom they were made for.
//
// The id that a caller gets is ours: it seals the provider's own, and a bound on the tokens that
// the kept conversation holds, to the actor, the route and what texts are held to there, the
// upstream and the model. So nobody else can go on from it, on any gateway of the same pepper, what
// it costs can be held beforehand, and nothing is kept for it here. The bound is that of the
// request and of the most it could make, as the id is told before anything of the answer; one that
// goes on from another holds that one's too.
//
// Pure. Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/units.h"
#include "controls/authentication/authentication.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

struct ResponseOwner {
  const config::Route& route;
  const config::Upstream& upstream;
  const config::Model& model;
  const authentication::Identity& caller;
};

struct StoredResponse {
  std::string id;     // The provider's: dialects::is_response_id().
  Tokens tokens = 0;  // That a request holds which goes on from it, at most.
};

// "resp_…", of letters, digits, '-' and '_'.
std::string seal_response(const authentication::Pepper& pepper, const ResponseOwner& owner,
                          const StoredResponse& response);
// Nothing: it was made for nobody, or for somebody else.
std::optional<StoredResponse> open_response(const authentication::Pepper& pepper,
                                            const ResponseOwner& owner, std::string_view sealed);

// Tells the plan, which has a route, an upstream and a model, what the request has a provider keep
// and goes on from. Refuses with kUnsupportedParameter where nothing may be kept, or what is to be
// kept could not be held beforehand, and with kNotFound for an id that was not made for this caller
// here: in the same words, whatever it is. Views live in `arena`.
Expected<void> check_stored(const Facts& facts, const Terms& terms, Plan& plan, Arena& arena);

// Sealed as the plan holds it.
std::string seal_response(const authentication::Pepper& pepper,
                          const authentication::Identity& caller, const Plan& plan,
                          std::string_view id);

}  // namespace tollgate::pipeline
