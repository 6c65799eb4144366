// What a caller asks of a response that a provider keeps for it: to see it, what it was asked with,
// to cancel it, to have it forgotten; and of a conversation that is kept (conversation.h). Internal
// to the pipeline.
//
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/refusal.h"
#include "config/config.h"
#include "controls/authorization/authorization.h"
#include "pipeline/answer_filter.h"
#include "pipeline/plan.h"

namespace tollgate::pipeline {

enum class KeptAction : std::uint8_t {
  kNothing,
  kRetrieve,              // GET /v1/responses/{id}
  kDelete,                // DELETE /v1/responses/{id}
  kCancel,                // POST /v1/responses/{id}/cancel
  kInputItems,            // GET /v1/responses/{id}/input_items
  kCreateConversation,    // POST /v1/conversations
  kRetrieveConversation,  // GET /v1/conversations/{id}
  kUpdateConversation,    // POST /v1/conversations/{id}
  kDeleteConversation,    // DELETE /v1/conversations/{id}
  kCreateItems,           // POST /v1/conversations/{id}/items
  kListItems,             // GET /v1/conversations/{id}/items
  kRetrieveItem,          // GET /v1/conversations/{id}/items/{item}
  kDeleteItem,            // DELETE /v1/conversations/{id}/items/{item}
};
inline constexpr int kKeptActionCount = 13;

struct KeptAsk {
  KeptAction action = KeptAction::kNothing;
  std::string_view id;         // As the caller knows it; empty where it is to be made…
  std::string_view door;       // …behind this path, of a route.
  std::string_view item = {};  // Of a conversation, as its provider knows it.
};

// What is asked behind the path of a route that keeps responses, or, of conversations, beside it.
// Anything else is nothing.
KeptAsk kept_ask_of(const config::Config& config, const authorization::Target& target);

// "responses.retrieve", "responses.delete", "responses.cancel", "responses.input_items",
// "conversations.create", "conversations.retrieve", "conversations.update",
// "conversations.delete", "conversations.items.create", "conversations.items.list",
// "conversations.items.retrieve", "conversations.items.delete".
std::string_view name_of(KeptAction action);
bool is_of_conversation(KeptAction action);
// Whether it brings what a model will read, or metadata: to be held to what prompts are.
bool brings_texts(KeptAction action);

// The route, the model and the upstream that keep it, and what limits take. Refuses with kNotFound
// one that was not made for this caller, whatever it is, and by name what is not told again: on a
// route whose guards judge answers.
Expected<Plan> find_kept(const Facts& facts, const KeptAsk& ask, Arena& arena);

// The query as the provider gets it, behind a `?`; empty: none. Refuses by its name what is not
// known, and a stream.
Expected<std::string> kept_query(KeptAction action, std::string_view target);

// Whether a text of a caller may stand in what a provider is asked: letters, digits, '-' and '_',
// at most 128.
bool is_kept_value(std::string_view value);

// What of the provider's answer the caller gets. Refuses as an answer is when it is made: content
// and calls of tools; where arguments are held to their schemas, any call, as those are not kept
// here.
struct KeptAnswer {
  const Facts& facts;
  const Plan& plan;
  KeptAction action;
  content::Scanner& scanner;
  const SharedRules& rules;
};
Expected<void> read_kept(const KeptAnswer& answer, std::string_view body, AnswerVerdict& verdict,
                         std::string& out);

}  // namespace tollgate::pipeline
