// A JSON object from outside, read so strictly that no two parsers can take it for two things:
// valid UTF-8, no name twice in any object, nested at most kDepthMax deep.
//
// Internal to the room. One thread; a document is reused, its memory with it.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::authentication {

class JsonDocument {
 public:
  static constexpr int kDepthMax = 16;

  // Makes `text` the document; its elements are valid until the next read. Nothing for what is
  // no such object. May append to `text` and take it off again: simdjson reads beyond the end.
  std::optional<simdjson::dom::object> read(std::string& text);

  // The object of the last read that was one.
  const simdjson::dom::object& object() const { return object_; }

 private:
  bool is_strict(simdjson::dom::element value, int depth);

  simdjson::dom::parser parser_;
  simdjson::dom::object object_;
  std::vector<std::string_view> names_;  // Of the objects that are being walked, innermost last.
};

// The text member `name` of `object`; nothing if it is absent or no text.
std::optional<std::string_view> text_member(const simdjson::dom::object& object,
                                            std::string_view name);

bool has_member(const simdjson::dom::object& object, std::string_view name);

}  // namespace tollgate::authentication
