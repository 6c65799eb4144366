// A conversation as Anthropic's messages.
#include <fmt/format.h>

#include <algorithm>

#include "dialects/json_strict.h"
#include "dialects/request.h"
#include "translation/reading.h"
#include "translation/writing.h"

namespace tollgate::translation {

namespace dom = simdjson::dom;

namespace {

using Kind = Part::Kind;

class MessagesWriter {
 public:
  MessagesWriter(const Conversation& conversation, std::string& out)
      : conversation_(conversation), body_(out) {}

  Checked write();

 private:
  Checked write_system();
  Checked write_turns();
  Checked write_run(std::span<const Turn> run);
  Checked write_blocks(std::span<const Part> parts, bool are_results, const Turn& turn);
  Checked write_block(const Part& part, const Turn& turn);
  Checked write_image(const Image& image, const Turn& turn);
  Checked write_call(const Part& call, const Turn& turn);
  Checked write_result(const Part& result, const Turn& turn);
  Checked write_tools();
  void write_choice();
  Checked write_settings_of();
  Expected<const Set*> effort() const;
  Checked write_output_config();

  std::string where(const Turn& turn) const { return place_of(conversation_, turn); }

  const Conversation& conversation_;
  Body body_;
  JsonWriter& json_ = body_.json;
  std::size_t systems_ = 0;  // Turns in front.
  dialects::StrictJson parser_;
  std::string padded_;
};

Checked MessagesWriter::write_system() {
  std::string_view only;
  std::size_t texts = 0;
  while (systems_ < conversation_.turns.size() &&
         conversation_.turns[systems_].role == Role::kSystem) {
    const Turn& turn = conversation_.turns[systems_++];
    for (const Part& part : conversation_.parts_of(turn)) {
      if (!is_text(part)) return cannot_carry(where(turn), "is a system message that is no text.");
      if (part.text.empty()) continue;
      only = part.text;
      ++texts;
    }
  }
  if (texts == 0) return {};
  if (texts == 1) {
    json_.member("system", only);
    return {};
  }
  json_.key("system");
  json_.begin_array();
  for (const Turn& turn : std::span(conversation_.turns).first(systems_)) {
    for (const Part& part : conversation_.parts_of(turn))
      if (!part.text.empty()) body_.typed("text", "text", part.text);
  }
  json_.end_array();
  return {};
}

Checked MessagesWriter::write_image(const Image& image, const Turn& turn) {
  if (image.detail == "low")
    return cannot_carry(where(turn),
                        "asks for an image to be read in low detail, which this "
                        "model's server does not know.");
  json_.begin_object();
  json_.member("type", "image");
  json_.key("source");
  json_.begin_object();
  json_.member("type", image.url.empty() ? "base64" : "url");
  if (image.url.empty()) {
    json_.member("media_type", image.media_type);
    json_.member("data", image.base64);
  } else {
    json_.member("url", image.url);
  }
  json_.end_object();
  json_.end_object();
  return {};
}

Checked MessagesWriter::write_call(const Part& call, const Turn& turn) {
  if (call.is_custom) return cannot_carry(where(turn), "calls a custom tool.");
  json_.begin_object();
  json_.member("type", "tool_use");
  json_.member("id", call.id);
  json_.member("name", call.name);
  if (call.input) {
    body_.copy("input", *call.input);
  } else if (call.text.empty()) {
    json_.key("input");
    json_.raw("{}");
  } else {
    padded_.assign(call.text);
    padded_.reserve(padded_.size() + simdjson::SIMDJSON_PADDING);
    const Expected<dom::element> input = parser_.parse(padded_, {});
    if (!input || !input->is_object())
      return cannot_carry(where(turn), "holds arguments of a call that are no JSON object.");
    body_.copy("input", *input);
  }
  json_.end_object();
  return {};
}

Checked MessagesWriter::write_result(const Part& result, const Turn& turn) {
  json_.begin_object();
  json_.member("type", "tool_result");
  json_.member("tool_use_id", result.id);
  const auto parts = conversation_.parts_of(result);
  json_.key("content");
  if (parts.size() == 1 && parts.front().kind == Kind::kText) {
    json_.value(parts.front().text);
  } else {
    json_.begin_array();
    if (Checked written = write_blocks(parts, false, turn); !written) return written;
    json_.end_array();
  }
  if (result.is_error) json_.member("is_error", true);
  json_.end_object();
  return {};
}

Checked MessagesWriter::write_block(const Part& part, const Turn& turn) {
  switch (part.kind) {
    case Kind::kText:
    case Kind::kRefusal:
      // A text of nothing says nothing, and is refused.
      if (!part.text.empty()) body_.typed("text", "text", part.text);
      return {};
    case Kind::kImage:
      return write_image(part.image, turn);
    case Kind::kCall:
      return write_call(part, turn);
    case Kind::kResult:
      return write_result(part, turn);
    case Kind::kThought:
      return cannot_carry(where(turn), "holds what a model of another server thought.");
    case Kind::kAudio:
      break;
  }
  return cannot_carry(where(turn), "holds a recording, which this model's server does not take.");
}

Checked MessagesWriter::write_blocks(std::span<const Part> parts, bool are_results,
                                     const Turn& turn) {
  for (const Part& part : parts) {
    if ((part.kind == Kind::kResult) != are_results) continue;
    if (Checked written = write_block(part, turn); !written) return written;
  }
  return {};
}

// Turns of one role are one message, in which results come first.
Checked MessagesWriter::write_run(std::span<const Turn> run) {
  const Role role = run.front().role;
  json_.begin_object();
  json_.member("role", role == Role::kAssistant ? "assistant" : "user");
  json_.key("content");
  const auto parts = conversation_.parts_of(run.front());
  if (run.size() == 1 && parts.size() == 1 && parts.front().kind == Kind::kText) {
    json_.value(parts.front().text);
  } else {
    json_.begin_array();
    for (const bool are_results : {true, false}) {
      for (const Turn& turn : run) {
        Checked written = write_blocks(conversation_.parts_of(turn), are_results, turn);
        if (!written) return written;
      }
    }
    json_.end_array();
  }
  json_.end_object();
  return {};
}

Checked MessagesWriter::write_turns() {
  json_.key("messages");
  json_.begin_array();
  const auto turns = std::span(conversation_.turns).subspan(systems_);
  for (std::size_t at = 0; at < turns.size();) {
    if (turns[at].role == Role::kSystem)
      return cannot_carry(where(turns[at]),
                          "is a system message behind others, which this model's "
                          "server takes only in front.");
    std::size_t end = at + 1;
    while (end < turns.size() && turns[end].role == turns[at].role) ++end;
    if (Checked written = write_run(turns.subspan(at, end - at)); !written) return written;
    at = end;
  }
  json_.end_array();
  return {};
}

void MessagesWriter::write_choice() {
  const Choice& choice = conversation_.choice;
  const bool one_by_one = conversation_.parallel_calls == false;
  if (choice.kind == Choice::Kind::kUnsaid && !one_by_one) return;
  json_.key("tool_choice");
  json_.begin_object();
  json_.member("type", choice.kind == Choice::Kind::kNone       ? "none"
                       : choice.kind == Choice::Kind::kRequired ? "any"
                       : choice.kind == Choice::Kind::kTool     ? "tool"
                                                                : "auto");
  if (choice.kind == Choice::Kind::kTool) json_.member("name", choice.name);
  if (one_by_one && choice.kind != Choice::Kind::kNone)
    json_.member("disable_parallel_tool_use", true);
  json_.end_object();
}

Checked MessagesWriter::write_tools() {
  if (conversation_.tools.empty()) return {};
  json_.key("tools");
  json_.begin_array();
  for (const Tool& tool : conversation_.tools) {
    if (tool.is_custom)
      return cannot_carry(fmt::format("tools[{}]", &tool - conversation_.tools.data()),
                          "is a custom tool, which this model's server does not have.");
    json_.begin_object();
    write_description(tool, body_);
    write_parameters("input_schema", tool, body_);
    if (tool.strict == true) json_.member("strict", true);
    json_.end_object();
  }
  json_.end_array();
  write_choice();
  return {};
}

Checked MessagesWriter::write_settings_of() {
  bool has_heat = true;
  if (const Set* heat = find_setting(conversation_, Setting::kTemperature)) {
    double degrees = 0;
    has_heat = heat->value.get(degrees) != simdjson::SUCCESS || degrees <= 1;
    if (!has_heat && !conversation_.drops(heat->field))
      return cannot_carry(std::string(heat->field),
                          "is above 1, the most that this model's server "
                          "takes.");
  }
  if (const Set* user = find_setting(conversation_, Setting::kUser)) {
    json_.key("metadata");
    json_.begin_object();
    body_.copy("user_id", user->value);
    json_.end_object();
  }
  if (const Set* stop = find_setting(conversation_, Setting::kStop)) {
    json_.key("stop_sequences");
    if (stop->value.is_array()) {
      body_.copy(stop->value);
    } else {
      json_.begin_array();
      body_.copy(stop->value);
      json_.end_array();
    }
  }
  return write_settings(conversation_,
                        {{Setting::kTemperature, has_heat ? "temperature" : std::string_view()},
                         {Setting::kTopP, "top_p"},
                         {Setting::kTopK, "top_k"},
                         {Setting::kStop, {}},
                         {Setting::kUser, {}},
                         {Setting::kEffort, {}}},
                        body_);
}

// The effort, where the server knows it.
Expected<const Set*> MessagesWriter::effort() const {
  const Set* effort = find_setting(conversation_, Setting::kEffort);
  if (effort == nullptr) return effort;
  constexpr std::string_view kEfforts[] = {"low", "medium", "high", "xhigh", "max"};
  if (std::ranges::find(kEfforts, string_of(effort->value)) != std::end(kEfforts)) return effort;
  if (conversation_.drops(effort->field)) return nullptr;
  return cannot_carry(std::string(effort->field),
                      "is an effort that this model's server does not know: say low, medium or "
                      "high.");
}

Checked MessagesWriter::write_output_config() {
  const Format& format = conversation_.format;
  const bool may_go = conversation_.drops(format.field);
  const Expected<const Set*> told = effort();
  if (!told) return std::unexpected(told.error());
  if (format.kind == Format::Kind::kObject && !may_go)
    return cannot_carry(std::string(format.field),
                        "asks for JSON of any form: this model's server wants its schema.");
  if (!format.description.empty() && !may_go)
    return has_no_place(fmt::format("{}.description", format.field));
  if (!format.schema && *told == nullptr) return {};
  json_.key("output_config");
  json_.begin_object();
  if (*told != nullptr) body_.copy("effort", (*told)->value);
  if (format.schema) {
    json_.key("format");
    json_.begin_object();
    json_.member("type", "json_schema");
    body_.copy("schema", *format.schema);
    json_.end_object();
  }
  json_.end_object();
  return {};
}

Checked MessagesWriter::write() {
  if (!conversation_.cap) return cannot_carry("max_tokens", "is missing.");
  json_.begin_object();
  json_.member("model", conversation_.model);
  json_.member("max_tokens", *conversation_.cap);
  if (Checked written = write_system(); !written) return written;
  if (Checked written = write_turns(); !written) return written;
  if (Checked written = write_tools(); !written) return written;
  if (Checked written = write_settings_of(); !written) return written;
  if (Checked written = write_output_config(); !written) return written;
  if (!conversation_.service_tier.empty()) json_.member("service_tier", conversation_.service_tier);
  if (conversation_.streamed) json_.member("stream", true);
  json_.end_object();
  return {};
}

}  // namespace

Checked write_messages(const Conversation& conversation, std::string& out) {
  return MessagesWriter(conversation, out).write();
}

}  // namespace tollgate::translation
