#include "pipeline/kept_response.h"

#include <fmt/format.h>

#include <algorithm>

#include "dialects/kept_response.h"
#include "pipeline/conversation.h"
#include "pipeline/stored_response.h"
#include "pipeline/tool_rules.h"

namespace tollgate::pipeline {

namespace {

constexpr std::string_view kCancel = "/cancel";
constexpr std::string_view kInputItems = "/input_items";
constexpr std::size_t kValueBytesMax = 128;

KeptAction action_of(std::string_view method, std::string_view& rest) {
  const auto take = [&](std::string_view ending) {
    if (!rest.ends_with(ending)) return false;
    rest.remove_suffix(ending.size());
    return true;
  };
  if (method == "POST") return take(kCancel) ? KeptAction::kCancel : KeptAction::kNothing;
  if (method == "DELETE") return KeptAction::kDelete;
  if (method != "GET") return KeptAction::kNothing;
  return take(kInputItems) ? KeptAction::kInputItems : KeptAction::kRetrieve;
}

// A call that a model made; of what may not be called none is told.
class AllowedCalls final : public dialects::CallSink {
 public:
  AllowedCalls(const tools::Scope& scope, const config::Route& route)
      : scope_(scope), route_(route) {}

  void call(const dialects::CallPiece& piece) override {
    if (piece.type.empty() && piece.name.empty()) return;
    const tools::Denial denial = tools::denial_of(scope_, {piece.type, piece.name});
    if (denial != tools::Denial::kNothing) return refuse_call(tools::rule_of(scope_, denial));
    if (route_.tools.arguments == tools::Arguments::kValidate)
      refuse_call(fmt::format("routes.{}.tools.arguments", route_.name));
  }
  void unreadable() override { refuse_call(fmt::format("routes.{}.tools", route_.name)); }
  void ended(std::int64_t, dialects::CallEnd) override {}
  bool stops() const override { return refusal_.has_value(); }
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  void refuse_call(std::string rule) {
    if (refusal_ || route_.tools.mode == Mode::kObserve) return;
    refusal_ = refuse(Reason::kToolNotAllowed, std::move(rule),
                      "It holds a call of a tool that may not be told here.")
                   .error();
  }

  const tools::Scope& scope_;
  const config::Route& route_;
  std::optional<Refusal> refusal_;
};

class NoOutput final : public dialects::OutputSink {
 public:
  void text(std::int64_t, std::string_view) override {}
};

std::unexpected<Refusal> refuse_broken(const Plan& plan, const Fault& fault) {
  Refusal refusal;
  refusal.reason = Reason::kUpstreamError;
  refusal.rule = fmt::format("upstreams.{}", plan.upstream->name);
  refusal.message = "The model server's answer could not be understood or ended too early.";
  refusal.recorded = fmt::format("{} {}", refusal.message, fault.message);
  return std::unexpected(std::move(refusal));
}

FaultOr<void> read_texts(const KeptAnswer& answer, std::string_view body,
                         dialects::AnswerSink* texts, AllowedCalls& calls, std::string& out) {
  const Kept& kept = answer.plan.kept;
  if (is_of_conversation(answer.action)) return read_conversation(answer, body, texts, calls, out);
  if (answer.action == KeptAction::kInputItems) {
    out = body;
    return dialects::read_input_items(body, texts, calls);
  }
  if (auto written = dialects::write_kept_response(body, kept.previous, kept.previous_sealed, out);
      !written) {
    return written;
  }
  out.reserve(out.size() + dialects::RequestReader::kPadding);
  dialects::ReplyReader reader;
  NoOutput output;
  const auto read = reader.read(dialects::Surface::kResponses, out, output, texts, &calls);
  if (!read) return std::unexpected(read.error());
  return {};
}

// "/v1/conversations" beside "/v1/responses".
std::string_view behind_conversations(std::string_view path, std::string_view door,
                                      bool& is_there) {
  constexpr std::string_view kResponses = "/responses";
  constexpr std::string_view kConversations = "/conversations";
  is_there = false;
  if (!door.ends_with(kResponses)) return {};
  door.remove_suffix(kResponses.size());
  if (!path.starts_with(door)) return {};
  path.remove_prefix(door.size());
  if (!path.starts_with(kConversations)) return {};
  path.remove_prefix(kConversations.size());
  is_there = true;
  return path;
}

}  // namespace

bool is_kept_value(std::string_view value) {
  return !value.empty() && value.size() <= kValueBytesMax && std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

KeptAsk kept_ask_of(const config::Config& config, const authorization::Target& target) {
  for (const config::Route& route : config.routes) {
    const std::string& path = route.access.path;
    if (route.stored_responses.empty()) continue;
    bool is_there = false;
    const std::string_view behind = behind_conversations(target.path, path, is_there);
    if (is_there) {
      const KeptAsk ask = conversation_ask_of(target.method, behind, path);
      if (ask.action != KeptAction::kNothing) return ask;
    }
    if (!target.path.starts_with(path)) continue;
    std::string_view rest = target.path.substr(path.size());
    if (!rest.starts_with('/')) continue;
    rest.remove_prefix(1);
    const KeptAction action = action_of(target.method, rest);
    const bool is_one = !rest.empty() && rest.find('/') == std::string_view::npos;
    if (action != KeptAction::kNothing && is_one) return {action, rest, path};
  }
  return {};
}

std::string_view name_of(KeptAction action) {
  switch (action) {
    case KeptAction::kRetrieve:
      return "responses.retrieve";
    case KeptAction::kDelete:
      return "responses.delete";
    case KeptAction::kCancel:
      return "responses.cancel";
    case KeptAction::kInputItems:
      return "responses.input_items";
    case KeptAction::kCreateConversation:
      return "conversations.create";
    case KeptAction::kRetrieveConversation:
      return "conversations.retrieve";
    case KeptAction::kUpdateConversation:
      return "conversations.update";
    case KeptAction::kDeleteConversation:
      return "conversations.delete";
    case KeptAction::kCreateItems:
      return "conversations.items.create";
    case KeptAction::kListItems:
      return "conversations.items.list";
    case KeptAction::kRetrieveItem:
      return "conversations.items.retrieve";
    case KeptAction::kDeleteItem:
      return "conversations.items.delete";
    case KeptAction::kNothing:
      break;
  }
  return {};
}

bool is_of_conversation(KeptAction action) { return action >= KeptAction::kCreateConversation; }

bool brings_texts(KeptAction action) {
  return action == KeptAction::kCreateConversation || action == KeptAction::kUpdateConversation ||
         action == KeptAction::kCreateItems;
}

Expected<Plan> find_kept(const Facts& facts, const KeptAsk& ask, Arena& arena) {
  if (is_of_conversation(ask.action)) return find_conversation(facts, ask, arena);
  const config::Config& config = facts.config;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const config::Route& route = config.routes[i];
    if (route.stored_responses.empty() ||
        !authorization::lets_in(route.access, facts.target, facts.caller)) {
      continue;
    }
    for (const int index : route.models) {
      const config::Model& model = config.models[static_cast<std::size_t>(index)];
      const auto choice =
          authorization::choose(config.access, facts.target, model.name, facts.caller);
      if (!choice || std::cmp_not_equal(choice->route, i)) continue;
      Plan plan;
      plan.route = &route;
      plan.model = &model;
      plan.upstream = &config.upstreams[static_cast<std::size_t>(model.upstream)];
      const auto opened =
          open_response(*facts.pepper, {route, *plan.upstream, model, facts.caller}, ask.id);
      if (!opened) continue;
      plan.kept.previous = arena.copy(opened->id);
      plan.kept.previous_sealed = arena.copy(ask.id);
      if (ask.action != KeptAction::kDelete && !route.response_guards.empty()) {
        return refuse(Reason::kUnsupportedParameter,
                      fmt::format("routes.{}.response_guards", route.name),
                      "Answers are judged here when they are made, and not told again.");
      }
      plan.charges = request_charges(facts, plan, arena);
      return plan;
    }
  }
  return refuse(Reason::kNotFound, "routes",
                "There is no response of this id here: it has to be one that was made with `store: "
                "true`, for the same caller and on this route.");
}

// Of the parameters of the API those whose values say nothing but where a list goes on.
Expected<std::string> kept_query(KeptAction action, std::string_view target) {
  const std::size_t mark = target.find('?');
  std::string query;
  if (mark == std::string_view::npos) return query;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.empty()) continue;
    const std::string_view key = one.substr(0, one.find('='));
    const std::string_view value = one.substr(std::min(one.size(), key.size() + 1));
    if (key == "stream" && value == "false") continue;
    const bool is_list = action == KeptAction::kInputItems || action == KeptAction::kListItems;
    const bool is_known = is_list && (key == "limit" || key == "order" || key == "after");
    if (!is_known || !is_kept_value(value)) {
      const std::string name = is_kept_value(key) ? std::string(key) : std::string("query");
      return refuse(
          Reason::kUnsupportedParameter, "request",
          fmt::format("'{}' is not served here, or not with this value: leave it out.", name),
          name);
    }
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', key, value);
  }
  return query;
}

Expected<void> read_kept(const KeptAnswer& answer, std::string_view body, AnswerVerdict& verdict,
                         std::string& out) {
  const config::Route& route = *answer.plan.route;
  const bool is_conversation = answer.action == KeptAction::kDeleteConversation;
  if (answer.action == KeptAction::kDelete || is_conversation) {
    out = fmt::format(R"({{"id":"{}","object":"{}","deleted":true}})",
                      answer.plan.kept.previous_sealed,
                      is_conversation ? "conversation.deleted" : "response");
    return {};
  }
  const tools::Scope scope = tool_scope(answer.facts.config, route, answer.facts.caller);
  AllowedCalls calls(scope, route);
  std::optional<WholeAnswer> texts;
  if (inspects_answers(route)) texts.emplace(route, answer.scanner, answer.rules);
  const FaultOr<void> read = read_texts(answer, body, texts ? &*texts : nullptr, calls, out);
  if (!read) return refuse_broken(answer.plan, read.error());
  if (calls.refusal()) return std::unexpected(*calls.refusal());
  return texts ? texts->judge(verdict) : Expected<void>();
}

}  // namespace tollgate::pipeline
