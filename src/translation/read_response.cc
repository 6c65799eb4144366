// OpenAI's responses, read into a conversation.
#include <fmt/format.h>

#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

constexpr FieldRow kRows[] = {
    {"model", Use::kModel},
    {"input", Use::kMessages},
    {"instructions", Use::kSystem},
    {"tools", Use::kTools},
    {"tool_choice", Use::kToolChoice},
    {"parallel_tool_calls", Use::kParallel},
    {"max_output_tokens", Use::kCap},
    {"stream", Use::kStream},
    {"stream_options", Use::kSkip},
    {"service_tier", Use::kSkip},
    {"speed", Use::kSkip},
    {"store", Use::kUnset},
    {"background", Use::kUnset},
    {"top_logprobs", Use::kUnset},
    {"include", Use::kUnset},
    {"truncation", Use::kOther},
    {"reasoning", Use::kOther},
    {"text", Use::kFormat},
    {"temperature", Use::kTemperature},
    {"top_p", Use::kTopP},
    {"user", Use::kUser},
    {"safety_identifier", Use::kSafetyIdentifier},
    {"metadata", Use::kMetadata},
};

// What of an item no model reads.
bool is_marker(std::string_view key) {
  return key == "type" || key == "id" || key == "status" || key == "phase";
}

Checked read_part(dom::element value, const std::string& where, Part& into) {
  const dom::object part = object_of(value);
  const std::string_view type = string_at(part, "type");
  std::string_view held = "text";
  dom::object inner;
  if (type == "refusal") {
    into.kind = Part::Kind::kRefusal;
    held = "refusal";
    into.text = string_at(part, held);
  } else if (type == "input_image") {
    into.kind = Part::Kind::kImage;
    held = "image_url";
    into.image = image_at(string_at(part, held), string_at(part, "detail"));
  } else if (type == "input_audio" && part.at_key(type).get(inner) == simdjson::SUCCESS) {
    into.kind = Part::Kind::kAudio;
    held = type;
    into.text = string_at(inner, "data");
    into.name = string_at(inner, "format");
  } else {
    into.text = string_at(part, held);
  }
  for (const dom::key_value_pair field : part) {
    const bool is_of_image = into.kind == Part::Kind::kImage && field.key == "detail";
    if (field.key == "type" || field.key == held || is_of_image || is_empty(field.value)) continue;
    return has_no_place(fmt::format("{}.{}", where, field.key));
  }
  return {};
}

template <class Add>
Checked read_content(dom::element value, const std::string& where, Add add) {
  Part text;
  if (value.get(text.text) == simdjson::SUCCESS) {
    add(text);
    return {};
  }
  dom::array parts;
  if (value.get(parts) != simdjson::SUCCESS) return has_no_place(where);
  std::size_t index = 0;
  for (const dom::element element : parts) {
    Part part;
    const std::string at = fmt::format("{}[{}]", where, index++);
    if (Checked read = read_part(element, at, part); !read) return read;
    add(part);
  }
  return {};
}

Checked read_message(dom::object item, const std::string& where, Conversation& into) {
  for (const dom::key_value_pair field : item) {
    if (field.key == "role" || is_marker(field.key) || is_empty(field.value)) continue;
    if (field.key != "content") return has_no_place(fmt::format("{}.{}", where, field.key));
    const auto add = [&](const Part& part) { into.add(part); };
    if (Checked read = read_content(field.value, where + ".content", add); !read) return read;
  }
  return {};
}

Checked read_call(dom::object item, bool is_custom, const std::string& where, Conversation& into) {
  Part call;
  call.kind = Part::Kind::kCall;
  call.is_custom = is_custom;
  const std::string_view text = is_custom ? "input" : "arguments";
  for (const dom::key_value_pair field : item) {
    if (field.key == "call_id") {
      call.id = string_of(field.value);
    } else if (field.key == "name") {
      call.name = string_of(field.value);
    } else if (field.key == text) {
      call.text = string_of(field.value);
    } else if (!is_marker(field.key) && !is_empty(field.value)) {
      return has_no_place(fmt::format("{}.{}", where, field.key));
    }
  }
  into.add(call);
  return {};
}

Checked read_result(dom::object item, const std::string& where, Conversation& into) {
  Part result;
  result.kind = Part::Kind::kResult;
  result.first = into.results.size();
  for (const dom::key_value_pair field : item) {
    if (field.key == "call_id") {
      result.id = string_of(field.value);
    } else if (field.key == "output") {
      const auto add = [&](const Part& part) { into.results.push_back(part); };
      if (Checked read = read_content(field.value, where + ".output", add); !read) return read;
    } else if (!is_marker(field.key) && !is_empty(field.value)) {
      return has_no_place(fmt::format("{}.{}", where, field.key));
    }
  }
  result.count = into.results.size() - result.first;
  into.add(result);
  return {};
}

// What only its provider can read is of no use to another.
Checked read_reasoning(dom::object item, const std::string& where, Conversation& into) {
  dom::element content;
  const bool has_content =
      item.at_key("content").get(content) == simdjson::SUCCESS && !is_empty(content);
  for (const dom::key_value_pair field : item) {
    if (is_marker(field.key) || is_empty(field.value)) continue;
    if (field.key == "encrypted_content")
      return cannot_carry(fmt::format("{}.encrypted_content", where),
                          "is what only the server that made it can read.");
    if (field.key == "summary" && has_content) continue;  // It is of that.
    if (field.key != "summary" && field.key != "content")
      return has_no_place(fmt::format("{}.{}", where, field.key));
    const auto add = [&](Part part) {
      part.kind = Part::Kind::kThought;
      into.add(part);
    };
    const std::string at = fmt::format("{}.{}", where, field.key);
    if (Checked read = read_content(field.value, at, add); !read) return read;
  }
  return {};
}

// Items of the assistant that follow each other are one turn.
void go_on(Role role, std::int64_t index, bool joins, Conversation& into) {
  if (joins && !into.turns.empty() && into.turns.back().role == role &&
      into.turns.back().index >= 0)
    return;
  into.begin_turn(role, index);
}

Checked read_item(dom::element value, std::int64_t index, Conversation& into) {
  const dom::object item = object_of(value);
  const std::string where = fmt::format("input[{}]", index);
  const std::string_view type = string_at(item, "type");
  if (type.empty() || type == "message") {
    const std::string_view role = string_at(item, "role");
    if (role == "tool" || role == "function") return has_no_place(where + ".role");
    const bool is_assistant = role == "assistant";
    const bool is_system = role == "system" || role == "developer";
    go_on(is_assistant ? Role::kAssistant
          : is_system  ? Role::kSystem
                       : Role::kUser,
          index, is_assistant, into);
    return read_message(item, where, into);
  }
  const bool is_custom = type == "custom_tool_call";
  if (type == "function_call" || is_custom) {
    go_on(Role::kAssistant, index, true, into);
    return read_call(item, is_custom, where, into);
  }
  if (type == "function_call_output" || type == "custom_tool_call_output") {
    go_on(Role::kUser, index, false, into);
    return read_result(item, where, into);
  }
  if (type != "reasoning") return has_no_place(where);
  go_on(Role::kAssistant, index, true, into);
  return read_reasoning(item, where, into);
}

Checked read_items(dom::element value, Conversation& into) {
  dom::array items;
  if (value.get(items) != simdjson::SUCCESS) {
    into.begin_turn(Role::kUser, -1);
    Part text;
    text.text = string_of(value);
    into.add(text);
    return {};
  }
  std::int64_t index = 0;
  for (const dom::element item : items) {
    if (Checked read = read_item(item, index++, into); !read) return read;
  }
  return {};
}

// In front of all others.
Checked read_instructions(dom::element value, Conversation& into) {
  into.turns.insert(into.turns.begin(), Turn{Role::kSystem, -1, into.parts.size(), 1});
  Part text;
  text.text = string_of(value);
  into.parts.push_back(text);
  return {};
}

Checked read_tool(dom::element value, const std::string& where, Tool& into) {
  const dom::object tool = object_of(value);
  const std::string_view type = string_at(tool, "type");
  into.is_custom = type == "custom";
  if (type != "function" && !into.is_custom)
    return cannot_carry(where, "is a tool of the provider's own, which another does not have.");
  for (const dom::key_value_pair field : tool) {
    dom::object format;
    if (field.key == "type" || field.value.is_null()) continue;
    if (field.key == "name") {
      into.name = string_of(field.value);
    } else if (field.key == "description") {
      into.description = string_of(field.value);
    } else if (field.key == "parameters" && !into.is_custom) {
      into.parameters = field.value;
    } else if (field.key == "strict" && !into.is_custom) {
      into.strict = bool_at(tool, "strict");
    } else if (field.key == "format" && into.is_custom &&
               field.value.get(format) == simdjson::SUCCESS) {
      into.syntax = string_at(format, "syntax");
      into.grammar = string_at(format, "definition");
    } else if (!is_unset(field.value)) {
      return has_no_place(fmt::format("{}.{}", where, field.key));
    }
  }
  return {};
}

Checked read_choice(dom::element value, Choice& into) {
  dom::object choice;
  if (value.get(choice) != simdjson::SUCCESS) return read_mode(string_of(value), into);
  const std::string_view type = string_at(choice, "type");
  if (type == "allowed_tools") return read_allowed(choice, into);
  if (type != "function" && type != "custom") return has_no_place("tool_choice");
  into = {Choice::Kind::kTool, string_at(choice, "name"), type == "custom"};
  return {};
}

Checked read_text_options(dom::element value, Conversation& into) {
  const dom::object options = object_of(value);
  for (const dom::key_value_pair field : options) {
    dom::object format;
    if (is_empty(field.value)) continue;
    if (field.key == "verbosity") {
      into.settings.push_back({Setting::kVerbosity, "text.verbosity", field.value});
      continue;
    }
    if (field.key != "format" || field.value.get(format) != simdjson::SUCCESS)
      return has_no_place(fmt::format("text.{}", field.key));
    into.format.field = "text.format";
    const std::string_view type = string_at(format, "type");
    if (type == "text") continue;
    if (type == "json_object") {
      into.format.kind = Format::Kind::kObject;
    } else if (type != "json_schema") {
      return has_no_place("text.format");
    } else if (Checked read = read_schema(format, "text.format", into.format); !read) {
      return read;
    }
  }
  return {};
}

// How much is told of what was thought is for the server to say.
Checked read_reasoning_options(dom::element value, Conversation& into) {
  const dom::object options = object_of(value);
  for (const dom::key_value_pair field : options) {
    if (is_empty(field.value)) continue;
    const bool is_summary = field.key == "summary" || field.key == "generate_summary";
    if (is_summary && string_of(field.value) == "auto") continue;
    if (field.key != "effort") return has_no_place(fmt::format("reasoning.{}", field.key));
    into.settings.push_back({Setting::kEffort, "reasoning.effort", field.value});
  }
  return {};
}

Checked read_field(Use use, dom::key_value_pair field, Conversation& into) {
  switch (use) {
    case Use::kMessages:
      return read_items(field.value, into);
    case Use::kSystem:
      return read_instructions(field.value, into);
    case Use::kTools:
      return read_each_tool(field.value, into, read_tool);
    case Use::kToolChoice:
      return read_choice(field.value, into.choice);
    case Use::kFormat:
      return read_text_options(field.value, into);
    case Use::kOther:
      if (field.key == "reasoning") return read_reasoning_options(field.value, into);
      if (string_of(field.value) == "disabled") return {};
      return has_no_place("truncation");
    default:
      return read_setting(use, field, into);
  }
}

}  // namespace

Checked read_response(dom::object body, Conversation& into) {
  if (Checked read = read_fields(body, kRows, into, read_field); !read) return read;
  leave_out_unallowed(into);
  return {};
}

}  // namespace tollgate::translation
