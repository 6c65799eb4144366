// Recordings whose text is asked for: forms, read field by field, and written anew.
#include <algorithm>
#include <array>
#include <charconv>

#include "dialects/audio_duration.h"
#include "dialects/form_reading.h"

namespace tollgate::dialects {

namespace {

constexpr std::size_t kWordBytesMax = 32;
constexpr std::string_view kGranularities = "timestamp_granularities[]";

bool is_one_of(std::string_view value, std::span<const std::string_view> names) {
  return std::ranges::find(names, value) != names.end();
}

bool is_word(std::string_view value) {
  return !value.empty() && value.size() <= kWordBytesMax && std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool is_temperature(std::string_view value) {
  double number = -1;
  const auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), number, std::chars_format::fixed);
  return value.size() <= kWordBytesMax && error == std::errc() &&
         end == value.data() + value.size() && number >= 0 && number <= 1;
}

// Known by its first bytes: what a file is called says nothing.
std::string_view format_of(std::string_view file) {
  if (file.starts_with("RIFF")) return "wav";
  const bool is_frame = file.size() > 1 && file[0] == '\xFF' && (file[1] & 0xE0) == 0xE0;
  return is_frame || file.starts_with("ID3") ? "mp3" : "";
}

Checked read_recording(Reading& reading, const FormPart& part) {
  const FieldPath path{nullptr, part.name};
  if (!part.is_file) return wrong_part(part, "a file, with a file name");
  reading.recording_format = format_of(part.bytes);
  if (reading.recording_format.empty()) {
    return not_served(path,
                      "is no WAV and no MP3: how long it is cannot be known here, and so not what "
                      "it costs. Send it as one of these.");
  }
  const auto duration =
      read_audio_duration(reading.recording_format, Base64Bytes::plain(part.bytes));
  if (!duration) {
    std::string message = "'file' ";
    message += duration.error();
    return refuse(Reason::kInvalidRequest, "request", std::move(message), "file");
  }
  reading.request.sound = *duration;
  return {};
}

Checked read_format(Reading& reading, const FormPart& part) {
  constexpr std::array<std::string_view, 5> kFormats{"json", "text", "srt", "verbose_json", "vtt"};
  if (!is_one_of(part.bytes, kFormats))
    return wrong_part(part, "one of 'json', 'text', 'srt', 'verbose_json' and 'vtt'");
  reading.request.made_format = part.bytes;
  return {};
}

// What is translated comes whole.
Checked read_stream(Reading& reading, const FormPart& part) {
  const bool may_stream = reading.request.surface == Surface::kTranscriptions;
  if (part.bytes != "false" && part.bytes != "true") return wrong_part(part, "'true' or 'false'");
  if (part.bytes == "false") return {};
  if (!may_stream) return not_known(part);
  reading.request.delivery = Delivery::kStreamed;
  return {};
}

}  // namespace

std::unexpected<Refusal> wrong_part(const FormPart& part, std::string_view expected) {
  return wrong_type(FieldPath{nullptr, part.name}, expected);
}

std::unexpected<Refusal> not_known(const FormPart& part) {
  return not_served(FieldPath{nullptr, part.name},
                    "is not served with this value, or not known to this version: it may cost or "
                    "reach what is not controlled here. Leave it out.");
}

Checked read_form_text(Reading& reading, const FormPart& part) {
  reading.texts.push_back({TextKind::kContent, part.bytes, part.name, -1});
  return {};
}

Checked carry_part(Reading& reading, const FormPart& part, bool is_sound,
                   std::string_view expected) {
  if (!is_sound) return wrong_part(part, expected);
  reading.carried.push_back({TextKind::kCarried, part.bytes, part.name, -1});
  return {};
}

Checked read_recording_part(Reading& reading, const FormPart& part) {
  const std::string_view value = part.bytes;
  if (part.name == "file") return read_recording(reading, part);
  if (part.is_file) return wrong_part(part, "a value, and no file");
  if (part.name == "prompt") return read_form_text(reading, part);
  if (part.name == "response_format") return read_format(reading, part);
  if (part.name == "temperature")
    return carry_part(reading, part, is_temperature(value), "a number from 0 to 1");
  if (part.name == "stream") return read_stream(reading, part);
  if (reading.request.surface == Surface::kTranscriptions) {
    if (part.name == "language")
      return carry_part(reading, part, is_word(value), "a code such as 'en'");
    if (part.name == kGranularities)
      return carry_part(reading, part, value == "word" || value == "segment",
                        "'word' or 'segment'");
    if (part.name == "chunking_strategy" && value == "auto") return {};
  }
  return not_known(part);
}

namespace {

Checked read_part(Reading& reading, const FormPart& part) {
  const bool is_text =
      simdjson::validate_utf8(part.bytes) && part.bytes.find('\0') == part.bytes.npos;
  if (!part.is_file && !is_text) return wrong_part(part, "text in UTF-8");
  if (part.name == "model") {
    if (part.is_file || part.bytes.empty()) return wrong_part(part, "the name of a model");
    reading.request.model = part.bytes;
    return {};
  }
  return reads_sound(reading.request.surface) ? read_recording_part(reading, part)
                                              : read_edit_part(reading, part);
}

// A list has a field for each of its elements: images, or words, each once.
bool is_there_twice(std::span<const FormPart> parts, std::size_t at) {
  const FormPart& part = parts[at];
  if (part.name == "image[]") return false;
  return std::ranges::any_of(parts.first(at), [&](const FormPart& other) {
    return other.name == part.name && (part.name != kGranularities || other.bytes == part.bytes);
  });
}

bool has_part(std::span<const FormPart> parts, std::string_view name) {
  return std::ranges::find(parts, name, &FormPart::name) != parts.end();
}

Checked check_parts(const Reading& reading, std::span<const FormPart> parts) {
  if (reading.request.model.empty()) return missing(FieldPath{nullptr, "model"});
  if (reads_sound(reading.request.surface)) {
    if (!has_part(parts, "file")) return missing(FieldPath{nullptr, "file"});
    const std::string_view format = reading.request.made_format;
    if (reading.request.delivery == Delivery::kStreamed && !format.empty() && format != "json")
      return not_served(FieldPath{nullptr, "stream"},
                        "is served with the 'response_format' json alone: events hold texts.");
    return {};
  }
  if (!has_part(parts, "prompt")) return missing(FieldPath{nullptr, "prompt"});
  if (has_part(parts, "image") == has_part(parts, "image[]"))
    return wrong_type(FieldPath{nullptr, "image"}, "there, as 'image' or as 'image[]'");
  return {};
}

// In none of the parts, as that of the caller is not and it begins like it; and not in the name of
// the model, which is the operator's.
std::string boundary_for(const Form& form, std::string_view model) {
  std::string boundary(form.boundary());
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789")) {
    if (model.find("--" + boundary + c) == std::string_view::npos) return boundary + c;
  }
  return boundary;
}

}  // namespace

Checked read_form(Reading& reading, std::string_view content_type, std::string_view body) {
  if (Checked form = reading.form.read(content_type, body); !form) return form;
  if (reading.form.boundary().size() == Form::kBoundaryBytesMax)
    return refuse(Reason::kInvalidRequest, "request",
                  "The form has a boundary of 70 characters, and none is left for that of the "
                  "upstream: choose a shorter one.");
  reading.is_form = true;
  const std::span<const FormPart> parts = reading.form.parts();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_there_twice(parts, i)) {
      std::string message = "'";
      message += parts[i].name;
      message += "' is there twice.";
      return refuse(Reason::kDuplicateKey, "request", std::move(message),
                    std::string(parts[i].name));
    }
    if (Checked read = read_part(reading, parts[i]); !read) return read;
  }
  return check_parts(reading, parts);
}

std::string form_type(const Reading& reading, const Edits& edits) {
  return "multipart/form-data; boundary=" + boundary_for(reading.form, edits.model);
}

void write_form(const Reading& reading, const Edits& edits, std::string& out) {
  const std::string boundary = boundary_for(reading.form, edits.model);
  const bool is_wav = reading.recording_format == "wav";
  const FormFile sound{is_wav ? "audio.wav" : "audio.mp3", is_wav ? "audio/wav" : "audio/mpeg"};
  const bool reads = reads_sound(reading.request.surface);
  for (const FormPart& part : reading.form.parts()) {
    if (part.is_file) {
      append_form_file(boundary, part.name, reads ? sound : image_file(part), part.bytes, out);
    } else {
      const bool is_model = part.name == "model";
      append_form_value(boundary, part.name, is_model ? edits.model : part.bytes, out);
    }
  }
  const bool says_format = has_part(reading.form.parts(), "response_format");
  if (!reads && !says_format && is_told_image_format(edits.model))
    append_form_value(boundary, "response_format", "b64_json", out);
  append_form_end(boundary, out);
}

}  // namespace tollgate::dialects
