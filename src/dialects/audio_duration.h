// How long a recording is, from its headers: nothing of it is decoded.
//
// A WAV is as long as what lies behind the header of its data, whatever that says of its length.
// It has 1 to 8 channels and 8,000 to 96,000 samples a second. One that holds frames of MP3, AAC,
// AC-3 or DTS where FFmpeg looks for them, near the beginning of PCM of 16 bits, is refused: it
// would decode them.
//
// An MP3 is as long as its frames, each of which is looked at, so that a variable bit rate changes
// nothing. It begins with one, behind at most one ID3v2 tag. As long as each frame is followed at
// once by another like it, decoders agree; from the last of them on they may differ in where they
// go on, so every head of a frame counts that any of them could find there, within one another as
// well: none as a rule in a tag, more than there are where a recording is damaged. If the row is
// shorter than 16 frames, that is so from its beginning.
//
// Not looked at: what players that read on through an ID3v2 tag may find in it, and what a Xing
// or LAME header says of the length.
//
// Sources: WAVE (IBM and Microsoft, Multimedia Programming Interface 1.0, 1991, and
// WAVEFORMATEXTENSIBLE); ISO/IEC 11172-3 and 13818-3, layer III; ID3v2.4.0 structure 3.1.
// Pure. At most a few steps a byte of the file.
#pragma once

#include <expected>
#include <string_view>

#include "base/units.h"
#include "dialects/base64_bytes.h"

namespace tollgate::dialects {

// Whether recordings in this format are known: "wav", "mp3".
bool is_audio_format(std::string_view format);

// Rounded up; or what is wrong with the file, in words that go behind the name of a field: "is not
// the WAV that it is said to be.".
std::expected<Duration, std::string_view> read_audio_duration(std::string_view format,
                                                              const Base64Bytes& file);

}  // namespace tollgate::dialects
