// What a request says of tools beside their definitions: which is to be called; and the request
// without some of them.
#include <algorithm>
#include <utility>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

std::string_view string_at(dom::object object, std::string_view key) {
  std::string_view text;
  (void)object.at_key(key).get(text);
  return text;
}

// A choice that is not of any tool in particular.
bool is_mode(std::string_view type) {
  constexpr std::string_view kModes[] = {"", "auto", "none", "any", "required", "allowed_tools"};
  return std::ranges::find(kModes, type) != std::end(kModes);
}

// {"type": "function", "function": {"name": …}}, {"type": "tool", "name": …}, {"name": …}, or of a
// provider's own {"type": "file_search"}.
void read_chosen(Reading& reading, dom::object choice) {
  const std::string_view type = string_at(choice, "type");
  const bool is_own = !is_mode(type) && type != "function" && type != "custom" && type != "tool";
  if (is_own) return reading.chosen.push_back({type, {}});
  for (const std::string_view key : {"function", "custom"}) {
    dom::object inner;
    if (choice.at_key(key).get(inner) != simdjson::SUCCESS) continue;
    reading.chosen.push_back({key, string_at(inner, "name")});
  }
  dom::element named;
  if (choice.at_key("name").get(named) == simdjson::SUCCESS && !named.is_null()) {
    reading.chosen.push_back({"function", string_at(choice, "name")});
  }
}

void read_allowed(Reading& reading, dom::object allowed) {
  if (string_at(allowed, "mode") == "required") reading.request.must_call = true;
  dom::array tools;
  if (allowed.at_key("tools").get(tools) != simdjson::SUCCESS) return;
  for (const dom::element one : tools) {
    if (dom::object tool; one.get(tool) == simdjson::SUCCESS) read_chosen(reading, tool);
  }
}

bool asks_for_call(std::string_view mode) { return mode == "required" || mode == "any"; }

}  // namespace

Checked read_tool_choice(Reading& reading, dom::element value, const FieldPath& path) {
  reading.add_carried(value);
  if (Checked named = check_name(path.key, path); !named) return named;
  if (std::string_view mode; value.get(mode) == simdjson::SUCCESS) {
    reading.request.must_call = reading.request.must_call || asks_for_call(mode);
    return {};
  }
  const Expected<dom::object> choice = read_object(value, path);
  if (!choice) return wrong_type(path, "a string or an object");
  if (asks_for_call(string_at(*choice, "type"))) reading.request.must_call = true;
  read_chosen(reading, *choice);
  dom::object allowed;
  const bool is_nested = choice->at_key("allowed_tools").get(allowed) == simdjson::SUCCESS;
  read_allowed(reading, is_nested ? allowed : *choice);
  return {};
}

void write_without_tools(const Reading& reading, std::span<const std::size_t> removed,
                         std::string& out) {
  const bool has_some = removed.size() < reading.tools.size();
  std::size_t place = 0;
  const auto is_removed = [&] { return std::ranges::binary_search(removed, place++); };
  out.push_back('{');
  auto use = reading.uses.begin();
  for (const dom::key_value_pair field : reading.body) {
    const FieldUse used = *use++;
    const bool beside = used == FieldUse::kToolChoice || used == FieldUse::kBesideTools;
    if (beside && !has_some) continue;
    std::string kept;
    if (used == FieldUse::kTools || used == FieldUse::kFunctions) {
      for (const dom::element tool : dom::array(field.value)) {
        if (is_removed()) continue;
        kept += kept.empty() ? '[' : ',';
        append_json(tool, kept);
      }
      if (kept.empty()) continue;
      kept += ']';
    } else {
      append_json(field.value, kept);
    }
    if (out.back() != '{') out.push_back(',');
    append_json_string(field.key, out);
    out.push_back(':');
    out += kept;
  }
  out.push_back('}');
}

}  // namespace tollgate::dialects
