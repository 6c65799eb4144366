#include "dialects/response_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "dialects/json_strict.h"
#include "dialects/response_events.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// What of a response, and of an item, an ending tells anew.
constexpr std::array<std::string_view, 6> kOfResponse{
    "status", "output", "usage", "error", "completed_at", "incomplete_details"};
constexpr std::array<std::string_view, 3> kOfItem{"status", "content", "summary"};

std::string fields_without(dom::object object, std::span<const std::string_view> names) {
  std::string made;
  for (const dom::key_value_pair field : object) {
    if (std::ranges::find(names, field.key) != names.end()) continue;
    if (!made.empty()) made += ',';
    append_json_string(field.key, made);
    made += ':';
    append_json(field.value, made);
  }
  return made;
}

std::int64_t number_of(dom::object object, std::string_view key, std::int64_t otherwise) {
  std::int64_t number = 0;
  return object.at_key(key).get(number) == simdjson::SUCCESS ? number : otherwise;
}

std::string text_of(dom::object object, std::string_view key) {
  std::string_view text;
  return object.at_key(key).get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

// "output_text" has its text under "text", "refusal" under "refusal".
std::string_view key_of(std::string_view type) { return type == "refusal" ? type : "text"; }

// What the memory of a text costs beside it.
constexpr std::size_t kPerText = 64;

void append_member(std::string_view key, std::string_view text, std::string& out) {
  append_json_string(key, out);
  out += ':';
  append_json_string(text, out);
}

std::string_view text_event_of(std::string_view type) {
  if (type == "refusal") return "response.refusal.done";
  if (type == "reasoning_text") return "response.reasoning_text.done";
  return "response.output_text.done";
}

}  // namespace

void ResponseSnapshot::start(std::string_view model) {
  asked_model_ = model;
  unseen_.clear();
  items_.clear();
  fields_.clear();
  sequence_ = -1;
  kept_ = 0;
  is_whole_ = true;
  created_ = finished_ = false;
}

void ResponseSnapshot::note(std::size_t event, std::string_view type, dom::object told) {
  Change change;
  change.event = event;
  change.sequence = number_of(told, "sequence_number", -1);
  change.item = number_of(told, "output_index", 0);
  dom::object object;
  if (is_last_of_response(type)) {
    change.kind = Change::Kind::kFinished;
  } else if (told.at_key("response").get(object) == simdjson::SUCCESS) {
    change.kind = Change::Kind::kCreated;
    change.text = fields_without(object, kOfResponse);
  } else if (dom::element item; told.at_key("item").get(item) == simdjson::SUCCESS &&
                                item.get(object) == simdjson::SUCCESS) {
    const bool is_done = type == "response.output_item.done";
    change.kind = is_done ? Change::Kind::kItemDone : Change::Kind::kItem;
    change.is_call = text_of(object, "type").ends_with("_call");
    if (is_done) {
      append_json(item, change.text);
    } else {
      change.text = fields_without(object, kOfItem);
      change.id = text_of(object, "id");
    }
  } else if (const std::optional<ResponsePlace> place = place_of_response_event(type, told)) {
    change.is_summary = place->list == "summary";
    change.part = place->part;
    if (told.at_key("part").get(object) == simdjson::SUCCESS) {
      change.kind = Change::Kind::kPart;
      change.text = text_of(object, "type");
    } else if (place->is_delta && !place->list.empty()) {
      change.kind = Change::Kind::kPiece;
      change.text = text_of(told, "delta");
    }
  }
  unseen_.push_back(std::move(change));
}

void ResponseSnapshot::handed_on(std::size_t events) {
  for (; !unseen_.empty() && unseen_.front().event <= events; unseen_.pop_front()) {
    apply(unseen_.front());
  }
}

void ResponseSnapshot::take_back(std::size_t event) {
  while (!unseen_.empty() && unseen_.back().event >= event) unseen_.pop_back();
}

void ResponseSnapshot::keep(std::string& into, std::string_view text) {
  kept_ += text.size() + kPerText;
  if (kept_ > kKeptMax) {
    is_whole_ = false;
    return;
  }
  into += text;
}

void ResponseSnapshot::apply(Change& change) {
  sequence_ = std::max(sequence_, change.sequence);
  Item* item = nullptr;
  if (const auto known = items_.find(change.item); known != items_.end()) item = &known->second;
  const auto part = [&]() -> Part& {
    return (change.is_summary ? item->summary : item->content)[change.part];
  };
  // Once something is left out, nothing of the output is told.
  if (!is_whole_ && change.kind != Change::Kind::kFinished) return;
  switch (change.kind) {
    case Change::Kind::kNone:
      break;
    case Change::Kind::kCreated:
      created_ = true;
      if (fields_.empty()) keep(fields_, change.text);
      break;
    case Change::Kind::kItem: {
      Item made;
      keep(made.fields, change.text);
      keep(made.id, change.id);
      made.is_call = change.is_call;
      items_.insert_or_assign(change.item, std::move(made));
      break;
    }
    case Change::Kind::kItemDone:
      if (item == nullptr) break;
      item->content.clear();
      item->summary.clear();
      keep(item->done, change.text);
      break;
    case Change::Kind::kPart:
      if (item != nullptr && item->done.empty() && part().type.empty()) {
        keep(part().type, change.text);
      }
      break;
    case Change::Kind::kPiece:
      if (item != nullptr && item->done.empty()) keep(part().text, change.text);
      break;
    case Change::Kind::kFinished:
      finished_ = true;
      break;
  }
}

void ResponseSnapshot::begin_event(std::string_view type, std::string& out) {
  out += fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},", type, type,
                     ++sequence_);
}

namespace {

void write_parts(std::string_view list, const auto& parts, std::string& out) {
  append_json_string(list, out);
  out += ":[";
  for (const auto& [index, part] : parts) {
    if (out.back() != '[') out += ',';
    write_part(part.type, part.text, out);
  }
  out += ']';
}

}  // namespace

void ResponseSnapshot::write_item(const Item& item, std::string& out) const {
  if (!item.done.empty()) {
    out += item.done;
    return;
  }
  out += '{';
  out += item.fields;
  out += item.fields.empty() ? "" : ",";
  append_member("status", "incomplete", out);
  out += ',';
  write_parts("content", item.content, out);
  if (!item.summary.empty()) {
    out += ',';
    write_parts("summary", item.summary, out);
  }
  out += '}';
}

void ResponseSnapshot::write_response(std::string_view status, std::string_view reason,
                                      const Usage* usage, std::string& out) const {
  out += "\"response\":{";
  if (fields_.empty()) {
    out += R"("id":"resp_tollgate","object":"response","created_at":0,)";
    append_member("model", asked_model_, out);
  } else {
    out += fields_;
  }
  out += ',';
  append_member("status", status, out);
  out += ",\"error\":null,\"incomplete_details\":";
  if (reason.empty()) {
    out += "null";
  } else {
    out += '{';
    append_member("reason", reason, out);
    out += '}';
  }
  if (is_whole_) {
    out += ",\"output\":[";
    for (const auto& [index, item] : items_) {
      // A call that was cut is none: nobody is to run it.
      if (item.is_call && item.done.empty()) continue;
      if (out.back() != '[') out += ',';
      write_item(item, out);
    }
    out += ']';
  }
  out += ",\"usage\":";
  if (usage == nullptr) {
    out += "null}}\n\n";
    return;
  }
  out += fmt::format(R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},)"
                     R"("output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},)"
                     "\"total_tokens\":{}}}}}}}\n\n",
                     usage->input, usage->cached_input, usage->output, usage->reasoning,
                     usage->input + usage->output);
}

// In front of what an event tells of a part.
void ResponseSnapshot::write_place(const Place& place, std::string& out) {
  append_member("item_id", place.item_id, out);
  out += fmt::format(",\"output_index\":{},\"{}\":{},", place.item, place.key, place.part);
}

void ResponseSnapshot::end_part(std::string_view text_event, std::string_view part_event,
                                const Place& place, const Part& part, std::string& out) {
  begin_event(text_event, out);
  write_place(place, out);
  append_member(key_of(part.type), part.text, out);
  out += text_event == "response.output_text.done" ? ",\"logprobs\":[]}\n\n" : "}\n\n";
  begin_event(part_event, out);
  write_place(place, out);
  out += "\"part\":";
  write_part(part.type, part.text, out);
  out += "}\n\n";
}

// The events that close what is open of an item.
void ResponseSnapshot::end_item(std::int64_t at, Item& item, std::string& out) {
  if (!item.done.empty() || item.is_call || !is_whole_) return;
  for (const auto& [index, part] : item.summary) {
    const Place place{item.id, at, "summary_index", index};
    end_part("response.reasoning_summary_text.done", "response.reasoning_summary_part.done", place,
             part, out);
  }
  for (const auto& [index, part] : item.content) {
    const Place place{item.id, at, "content_index", index};
    end_part(text_event_of(part.type), "response.content_part.done", place, part, out);
  }
  begin_event("response.output_item.done", out);
  out += fmt::format("\"output_index\":{},\"item\":", at);
  write_item(item, out);
  out += "}\n\n";
}

void ResponseSnapshot::end(Ending ending, const Usage& counted, std::string& out) {
  if (std::exchange(finished_, true)) return;
  if (!created_) {
    begin_event("response.created", out);
    write_response("in_progress", {}, nullptr, out);
  }
  for (auto& [at, item] : items_) end_item(at, item, out);
  begin_event("response.incomplete", out);
  write_response("incomplete", ending == Ending::kLength ? "max_output_tokens" : "content_filter",
                 &counted, out);
}

// SDKs look for the error in one place or the other.
void ResponseSnapshot::fail(std::string_view error_json, std::string& out) {
  if (std::exchange(finished_, true)) return;
  begin_event("error", out);
  dom::parser parser;
  dom::object error;
  const simdjson::padded_string padded(error_json);
  if (parser.parse(padded)["error"].get(error) == simdjson::SUCCESS) {
    for (const std::string_view key : {"code", "message", "param"}) {
      dom::element value;
      if (error.at_key(key).get(value) != simdjson::SUCCESS) continue;
      append_json_string(key, out);
      out += ':';
      append_json(value, out);
      out += ',';
    }
  }
  out += error_json.substr(1);
  out += "\n\n";
}

}  // namespace tollgate::dialects
