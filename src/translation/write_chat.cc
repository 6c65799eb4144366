// A conversation as OpenAI's chat completions.
#include <fmt/format.h>

#include <algorithm>

#include "translation/writing.h"

namespace tollgate::translation {

namespace {

using Kind = Part::Kind;

// What stands in front of the result of a tool that failed: a chat has no sign for it.
constexpr std::string_view kFailed = "Error: ";

void write_part(const Part& part, Body& body) {
  JsonWriter& json = body.json;
  switch (part.kind) {
    case Kind::kRefusal:
      return body.typed("refusal", "refusal", part.text);
    case Kind::kImage:
      json.begin_object();
      json.member("type", "image_url");
      json.key("image_url");
      json.begin_object();
      json.member("url", url_of(part.image));
      if (!part.image.detail.empty()) json.member("detail", part.image.detail);
      json.end_object();
      json.end_object();
      return;
    case Kind::kAudio:
      json.begin_object();
      json.member("type", "input_audio");
      json.key("input_audio");
      json.begin_object();
      json.member("data", part.text);
      json.member("format", part.name);
      json.end_object();
      json.end_object();
      return;
    default:
      return body.typed("text", "text", part.text);
  }
}

bool is_content(const Part& part) {
  return is_text(part) || part.kind == Kind::kImage || part.kind == Kind::kAudio;
}

// A string where there is one text, else parts.
void write_content(std::span<const Part> parts, std::string_view front, Body& body) {
  const auto count = std::ranges::count_if(parts, is_content);
  const auto first = std::ranges::find_if(parts, is_content);
  body.json.key("content");
  if (count == 0) return body.json.value(front);
  if (count == 1 && first->kind == Kind::kText) {
    if (front.empty()) return body.json.value(first->text);
    return body.json.value(std::string(front).append(first->text));
  }
  body.json.begin_array();
  if (!front.empty()) body.typed("text", "text", front);
  for (const Part& part : parts)
    if (is_content(part)) write_part(part, body);
  body.json.end_array();
}

void write_call(const Part& call, Body& body) {
  JsonWriter& json = body.json;
  const std::string_view type = call.is_custom ? "custom" : "function";
  json.begin_object();
  json.member("id", call.id);
  json.member("type", type);
  json.key(type);
  json.begin_object();
  json.member("name", call.name);
  json.key(call.is_custom ? "input" : "arguments");
  if (call.input) {
    body.quote(*call.input);
  } else {
    json.value(call.text);
  }
  json.end_object();
  json.end_object();
}

Checked write_said(const Conversation& conversation, const Turn& turn, Body& body) {
  const auto parts = conversation.parts_of(turn);
  if (!std::ranges::all_of(parts, [](const Part& part) {
        return is_text(part) || part.kind == Kind::kThought || part.kind == Kind::kCall;
      }))
    return cannot_carry(place_of(conversation, turn),
                        "is of the assistant and holds what is neither text nor a call.");
  JsonWriter& json = body.json;
  json.begin_object();
  json.member("role", "assistant");
  const bool has_calls = has_kind(parts, Kind::kCall);
  if (has_calls && std::ranges::none_of(parts, is_content)) {
    json.key("content");
    json.null();
  } else {
    write_content(parts, {}, body);
  }
  std::string thought;
  for (const Part& part : parts)
    if (part.kind == Kind::kThought) thought += part.text;
  if (!thought.empty()) json.member("reasoning_content", thought);
  if (has_calls) {
    json.key("tool_calls");
    json.begin_array();
    for (const Part& part : parts)
      if (part.kind == Kind::kCall) write_call(part, body);
    json.end_array();
  }
  json.end_object();
  return {};
}

Checked write_result(const Conversation& conversation, const Turn& turn, const Part& result,
                     Body& body) {
  const auto parts = conversation.parts_of(result);
  if (!std::ranges::all_of(parts, is_text))
    return cannot_carry(place_of(conversation, turn),
                        "holds the result of a tool that is no text, and this model's server takes "
                        "no other.");
  body.json.begin_object();
  body.json.member("role", "tool");
  body.json.member("tool_call_id", result.id);
  write_content(parts, result.is_error ? kFailed : std::string_view(), body);
  body.json.end_object();
  return {};
}

// Results stand behind the calls, and in front of what is said with them.
Checked write_asked(const Conversation& conversation, const Turn& turn, Body& body) {
  const auto parts = conversation.parts_of(turn);
  for (const Part& part : parts) {
    if (part.kind == Kind::kCall || part.kind == Kind::kThought)
      return cannot_carry(place_of(conversation, turn), "is of the user and holds a call.");
    if (part.kind != Kind::kResult) continue;
    if (Checked written = write_result(conversation, turn, part, body); !written) return written;
  }
  const bool has_results = has_kind(parts, Kind::kResult);
  if (has_results && std::ranges::none_of(parts, is_content)) return {};
  const bool is_system = turn.role == Role::kSystem;
  if (is_system && !std::ranges::all_of(parts, is_text))
    return cannot_carry(place_of(conversation, turn), "is a system message that is no text.");
  body.json.begin_object();
  body.json.member("role", is_system ? "system" : "user");
  write_content(parts, {}, body);
  body.json.end_object();
  return {};
}

void write_tool(const Tool& tool, Body& body) {
  JsonWriter& json = body.json;
  const std::string_view type = tool.is_custom ? "custom" : "function";
  json.begin_object();
  json.member("type", type);
  json.key(type);
  json.begin_object();
  write_description(tool, body);
  if (!tool.is_custom) {
    write_parameters("parameters", tool, body);
    if (tool.strict) json.member("strict", *tool.strict);
  } else if (!tool.grammar.empty()) {
    json.key("format");
    json.begin_object();
    json.member("type", "grammar");
    json.key("grammar");
    json.begin_object();
    json.member("definition", tool.grammar);
    json.member("syntax", tool.syntax);
    json.end_object();
    json.end_object();
  }
  json.end_object();
  json.end_object();
}

void write_choice(const Choice& choice, Body& body) {
  JsonWriter& json = body.json;
  const auto mode = [&](std::string_view name) { json.member("tool_choice", name); };
  switch (choice.kind) {
    case Choice::Kind::kUnsaid:
      return;
    case Choice::Kind::kAuto:
      return mode("auto");
    case Choice::Kind::kNone:
      return mode("none");
    case Choice::Kind::kRequired:
      return mode("required");
    case Choice::Kind::kTool:
      break;
  }
  const std::string_view type = choice.is_custom ? "custom" : "function";
  json.key("tool_choice");
  json.begin_object();
  json.member("type", type);
  json.key(type);
  json.begin_object();
  json.member("name", choice.name);
  json.end_object();
  json.end_object();
}

void write_format(const Format& format, Body& body) {
  if (format.kind == Format::Kind::kUnsaid) return;
  JsonWriter& json = body.json;
  json.key("response_format");
  json.begin_object();
  if (format.kind == Format::Kind::kObject) {
    json.member("type", "json_object");
  } else {
    json.member("type", "json_schema");
    json.key("json_schema");
    json.begin_object();
    write_schema(format, body);
    json.end_object();
  }
  json.end_object();
}

}  // namespace

Checked write_chat(const Conversation& conversation, dialects::CapField cap_field,
                   std::string& out) {
  Body body(out);
  JsonWriter& json = body.json;
  json.begin_object();
  json.member("model", conversation.model);
  json.key("messages");
  json.begin_array();
  for (const Turn& turn : conversation.turns) {
    const Checked written = turn.role == Role::kAssistant ? write_said(conversation, turn, body)
                                                          : write_asked(conversation, turn, body);
    if (!written) return written;
  }
  json.end_array();
  write_openai_tools(conversation, write_tool, write_choice, body);
  write_format(conversation.format, body);
  const Checked set = write_settings(conversation,
                                     {{Setting::kTemperature, "temperature"},
                                      {Setting::kTopP, "top_p"},
                                      {Setting::kTopK, "top_k"},
                                      {Setting::kStop, "stop"},
                                      {Setting::kUser, "user"},
                                      {Setting::kSafetyIdentifier, "safety_identifier"},
                                      {Setting::kMetadata, "metadata"},
                                      {Setting::kEffort, "reasoning_effort"},
                                      {Setting::kVerbosity, "verbosity"}},
                                     body);
  if (!set) return set;
  if (conversation.cap && cap_field != dialects::CapField::kMaxCompletionTokens)
    json.member("max_tokens", *conversation.cap);
  if (conversation.cap && cap_field != dialects::CapField::kMaxTokens)
    json.member("max_completion_tokens", *conversation.cap);
  if (!conversation.service_tier.empty()) json.member("service_tier", conversation.service_tier);
  if (conversation.streamed) {
    json.member("stream", true);
    json.key("stream_options");
    json.raw(R"({"include_usage":true})");
  }
  json.end_object();
  return {};
}

}  // namespace tollgate::translation
