#include "dialects/mcp_text_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "dialects/base64_bytes.h"
#include "dialects/json_strict.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Members that the protocol has: their names are no texts of anybody's.
constexpr std::string_view kKnown[] = {
    "_meta",
    "action",
    "annotations",
    "argument",
    "arguments",
    "audience",
    "blob",
    "code",
    "completion",
    "content",
    "contents",
    "context",
    "cursor",
    "data",
    "default",
    "description",
    "enum",
    "error",
    "icons",
    "id",
    "inputRequests",
    "inputSchema",
    "instructions",
    "isError",
    "items",
    "level",
    "logger",
    "message",
    "messages",
    "method",
    "mimeType",
    "name",
    "nextCursor",
    "outputSchema",
    "params",
    "progress",
    "progressToken",
    "prompt",
    "prompts",
    "properties",
    "protocolVersion",
    "ref",
    "requestedSchema",
    "required",
    "resource",
    "resourceTemplates",
    "resources",
    "result",
    "role",
    "serverInfo",
    "structuredContent",
    "systemPrompt",
    "text",
    "title",
    "tools",
    "total",
    "type",
    "uri",
    "uriTemplate",
    "value",
    "values",
    "version",
};

bool is_known(std::string_view key) { return std::ranges::find(kKnown, key) != std::end(kKnown); }

std::string_view type_of(dom::object object) {
  std::string_view type;
  return object["type"].get(type) == simdjson::SUCCESS ? type : std::string_view();
}

// Values that belong to their names: arguments, structured results, and what somebody filled in.
bool is_structured(dom::key_value_pair field) {
  dom::object object;
  if (field.value.get(object) != simdjson::SUCCESS) return false;
  return field.key == "arguments" || field.key == "structuredContent" ||
         (field.key == "content" && type_of(object).empty());
}

// Bytes that are no text, so nobody reads them as one: what is called an image may be anything.
bool is_media(std::string_view type, dom::element data) {
  if (type != "image" && type != "audio") return false;
  std::string_view text;
  if (data.get(text) != simdjson::SUCCESS) return false;
  const std::optional<Base64Bytes> bytes = Base64Bytes::read(text);
  if (!bytes) return false;
  constexpr std::size_t kHead = 16;
  for (std::size_t at = 0; at < std::min(kHead, bytes->size()); ++at)
    if ((*bytes)[at] < '\t' || (*bytes)[at] >= 0x7F) return true;
  return false;
}

}  // namespace

void McpTextWalk::walk(std::string_view place, dom::element value, McpTextSink& sink) {
  sink_ = &sink;
  place_ = place;
  walk(value, McpText::kWhole);
}

void McpTextWalk::walk_member(std::string_view place, dom::key_value_pair field,
                              McpTextSink& sink) {
  sink_ = &sink;
  place_ = place;
  walk_member(field, McpText::kWhole);
}

void McpTextWalk::walk_member(dom::key_value_pair field, McpText kind) {
  const std::size_t before = place_.size();
  const bool known = is_known(field.key);
  // The names within JSON are told with it.
  if (!known && kind == McpText::kWhole) sink_->text(place_, field.key, kind);
  place_.push_back('.');
  place_ += known ? field.key : std::string_view("?");
  if (kind == McpText::kWhole && is_structured(field)) {
    json_.clear();
    append_json(field.value, json_);
    sink_->text(place_, json_, McpText::kJson);
    walk(field.value, McpText::kPartOfJson);
  } else {
    walk(field.value, kind);
  }
  place_.resize(before);
}

void McpTextWalk::walk_object(dom::object object, McpText kind) {
  const std::string_view type = type_of(object);
  for (const dom::key_value_pair field : object) {
    if (kind == McpText::kWhole && field.key == "data" && is_media(type, field.value)) continue;
    walk_member(field, kind);
  }
}

void McpTextWalk::walk(dom::element value, McpText kind) {
  dom::array array;
  dom::object object;
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return sink_->text(place_, text, kind);
  if (value.get(object) == simdjson::SUCCESS) return walk_object(object, kind);
  if (value.get(array) == simdjson::SUCCESS) {
    const std::size_t before = place_.size();
    std::size_t index = 0;
    for (const dom::element each : array) {
      fmt::format_to(std::back_inserter(place_), "[{}]", index++);
      walk(each, kind);
      place_.resize(before);
    }
    return;
  }
  if (kind != McpText::kWhole || value.is_null() || value.is_bool()) return;
  json_.clear();
  append_json(value, json_);
  sink_->text(place_, json_, kind);
}

}  // namespace tollgate::dialects
