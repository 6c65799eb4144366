#include "controls/tools/json_pointer.h"

#include <algorithm>
#include <charconv>

namespace tollgate::tools {

namespace dom = simdjson::dom;

namespace {

// Without its escapes; nothing: one is broken.
std::optional<std::string> unescaped(std::string_view token) {
  std::string made;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      made += token[i];
      continue;
    }
    ++i;
    if (i == token.size() || (token[i] != '0' && token[i] != '1')) return std::nullopt;
    made += token[i] == '0' ? '~' : '/';
  }
  return made;
}

}  // namespace

JsonPointers::Inner& JsonPointers::inner_of(std::size_t place) {
  if (places_[place].inner != 0) return inner_[places_[place].inner];
  places_[place].inner = inner_.size();
  Inner& made = inner_.emplace_back();
  const dom::element value = places_[place].value;
  if (dom::object object; value.get(object) == simdjson::SUCCESS) {
    for (const dom::key_value_pair field : object) {
      if (made.fields.emplace(field.key, places_.size()).second) places_.push_back({field.value});
    }
  } else if (dom::array array; value.get(array) == simdjson::SUCCESS) {
    for (const dom::element item : array) {
      made.items.push_back(places_.size());
      places_.push_back({item});
    }
  }
  return made;
}

std::optional<std::size_t> JsonPointers::in(std::size_t place, std::string_view name) {
  const bool is_object = places_[place].value.is_object();
  const Inner& inner = inner_of(place);
  if (is_object) {
    const auto found = inner.fields.find(name);
    return found == inner.fields.end() ? std::nullopt : std::optional(found->second);
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(name.begin(), name.end(), index);
  const bool is_index =
      error == std::errc() && end == name.end() && (name == "0" || name[0] != '0');
  if (!is_index || index >= inner.items.size()) return std::nullopt;
  return inner.items[index];
}

std::optional<dom::element> JsonPointers::at(std::string_view pointer) {
  std::size_t which = 0;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return std::nullopt;
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    const std::optional<std::string> name = unescaped(pointer.substr(0, end));
    const std::optional<std::size_t> found = name ? in(which, *name) : std::nullopt;
    if (!found) return std::nullopt;
    which = *found;
    pointer.remove_prefix(end);
  }
  return places_[which].value;
}

}  // namespace tollgate::tools
