// OpenAI's chat completions, read into a conversation.
#include <fmt/format.h>

#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

constexpr FieldRow kRows[] = {
    {"model", Use::kModel},
    {"messages", Use::kMessages},
    {"tools", Use::kTools},
    {"tool_choice", Use::kToolChoice},
    {"parallel_tool_calls", Use::kParallel},
    {"max_tokens", Use::kCap},
    {"max_completion_tokens", Use::kCap},
    {"stream", Use::kStream},
    {"stream_options", Use::kSkip},
    {"service_tier", Use::kSkip},  // The usual one, or it would not be here.
    {"speed", Use::kSkip},
    {"modalities", Use::kSkip},  // Text alone.
    {"n", Use::kOne},
    {"best_of", Use::kOne},
    {"store", Use::kUnset},
    {"logprobs", Use::kUnset},
    {"top_logprobs", Use::kUnset},
    {"frequency_penalty", Use::kUnset},
    {"presence_penalty", Use::kUnset},
    {"logit_bias", Use::kUnset},
    {"response_format", Use::kFormat},
    {"temperature", Use::kTemperature},
    {"top_p", Use::kTopP},
    {"top_k", Use::kTopK},
    {"stop", Use::kStop},
    {"user", Use::kUser},
    {"safety_identifier", Use::kSafetyIdentifier},
    {"metadata", Use::kMetadata},
    {"reasoning_effort", Use::kEffort},
    {"verbosity", Use::kVerbosity},
};

Checked read_part(dom::element value, std::string_view where, Part& into) {
  const dom::object part = object_of(value);
  const std::string_view type = string_at(part, "type");
  for (const dom::key_value_pair field : part) {
    if (field.key == "type" || field.key == type || is_empty(field.value)) continue;
    return has_no_place(fmt::format("{}.{}", where, field.key));
  }
  dom::object inner;
  if (type == "text" || type == "refusal") {
    into.kind = type == "text" ? Part::Kind::kText : Part::Kind::kRefusal;
    into.text = string_at(part, type);
  } else if (type == "image_url" && part.at_key(type).get(inner) == simdjson::SUCCESS) {
    into.kind = Part::Kind::kImage;
    into.image = image_at(string_at(inner, "url"), string_at(inner, "detail"));
  } else if (type == "input_audio" && part.at_key(type).get(inner) == simdjson::SUCCESS) {
    into.kind = Part::Kind::kAudio;
    into.text = string_at(inner, "data");
    into.name = string_at(inner, "format");
  } else {
    return has_no_place(std::string(where));
  }
  return {};
}

template <class Add>
Checked read_content(dom::element value, std::string_view where, Add add) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    Part part;
    part.text = text;
    add(part);
    return {};
  }
  dom::array parts;
  if (value.get(parts) != simdjson::SUCCESS) return {};
  std::size_t index = 0;
  for (const dom::element element : parts) {
    Part part;
    if (Checked read = read_part(element, fmt::format("{}.content[{}]", where, index++), part);
        !read)
      return read;
    add(part);
  }
  return {};
}

Checked read_call(dom::element value, const std::string& where, Part& into) {
  const dom::object call = object_of(value);
  into.kind = Part::Kind::kCall;
  for (const dom::key_value_pair field : call) {
    dom::object inner;
    const bool is_function = field.key == "function";
    if (field.key == "type" || field.key == "index") continue;
    if (field.key == "id") {
      into.id = string_of(field.value);
    } else if ((is_function || field.key == "custom") &&
               field.value.get(inner) == simdjson::SUCCESS) {
      into.is_custom = !is_function;
      into.name = string_at(inner, "name");
      into.text = string_at(inner, is_function ? "arguments" : "input");
    } else if (!is_empty(field.value)) {
      return has_no_place(fmt::format("{}.tool_calls.{}", where, field.key));
    }
  }
  return {};
}

// A result, or a message of the others. What was thought stands in front of what was said.
Checked read_tool_message(dom::object message, const std::string& where, Conversation& into) {
  Part result;
  result.kind = Part::Kind::kResult;
  result.first = into.results.size();
  for (const dom::key_value_pair field : message) {
    if (field.key == "role") continue;
    if (field.key == "tool_call_id") {
      result.id = string_of(field.value);
    } else if (field.key == "content") {
      const auto add = [&](const Part& part) { into.results.push_back(part); };
      if (Checked read = read_content(field.value, where, add); !read) return read;
    } else if (!is_empty(field.value)) {
      return has_no_place(fmt::format("{}.{}", where, field.key));
    }
  }
  result.count = into.results.size() - result.first;
  into.add(result);
  return {};
}

Checked read_said(dom::object message, const std::string& where, Conversation& into) {
  const auto add = [&](const Part& part) { into.add(part); };
  const auto add_text = [&](Part::Kind kind, dom::element value) {
    Part part;
    part.kind = kind;
    part.text = string_of(value);
    into.add(part);
  };
  for (const std::string_view key : {"reasoning_content", "reasoning"}) {
    dom::element thought;
    if (message.at_key(key).get(thought) != simdjson::SUCCESS || is_empty(thought)) continue;
    if (!thought.is_string()) return has_no_place(fmt::format("{}.{}", where, key));
    add_text(Part::Kind::kThought, thought);
    break;  // Under both names it is the same.
  }
  dom::element content;
  if (message.at_key("content").get(content) == simdjson::SUCCESS) {
    if (Checked read = read_content(content, where, add); !read) return read;
  }
  for (const dom::key_value_pair field : message) {
    const std::string_view key = field.key;
    if (key == "role" || key == "content" || key == "reasoning" || key == "reasoning_content" ||
        is_empty(field.value))
      continue;
    dom::array calls;
    if (key == "refusal" && field.value.is_string()) {
      add_text(Part::Kind::kRefusal, field.value);
    } else if (key == "tool_calls" && field.value.get(calls) == simdjson::SUCCESS) {
      for (const dom::element call : calls) {
        Part part;
        if (Checked read = read_call(call, where, part); !read) return read;
        into.add(part);
      }
    } else {
      return has_no_place(fmt::format("{}.{}", where, key));
    }
  }
  return {};
}

Checked read_message_list(dom::element value, Conversation& into) {
  const dom::array messages = array_of(value);
  std::int64_t index = 0;
  for (const dom::element element : messages) {
    const dom::object message = object_of(element);
    const std::string where = fmt::format("messages[{}]", index);
    const std::string_view role = string_at(message, "role");
    if (role == "function")
      return cannot_carry(where + ".role", "is of the older form of tools: send 'tool' messages.");
    const bool is_system = role == "system" || role == "developer";
    into.begin_turn(is_system             ? Role::kSystem
                    : role == "assistant" ? Role::kAssistant
                                          : Role::kUser,
                    index++);
    const Checked read =
        role == "tool" ? read_tool_message(message, where, into) : read_said(message, where, into);
    if (!read) return read;
  }
  return {};
}

Checked read_tool(dom::element value, const std::string& where, Tool& into) {
  const dom::object tool = object_of(value);
  const std::string_view type = string_at(tool, "type");
  into.is_custom = type == "custom";
  dom::object inner;
  if ((type != "function" && !into.is_custom) || tool.at_key(type).get(inner) != simdjson::SUCCESS)
    return cannot_carry(where, "is a tool of the provider's own, which another does not have.");
  for (const dom::key_value_pair field : tool) {
    if (field.key == "type" || field.key == type || is_empty(field.value)) continue;
    return has_no_place(fmt::format("{}.{}", where, field.key));
  }
  for (const dom::key_value_pair field : inner) {
    dom::object format;
    dom::object grammar;
    if (field.value.is_null()) continue;
    if (field.key == "name") {
      into.name = string_of(field.value);
    } else if (field.key == "description") {
      into.description = string_of(field.value);
    } else if (field.key == "parameters" && !into.is_custom) {
      into.parameters = field.value;
    } else if (field.key == "strict" && !into.is_custom) {
      into.strict = bool_at(inner, "strict");
    } else if (field.key == "format" && field.value.get(format) == simdjson::SUCCESS) {
      if (string_at(format, "type") == "text") continue;
      if (format.at_key("grammar").get(grammar) != simdjson::SUCCESS)
        return has_no_place(where + ".custom.format");
      into.syntax = string_at(grammar, "syntax");
      into.grammar = string_at(grammar, "definition");
    } else {
      return has_no_place(fmt::format("{}.{}.{}", where, type, field.key));
    }
  }
  return {};
}

Checked read_choice(dom::element value, Choice& into) {
  dom::object choice;
  if (value.get(choice) != simdjson::SUCCESS) return read_mode(string_of(value), into);
  const std::string_view type = string_at(choice, "type");
  dom::object inner;
  if (type == "allowed_tools" && choice.at_key(type).get(inner) == simdjson::SUCCESS)
    return read_allowed(inner, into);
  if ((type != "function" && type != "custom") ||
      choice.at_key(type).get(inner) != simdjson::SUCCESS)
    return has_no_place("tool_choice");
  into = {Choice::Kind::kTool, string_at(inner, "name"), type == "custom"};
  return {};
}

Checked read_format(dom::element value, Format& into) {
  const dom::object format = object_of(value);
  const std::string_view type = string_at(format, "type");
  into.field = "response_format";
  dom::object schema;
  if (type == "text") return {};
  if (type == "json_object") {
    into.kind = Format::Kind::kObject;
    return {};
  }
  if (type != "json_schema" || format.at_key("json_schema").get(schema) != simdjson::SUCCESS)
    return has_no_place("response_format");
  return read_schema(schema, "response_format.json_schema", into);
}

Checked read_field(Use use, dom::key_value_pair field, Conversation& into) {
  switch (use) {
    case Use::kMessages:
      return read_message_list(field.value, into);
    case Use::kTools:
      return read_each_tool(field.value, into, read_tool);
    case Use::kToolChoice:
      return read_choice(field.value, into.choice);
    case Use::kFormat:
      return read_format(field.value, into.format);
    default:
      return read_setting(use, field, into);
  }
}

}  // namespace

Checked read_chat(dom::object body, Conversation& into) {
  if (Checked read = read_fields(body, kRows, into, read_field); !read) return read;
  leave_out_unallowed(into);
  return {};
}

}  // namespace tollgate::translation
