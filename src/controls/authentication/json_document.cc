#include "controls/authentication/json_document.h"

#include <algorithm>

namespace tollgate::authentication {

namespace dom = simdjson::dom;

std::optional<dom::object> JsonDocument::read(std::string& text) {
  const std::size_t size = text.size();
  text.append(simdjson::SIMDJSON_PADDING, '\0');
  dom::element root;
  const simdjson::error_code error = parser_.parse(text.data(), size, false).get(root);
  text.resize(size);
  names_.clear();
  if (error != simdjson::SUCCESS || !root.is_object() || !is_strict(root, 1)) return std::nullopt;
  object_ = dom::object(root);
  return object_;
}

bool JsonDocument::is_strict(dom::element value, int depth) {
  if (value.is_array()) {
    if (depth > kDepthMax) return false;
    for (const dom::element child : dom::array(value)) {
      if (!is_strict(child, depth + 1)) return false;
    }
  } else if (value.is_object()) {
    if (depth > kDepthMax) return false;
    const std::size_t first = names_.size();
    for (const dom::key_value_pair member : dom::object(value)) {
      names_.push_back(member.key);
      if (!is_strict(member.value, depth + 1)) return false;
    }
    // Sorted, so that many names in one object cost little more than reading them.
    const auto own = names_.begin() + static_cast<std::ptrdiff_t>(first);
    std::sort(own, names_.end());
    if (std::adjacent_find(own, names_.end()) != names_.end()) return false;
    names_.resize(first);
  }
  return true;
}

std::optional<std::string_view> text_member(const dom::object& object, std::string_view name) {
  std::string_view text;
  if (object.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

bool has_member(const dom::object& object, std::string_view name) {
  return object.at_key(name).error() == simdjson::SUCCESS;
}

}  // namespace tollgate::authentication
