#include "dialects/audio_duration.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "dialects/testing_media.h"

namespace tollgate::dialects::testing {
namespace {

using namespace std::chrono_literals;
using Read = std::expected<Duration, std::string_view>;

Read read(std::string_view format, std::string_view file) {
  const std::string text = base64(file);
  const std::optional<Base64Bytes> bytes = Base64Bytes::read(text);
  if (!bytes) return std::unexpected("is no base64");
  return read_audio_duration(format, *bytes);
}

Duration length(std::string_view format, std::string_view file) {
  const Read read_length = read(format, file);
  if (!read_length) ADD_FAILURE() << read_length.error();
  return read_length.value_or(Duration{-1});
}

TEST(AudioDuration, OfAWavIsThatOfItsSamples) {
  EXPECT_EQ(length("wav", wav(1000)), 1s);
  EXPECT_EQ(length("wav", wav(1)), 1ms);
  EXPECT_EQ(length("wav", wav(0)), 0s);
  EXPECT_EQ(length("wav", wav({.rate = 48'000, .channels = 2, .data_bytes = 192'000})), 1s);
  // A third of a microsecond is one.
  EXPECT_EQ(length("wav", wav({.rate = 48'000, .channels = 1, .data_bytes = 2})), 21us);
}

TEST(AudioDuration, OfAWavIsNoMatterOfWhatItSays) {
  for (const std::uint64_t told : {0ULL, 1ULL, 32'000ULL, 0x7FFFFFFFULL, 0xFFFFFFFFULL})
    EXPECT_EQ(length("wav", wav({.data_bytes = 16'000, .told_bytes = told})), 1s) << told;
  const Wav second{.data_bytes = 16'000, .told_bytes = 16'000};
  const std::string list = "LIST" + little_endian(5, 4) + "notes" + std::string(1, '\0');
  EXPECT_EQ(length("wav", wav_of(list + wav_format(second) + list + "data" +
                                 little_endian(16'000, 4) + std::string(16'000, '\0'))),
            1s);
}

TEST(AudioDuration, OfAWavThatContradictsItselfIsNotKnown) {
  const std::string sound = wav(1000);
  ASSERT_TRUE(read("wav", sound));
  // The rate, the bytes a second, the bytes a sample, the bits, the coding; each alone.
  for (const std::size_t at : {22, 24, 28, 32, 34, 20}) {
    std::string file = sound;
    file[at] = static_cast<char>(file[at] + 1);
    EXPECT_FALSE(read("wav", file)) << at;
  }
  EXPECT_FALSE(read("wav", wav({.rate = 100})));
  EXPECT_FALSE(read("wav", wav({.rate = 1'000'000})));
  EXPECT_FALSE(read("wav", wav({.channels = 0})));
  const Wav plain;
  EXPECT_FALSE(read("wav", wav_of(wav_format(plain) + wav_format(plain) + "data1234")));
  EXPECT_FALSE(read("wav", wav_of("data" + little_endian(4, 4) + "1234")));
  EXPECT_FALSE(read("wav", wav_of(wav_format(plain) + "LIST\xFF\xFF\xFF\xFF" + "data1234")));
  for (std::size_t size = 1; size < 44; ++size)
    EXPECT_FALSE(read("wav", sound.substr(0, size))) << size;
}

TEST(AudioDuration, OfAnMp3IsThatOfAllItsFrames) {
  // 1152 samples at 44.1 kHz, rounded up.
  constexpr Duration kFrame = 26'123us;
  EXPECT_EQ(length("mp3", mp3_frame_128()), kFrame);
  EXPECT_EQ(length("mp3", mp3_frame_128() + mp3_frame_32() + mp3_frame_128()), 3 * kFrame);
  EXPECT_EQ(length("mp3", mp3_frame_128().substr(0, 100)), kFrame);
  // MPEG 2 at 24 kHz and 8 kbit/s, and MPEG 2.5 at 8 kHz: a byte a millisecond.
  EXPECT_EQ(length("mp3", "\xFF\xF3\x14" + std::string(21, '\0')), 24ms);
  EXPECT_EQ(length("mp3", "\xFF\xE3\x18" + std::string(69, '\0')), 72ms);
  // Padded by a byte.
  EXPECT_EQ(length("mp3", "\xFF\xFB\x92" + std::string(415, '\0') + mp3_frame_128()), 2 * kFrame);
}

TEST(AudioDuration, OfAnMp3LeavesItsTagsOut) {
  constexpr Duration kFrame = 26'123us;
  const std::string tag =
      std::string("ID3\x04\0\0\0\0\x01\x48", 10) + std::string(200, '\xFF');  // 1 x 128 + 72.
  const std::string last = "TAG" + std::string(125, ' ');
  EXPECT_EQ(length("mp3", tag + mp3_frame_128()), kFrame);
  EXPECT_EQ(length("mp3", tag + tag + mp3_frame_128() + last), kFrame);
  EXPECT_FALSE(read("mp3", tag.substr(0, 100)));
  EXPECT_FALSE(read("mp3", tag));
}

// What is no frame counts as sound at the lowest bit rate: nobody hides a minute behind it.
TEST(AudioDuration, OfAnMp3CountsWhatIsNoFrame) {
  constexpr Duration kFrame = 26'123us;
  EXPECT_EQ(length("mp3", mp3_frame_128() + std::string(500, '\0') + mp3_frame_128()),
            2 * kFrame + 500ms);
  EXPECT_FALSE(read("mp3", "junk" + mp3_frame_128()));
  EXPECT_FALSE(read("mp3", std::string(5000, '\0')));
  // A bit rate of its own, a reserved one, a reserved rate, version and layer: no frames.
  for (const char* head :
       {"\xFF\xFB\x01", "\xFF\xFB\xF1", "\xFF\xFB\x9C", "\xFF\xEB\x90", "\xFF\xFD\x90"})
    EXPECT_FALSE(read("mp3", head + std::string(1000, '\0'))) << head;
  EXPECT_FALSE(read("mp3", wav(1000)));
  EXPECT_FALSE(read("wav", mp3_frame_128()));
  EXPECT_FALSE(read("flac", "fLaC"));
}

// A frame of 1044 bytes and 26 ms at another rate hides none of those of 24 bytes and 24 ms that
// decoders find in it.
TEST(AudioDuration, OfAnMp3IsByTheRateOfItsFirstFrame) {
  const std::string small = "\xFF\xF3\x14" + std::string(21, '\0');
  std::string inner;
  for (int i = 0; i < 43; ++i) inner += small;
  const std::string large = std::string("\xFF\xFB\xE0\0", 4) + inner + std::string(8, '\0');
  EXPECT_EQ(length("mp3", small + large + small), 45 * 24ms + 12ms);
  EXPECT_EQ(length("mp3", large), 26'123us);
}

TEST(AudioDuration, IsFoundInOneWalk) {
  constexpr std::size_t kSize = std::size_t{16} << 20;
  std::string storm;
  while (storm.size() < kSize) storm += "\xFF\xF3\x14" + std::string(21, '\0');
  EXPECT_EQ(length("mp3", storm), static_cast<std::int64_t>(storm.size()) * 1ms);
  EXPECT_EQ(length("mp3", mp3_frame_128() + std::string(kSize, '\xFF') + mp3_frame_128()),
            static_cast<std::int64_t>(kSize) * 1ms + 2 * 26'123us);
  std::string tags;
  while (tags.size() < kSize) tags += std::string("ID3\x04\0\0\0\0\0\0", 10);
  EXPECT_EQ(length("mp3", tags + mp3_frame_128()), 26'123us);
  std::string chunks;
  while (chunks.size() < kSize) chunks += std::string("LIST\0\0\0\0", 8);
  EXPECT_FALSE(read("wav", wav_of(chunks)));
}

}  // namespace
}  // namespace tollgate::dialects::testing
