#include "dialects/conversation.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "dialects/answer_walk.h"
#include "dialects/call_reading.h"
#include "dialects/json_strict.h"
#include "dialects/kept_object.h"
#include "dialects/kept_response.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kPrefix = "conv_";
constexpr std::size_t kIdBytesMax = 256;

std::unexpected<Refusal> invalid(std::string message, std::string param = {}) {
  return refuse(Reason::kInvalidRequest, "request", std::move(message), std::move(param));
}

bool may_hold_items(ConversationBody holds) { return holds != ConversationBody::kMetadata; }
bool may_hold_metadata(ConversationBody holds) { return holds != ConversationBody::kItems; }

// The two fields of a body; elements without a value where they are not there.
struct Fields {
  std::optional<dom::element> items;
  std::optional<dom::element> metadata;
};

Expected<Fields> read_fields(ConversationBody holds, dom::object object) {
  Fields fields;
  for (const dom::key_value_pair field : object) {
    const bool is_items = field.key == "items" && may_hold_items(holds);
    const bool is_metadata = field.key == "metadata" && may_hold_metadata(holds);
    if (!is_items && !is_metadata) {
      return refuse(Reason::kUnsupportedParameter, "request",
                    "The body holds a field that is not served here: leave it out.",
                    std::string(field.key.substr(0, 64)));
    }
    if (field.value.is_null() && holds == ConversationBody::kNew) continue;
    if (is_metadata) {
      fields.metadata = field.value;
      continue;
    }
    dom::array items;
    if (field.value.get(items) != simdjson::SUCCESS)
      return invalid("'items' must be a list of items.", "items");
    if (items.size() > 0 || holds == ConversationBody::kItems) fields.items = field.value;
  }
  if (holds == ConversationBody::kItems && !fields.items)
    return invalid("'items' is missing: the items that are to be added.", "items");
  if (holds == ConversationBody::kMetadata && !fields.metadata)
    return invalid("'metadata' is missing: what the conversation is to have.", "metadata");
  return fields;
}

void append_member(std::string_view key, dom::element value, std::string& out) {
  if (out.back() != '{') out.push_back(',');
  append_json_string(key, out);
  out.push_back(':');
  append_json(value, out);
}

}  // namespace

bool is_conversation_id(std::string_view id) {
  return id.size() > kPrefix.size() && id.size() <= kIdBytesMax && id.starts_with(kPrefix) &&
         std::ranges::all_of(id, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

Expected<void> write_as_response(ConversationBody holds, std::string_view body,
                                 std::string_view model, std::string& out) {
  StrictJson json;
  Fields fields;
  if (!body.empty() || holds != ConversationBody::kNew) {
    const Expected<dom::element> parsed = json.parse(body, ReadLimits{});
    if (!parsed) return std::unexpected(parsed.error());
    dom::object object;
    if (parsed->get(object) != simdjson::SUCCESS) return invalid("The body must be a JSON object.");
    const Expected<Fields> read = read_fields(holds, object);
    if (!read) return std::unexpected(read.error());
    fields = *read;
  }
  out += "{\"model\":";
  append_json_string(model, out);
  out += ",\"input\":";
  if (fields.items) {
    append_json(*fields.items, out);
  } else {
    out += "\"\"";
  }
  if (fields.metadata) {
    out += ",\"metadata\":";
    append_json(*fields.metadata, out);
  }
  out.push_back('}');
  return {};
}

FaultOr<void> write_as_conversation(ConversationBody holds, std::string_view request,
                                    std::string& out) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> object = read_kept_object(parser, request);
  if (!object) return std::unexpected(object.error());
  const std::size_t begin = out.size();
  out.push_back('{');
  dom::element items;
  if (object->at_key("input").get(items) == simdjson::SUCCESS && items.is_array())
    append_member("items", items, out);
  dom::element metadata;
  if (object->at_key("metadata").get(metadata) == simdjson::SUCCESS) {
    append_member("metadata", metadata, out);
  } else if (holds == ConversationBody::kMetadata) {
    out += "\"metadata\":null";
  }
  out.push_back('}');
  if (holds == ConversationBody::kItems && out.size() - begin == 2)
    return broken_kept("has no items");
  return {};
}

FaultOr<std::string> read_conversation_id(std::string_view body) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> conversation = read_kept_object(parser, body);
  if (!conversation) return std::unexpected(conversation.error());
  std::string_view id;
  if (conversation->at_key("id").get(id) != simdjson::SUCCESS || !is_conversation_id(id))
    return broken_kept("tells no id of a conversation");
  return std::string(id);
}

FaultOr<void> read_conversation_texts(std::string_view body, AnswerSink& texts) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> put = read_kept_object(parser, body);
  if (!put) return std::unexpected(put.error());
  AnswerWalk walk;
  walk.start(texts);
  walk.reply(Surface::kEmbeddings, *put);  // Every text in it.
  return {};
}

FaultOr<void> write_conversation(std::string_view body, std::string_view id, std::string_view name,
                                 AnswerSink* answer, std::string& out) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> conversation = read_kept_object(parser, body);
  if (!conversation) return std::unexpected(conversation.error());
  std::string_view told;
  if (conversation->at_key("id").get(told) != simdjson::SUCCESS || told != id)
    return broken_kept("is of another conversation");
  out += "{\"id\":";
  append_json_string(name, out);
  out += ",\"object\":\"conversation\"";
  for (const std::string_view key : {"created_at", "metadata"}) {
    dom::element value;
    if (conversation->at_key(key).get(value) == simdjson::SUCCESS) append_member(key, value, out);
  }
  out.push_back('}');
  if (answer == nullptr) return {};
  AnswerWalk walk;
  walk.start(*answer);
  walk.reply(Surface::kEmbeddings, *conversation);  // Every text in it.
  return {};
}

// As a list of one.
FaultOr<void> read_kept_item(std::string_view body, AnswerSink* answer, CallSink& calls) {
  dom::parser parser(StrictJson::kCapacityMax);
  const FaultOr<dom::object> item = read_kept_object(parser, body);
  if (!item) return std::unexpected(item.error());
  std::string list = "{\"data\":[";
  list += body;
  list += "]}";
  return read_input_items(list, answer, calls);
}

}  // namespace tollgate::dialects
