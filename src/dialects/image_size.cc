#include "dialects/image_size.h"

#include <algorithm>
#include <array>

namespace tollgate::dialects {

namespace {

using Read = std::expected<ImageSize, std::string_view>;

std::unexpected<std::string_view> wrong(std::string_view why) { return std::unexpected(why); }

Read read_png(const Base64Bytes& file) {
  constexpr std::string_view kDamaged = "is a PNG whose header is damaged.";
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kAround = 12;  // A chunk's length, its name and its check sum.
  if (!file.has(kSignature, 13 + kAround) || file.big_endian(kSignature, 4) != 13 ||
      !file.is(kSignature + 4, "IHDR"))
    return wrong(kDamaged);
  const ImageSize size{file.big_endian(16, 4), file.big_endian(20, 4)};
  std::size_t at = kSignature + 13 + kAround;
  while (file.has(at, 8) && !file.is(at + 4, "IDAT")) {
    const std::size_t length = file.big_endian(at, 4);
    // Of two headers some decoders take the first and others the last.
    if (file.is(at + 4, "IHDR")) return wrong("is a PNG with two headers.");
    if (!file.has(at, length + kAround)) return wrong(kDamaged);
    at += length + kAround;
  }
  if (!file.has(at, 8)) return wrong("is a PNG without pixels.");
  return size;
}

bool is_frame(std::uint8_t marker) {
  constexpr std::array<std::uint8_t, 3> kOthers{0xC4, 0xC8, 0xCC};  // DHT, JPG, DAC.
  return marker >= 0xC0 && marker <= 0xCF && std::ranges::find(kOthers, marker) == kOthers.end();
}
// What encoders write before the first scan. Decoders differ in how they go on behind any other
// marker, and so in which frame they find.
bool is_segment(std::uint8_t marker) {
  constexpr std::array<std::uint8_t, 6> kTables{0xC4, 0xCC, 0xDA, 0xDB, 0xDD, 0xFE};
  return is_frame(marker) || (marker >= 0xE0 && marker <= 0xEF) ||
         std::ranges::find(kTables, marker) != kTables.end();
}

Read read_jpeg(const Base64Bytes& file) {
  constexpr std::uint8_t kScan = 0xDA;
  constexpr std::string_view kDamaged = "is a JPEG whose segments are damaged.";
  ImageSize largest;
  std::size_t at = 2;
  while (file.has(at, 2) && file[at] == 0xFF) {
    const std::uint8_t marker = file[at + 1];
    if (marker == 0xFF) {  // Filling.
      ++at;
      continue;
    }
    at += 2;
    if (!is_segment(marker) || !file.has(at, 2)) break;
    const std::size_t length = file.big_endian(at, 2);
    if (length < 2 || !file.has(at, length)) break;
    if (is_frame(marker)) {
      if (length < 8) return wrong(kDamaged);
      const ImageSize frame{file.big_endian(at + 5, 2), file.big_endian(at + 3, 2)};
      if (frame.width == 0 || frame.height == 0)
        return wrong("is a JPEG that does not say how large it is before it begins.");
      largest.width = std::max(largest.width, frame.width);
      largest.height = std::max(largest.height, frame.height);
    }
    if (marker == kScan) return largest.width > 0 ? Read(largest) : Read(wrong(kDamaged));
    at += length;
  }
  return wrong(kDamaged);
}

// The place behind blocks that tell their own length and end in an empty one.
std::size_t skip_blocks(const Base64Bytes& file, std::size_t at) {
  while (file.has(at, 1) && file[at] != 0) at += 1 + std::size_t{file[at]};
  return at + 1;
}

// Whether decoders agree where the extension at `at` ends. Where its first block is empty, or the
// second of one that tells how often to loop, some have found the end and others read on.
bool ends_in_one_place(const Base64Bytes& file, std::size_t at) {
  constexpr std::uint8_t kComment = 0xFE;
  constexpr std::string_view kLoop = "NETSCAPE2.0";
  const std::size_t block = at + 2;
  if (file[at + 1] == kComment) return true;
  if (file[block] == 0) return false;
  const std::size_t second = block + 1 + file[block];
  return !file.is(block + 1, kLoop) || !file.has(second, 1) || file[second] != 0;
}

// The bytes of a table of colours, by the flags that announce it.
std::size_t table_bytes(std::uint8_t flags) {
  return (flags & 0x80) != 0 ? std::size_t{3} << ((flags & 7) + 1) : 0;
}

Read read_gif(const Base64Bytes& file) {
  constexpr std::uint8_t kExtension = 0x21;
  constexpr std::uint8_t kFrame = 0x2C;
  constexpr std::uint8_t kTrailer = 0x3B;
  constexpr std::size_t kFrameBytes = 10;
  ImageSize largest{file.little_endian(6, 2), file.little_endian(8, 2)};
  bool has_frame = false;
  std::size_t at = 13 + table_bytes(file[10]);
  while (file.has(at, 1) && file[at] != kTrailer) {
    if (file[at] == 0) {  // Decoders pass over it, or end here.
      ++at;
    } else if (file[at] == kExtension && file.has(at, 3)) {
      if (!ends_in_one_place(file, at)) return wrong("is a GIF whose extensions are damaged.");
      at = skip_blocks(file, at + 2);
    } else if (file[at] == kFrame && file.has(at, kFrameBytes)) {
      // A frame may stand where it reaches beyond the screen.
      const std::int64_t right = file.little_endian(at + 1, 2) + file.little_endian(at + 5, 2);
      const std::int64_t bottom = file.little_endian(at + 3, 2) + file.little_endian(at + 7, 2);
      largest.width = std::max(largest.width, right);
      largest.height = std::max(largest.height, bottom);
      has_frame = true;
      at = skip_blocks(file, at + kFrameBytes + table_bytes(file[at + 9]) + 1);
    } else if (file[at] == kExtension || file[at] == kFrame) {
      break;  // Cut short.
    } else {
      return wrong("is a GIF whose blocks are damaged.");  // Some decoders look on behind it.
    }
  }
  if (!has_frame) return wrong("is a GIF without a frame.");
  return largest;
}

Read read_webp(const Base64Bytes& file) {
  constexpr std::string_view kDamaged = "is a WebP whose header is damaged.";
  constexpr std::size_t kChunk = 20;  // Where the first chunk's own bytes begin.
  if (!file.has(0, kChunk) || !file.has(8, file.little_endian(4, 4)) ||
      !file.has(kChunk, file.little_endian(16, 4)))
    return wrong(kDamaged);
  if (file.is(12, "VP8 ") && file.has(kChunk, 10)) {
    const bool is_key_frame = (file[kChunk] & 1) == 0;
    if (!is_key_frame || !file.is(kChunk + 3, "\x9D\x01\x2A")) return wrong(kDamaged);
    // Two bits of each are how it is to be scaled.
    return ImageSize{file.little_endian(kChunk + 6, 2) & 0x3FFF,
                     file.little_endian(kChunk + 8, 2) & 0x3FFF};
  }
  if (file.is(12, "VP8L") && file.has(kChunk, 5) && file[kChunk] == 0x2F) {
    const std::uint32_t sides = file.little_endian(kChunk + 1, 4);
    return ImageSize{(sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1};
  }
  if (file.is(12, "VP8X") && file.has(kChunk, 10))
    return ImageSize{std::int64_t{file.little_endian(kChunk + 4, 3)} + 1,
                     std::int64_t{file.little_endian(kChunk + 7, 3)} + 1};
  return wrong(kDamaged);
}

struct Format {
  std::string_view media_type;
  std::string_view begins;  // The file, with these bytes.
  std::string_view mismatch;
  Read (*read)(const Base64Bytes&);
};
constexpr std::string_view kPngBegins = "\x89PNG\r\n\x1A\n";
constexpr std::string_view kNotJpeg = "is not the JPEG that it is said to be.";
// "image/jpg" is no registered type, and is written often.
constexpr std::array<Format, 5> kFormats{{
    {"image/png", kPngBegins, "is not the PNG that it is said to be.", read_png},
    {"image/jpeg", "\xFF\xD8", kNotJpeg, read_jpeg},
    {"image/jpg", "\xFF\xD8", kNotJpeg, read_jpeg},
    {"image/gif", "GIF8", "is not the GIF that it is said to be.", read_gif},
    {"image/webp", "RIFF", "is not the WebP that it is said to be.", read_webp},
}};

const Format* format_named(std::string_view media_type) {
  const auto* found = std::ranges::find(kFormats, media_type, &Format::media_type);
  return found == kFormats.end() ? nullptr : found;
}

bool begins_as(const Format& format, const Base64Bytes& file) {
  if (!file.is(0, format.begins)) return false;
  if (format.read == read_gif) return file.is(4, "7a") || file.is(4, "9a");
  return format.read != read_webp || file.is(8, "WEBP");
}

}  // namespace

bool is_image_type(std::string_view media_type) { return format_named(media_type) != nullptr; }

Read read_image_size(std::string_view media_type, const Base64Bytes& file) {
  const Format* format = format_named(media_type);
  if (format == nullptr) return wrong("is of a type that is not known here.");
  if (!begins_as(*format, file)) return wrong(format->mismatch);
  const Read size = format->read(file);
  if (!size) return size;
  const auto [least, most] = std::minmax(size->width, size->height);
  if (least < 1 || most > kImageSideMax)
    return wrong("says that it has a side of no pixels or of more than 65535.");
  return size;
}

}  // namespace tollgate::dialects
