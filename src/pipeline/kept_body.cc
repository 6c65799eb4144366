// Texts and metadata that are put into a conversation: held to all that a request with them is.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controls/content/content.h"
#include "controls/tools/tools.h"
#include "dialects/conversation.h"
#include "pipeline/answer_filter.h"
#include "pipeline/conversation.h"
#include "pipeline/life.h"
#include "pipeline/pipeline.h"
#include "pipeline/tool_rules.h"

namespace tollgate::pipeline {

namespace {

// A model will read them again with each turn, at the price of text, and nobody asks what it makes
// of them before that.
Expected<void> check_kept_texts(const Facts& facts, const Plan& plan) {
  const config::Route& route = *plan.route;
  if (!facts.request.images.empty() && keeps_dearer_images(facts.config, plan)) {
    return refuse(Reason::kUnsupportedParameter,
                  fmt::format("routes.{}.stored_responses", route.name),
                  "An image is not put into a conversation where images cost more than text: "
                  "nobody need say that one was read again. Leave it out.",
                  std::string(facts.request.first_image));
  }
  if (!facts.request.recordings.empty()) {
    return refuse(Reason::kUnsupportedParameter,
                  fmt::format("routes.{}.stored_responses", route.name),
                  "A recording is not put into a conversation: its price is another each time it "
                  "is read. Send a transcript.",
                  std::string(facts.request.first_recording));
  }
  // What is offered there would be offered by turns that do not say so.
  if (!facts.request.tools.empty()) {
    return refuse(Reason::kUnsupportedParameter,
                  fmt::format("routes.{}.stored_responses", route.name),
                  "Tools are not put into a conversation: offer them with the request that asks of "
                  "it.",
                  "items");
  }
  if (route.tools.mode == Mode::kObserve) return {};
  const tools::Scope scope = tool_scope(facts.config, route, facts.caller);
  for (const dialects::Call& call : facts.request.calls) {
    const tools::Denial denial = tools::denial_of(scope, {call.type, call.name});
    const bool is_validated = route.tools.arguments == tools::Arguments::kValidate;
    if (denial == tools::Denial::kNothing && !is_validated) continue;
    return refuse(Reason::kToolNotAllowed,
                  is_validated ? fmt::format("routes.{}.tools.arguments", route.name)
                               : tools::rule_of(scope, denial),
                  "The items hold a call of a tool that may not be told here.", "items");
  }
  return {};
}

// In words about what was sent: no model has answered.
Refusal refusal_of(const config::Route& route, const AnswerVerdict& verdict, Refusal refusal) {
  const std::string_view refuses = content::name_of(content::Action::kRefuse);
  const auto found = std::ranges::find(verdict.found, refuses, &AnswerFinding::action);
  if (found == verdict.found.end()) {
    refusal.message =
        "What is to be put into the conversation could not be inspected as it would be told again, "
        "so it is not kept. The operator has to look at it.";
    return refusal;
  }
  refusal.param = found->where.substr(0, found->where.find(':'));
  refusal.message = fmt::format(
      "'{}' holds what route `{}` lets no answer tell: {}. What is put into a conversation is told "
      "again, so it is not kept: take it out.",
      refusal.param, route.name, found->rule);
  return refusal;
}

}  // namespace

// The provider tells it again at once, and what may not be told is refused: its caller would never
// learn that it is kept, nor by which id.
Expected<void> Pipeline::decide_told_again(Life& life, const config::Route& route,
                                           std::string_view written) {
  if (!inspects_answers(route)) return {};
  WholeAnswer texts(route, scanner_, life.config->content_rules);
  if (!dialects::read_conversation_texts(written, texts)) {
    return refuse(Reason::kInvalidRequest, "request", "The items could not be read anew.");
  }
  AnswerVerdict verdict;
  Expected<void> passed = texts.judge(verdict);
  // What only is to be seen is found in the answer once more.
  if (passed) return passed;
  tell_kept(life, verdict);
  return std::unexpected(refusal_of(route, verdict, std::move(passed.error())));
}

Expected<void> Pipeline::decide_kept_body(Life& life, const KeptAsk& ask, const Plan& plan,
                                          std::string_view body, std::string& written) {
  const dialects::ConversationBody holds = body_of(ask.action);
  if (!plan.route->guards.empty()) {
    return refuse(Reason::kUnsupportedParameter, fmt::format("routes.{}.guards", plan.route->name),
                  "Texts are judged here with the request that asks of them: send them with it.");
  }
  BufferPool::Lease asked = buffers_.lease();
  if (Expected<void> sound = dialects::write_as_response(holds, body, plan.model->name, *asked);
      !sound) {
    return sound;
  }
  asked->reserve(asked->size() + dialects::RequestReader::kPadding);
  BufferPool::Lease message = buffers_.lease();
  const Expected<Plan> decided = read_and_decide(life, *asked, {}, nullptr, *message);
  life.record.surface = name_of(ask.action);
  life.record.output_tokens_cap = 0;  // Nothing is made.
  if (!decided) return std::unexpected(decided.error());
  if (decided->route != plan.route || decided->upstream != plan.upstream) {
    return refuse(Reason::kNotFound, "routes",
                  "What would read these texts is not where the conversation is kept.");
  }
  const Facts facts{*life.config, life.target,
                    life.caller,  life.record.client_ip,
                    life.request, static_cast<Bytes>(asked->size()),
                    life.input,   &services_.pepper};
  if (Expected<void> kept = check_kept_texts(facts, plan); !kept) return kept;
  // From here on its texts are what a prompt may say here.

  const std::string_view sent = *message;
  const std::string_view rewritten = sent.substr(sent.find("\r\n\r\n") + 4);
  if (const FaultOr<void> back = dialects::write_as_conversation(holds, rewritten, written);
      !back) {
    return refuse(Reason::kInvalidRequest, "request", "The items could not be written anew.");
  }
  return decide_told_again(life, *plan.route, written);
}

}  // namespace tollgate::pipeline
