// A conversation as OpenAI's responses.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "translation/writing.h"

namespace tollgate::translation {

namespace {

using Kind = Part::Kind;

// What the caller sends, or a tool gives back.
Checked write_part(const Part& part, const std::string& where, Body& body) {
  JsonWriter& json = body.json;
  switch (part.kind) {
    case Kind::kText:
    case Kind::kRefusal:
      body.typed("input_text", "text", part.text);
      return {};
    case Kind::kImage:
      json.begin_object();
      json.member("type", "input_image");
      json.member("image_url", url_of(part.image));
      json.member("detail", part.image.detail.empty() ? "auto" : part.image.detail);
      json.end_object();
      return {};
    case Kind::kAudio:
      json.begin_object();
      json.member("type", "input_audio");
      json.key("input_audio");
      json.begin_object();
      json.member("data", part.text);
      json.member("format", part.name);
      json.end_object();
      json.end_object();
      return {};
    default:
      return cannot_carry(where, "is of the user and holds a call.");
  }
}

void begin_message(std::string_view role, Body& body) {
  body.json.begin_object();
  body.json.member("type", "message");
  body.json.member("role", role);
  body.json.key("content");
  body.json.begin_array();
}

void end_message(Body& body) {
  body.json.end_array();
  body.json.end_object();
}

// The ids of the calls of custom tools.
using CustomCalls = std::set<std::string_view>;

Checked write_result(const Conversation& conversation, const Turn& turn, const Part& result,
                     const CustomCalls& custom, Body& body) {
  JsonWriter& json = body.json;
  const bool is_custom = custom.contains(result.id);
  json.begin_object();
  json.member("type", is_custom ? "custom_tool_call_output" : "function_call_output");
  json.member("call_id", result.id);
  json.key("output");
  const auto parts = conversation.parts_of(result);
  const std::string_view front = result.is_error ? "Error: " : "";
  if (parts.empty()) {
    json.value(front);
  } else if (parts.size() == 1 && parts.front().kind == Kind::kText) {
    json.value(std::string(front).append(parts.front().text));
  } else {
    json.begin_array();
    if (!front.empty()) body.typed("input_text", "text", front);
    for (const Part& part : parts) {
      if (Checked written = write_part(part, place_of(conversation, turn), body); !written)
        return written;
    }
    json.end_array();
  }
  json.end_object();
  return {};
}

Checked write_asked(const Conversation& conversation, const Turn& turn, const CustomCalls& custom,
                    Body& body) {
  const auto parts = conversation.parts_of(turn);
  const auto is_result = [](const Part& part) { return part.kind == Kind::kResult; };
  for (const Part& part : parts) {
    if (!is_result(part)) continue;
    if (Checked written = write_result(conversation, turn, part, custom, body); !written)
      return written;
  }
  if (!parts.empty() && std::ranges::all_of(parts, is_result)) return {};
  const bool is_system = turn.role == Role::kSystem;
  if (is_system && !std::ranges::all_of(parts, is_text))
    return cannot_carry(place_of(conversation, turn), "is a system message that is no text.");
  begin_message(is_system ? "system" : "user", body);
  for (const Part& part : parts) {
    if (is_result(part)) continue;
    if (Checked written = write_part(part, place_of(conversation, turn), body); !written)
      return written;
  }
  end_message(body);
  return {};
}

void write_call(const Part& call, Body& body) {
  JsonWriter& json = body.json;
  json.begin_object();
  json.member("type", call.is_custom ? "custom_tool_call" : "function_call");
  json.member("call_id", call.id);
  json.member("name", call.name);
  json.key(call.is_custom ? "input" : "arguments");
  if (call.input) {
    body.quote(*call.input);
  } else {
    json.value(call.text.empty() && !call.is_custom ? std::string_view("{}") : call.text);
  }
  json.end_object();
}

// In the order in which it came: texts that follow each other are of one message.
Checked write_said(const Conversation& conversation, const Turn& turn, Body& body) {
  JsonWriter& json = body.json;
  bool is_open = false;
  for (const Part& part : conversation.parts_of(turn)) {
    if (is_text(part)) {
      if (!is_open) begin_message("assistant", body);
      is_open = true;
      const bool is_refusal = part.kind == Kind::kRefusal;
      body.typed(is_refusal ? "refusal" : "output_text", is_refusal ? "refusal" : "text",
                 part.text);
      continue;
    }
    if (is_open) end_message(body);
    is_open = false;
    if (part.kind == Kind::kCall) {
      write_call(part, body);
    } else if (part.kind == Kind::kThought) {
      json.begin_object();
      json.member("type", "reasoning");
      json.key("summary");
      json.raw("[]");
      json.key("content");
      json.begin_array();
      body.typed("reasoning_text", "text", part.text);
      json.end_array();
      json.end_object();
    } else {
      return cannot_carry(place_of(conversation, turn),
                          "is of the assistant and holds what is neither text nor a call.");
    }
  }
  if (is_open) end_message(body);
  return {};
}

void write_tool(const Tool& tool, Body& body) {
  JsonWriter& json = body.json;
  json.begin_object();
  json.member("type", tool.is_custom ? "custom" : "function");
  write_description(tool, body);
  if (!tool.is_custom) {
    write_parameters("parameters", tool, body);
    // Here a schema is strict unless it says otherwise, elsewhere only where it says so.
    json.member("strict", tool.strict.value_or(false));
  } else if (!tool.grammar.empty()) {
    json.key("format");
    json.begin_object();
    json.member("type", "grammar");
    json.member("syntax", tool.syntax);
    json.member("definition", tool.grammar);
    json.end_object();
  }
  json.end_object();
}

void write_choice(const Choice& choice, Body& body) {
  JsonWriter& json = body.json;
  if (choice.kind == Choice::Kind::kUnsaid) return;
  json.key("tool_choice");
  if (choice.kind != Choice::Kind::kTool) {
    json.value(choice.kind == Choice::Kind::kAuto   ? "auto"
               : choice.kind == Choice::Kind::kNone ? "none"
                                                    : "required");
    return;
  }
  body.typed(choice.is_custom ? "custom" : "function", "name", choice.name);
}

void write_text_options(const Conversation& conversation, Body& body) {
  const Format& format = conversation.format;
  const Set* verbosity = find_setting(conversation, Setting::kVerbosity);
  if (format.kind == Format::Kind::kUnsaid && verbosity == nullptr) return;
  JsonWriter& json = body.json;
  json.key("text");
  json.begin_object();
  if (format.kind != Format::Kind::kUnsaid) {
    json.key("format");
    json.begin_object();
    if (format.kind == Format::Kind::kObject) {
      json.member("type", "json_object");
    } else {
      json.member("type", "json_schema");
      write_schema(format, body);
    }
    json.end_object();
  }
  if (verbosity != nullptr) body.copy("verbosity", verbosity->value);
  json.end_object();
}

Checked write_items(const Conversation& conversation, Body& body) {
  CustomCalls custom;
  for (const Part& part : conversation.parts)
    if (part.kind == Kind::kCall && part.is_custom) custom.insert(part.id);
  body.json.key("input");
  body.json.begin_array();
  for (const Turn& turn : conversation.turns) {
    const Checked written = turn.role == Role::kAssistant
                                ? write_said(conversation, turn, body)
                                : write_asked(conversation, turn, custom, body);
    if (!written) return written;
  }
  body.json.end_array();
  return {};
}

}  // namespace

Checked write_response(const Conversation& conversation, std::string& out) {
  Body body(out);
  JsonWriter& json = body.json;
  json.begin_object();
  json.member("model", conversation.model);
  if (Checked written = write_items(conversation, body); !written) return written;
  write_openai_tools(conversation, write_tool, write_choice, body);
  write_text_options(conversation, body);
  if (const Set* effort = find_setting(conversation, Setting::kEffort)) {
    json.key("reasoning");
    json.begin_object();
    body.copy("effort", effort->value);
    json.end_object();
  }
  const Checked set = write_settings(conversation,
                                     {{Setting::kTemperature, "temperature"},
                                      {Setting::kTopP, "top_p"},
                                      {Setting::kUser, "user"},
                                      {Setting::kSafetyIdentifier, "safety_identifier"},
                                      {Setting::kMetadata, "metadata"},
                                      {Setting::kEffort, {}},
                                      {Setting::kVerbosity, {}}},
                                     body);
  if (!set) return set;
  if (conversation.cap) json.member("max_output_tokens", *conversation.cap);
  if (!conversation.service_tier.empty()) json.member("service_tier", conversation.service_tier);
  if (conversation.streamed) json.member("stream", true);
  json.member("store", false);
  json.end_object();
  return {};
}

}  // namespace tollgate::translation
