#include "dialects/answer_walk.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

#include "base/json_escapes.h"
#include "dialects/field_names.h"
#include "dialects/json_strict.h"
#include "dialects/response_events.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// One of fewer digits names nobody.
constexpr double kTellingNumber = 1e7;

// As many texts may end in the middle of an escape at a time; of more of them it is told as it is.
constexpr std::size_t kCutMax = 512;

// Of a longer stream some is told again.
constexpr std::size_t kToldBytesMax = std::size_t{4} << 20;

// What a provider writes of itself, not the model.
using Names = std::span<const std::string_view>;
constexpr std::string_view kOfReply[] = {"id",       "object",       "created",
                                         "model",    "usage",        "system_fingerprint",
                                         "provider", "service_tier", "obfuscation"};
constexpr std::string_view kOfMessage[] = {"id", "type", "role", "model", "stop_reason", "usage"};
constexpr std::string_view kOfChatMessage[] = {"role"};
constexpr std::string_view kOfChoice[] = {"index", "stop_reason", "logprobs"};
constexpr std::string_view kOfBlock[] = {"type", "signature"};
constexpr std::string_view kOfEvent[] = {"type", "index", "usage"};

// What a response repeats of what was asked, beside its own.
constexpr std::string_view kOfResponse[] = {"id",
                                            "object",
                                            "created_at",
                                            "completed_at",
                                            "status",
                                            "model",
                                            "usage",
                                            "instructions",
                                            "tools",
                                            "tool_choice",
                                            "text",
                                            "metadata",
                                            "reasoning",
                                            "previous_response_id",
                                            "service_tier",
                                            "user",
                                            "truncation",
                                            "prompt",
                                            "conversation",
                                            "incomplete_details",
                                            "moderation",
                                            "temperature",
                                            "top_p",
                                            "safety_identifier",
                                            "prompt_cache_key"};
constexpr std::string_view kOfItem[] = {
    "id", "type", "status", "role", "call_id", "encrypted_content", "phase"};
constexpr std::string_view kOfPart[] = {"type", "logprobs"};
constexpr std::string_view kOfResponseEvent[] = {
    "type",          "sequence_number",  "item_id",  "output_index", "content_index",
    "summary_index", "annotation_index", "logprobs", "obfuscation"};

constexpr std::string_view kOfTranscriptEvent[] = {"type", "id", "logprobs", "usage"};

// Of an item: what comes in deltas.
constexpr std::string_view kInPieces[] = {"arguments", "input", "code", "command", "text"};

bool is_among(std::string_view key, Names names) {
  return std::ranges::find(names, key) != names.end();
}

std::int64_t index_of(dom::object object, std::int64_t otherwise) {
  std::int64_t index = 0;
  return object.at_key("index").get(index) == simdjson::SUCCESS ? index : otherwise;
}

}  // namespace

bool is_name_of_part(std::string_view place) {
  // Without the numbers of elements.
  constexpr std::string_view kNames[] = {
      "choices[].message.tool_calls[].id",
      "choices[].message.tool_calls[].type",
      "choices[].message.annotations[].type",
      "choices[].message.audio.id",
      "output[].content[].annotations[].type",
      "content[].id",
      "content[].citations[].type",
      "content[].content[].type",
      "content[].content.type",
  };
  return std::ranges::any_of(kNames, [&](std::string_view name) {
    std::string_view rest = place;
    for (const char c : name) {
      if (!rest.starts_with(c)) return false;
      rest.remove_prefix(1);
      while (c == '[' && !rest.empty() && rest.front() >= '0' && rest.front() <= '9')
        rest.remove_prefix(1);
    }
    return rest.empty();
  });
}

std::size_t AnswerWalk::enter(std::string_view key) {
  const std::size_t before = place_.size();
  if (before > 0) place_ += '.';
  place_ += key;
  return before;
}

std::size_t AnswerWalk::enter(std::int64_t index) {
  const std::size_t before = place_.size();
  char digits[24];
  place_ += '[';
  place_.append(digits, std::to_chars(digits, digits + sizeof digits, index).ptr);
  place_ += ']';
  return before;
}

// Whether all of it was told at this place before. What was told as a whole and is gone on with in
// pieces is a text that began there, so it is the first of them.
bool AnswerWalk::is_told(std::string_view text, Kind kind) {
  told_bytes_ += text.size() + place_.size();
  if (told_bytes_ > kToldBytesMax) {
    told_.clear();
    told_bytes_ = 0;
  }
  Told& told = told_[place_];
  if (kind == Kind::kTexts) {
    if (told.text == text) return true;
    told = {.text = std::string(text), .in_pieces = false};
    return false;
  }
  if (!told.in_pieces && !told.text.empty()) sink_->piece(place_, told.text);
  told.in_pieces = true;
  told.text += text;
  return false;
}

void AnswerWalk::tell(std::string_view text, Kind kind) {
  if (text.empty() || (repeats_ && is_told(text, kind))) return;
  kind == Kind::kPieces ? sink_->piece(place_, text) : sink_->text(place_, text);
}

// One that no dialect has may be the model's.
void AnswerWalk::tell_name(std::string_view name) {
  if (!is_field_name(name)) sink_->text(place_, name);
}

void AnswerWalk::tell_json(dom::element value) {
  json_.clear();
  append_json(value, json_);
  tell(json_, Kind::kTexts);
}

// Whole or in pieces, an object or a string that says the same: all are one text.
void AnswerWalk::tell_json(std::string_view text, Kind kind) {
  const auto cut = kind == Kind::kPieces ? cut_.find(place_) : cut_.end();
  std::string joined;
  if (cut != cut_.end()) {
    joined = std::move(cut->second) += text;
    cut_.erase(cut);
    text = joined;
  } else if (!text.contains('\\')) {
    return tell(text, kind);
  }
  json_.clear();
  const std::string_view rest = text.substr(append_plain_json(text, json_));
  if (kind == Kind::kPieces && !rest.empty() && cut_.size() < kCutMax) {
    cut_.emplace(place_, rest);
  } else {
    json_ += rest;
  }
  tell(json_, kind);
}

void AnswerWalk::end(const std::string& places) {
  for (auto cut = cut_.lower_bound(places); cut != cut_.end() && cut->first.starts_with(places);) {
    sink_->piece(cut->first, cut->second);
    cut = cut_.erase(cut);
  }
  sink_->ended(places);
}

void AnswerWalk::walk_field(std::string_view key, dom::element value, Kind kind) {
  if (std::string_view text; key == "arguments" && value.get(text) == simdjson::SUCCESS) {
    tell_json(text, kind);
  } else {
    walk(value, kind);
  }
}

void AnswerWalk::walk(dom::element value, Kind kind) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    tell(text, kind);
  } else if (dom::object object; value.get(object) == simdjson::SUCCESS) {
    walk_fields(object, kind, {});
  } else if (dom::array array; value.get(array) == simdjson::SUCCESS) {
    walk_items(array, kind);
  } else if (double number = 0; value.get(number) == simdjson::SUCCESS) {
    if (std::abs(number) >= kTellingNumber) tell_json(value);
  }
}

void AnswerWalk::walk_fields(dom::object object, Kind kind, std::span<const std::string_view> own) {
  for (const dom::key_value_pair field : object) {
    if (is_among(field.key, own)) continue;
    tell_name(field.key);
    // These come whole, also where pieces do.
    const bool is_whole = field.key == "id" || field.key == "type" || field.key == "format";
    const std::size_t before = enter(field.key);
    dom::object inner;
    const bool is_json = (field.key == "arguments" || field.key == "input") &&
                         field.value.get(inner) == simdjson::SUCCESS;
    // A stream opens a block with an empty input and sends the true one in pieces.
    if (is_json && inner.size() > 0) {
      tell_json(field.value);
    } else if (!is_json) {
      walk_field(field.key, field.value, is_whole ? Kind::kTexts : kind);
    }
    leave(before);
  }
}

void AnswerWalk::walk_items(dom::array array, Kind kind) {
  std::int64_t position = 0;
  for (const dom::element item : array) {
    dom::object object;
    const bool is_object = item.get(object) == simdjson::SUCCESS;
    const std::size_t before =
        enter(is_object && kind == Kind::kPieces ? index_of(object, position) : position);
    walk(item, kind);
    leave(before);
    ++position;
  }
}

// OpenAI -----------------------------------------------------------------------------------

void AnswerWalk::choices(dom::element value, Kind kind) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return walk(value, Kind::kTexts);
  std::int64_t position = 0;
  for (const dom::element item : array) {
    dom::object object;
    if (item.get(object) != simdjson::SUCCESS) {
      walk(item, Kind::kTexts);
      continue;
    }
    const std::size_t before = enter(index_of(object, position++));
    choice(object, kind);
    leave(before);
  }
}

void AnswerWalk::choice(dom::object choice, Kind kind) {
  for (const dom::key_value_pair field : choice) {
    if (field.key == "delta" || field.key == "message") {
      const std::size_t before = enter("message");
      message(field.value, kind);
      leave(before);
    } else if (field.key == "text") {
      const std::size_t before = enter(field.key);
      walk(field.value, kind);
      leave(before);
    } else if (field.key == "finish_reason") {
      if (kind == Kind::kPieces && !field.value.is_null()) ended_.push_back(place_ + ".");
    } else if (!is_among(field.key, kOfChoice)) {
      tell_name(field.key);
      const std::size_t before = enter(field.key);
      walk(field.value, field.value.is_string() ? kind : Kind::kTexts);
      leave(before);
    }
  }
}

void AnswerWalk::message(dom::element value, Kind kind) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return walk(value, kind);
  walk_fields(object, kind, kOfChatMessage);
}

// Anthropic --------------------------------------------------------------------------------

void AnswerWalk::blocks(dom::element value) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return walk(value, Kind::kTexts);
  std::int64_t position = 0;
  for (const dom::element item : array) {
    const std::size_t before = enter(position++);
    dom::object object;
    if (item.get(object) == simdjson::SUCCESS) {
      block(object, Kind::kTexts);
    } else {
      walk(item, Kind::kTexts);
    }
    leave(before);
  }
}

// What opens a block may be gone on with; the rest of it is complete.
void AnswerWalk::block(dom::object block, Kind kind) {
  for (const dom::key_value_pair field : block) {
    if (is_among(field.key, kOfBlock)) continue;
    tell_name(field.key);
    const bool goes_on = field.key == "text" || field.key == "thinking";
    const std::size_t before = enter(field.key);
    dom::object inner;
    if (field.key == "input" && field.value.get(inner) == simdjson::SUCCESS) {
      if (inner.size() > 0) tell_json(field.value);
    } else {
      walk(field.value, goes_on ? kind : Kind::kTexts);
    }
    leave(before);
  }
}

void AnswerWalk::block_delta(dom::object delta) {
  for (const dom::key_value_pair field : delta) {
    if (is_among(field.key, kOfBlock)) continue;
    tell_name(field.key);
    const bool is_json = field.key == "partial_json";
    const std::size_t before = enter(is_json ? "input" : field.key);
    if (std::string_view text; field.value.get(text) != simdjson::SUCCESS) {
      walk(field.value, Kind::kTexts);
    } else {
      is_json ? tell_json(text, Kind::kPieces) : tell(text, Kind::kPieces);
    }
    leave(before);
  }
}

void AnswerWalk::anthropic_event(std::string_view type, dom::object event) {
  const bool starts = type == "content_block_start";
  const bool goes_on = type == "content_block_delta";
  const std::int64_t index = index_of(event, 0);
  for (const dom::key_value_pair field : event) {
    dom::object object;
    const bool is_object = field.value.get(object) == simdjson::SUCCESS;
    if ((starts && field.key == "content_block" && is_object) ||
        (goes_on && field.key == "delta" && is_object)) {
      const std::size_t before = enter("content");
      enter(index);
      starts ? block(object, Kind::kPieces) : block_delta(object);
      leave(before);
    } else if (type == "message_start" && field.key == "message" && is_object) {
      reply(Surface::kMessages, object);
    } else if (!is_among(field.key, kOfEvent)) {
      tell_name(field.key);
      const std::size_t before = enter(field.key);
      is_object ? walk_fields(object, Kind::kTexts, kOfMessage) : walk(field.value, Kind::kTexts);
      leave(before);
    }
  }
  if (type == "content_block_stop") {
    const std::size_t before = enter("content");
    enter(index);
    ended_.push_back(place_ + ".");
    leave(before);
  } else if (type == "message_stop") {
    ended_.emplace_back();
  }
}

// Responses --------------------------------------------------------------------------------

void AnswerWalk::response_items(dom::element output) {
  dom::array items;
  if (output.get(items) != simdjson::SUCCESS) return walk(output, Kind::kTexts);
  std::int64_t position = 0;
  for (const dom::element item : items) {
    const std::size_t before = enter(position++);
    response_item(item, Kind::kTexts);
    leave(before);
  }
}

// What begins one may be gone on with in pieces.
void AnswerWalk::response_item(dom::element item, Kind kind) {
  dom::object object;
  if (item.get(object) != simdjson::SUCCESS) return walk(item, Kind::kTexts);
  for (const dom::key_value_pair field : object) {
    if (is_among(field.key, kOfItem)) continue;
    tell_name(field.key);
    const std::size_t before = enter(field.key);
    dom::array parts;
    const bool has_parts = (field.key == "content" || field.key == "summary") &&
                           field.value.get(parts) == simdjson::SUCCESS;
    if (has_parts) {
      std::int64_t position = 0;
      for (const dom::element part : parts) {
        const std::size_t list = enter(position++);
        response_part(part, kind);
        leave(list);
      }
    } else {
      walk_field(field.key, field.value, is_among(field.key, kInPieces) ? kind : Kind::kTexts);
    }
    leave(before);
  }
}

void AnswerWalk::response_part(dom::element part, Kind kind) {
  dom::object object;
  if (part.get(object) != simdjson::SUCCESS) return walk(part, Kind::kTexts);
  walk_fields(object, kind, kOfPart);
}

void AnswerWalk::response(dom::object response) {
  for (const dom::key_value_pair field : response) {
    if (is_among(field.key, kOfResponse)) continue;
    tell_name(field.key);
    const std::size_t before = enter(field.key);
    field.key == "output" ? response_items(field.value) : walk(field.value, Kind::kTexts);
    leave(before);
  }
}

void AnswerWalk::response_event(std::string_view type, dom::object event) {
  dom::object object;
  if (event.at_key("response").get(object) == simdjson::SUCCESS) return response(object);
  const std::optional<ResponsePlace> place = place_of_response_event(type, event);
  std::int64_t item = 0;
  (void)event.at_key("output_index").get(item);
  enter("output");
  enter(item);
  const std::size_t of_item = place_.size();
  if (place && !place->list.empty()) {
    enter(place->list);
    enter(place->part);
  }
  const std::size_t of_part = place_.size();
  const Kind begins = type.ends_with(".added") ? Kind::kPieces : Kind::kTexts;
  for (const dom::key_value_pair field : event) {
    if (is_among(field.key, kOfResponseEvent)) continue;
    tell_name(field.key);
    const std::size_t before = place_.size();
    if (field.key == "item") {
      response_item(field.value, begins);
    } else if (field.key == "part" && place) {
      response_part(field.value, begins);
    } else {
      const bool is_piece = field.key == "delta";
      const std::string_view name = is_piece && place ? place->field : field.key;
      enter(name);
      walk_field(name, field.value, is_piece ? Kind::kPieces : Kind::kTexts);
    }
    leave(before);
  }
  if (place && type.ends_with(".done")) {
    if (of_part == of_item) enter(place->field);
    ended_.push_back(of_part == of_item ? place_ : place_ + ".");
  }
  place_.resize(of_item);
  if (type == "response.output_item.done") ended_.push_back(place_ + ".");
}

// Transcripts ------------------------------------------------------------------------------

void AnswerWalk::transcript_event(std::string_view type, dom::object event) {
  const bool is_delta = type == "transcript.text.delta";
  const bool is_done = type == "transcript.text.done";
  for (const dom::key_value_pair field : event) {
    if (is_among(field.key, kOfTranscriptEvent)) continue;
    tell_name(field.key);
    const bool is_piece = is_delta && field.key == "delta";
    // The whole of it comes once more.
    const bool is_whole = is_done && field.key == "text";
    const std::size_t before = place_.size();
    if (!is_piece && !is_whole) enter("event");
    enter(is_piece ? std::string_view("text") : field.key);
    walk(field.value, is_piece ? Kind::kPieces : Kind::kTexts);
    leave(before);
  }
  if (is_done) ended_.emplace_back();
}

// All --------------------------------------------------------------------------------------

void AnswerWalk::reply(Surface surface, dom::object reply) {
  if (surface == Surface::kResponses) return response(reply);
  const bool anthropic = dialect_of(surface) == Dialect::kAnthropic;
  const Names own = anthropic ? Names(kOfMessage) : Names(kOfReply);
  for (const dom::key_value_pair field : reply) {
    if (is_among(field.key, own)) continue;
    tell_name(field.key);
    const std::size_t before = enter(field.key);
    if (field.key == "choices" && !anthropic) {
      choices(field.value, Kind::kTexts);
    } else if (field.key == "content" && anthropic) {
      blocks(field.value);
    } else {
      walk(field.value, Kind::kTexts);
    }
    leave(before);
  }
}

void AnswerWalk::event(Surface surface, dom::object event) {
  place_.clear();
  ended_.clear();
  repeats_ = surface == Surface::kResponses || reads_sound(surface);
  std::string_view type;
  (void)event.at_key("type").get(type);
  if (dialect_of(surface) == Dialect::kAnthropic) {
    anthropic_event(type, event);
  } else if (reads_sound(surface)) {
    transcript_event(type, event);
  } else if (repeats_) {
    response_event(type, event);
  } else {
    for (const dom::key_value_pair field : event) {
      if (is_among(field.key, kOfReply)) continue;
      tell_name(field.key);
      const std::size_t before = enter(field.key);
      field.key == "choices" ? choices(field.value, Kind::kPieces)
                             : walk(field.value, Kind::kTexts);
      leave(before);
    }
  }
  for (const std::string& places : ended_) end(places);
}

}  // namespace tollgate::dialects
