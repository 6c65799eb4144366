// What the readers of the dialects share. Internal to translation.
#pragma once

#include <simdjson.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "translation/conversation.h"

namespace tollgate::translation {

// The string under `key`; empty where there is none.
std::string_view string_at(simdjson::dom::object object, std::string_view key);
std::string_view string_of(simdjson::dom::element value);
std::optional<bool> bool_at(simdjson::dom::object object, std::string_view key);

// An empty one where it is none, as one that has no document is not to be looked into.
simdjson::dom::object object_of(simdjson::dom::element value);
simdjson::dom::array array_of(simdjson::dom::element value);
simdjson::dom::object object_at(simdjson::dom::object object, std::string_view key);
simdjson::dom::object no_object();

// Whether the value says nothing: null, an empty list, object or string.
bool is_empty(simdjson::dom::element value);
// …or what holds where nothing is said: false, 0.
bool is_unset(simdjson::dom::element value);

// What a field at the top of a body says.
enum class Use : std::uint8_t {
  kNone,  // What has no place anywhere else.
  kSkip,  // What is said elsewhere, or means nothing.
  kModel,
  kMessages,
  kSystem,
  kTools,
  kToolChoice,
  kParallel,
  kCap,
  kStream,
  kOne,    // No more than one answer.
  kUnset,  // Served only where it asks for nothing.
  kFormat,
  kOther,  // Of the dialect's own.
  kTemperature,
  kTopP,
  kTopK,
  kStop,
  kUser,
  kSafetyIdentifier,
  kMetadata,
  kEffort,
  kVerbosity,
};
struct FieldRow {
  std::string_view field;
  Use use;
};

// What all dialects have in common; any other use has no place.
Checked read_setting(Use use, simdjson::dom::key_value_pair field, Conversation& into);
// "auto", "none", "required".
Checked read_mode(std::string_view mode, Choice& into);
// {"mode": "auto", "tools": […]}, in which a tool has its name by itself or within its type.
Checked read_allowed(simdjson::dom::object allowed, Choice& into);
// Once all is read: what may not be called need not be offered, and no other API can offer it so.
void leave_out_unallowed(Conversation& into);

using ReadField = Checked (*)(Use use, simdjson::dom::key_value_pair field, Conversation& into);
Checked read_fields(simdjson::dom::object body, std::span<const FieldRow> rows, Conversation& into,
                    ReadField read_field);
using ReadTool = Checked (*)(simdjson::dom::element tool, const std::string& where, Tool& into);
Checked read_each_tool(simdjson::dom::element value, Conversation& into, ReadTool read_tool);

// {"type":"object",…} of a schema, {"name":…,"schema":…,"strict":…}, where it lies in `fields`.
Checked read_schema(simdjson::dom::object fields, std::string where, Format& into);

// data:TYPE;base64,… or an address.
Image image_at(std::string_view url, std::string_view detail);

}  // namespace tollgate::translation
