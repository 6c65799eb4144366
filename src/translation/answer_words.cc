#include "translation/answer_words.h"

#include <fmt/format.h>

#include "dialects/usage_json.h"

namespace tollgate::translation {

namespace {

using Kind = Answer::Kind;

std::string_view stop_reason(Finish finish) {
  switch (finish) {
    case Finish::kStop:
      return "end_turn";
    case Finish::kStopSequence:
      return "stop_sequence";
    case Finish::kLength:
      return "max_tokens";
    case Finish::kCalls:
      return "tool_use";
    case Finish::kFiltered:
      break;
  }
  return "refusal";
}

bool is_cut(Finish finish) { return finish == Finish::kLength || finish == Finish::kFiltered; }

}  // namespace

std::string_view chat_reason(Finish finish) {
  switch (finish) {
    case Finish::kStop:
    case Finish::kStopSequence:
      return "stop";
    case Finish::kLength:
      return "length";
    case Finish::kCalls:
      return "tool_calls";
    case Finish::kFiltered:
      break;
  }
  return "content_filter";
}

void write_stop(Finish finish, std::string_view stop_sequence, JsonWriter& json) {
  json.member("stop_reason", stop_reason(finish));
  json.key("stop_sequence");
  finish == Finish::kStopSequence ? json.value(stop_sequence) : json.null();
}

std::string item_id(const ItemOf& item) {
  const Answer::Piece& piece = item.answer.pieces[item.piece];
  const std::string_view kind = piece.kind == Kind::kThought ? "rs"
                                : piece.kind != Kind::kCall  ? "msg"
                                : piece.is_custom            ? "ctc"
                                                             : "fc";
  return fmt::format("{}_{}_{}", kind, item.answer.id, item.piece);
}

void write_item_part(const Answer::Piece& piece, ResponseStatus status, JsonWriter& json) {
  const std::string_view text =
      status == ResponseStatus::kEnded ? std::string_view(piece.text) : std::string_view();
  json.begin_object();
  if (piece.kind == Kind::kThought) {
    json.member("type", "reasoning_text");
    json.member("text", text);
  } else if (piece.kind == Kind::kRefusal) {
    json.member("type", "refusal");
    json.member("refusal", text);
  } else {
    json.member("type", "output_text");
    json.member("text", text);
    json.key("annotations");
    json.raw("[]");
    json.key("logprobs");
    json.raw("[]");
  }
  json.end_object();
}

void write_item(const ItemOf& item, ResponseStatus status, JsonWriter& json) {
  const Answer::Piece& piece = item.answer.pieces[item.piece];
  const bool ended = status == ResponseStatus::kEnded;
  json.begin_object();
  json.member("id", item_id(item));
  if (piece.kind == Kind::kCall) {
    json.member("type", piece.is_custom ? "custom_tool_call" : "function_call");
    json.member("status", ended ? "completed" : "in_progress");
    json.member("call_id", piece.id);
    json.member("name", piece.name);
    json.member(piece.is_custom ? "input" : "arguments",
                ended ? std::string_view(piece.text) : std::string_view());
  } else {
    const bool is_thought = piece.kind == Kind::kThought;
    json.member("type", is_thought ? "reasoning" : "message");
    if (is_thought) {
      json.key("summary");
      json.raw("[]");
    } else {
      json.member("status", ended ? "completed" : "in_progress");
      json.member("role", "assistant");
    }
    json.key("content");
    json.begin_array();
    if (ended) write_item_part(piece, status, json);
    json.end_array();
  }
  json.end_object();
}

void write_response_object(const Answer& answer, ResponseStatus status, JsonWriter& json) {
  const bool ended = status == ResponseStatus::kEnded;
  const bool cut = ended && is_cut(answer.finish);
  json.begin_object();
  json.member("id", answer.id);
  json.member("object", "response");
  json.member("created_at", answer.created);
  json.member("status", !ended ? "in_progress" : cut ? "incomplete" : "completed");
  json.key("error");
  json.null();
  json.key("incomplete_details");
  if (cut) {
    json.begin_object();
    json.member("reason",
                answer.finish == Finish::kLength ? "max_output_tokens" : "content_filter");
    json.end_object();
  } else {
    json.null();
  }
  json.member("model", answer.model);
  json.key("output");
  json.begin_array();
  for (std::size_t at = 0; ended && at < answer.pieces.size(); ++at)
    write_item({answer, at}, status, json);
  json.end_array();
  json.member("parallel_tool_calls", true);
  json.member("tool_choice", "auto");
  json.key("tools");
  json.raw("[]");
  json.member("store", false);
  json.key("usage");
  if (ended && answer.usage) {
    dialects::write_usage(Surface::kResponses, *answer.usage, json);
  } else {
    json.null();
  }
  json.end_object();
}

}  // namespace tollgate::translation
