// What moderations look at, and what is ranked: texts without a conversation.
#include <algorithm>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// A string, or one part of several kinds.
Checked read_moderated_part(Reading& reading, dom::element value, const FieldPath& path) {
  if (std::string_view text; value.get(text) == simdjson::SUCCESS) {
    reading.add_text(TextKind::kContent, text);
    return {};
  }
  dom::object part;
  if (value.get(part) != simdjson::SUCCESS) return wrong_type(path, "a string or a part");
  std::string_view type;
  if (part.at_key("type").get(type) != simdjson::SUCCESS)
    return wrong_type(FieldPath{&path, "type"}, "a string");
  if (type == "text") return read_text_part(reading, part, "text", path);
  if (type == "image_url") return read_image_url_part(reading, part, path);
  return not_served(path, "is of a type whose cost is not counted here; send text or image_url.");
}

// A string, or an object of plain values, all of which a server may show to the model. What has a
// structure may be parts: images and others, which some servers take here as well.
Checked read_document(Reading& reading, dom::element value, const FieldPath& path) {
  if (!value.is_string() && !value.is_object()) return wrong_type(path, "a string or an object");
  if (dom::object object; value.get(object) == simdjson::SUCCESS) {
    if (Checked names = check_names(reading, object, path); !names) return names;
    constexpr std::string_view kMedia[] = {"image",     "image_url", "image_embeds", "video",
                                           "video_url", "audio",     "audio_url",    "input_audio"};
    for (const dom::key_value_pair field : object) {
      const bool is_media = std::ranges::find(kMedia, field.key) != std::end(kMedia);
      if (is_media || field.value.is_object() || field.value.is_array())
        return not_served(FieldPath{&path, field.key},
                          "is not text: its cost is not counted here. Send a string.");
    }
  }
  reading.add_any(TextKind::kContent, value);
  return {};
}

}  // namespace

Checked read_moderated(Reading& reading, dom::element value, const FieldPath& path) {
  if (!value.is_array()) return read_moderated_part(reading, value, path);
  const Expected<int> inputs = read_each(reading, value, path, read_moderated_part);
  if (!inputs) return std::unexpected(inputs.error());
  if (*inputs == 0) return wrong_type(path, "at least one input");
  reading.prompts = *inputs;
  return {};
}

Checked read_query(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> query = read_string(value, path);
  if (!query) return std::unexpected(query.error());
  reading.add_text(TextKind::kQuery, *query);
  return {};
}

Checked read_documents(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<int> documents = read_each(reading, value, path, read_document);
  if (!documents) return std::unexpected(documents.error());
  if (*documents == 0) return wrong_type(path, "at least one document");
  reading.prompts = *documents;
  return {};
}

}  // namespace tollgate::dialects
