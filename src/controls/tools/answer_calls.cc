#include "controls/tools/answer_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controls/tools/arguments.h"

namespace tollgate::tools {

namespace {

// More than any provider answers with at once.
constexpr std::size_t kChoicesMax = 128;

void add_once(std::vector<std::string>& names, std::string_view name) {
  constexpr std::size_t kNamesMax = 64;
  if (names.size() == kNamesMax || std::ranges::find(names, name) != names.end()) return;
  names.emplace_back(name);
}

// Calls that go by the type of the tool: those that the provider has made itself by the time that
// it tells of them, and those of its own that the caller runs and that have no name.
bool goes_by_type(std::string_view type) {
  return !type.empty() && type != "function" && type != "custom" && type != "tool_use";
}

// The family of such a tool, by what it is called in an answer.
std::string_view family_called(std::string_view type, std::string_view name) {
  if (type == "mcp_tool_use") return "mcp_toolset";
  if (type != "server_tool_use") return type;
  return name.ends_with("code_execution") ? "code_execution" : name;
}

}  // namespace

AnswerCalls::AnswerCalls(const Scope& scope, std::span<const Offered> offered)
    : scope_(scope), offered_(offered) {}

void AnswerCalls::refuse(std::string_view name, std::string rule, std::string message) {
  add_once(refused_, name.empty() ? "unnamed" : name);
  if (scope_.policy.mode == Mode::kObserve && rule.starts_with("routes.")) {
    add_once(observed_, rule);
    return;
  }
  if (refusal_) return;
  refusal_ = tollgate::refuse(Reason::kToolNotAllowed, std::move(rule), std::move(message)).error();
}

void AnswerCalls::refuse_figure(std::string_view name, std::string_view figure,
                                std::string message) {
  refuse(name, fmt::format("routes.{}.tools.{}", scope_.route, figure), std::move(message));
}

void AnswerCalls::unreadable() {
  refuse({}, fmt::format("routes.{}.tools", scope_.route),
         "The model's answer calls a tool in a way that cannot be read, so it is not passed on.");
}

const Offered* AnswerCalls::offered_named(std::string_view name) const {
  const auto found =
      std::ranges::find(offered_, name, [](const Offered& one) { return one.tool.name; });
  return found == offered_.end() ? nullptr : &*found;
}

AnswerCalls::Call* AnswerCalls::call_at(const Piece& piece) {
  const auto is_it = [&](const Call& call) {
    return call.choice == piece.choice && call.index == piece.index;
  };
  if (last_ < calls_.size() && is_it(calls_[last_])) return &calls_[last_];
  const auto known = std::ranges::find_if(calls_, is_it);
  last_ = static_cast<std::size_t>(known - calls_.begin());
  if (known != calls_.end()) return &*known;
  if (static_cast<std::int64_t>(calls_.size()) >= scope_.policy.calls) {
    refuse_figure(piece.name, "calls",
                  fmt::format("The model's answer calls more than {} tools, as many as are allowed "
                              "in one answer here.",
                              scope_.policy.calls));
    // One that is only observed is told of and not kept.
    return nullptr;
  }
  calls_.emplace_back();
  calls_.back().choice = piece.choice;
  calls_.back().index = piece.index;
  return &calls_.back();
}

// A provider's own tool that it runs itself: its family was offered, or it is one that another of
// its own, which was offered, may use and that is allowed.
bool AnswerCalls::is_own(const Tool& tool) const {
  const std::string_view family = family_called(tool.type, tool.name);
  bool has_own = false;
  for (const Offered& one : offered_) {
    if (goes_by_name(one.tool)) continue;
    has_own = true;
    const std::string_view of = family_of(one.tool.type);
    if (of == family || (family == "computer" && of == "computer_use")) return true;
  }
  return has_own && denial_of(scope_, {.type = family, .name = tool.name}) == Denial::kNothing;
}

void AnswerCalls::take_name(Call& call, const Piece& piece) {
  if (!call.name.empty()) {
    // One client puts the pieces of a name together, another takes the last.
    if (call.name != piece.name) unreadable();
    return;
  }
  call.name = piece.name;
  add_once(called_, call.name);
  if (goes_by_type(piece.type)) {
    if (is_own({piece.type, piece.name})) return;
  } else {
    call.offered = offered_named(call.name);
  }
  const Tool asked{goes_by_type(piece.type) ? family_called(piece.type, piece.name) : "function",
                   call.name};
  const Tool tool = call.offered != nullptr ? call.offered->tool : asked;
  const Denial denial = denial_of(scope_, tool);
  if (denial != Denial::kNothing) {
    return refuse(call.name, rule_of(scope_, denial),
                  "The model called a tool that may not be used here, so its answer is not passed "
                  "on.");
  }
  if (call.offered == nullptr) {
    return refuse(call.name, fmt::format("routes.{}.tools", scope_.route),
                  "The model called a tool that it was not offered, so its answer is not passed "
                  "on.");
  }
  call.is_text = piece.type == "custom" && call.offered->tool.type == "custom";
  call.is_held = scope_.policy.arguments == Arguments::kValidate &&
                 scope_.policy.mode == Mode::kEnforce && !call.is_text;
  if (call.is_held) ++holds_;
}

bool AnswerCalls::is_known(const Piece& piece) const {
  const bool compares = scope_.policy.arguments != Arguments::kPass;
  return std::ranges::any_of(calls_, [&](const Call& call) {
    return call.name == piece.name && (!compares || call.arguments == piece.arguments);
  });
}

void AnswerCalls::piece(const Piece& piece) {
  if (refusal_) return;
  if (std::ranges::find(ended_, piece.choice) != ended_.end()) return unreadable();
  Piece placed = piece;
  if (piece.index == Piece::kAnyPlace) {
    if (is_known(piece)) return;
    placed.index -= std::ssize(calls_) + 1;
  }
  Call* const call = call_at(placed);
  if (call == nullptr) return;
  if (!piece.name.empty()) take_name(*call, piece);
  if (refusal_ || piece.arguments.empty()) return;
  if (call->name.empty()) return unreadable();
  if (scope_.policy.arguments != Arguments::kPass) take_arguments(*call, piece);
}

void AnswerCalls::take_arguments(Call& call, const Piece& piece) {
  if (piece.is_again && !call.arguments.empty()) {
    // One client has put the pieces together, another takes the whole.
    if (call.arguments != piece.arguments) unreadable();
    return;
  }
  arguments_bytes_ += piece.arguments.size();
  if (arguments_bytes_ > kArgumentsBytesMax) {
    return refuse_figure(call.name, "arguments",
                         fmt::format("The arguments of the model's calls are longer than {} bytes, "
                                     "and cannot be looked at.",
                                     kArgumentsBytesMax));
  }
  call.arguments += piece.arguments;
}

const std::expected<Schema, std::string>& AnswerCalls::schema_of(const Offered& offered) {
  for (const auto& [of, schema] : schemas_) {
    if (of == &offered) return schema;
  }
  return schemas_.emplace_back(&offered, Schema::of_definition(offered.definition)).second;
}

std::optional<std::string> AnswerCalls::mistake_of(const Call& call) {
  if (scope_.policy.arguments != Arguments::kValidate) return mistake_in(call.arguments);
  const std::expected<Schema, std::string>& schema = schema_of(*call.offered);
  // The request was held to this, where that is enforced.
  if (!schema) return schema.error();
  return schema->mistake_in(call.arguments);
}

void AnswerCalls::judge(Call& call, End end) {
  if (std::exchange(call.is_ended, true)) return;
  if (call.name.empty()) return unreadable();
  if (call.is_held) --holds_;
  const bool is_json =
      call.offered != nullptr && !call.is_text && scope_.policy.arguments != Arguments::kPass;
  // Where the answer was cut a part of a call is what there is, and its end says so.
  if (!is_json || (end == End::kCut && !call.is_held)) return;
  const std::optional<std::string> mistake = mistake_of(call);
  if (!mistake) return;
  refuse_figure(call.name, "arguments",
                fmt::format("The model called `{}` with arguments that do not fit: {}.", call.name,
                            *mistake));
}

void AnswerCalls::ended(std::int64_t choice, End end) {
  if (std::ranges::find(ended_, choice) != ended_.end()) return;
  bool has_some = false;
  for (Call& call : calls_) {
    if (call.choice != choice) continue;
    has_some = true;
    judge(call, end);
  }
  if (has_some) return ended_.push_back(choice);
  // One without a call may yet have one, which is then as whole as its choice is.
  if (end == End::kCut || std::ranges::find(ended_without_, choice) != ended_without_.end()) return;
  many_ended_without_ = many_ended_without_ || ended_without_.size() == kChoicesMax;
  if (!many_ended_without_) ended_without_.push_back(choice);
}

void AnswerCalls::give_up() {
  const std::string_view name = calls_.empty() ? std::string_view() : calls_.back().name;
  refuse_figure(name, "arguments",
                "The arguments of the model's calls are too long to be looked at as a whole.");
}

void AnswerCalls::finish() {
  for (Call& call : calls_) {
    const bool has_ended = many_ended_without_ ||
                           std::ranges::find(ended_without_, call.choice) != ended_without_.end();
    judge(call, has_ended ? End::kComplete : End::kCut);
  }
}

}  // namespace tollgate::tools
