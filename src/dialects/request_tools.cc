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

// Writes lists without the tools that are removed, which are told by their places among all of the
// request's, in the order in which they are read.
class Sifting {
 public:
  Sifting(Surface surface, std::span<const std::size_t> removed)
      : has_spaces_(surface == Surface::kResponses), removed_(removed) {}

  // Empty where none is left.
  std::string tools(dom::array tools) {
    std::string out;
    for (const dom::element tool : tools) {
      std::string kept;
      if (has_spaces_ && string_of(tool, "type") == "namespace") {
        kept = holder(tool);
        if (kept.empty()) continue;
      } else {
        if (std::ranges::binary_search(removed_, place_++)) continue;
        append_json(tool, kept);
      }
      out += out.empty() ? '[' : ',';
      out += kept;
    }
    if (!out.empty()) out += ']';
    return out;
  }

  // Of the input of a response, whose items may offer tools.
  std::string items(dom::array items) {
    std::string out = "[";
    for (const dom::element item : items) {
      std::string kept;
      if (string_of(item, "type") == "additional_tools") {
        kept = holder(item);
        if (kept.empty()) continue;
      } else {
        append_json(item, kept);
      }
      if (out.size() > 1) out += ',';
      out += kept;
    }
    return out + ']';
  }

 private:
  static std::string_view string_of(dom::element value, std::string_view key) {
    dom::object object;
    return value.get(object) == simdjson::SUCCESS ? string_at(object, key) : std::string_view();
  }

  // An object that holds tools; empty where none of them is left.
  std::string holder(dom::element value) {
    std::string out = "{";
    for (const dom::key_value_pair field : dom::object(value)) {
      std::string kept;
      if (field.key == "tools") {
        kept = tools(dom::array(field.value));
        if (kept.empty()) return kept;
      } else {
        append_json(field.value, kept);
      }
      if (out.size() > 1) out += ',';
      append_json_string(field.key, out);
      out += ':';
      out += kept;
    }
    return out + '}';
  }

  bool has_spaces_;
  std::span<const std::size_t> removed_;
  std::size_t place_ = 0;
};

}  // namespace

bool bounds_its_calls(std::string_view type) {
  constexpr std::string_view kBounded[] = {"web_search_", "web_fetch_", "advisor_"};
  return std::ranges::any_of(kBounded,
                             [&](std::string_view family) { return type.starts_with(family); });
}

Checked read_max_tool_calls(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::int64_t> calls = read_integer(value, 1, kTokensMax, path);
  if (!calls) return std::unexpected(calls.error());
  reading.request.tool_calls_asked = *calls;
  return {};
}

void append_bounded_tools(dom::element tools, const Edits& edits, std::string& out) {
  const std::int64_t most = *edits.tool_calls;
  char separator = '[';
  for (const dom::element tool : dom::array(tools)) {
    out.push_back(separator);
    separator = ',';
    std::int64_t asked = most;
    const bool is_bounded = bounds_its_calls(string_at(dom::object(tool), "type"));
    out.push_back('{');
    for (const dom::key_value_pair field : dom::object(tool)) {
      if (field.key == "cache_control" && !edits.cache_control) continue;
      if (is_bounded && field.key == "max_uses") {
        (void)field.value.get(asked);
        continue;
      }
      if (out.back() != '{') out.push_back(',');
      append_json_string(field.key, out);
      out.push_back(':');
      append_json(field.value, out);
    }
    if (is_bounded) {
      if (out.back() != '{') out.push_back(',');
      out += "\"max_uses\":" + std::to_string(std::min(asked, most));
    }
    out.push_back('}');
  }
  out += separator == '[' ? "[]" : "]";
}

Checked read_tool_choice(Reading& reading, dom::element value, const FieldPath& path) {
  reading.add_carried(value);
  if (Checked named = check_name(reading, path.key, path); !named) return named;
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
  Sifting sifting(reading.request.surface, removed);
  out.push_back('{');
  auto use = reading.uses.begin();
  for (const dom::key_value_pair field : reading.body) {
    const FieldUse used = *use++;
    const bool beside = used == FieldUse::kToolChoice || used == FieldUse::kBesideTools ||
                        used == FieldUse::kMaxToolCalls;
    if (beside && !has_some) continue;
    std::string kept;
    if (used == FieldUse::kTools || used == FieldUse::kFunctions) {
      kept = sifting.tools(dom::array(field.value));
      if (kept.empty()) continue;
    } else if (used == FieldUse::kItems && field.value.is_array()) {
      kept = sifting.items(dom::array(field.value));
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
