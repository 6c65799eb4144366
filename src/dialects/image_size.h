// How large an image is, from its header: nothing of it is decoded.
//
// Of the sizes that a JPEG tells before its first scan, and of a GIF's screen and frames, the
// largest counts. A PNG with two headers is refused, and so is a GIF with an extension whose end
// decoders look for in two places.
// An orientation in its metadata may swap the sides, which changes no formula of media.h.
//
// Sources: PNG (W3C, third edition) 5.2 and 11.2.1; JPEG (ITU-T T.81) annex B; GIF89a
// specification 18 to 26; WebP (RFC 9649) 2.5 to 2.7, VP8 (RFC 6386) 9.1.
// Pure. At most one step for four bytes of the file.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "dialects/base64_bytes.h"

namespace tollgate::dialects {

struct ImageSize {
  std::int64_t width = 0;  // Pixels, 1 to kImageSideMax.
  std::int64_t height = 0;
};
// What a GIF and a JPEG can say; more is refused of the others as well.
inline constexpr std::int64_t kImageSideMax = 65'535;

// Whether images of this type are known: "image/png", "image/jpeg", "image/gif", "image/webp".
bool is_image_type(std::string_view media_type);

// The size of `file`, which is to be of `media_type`; or what is wrong with it, in words that
// go behind the name of a field: "is not the PNG that it is said to be.".
std::expected<ImageSize, std::string_view> read_image_size(std::string_view media_type,
                                                           const Base64Bytes& file);

}  // namespace tollgate::dialects
