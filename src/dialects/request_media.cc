// Images and recordings of both dialects: measured by their headers, where they lie.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dialects/audio_duration.h"
#include "dialects/image_size.h"
#include "dialects/media_url.h"
#include "dialects/request_reading.h"

namespace tollgate::dialects {

namespace dom = simdjson::dom;

namespace {

constexpr std::string_view kImageTypes = "image/png, image/jpeg, image/gif or image/webp";
constexpr std::string_view kAsFile =
    "names an image that does not lie in the request: how large it is cannot be known here, and so "
    "not what it costs. Send the image itself.";

// What a field that is not known would change nobody can tell: more pixels, another frame rate.
std::unexpected<Refusal> unknown_field(const FieldPath& path) {
  return not_served(path,
                    "is not known of an image or a recording: it may change what that costs. "
                    "Leave it out.");
}

// Beside its type and the object under `key` a part holds nothing, or what is dropped.
Expected<dom::element> read_only_field(Reading& reading, dom::object part, std::string_view key,
                                       const FieldPath& path) {
  if (Checked named = check_names(reading, part, path); !named)
    return std::unexpected(named.error());
  for (const dom::key_value_pair field : part) {
    const bool is_known = field.key == key || field.key == "type" || field.key == "cache_control";
    if (!is_known && !field.value.is_null()) return unknown_field(FieldPath{&path, field.key});
  }
  dom::element value;
  if (part.at_key(key).get(value) != simdjson::SUCCESS) return missing(FieldPath{&path, key});
  return value;
}

Expected<Base64Bytes> read_base64(std::string_view text, const FieldPath& path) {
  const std::optional<Base64Bytes> bytes = Base64Bytes::read(text);
  if (!bytes) return wrong_type(path, "base64 (RFC 4648, section 4), padded and without line ends");
  return *bytes;
}

// `why`: words that go behind the name of a field.
std::unexpected<Refusal> damaged(const FieldPath& path, std::string_view why) {
  std::string param = path.spell();
  std::string message = fmt::format("'{}' {}", param, why);
  return refuse(Reason::kInvalidRequest, "request", std::move(message), std::move(param));
}

struct Placed {
  const FieldPath& part;  // The whole image.
  const FieldPath& data;  // Its bytes.
};

Checked add_image(Reading& reading, std::string_view media_type, std::string_view base64,
                  ImageDetail detail, const Placed& at) {
  const Expected<Base64Bytes> bytes = read_base64(base64, at.data);
  if (!bytes) return std::unexpected(bytes.error());
  const std::expected<ImageSize, std::string_view> size = read_image_size(media_type, *bytes);
  if (!size) return damaged(at.data, size.error());
  if (reading.images.empty()) reading.first_image = at.part.spell();
  reading.images.push_back({size->width, size->height, detail});
  return {};
}

// One that the model server fetches: whether it may from there is for whoever knows the route.
Checked add_image_at(Reading& reading, dom::element url, ImageDetail detail, const Placed& at) {
  const Expected<std::string_view> text = read_string(url, at.data);
  if (!text) return std::unexpected(text.error());
  const std::expected<std::string_view, std::string_view> host = host_of_media_url(*text);
  if (!host) {
    return not_served(
        at.data,
        fmt::format("names an image by an address that {}. Send the image itself.", host.error()));
  }
  if (reading.images.empty()) reading.first_image = at.part.spell();
  reading.images.push_back({.width = 0, .height = 0, .detail = detail});
  reading.addresses.push_back({*host, at.data.spell()});
  reading.add_carried(url);
  return {};
}

// data:MEDIA_TYPE;base64,BYTES (RFC 2397), or an address.
Checked add_image_of_url(Reading& reading, dom::element value, ImageDetail detail,
                         const Placed& at) {
  constexpr std::string_view kScheme = "data:";
  constexpr std::string_view kBase64 = ";base64";
  const Expected<std::string_view> text = read_string(value, at.data);
  if (!text) return std::unexpected(text.error());
  std::string_view url = *text;
  if (!url.starts_with(kScheme)) return add_image_at(reading, value, detail, at);
  url.remove_prefix(kScheme.size());
  const std::size_t comma = url.find(',');
  std::string_view type = url.substr(0, comma);
  const bool is_base64 = comma != std::string_view::npos && type.ends_with(kBase64);
  if (is_base64) type.remove_suffix(kBase64.size());
  if (!is_base64 || !is_image_type(type))
    return wrong_type(at.data, fmt::format("data:TYPE;base64,… where TYPE is {}", kImageTypes));
  return add_image(reading, type, url.substr(comma + 1), detail, at);
}

Expected<ImageDetail> read_detail(dom::element value, const FieldPath& path) {
  const Expected<std::string_view> detail = read_string(value, path);
  if (!detail) return std::unexpected(detail.error());
  if (*detail == "low") return ImageDetail::kLow;
  if (*detail == "high" || *detail == "auto") return ImageDetail::kHigh;
  return not_served(path, "is a detail whose cost is not counted here; ask for low, high or auto.");
}

}  // namespace

Checked read_image_url_part(Reading& reading, dom::object part, const FieldPath& path) {
  const FieldPath image_path{&path, "image_url"};
  const Expected<dom::element> value = read_only_field(reading, part, "image_url", path);
  if (!value) return std::unexpected(value.error());
  const Expected<dom::object> image = read_object(*value, image_path);
  if (!image) return std::unexpected(image.error());
  const FieldPath url_path{&image_path, "url"};
  std::optional<dom::element> url;
  ImageDetail detail = ImageDetail::kHigh;
  if (Checked named = check_names(reading, *image, image_path); !named) return named;
  for (const dom::key_value_pair field : *image) {
    const FieldPath member{&image_path, field.key};
    if (field.value.is_null()) continue;
    if (field.key == "url") {
      url = field.value;
    } else if (field.key == "detail") {
      const Expected<ImageDetail> read = read_detail(field.value, member);
      if (!read) return std::unexpected(read.error());
      detail = *read;
    } else {
      return unknown_field(member);
    }
  }
  if (!url) return missing(url_path);
  return add_image_of_url(reading, *url, detail, {path, url_path});
}

// The parts of a response have the URL itself under "image_url".
Checked read_input_image_part(Reading& reading, dom::object part, const FieldPath& path) {
  const FieldPath url_path{&path, "image_url"};
  std::optional<dom::element> url;
  ImageDetail detail = ImageDetail::kHigh;
  if (Checked named = check_names(reading, part, path); !named) return named;
  for (const dom::key_value_pair field : part) {
    const FieldPath member{&path, field.key};
    if (field.value.is_null() || field.key == "type") continue;
    if (field.key == "image_url") {
      url = field.value;
    } else if (field.key == "detail") {
      const Expected<ImageDetail> read = read_detail(field.value, member);
      if (!read) return std::unexpected(read.error());
      detail = *read;
    } else if (field.key == "file_id") {
      return not_served(member, kAsFile);
    } else {
      return unknown_field(member);
    }
  }
  if (!url) return missing(url_path);
  return add_image_of_url(reading, *url, detail, {path, url_path});
}

Checked read_input_audio_part(Reading& reading, dom::object part, const FieldPath& path) {
  const FieldPath audio_path{&path, "input_audio"};
  const Expected<dom::element> value = read_only_field(reading, part, "input_audio", path);
  if (!value) return std::unexpected(value.error());
  const Expected<dom::object> audio = read_object(*value, audio_path);
  if (!audio) return std::unexpected(audio.error());
  const FieldPath data_path{&audio_path, "data"};
  const FieldPath format_path{&audio_path, "format"};
  std::optional<std::string_view> data;
  std::optional<std::string_view> format;
  if (Checked named = check_names(reading, *audio, audio_path); !named) return named;
  for (const dom::key_value_pair field : *audio) {
    const FieldPath member{&audio_path, field.key};
    if (field.value.is_null()) continue;
    if (field.key != "data" && field.key != "format") return unknown_field(member);
    const Expected<std::string_view> read = read_string(field.value, member);
    if (!read) return std::unexpected(read.error());
    (field.key == "data" ? data : format) = *read;
  }
  if (!data) return missing(data_path);
  if (!format) return missing(format_path);
  if (!is_audio_format(*format)) return wrong_type(format_path, "wav or mp3");
  const Expected<Base64Bytes> bytes = read_base64(*data, data_path);
  if (!bytes) return std::unexpected(bytes.error());
  const std::expected<Duration, std::string_view> length = read_audio_duration(*format, *bytes);
  if (!length) return damaged(data_path, length.error());
  if (reading.recordings.empty()) reading.first_recording = path.spell();
  reading.recordings.push_back(*length);
  return {};
}

namespace {

// Beside its address a source has nothing.
Checked read_url_source(Reading& reading, std::optional<dom::element> url, bool has_more,
                        const FieldPath& block) {
  const FieldPath source{&block, "source"};
  const FieldPath at{&source, "url"};
  if (!url) return missing(at);
  if (has_more) {
    return wrong_type(source, "either an address or the image itself, not both");
  }
  return add_image_at(reading, *url, ImageDetail::kHigh, {block, at});
}

}  // namespace

Checked read_image_block(Reading& reading, dom::object block, const FieldPath& path) {
  const FieldPath source_path{&path, "source"};
  if (dom::element mark; block.at_key("cache_control").get(mark) == simdjson::SUCCESS) {
    const FieldPath member{&path, "cache_control"};
    read_cache_control(reading, mark, member);
  }
  const Expected<dom::element> value = read_only_field(reading, block, "source", path);
  if (!value) return std::unexpected(value.error());
  const Expected<dom::object> source = read_object(*value, source_path);
  if (!source) return std::unexpected(source.error());
  const FieldPath type_path{&source_path, "type"};
  const FieldPath media_type_path{&source_path, "media_type"};
  const FieldPath data_path{&source_path, "data"};
  std::optional<std::string_view> type;
  std::optional<std::string_view> media_type;
  std::optional<std::string_view> data;
  std::optional<dom::element> url;
  for (const dom::key_value_pair field : *source) {
    const FieldPath member{&source_path, field.key};
    if (field.key == "file_id") return not_served(member, kAsFile);
    if (field.key == "url") {
      url = field.value;
      continue;
    }
    if (field.key != "type" && field.key != "media_type" && field.key != "data")
      return unknown_field(member);
    const Expected<std::string_view> read = read_string(field.value, member);
    if (!read) return std::unexpected(read.error());
    (field.key == "type" ? type : field.key == "data" ? data : media_type) = *read;
  }
  if (!type) return missing(type_path);
  if (*type == "url") return read_url_source(reading, url, media_type || data, path);
  if (*type != "base64") return not_served(type_path, kAsFile);
  if (url) return unknown_field(FieldPath{&source_path, "url"});
  if (!media_type) return missing(media_type_path);
  if (!is_image_type(*media_type)) return wrong_type(media_type_path, kImageTypes);
  if (!data) return missing(data_path);
  return add_image(reading, *media_type, *data, ImageDetail::kHigh, {path, data_path});
}

}  // namespace tollgate::dialects
