// Heads of frames that decoders look for in a recording, whatever it is said to be.
//
// Sources: MPEG audio, ISO/IEC 11172-3 and 13818-3; ADTS and LOAS, ISO/IEC 14496-3 1.A.3 and
// 1.7.2; AC-3, ETSI TS 102 366 4.3, 4.4 and E.1.2; DTS, ETSI TS 102 114 5.3; IEC 61937-1 6.1. What
// is found how often before it is believed: FFmpeg, libavformat, the probes of mp3, aac, ac3, loas,
// dts, truehd and spdif, and wavdec.c.
// Pure. Each is at most a few steps for a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/units.h"
#include "dialects/base64_bytes.h"

namespace tollgate::dialects {

struct MpegFrame {
  std::uint32_t head = 0;
  int layer = 0;          // 1 to 3.
  std::size_t bytes = 0;  // 0: of free format, as long as it is to the next.
  Duration sound{};       // Rounded up.
};
// Of any version and layer; nothing where no frame begins.
std::optional<MpegFrame> mpeg_frame_at(const Base64Bytes& file, std::size_t at);

// The most that any decoder can make of the bytes from `from` to the end, wherever in them it
// begins: each head of a frame of MPEG audio or ADTS among them counts, within one another as well.
Duration sound_of_all_heads(const Base64Bytes& file, std::size_t from);

enum class FrameKinds : std::uint8_t { kAll, kAllButMpeg };
// Whether FFmpeg could take the bytes from `from` to `to` for frames of another coding than they
// are said to be: three in a row at `from`, seven in a row anywhere, or three words that begin a
// block of DTS, TrueHD or IEC 61937. Samples of 16 bits are as good as never taken for it.
bool holds_frames(const Base64Bytes& file, std::size_t from, std::size_t to, FrameKinds kinds);

}  // namespace tollgate::dialects
