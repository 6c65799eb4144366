// Items, instructions and tools as OpenAI's Responses API has them.
//
// Only items that lie in the request are served: what a reference to one is of has a size that
// nobody here has seen. A response before is told of; whether it may be gone on from is for others
// to say.
#include <algorithm>
#include <array>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Calls of tools that the caller runs, and what those answer.
constexpr std::array<std::string_view, 5> kCalls{
    "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call"};
constexpr std::array<std::string_view, 5> kResults{
    "function_call_output", "custom_tool_call_output", "local_shell_call_output",
    "shell_call_output", "apply_patch_call_output"};
constexpr std::string_view kBoth = "is not served with both: a conversation, or a response before.";
// What of an item no model reads.
constexpr std::array<std::string_view, 4> kMarkers{"id", "status", "phase", "type"};

bool is_among(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

Expected<std::string_view> read_type(dom::object object, const FieldPath& path) {
  const FieldPath type_path{&path, "type"};
  dom::element told;
  if (object.at_key("type").get(told) != simdjson::SUCCESS) return missing(type_path);
  return read_string(told, type_path);
}

Checked read_part(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> part = read_object(value, path);
  if (!part) return std::unexpected(part.error());
  const Expected<std::string_view> type = read_type(*part, path);
  if (!type) return std::unexpected(type.error());
  if (*type == "refusal") return read_text_part(reading, *part, "refusal", path);
  if (*type == "input_text" || *type == "output_text" || *type == "summary_text" ||
      *type == "reasoning_text" || *type == "text")
    return read_text_part(reading, *part, "text", path);
  if (*type == "input_image") return read_input_image_part(reading, *part, path);
  if (*type == "input_audio") return read_input_audio_part(reading, *part, path);
  return not_served(path,
                    "is of a type whose cost is not counted here; send input_text, input_image or "
                    "input_audio.");
}

Checked read_parts(Reading& reading, dom::element value, const FieldPath& path) {
  return read_parts_of(reading, value, path, read_part);
}

// A field that says nothing that a model reads, or one of which nothing is known: then it may.
Checked read_other(Reading& reading, dom::key_value_pair field, TextKind kind,
                   const FieldPath& path) {
  if (Checked named = check_name(reading, field.key, path); !named) return named;
  if (is_among(field.key, kMarkers)) {
    if (field.key != "type") reading.add_carried(field.value);
  } else if (!field.value.is_bool()) {
    reading.add_any(kind, field.value);
  }
  return {};
}

Checked read_message(Reading& reading, dom::object message, const FieldPath& path) {
  bool has_role = false;
  bool has_content = false;
  std::uint64_t print = 0;
  const std::int64_t users = reading.request.turns.user;
  for (const dom::key_value_pair field : message) {
    const FieldPath member{&path, field.key};
    Checked read;
    if (field.key == "role") {
      read = read_role(reading, field.value, member);
      has_role = true;
    } else if (field.key == "content") {
      const std::size_t first = reading.texts.size();
      read = read_parts(reading, field.value, member);
      print = reading.print_of(first);
      has_content = true;
    } else {
      read = read_other(reading, field, TextKind::kContent, member);
    }
    if (!read) return read;
  }
  if (!has_role) return missing(FieldPath{&path, "role"});
  if (!has_content) return missing(FieldPath{&path, "content"});
  if (reading.request.turns.user > users) reading.said.push_back(print);
  return {};
}

Checked read_call(Reading& reading, dom::object call, std::string_view type,
                  const FieldPath& path) {
  constexpr std::string_view kCall = "_call";
  const bool is_function = type == "function_call";
  const bool is_custom = type == "custom_tool_call";
  // What is called by its type alone is told by that.
  const std::string_view of = is_function ? "function"
                              : is_custom ? "custom"
                                          : type.substr(0, type.size() - kCall.size());
  reading.calls.push_back({.type = of, .name = {}, .arguments = {}, .message = reading.index});
  for (const dom::key_value_pair field : call) {
    const FieldPath member{&path, field.key};
    const bool is_read = field.key == "name" || field.key == "arguments" || field.key == "input" ||
                         field.key == "action" || field.key == "operation";
    if (is_read) {
      if (field.key == "name") {
        const Expected<std::string_view> name = read_string(field.value, member);
        if (!name) return std::unexpected(name.error());
        reading.calls.back().name = *name;
      } else if (!field.value.is_null()) {
        reading.call_texts.push_back({reading.calls.size() - 1, reading.texts.size()});
      }
      reading.add_call_field(field.value);
    } else if (Checked read = read_other(reading, field, TextKind::kToolCall, member); !read) {
      return read;
    }
  }
  if ((is_function || is_custom) && reading.calls.back().name.empty()) {
    return missing(FieldPath{&path, "name"});
  }
  ++reading.request.turns.calls;
  return {};
}

// A shell answers what it wrote and how it ended, in no parts.
Checked read_result(Reading& reading, dom::object result, std::string_view type,
                    const FieldPath& path) {
  const bool is_of_shell = type == "shell_call_output";
  const std::size_t first = reading.texts.size();
  bool has_output = false;
  for (const dom::key_value_pair field : result) {
    const FieldPath member{&path, field.key};
    Checked read;
    if (field.key == "output") {
      read = field.value.is_object() || is_of_shell
                 ? read_other(reading, field, TextKind::kContent, member)
                 : read_parts(reading, field.value, member);
      has_output = true;
    } else {
      read = read_other(reading, field, TextKind::kToolCall, member);
    }
    if (!read) return read;
  }
  if (!has_output) return missing(FieldPath{&path, "output"});
  ++reading.request.turns.tool;
  reading.note_result(first);
  return {};
}

// What was thought before: as text, or so that only the provider can read it, which is longer than
// what is in it.
Checked read_reasoning(Reading& reading, dom::object item, const FieldPath& path) {
  for (const dom::key_value_pair field : item) {
    const FieldPath member{&path, field.key};
    const bool has_parts = field.key == "summary" || field.key == "content";
    Checked read = has_parts ? read_parts(reading, field.value, member)
                             : read_other(reading, field, TextKind::kContent, member);
    if (!read) return read;
  }
  ++reading.request.turns.assistant;
  return {};
}

// Of the type "function" or "custom" by its name; any other is run by the provider, or by the
// caller under a name that the type implies.
Checked read_tool(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> definition = read_object(value, path);
  if (!definition) return std::unexpected(definition.error());
  if (Checked names = check_names(reading, *definition, path); !names) return names;
  const Expected<std::string_view> type = read_type(*definition, path);
  if (!type) return std::unexpected(type.error());
  if (type->empty()) return wrong_type(FieldPath{&path, "type"}, "a type of tool");
  if (*type == "image_generation")
    return not_served(path, "makes images, whose cost is not counted here.");
  Tool tool{.type = *type, .name = {}, .definition = {}};
  dom::element told;
  const bool has_name = definition->at_key("name").get(told) == simdjson::SUCCESS;
  if (*type == "function" || *type == "custom") {
    const FieldPath name_path{&path, "name"};
    if (!has_name) return missing(name_path);
    const Expected<std::string_view> name = read_string(told, name_path);
    if (!name) return std::unexpected(name.error());
    if (name->empty()) return wrong_type(name_path, "a name");
    tool.name = *name;
  } else if (std::string_view name; has_name && told.get(name) == simdjson::SUCCESS) {
    tool.name = name;
  }
  reading.add_tool(tool, value);
  return {};
}

template <class ReadOne>
Checked read_within(dom::element value, const FieldPath& path, ReadOne read_one) {
  const Expected<dom::array> list = read_array(value, path);
  if (!list) return std::unexpected(list.error());
  FieldPath element{&path, {}, 0};
  for (const dom::element one : *list) {
    if (Checked read = read_one(one, element); !read) return read;
    ++element.index;
  }
  return {};
}

bool has_type(dom::element value, std::string_view type) {
  std::string_view told;
  return value["type"].get(told) == simdjson::SUCCESS && told == type;
}

// Tools of the caller's under one name. Each of them is offered, so each is told of by itself.
Checked read_namespace(Reading& reading, dom::object space, const FieldPath& path) {
  bool has_tools = false;
  for (const dom::key_value_pair field : space) {
    const FieldPath member{&path, field.key};
    Checked read;
    if (field.key == "tools") {
      has_tools = true;
      read = read_within(field.value, member, [&](dom::element tool, const FieldPath& at) {
        if (has_type(tool, "function") || has_type(tool, "custom"))
          return read_tool(reading, tool, at);
        return Checked(
            not_served(at, "is in a namespace, which holds functions and custom tools."));
      });
    } else {
      read = read_other(reading, field, TextKind::kToolDefinition, member);
    }
    if (!read) return read;
  }
  if (!has_tools) return missing(FieldPath{&path, "tools"});
  return {};
}

Checked read_offered(Reading& reading, dom::element value, const FieldPath& path) {
  dom::object space;
  const bool is_space = has_type(value, "namespace") && value.get(space) == simdjson::SUCCESS;
  return is_space ? read_namespace(reading, space, path) : read_tool(reading, value, path);
}

// An item that offers tools from its place on.
Checked read_additional_tools(Reading& reading, dom::object item, const FieldPath& path) {
  bool has_tools = false;
  for (const dom::key_value_pair field : item) {
    const FieldPath member{&path, field.key};
    Checked read;
    if (field.key == "tools") {
      has_tools = true;
      read = read_within(field.value, member, [&](dom::element tool, const FieldPath& at) {
        reading.request.is_tool_in_input = true;
        return read_offered(reading, tool, at);
      });
    } else if (field.key == "role") {
      read = read_role(reading, field.value, member);
    } else {
      read = read_other(reading, field, TextKind::kToolDefinition, member);
    }
    if (!read) return read;
  }
  if (!has_tools) return missing(FieldPath{&path, "tools"});
  return {};
}

Checked read_item(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> item = read_object(value, path);
  if (!item) return std::unexpected(item.error());
  // A message may come without its type.
  if (dom::element type; item->at_key("type").get(type) != simdjson::SUCCESS || type.is_null())
    return read_message(reading, *item, path);
  const Expected<std::string_view> type = read_type(*item, path);
  if (!type) return std::unexpected(type.error());
  if (*type == "message") return read_message(reading, *item, path);
  if (is_among(*type, kCalls)) return read_call(reading, *item, *type, path);
  if (is_among(*type, kResults)) return read_result(reading, *item, *type, path);
  if (*type == "reasoning" || *type == "compaction") return read_reasoning(reading, *item, path);
  if (*type == "additional_tools") return read_additional_tools(reading, *item, path);
  if (*type == "item_reference")
    return not_served(
        path,
        "refers to what the provider keeps, and nothing is kept: send the item itself, "
        "as SDKs do where they are told `store: false`.");
  return not_served(path, "is of a type whose cost is not counted here.");
}

}  // namespace

Checked read_items(Reading& reading, dom::element value, const FieldPath& path) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kRole, "user");
    reading.add_text(TextKind::kContent, text);
    ++reading.request.turns.user;
    reading.request.messages = 1;
    return {};
  }
  if (!value.is_array()) return wrong_type(path, "a string or an array of items");
  const Expected<int> items = read_each(reading, value, path, read_item);
  if (!items) return std::unexpected(items.error());
  if (*items == 0) return wrong_type(path, "a list of at least one item");
  reading.request.messages = *items;
  reading.settle_repeats();
  return {};
}

Checked read_instructions(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> text = read_string(value, path);
  if (!text) return std::unexpected(text.error());
  reading.add_text(TextKind::kRole, "system");
  reading.add_text(TextKind::kContent, *text);
  reading.request.turns.begins_with_system = true;
  ++reading.request.turns.system;
  return {};
}

Checked read_response_tools(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> tools = read_each(reading, value, path, read_offered);
  if (!tools) return std::unexpected(tools.error());
  return {};
}

Checked read_store(Reading& reading, dom::element value, const FieldPath& path) {
  if (value.get(reading.request.store) != simdjson::SUCCESS)
    return wrong_type(path, "true or false");
  return {};
}

Checked read_previous_response(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> id = read_string(value, path);
  if (!id) return std::unexpected(id.error());
  if (id->empty()) return wrong_type(path, "the id of a response");
  if (reading.request.is_turn) return not_served(path, kBoth);
  reading.request.previous_response = *id;
  return {};
}

// Its id, or an object that says it.
Checked read_conversation(Reading& reading, dom::element value, const FieldPath& path) {
  dom::object object;
  if (value.get(object) == simdjson::SUCCESS) {
    dom::element told;
    for (const dom::key_value_pair field : object) {
      const FieldPath member{&path, field.key};
      if (field.key != "id") return not_served(member, "is not known in a conversation.");
      told = field.value;
    }
    if (object.size() == 0) return missing(FieldPath{&path, "id"});
    value = told;
  }
  const Expected<std::string_view> id = read_string(value, path);
  if (!id) return std::unexpected(id.error());
  if (id->empty()) return wrong_type(path, "the id of a conversation");
  if (!reading.request.previous_response.empty()) return not_served(path, kBoth);
  reading.request.previous_response = *id;
  reading.request.is_turn = true;
  return {};
}

}  // namespace tollgate::dialects
