#include "translation/answer.h"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::translation {

namespace dom = simdjson::dom;

bool Answer::has_calls() const {
  return std::ranges::any_of(pieces, [](const Piece& piece) { return piece.kind == Kind::kCall; });
}

Finish Answer::reason() const {
  return finish == Finish::kStop && has_calls() ? Finish::kCalls : finish;
}

void AnswerKeeper::clear(const AnswerTerms& terms) {
  answer = {};
  answer.id = terms.id;
  answer.model = terms.model;
  answer.created = terms.created;
  failure.clear();
  is_open_ = false;
}

void AnswerKeeper::begin(std::string_view id, std::string_view model, std::int64_t created) {
  if (!id.empty()) answer.id = id;
  if (!model.empty()) answer.model = model;
  if (created > 0) answer.created = created;
}

void AnswerKeeper::add(Answer::Kind kind, std::string_view piece) {
  if (piece.empty()) return;
  if (!is_open_ || answer.pieces.back().kind != kind) {
    answer.pieces.emplace_back().kind = kind;
    is_open_ = true;
  }
  answer.pieces.back().text += piece;
}

void AnswerKeeper::call(std::string_view id, std::string_view name, bool is_custom) {
  answer.pieces.push_back({Answer::Kind::kCall, {}, std::string(id), std::string(name), is_custom});
  is_open_ = true;
}

void AnswerKeeper::arguments(std::string_view piece) {
  const bool has_call = !answer.pieces.empty() && answer.pieces.back().kind == Answer::Kind::kCall;
  if (has_call) answer.pieces.back().text += piece;
}

void AnswerKeeper::finish(Finish reason, std::string_view stop_sequence) {
  answer.finish = reason;
  answer.stop_sequence = stop_sequence;
}

void AnswerKeeper::error(std::string_view type, std::string_view message) {
  failure = message.empty() ? type : message;
  if (failure.empty()) failure = "an error";
}

std::unexpected<Fault> broken(std::string_view what) {
  return fault(FaultKind::kBroken, fmt::format("The upstream's answer {}.", what));
}

FaultOr<std::string_view> told_string(dom::object object, std::string_view key) {
  dom::element value;
  std::string_view text;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return text;
  if (value.get(text) == simdjson::SUCCESS) return text;
  return broken(fmt::format("has a '{}' that is no string", key));
}

}  // namespace tollgate::translation
