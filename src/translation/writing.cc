#include "translation/writing.h"

#include <fmt/format.h>

#include "dialects/json_strict.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

void Body::copy(dom::element value) {
  json.raw({});
  dialects::append_json(value, out_);
}

void Body::quote(dom::element value) {
  std::string text;
  dialects::append_json(value, text);
  json.value(text);
}

void Body::typed(std::string_view type, std::string_view key, std::string_view text) {
  json.begin_object();
  json.member("type", type);
  json.member(key, text);
  json.end_object();
}

Checked write_settings(const Conversation& conversation, std::initializer_list<PlaceOf> places,
                       Body& body) {
  for (const Set& set : conversation.settings) {
    const auto* place = std::ranges::find(places, set.setting, &PlaceOf::setting);
    if (place == places.end() && !conversation.drops(set.field))
      return has_no_place(std::string(set.field));
  }
  for (const PlaceOf& place : places) {
    const Set* set = place.key.empty() ? nullptr : find_setting(conversation, place.setting);
    if (set != nullptr) body.copy(place.key, set->value);
  }
  return {};
}

const Set* find_setting(const Conversation& conversation, Setting setting) {
  const auto found = std::ranges::find(conversation.settings, setting, &Set::setting);
  return found == conversation.settings.end() ? nullptr : &*found;
}

void write_parameters(std::string_view key, const Tool& tool, Body& body) {
  body.json.key(key);
  if (tool.parameters) {
    body.copy(*tool.parameters);
  } else {
    body.json.raw(R"({"type":"object","properties":{}})");
  }
}

void write_description(const Tool& tool, Body& body) {
  body.json.member("name", tool.name);
  if (!tool.description.empty()) body.json.member("description", tool.description);
}

void write_openai_tools(const Conversation& conversation, void (*write_tool)(const Tool&, Body&),
                        void (*write_choice)(const Choice&, Body&), Body& body) {
  if (conversation.tools.empty()) return;
  body.json.key("tools");
  body.json.begin_array();
  for (const Tool& tool : conversation.tools) write_tool(tool, body);
  body.json.end_array();
  write_choice(conversation.choice, body);
  if (conversation.parallel_calls)
    body.json.member("parallel_tool_calls", *conversation.parallel_calls);
}

void write_schema(const Format& format, Body& body) {
  body.json.member("name", format.name.empty() ? std::string_view("answer") : format.name);
  if (!format.description.empty()) body.json.member("description", format.description);
  body.copy("schema", *format.schema);
  if (format.strict) body.json.member("strict", *format.strict);
}

std::string url_of(const Image& image) {
  if (!image.url.empty()) return std::string(image.url);
  return fmt::format("data:{};base64,{}", image.media_type, image.base64);
}

}  // namespace tollgate::translation
