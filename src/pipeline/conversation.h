// Conversations that a provider keeps (OpenAI's Conversations API), usable by those alone whom they
// were made for.
//
// The id that a caller gets is ours: it seals the provider's own to the actor, the route and what
// texts are held to there, and the upstream. An id is the same for all turns, so it cannot say how
// much a conversation holds by now, and nothing is kept for it here: a turn is held at all that the
// model's context takes, which bounds what a provider reads of it, and is refused where that is not
// known or more than the route lets a request be. docs/decisions/0046.
//
// Internal to the pipeline. Pure. Safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "controls/authentication/authentication.h"
#include "dialects/conversation.h"
#include "pipeline/kept_response.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

struct ConversationOwner {
  const config::Route& route;
  const config::Upstream& upstream;
  const authentication::Identity& caller;
};

// "conv_…", of letters, digits, '-', '_' and one '.'.
std::string seal_conversation(const authentication::Pepper& pepper, const ConversationOwner& owner,
                              std::string_view id);
// The provider's own; nothing: it was made for nobody, or for somebody else.
std::optional<std::string> open_conversation(const authentication::Pepper& pepper,
                                             const ConversationOwner& owner,
                                             std::string_view sealed);

// What is asked behind "/v1/conversations", `rest` of it, as of that route's door.
KeptAsk conversation_ask_of(std::string_view method, std::string_view rest, std::string_view door);

// The route, the model by whose words texts are counted, and the upstream that keeps the
// conversation that is asked of, or will keep the one that is to be made. Refuses with kNotFound
// one that was not made for this caller, whatever it is, and by name what is not told again.
Expected<Plan> find_conversation(const Facts& facts, const KeptAsk& ask, Arena& arena);

// Tells the plan, which has a route, an upstream and a model, that the request is a turn of a
// conversation. Refuses with kNotFound one that was not made for this caller here, and with
// kUnsupportedParameter where what it holds has no bound.
Expected<void> check_turn(const Facts& facts, Plan& plan, Arena& arena);
// Whether a model that may go on from the plan's conversation asks more for an image than for text.
bool keeps_dearer_images(const config::Config& config, const Plan& plan);
// What the whole of it holds beside `own`, the request's own input.
Tokens rest_of_conversation(const Plan& plan, Tokens own);

// What a request that brings texts may hold.
dialects::ConversationBody body_of(KeptAction action);

// What of `body`, an answer about a conversation, the caller gets, and tells its texts and calls:
// as read_kept() does.
FaultOr<void> read_conversation(const KeptAnswer& answer, std::string_view body,
                                dialects::AnswerSink* texts, dialects::CallSink& calls,
                                std::string& out);

}  // namespace tollgate::pipeline
