// What the mock makes that is no text: images and speech.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mock/wire.h"

namespace tollgate::mock {

// A GPT Image model tells what so many tokens an image were; others tell no usage.
inline constexpr Tokens kImageTokens = 272;

std::string images_reply(const Wire& wire, std::int64_t images);

// Silence, about as long as the text takes to be spoken, and its type. WAV is whole; the other
// formats are frames of MP3, whatever they are called.
struct Sound {
  std::string bytes;
  std::string_view type;
};
Sound speech_of(std::int64_t characters, std::string_view format);

// What was said in a recording, in one of OpenAI's formats; empty: JSON.
struct Transcript {
  std::string body;
  std::string_view type;
};
Transcript transcript_of(std::string_view said, std::int64_t seconds, std::string_view format);
// The same as events: the next piece, and the end.
std::string transcript_piece(std::string_view piece);
std::string transcript_end(std::string_view said, std::int64_t seconds);

}  // namespace tollgate::mock
