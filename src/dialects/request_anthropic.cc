// Messages, blocks and tools as Anthropic's Messages API has them.
#include <algorithm>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// In a message any block may stand, in a tool result text and images, in the system prompt text.
enum class Place : std::uint8_t { kMessage, kToolResult, kSystem };

Checked read_blocks(Reading& reading, dom::element value, Place place, const FieldPath& path);

// A tool_use block: the name and the input as the model will read it.
Checked read_tool_use(Reading& reading, dom::key_value_pair field, const FieldPath& path) {
  if (field.key == "name") {
    const Expected<std::string_view> name = read_string(field.value, path);
    if (!name) return std::unexpected(name.error());
    reading.calls.back().name = *name;
    reading.add_call_field(field.value);
    return {};
  }
  if (field.key == "input") {
    if (!field.value.is_object()) return wrong_type(path, "an object");
    reading.call_texts.push_back({reading.calls.size() - 1, reading.texts.size()});
  }
  reading.add_call_field(field.value);
  return {};
}

// Every field of a block may reach the model, so each but the markers is a text.
Checked read_block_field(Reading& reading, dom::key_value_pair field, std::string_view type,
                         const FieldPath& path) {
  if (Checked named = check_name(reading, field.key, path); !named) return named;
  if (field.key == "signature") reading.add_carried(field.value);
  if (field.key == "cache_control") {
    read_cache_control(reading, field.value, path);
    return {};
  }
  if (field.key == "type" || field.key == "signature") return {};
  if (type == "tool_use") return read_tool_use(reading, field, path);
  if (type == "tool_result" && field.key == "content")
    return read_blocks(reading, field.value, Place::kToolResult, path);
  if (field.key == "text" || field.key == "thinking" || field.key == "data") {
    const Expected<std::string_view> text = read_string(field.value, path);
    if (!text) return std::unexpected(text.error());
    reading.add_text(TextKind::kContent, *text);
    return {};
  }
  if (field.value.is_bool()) return {};
  reading.add_any(TextKind::kContent, field.value);
  return {};
}

// The field that a block of this type cannot be without; empty for types that are not served.
std::string_view required_field(std::string_view type, Place place) {
  if (type == "text") return "text";
  if (place != Place::kMessage) return {};
  if (type == "thinking") return "thinking";
  if (type == "redacted_thinking") return "data";
  if (type == "tool_use") return "name";
  if (type == "tool_result") return "tool_use_id";
  return {};
}

Checked read_block(Reading& reading, dom::element value, Place place, const FieldPath& path) {
  const Expected<dom::object> block = read_object(value, path);
  if (!block) return std::unexpected(block.error());
  std::string_view type;
  if (block->at_key("type").get(type) != simdjson::SUCCESS)
    return wrong_type(FieldPath{&path, "type"}, "a string");
  if (type == "image" && place != Place::kSystem) return read_image_block(reading, *block, path);
  const std::string_view required = required_field(type, place);
  if (required.empty())
    return not_served(path, "is of a type whose cost is not counted here; send text.");
  bool complete = false;
  const std::size_t first_text = reading.texts.size();
  if (type == "tool_use") {
    reading.calls.push_back({.type = {}, .name = {}, .arguments = {}, .message = reading.index});
  }
  for (const dom::key_value_pair field : *block) {
    complete = complete || field.key == required;
    const FieldPath member{&path, field.key};
    if (Checked read = read_block_field(reading, field, type, member); !read) return read;
  }
  if (!complete) return missing(FieldPath{&path, required});
  Turns& turns = reading.request.turns;
  if (type == "tool_use") ++turns.calls;
  if (type == "tool_result") {
    ++turns.tool;
    reading.note_result(first_text);
  }
  return {};
}

Checked read_blocks(Reading& reading, dom::element value, Place place, const FieldPath& path) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kContent, text);
    return {};
  }
  dom::array blocks;
  if (value.get(blocks) != simdjson::SUCCESS)
    return wrong_type(path, "a string or an array of blocks");
  FieldPath element{&path, {}, 0};
  for (const dom::element block : blocks) {
    if (Checked read = read_block(reading, block, place, element); !read) return read;
    ++element.index;
  }
  reading.request.turns.joins += std::max<std::int64_t>(0, element.index - 1);
  return {};
}

Checked read_message(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> message = read_object(value, path);
  if (!message) return std::unexpected(message.error());
  bool has_role = false;
  bool has_content = false;
  for (const dom::key_value_pair field : *message) {
    const FieldPath member{&path, field.key};
    if (field.key == "role") {
      const Expected<std::string_view> role = read_string(field.value, member);
      if (!role) return std::unexpected(role.error());
      if (*role != "user" && *role != "assistant" && *role != "system")
        return wrong_type(member, "one of user, assistant and system");
      reading.add_text(TextKind::kRole, *role);
      Turns& turns = reading.request.turns;
      ++(*role == "user" ? turns.user : *role == "assistant" ? turns.assistant : turns.system);
      has_role = true;
    } else if (field.key == "content") {
      Checked read = read_blocks(reading, field.value, Place::kMessage, member);
      if (!read) return read;
      has_content = true;
    } else {
      if (Checked named = check_name(reading, field.key, member); !named) return named;
      if (field.key == "cache_control") {
        ++reading.request.cache.count;
        refuse_marks(reading,
                     not_served(member, "stands where no provider looks for it: put it on a block.")
                         .error());
        continue;
      }
      reading.add_any(TextKind::kContent, field.value);
    }
  }
  if (!has_role) return missing(FieldPath{&path, "role"});
  if (!has_content) return missing(FieldPath{&path, "content"});
  return {};
}

Checked read_tool(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> definition = read_object(value, path);
  if (!definition) return std::unexpected(definition.error());
  Tool tool{.type = "custom", .name = {}, .definition = {}};
  for (const dom::key_value_pair field : *definition) {
    const FieldPath member{&path, field.key};
    if (Checked named = check_name(reading, field.key, member); !named) return named;
    if (field.value.is_null()) continue;
    if (field.key == "cache_control") {
      read_cache_control(reading, field.value, member);
      continue;
    }
    if (field.key == "max_uses") {
      const Expected<std::int64_t> uses = read_integer(field.value, 1, kTokensMax, member);
      if (!uses) return std::unexpected(uses.error());
      tool.max_uses = *uses;
      continue;
    }
    if (field.key != "type" && field.key != "name") continue;
    const Expected<std::string_view> text = read_string(field.value, member);
    if (!text) return std::unexpected(text.error());
    if (text->empty()) return wrong_type(member, "a string that is not empty");
    (field.key == "type" ? tool.type : tool.name) = *text;
  }
  if (tool.type == "custom" && tool.name.empty()) return missing(FieldPath{&path, "name"});
  reading.add_tool(tool, value);
  return {};
}

}  // namespace

Checked read_anthropic_messages(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> messages = read_each(reading, value, path, read_message);
  if (!messages) return std::unexpected(messages.error());
  if (*messages == 0) return wrong_type(path, "a list of at least one message");
  reading.request.messages = *messages;
  return {};
}

Checked read_anthropic_system(Reading& reading, dom::element value, const FieldPath& path) {
  reading.request.turns.begins_with_system = true;
  ++reading.request.turns.system;
  return read_blocks(reading, value, Place::kSystem, path);
}

Checked read_anthropic_tools(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> tools = read_each(reading, value, path, read_tool);
  if (!tools) return std::unexpected(tools.error());
  return {};
}

Checked read_anthropic_thinking(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<dom::object> thinking = read_object(value, path);
  if (!thinking) return std::unexpected(thinking.error());
  dom::element budget;
  if (thinking->at_key("budget_tokens").get(budget) != simdjson::SUCCESS) return {};
  const Expected<std::int64_t> tokens =
      read_integer(budget, 1, kTokensMax, FieldPath{&path, "budget_tokens"});
  if (!tokens) return std::unexpected(tokens.error());
  reading.thinking_budget = *tokens;
  return {};
}

}  // namespace tollgate::dialects
