// Messages, tools and prompts as OpenAI's API has them.
#include <algorithm>
#include <array>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::array<std::string_view, 6> kRoles{"system",    "developer", "user",
                                                 "assistant", "tool",      "function"};
constexpr std::int64_t kTokenIdMax = std::int64_t{1} << 31;

}  // namespace

// A server may read more of a part than its type says, so all of it is a text.
Checked read_text_part(Reading& reading, dom::object part, std::string_view key,
                       const FieldPath& path) {
  bool has_text = false;
  for (const dom::key_value_pair field : part) {
    const FieldPath member{&path, field.key};
    if (field.key == "text" || field.key == "refusal") {
      const Expected<std::string_view> read = read_string(field.value, member);
      if (!read) return std::unexpected(read.error());
      reading.add_text(TextKind::kContent, *read);
      has_text = true;
    } else {
      if (Checked named = check_name(reading, field.key, member); !named) return named;
      if (field.key != "type" && field.key != "cache_control")
        reading.add_any(TextKind::kContent, field.value);
    }
  }
  if (!has_text) return missing(FieldPath{&path, key});
  return {};
}

Checked read_role(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> role = read_string(value, path);
  if (!role) return std::unexpected(role.error());
  if (std::ranges::find(kRoles, *role) == kRoles.end())
    return wrong_type(path, "one of system, developer, user, assistant, tool and function");
  reading.add_text(TextKind::kRole, *role);
  Turns& turns = reading.request.turns;
  const bool is_first = turns.system + turns.user + turns.assistant + turns.tool == 0;
  if (*role == "system") turns.begins_with_system = is_first || turns.begins_with_system;
  ++(*role == "user"                          ? turns.user
     : *role == "assistant"                   ? turns.assistant
     : *role == "tool" || *role == "function" ? turns.tool
                                              : turns.system);
  return {};
}

Checked check_names(Reading& reading, dom::object object, const FieldPath& path) {
  for (const dom::key_value_pair field : object)
    if (Checked named = check_name(reading, field.key, FieldPath{&path, field.key}); !named)
      return named;
  return {};
}

namespace {

Checked read_part(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> part = read_object(value, path);
  if (!part) return std::unexpected(part.error());
  const FieldPath type_path{&path, "type"};
  dom::element told;
  if (part->at_key("type").get(told) != simdjson::SUCCESS) return missing(type_path);
  const Expected<std::string_view> type = read_string(told, type_path);
  if (!type) return std::unexpected(type.error());
  if (*type == "text" || *type == "refusal") return read_text_part(reading, *part, *type, path);
  if (*type == "image_url") return read_image_url_part(reading, *part, path);
  if (*type == "input_audio") return read_input_audio_part(reading, *part, path);
  return not_served(path,
                    "is of a type whose cost is not counted here; send text, image_url or "
                    "input_audio.");
}

Checked read_content(Reading& reading, dom::element value, const FieldPath& path) {
  return read_parts_of(reading, value, path, read_part);
}

// The name and arguments of a call: each a string, each a text.
Checked read_call(Reading& reading, dom::element value, std::string_view type,
                  const FieldPath& path) {
  const Expected<dom::object> call = read_object(value, path);
  if (!call) return std::unexpected(call.error());
  bool has_name = false;
  Call made{.type = type, .name = {}, .arguments = {}, .message = reading.index};
  for (const dom::key_value_pair field : *call) {
    const FieldPath member{&path, field.key};
    if (Checked named = check_name(reading, field.key, member); !named) return named;
    const Expected<std::string_view> text = read_string(field.value, member);
    if (!text) return std::unexpected(text.error());
    reading.add_call_field(field.value);
    has_name = has_name || field.key == "name";
    if (field.key == "name") made.name = *text;
    if (field.key == "arguments" || field.key == "input") made.arguments = *text;
  }
  if (!has_name) return missing(FieldPath{&path, "name"});
  reading.calls.push_back(made);
  ++reading.request.turns.calls;
  return {};
}

Checked read_tool_call(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> call = read_object(value, path);
  if (!call) return std::unexpected(call.error());
  bool has_call = false;
  for (const dom::key_value_pair field : *call) {
    const FieldPath member{&path, field.key};
    if (Checked named = check_name(reading, field.key, member); !named) return named;
    if (field.key == "function" || field.key == "custom") {
      if (Checked read = read_call(reading, field.value, field.key, member); !read) return read;
      has_call = true;
    } else if (field.key != "type" && field.key != "index") {
      reading.add_any(TextKind::kToolCall, field.value);
    } else {
      reading.add_carried(field.value);
    }
  }
  if (!has_call) return missing(FieldPath{&path, "function"});
  return {};
}

Checked read_tool_calls(Reading& reading, dom::element value, const FieldPath& path) {
  if (value.is_null()) return {};
  const Expected<dom::array> calls = read_array(value, path);
  if (!calls) return std::unexpected(calls.error());
  FieldPath element{&path, {}, 0};
  for (const dom::element call : *calls) {
    if (Checked read = read_tool_call(reading, call, element); !read) return read;
    ++element.index;
  }
  return {};
}

// Whatever a message holds may reach the model, so all of it is a text, known or not.
Checked read_message_field(Reading& reading, dom::key_value_pair field, const FieldPath& path) {
  const std::string_view key = field.key;
  if (key == "role") return read_role(reading, field.value, path);
  if (key == "content") return read_content(reading, field.value, path);
  if (key == "tool_calls") return read_tool_calls(reading, field.value, path);
  if (key == "cache_control" || field.value.is_null()) return check_name(reading, key, path);
  if (key == "function_call") return read_call(reading, field.value, "function", path);
  if (key == "name") {
    const Expected<std::string_view> name = read_string(field.value, path);
    if (!name) return std::unexpected(name.error());
    reading.add_text(TextKind::kName, *name);
    ++reading.request.names;
    return {};
  }
  if (key == "audio" || key == "images" || key == "videos" || key == "files")
    return not_served(path, "is not text: its cost is not counted here.");
  reading.add_any(key == "tool_call_id" ? TextKind::kToolCall : TextKind::kContent, field.value);
  return check_name(reading, key, path);
}

Checked read_message(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> message = read_object(value, path);
  if (!message) return std::unexpected(message.error());
  bool has_role = false;
  bool has_content = false;
  const std::size_t first_text = reading.texts.size();
  const std::int64_t results = reading.request.turns.tool;
  const std::int64_t users = reading.request.turns.user;
  std::uint64_t print = 0;
  for (const dom::key_value_pair field : *message) {
    const FieldPath member{&path, field.key};
    const std::size_t first_of_field = reading.texts.size();
    if (Checked read = read_message_field(reading, field, member); !read) return read;
    if (field.key == "content") print = reading.print_of(first_of_field);
    has_role = has_role || field.key == "role";
    has_content = has_content || field.key == "content" || field.key == "tool_calls" ||
                  field.key == "function_call";
  }
  if (!has_role) return missing(FieldPath{&path, "role"});
  if (!has_content) return missing(FieldPath{&path, "content"});
  if (reading.request.turns.tool > results) reading.note_result(first_text);
  if (reading.request.turns.user > users) reading.said.push_back(print);
  return {};
}

// Reads "name" of the object under `key` in a tool, "function" or "custom".
Checked read_tool_name(Reading& reading, Tool& tool, dom::object definition, std::string_view key,
                       const FieldPath& path) {
  const FieldPath at{&path, key};
  dom::element inner;
  if (definition.at_key(key).get(inner) != simdjson::SUCCESS) return missing(at);
  const Expected<dom::object> named = read_object(inner, at);
  if (!named) return std::unexpected(named.error());
  if (Checked names = check_names(reading, *named, at); !names) return names;
  const FieldPath name_path{&at, "name"};
  dom::element name;
  if (named->at_key("name").get(name) != simdjson::SUCCESS) return missing(name_path);
  const Expected<std::string_view> text = read_string(name, name_path);
  if (!text) return std::unexpected(text.error());
  if (text->empty()) return wrong_type(name_path, "a name");
  tool.name = *text;
  return {};
}

Checked read_tool(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> definition = read_object(value, path);
  if (!definition) return std::unexpected(definition.error());
  if (Checked names = check_names(reading, *definition, path); !names) return names;
  Tool tool{};
  const FieldPath type_path{&path, "type"};
  dom::element type;
  if (definition->at_key("type").get(type) != simdjson::SUCCESS) return missing(type_path);
  const Expected<std::string_view> text = read_string(type, type_path);
  if (!text) return std::unexpected(text.error());
  if (text->empty()) return wrong_type(type_path, "a type of tool");
  tool.type = *text;
  if (tool.type == "function" || tool.type == "custom") {
    if (Checked read = read_tool_name(reading, tool, *definition, tool.type, path); !read)
      return read;
  } else if (std::string_view name; definition->at_key("name").get(name) == simdjson::SUCCESS) {
    tool.name = name;
  }
  reading.add_tool(tool, value);
  return {};
}

Checked read_function(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> function = read_object(value, path);
  if (!function) return std::unexpected(function.error());
  if (Checked names = check_names(reading, *function, path); !names) return names;
  const FieldPath name_path{&path, "name"};
  std::string_view name;
  if (function->at_key("name").get(name) != simdjson::SUCCESS || name.empty())
    return wrong_type(name_path, "a name");
  reading.add_tool({.type = "function", .name = name, .definition = {}}, value);
  return {};
}

// An array of token ids, of which only the number matters.
Checked read_token_ids(Reading& reading, dom::array ids, const FieldPath& path) {
  FieldPath element{&path, {}, 0};
  for (const dom::element id : ids) {
    const Expected<std::int64_t> number = read_integer(id, 0, kTokenIdMax, element);
    if (!number) return std::unexpected(number.error());
    ++element.index;
  }
  if (element.index == 0) return wrong_type(path, "at least one token");
  reading.request.tokens_given += element.index;
  return {};
}

// One prompt of a batch.
Checked read_batched(Reading& reading, dom::element value, const FieldPath& path) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kContent, text);
    return {};
  }
  dom::array ids;
  if (value.get(ids) != simdjson::SUCCESS)
    return wrong_type(path, "a string or an array of token ids");
  return read_token_ids(reading, ids, path);
}

}  // namespace

Checked read_chat_messages(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> messages = read_each(reading, value, path, read_message);
  if (!messages) return std::unexpected(messages.error());
  if (*messages == 0) return wrong_type(path, "a list of at least one message");
  reading.request.messages = *messages;
  reading.settle_repeats();
  return {};
}

Checked read_chat_tools(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> tools = read_each(reading, value, path, read_tool);
  if (!tools) return std::unexpected(tools.error());
  return {};
}

Checked read_chat_functions(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> functions = read_each(reading, value, path, read_function);
  if (!functions) return std::unexpected(functions.error());
  return {};
}

Checked read_prompt(Reading& reading, dom::element value, const FieldPath& path) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kContent, text);
    return {};
  }
  dom::array batch;
  if (value.get(batch) != simdjson::SUCCESS)
    return wrong_type(path, "a string, an array of strings, or token ids");
  FieldPath element{&path, {}, 0};
  for (const dom::element prompt : batch) {
    if (element.index == 0 && prompt.is_number()) return read_token_ids(reading, batch, path);
    reading.index = element.index;
    if (Checked read = read_batched(reading, prompt, element); !read) return read;
    ++element.index;
  }
  reading.index = -1;
  if (element.index == 0) return wrong_type(path, "at least one prompt");
  reading.prompts = element.index;
  return {};
}

}  // namespace tollgate::dialects
