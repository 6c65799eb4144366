#include "dialects/kept_response.h"

#include <simdjson.h>

#include "dialects/answer_walk.h"
#include "dialects/call_reading.h"
#include "dialects/json_strict.h"
#include "dialects/kept_object.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Names of other things that are kept.
bool names_another(std::string_view key) {
  return key == "previous_response_id" || key == "conversation";
}

}  // namespace

FaultOr<void> write_kept_response(std::string_view body, std::string_view id, std::string_view name,
                                  std::string& out) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> response = read_kept_object(parser, body);
  if (!response) return std::unexpected(response.error());
  std::string_view told;
  if (response->at_key("id").get(told) != simdjson::SUCCESS || told != id)
    return broken_kept("is of another response");
  out.push_back('{');
  for (const dom::key_value_pair field : *response) {
    if (out.back() != '{') out.push_back(',');
    append_json_string(field.key, out);
    out.push_back(':');
    if (field.key == "id") {
      append_json_string(name, out);
    } else if (names_another(field.key)) {
      out += "null";
    } else {
      append_json(field.value, out);
    }
  }
  out.push_back('}');
  return {};
}

FaultOr<void> read_input_items(std::string_view body, AnswerSink* answer, CallSink& calls) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> list = read_kept_object(parser, body);
  if (!list) return std::unexpected(list.error());
  dom::array items;
  if (list->at_key("data").get(items) != simdjson::SUCCESS)
    return broken_kept("has no list of items");
  CallReading reading;
  reading.start(&calls);
  std::int64_t place = 0;
  for (const dom::element element : items) {
    dom::object item;
    if (element.get(item) != simdjson::SUCCESS) return broken_kept("has an item that is no object");
    reading.item(place++, item);
  }
  if (answer == nullptr) return {};
  AnswerWalk walk;
  walk.start(*answer);
  walk.reply(Surface::kEmbeddings, *list);  // Every text in it.
  return {};
}

}  // namespace tollgate::dialects
