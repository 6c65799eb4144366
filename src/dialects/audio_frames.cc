#include "dialects/audio_frames.h"

#include <algorithm>
#include <array>
#include <vector>

namespace tollgate::dialects {

namespace {

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

Duration sound_of(std::int64_t samples, std::int64_t hertz) {
  return Duration(ceil_div(samples * kMicrosecondsPerSecond, hertz));
}

// Kilobits a second, by the four bits of the head.
using BitRates = std::array<std::int64_t, 15>;
constexpr std::array<BitRates, 3> kBitRatesOfMpeg1{
    {{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
     {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
     {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}}};
constexpr BitRates kBitRatesOfLayer1{0,   32,  48,  56,  64,  80,  96, 112,
                                     128, 144, 160, 176, 192, 224, 256};
constexpr BitRates kBitRatesOfOthers{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160};

std::int64_t kilobits_of(bool is_mpeg1, int layer, std::uint32_t index) {
  if (is_mpeg1) return kBitRatesOfMpeg1[static_cast<std::size_t>(layer) - 1][index];
  return layer == 1 ? kBitRatesOfLayer1[index] : kBitRatesOfOthers[index];
}

constexpr std::array<std::int64_t, 13> kAdtsRates{96'000, 88'200, 64'000, 48'000, 44'100,
                                                  32'000, 24'000, 22'050, 16'000, 12'000,
                                                  11'025, 8'000,  7'350};

struct AdtsFrame {
  std::size_t bytes;
  Duration sound;
};
std::optional<AdtsFrame> adts_frame_at(const Base64Bytes& file, std::size_t at) {
  constexpr std::size_t kHeadBytes = 7;
  constexpr std::int64_t kSamples = 1024;
  if (!file.has(at, kHeadBytes) || (file.big_endian(at, 2) & 0xFFF6) != 0xFFF0) return std::nullopt;
  const std::uint32_t rate = file[at + 2] >> 2 & 15;
  const std::size_t bytes = file.big_endian(at + 3, 3) >> 5 & 0x1FFF;
  if (rate >= kAdtsRates.size() || bytes < kHeadBytes) return std::nullopt;
  const std::int64_t blocks = (file[at + 6] & 3) + 1;
  return AdtsFrame{bytes, sound_of(blocks * kSamples, kAdtsRates[rate])};
}

// The bytes of a frame at `at`, 0 where none begins.
using FrameBytes = std::size_t (*)(const Base64Bytes& file, std::size_t at);

std::size_t mpeg_bytes(const Base64Bytes& file, std::size_t at) {
  const std::optional<MpegFrame> frame = mpeg_frame_at(file, at);
  return frame ? frame->bytes : 0;
}

std::size_t adts_bytes(const Base64Bytes& file, std::size_t at) {
  const std::optional<AdtsFrame> frame = adts_frame_at(file, at);
  return frame ? frame->bytes : 0;
}

std::size_t loas_bytes(const Base64Bytes& file, std::size_t at) {
  const std::uint32_t head = file.big_endian(at, 3);
  return file.has(at, 3) && head >> 13 == 0x2B7 ? (head & 0x1FFF) + 3 : 0;
}

// `swap` is 1 where each two bytes have changed places.
std::size_t dolby_bytes(const Base64Bytes& file, std::size_t at, std::size_t swap) {
  constexpr std::array<std::size_t, 19> kKilobits{32,  40,  48,  56,  64,  80,  96,  112, 128, 160,
                                                  192, 224, 256, 320, 384, 448, 512, 576, 640};
  constexpr std::uint8_t kLastOfAc3 = 10;
  constexpr std::uint8_t kLastOfAll = 16;
  if (!file.has(at, 6)) return 0;
  const auto byte = [&](std::size_t i) { return file[at + (i ^ swap)]; };
  if (byte(0) != 0x0B || byte(1) != 0x77) return 0;
  const std::uint8_t version = byte(5) >> 3;
  if (version > kLastOfAll) return 0;
  if (version > kLastOfAc3) return ((std::size_t{byte(2)} & 7) << 8 | byte(3)) * 2 + 2;
  const std::uint8_t rate = byte(4) >> 6;
  const std::size_t code = byte(4) & 63;
  if (rate == 3 || code / 2 >= kKilobits.size()) return 0;
  const std::size_t kilobits = kKilobits[code / 2];
  if (rate == 0) return kilobits * 4;
  if (rate == 2) return kilobits * 6;
  return (kilobits * 1000 * 96 / 44'100 + (code & 1)) * 2;
}
std::size_t ac3_bytes(const Base64Bytes& file, std::size_t at) { return dolby_bytes(file, at, 0); }
std::size_t swapped_ac3_bytes(const Base64Bytes& file, std::size_t at) {
  return dolby_bytes(file, at, 1);
}

struct Kind {
  std::uint8_t begins;  // A frame, with this byte.
  FrameBytes bytes_at;
};
constexpr std::array<Kind, 5> kKinds{{{0xFF, mpeg_bytes},
                                      {0xFF, adts_bytes},
                                      {0x0B, ac3_bytes},
                                      {0x77, swapped_ac3_bytes},
                                      {0x56, loas_bytes}}};

// What begins a block, and what follows it, where the first alone is found in samples as well.
struct Word {
  std::uint32_t begins;
  std::uint32_t then_mask = 0;
  std::uint32_t then = 0;
};
// Of DTS in each of its orders of bytes and bits and of its extension, of TrueHD and MLP, and of
// IEC 61937 in both orders.
constexpr std::array<Word, 9> kWords{{{0x7FFE8001},
                                      {0xFE7F0180},
                                      {0x1FFFE800, 0xFFF0, 0x07F0},
                                      {0xFF1F00E8, 0xF0FF, 0xF007},
                                      {0x64582025},
                                      {0xF8726FBA},
                                      {0xF8726FBB},
                                      {0xF8724E1F},
                                      {0x72F81F4E}}};

constexpr std::array<bool, 256> kBegins = [] {
  std::array<bool, 256> begins{};
  for (const Kind& kind : kKinds) begins[kind.begins] = true;
  for (const Word& word : kWords) begins[word.begins >> 24] = true;
  return begins;
}();

}  // namespace

std::optional<MpegFrame> mpeg_frame_at(const Base64Bytes& file, std::size_t at) {
  constexpr std::uint32_t kSync = 0xFFE00000;
  if (!file.has(at, 4) || file[at] != 0xFF) return std::nullopt;
  const std::uint32_t head = file.big_endian(at, 4);
  const std::uint32_t version = head >> 19 & 3;  // 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1.
  const std::uint32_t layer_code = head >> 17 & 3;
  const std::uint32_t bit_rate = head >> 12 & 15;
  const std::uint32_t rate = head >> 10 & 3;
  if ((head & kSync) != kSync || version == 1 || layer_code == 0 || bit_rate == 15 || rate == 3)
    return std::nullopt;
  constexpr std::array<std::int64_t, 3> kRates{44'100, 48'000, 32'000};
  constexpr std::int64_t kSamplesOfLayer1 = 384;
  constexpr std::int64_t kSamplesOfMpeg1 = 1152;
  const bool is_mpeg1 = version == 3;
  const int layer = 4 - static_cast<int>(layer_code);
  const std::int64_t hertz = kRates[rate] / (is_mpeg1 ? 1 : version == 2 ? 2 : 4);
  const std::int64_t samples = layer == 1                ? kSamplesOfLayer1
                               : layer == 3 && !is_mpeg1 ? kSamplesOfMpeg1 / 2
                                                         : kSamplesOfMpeg1;
  MpegFrame frame{.head = head, .layer = layer, .sound = sound_of(samples, hertz)};
  if (bit_rate > 0) {
    // Layer I counts in slots of four bytes.
    const std::int64_t slot = layer == 1 ? 4 : 1;
    const std::int64_t bits = kilobits_of(is_mpeg1, layer, bit_rate) * 1000;
    const std::int64_t slots = samples / 8 / slot * bits / hertz + (head >> 9 & 1);
    frame.bytes = static_cast<std::size_t>(slots * slot);
  }
  return frame;
}

Duration sound_of_all_heads(const Base64Bytes& file, std::size_t from) {
  Duration sum{};
  for (std::size_t at = from; at < file.size(); ++at) {
    if (file[at] != 0xFF) continue;
    if (const std::optional<MpegFrame> frame = mpeg_frame_at(file, at))
      sum += frame->sound;
    else if (const std::optional<AdtsFrame> other = adts_frame_at(file, at))
      sum += other->sound;
  }
  return sum;
}

bool holds_frames(const Base64Bytes& file, std::size_t from, std::size_t to, FrameKinds kinds) {
  constexpr std::size_t kAhead = 1 << 14;  // More than a frame of any kind has bytes.
  constexpr std::uint8_t kInARow = 7;
  constexpr std::uint8_t kAtFirst = 3;
  constexpr std::uint8_t kFirst = 0x80;  // Marks the row that begins at `from`.
  constexpr int kWordsMost = 3;
  // How many frames of each kind end where the one at this place, modulo kAhead, would begin.
  std::vector<std::array<std::uint8_t, kKinds.size()>> rows(kAhead);
  std::array<int, kWords.size()> words{};
  rows[from % kAhead].fill(kFirst);
  for (std::size_t at = from; at < std::min(to, file.size()); ++at) {
    const auto here = rows[at % kAhead];
    rows[at % kAhead].fill(0);
    const std::uint8_t byte = file[at];
    if (!kBegins[byte]) continue;
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
      if (kKinds[i].begins != byte) continue;
      if (kinds == FrameKinds::kAllButMpeg && kKinds[i].bytes_at == mpeg_bytes) continue;
      const std::size_t bytes = kKinds[i].bytes_at(file, at);
      if (bytes == 0) continue;
      const auto row = static_cast<std::uint8_t>(here[i] + 1);
      if (row >= kFirst + kAtFirst || (row & ~kFirst) >= kInARow) return true;
      std::uint8_t& next = rows[(at + bytes) % kAhead][i];
      next = std::max(next, row);
    }
    const auto* const word = std::ranges::find(kWords, file.big_endian(at, 4), &Word::begins);
    if (word == kWords.end()) continue;
    if ((file.big_endian(at + 4, 2) & word->then_mask) != word->then) continue;
    if (++words[static_cast<std::size_t>(word - kWords.begin())] == kWordsMost) return true;
  }
  return false;
}

}  // namespace tollgate::dialects
