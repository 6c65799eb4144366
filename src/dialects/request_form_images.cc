// Images that are to be made of others: the images, a mask, and what is to become of them.
#include <algorithm>
#include <array>
#include <charconv>

#include "dialects/form_reading.h"
#include "dialects/image_size.h"

namespace tollgate::dialects {

namespace {

struct ImageKind {
  std::string_view begin;  // Of its bytes.
  FormFile file;
};
constexpr std::array<ImageKind, 3> kKinds{{
    {"\x89PNG", {"image.png", "image/png"}},
    {"\xFF\xD8\xFF", {"image.jpg", "image/jpeg"}},
    {"RIFF", {"image.webp", "image/webp"}},
}};
constexpr std::size_t kImagesMax = 16;

const ImageKind* kind_of(std::string_view file) {
  const auto* kind = std::ranges::find_if(
      kKinds, [&](const ImageKind& each) { return file.starts_with(each.begin); });
  return kind == kKinds.end() ? nullptr : kind;
}

Checked read_image(Reading& reading, const FormPart& part) {
  if (!part.is_file) return wrong_part(part, "a file, with a file name");
  const ImageKind* kind = kind_of(part.bytes);
  if (kind == nullptr) return wrong_part(part, "a PNG, a JPEG or a WebP");
  const auto size = read_image_size(kind->file.type, Base64Bytes::plain(part.bytes));
  if (!size) {
    std::string message = "'";
    message += part.name;
    message += "' ";
    message += size.error();
    return refuse(Reason::kInvalidRequest, "request", std::move(message), std::string(part.name));
  }
  if (reading.images.size() == kImagesMax + 1) return wrong_part(part, "there 16 times at most");
  if (reading.images.empty()) reading.first_image = part.name;
  reading.images.push_back({size->width, size->height, ImageDetail::kHigh});
  return {};
}

Checked read_number(Reading& reading, const FormPart& part) {
  constexpr std::int64_t kMost = 1 << 20;
  std::int64_t number = 0;
  const auto [stop, error] =
      std::from_chars(part.bytes.data(), part.bytes.data() + part.bytes.size(), number);
  if (error != std::errc() || stop != part.bytes.data() + part.bytes.size() || number < 1 ||
      number > kMost)
    return wrong_part(part, "a whole number, at least 1");
  reading.n = number;
  return {};
}

Checked read_word(Reading& reading, const FormPart& part, std::string_view* into) {
  constexpr std::string_view kExpected = "a word of small letters and digits";
  if (into != nullptr && part.bytes != "auto") *into = part.bytes;
  return carry_part(reading, part, is_chosen(part.bytes), kExpected);
}

}  // namespace

Checked read_edit_part(Reading& reading, const FormPart& part) {
  const std::string_view name = part.name;
  if (name == "image" || name == "image[]" || name == "mask") return read_image(reading, part);
  if (part.is_file) return wrong_part(part, "a value, and no file");
  if (name == "prompt") return read_form_text(reading, part);
  if (name == "n") return read_number(reading, part);
  if (name == "size") return read_word(reading, part, &reading.request.image_size);
  if (name == "quality") return read_word(reading, part, &reading.request.image_quality);
  for (const std::string_view word : {"background", "moderation", "output_format"})
    if (name == word) return read_word(reading, part, nullptr);
  if (name == "output_compression")
    return carry_part(reading, part, part.bytes.size() < 4 && is_chosen(part.bytes), "a number");
  if (name == "user" || name == "safety_identifier") return carry_part(reading, part, true, {});
  if (name == "response_format" && part.bytes == "b64_json") return {};
  // Reading the images with more care costs more tokens than are counted.
  if (name == "input_fidelity" && part.bytes == "low") return {};
  if (name == "stream" && part.bytes == "false") return {};
  return not_known(part);
}

FormFile image_file(const FormPart& part) {
  const ImageKind* kind = kind_of(part.bytes);
  return kind == nullptr ? kKinds.front().file : kind->file;
}

}  // namespace tollgate::dialects
