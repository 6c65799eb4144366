#include "dialects/call_reading.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "dialects/json_strict.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// The place of a call that came as OpenAI's first form of one.
constexpr std::int64_t kFunctionCall = -1;

// Of two fields of one name, or of two that stand for one thing, one client takes the first and
// another the last, and pieces of one call become another's.
bool has_twice(dom::object object, std::initializer_list<std::string_view> names) {
  bool has_one = false;
  for (const dom::key_value_pair field : object) {
    if (std::find(names.begin(), names.end(), field.key) == names.end()) continue;
    if (std::exchange(has_one, true)) return true;
  }
  return false;
}

// Nothing: it is none that every client reads alike.
std::optional<std::int64_t> index_of(dom::object object, std::string_view key,
                                     std::int64_t otherwise) {
  dom::element told;
  if (object.at_key(key).get(told) != simdjson::SUCCESS) return otherwise;
  std::int64_t index = 0;
  if (!told.is_int64() || told.get(index) != simdjson::SUCCESS || has_twice(object, {key})) {
    return std::nullopt;
  }
  return index;
}

// An item of a call: "web_search_call" of the provider's own "web_search".
std::string_view type_of_item(std::string_view type) {
  if (type == "function_call") return "function";
  if (type == "custom_tool_call") return "custom";
  if (type == "mcp_approval_request") return "mcp";
  constexpr std::string_view kCall = "_call";
  return type.ends_with(kCall) ? type.substr(0, type.size() - kCall.size()) : std::string_view();
}

}  // namespace

void CallReading::arguments(CallPiece piece, dom::element value) {
  if (value.is_null()) return;
  if (value.get(piece.arguments) != simdjson::SUCCESS) {
    json_.clear();
    append_json(value, json_);
    piece.arguments = json_;
  }
  if (!piece.arguments.empty()) sink_->call(piece);
}

// {"name": …, "arguments": …}, of a custom tool "input".
void CallReading::named(CallPiece piece, dom::element function) {
  if (function.is_null()) return;
  dom::object fields;
  if (function.get(fields) != simdjson::SUCCESS) return sink_->unreadable();
  if (has_twice(fields, {"arguments", "input"})) sink_->unreadable();
  for (const dom::key_value_pair field : fields) {
    if (field.key != "name" || field.value.is_null()) continue;
    if (field.value.get(piece.name) != simdjson::SUCCESS) return sink_->unreadable();
    sink_->call(piece);
  }
  piece.name = {};
  for (const dom::key_value_pair field : fields) {
    if (field.key == "arguments" || field.key == "input") arguments(piece, field.value);
  }
}

void CallReading::chat_call(CallPiece piece, dom::object call) {
  sink_->call(piece);
  if (has_twice(call, {"function", "custom"})) sink_->unreadable();
  for (const dom::key_value_pair field : call) {
    if (field.key != "function" && field.key != "custom") continue;
    piece.type = field.key;
    named(piece, field.value);
  }
}

void CallReading::chat_calls(std::int64_t choice, dom::element calls, Form form) {
  if (calls.is_null()) return;
  dom::array array;
  if (calls.get(array) != simdjson::SUCCESS) return sink_->unreadable();
  std::int64_t position = 0;
  for (const dom::element call : array) {
    dom::object fields;
    if (call.get(fields) != simdjson::SUCCESS) return sink_->unreadable();
    const std::optional<std::int64_t> index =
        form == Form::kDelta ? index_of(fields, "index", position) : position;
    if (!index) return sink_->unreadable();
    chat_call({.choice = choice, .index = *index}, fields);
    ++position;
  }
}

void CallReading::chat_choice(dom::object choice) {
  if (sink_ == nullptr) return;
  for (const std::string_view key : {"index", "delta", "message", "finish_reason"}) {
    if (has_twice(choice, {key})) sink_->unreadable();
  }
}

void CallReading::chat_message(std::int64_t choice, dom::object message, Form form) {
  if (sink_ == nullptr) return;
  if (has_twice(message, {"tool_calls"}) || has_twice(message, {"function_call"})) {
    sink_->unreadable();
  }
  for (const dom::key_value_pair field : message) {
    if (field.key == "tool_calls") {
      chat_calls(choice, field.value, form);
    } else if (field.key == "function_call") {
      named({.choice = choice, .index = kFunctionCall, .type = "function"}, field.value);
    }
  }
}

void CallReading::chat_ended(std::int64_t choice, dom::element finish_reason) {
  if (sink_ == nullptr || finish_reason.is_null()) return;
  std::string_view reason;
  (void)finish_reason.get(reason);
  const bool is_cut = reason == "length" || reason == "content_filter";
  sink_->ended(choice, is_cut ? CallEnd::kCut : CallEnd::kComplete);
}

void CallReading::block(std::int64_t index, dom::object block) {
  if (sink_ == nullptr) return;
  CallPiece piece{.index = index};
  if (has_twice(block, {"type"})) sink_->unreadable();
  bool has_name = false;
  bool has_input = false;
  for (const dom::key_value_pair field : block) {
    std::string_view text;
    if (field.key == "type" && field.value.get(text) == simdjson::SUCCESS &&
        (piece.type.empty() || text.ends_with("tool_use"))) {
      piece.type = text;
    }
    has_name = has_name || field.key == "name";
    has_input = has_input || field.key == "input";
  }
  // Of a type that is not known, whatever is made like a call is one.
  if (!piece.type.ends_with("tool_use") && !(has_name && has_input)) return;
  sink_->call(piece);
  for (const dom::key_value_pair field : block) {
    if (field.key != "name" || field.value.is_null()) continue;
    if (field.value.get(piece.name) != simdjson::SUCCESS) return sink_->unreadable();
    sink_->call(piece);
  }
  piece.name = {};
  if (has_twice(block, {"input"})) sink_->unreadable();
  for (const dom::key_value_pair field : block) {
    dom::object input;
    if (field.key != "input") continue;
    // A stream opens with an empty one and sends the true one in pieces.
    const bool is_empty = field.value.get(input) == simdjson::SUCCESS && input.size() == 0;
    if (!is_empty) arguments(piece, field.value);
  }
}

void CallReading::blocks(dom::element blocks) {
  dom::array array;
  if (sink_ == nullptr || blocks.get(array) != simdjson::SUCCESS) return;
  std::int64_t position = 0;
  for (const dom::element element : array) {
    dom::object one;
    if (element.get(one) == simdjson::SUCCESS) block(position, one);
    ++position;
  }
}

void CallReading::anthropic_event(dom::object event) {
  if (sink_ == nullptr) return;
  const std::optional<std::int64_t> index = index_of(event, "index", 0);
  if (!index) return sink_->unreadable();
  for (const std::string_view key : {"content_block", "delta", "message"}) {
    if (has_twice(event, {key})) sink_->unreadable();
  }
  for (const dom::key_value_pair field : event) {
    dom::object object;
    if (field.value.get(object) != simdjson::SUCCESS) continue;
    if (field.key == "content_block") block(*index, object);
    if (field.key == "delta") {
      if (has_twice(object, {"partial_json"}) || has_twice(object, {"stop_reason"})) {
        sink_->unreadable();
      }
      for (const dom::key_value_pair inner : object) {
        if (inner.key == "partial_json") arguments({.index = *index}, inner.value);
      }
    } else if (field.key == "message") {
      if (has_twice(object, {"content"})) sink_->unreadable();
      for (const dom::key_value_pair inner : object) {
        if (inner.key == "content") blocks(inner.value);
      }
    }
  }
}

void CallReading::anthropic_ended(std::string_view stop_reason) {
  if (sink_ == nullptr) return;
  const bool is_complete = stop_reason == "tool_use" || stop_reason == "end_turn" ||
                           stop_reason == "stop_sequence" || stop_reason == "pause_turn";
  sink_->ended(0, is_complete ? CallEnd::kComplete : CallEnd::kCut);
}

// Responses -------------------------------------------------------------------------------

void CallReading::item(std::int64_t index, dom::object item) {
  if (sink_ == nullptr) return;
  CallPiece piece{.index = index};
  piece.is_again = true;
  if (has_twice(item, {"type"})) sink_->unreadable();
  for (const dom::key_value_pair field : item) {
    std::string_view text;
    if (field.key != "type" || field.value.get(text) != simdjson::SUCCESS) continue;
    if (const std::string_view type = type_of_item(text); !type.empty()) piece.type = type;
  }
  if (piece.type.empty()) return;
  if (piece.type != "function" && piece.type != "custom") {
    piece.name = piece.type;
    return sink_->call(piece);
  }
  if (has_twice(item, {"arguments", "input"})) sink_->unreadable();
  for (const dom::key_value_pair field : item) {
    if (field.value.is_null()) continue;
    if (field.key == "name") {
      std::string_view name;
      const bool is_text = field.value.get(name) == simdjson::SUCCESS;
      if (!is_text || (!piece.name.empty() && name != piece.name)) return sink_->unreadable();
      piece.name = name;
    } else if ((field.key == "arguments" || field.key == "input") &&
               field.value.get(piece.arguments) != simdjson::SUCCESS) {
      return sink_->unreadable();
    }
  }
  sink_->call(piece);
}

void CallReading::response_event(std::string_view type, dom::object event) {
  if (sink_ == nullptr) return;
  const std::optional<std::int64_t> index = index_of(event, "output_index", 0);
  if (!index) return sink_->unreadable();
  // One field twice is no event at all (response_events.h).
  if (has_twice(event, {"arguments", "input"})) sink_->unreadable();
  const bool is_of_call = type.starts_with("response.function_call_arguments.") ||
                          type.starts_with("response.custom_tool_call_input.");
  for (const dom::key_value_pair field : event) {
    dom::object object;
    const bool is_object = field.value.get(object) == simdjson::SUCCESS;
    if (field.key == "item" && is_object) item(*index, object);
    if (field.key == "response" && is_object) output_of(object);
    if (!is_of_call) continue;
    CallPiece piece{.index = *index};
    piece.is_again = field.key == "arguments" || field.key == "input";
    if (piece.is_again || field.key == "delta") arguments(piece, field.value);
  }
}

// All that came once more: items that were never finished may be missing, so places say little.
void CallReading::output_of(dom::object response) {
  for (const dom::key_value_pair field : response) {
    dom::array output;
    if (field.key != "output" || field.value.get(output) != simdjson::SUCCESS) continue;
    for (const dom::element element : output) {
      dom::object one;
      if (element.get(one) == simdjson::SUCCESS) item(CallPiece::kAnyPlace, one);
    }
  }
}

void CallReading::response_ended(dom::object response) {
  if (sink_ == nullptr) return;
  std::string_view status;
  (void)response.at_key("status").get(status);
  sink_->ended(0, status == "completed" ? CallEnd::kComplete : CallEnd::kCut);
}

}  // namespace tollgate::dialects
