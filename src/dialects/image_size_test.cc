#include "dialects/image_size.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "dialects/testing_media.h"

namespace tollgate::dialects::testing {
namespace {

using Read = std::expected<ImageSize, std::string_view>;

Read read(std::string_view type, std::string_view file) {
  const std::string text = base64(file);
  const std::optional<Base64Bytes> bytes = Base64Bytes::read(text);
  if (!bytes) return std::unexpected("is no base64");
  return read_image_size(type, *bytes);
}

std::string told(const Read& size) {
  if (!size) return std::string(size.error());
  return std::to_string(size->width) + "x" + std::to_string(size->height);
}

TEST(Base64, ReadsEachByteWhereItLies) {
  std::mt19937 random{7};
  for (std::size_t size = 1; size < 70; ++size) {
    std::string file(size, '\0');
    for (char& c : file) c = static_cast<char>(random());
    const std::string text = base64(file);
    const auto bytes = Base64Bytes::read(text);
    ASSERT_TRUE(bytes) << text;
    ASSERT_EQ(bytes->size(), size);
    for (std::size_t i = 0; i < size; ++i)
      EXPECT_EQ((*bytes)[i], static_cast<unsigned char>(file[i])) << size << " " << i;
    EXPECT_EQ((*bytes)[size], 0);
    EXPECT_TRUE(bytes->is(0, file));
    EXPECT_FALSE(bytes->is(1, file));
    EXPECT_FALSE(bytes->has(size, 1));
  }
}

TEST(Base64, KnowsItsAlphabet) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int c = 0; c < 256; ++c) {
    std::string text(64, 'A');
    text[20] = static_cast<char>(c);
    EXPECT_EQ(Base64Bytes::read(text).has_value(),
              kAlphabet.find(static_cast<char>(c)) != std::string_view::npos)
        << c;
  }
}

TEST(Base64, TakesOneSpellingOfEachFile) {
  for (const char* sound : {"QQ==", "QUI=", "QUJD", "+/+/"}) EXPECT_TRUE(Base64Bytes::read(sound));
  for (const char* other : {"", "Q", "QQ", "QQ=", "QQ===", "=", "====", "QUJD=", "Q=Q=", "QQ==QQ==",
                            "QU-_", "QU\nD", "QUJD\n", " QUJ", "QR==", "QUJ=", "QUJ\xC3"})
    EXPECT_FALSE(Base64Bytes::read(other)) << other;
}

// Files of encoders in use, each of one pixel.
TEST(ImageSize, IsReadFromFilesOfOthers) {
  const std::tuple<std::string_view, std::string_view> files[] = {
      {"image/png",
       "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
       "Jggg=="},
      {"image/jpeg",
       "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP/////////////////////////////////////////////////////////"
       "//"
       "///////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="},
      {"image/gif", "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"},
      {"image/webp", "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"},
      {"image/webp", "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="},
      {"image/webp",
       "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/"
       "Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAA"
       "AP4AAA3AAP7mtQAAAA=="},
  };
  for (const auto& [type, text] : files) {
    const auto bytes = Base64Bytes::read(text);
    ASSERT_TRUE(bytes) << text;
    EXPECT_EQ(told(read_image_size(type, *bytes)), "1x1") << text;
  }
}

TEST(ImageSize, IsWhatTheHeaderSays) {
  const std::pair<std::uint64_t, std::uint64_t> sizes[] = {
      {1, 1}, {2, 3}, {255, 256}, {257, 4097}, {1024, 768}, {16383, 1}, {1, 16383}};
  for (const auto& [w, h] : sizes) {
    const std::string size = std::to_string(w) + "x" + std::to_string(h);
    EXPECT_EQ(told(read("image/png", png(w, h))), size);
    EXPECT_EQ(told(read("image/jpeg", jpeg(w, h))), size);
    EXPECT_EQ(told(read("image/jpg", jpeg(w, h))), size);
    EXPECT_EQ(told(read("image/gif", gif(w, h, gif_frame(0, 0, 1, 1)))), size);
    EXPECT_EQ(told(read("image/webp", webp_lossy(w, h))), size);
    EXPECT_EQ(told(read("image/webp", webp_lossless(w, h))), size);
    EXPECT_EQ(told(read("image/webp", webp_extended(w, h))), size);
  }
  EXPECT_EQ(told(read("image/png", png(65535, 65535))), "65535x65535");
  // The two bits that say how a lossy WebP is to be scaled are no part of its size.
  EXPECT_EQ(told(read("image/webp", webp_lossy(0x4010, 0xC020))), "16x32");
}

TEST(ImageSize, OfAJpegIsTheLargestFrameBehindWhateverStandsBefore) {
  const std::string exif = segment(0xE1, "Exif" + jpeg(9000, 9000) + std::string(60'000, 'x'));
  const std::string small = jpeg_frame(0xC0, 16, 16);
  EXPECT_EQ(told(read("image/jpeg", jpeg(exif + small))), "16x16");
  EXPECT_EQ(told(read("image/jpeg", jpeg(exif + exif + "\xFF\xFF\xFF" + small))), "16x16");
  EXPECT_EQ(told(read("image/jpeg", jpeg(small + jpeg_frame(0xC2, 640, 8)))), "640x16");
  for (const std::uint8_t table : {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEF, 0xFE})
    EXPECT_EQ(told(read("image/jpeg", jpeg(jpeg_frame(table, 999, 999) + small))), "16x16");
  // Behind these some decoders skip a segment and others go on at once, into what it holds.
  for (const std::uint8_t other :
       {0x00, 0x01, 0x02, 0xBF, 0xC8, 0xD0, 0xD8, 0xD9, 0xDC, 0xDE, 0xF0})
    EXPECT_FALSE(read("image/jpeg", jpeg(segment(other, jpeg_frame(0xC0, 999, 999)) + small)))
        << int{other};
}

// Pillow takes the last header, libpng none and others the first.
TEST(ImageSize, OfAPngIsThatOfItsOnlyHeader) {
  const std::string header = png_header(28, 28);
  const std::string text = chunk("tEXt", "Title" + png_header(4000, 4000));
  EXPECT_EQ(told(read("image/png", png_of(header + text))), "28x28");
  EXPECT_FALSE(read("image/png", png_of(header + png_header(4000, 4000))));
  EXPECT_FALSE(read("image/png", png_of(header + text + png_header(28, 28))));
  EXPECT_FALSE(read("image/png", png_of(text + header)));
  EXPECT_FALSE(read("image/png", png_of(header + big_endian(0xFFFFFFFF, 4) + "tEXt")));
  // What lies behind the pixels is read when their size is settled.
  EXPECT_EQ(told(read("image/png", png(28, 28) + png_header(4000, 4000))), "28x28");
  const std::string file = png(28, 28);
  EXPECT_FALSE(read("image/png", file.substr(0, file.find("IDAT"))));
}

TEST(ImageSize, OfAGifIsTheLargestOfItsScreenAndFrames) {
  const std::string comment = std::string("!\xFE\x04talk\0", 8);
  EXPECT_EQ(told(read("image/gif", gif(8, 8, comment + gif_frame(0, 0, 4, 4)))), "8x8");
  EXPECT_EQ(told(read("image/gif", gif(8, 8, gif_frame(2, 3, 40, 50)))), "42x53");
  EXPECT_EQ(
      told(read("image/gif", gif(8, 8, gif_frame(0, 0, 8, 8) + comment + gif_frame(0, 0, 900, 8)))),
      "900x8");
  // Tables of colours lie before the blocks and within a frame.
  std::string coloured = gif(8, 8, std::string(12, ',') + gif_frame(0, 0, 20, 8));
  coloured[10] = '\x81';
  EXPECT_EQ(told(read("image/gif", coloured)), "20x8");
}

// Pillow reads blocks on behind an extension's first, be that its end, and finds the large frame
// where others find a small one and its colours.
TEST(ImageSize, OfAGifIsNotToldWhereDecodersFindOtherFrames) {
  const std::string frame = gif_frame(0, 0, 4, 4);
  const std::string large = gif_frame(0, 0, 2800, 2800);
  const auto empty = [](std::uint8_t label) {
    return "!" + std::string(1, static_cast<char>(label)) + std::string(1, '\0');
  };
  const std::string trick = std::string(1, ',') + little_endian(0, 4) +
                            little_endian(0x00010001, 4) + std::string("\0\x08\x50", 3) +
                            std::string(33, 'U') + std::string(1, '\0') + large;
  for (const std::uint8_t label : {0xF9, 0xFF, 0x01, 0x63}) {
    const std::string both = empty(label) + trick;
    EXPECT_FALSE(read("image/gif", gif(28, 28, both))) << int{label};
    EXPECT_FALSE(read("image/gif", gif(28, 28, frame + both))) << int{label};
    EXPECT_FALSE(read("image/gif", gif(28, 28, empty(label) + frame))) << int{label};
  }
  const std::string loop = "!\xFF\x0BNETSCAPE2.0";
  EXPECT_FALSE(read("image/gif", gif(28, 28, loop + std::string(1, '\0') + trick)));
  EXPECT_FALSE(read("image/gif", gif(28, 28, frame + "?" + large)));
  // These end where they seem to.
  const std::string sound =
      loop + std::string("\x03\x01\0\0\0", 5) + std::string("!\xF9\x04\0\0\0\0\0", 8) + empty(0xFE);
  EXPECT_EQ(told(read("image/gif", gif(28, 28, sound + frame))), "28x28");
  EXPECT_EQ(told(read("image/gif", gif(28, 28, frame + std::string(2, '\0') + large))),
            "2800x2800");
}

TEST(ImageSize, IsOfTheTypeThatWasTold) {
  const std::string files[] = {png(5, 5), jpeg(5, 5), gif(5, 5, gif_frame(0, 0, 5, 5)),
                               webp_lossy(5, 5)};
  const std::string_view types[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
  for (std::size_t file = 0; file < 4; ++file)
    for (std::size_t type = 0; type < 4; ++type)
      EXPECT_EQ(read(types[type], files[file]).has_value(), file == type) << file << types[type];
  EXPECT_FALSE(is_image_type("image/svg+xml"));
  EXPECT_FALSE(is_image_type("IMAGE/PNG"));
  EXPECT_FALSE(read("image/bmp", "BM").has_value());
  EXPECT_FALSE(read("image/webp", wav(10)).has_value());
}

TEST(ImageSize, RefusesSizesThatNoImageHas) {
  for (const std::string& file : {png(0, 5), png(5, 0), png(65536, 5), png(5, 0xFFFFFFFF)})
    EXPECT_FALSE(read("image/png", file));
  EXPECT_FALSE(read("image/jpeg", jpeg(0, 5)));
  EXPECT_FALSE(read("image/jpeg", jpeg(5, 0)));  // DNL says it after the scan.
  EXPECT_FALSE(read("image/gif", gif(0, 0, gif_frame(0, 0, 0, 0))));
  EXPECT_FALSE(read("image/gif", gif(5, 5, "")));
  EXPECT_FALSE(read("image/gif", gif(5, 5, gif_frame(60'000, 0, 60'000, 5))));
  EXPECT_FALSE(read("image/webp", webp_lossy(0, 5)));
  EXPECT_FALSE(read("image/webp", webp_extended(1 << 20, 5)));
  EXPECT_FALSE(read("image/webp", webp("VP8 ", std::string("\x01\0\0\x9D\x01\x2A\5\0\5\0", 10))));
  EXPECT_FALSE(read("image/webp", webp("ANIM", std::string(20, '\0'))));
}

// Cut anywhere, a file tells its size or is refused, and never tells another.
TEST(ImageSize, OfAFileThatIsCutIsTheSameOrNone) {
  const std::tuple<std::string_view, std::string> files[] = {
      {"image/png", png(640, 480)},
      {"image/jpeg", jpeg(segment(0xE0, "JFIF") + jpeg_frame(0xC1, 640, 480))},
      {"image/gif", gif(640, 480, gif_frame(0, 0, 640, 480))},
      {"image/webp", webp_lossy(640, 480)},
      {"image/webp", webp_lossless(640, 480)},
      {"image/webp", webp_extended(640, 480)},
  };
  for (const auto& [type, file] : files) {
    for (std::size_t size = 1; size <= file.size(); ++size) {
      const Read cut = read(type, std::string_view(file).substr(0, size));
      if (cut) {
        EXPECT_EQ(told(cut), "640x480") << type << size;
      }
      if (size < 20) {
        EXPECT_FALSE(cut) << type << size;
      }
    }
    EXPECT_EQ(told(read(type, file)), "640x480");
  }
}

// Sixteen megabytes each; a step for a byte is quick, a step for a pair of bytes never ends.
TEST(ImageSize, IsFoundOrNotInOneWalk) {
  constexpr std::size_t kSize = std::size_t{16} << 20;
  EXPECT_FALSE(read("image/jpeg", "\xFF\xD8" + std::string(kSize, 'x')));
  EXPECT_FALSE(read("image/jpeg", "\xFF\xD8" + std::string(kSize, '\xFF')));
  std::string segments = "\xFF\xD8";
  while (segments.size() < kSize) segments += std::string("\xFF\xE0\0\x02", 4);
  EXPECT_FALSE(read("image/jpeg", segments));
  // A length that leads back to itself, or on beyond the end.
  EXPECT_FALSE(read("image/jpeg", std::string("\xFF\xD8\xFF\xE0\0\0\xFF\xE0\0\0", 10)));
  EXPECT_FALSE(read("image/jpeg", "\xFF\xD8\xFF\xE0\xFF\xFF" + std::string(99, 'x')));
  std::string frames;
  while (frames.size() < kSize) frames += gif_frame(0, 0, 7, 7);
  EXPECT_EQ(told(read("image/gif", gif(5, 5, frames))), "7x7");
  std::string blocks = "!\xFE";
  while (blocks.size() < kSize) blocks += "\x01x";
  EXPECT_FALSE(read("image/gif", gif(5, 5, blocks)));
  EXPECT_EQ(told(read("image/png", png(5, 5) + std::string(kSize, 'x'))), "5x5");
  std::string chunks = png_header(5, 5);
  while (chunks.size() < kSize) chunks += chunk("tEXt", "");
  EXPECT_EQ(told(read("image/png", png_of(chunks))), "5x5");
  EXPECT_FALSE(
      read("image/webp", "RIFF\xFF\xFF\xFF\xFFWEBPVP8X\xFF\xFF\xFF\xFF" + std::string(1000, 'x')));
}

}  // namespace
}  // namespace tollgate::dialects::testing
