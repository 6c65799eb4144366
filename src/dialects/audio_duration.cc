#include "dialects/audio_duration.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "dialects/audio_frames.h"

namespace tollgate::dialects {

namespace {

using Read = std::expected<Duration, std::string_view>;

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

std::unexpected<std::string_view> wrong(std::string_view why) { return std::unexpected(why); }

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// ---- WAV -------------------------------------------------------------------------------------

// FFmpeg looks for other codings in PCM of 16 bits alone, in 32 packets: of 4 KiB, or of a tenth of
// a second at most.
std::size_t probed_bytes(std::int64_t bytes_per_second) {
  constexpr std::int64_t kLeast = 32 * 4096;
  constexpr std::int64_t kSeconds = 4;
  return static_cast<std::size_t>(std::max(kLeast, kSeconds * bytes_per_second));
}

struct WavFormat {
  std::int64_t frames_per_second;
  std::int64_t bytes_per_frame;
  bool is_probed;  // By FFmpeg, for other codings.
};

// The chunk "fmt ", `size` bytes at `at`; only what has one size a sample.
std::optional<WavFormat> read_wav_format(const Base64Bytes& file, std::size_t at,
                                         std::size_t size) {
  constexpr std::uint32_t kPcm = 1;
  constexpr std::uint32_t kFloat = 3;
  constexpr std::uint32_t kALaw = 6;
  constexpr std::uint32_t kMuLaw = 7;
  constexpr std::uint32_t kExtensible = 0xFFFE;
  constexpr std::int64_t kRateLeast = 8000;
  constexpr std::int64_t kRateMost = 96'000;
  constexpr std::int64_t kChannelsMost = 8;
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
  const bool agrees = channels > 0 && channels <= kChannelsMost && bits > 0 && bits % 8 == 0 &&
                      bits <= 64 && bytes_per_frame == channels * bits / 8 &&
                      bytes_per_second == rate * bytes_per_frame;
  if (!agrees || rate < kRateLeast || rate > kRateMost) return std::nullopt;
  return WavFormat{rate, bytes_per_frame, coding == kPcm && bits == 16};
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
      const std::size_t probed = probed_bytes(format->frames_per_second * format->bytes_per_frame);
      if (format->is_probed && holds_frames(file, body, body + probed, FrameKinds::kAll))
        return wrong("is a WAV that holds frames of MP3, AAC, AC-3 or DTS.");
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
            "is a WAV of another coding than PCM, of more than 8 channels, of fewer than 8000 or "
            "more than 96000 samples a second, or one whose header disagrees with itself.");
    }
    at = body + size + size % 2;
  }
  return wrong("is a WAV whose header is damaged.");
}

// ---- MP3 -------------------------------------------------------------------------------------

// The bytes of an ID3v2 tag at `at`, 0 where there is none.
std::size_t tag_bytes(const Base64Bytes& file, std::size_t at) {
  constexpr std::uint8_t kFooterFlag = 0x10;
  if (!file.is(at, "ID3") || !file.has(at, 10)) return 0;
  if (file[at + 3] == 0xFF || file[at + 4] == 0xFF) return 0;
  std::size_t size = 0;
  for (std::size_t i = 6; i < 10; ++i) {
    const std::uint8_t seven = file[at + i];
    if (seven > 0x7F) return 0;
    size = size << 7 | seven;
  }
  return 10 + size + ((file[at + 5] & kFooterFlag) != 0 ? 10 : 0);
}

// Some decoders skip the footer by the flag alone and others do not know it, so it has to be one.
bool ends_soundly(const Base64Bytes& file, std::size_t at, std::size_t bytes) {
  constexpr std::uint8_t kFooterFlag = 0x10;
  if (!file.has(at, bytes)) return false;
  if ((file[at + 5] & kFooterFlag) == 0) return true;
  const std::size_t footer = at + bytes - 10;
  if (!file.is(footer, "3DI")) return false;
  for (std::size_t i = 3; i < 10; ++i)
    if (file[footer + i] != file[at + i]) return false;
  return true;
}

// A frame that decoders go on to from another of `head`: all of a head but the bit rate, the
// padding, the protection and what of joint stereo is used. FFmpeg asks for this much.
bool follows(std::uint32_t head, const std::optional<MpegFrame>& frame) {
  constexpr std::uint32_t kSameInAll = 0xFFFE0CCF;
  return frame && frame->layer == 3 && frame->bytes > 0 && ((head ^ frame->head) & kSameInAll) == 0;
}

// The head that the frames of the file have in common. One that tells how long the file is stands
// first and may differ; then some decoders look for their first frame within it.
std::uint32_t common_head(const Base64Bytes& file, std::size_t at, const MpegFrame& first) {
  constexpr std::uint32_t kSameInFirst = 0xFFFE0C00;
  const std::optional<MpegFrame> second = mpeg_frame_at(file, at + first.bytes);
  if (!second || ((first.head ^ second->head) & kSameInFirst) != 0) return first.head;
  for (std::size_t i = 1; i < first.bytes; ++i)
    if (mpeg_frame_at(file, at + i)) return first.head;
  return second->head;
}

Read read_mp3(const Base64Bytes& file) {
  // Decoders look ahead for so many frames, the most cautious, before they believe the first.
  constexpr int kSure = 16;
  const std::size_t tag = tag_bytes(file, 0);
  if (tag > 0 && !ends_soundly(file, 0, tag)) return wrong("is an MP3 with a tag that is damaged.");
  if (tag_bytes(file, tag) > 0) return wrong("is an MP3 with two tags; leave one.");
  // Behind anything else than a frame a decoder may look for another kind of file.
  std::optional<MpegFrame> frame = mpeg_frame_at(file, tag);
  if (!frame || !follows(frame->head, frame)) return wrong("is not the MP3 that it is said to be.");
  const std::uint32_t head = common_head(file, tag, *frame);
  // From here on what is before `last` is frames, one behind the other.
  Duration sound{};
  std::size_t last = tag;
  int frames = 1;
  while (true) {
    const std::size_t next = last + frame->bytes;
    const std::optional<MpegFrame> following = mpeg_frame_at(file, next);
    if (!follows(head, following)) break;
    sound += frame->sound;
    last = next;
    frame = following;
    ++frames;
  }
  if (frames >= kSure) return sound + sound_of_all_heads(file, last);
  if (holds_frames(file, tag, file.size(), FrameKinds::kAllButMpeg))
    return wrong("is an MP3 of a few frames that holds frames of another kind.");
  return sound_of_all_heads(file, tag);
}

}  // namespace

bool is_audio_format(std::string_view format) { return format == "wav" || format == "mp3"; }

Read read_audio_duration(std::string_view format, const Base64Bytes& file) {
  if (format == "wav") return read_wav(file);
  if (format == "mp3") return read_mp3(file);
  return wrong("is of a format that is not known here.");
}

}  // namespace tollgate::dialects
