// Images and speech that are to be made: what they are made of, and what their price goes by.
#include <algorithm>
#include <array>

#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

// Longer names of a size or a quality are none.
constexpr std::size_t kChosenBytesMax = 32;

bool is_chosen_sign(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == ':';
}

}  // namespace

bool is_chosen(std::string_view word) {
  return !word.empty() && word.size() <= kChosenBytesMax &&
         std::ranges::all_of(word, is_chosen_sign);
}

namespace {

// "auto" is as good as nothing: the model chooses.
Checked read_chosen(Reading& reading, std::string_view& into, dom::element value,
                    const FieldPath& path) {
  const Expected<std::string_view> chosen = read_string(value, path);
  if (!chosen) return std::unexpected(chosen.error());
  if (!is_chosen(*chosen))
    return wrong_type(path, "a word of small letters and digits, such as '1024x1024' or 'high'");
  reading.add_carried(value);
  if (*chosen != "auto") into = *chosen;
  return {};
}

// Code points; the text is UTF-8.
std::int64_t characters_in(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

Checked read_text(Reading& reading, dom::element value, const FieldPath& path) {
  const Expected<std::string_view> text = read_string(value, path);
  if (!text) return std::unexpected(text.error());
  reading.add_text(TextKind::kContent, *text);
  reading.request.characters += characters_in(*text);
  return {};
}

Checked read_only(Reading& reading, std::string_view only, std::string_view why, dom::element value,
                  const FieldPath& path) {
  const Expected<std::string_view> asked = read_string(value, path);
  if (!asked) return std::unexpected(asked.error());
  if (*asked != only) return not_served(path, why);
  reading.add_carried(value);
  return {};
}

Checked read_sound_format(Reading& reading, dom::element value, const FieldPath& path) {
  constexpr std::array<std::string_view, 6> kFormats{"mp3", "opus", "aac", "flac", "wav", "pcm"};
  const Expected<std::string_view> format = read_string(value, path);
  if (!format) return std::unexpected(format.error());
  if (std::ranges::find(kFormats, *format) == kFormats.end())
    return wrong_type(path, "one of 'mp3', 'opus', 'aac', 'flac', 'wav' and 'pcm'");
  reading.request.made_format = *format;
  return {};
}

}  // namespace

Checked read_made(Reading& reading, FieldUse use, dom::element value, const FieldPath& path) {
  switch (use) {
    case FieldUse::kImageSize:
      return read_chosen(reading, reading.request.image_size, value, path);
    case FieldUse::kImageQuality:
      return read_chosen(reading, reading.request.image_quality, value, path);
    case FieldUse::kImageFormat:
      return read_only(reading, "b64_json",
                       "asks for the address of an image at the provider, which whoever has it may "
                       "read, past all that is controlled here. Ask for 'b64_json'.",
                       value, path);
    case FieldUse::kSoundFormat:
      return read_sound_format(reading, value, path);
    case FieldUse::kSoundStream:
      return read_only(reading, "audio",
                       "asks for events, which are not served. Ask for 'audio': it is handed on as "
                       "it is made.",
                       value, path);
    default:
      return read_text(reading, value, path);
  }
}

bool is_told_image_format(std::string_view name) {
  return !name.starts_with("gpt-image") && !name.starts_with("chatgpt-image");
}

void append_image_format(const Reading& reading, std::string_view name, std::string& out) {
  if (std::ranges::find(reading.uses, FieldUse::kImageFormat) != reading.uses.end()) return;
  if (!is_told_image_format(name)) return;
  out += R"(,"response_format":"b64_json")";
}

}  // namespace tollgate::dialects
