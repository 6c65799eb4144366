#include "mock/conversations.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"

namespace tollgate::mock {

namespace dom = simdjson::dom;

namespace {

Conversations::Reply refusal(int status, std::string_view why) {
  return {status,
          fmt::format(R"({{"error":{{"message":"{}","type":"invalid_request_error","param":null,)"
                      R"("code":null}}}})",
                      why)};
}

std::string quoted(std::string_view text) {
  std::string out;
  JsonWriter json(out);
  json.value(text);
  return out;
}

// The item with an id of its own.
std::string with_id(dom::object item, std::string_view id) {
  std::string out = fmt::format(R"({{"id":"{}","status":"completed")", id);
  for (const dom::key_value_pair field : item) {
    if (field.key == "id" || field.key == "status") continue;
    out += fmt::format(",{}:{}", quoted(field.key), simdjson::minify(field.value));
  }
  return out + "}";
}

std::string message_of(std::string_view role, std::string_view type, std::string_view text) {
  return fmt::format(R"({{"type":"message","role":"{}","content":[{{"type":"{}","text":{}}}]}})",
                     role, type, quoted(text));
}

}  // namespace

std::string Conversations::told(std::string_view id, const Conversation& of) {
  return fmt::format(
      R"({{"id":"{}","object":"conversation","created_at":1764000000,"metadata":{}}})", id,
      of.metadata);
}

bool Conversations::add(Conversation& to, std::string_view body, std::string_view field,
                        std::vector<Item>& added) {
  dom::parser parser;
  const simdjson::padded_string text(body);
  dom::object object;
  dom::array items;
  if (parser.parse(text).get(object) != simdjson::SUCCESS) return true;
  if (std::string_view said; object.at_key(field).get(said) == simdjson::SUCCESS) {
    return add(to, fmt::format(R"({{"items":[{}]}})", message_of("user", "input_text", said)),
               "items", added);
  }
  if (object.at_key(field).get(items) != simdjson::SUCCESS) return true;
  if (to.items.size() + items.size() > kItemsMax) return false;
  for (const dom::element element : items) {
    dom::object item;
    if (element.get(item) != simdjson::SUCCESS) continue;
    const std::string id = fmt::format("msg_kept_{}", ++serial_);
    added.push_back({id, with_id(item, id)});
  }
  to.items.insert(to.items.end(), added.begin(), added.end());
  return true;
}

Conversations::Reply Conversations::make(std::string_view body) {
  if (all_.size() >= kConversationsMax) return refusal(429, "as many conversations as may be");
  const std::string id = fmt::format("conv_mock_{}", ++serial_);
  Conversation& made = all_[id];
  std::vector<Item> added;
  add(made, body, "items", added);
  dom::parser parser;
  const simdjson::padded_string text(body);
  dom::object object;
  dom::object metadata;
  if (parser.parse(text).get(object) == simdjson::SUCCESS &&
      object.at_key("metadata").get(metadata) == simdjson::SUCCESS) {
    made.metadata = simdjson::minify(metadata);
  }
  return {200, told(id, made)};
}

Conversations::Reply Conversations::serve(std::string_view method, std::string_view path,
                                          std::string_view body) {
  const std::lock_guard lock(mutex_);
  if (path.empty()) return method == "POST" ? make(body) : refusal(405, "no such method");
  path.remove_prefix(1);
  const std::string_view id = path.substr(0, path.find('/'));
  const auto found = all_.find(id);
  if (found == all_.end()) return refusal(404, "no conversation of this id");
  const std::string_view rest = path.substr(id.size());
  constexpr std::string_view kItems = "/items";
  if (rest.starts_with(kItems)) {
    std::string_view item = rest.substr(kItems.size());
    if (!item.empty()) item.remove_prefix(1);
    return serve_items(found->second, id, method, item, body);
  }
  if (method == "DELETE") {
    std::string gone =
        fmt::format(R"({{"id":"{}","object":"conversation.deleted","deleted":true}})", id);
    all_.erase(found);
    return {200, std::move(gone)};
  }
  if (method == "POST") {
    dom::parser parser;
    const simdjson::padded_string text(body);
    dom::object object;
    dom::object metadata;
    if (parser.parse(text).get(object) != simdjson::SUCCESS) return refusal(400, "no JSON");
    found->second.metadata = object.at_key("metadata").get(metadata) == simdjson::SUCCESS
                                 ? simdjson::minify(metadata)
                                 : "{}";
  }
  return {200, told(id, found->second)};
}

Conversations::Reply Conversations::serve_items(Conversation& of, std::string_view id,
                                                std::string_view method, std::string_view item,
                                                std::string_view body) {
  std::vector<Item> listed;
  if (!item.empty()) {
    const auto found = std::ranges::find(of.items, item, &Item::id);
    if (found == of.items.end()) return refusal(404, "no item of this id");
    if (method != "DELETE") return {200, found->json};
    of.items.erase(found);
    return {200, told(id, of)};
  }
  if (method == "POST") {
    if (!add(of, body, "items", listed)) return refusal(400, "as many items as may be");
  } else {
    listed.assign(of.items.rbegin(), of.items.rend());  // The newest first.
  }
  std::string data;
  for (const Item& each : listed) data += (data.empty() ? "" : ",") + each.json;
  return {200, fmt::format(R"({{"object":"list","data":[{}],"first_id":"{}","last_id":"{}",)"
                           R"("has_more":false}})",
                           data, listed.empty() ? "" : listed.front().id,
                           listed.empty() ? "" : listed.back().id)};
}

std::optional<std::string> Conversations::texts_of(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(id);
  if (found == all_.end()) return std::nullopt;
  std::string texts;
  for (const Item& each : found->second.items) texts += each.json;
  return texts;
}

void Conversations::add_turn(std::string_view id, std::string_view body, std::string_view answer) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(id);
  if (found == all_.end()) return;  // Forgotten meanwhile.
  std::vector<Item> asked;
  add(found->second, body, "input", asked);
  std::vector<Item> said;
  add(found->second,
      fmt::format(R"({{"items":[{}]}})", message_of("assistant", "output_text", answer)), "items",
      said);
}

}  // namespace tollgate::mock
