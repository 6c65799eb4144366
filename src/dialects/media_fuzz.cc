// Any file as an image or a recording: it is measured within bounds, or refused in words.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "dialects/audio_duration.h"
#include "dialects/image_size.h"
#include "dialects/media.h"
#include "dialects/testing_media.h"

using namespace tollgate;
using namespace tollgate::dialects;

namespace {

void check_image(std::string_view type, const Base64Bytes& file) {
  const auto size = read_image_size(type, file);
  if (!size) {
    CHECK(!size.error().empty());
    return;
  }
  CHECK(size->width >= 1 && size->width <= kImageSideMax);
  CHECK(size->height >= 1 && size->height <= kImageSideMax);
  for (const std::string_view name : image_formula_names()) {
    const ImageFormula& formula = *image_formula_named(name);
    const Tokens high = image_tokens(formula, {size->width, size->height, ImageDetail::kHigh});
    const Tokens low = image_tokens(formula, {size->width, size->height, ImageDetail::kLow});
    CHECK(low >= 1 && low <= high && high <= 1 << 20);
  }
}

void check_audio(std::string_view format, const Base64Bytes& file) {
  const auto length = read_audio_duration(format, file);
  if (!length) {
    CHECK(!length.error().empty());
    return;
  }
  // The longest frame, four blocks of ADTS at 7350 Hz, from every byte.
  constexpr std::int64_t kLongest = 557'279;
  CHECK(length->count() >= 0);
  CHECK(length->count() <= static_cast<std::int64_t>(file.size()) * kLongest);
}

}  // namespace

// The first byte says whether the rest is the text of the file or the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string text = data[0] % 2 == 0 ? testing::base64(rest) : std::string(rest);
  const std::optional<Base64Bytes> file = Base64Bytes::read(text);
  if (!file) return 0;
  CHECK(file->size() <= text.size() / 4 * 3);
  for (const std::string_view type : {"image/png", "image/jpeg", "image/gif", "image/webp"})
    check_image(type, *file);
  for (const std::string_view format : {"wav", "mp3"}) check_audio(format, *file);
  return 0;
}
