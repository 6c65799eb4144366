#include "dialects/response_events.h"

#include <algorithm>
#include <array>
#include <vector>

#include "dialects/json_strict.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

struct Row {
  std::string_view type;   // Between "response." and ".delta" or ".done".
  std::string_view list;   // As in ResponsePlace.
  std::string_view field;  // Also the name under which the whole of it comes.
};
constexpr std::array<Row, 9> kTexts{{
    {"output_text", "content", "text"},
    {"refusal", "content", "refusal"},
    {"reasoning_text", "content", "text"},
    {"reasoning_summary_text", "summary", "text"},
    {"function_call_arguments", {}, "arguments"},
    {"mcp_call_arguments", {}, "arguments"},
    {"custom_tool_call_input", {}, "input"},
    {"code_interpreter_call_code", {}, "code"},
    {"shell_call_command", {}, "command"},
}};
constexpr std::array<Row, 3> kParts{{
    {"content_part", "content", {}},
    {"reasoning_part", "content", {}},  // vLLM's.
    {"reasoning_summary_part", "summary", {}},
}};
constexpr std::string_view kPrefix = "response.";

std::int64_t index_of(dom::object event, std::string_view key) {
  std::int64_t index = 0;
  return event.at_key(key).get(index) == simdjson::SUCCESS ? index : 0;
}

bool has_twice(std::vector<std::string_view>& keys) {
  std::ranges::sort(keys);
  return std::ranges::adjacent_find(keys) != keys.end();
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

}  // namespace

bool is_last_of_response(std::string_view type) {
  return type == "response.completed" || type == "response.incomplete" || type == "response.failed";
}

std::optional<std::string_view> why_unsound(std::string_view named, dom::object event) {
  constexpr std::string_view kOneOf[] = {"response", "item", "part", "delta"};
  std::vector<std::string_view> keys;
  int of_them = 0;
  for (const dom::key_value_pair field : event) {
    keys.push_back(field.key);
    of_them += std::ranges::find(kOneOf, field.key) != std::end(kOneOf) ? 1 : 0;
  }
  if (of_them > 1) return "has an event that could be two";
  if (dom::object response; event.at_key("response").get(response) == simdjson::SUCCESS) {
    if (has_twice(keys)) return "has a field twice in an event";
    keys.clear();
    for (const dom::key_value_pair field : response) keys.push_back(field.key);
  }
  if (has_twice(keys)) return "has a field twice in an event";
  std::string_view type;
  const bool is_error = event.at_key("error").error() == simdjson::SUCCESS;
  if (event.at_key("type").get(type) != simdjson::SUCCESS) {
    if (is_error) return std::nullopt;
    return "has an event without a type";
  }
  if (!named.empty() && named != type) return "has an event of two types";
  return std::nullopt;
}

std::optional<ResponsePlace> place_of_response_event(std::string_view type, dom::object event) {
  if (!type.starts_with(kPrefix)) return std::nullopt;
  type.remove_prefix(kPrefix.size());
  ResponsePlace place;
  place.is_delta = take_suffix(type, ".delta");
  const bool is_end =
      !place.is_delta && (take_suffix(type, ".done") || take_suffix(type, ".added"));
  if (!place.is_delta && !is_end) return std::nullopt;
  const auto is_it = [&](const Row& row) { return row.type == type; };
  const Row* row = nullptr;
  if (const auto text = std::ranges::find_if(kTexts, is_it); text != kTexts.end()) {
    row = &*text;
  } else if (const auto part = std::ranges::find_if(kParts, is_it); part != kParts.end()) {
    row = &*part;
  } else {
    return std::nullopt;
  }
  place.item = index_of(event, "output_index");
  place.list = row->list;
  place.part = index_of(event, row->list == "summary" ? "summary_index" : "content_index");
  place.field = row->field;
  return place;
}

void write_part(std::string_view type, std::string_view text, std::string& out) {
  const std::string_view named = type.empty() ? std::string_view("output_text") : type;
  out += "{\"type\":";
  append_json_string(named, out);
  out += named == "refusal" ? ",\"refusal\":" : ",\"text\":";
  append_json_string(text, out);
  out += named == "output_text" ? R"(,"annotations":[]})" : "}";
}

}  // namespace tollgate::dialects
