// What the writers of the dialects share. Internal to translation.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "translation/conversation.h"

namespace tollgate::translation {

// A body as it grows.
class Body {
 public:
  explicit Body(std::string& out) : out_(out), json(out) {}

 private:
  std::string& out_;

 public:
  JsonWriter json;

  // The value as it came.
  void copy(simdjson::dom::element value);
  void copy(std::string_view name, simdjson::dom::element value) {
    json.key(name);
    copy(value);
  }
  // The value's JSON, as a string.
  void quote(simdjson::dom::element value);
  // {"type":"TYPE","KEY":"TEXT"}
  void typed(std::string_view type, std::string_view key, std::string_view text);
};

// Where a setting goes; what is not in the list has no place.
struct PlaceOf {
  Setting setting;
  std::string_view key;
};
Checked write_settings(const Conversation& conversation, std::initializer_list<PlaceOf> places,
                       Body& body);
const Set* find_setting(const Conversation& conversation, Setting setting);

// {"type":"object","properties":{}} where there are none.
void write_parameters(std::string_view key, const Tool& tool, Body& body);
// The fields that all have in common.
void write_description(const Tool& tool, Body& body);
// Tools and what is said of their calls, as OpenAI's dialects have them; nothing without tools.
void write_openai_tools(const Conversation& conversation, void (*write_tool)(const Tool&, Body&),
                        void (*write_choice)(const Choice&, Body&), Body& body);
// "name", "description", "schema", "strict".
void write_schema(const Format& format, Body& body);

// What an image's address says where it lies in the request.
std::string url_of(const Image& image);

inline bool is_text(const Part& part) {
  return part.kind == Part::Kind::kText || part.kind == Part::Kind::kRefusal;
}

inline bool has_kind(std::span<const Part> parts, Part::Kind kind) {
  return std::ranges::any_of(parts, [&](const Part& part) { return part.kind == kind; });
}

}  // namespace tollgate::translation
