// One request while it is being read: what the readers of the dialects share.
//
// Internal to dialects. One thread; its memory is reused from request to request.
#pragma once

#include <algorithm>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/refusal.h"
#include "dialects/form.h"
#include "dialects/json_strict.h"
#include "dialects/request.h"
#include "dialects/request_fields.h"

namespace tollgate::dialects {

using Checked = std::expected<void, Refusal>;

// A text that lies in `scratch` until all are read: growing moves them.
struct ScratchText {
  std::vector<Text>* of;
  std::size_t text;  // Index in it.
  std::size_t begin;
  std::size_t size;
  simdjson::dom::element value;  // Whose JSON it is.
};

// Arguments of a call that are a text of the request, which lies in `scratch` so long.
struct CallText {
  std::size_t call;
  std::size_t text;
};

struct Reading {
  StrictJson json;
  Request request;
  simdjson::dom::object body;
  Form form;                          // Instead of that…
  bool is_form = false;               // …where it is one.
  std::string_view recording_format;  // Of its file: "wav", "mp3".
  std::vector<FieldUse> uses;         // Of the fields of `body`, in its order.
  std::vector<Text> texts;
  std::vector<Text> carried;
  std::string_view field;   // Of the body, that is being read…
  std::int64_t index = -1;  // …and its element.
  std::vector<Tool> tools;
  std::vector<std::size_t> definitions;  // The text of each.
  std::vector<Call> calls;
  std::vector<CallText> call_texts;
  std::vector<ChosenTool> chosen;
  std::vector<Image> images;
  std::vector<Duration> recordings;
  std::string first_image;  // Where it stands.
  std::string first_recording;
  std::optional<Refusal> unknown_mark;
  std::vector<MediaAddress> addresses;
  std::string scratch;  // Compact JSON of tools and tool calls.
  std::vector<ScratchText> scratch_texts;
  std::vector<std::uint64_t> said;  // The prints of what users have said.
  std::optional<Tokens> max_tokens;
  std::optional<Tokens> max_completion_tokens;
  std::optional<Tokens> thinking_budget;
  std::int64_t n = 1;
  std::int64_t best_of = 1;
  std::int64_t prompts = 1;
  bool complete = false;  // Read to the end and not refused.

  void clear(Surface surface);
  void add_text(TextKind kind, std::string_view text);
  void add_json(TextKind kind, simdjson::dom::element value);
  // A string as it is, anything else as its JSON; null adds nothing.
  void add_any(TextKind kind, simdjson::dom::element value);
  // What a tool, or the output, has to look like.
  void add_definition(simdjson::dom::element value);
  void add_tool(const Tool& tool, simdjson::dom::element definition);
  // The arguments of a call, or another field of it.
  void add_call_field(simdjson::dom::element value);
  // From the text `first` on: what a tool has answered.
  void note_result(std::size_t first);
  // A print of the content that the texts from `first` on are, joined by line feeds as servers do
  // it: that of equal contents is equal.
  std::uint64_t print_of(std::size_t first) const;
  void settle_repeats();  // From here on turns.repeats is right.
  // What is in it as text, of a field that the model does not read.
  void add_carried(simdjson::dom::element value);
  // Of a field, where no dialect has it.
  void add_name(std::string_view name);
  // Turns the scratch texts into views; nothing may be added after.
  void settle_texts();

 private:
  std::string_view last_text() const;  // Valid until the next is added.
};

// RequestReader::read_form() and write() of it (request_form.cc).
Checked read_form(Reading& reading, std::string_view content_type, std::string_view body);
std::string form_type(const Reading& reading, const Edits& edits);
void write_form(const Reading& reading, const Edits& edits, std::string& out);

// RequestReader::write_without_tools().
void write_without_tools(const Reading& reading, std::span<const std::size_t> removed,
                         std::string& out);

// How often the provider's own tools may be called: as asked, and as definitions of Anthropic's
// that are written for at most so many calls each.
Checked read_max_tool_calls(Reading& reading, simdjson::dom::element value, const FieldPath& path);
void append_bounded_tools(simdjson::dom::element tools, const Edits& edits, std::string& out);

// A mark that may not be handed on, for the reason.
void refuse_marks(Reading& reading, Refusal why);

// The tier that is asked for; and what is written for it.
Checked read_service_tier(Reading& reading, simdjson::dom::element value, const FieldPath& path);
void append_tier(const Reading& reading, const Edits& edits, std::string& out);

// A mark for the provider's cache: of messages only, elsewhere they are dropped. What is not known
// of one is noted, and refused by whoever would hand it on.
void read_cache_control(Reading& reading, simdjson::dom::element value, const FieldPath& path);

// Which tools `tool_choice` or `function_call` is about (request_tools.cc).
Checked read_tool_choice(Reading& reading, simdjson::dom::element value, const FieldPath& path);

// RequestReader::mask().
std::optional<std::size_t> mask_texts(const Reading& reading, std::span<const Mask> masks,
                                      std::string& out);

// Refusals, spelled with the field at fault.
std::unexpected<Refusal> wrong_type(const FieldPath& path, std::string_view expected);
std::unexpected<Refusal> missing(const FieldPath& path);
std::unexpected<Refusal> not_served(const FieldPath& path, std::string_view why);

// The value as the type, or kInvalidRequest with the path.
Expected<std::string_view> read_string(simdjson::dom::element value, const FieldPath& path);
Expected<simdjson::dom::array> read_array(simdjson::dom::element value, const FieldPath& path);
Expected<simdjson::dom::object> read_object(simdjson::dom::element value, const FieldPath& path);
Expected<std::int64_t> read_integer(simdjson::dom::element value, std::int64_t least,
                                    std::int64_t most, const FieldPath& path);

// A field of an object whose fields are known: names that only differ in case, or hold
// anything but a-z, 0-9 and _, are read as known ones by some servers and not by others.
Checked check_name(Reading& reading, std::string_view key, const FieldPath& path);

// The messages of each dialect, and what else its top level has of its own.
// Reads every element of an array by `read_one(reading, element, path)`; how many there are.
template <class ReadOne>
Expected<int> read_each(Reading& reading, simdjson::dom::element value, const FieldPath& path,
                        ReadOne read_one) {
  const Expected<simdjson::dom::array> array = read_array(value, path);
  if (!array) return std::unexpected(array.error());
  FieldPath element{&path, {}, 0};
  for (const simdjson::dom::element one : *array) {
    reading.index = element.index;
    if (Checked read = read_one(reading, one, element); !read) {
      return std::unexpected(std::move(read.error()));
    }
    ++element.index;
  }
  reading.index = -1;
  return static_cast<int>(element.index);
}

// A content of OpenAI's: one text, or parts by `read_part(reading, part, path)`, or null for none.
template <class ReadPart>
Checked read_parts_of(Reading& reading, simdjson::dom::element value, const FieldPath& path,
                      ReadPart read_part) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kContent, text);
    return {};
  }
  if (value.is_null()) return {};
  simdjson::dom::array parts;
  if (value.get(parts) != simdjson::SUCCESS)
    return wrong_type(path, "a string, an array of parts, or null");
  FieldPath element{&path, {}, 0};
  for (const simdjson::dom::element part : parts) {
    if (Checked read = read_part(reading, part, element); !read) return read;
    ++element.index;
  }
  reading.request.turns.joins += std::max<std::int64_t>(0, element.index - 1);
  return {};
}

// Parts that are no text (request_media.cc): a part of type "image_url" or "input_audio", a block
// of type "image".
Checked read_image_url_part(Reading& reading, simdjson::dom::object part, const FieldPath& path);
Checked read_input_audio_part(Reading& reading, simdjson::dom::object part, const FieldPath& path);
Checked read_image_block(Reading& reading, simdjson::dom::object block, const FieldPath& path);

// A part of type "input_image" of a response.
Checked read_input_image_part(Reading& reading, simdjson::dom::object part, const FieldPath& path);

// What OpenAI's chat and responses have in common. A part of a text holds it under `key`, "text" or
// "refusal".
Checked read_role(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_text_part(Reading& reading, simdjson::dom::object part, std::string_view key,
                       const FieldPath& path);
Checked check_names(Reading& reading, simdjson::dom::object object, const FieldPath& path);

Checked read_moderated(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_query(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_documents(Reading& reading, simdjson::dom::element value, const FieldPath& path);

// What is to be made, and how (request_made.cc).
Checked read_made(Reading& reading, FieldUse use, simdjson::dom::element value,
                  const FieldPath& path);
// Whether it may be the name of a size or a quality.
bool is_chosen(std::string_view word);
bool is_told_image_format(std::string_view name);
// Answers are images, and not addresses of them, where the model `name` has to be told so: appends
// what tells it. GPT Image models know no such field, and always answer so.
void append_image_format(const Reading& reading, std::string_view name, std::string& out);

Checked read_items(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_instructions(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_response_tools(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_store(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_previous_response(Reading& reading, simdjson::dom::element value,
                               const FieldPath& path);
Checked read_conversation(Reading& reading, simdjson::dom::element value, const FieldPath& path);

Checked read_chat_messages(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_chat_tools(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_chat_functions(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_prompt(Reading& reading, simdjson::dom::element value, const FieldPath& path);

Checked read_anthropic_messages(Reading& reading, simdjson::dom::element value,
                                const FieldPath& path);
Checked read_anthropic_system(Reading& reading, simdjson::dom::element value,
                              const FieldPath& path);
Checked read_anthropic_tools(Reading& reading, simdjson::dom::element value, const FieldPath& path);
Checked read_anthropic_thinking(Reading& reading, simdjson::dom::element value,
                                const FieldPath& path);

}  // namespace tollgate::dialects
