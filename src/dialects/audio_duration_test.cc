#include "dialects/audio_duration.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <utility>

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
  EXPECT_TRUE(read("wav", wav({.rate = 96'000, .channels = 8})));
  EXPECT_FALSE(read("wav", wav({.rate = 7'999})));
  EXPECT_FALSE(read("wav", wav({.rate = 96'001})));
  EXPECT_FALSE(read("wav", wav({.channels = 0})));
  EXPECT_FALSE(read("wav", wav({.channels = 9})));
  const Wav plain;
  EXPECT_FALSE(read("wav", wav_of(wav_format(plain) + wav_format(plain) + "data1234")));
  EXPECT_FALSE(read("wav", wav_of("data" + little_endian(4, 4) + "1234")));
  EXPECT_FALSE(read("wav", wav_of(wav_format(plain) + "LIST\xFF\xFF\xFF\xFF" + "data1234")));
  for (std::size_t size = 1; size < 44; ++size)
    EXPECT_FALSE(read("wav", sound.substr(0, size))) << size;
}

// 1152 samples at 44.1 kHz, rounded up.
constexpr Duration kFrame = 26'123us;

TEST(AudioDuration, OfAnMp3IsThatOfAllItsFrames) {
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
  const std::string tag =
      std::string("ID3\x04\0\0\0\0\x01\x48", 10) + std::string(200, '\xFF');  // 1 x 128 + 72.
  const std::string last = "TAG" + std::string(125, ' ');
  const std::string ape = "APETAGEX" + std::string(500, 'a') + "APETAGEX" + std::string(24, '\0');
  EXPECT_EQ(length("mp3", tag + mp3_frame_128()), kFrame);
  EXPECT_EQ(length("mp3", tag + mp3_frame_128() + last), kFrame);
  EXPECT_EQ(length("mp3", tag + repeated(mp3_frame_128(), 50) + ape + last), 50 * kFrame);
  EXPECT_FALSE(read("mp3", tag.substr(0, 100)));
  EXPECT_FALSE(read("mp3", tag));
  const std::string footed = std::string("ID3\x04\0\x10\0\0\0\x02**", 12);
  EXPECT_EQ(length("mp3", footed + std::string("3DI\x04\0\x10\0\0\0\x02", 10) + mp3_frame_128()),
            kFrame);
  EXPECT_FALSE(read("mp3", footed + mp3_frame_8().substr(0, 10) + mp3_frame_128()));
}

// What is no tag to a decoder hides nothing, and of two some see the first alone.
TEST(AudioDuration, OfAnMp3LeavesOutNoMoreThanOneTag) {
  const std::string frames = repeated(mp3_frame_128(), 3);
  const std::string tag = std::string("ID3\x04\0\0\0\0\x09\x63", 10) + frames;  // 3 x 417.
  EXPECT_EQ(length("mp3", tag + frames), 3 * kFrame);
  EXPECT_FALSE(read("mp3", std::string("ID3\x04\0\0\0\0\0\0", 10) + tag + frames));
  EXPECT_FALSE(read("mp3", tag + tag + frames));
  for (const std::size_t at : {3, 4, 6, 7, 8, 9}) {
    std::string other = tag;
    other[at] = '\xFF';
    EXPECT_FALSE(read("mp3", other + frames)) << at;
  }
}

TEST(AudioDuration, OfAnMp3BeginsWithAFrame) {
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

// A frame holds whatever it likes as long as another like it follows at once, even heads; that of
// FFmpeg that tells the length differs from the others, and so may the bit rates.
TEST(AudioDuration, OfAnMp3IsThatOfItsRow) {
  const std::string busy =
      std::string("\xFF\xFB\x90\x64", 4) + repeated("\xFF\xFB\x50\x64", 103) + "!";
  const std::string plain = std::string("\xFF\xFB\x90\x64", 4) + std::string(413, '\0');
  EXPECT_EQ(length("mp3", repeated(busy, 20) + plain), 21 * kFrame);
  EXPECT_EQ(length("mp3", mp3_frame_128() + repeated(busy, 20) + plain), 22 * kFrame);
  EXPECT_EQ(length("mp3", repeated(mp3_frame_128() + mp3_frame_32(), 20)), 40 * kFrame);
  // Cut short at the end, or followed by what holds no head.
  EXPECT_EQ(length("mp3", repeated(busy, 20) + plain.substr(0, 200)), 21 * kFrame);
  EXPECT_EQ(length("mp3", repeated(busy, 20) + plain + std::string(9000, '\0')), 21 * kFrame);
  // Which frame a decoder tries last, and where it goes on in that, is its own.
  EXPECT_EQ(length("mp3", repeated(busy, 20)), 20 * kFrame + 103 * kFrame);
  // And so it is in the first where that is not like the second.
  const std::string other = std::string("\xFF\xFB\x90\0", 4) + busy.substr(4);
  EXPECT_EQ(length("mp3", other + repeated(plain, 20)), 21 * kFrame + 103 * kFrame);
}

// A head that claims 1440 bytes stands before others of 72 bytes and 72 ms, and now and then within
// one of them: decoders see that it is not followed by its like, and play the small ones.
TEST(AudioDuration, OfAnMp3IsNotThatOfAHeadThatOnlyLooksLikeOne) {
  const std::string large("\xFF\xFB\xE8\xC4", 4);
  const std::string small = std::string("\xFF\xE3\x18\xC4", 4) + std::string(68, '\0');
  std::string file = large + repeated(small, 3000);
  for (std::size_t at = 0; at + 1640 < file.size();) {
    ++at += 1440;
    while ((at - 4) % 72 < 20 || (at - 4) % 72 > 64) ++at;
    file.replace(at, 4, large);
  }
  EXPECT_GE(length("mp3", file), 3000 * 72ms);
  // Where the row breaks after a while as well.
  const std::string row =
      repeated(std::string("\xFF\xFB\xE8\xC4", 4) + std::string(1436, '\0'), 40);
  EXPECT_EQ(length("mp3", row + repeated(small, 1000)), 40 * 36ms + 1000 * 72ms);
  EXPECT_EQ(length("mp3", row + "?" + row), 80 * 36ms);
  // Of free format, of other layers and of ADTS.
  EXPECT_EQ(length("mp3", row + "?" + repeated("\xFF\xE3\x08\xC4*********", 10)),
            40 * 36ms + 720ms);
  EXPECT_EQ(length("mp3", row + "?" + repeated("\xFF\xE5\x08\xC4*********", 10)),
            40 * 36ms + 1440ms);
  EXPECT_EQ(length("mp3", row + "?" + repeated(std::string("\xFF\xF1\x6C\0\1\0\0", 7), 10)),
            40 * 36ms + 1280ms);
}

// Heads one byte within another's frame: 43 frames of 24 bytes in one of 1044.
TEST(AudioDuration, OfAFewFramesIsThatOfAllHeads) {
  const std::string large =
      std::string("\xFF\xFB\xE0\0", 4) + repeated(mp3_frame_8(), 43) + std::string(8, '\0');
  EXPECT_EQ(length("mp3", mp3_frame_8() + large + mp3_frame_8()), 45 * 24ms + kFrame);
  EXPECT_EQ(length("mp3", large), 43 * 24ms + kFrame);
  EXPECT_EQ(length("mp3", repeated(large, 15)), 15 * (43 * 24ms + kFrame));
  // With so few FFmpeg may take the file for another kind.
  std::string dolby = mp3_frame_128();
  dolby.replace(100, 256,
                repeated("\x0B\x77**" + std::string("\0\x40", 2) + std::string(122, '*'), 2));
  EXPECT_TRUE(read("mp3", dolby));
  const std::string block = "\x0B\x77**" + std::string("\0\x40", 2) + std::string(122, '*');
  EXPECT_FALSE(read("mp3", mp3_frame_128() + repeated(block, 7)));
}

TEST(AudioDuration, OfAWavIsNotThatOfFramesWithinIt) {
  const auto of = [](const std::string& data) {
    const Wav format{.rate = 44'100, .channels = 2};
    return wav_of(wav_format(format) + "data" + little_endian(data.size(), 4) + data);
  };
  const std::string noise(1001, 'n');
  const std::string adts = std::string("\xFF\xF1\x6C\0\2\0\0", 7) + std::string(9, 'a');
  const std::string dolby = "\x0B\x77**" + std::string("\0\x40", 2) + std::string(122, '*');
  std::string swapped = dolby;
  for (std::size_t i = 0; i < swapped.size(); i += 2) std::swap(swapped[i], swapped[i + 1]);
  const std::string newer =
      std::string("\x0B\x77\0\x3F", 4) + std::string("*\x80", 2) + std::string(122, '*');
  const std::string loas = std::string("\x56\xE0\x0D", 3) + std::string(13, 'l');
  for (const std::string& frame :
       {mp3_frame_128(), mp3_frame_8(), mp3_frame_32(), adts, dolby, swapped, newer, loas}) {
    SCOPED_TRACE(frame.size());
    EXPECT_TRUE(read("wav", of(repeated(frame, 2))));
    EXPECT_FALSE(read("wav", of(repeated(frame, 3))));
    EXPECT_TRUE(read("wav", of(noise + repeated(frame, 6))));
    EXPECT_FALSE(read("wav", of(noise + repeated(frame, 7))));
    EXPECT_FALSE(read("wav", of(std::string(100'000, 'n') + repeated(frame, 7))));
    // Where FFmpeg does not look they are samples.
    EXPECT_TRUE(read("wav", of(std::string(800'000, 'n') + repeated(frame, 7))));
  }
  for (const std::string_view word : {"\x7F\xFE\x80\x01", "\xFE\x7F\x01\x80", "\xF8\x72\x6F\xBA",
                                      "\xF8\x72\x4E\x1F", "\x72\xF8\x1F\x4E"}) {
    const std::string block = std::string(word) + std::string(1000, 'd');
    EXPECT_TRUE(read("wav", of(noise + repeated(block, 2))));
    EXPECT_FALSE(read("wav", of(noise + repeated(block, 3))));
  }
  for (const std::string& word :
       {std::string("\x1F\xFF\xE8\0\x07\xF1", 6), std::string("\xFF\x1F\0\xE8\xF1\x07", 6)}) {
    EXPECT_FALSE(read("wav", of(repeated(word + noise, 3))));
    EXPECT_TRUE(read("wav", of(repeated(word.substr(0, 4) + noise, 3))));
  }
}

// Samples of any width, loud, faint or silent, are not taken for frames.
TEST(AudioDuration, OfAWavOfNoiseIsKnown) {
  std::mt19937 random{11};
  for (const std::uint32_t mask : {0xFFFFFFFFU, 0xFFFU, 0x1FFU, 0x3FU, 1U, 0U}) {
    for (const std::uint64_t bytes : {1, 2, 3, 4}) {
      std::string data;
      while (data.size() < 300'000)
        data += little_endian((random() & mask) - (mask >> 1), 4).substr(0, bytes);
      EXPECT_TRUE(read(
          "wav", wav_of(wav_format({.bits = 8 * bytes}) + "data" + little_endian(0, 4) + data)))
          << mask << " " << bytes;
    }
  }
}

TEST(AudioDuration, IsFoundInOneWalk) {
  constexpr std::size_t kSize = std::size_t{16} << 20;
  const std::string row = repeated(mp3_frame_8(), kSize / 24);
  EXPECT_EQ(length("mp3", row), static_cast<std::int64_t>(row.size()) * 1ms);
  EXPECT_EQ(length("mp3", mp3_frame_128() + std::string(kSize, '\xFF') + mp3_frame_128()),
            2 * kFrame);
  EXPECT_EQ(length("mp3", mp3_frame_128() + repeated("\xFF\xE3\x08", kSize / 3) + "!"),
            kFrame + static_cast<std::int64_t>(kSize / 3) * 72ms);
  EXPECT_FALSE(read("mp3", repeated(std::string("ID3\x04\0\0\0\0\0\0", 10), kSize / 10)));
  EXPECT_FALSE(read("wav", wav_of(repeated(std::string("LIST\0\0\0\0", 8), kSize / 8))));
  // Heads without a frame behind them, as many as there is room for, in all that is looked at.
  const Wav largest{.rate = 96'000, .channels = 8};
  EXPECT_TRUE(read("wav", wav_of(wav_format(largest) + "data" + little_endian(0, 4) +
                                 repeated("\xFF\xE3\x08", kSize / 3))));
}

}  // namespace
}  // namespace tollgate::dialects::testing
