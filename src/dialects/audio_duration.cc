#include "dialects/audio_duration.h"

#include <array>
#include <cstdint>
#include <optional>

namespace tollgate::dialects {

namespace {

using Read = std::expected<Duration, std::string_view>;

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

std::unexpected<std::string_view> wrong(std::string_view why) { return std::unexpected(why); }

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// ---- WAV -------------------------------------------------------------------------------------

struct WavFormat {
  std::int64_t frames_per_second;
  std::int64_t bytes_per_frame;
};

// The chunk "fmt ", `size` bytes at `at`; only what has one size a sample.
std::optional<WavFormat> read_wav_format(const Base64Bytes& file, std::size_t at,
                                         std::size_t size) {
  constexpr std::uint32_t kPcm = 1;
  constexpr std::uint32_t kFloat = 3;
  constexpr std::uint32_t kALaw = 6;
  constexpr std::uint32_t kMuLaw = 7;
  constexpr std::uint32_t kExtensible = 0xFFFE;
  constexpr std::int64_t kRateLeast = 1000;
  constexpr std::int64_t kRateMost = 768'000;
  if (size < 16) return std::nullopt;
  std::uint32_t coding = file.little_endian(at, 2);
  if (coding == kExtensible) coding = size >= 40 ? file.little_endian(at + 24, 2) : 0;
  if (coding != kPcm && coding != kFloat && coding != kALaw && coding != kMuLaw)
    return std::nullopt;
  const std::int64_t channels = file.little_endian(at + 2, 2);
  const std::int64_t rate = file.little_endian(at + 4, 4);
  const std::int64_t bytes_per_second = file.little_endian(at + 8, 4);
  const std::int64_t bytes_per_frame = file.little_endian(at + 12, 2);
  const std::int64_t bits = file.little_endian(at + 14, 2);
  const bool agrees = channels > 0 && bits > 0 && bits % 8 == 0 && bits <= 64 &&
                      bytes_per_frame == channels * bits / 8 &&
                      bytes_per_second == rate * bytes_per_frame;
  if (!agrees || rate < kRateLeast || rate > kRateMost) return std::nullopt;
  return WavFormat{rate, bytes_per_frame};
}

Read read_wav(const Base64Bytes& file) {
  if (!file.is(0, "RIFF") || !file.is(8, "WAVE"))
    return wrong("is not the WAV that it is said to be.");
  std::optional<WavFormat> format;
  std::size_t at = 12;
  while (file.has(at, 8)) {
    const std::size_t size = file.little_endian(at + 4, 4);
    const std::size_t body = at + 8;
    if (file.is(at, "data")) {
      if (!format) break;
      const auto bytes = static_cast<std::int64_t>(file.size() - body);
      return Duration(ceil_div(ceil_div(bytes, format->bytes_per_frame) * kMicrosecondsPerSecond,
                               format->frames_per_second));
    }
    if (!file.has(body, size)) break;
    if (file.is(at, "fmt ")) {
      if (format) return wrong("is a WAV with two formats.");
      format = read_wav_format(file, body, size);
      if (!format)
        return wrong(
            "is a WAV of another coding than PCM, or one whose header disagrees with "
            "itself: how long it is cannot be known.");
    }
    at = body + size + size % 2;
  }
  return wrong("is a WAV whose header is damaged.");
}

// ---- MP3 -------------------------------------------------------------------------------------

struct Mp3Frame {
  std::size_t bytes;
  std::int64_t microseconds;
};

// A frame of layer III at `at`, if there is one.
std::optional<Mp3Frame> read_frame(const Base64Bytes& file, std::size_t at) {
  if (!file.has(at, 4)) return std::nullopt;
  const std::uint32_t head = file.big_endian(at, 4);
  constexpr std::uint32_t kSync = 0xFFE00000;
  if ((head & kSync) != kSync) return std::nullopt;
  const std::uint32_t version = head >> 19 & 3;  // 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1.
  const std::uint32_t layer = head >> 17 & 3;    // 1: layer III.
  const std::uint32_t bit_rate = head >> 12 & 15;
  const std::uint32_t rate = head >> 10 & 3;
  const std::uint32_t padding = head >> 9 & 1;
  // A bit rate of its own (0) says no length.
  if (version == 1 || layer != 1 || bit_rate == 0 || bit_rate == 15 || rate == 3)
    return std::nullopt;
  constexpr std::array<std::int64_t, 15> kKilobits1{0,   32,  40,  48,  56,  64,  80, 96,
                                                    112, 128, 160, 192, 224, 256, 320};
  constexpr std::array<std::int64_t, 15> kKilobits2{0,  8,  16, 24,  32,  40,  48, 56,
                                                    64, 80, 96, 112, 128, 144, 160};
  constexpr std::array<std::int64_t, 3> kRates{44'100, 48'000, 32'000};
  const bool first = version == 3;
  const std::int64_t samples = first ? 1152 : 576;
  const std::int64_t hertz = kRates[rate] / (first ? 1 : version == 2 ? 2 : 4);
  const std::int64_t kilobits = first ? kKilobits1[bit_rate] : kKilobits2[bit_rate];
  const std::int64_t bytes = samples / 8 * kilobits * 1000 / hertz + padding;
  return Mp3Frame{static_cast<std::size_t>(bytes),
                  ceil_div(samples * kMicrosecondsPerSecond, hertz)};
}

// Of the head of a frame: what marks it, its version, its layer and its rate. One that differs from
// the first is no frame to many decoders, and they find others within it.
constexpr std::uint32_t kSameInAll = 0xFFFE0C00;

// The bytes of an ID3v2 tag at `at`, 0 where there is none.
std::size_t tag_bytes(const Base64Bytes& file, std::size_t at) {
  if (!file.is(at, "ID3") || !file.has(at, 10)) return 0;
  std::size_t size = 0;
  for (std::size_t i = 6; i < 10; ++i) {
    const std::uint8_t seven = file[at + i];
    if (seven > 0x7F) return 0;
    size = size << 7 | seven;
  }
  const bool has_footer = (file[at + 5] & 0x10) != 0;
  return 10 + size + (has_footer ? 10 : 0);
}

Read read_mp3(const Base64Bytes& file) {
  // The lowest bit rate of a frame is 8 kbit/s: a byte is a millisecond at the most.
  constexpr std::int64_t kMicrosecondsPerByte = 1000;
  constexpr std::size_t kLastTagBytes = 128;  // Of ID3v1.
  std::size_t at = 0;
  while (const std::size_t bytes = tag_bytes(file, at)) {
    if (!file.has(at, bytes)) return wrong("is an MP3 with a tag that is damaged.");
    at += bytes;
  }
  std::size_t end = file.size();
  if (end >= at + kLastTagBytes && file.is(end - kLastTagBytes, "TAG")) end -= kLastTagBytes;
  // Behind anything else than a frame a decoder may look for another kind of file.
  if (!read_frame(file, at)) return wrong("is not the MP3 that it is said to be.");
  const std::uint32_t first = file.big_endian(at, 4) & kSameInAll;
  std::int64_t microseconds = 0;
  while (at < end) {
    const std::optional<Mp3Frame> frame = read_frame(file, at);
    if (frame && (file.big_endian(at, 4) & kSameInAll) == first) {
      microseconds += frame->microseconds;
      at += frame->bytes;
    } else {
      microseconds += kMicrosecondsPerByte;
      ++at;
    }
  }
  return Duration(microseconds);
}

}  // namespace

bool is_audio_format(std::string_view format) { return format == "wav" || format == "mp3"; }

Read read_audio_duration(std::string_view format, const Base64Bytes& file) {
  if (format == "wav") return read_wav(file);
  if (format == "mp3") return read_mp3(file);
  return wrong("is of a format that is not known here.");
}

}  // namespace tollgate::dialects
