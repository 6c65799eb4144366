#include "translation/conversation.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "translation/reading.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

void Conversation::clear(Surface surface, std::span<const std::string> may_drop) {
  from = surface;
  dropped = may_drop;
  list = surface == Surface::kResponses ? "input" : "messages";
  model = service_tier = {};
  turns.clear();
  parts.clear();
  results.clear();
  tools.clear();
  choice = {};
  parallel_calls.reset();
  cap.reset();
  streamed = false;
  settings.clear();
  format = {};
}

bool Conversation::drops(std::string_view field) const {
  return std::ranges::find(dropped, field.substr(0, field.find_first_of(".["))) != dropped.end();
}

void Conversation::begin_turn(Role role, std::int64_t index) {
  turns.push_back({role, index, parts.size(), 0});
}

void Conversation::add(const Part& part) {
  parts.push_back(part);
  ++turns.back().count;
}

std::span<const Part> Conversation::parts_of(const Turn& turn) const {
  return std::span(parts).subspan(turn.first, turn.count);
}

std::span<const Part> Conversation::parts_of(const Part& result) const {
  return std::span(results).subspan(result.first, result.count);
}

std::string place_of(const Conversation& conversation, const Turn& turn) {
  if (turn.index < 0) return std::string(conversation.list);
  return fmt::format("{}[{}]", conversation.list, turn.index);
}

std::unexpected<Refusal> cannot_carry(std::string where, std::string_view why) {
  std::string message = fmt::format("'{}' {}", where, why);
  return refuse(Reason::kUnsupportedParameter, "request", std::move(message), std::move(where));
}

std::unexpected<Refusal> has_no_place(std::string where) {
  return cannot_carry(std::move(where),
                      "cannot be carried over to the dialect that this model's server speaks. "
                      "Leave it out.");
}

namespace {

struct Nothing {
  Nothing() {
    dom::array both;
    if (parser.parse(std::string("[{},[]]")).get(both) != simdjson::SUCCESS) return;
    (void)both.at(0).get(object);
    (void)both.at(1).get(array);
  }
  dom::parser parser;
  dom::object object;
  dom::array array;
};
const Nothing& nothing() {
  static const Nothing made;
  return made;
}

}  // namespace

dom::object no_object() { return nothing().object; }

dom::object object_of(dom::element value) {
  dom::object object;
  return value.get(object) == simdjson::SUCCESS ? object : no_object();
}

dom::array array_of(dom::element value) {
  dom::array array;
  return value.get(array) == simdjson::SUCCESS ? array : nothing().array;
}

dom::object object_at(dom::object object, std::string_view key) {
  dom::element value;
  return object.at_key(key).get(value) == simdjson::SUCCESS ? object_of(value) : no_object();
}

std::string_view string_of(dom::element value) {
  std::string_view text;
  (void)value.get(text);
  return text;
}

std::string_view string_at(dom::object object, std::string_view key) {
  std::string_view text;
  (void)object.at_key(key).get(text);
  return text;
}

std::optional<bool> bool_at(dom::object object, std::string_view key) {
  bool set = false;
  if (object.at_key(key).get(set) != simdjson::SUCCESS) return std::nullopt;
  return set;
}

bool is_empty(dom::element value) {
  switch (value.type()) {
    case dom::element_type::NULL_VALUE:
      return true;
    case dom::element_type::STRING:
      return string_of(value).empty();
    case dom::element_type::ARRAY:
      return dom::array(value).size() == 0;
    case dom::element_type::OBJECT:
      return dom::object(value).size() == 0;
    default:
      return false;
  }
}

bool is_unset(dom::element value) {
  if (bool set = true; value.get(set) == simdjson::SUCCESS) return !set;
  if (double number = 1; value.get(number) == simdjson::SUCCESS) return number == 0;
  return is_empty(value);
}

Checked read_schema(dom::object fields, std::string where, Format& into) {
  into.kind = Format::Kind::kSchema;
  for (const dom::key_value_pair field : fields) {
    if (field.key == "type" || field.value.is_null()) continue;
    if (field.key == "name") {
      into.name = string_of(field.value);
    } else if (field.key == "description") {
      into.description = string_of(field.value);
    } else if (field.key == "schema") {
      into.schema = field.value;
    } else if (field.key == "strict") {
      into.strict = bool_at(fields, "strict");
    } else {
      return has_no_place(fmt::format("{}.{}", where, field.key));
    }
  }
  if (into.schema) return {};
  return cannot_carry(std::move(where), "has no 'schema'.");
}

Image image_at(std::string_view url, std::string_view detail) {
  constexpr std::string_view kScheme = "data:";
  constexpr std::string_view kBase64 = ";base64,";
  if (detail == "auto") detail = {};  // As where nothing is said.
  const std::size_t at = url.starts_with(kScheme) ? url.find(kBase64) : std::string_view::npos;
  if (at == std::string_view::npos)
    return {.media_type = {}, .base64 = {}, .url = url, .detail = detail};
  return {.media_type = url.substr(kScheme.size(), at - kScheme.size()),
          .base64 = url.substr(at + kBase64.size()),
          .url = {},
          .detail = detail};
}

namespace {

std::optional<Setting> setting_of(Use use) {
  switch (use) {
    case Use::kTemperature:
      return Setting::kTemperature;
    case Use::kTopP:
      return Setting::kTopP;
    case Use::kTopK:
      return Setting::kTopK;
    case Use::kStop:
      return Setting::kStop;
    case Use::kUser:
      return Setting::kUser;
    case Use::kSafetyIdentifier:
      return Setting::kSafetyIdentifier;
    case Use::kMetadata:
      return Setting::kMetadata;
    case Use::kEffort:
      return Setting::kEffort;
    case Use::kVerbosity:
      return Setting::kVerbosity;
    default:
      return std::nullopt;
  }
}

}  // namespace

Checked read_setting(Use use, dom::key_value_pair field, Conversation& into) {
  if (const std::optional<Setting> setting = setting_of(use)) {
    into.settings.push_back({*setting, field.key, field.value});
    return {};
  }
  std::int64_t number = 0;
  switch (use) {
    case Use::kSkip:
      return {};
    case Use::kModel:
      into.model = string_of(field.value);
      return {};
    case Use::kParallel:
      if (bool set = false; field.value.get(set) == simdjson::SUCCESS) into.parallel_calls = set;
      return {};
    case Use::kCap:
      if (field.value.get(number) == simdjson::SUCCESS) into.cap = number;
      return {};
    case Use::kStream:
      (void)field.value.get(into.streamed);
      return {};
    case Use::kOne:
      if (field.value.get(number) == simdjson::SUCCESS && number == 1) return {};
      break;
    case Use::kUnset:
      if (is_unset(field.value)) return {};
      break;
    default:
      break;
  }
  return has_no_place(std::string(field.key));
}

Checked read_mode(std::string_view mode, Choice& into) {
  using Kind = Choice::Kind;
  into.kind = mode == "auto"       ? Kind::kAuto
              : mode == "none"     ? Kind::kNone
              : mode == "required" ? Kind::kRequired
                                   : Kind::kUnsaid;
  if (into.kind == Kind::kUnsaid) return has_no_place("tool_choice");
  return {};
}

Checked read_allowed(dom::object allowed, Choice& into) {
  dom::array tools;
  if (allowed.at_key("tools").get(tools) != simdjson::SUCCESS) return has_no_place("tool_choice");
  Choice made;
  if (Checked mode = read_mode(string_at(allowed, "mode"), made); !mode) return mode;
  for (const dom::element element : tools) {
    const dom::object tool = object_of(element);
    dom::object inner;
    const bool is_nested = tool.at_key(string_at(tool, "type")).get(inner) == simdjson::SUCCESS;
    const std::string_view name = string_at(is_nested ? inner : tool, "name");
    if (name.empty()) return has_no_place("tool_choice");
    made.allowed.push_back(name);
  }
  if (made.allowed.empty()) return has_no_place("tool_choice");
  into = std::move(made);
  return {};
}

void leave_out_unallowed(Conversation& into) {
  const std::vector<std::string_view>& allowed = into.choice.allowed;
  if (allowed.empty()) return;
  const std::set<std::string_view> names(allowed.begin(), allowed.end());
  std::erase_if(into.tools, [&](const Tool& tool) { return !names.contains(tool.name); });
}

// A field that may be left out is, where it has no place, and nothing of it stays.
Checked read_fields(dom::object body, std::span<const FieldRow> rows, Conversation& into,
                    ReadField read_field) {
  for (const dom::key_value_pair field : body) {
    if (is_empty(field.value)) continue;
    const auto row = std::ranges::find(rows, field.key, &FieldRow::field);
    const Use use = row == rows.end() ? Use::kNone : row->use;
    const bool may_go = into.drops(field.key);
    const Choice choice = into.choice;
    const Format format = may_go ? into.format : Format();
    const std::size_t settings = into.settings.size();
    if (Checked read = read_field(use, field, into); !read) {
      if (!may_go) return read;
      into.choice = choice;
      into.format = format;
      into.settings.erase(into.settings.begin() + static_cast<std::ptrdiff_t>(settings),
                          into.settings.end());
    }
  }
  return {};
}

Checked read_each_tool(dom::element value, Conversation& into, ReadTool read_tool) {
  const dom::array tools = array_of(value);
  std::size_t index = 0;
  for (const dom::element tool : tools) {
    const std::string where = fmt::format("tools[{}]", index++);
    if (Checked read = read_tool(tool, where, into.tools.emplace_back()); !read) return read;
  }
  return {};
}

}  // namespace tollgate::translation
