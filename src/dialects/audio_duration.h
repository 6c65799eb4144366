// How long a recording is, from its headers: nothing of it is decoded.
//
// A WAV is as long as what lies behind the header of its data, whatever that says of its length.
// An MP3 is as long as its frames, each of which is looked at, so that a variable bit rate changes
// nothing; it begins with one, behind its tags, and what is no frame among them counts as sound at
// the lowest bit rate there is, for decoders differ in where they go on.
//
// Sources: WAVE (IBM and Microsoft, Multimedia Programming Interface 1.0, 1991, and
// WAVEFORMATEXTENSIBLE); ISO/IEC 11172-3 and 13818-3, layer III; ID3v2.4.0 structure 3.1.
// Pure. At most one step a byte of the file.
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
