#include "pipeline/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "config/config.h"
#include "dialects/kept_response.h"
#include "pipeline/hold_prices.h"
#include "pipeline/mcp.h"

namespace tollgate::pipeline {

namespace {

constexpr std::string_view kPrefix = "conv_";
constexpr std::size_t kIdBytesMax = 256;
constexpr std::size_t kSealedBytesMax = 2 * kIdBytesMax;

// What an id is sealed to beside its route and its actor.
std::string label_of(const ConversationOwner& owner) {
  return fmt::format("conversation\n{}:{}\n{}:{}", owner.route.stored_responses.size(),
                     owner.route.stored_responses, owner.upstream.name.size(), owner.upstream.name);
}

std::unexpected<Refusal> refuse_unknown(std::string param = {}) {
  return refuse(Reason::kNotFound, "routes",
                "There is no conversation of this id here: it has to be one that was made here, "
                "for the same caller and on this route.",
                std::move(param));
}

// The first model of the route, from `plan`'s on, that this caller may ask and that `serves`.
template <class Serves>
bool find_model(const Facts& facts, std::size_t route_index, Plan& plan, Serves serves) {
  const config::Config& config = facts.config;
  const config::Route& route = config.routes[route_index];
  for (const int index : route.models) {
    const config::Model& model = config.models[static_cast<std::size_t>(index)];
    const auto choice =
        authorization::choose(config.access, facts.target, model.name, facts.caller);
    if (!choice || std::cmp_not_equal(choice->route, route_index)) continue;
    plan.route = &route;
    plan.model = &model;
    plan.upstream = &config.upstreams[static_cast<std::size_t>(model.upstream)];
    if (serves(plan)) return true;
  }
  return false;
}

bool keeps_conversations(const Plan& plan) {
  return config::spoken_surface(*plan.upstream, dialects::Surface::kResponses) ==
         dialects::Surface::kResponses;
}

// Whether its answer holds what a model made.
bool tells_items(KeptAction action) {
  return action == KeptAction::kCreateItems || action == KeptAction::kListItems ||
         action == KeptAction::kRetrieveItem;
}

std::unexpected<Refusal> refuse_unbounded(std::string rule, std::string why) {
  return refuse(Reason::kUnsupportedParameter, std::move(rule), std::move(why), "conversation");
}

}  // namespace

std::string seal_conversation(const authentication::Pepper& pepper, const ConversationOwner& owner,
                              std::string_view id) {
  return std::string(kPrefix) +
         seal_mcp(pepper, label_of(owner), {owner.route.name, owner.caller}, id);
}

std::optional<std::string> open_conversation(const authentication::Pepper& pepper,
                                             const ConversationOwner& owner,
                                             std::string_view sealed) {
  if (!sealed.starts_with(kPrefix) || sealed.size() > kSealedBytesMax) return std::nullopt;
  return open_mcp(pepper, label_of(owner), {owner.route.name, owner.caller},
                  sealed.substr(kPrefix.size()), kIdBytesMax);
}

KeptAsk conversation_ask_of(std::string_view method, std::string_view rest, std::string_view door) {
  constexpr std::string_view kItems = "items";
  if (rest.empty()) {
    if (method == "POST") return {.action = KeptAction::kCreateConversation, .door = door};
    return {};
  }
  if (!rest.starts_with('/')) return {};
  rest.remove_prefix(1);
  KeptAsk ask{.door = door};
  ask.id = rest.substr(0, rest.find('/'));
  if (ask.id.empty()) return {};
  if (rest.size() == ask.id.size()) {
    if (method == "GET") ask.action = KeptAction::kRetrieveConversation;
    if (method == "POST") ask.action = KeptAction::kUpdateConversation;
    if (method == "DELETE") ask.action = KeptAction::kDeleteConversation;
    return ask;
  }
  rest.remove_prefix(ask.id.size() + 1);
  if (!rest.starts_with(kItems)) return {};
  rest.remove_prefix(kItems.size());
  if (rest.empty()) {
    if (method == "GET") ask.action = KeptAction::kListItems;
    if (method == "POST") ask.action = KeptAction::kCreateItems;
    return ask;
  }
  ask.item = rest.substr(1);
  if (rest.front() != '/' || !is_kept_value(ask.item)) return {};
  if (method == "GET") ask.action = KeptAction::kRetrieveItem;
  if (method == "DELETE") ask.action = KeptAction::kDeleteItem;
  return ask;
}

Expected<Plan> find_conversation(const Facts& facts, const KeptAsk& ask, Arena& arena) {
  const config::Config& config = facts.config;
  const bool is_new = ask.action == KeptAction::kCreateConversation;
  Plan plan;
  std::optional<std::string> opened;
  const auto serves = [&](const Plan& of) {
    if (!keeps_conversations(of)) return false;
    if (is_new) return true;
    opened = open_conversation(*facts.pepper, {*of.route, *of.upstream, facts.caller}, ask.id);
    return opened.has_value();
  };
  bool found = false;
  for (std::size_t i = 0; i < config.routes.size() && !found; ++i) {
    const config::Route& route = config.routes[i];
    found = !route.stored_responses.empty() &&
            authorization::lets_in(route.access, facts.target, facts.caller) &&
            find_model(facts, i, plan, serves);
  }
  if (!found) return refuse_unknown();
  plan.kept.is_conversation = true;
  if (opened) plan.kept.previous = arena.copy(*opened);
  plan.kept.previous_sealed = arena.copy(ask.id);
  if (tells_items(ask.action) && !plan.route->response_guards.empty()) {
    return refuse(Reason::kUnsupportedParameter,
                  fmt::format("routes.{}.response_guards", plan.route->name),
                  "Answers are judged here when they are made, and not told again.");
  }
  plan.charges = request_charges(facts, plan, arena);
  return plan;
}

Expected<void> check_turn(const Facts& facts, Plan& plan, Arena& arena) {
  const std::string_view sealed = facts.request.previous_response;
  std::optional<std::string> opened;
  if (facts.pepper != nullptr) {
    opened = open_conversation(*facts.pepper, {*plan.route, *plan.upstream, facts.caller}, sealed);
  }
  if (!opened) return refuse_unknown("conversation");
  const config::Model& model = *plan.model;
  if (model.context_tokens <= 0) {
    return refuse_unbounded(
        fmt::format("models.{}.context_tokens", model.name),
        fmt::format("'conversation' is not served by `{}`: what it holds is bounded by the model's "
                    "context, and how large that is is not known here. It is set by the operator "
                    "as `models.{}.context_tokens`.",
                    model.name, model.name));
  }
  const prompts::Policy& prompt = plan.route->prompt;
  if (prompt.mode == Mode::kEnforce && prompt.input_tokens < model.context_tokens) {
    return refuse_unbounded(
        fmt::format("routes.{}.prompt.input_tokens", plan.route->name),
        fmt::format("'conversation' may hold all that the context of `{}` takes, {} tokens, and "
                    "this route takes {} of input at most: send the conversation itself, or ask a "
                    "model of a smaller context.",
                    model.name, model.context_tokens, prompt.input_tokens));
  }
  plan.kept.is_conversation = true;
  plan.kept.previous = arena.copy(*opened);
  plan.kept.previous_sealed = arena.copy(sealed);
  plan.kept.previous_tokens = model.context_tokens;
  return {};
}

bool keeps_dearer_images(const config::Config& config, const Plan& plan) {
  return std::ranges::any_of(plan.route->models, [&](int index) {
    const config::Model& model = config.models[static_cast<std::size_t>(index)];
    const config::Upstream& upstream = config.upstreams[static_cast<std::size_t>(model.upstream)];
    return &upstream == plan.upstream && has_dearer_images(model);
  });
}

Tokens rest_of_conversation(const Plan& plan, Tokens own) {
  return std::max<Tokens>(0, plan.kept.previous_tokens - own);
}

dialects::ConversationBody body_of(KeptAction action) {
  using dialects::ConversationBody;
  CHECK(brings_texts(action));
  if (action == KeptAction::kUpdateConversation) return ConversationBody::kMetadata;
  return action == KeptAction::kCreateItems ? ConversationBody::kItems : ConversationBody::kNew;
}

FaultOr<void> read_conversation(const KeptAnswer& answer, std::string_view body,
                                dialects::AnswerSink* texts, dialects::CallSink& calls,
                                std::string& out) {
  const Kept& kept = answer.plan.kept;
  switch (answer.action) {
    case KeptAction::kCreateConversation: {
      const FaultOr<std::string> id = dialects::read_conversation_id(body);
      if (!id) return std::unexpected(id.error());
      const ConversationOwner owner{*answer.plan.route, *answer.plan.upstream, answer.facts.caller};
      const std::string name = seal_conversation(*answer.facts.pepper, owner, *id);
      return dialects::write_conversation(body, *id, name, texts, out);
    }
    case KeptAction::kCreateItems:
    case KeptAction::kListItems:
      out = body;
      return dialects::read_input_items(body, texts, calls);
    case KeptAction::kRetrieveItem:
      out = body;
      return dialects::read_kept_item(body, texts, calls);
    default:
      return dialects::write_conversation(body, kept.previous, kept.previous_sealed, texts, out);
  }
}

}  // namespace tollgate::pipeline
