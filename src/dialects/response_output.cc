#include "dialects/response_output.h"

#include <algorithm>
#include <array>
#include <string>

#include "dialects/json_strict.h"
#include "dialects/response_events.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// What of an item, and of a part, the provider writes.
constexpr std::array<std::string_view, 6> kOfItem{"id",   "type",    "status",
                                                  "role", "call_id", "encrypted_content"};
constexpr std::array<std::string_view, 3> kOfPart{"type", "logprobs", "annotations"};

constexpr std::size_t kPlacesMax = 1 << 16;

bool is_among(std::string_view key, std::span<const std::string_view> names) {
  return std::ranges::find(names, key) != names.end();
}

// A false one is no output, nor is what a tool of the provider answers.
bool is_output(std::string_view key, dom::element value) {
  return !value.is_null() && !value.is_bool() && !is_among(key, kOfItem) && key != "results" &&
         key != "outputs" && key != "output" && key != "tools";
}

template <class Tell>
void each_text(dom::object item, Tell tell) {
  for (const dom::key_value_pair field : item) {
    if (!is_output(field.key, field.value)) continue;
    dom::array parts;
    const bool has_parts = (field.key == "content" || field.key == "summary") &&
                           field.value.get(parts) == simdjson::SUCCESS;
    if (!has_parts) {
      tell(field.value);
      continue;
    }
    for (const dom::element part : parts) {
      dom::object object;
      if (part.get(object) != simdjson::SUCCESS) {
        tell(part);
        continue;
      }
      for (const dom::key_value_pair inner : object)
        if (!is_among(inner.key, kOfPart)) tell(inner.value);
    }
  }
}

std::size_t bytes_of(dom::element value) {
  if (value.is_null()) return 0;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) return text.size();
  std::string json;
  append_json(value, json);
  return json.size();
}

}  // namespace

void ResponseOutput::item(dom::object item, Teller& teller) {
  each_text(item, [&](dom::element text) { teller.any(0, text); });
}

void ResponseOutput::start() {
  texts_.clear();
  items_.clear();
}

void ResponseOutput::whole_item(std::int64_t at, dom::object item, Teller& teller) {
  std::size_t bytes = 0;
  each_text(item, [&](dom::element text) { bytes += bytes_of(text); });
  std::size_t& told = items_[at];
  if (bytes <= told) return;
  told = bytes;
  ResponseOutput::item(item, teller);
}

void ResponseOutput::event(std::string_view type, dom::object event, Teller& teller) {
  std::int64_t at = 0;
  (void)event.at_key("output_index").get(at);
  dom::object object;
  if (event.at_key("item").get(object) == simdjson::SUCCESS) return whole_item(at, object, teller);
  if (event.at_key("response").get(object) == simdjson::SUCCESS) {
    dom::array output;
    if (object.at_key("output").get(output) != simdjson::SUCCESS) return;
    // Items that were never finished may be left out, so places say little.
    std::size_t bytes = 0;
    std::size_t told = 0;
    for (const dom::element element : output) {
      dom::object item;
      if (element.get(item) != simdjson::SUCCESS) continue;
      each_text(item, [&](dom::element text) { bytes += bytes_of(text); });
    }
    for (const auto& [index, of_item] : items_) told += of_item;
    if (bytes <= told) return;
    std::int64_t position = 0;
    for (const dom::element element : output) {
      dom::object item;
      if (element.get(item) == simdjson::SUCCESS) whole_item(position, item, teller);
      ++position;
    }
    return;
  }
  const std::optional<ResponsePlace> place = place_of_response_event(type, event);
  dom::element text;
  if (!place) {
    // Of an event that is not known here, its delta.
    if (event.at_key("delta").get(text) == simdjson::SUCCESS) teller.any(0, text);
    return;
  }
  // A part comes again within its item.
  if (place->field.empty()) return;
  if (event.at_key(place->is_delta ? "delta" : place->field).get(text) != simdjson::SUCCESS) return;
  // Of an upstream that makes places without end some may be told twice.
  if (texts_.size() > kPlacesMax) texts_.clear();
  std::size_t& told = texts_[{place->item, place->list, place->list.empty() ? -1 : place->part}];
  const std::size_t bytes = bytes_of(text);
  if (place->is_delta) {
    told += bytes;
  } else if (bytes > told) {
    told = bytes;
  } else {
    return;
  }
  items_[place->item] += bytes;
  teller.any(0, text);
}

}  // namespace tollgate::dialects
