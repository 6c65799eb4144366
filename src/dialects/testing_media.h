// Images and recordings for tests, as files of bytes: each as short as its size can be told in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace tollgate::dialects::testing {

inline std::string big_endian(std::uint64_t value, int bytes) {
  std::string made;
  for (int i = bytes - 1; i >= 0; --i) made.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return made;
}
inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string made = big_endian(value, bytes);
  std::ranges::reverse(made);
  return made;
}

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string made;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::string three(bytes.substr(at, 3));
    const std::size_t there = three.size();
    three.resize(3);
    std::uint32_t bits = 0;
    for (const char c : three) bits = bits << 8 | static_cast<unsigned char>(c);
    for (std::size_t i = 0; i < 4; ++i)
      made.push_back(i <= there ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
  }
  return made;
}

// A chunk of a PNG; its check sum is none, as nobody asks here.
inline std::string chunk(std::string_view name, std::string_view bytes) {
  return big_endian(bytes.size(), 4) + std::string(name) + std::string(bytes) + "crc!";
}
inline std::string png_header(std::uint64_t width, std::uint64_t height) {
  return chunk("IHDR",
               big_endian(width, 4) + big_endian(height, 4) + std::string("\x08\x06\0\0\0", 5));
}
inline std::string png_of(std::string_view chunks) {
  return "\x89PNG\r\n\x1A\n" + std::string(chunks) + chunk("IDAT", "pixels");
}
inline std::string png(std::uint64_t width, std::uint64_t height) {
  return png_of(png_header(width, height));
}

// A segment of a JPEG: its marker, its length, its bytes.
inline std::string segment(std::uint8_t marker, std::string_view bytes) {
  return "\xFF" + std::string(1, static_cast<char>(marker)) + big_endian(bytes.size() + 2, 2) +
         std::string(bytes);
}
inline std::string jpeg_frame(std::uint8_t marker, std::uint64_t width, std::uint64_t height) {
  return segment(marker, "\x08" + big_endian(height, 2) + big_endian(width, 2) +
                             std::string("\x01\x01\x11\0", 4));
}
inline std::string jpeg(std::string_view segments) {
  return "\xFF\xD8" + std::string(segments) + segment(0xDA, std::string("\x01\x01\0\0\x3F\0", 6)) +
         "scan\xFF\xD9";
}
inline std::string jpeg(std::uint64_t width, std::uint64_t height) {
  return jpeg(jpeg_frame(0xC0, width, height));
}

inline std::string gif_frame(std::uint64_t left, std::uint64_t top, std::uint64_t width,
                             std::uint64_t height) {
  return "," + little_endian(left, 2) + little_endian(top, 2) + little_endian(width, 2) +
         little_endian(height, 2) + std::string("\0\x02\x02LZ\0", 6);
}
inline std::string gif(std::uint64_t width, std::uint64_t height, std::string_view blocks) {
  return "GIF89a" + little_endian(width, 2) + little_endian(height, 2) + std::string(3, '\0') +
         std::string(blocks) + ";";
}

inline std::string webp(std::string_view chunk, std::string_view bytes) {
  return "RIFF" + little_endian(12 + bytes.size(), 4) + "WEBP" + std::string(chunk) +
         little_endian(bytes.size(), 4) + std::string(bytes);
}
inline std::string webp_lossy(std::uint64_t width, std::uint64_t height) {
  return webp("VP8 ", std::string("\0\0\0\x9D\x01\x2A", 6) + little_endian(width, 2) +
                          little_endian(height, 2) + "data");
}
inline std::string webp_lossless(std::uint64_t width, std::uint64_t height) {
  return webp("VP8L", "\x2F" + little_endian((width - 1) | (height - 1) << 14, 4) + "data");
}
inline std::string webp_extended(std::uint64_t width, std::uint64_t height) {
  return webp("VP8X",
              std::string(4, '\0') + little_endian(width - 1, 3) + little_endian(height - 1, 3));
}

inline std::string repeated(std::string_view bytes, std::size_t times) {
  std::string made;
  for (std::size_t i = 0; i < times; ++i) made += bytes;
  return made;
}

// PCM; what the header says of the length of the data may be a lie.
struct Wav {
  std::uint64_t rate = 8000;
  std::uint64_t channels = 1;
  std::uint64_t data_bytes = 0;
  std::uint64_t told_bytes = 0;
  std::uint64_t bits = 16;
};
inline std::string wav_format(const Wav& wav) {
  const std::uint64_t frame = wav.channels * wav.bits / 8;
  return "fmt " + little_endian(16, 4) + little_endian(1, 2) + little_endian(wav.channels, 2) +
         little_endian(wav.rate, 4) + little_endian(wav.rate * frame, 4) + little_endian(frame, 2) +
         little_endian(wav.bits, 2);
}
inline std::string wav_of(std::string_view chunks) {
  return "RIFF" + little_endian(4 + chunks.size(), 4) + "WAVE" + std::string(chunks);
}
inline std::string wav(const Wav& wav) {
  return wav_of(wav_format(wav) + "data" + little_endian(wav.told_bytes, 4) +
                std::string(wav.data_bytes, '\0'));
}
inline std::string wav(std::uint64_t milliseconds) {
  const std::uint64_t bytes = milliseconds * 16;
  return wav({.data_bytes = bytes, .told_bytes = bytes});
}

// Frames of MPEG 1 layer III at 44.1 kHz: 1152 samples each.
// What a frame holds has no head of another in it.
inline std::string mp3_frame_128() { return "\xFF\xFB\x90" + std::string(414, '\0'); }
inline std::string mp3_frame_32() { return "\xFF\xFB\x10" + std::string(101, '\0'); }
// MPEG 2 at 24 kHz and 8 kbit/s: 24 ms in as many bytes.
inline std::string mp3_frame_8() { return "\xFF\xF3\x14" + std::string(21, '\0'); }

}  // namespace tollgate::dialects::testing
