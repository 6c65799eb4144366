// Anthropic's messages, read into a conversation.
#include <fmt/format.h>

#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

constexpr FieldRow kRows[] = {
    {"model", Use::kModel},
    {"messages", Use::kMessages},
    {"system", Use::kSystem},
    {"tools", Use::kTools},
    {"tool_choice", Use::kToolChoice},
    {"max_tokens", Use::kCap},
    {"stream", Use::kStream},
    {"service_tier", Use::kSkip},
    {"speed", Use::kSkip},
    {"thinking", Use::kOther},
    {"output_format", Use::kFormat},
    {"output_config", Use::kFormat},
    {"temperature", Use::kTemperature},
    {"top_p", Use::kTopP},
    {"top_k", Use::kTopK},
    {"stop_sequences", Use::kStop},
    {"metadata", Use::kMetadata},
};

// `fields` are those that a block of its type has here, beside the type.
Checked check_fields(dom::object block, std::initializer_list<std::string_view> fields,
                     std::string_view where) {
  for (const dom::key_value_pair field : block) {
    if (field.key == "type" || is_empty(field.value)) continue;
    if (std::ranges::find(fields, field.key) != fields.end()) continue;
    return has_no_place(fmt::format("{}.{}", where, field.key));
  }
  return {};
}

Checked read_image(dom::object block, std::string_view where, Part& into) {
  into.kind = Part::Kind::kImage;
  const dom::object source = object_at(block, "source");
  into.image.media_type = string_at(source, "media_type");
  into.image.base64 = string_at(source, "data");
  into.image.url = string_at(source, "url");
  return check_fields(block, {"source"}, where);
}

// What was signed is of use to its own provider alone.
Checked read_thought(dom::object block, const std::string& where, Part& into) {
  into.kind = Part::Kind::kThought;
  into.text = string_at(block, "thinking");
  if (string_at(block, "signature").empty())
    return check_fields(block, {"thinking", "signature"}, where);
  return cannot_carry(where, "is signed thinking, which only the server that made it can read.");
}

Checked read_simple_block(dom::object block, std::string_view type, const std::string& where,
                          Part& into) {
  if (type == "image") return read_image(block, where, into);
  if (type != "text") return has_no_place(where);
  into.text = string_at(block, "text");
  return check_fields(block, {"text"}, where);
}

// A string, or text and images.
template <class Add>
Checked read_simple_blocks(dom::element value, const std::string& where, Add add) {
  Part text;
  if (value.get(text.text) == simdjson::SUCCESS) {
    add(text);
    return {};
  }
  const dom::array blocks = array_of(value);
  std::size_t index = 0;
  for (const dom::element element : blocks) {
    const dom::object block = object_of(element);
    Part part;
    const std::string at = fmt::format("{}[{}]", where, index++);
    if (Checked read = read_simple_block(block, string_at(block, "type"), at, part); !read)
      return read;
    add(part);
  }
  return {};
}

Checked read_result(dom::object block, const std::string& where, Conversation& into) {
  Part result;
  result.kind = Part::Kind::kResult;
  result.id = string_at(block, "tool_use_id");
  result.is_error = bool_at(block, "is_error").value_or(false);
  result.first = into.results.size();
  dom::element content;
  if (block.at_key("content").get(content) == simdjson::SUCCESS) {
    const auto add = [&](const Part& part) { into.results.push_back(part); };
    if (Checked read = read_simple_blocks(content, where + ".content", add); !read) return read;
  }
  result.count = into.results.size() - result.first;
  into.add(result);
  return check_fields(block, {"tool_use_id", "is_error", "content"}, where);
}

Checked read_block(dom::element value, const std::string& where, Conversation& into) {
  const dom::object block = object_of(value);
  const std::string_view type = string_at(block, "type");
  if (type == "tool_result") return read_result(block, where, into);
  Part part;
  Checked read;
  if (type == "tool_use") {
    part.kind = Part::Kind::kCall;
    part.id = string_at(block, "id");
    part.name = string_at(block, "name");
    if (dom::element input; block.at_key("input").get(input) == simdjson::SUCCESS)
      part.input = input;
    read = check_fields(block, {"id", "name", "input"}, where);
  } else if (type == "thinking") {
    read = read_thought(block, where, part);
  } else {
    read = read_simple_block(block, type, where, part);
  }
  if (read) into.add(part);
  return read;
}

Checked read_message_list(dom::element value, Conversation& into) {
  const dom::array messages = array_of(value);
  std::int64_t index = 0;
  for (const dom::element element : messages) {
    const dom::object message = object_of(element);
    const std::string_view role = string_at(message, "role");
    const std::string where = fmt::format("messages[{}].content", index);
    into.begin_turn(role == "assistant" ? Role::kAssistant
                    : role == "system"  ? Role::kSystem
                                        : Role::kUser,
                    index);
    for (const dom::key_value_pair field : message) {
      if (field.key == "role" || field.key == "content" || is_empty(field.value)) continue;
      return has_no_place(fmt::format("messages[{}].{}", index, field.key));
    }
    ++index;
    dom::element content;
    dom::array blocks;
    if (message.at_key("content").get(content) != simdjson::SUCCESS) continue;
    if (content.get(blocks) != simdjson::SUCCESS) {
      Part text;
      text.text = string_of(content);
      into.add(text);
      continue;
    }
    std::size_t at = 0;
    for (const dom::element block : blocks) {
      if (Checked read = read_block(block, fmt::format("{}[{}]", where, at++), into); !read)
        return read;
    }
  }
  return {};
}

// In front of all others.
Checked read_system(dom::element value, Conversation& into) {
  Turn system{Role::kSystem, -1, into.parts.size(), 0};
  const auto add = [&](const Part& part) {
    into.parts.push_back(part);
    ++system.count;
  };
  Checked read = read_simple_blocks(value, "system", add);
  into.turns.insert(into.turns.begin(), system);
  return read;
}

Checked read_tool(dom::element value, const std::string& where, Tool& into) {
  const dom::object tool = object_of(value);
  if (const std::string_view type = string_at(tool, "type"); !type.empty() && type != "custom")
    return cannot_carry(where, "is a tool of the provider's own, which another does not have.");
  into.name = string_at(tool, "name");
  into.description = string_at(tool, "description");
  into.strict = bool_at(tool, "strict");
  if (dom::element schema; tool.at_key("input_schema").get(schema) == simdjson::SUCCESS)
    into.parameters = schema;
  return check_fields(tool, {"name", "description", "strict", "input_schema"}, where);
}

Checked read_choice(dom::element value, Conversation& into) {
  using Kind = Choice::Kind;
  const dom::object choice = object_of(value);
  const std::string_view type = string_at(choice, "type");
  if (bool_at(choice, "disable_parallel_tool_use").value_or(false)) into.parallel_calls = false;
  into.choice = {type == "auto"   ? Kind::kAuto
                 : type == "none" ? Kind::kNone
                 : type == "any"  ? Kind::kRequired
                 : type == "tool" ? Kind::kTool
                                  : Kind::kUnsaid,
                 string_at(choice, "name"), false};
  if (into.choice.kind == Kind::kUnsaid) return has_no_place("tool_choice");
  return check_fields(choice, {"name", "disable_parallel_tool_use"}, "tool_choice");
}

// Whether a model thinks is for its server to say; how much, where nothing else can be told.
Checked read_thinking(dom::element value) {
  const dom::object thinking = object_of(value);
  const std::string_view type = string_at(thinking, "type");
  if (type == "disabled" || type == "adaptive") return check_fields(thinking, {}, "thinking");
  return cannot_carry("thinking",
                      "sets a budget, which this model's server does not know. Say 'adaptive', or "
                      "leave it out.");
}

Checked read_format(dom::element value, std::string_view field, Conversation& into) {
  const dom::object format = object_of(value);
  into.format.field = field;
  if (string_at(format, "type") != "json_schema") return has_no_place(std::string(field));
  return read_schema(format, std::string(field), into.format);
}

Checked read_output_config(dom::element value, Conversation& into) {
  const dom::object config = object_of(value);
  for (const dom::key_value_pair field : config) {
    if (is_empty(field.value)) continue;
    if (field.key == "effort") {
      into.settings.push_back({Setting::kEffort, "output_config.effort", field.value});
    } else if (field.key == "format") {
      if (Checked read = read_format(field.value, "output_config.format", into); !read) return read;
    } else {
      return has_no_place(fmt::format("output_config.{}", field.key));
    }
  }
  return {};
}

Checked read_metadata(dom::element value, Conversation& into) {
  const dom::object metadata = object_of(value);
  for (const dom::key_value_pair field : metadata) {
    if (is_empty(field.value)) continue;
    if (field.key != "user_id") return has_no_place(fmt::format("metadata.{}", field.key));
    into.settings.push_back({Setting::kUser, "metadata.user_id", field.value});
  }
  return {};
}

Checked read_field(Use use, dom::key_value_pair field, Conversation& into) {
  switch (use) {
    case Use::kMessages:
      return read_message_list(field.value, into);
    case Use::kSystem:
      return read_system(field.value, into);
    case Use::kTools:
      return read_each_tool(field.value, into, read_tool);
    case Use::kToolChoice:
      return read_choice(field.value, into);
    case Use::kOther:
      return read_thinking(field.value);
    case Use::kFormat:
      return field.key == "output_config" ? read_output_config(field.value, into)
                                          : read_format(field.value, field.key, into);
    case Use::kMetadata:
      return read_metadata(field.value, into);
    default:
      return read_setting(use, field, into);
  }
}

}  // namespace

Checked read_messages(dom::object body, Conversation& into) {
  return read_fields(body, kRows, into, read_field);
}

}  // namespace tollgate::translation
