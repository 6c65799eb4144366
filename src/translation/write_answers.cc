// Whole answers in each dialect.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "dialects/usage_json.h"
#include "translation/answer.h"
#include "translation/answer_words.h"

namespace tollgate::translation {

namespace {

using Kind = Answer::Kind;

// All texts of that kind; nothing where there is none.
std::optional<std::string> joined(const Answer& answer, Kind kind) {
  std::optional<std::string> text;
  for (const Answer::Piece& piece : answer.pieces) {
    if (piece.kind != kind) continue;
    if (!text) text.emplace();
    *text += piece.text;
  }
  return text;
}

void write_or_null(std::string_view key, const std::optional<std::string>& text, JsonWriter& json) {
  json.key(key);
  text ? json.value(*text) : json.null();
}

void write_usage(Surface surface, const Answer& answer, JsonWriter& json) {
  json.key("usage");
  answer.usage ? dialects::write_usage(surface, *answer.usage, json) : json.null();
}

void write_chat_message(const Answer& answer, JsonWriter& json) {
  json.begin_object();
  json.member("role", "assistant");
  write_or_null("content", joined(answer, Kind::kText), json);
  write_or_null("refusal", joined(answer, Kind::kRefusal), json);
  if (const auto thought = joined(answer, Kind::kThought))
    json.member("reasoning_content", *thought);
  if (answer.has_calls()) {
    json.key("tool_calls");
    json.begin_array();
    for (const Answer::Piece& piece : answer.pieces) {
      if (piece.kind != Kind::kCall) continue;
      const std::string_view type = piece.is_custom ? "custom" : "function";
      json.begin_object();
      json.member("id", piece.id);
      json.member("type", type);
      json.key(type);
      json.begin_object();
      json.member("name", piece.name);
      json.member(piece.is_custom ? "input" : "arguments", piece.text);
      json.end_object();
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

void write_block(const Answer::Piece& piece, JsonWriter& json) {
  json.begin_object();
  switch (piece.kind) {
    case Kind::kThought:
      json.member("type", "thinking");
      json.member("thinking", piece.text);
      json.member("signature", "");
      break;
    case Kind::kCall:
      json.member("type", "tool_use");
      json.member("id", piece.id);
      json.member("name", piece.name);
      json.key("input");
      json.raw(piece.text.empty() ? "{}" : std::string_view(piece.text));
      break;
    case Kind::kText:
    case Kind::kRefusal:
      json.member("type", "text");
      json.member("text", piece.text);
      break;
  }
  json.end_object();
}

}  // namespace

void write_chat_answer(const Answer& answer, std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  json.member("id", answer.id);
  json.member("object", "chat.completion");
  json.member("created", answer.created);
  json.member("model", answer.model);
  json.key("choices");
  json.begin_array();
  json.begin_object();
  json.member("index", 0);
  json.key("message");
  write_chat_message(answer, json);
  json.key("logprobs");
  json.null();
  json.member("finish_reason", chat_reason(answer.reason()));
  json.end_object();
  json.end_array();
  write_usage(Surface::kChatCompletions, answer, json);
  json.end_object();
}

void write_messages_answer(const Answer& answer, std::string& out) {
  JsonWriter json(out);
  json.begin_object();
  json.member("id", answer.id);
  json.member("type", "message");
  json.member("role", "assistant");
  json.member("model", answer.model);
  json.key("content");
  json.begin_array();
  for (const Answer::Piece& piece : answer.pieces) write_block(piece, json);
  json.end_array();
  write_stop(answer.reason(), answer.stop_sequence, json);
  write_usage(Surface::kMessages, answer, json);
  json.end_object();
}

void write_response_answer(const Answer& answer, std::string& out) {
  JsonWriter json(out);
  write_response_object(answer, ResponseStatus::kEnded, json);
}

}  // namespace tollgate::translation
