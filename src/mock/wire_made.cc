#include "mock/wire_made.h"

#include <fmt/format.h>

#include "dialects/request.h"

namespace tollgate::mock {

namespace {

// A PNG of one grey pixel.
constexpr std::string_view kPixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";

constexpr std::int64_t kCharactersPerSecond = 15;
constexpr std::int64_t kSamplesPerSecond = 8000;
constexpr std::size_t kFrameBytes = 417;  // MPEG-1 layer III, 128 kbit/s, 44.1 kHz.
constexpr std::int64_t kFramesPerSecond = 38;

void append_little(std::int64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

// 8 bits, one channel.
std::string wav_of(std::int64_t samples) {
  std::string out = "RIFF";
  append_little(36 + samples, 4, out);
  out += "WAVEfmt ";
  append_little(16, 4, out);
  append_little(1, 2, out);
  append_little(1, 2, out);
  append_little(kSamplesPerSecond, 4, out);
  append_little(kSamplesPerSecond, 4, out);
  append_little(1, 2, out);
  append_little(8, 2, out);
  out += "data";
  append_little(samples, 4, out);
  constexpr char kSilence = static_cast<char>(0x80);
  out.append(static_cast<std::size_t>(samples), kSilence);
  return out;
}

}  // namespace

std::string images_reply(const Wire& wire, std::int64_t images) {
  std::string data;
  for (std::int64_t i = 0; i < images; ++i) {
    if (i > 0) data += ',';
    data += fmt::format(R"({{"b64_json":"{}"}})", kPixel);
  }
  std::string usage;
  if (wire.usage && wire.model.starts_with("gpt-image")) {
    const Tokens output = kImageTokens * images;
    usage = fmt::format(
        R"(,"usage":{{"input_tokens":{0},"input_tokens_details":{{"text_tokens":{0},"image_tokens":0}},)"
        R"("output_tokens":{1},"total_tokens":{2}}})",
        wire.reported.input, output, wire.reported.input + output);
  }
  return fmt::format(R"({{"created":0,"data":[{}]{}}})", data, usage);
}

Sound speech_of(std::int64_t characters, std::string_view format) {
  if (format == "wav") {
    return {wav_of(kSamplesPerSecond * characters / kCharactersPerSecond), "audio/wav"};
  }
  const std::int64_t frames = kFramesPerSecond * characters / kCharactersPerSecond + 1;
  Sound made{{}, "audio/mpeg"};
  for (std::int64_t i = 0; i < frames; ++i) {
    made.bytes += "\xFF\xFB\x90\x64";
    made.bytes.append(kFrameBytes - 4, '\0');
  }
  return made;
}

namespace {

// 75: "00:01:15", and what stands between seconds and milliseconds.
std::string clock_of(std::int64_t seconds, char point) {
  return fmt::format("{:02}:{:02}:{:02}{}000", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     point);
}

}  // namespace

Transcript transcript_of(std::string_view said, std::int64_t seconds, std::string_view format) {
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  if (format == "text") return {fmt::format("{}\n", said), kPlain};
  if (format == "srt") {
    return {fmt::format("1\n{} --> {}\n{}\n\n", clock_of(0, ','), clock_of(seconds, ','), said),
            kPlain};
  }
  if (format == "vtt") {
    return {
        fmt::format("WEBVTT\n\n{} --> {}\n{}\n\n", clock_of(0, '.'), clock_of(seconds, '.'), said),
        "text/vtt; charset=utf-8"};
  }
  std::string more;
  if (format == "verbose_json") {
    more = fmt::format(R"("task":"transcribe","language":"english","duration":{0},)"
                       R"("segments":[{{"id":0,"start":0,"end":{0},"text":"{1}"}}],)",
                       seconds, said);
  }
  return {fmt::format(R"({{{}"text":"{}","usage":{{"type":"duration","seconds":{}}}}})", more, said,
                      seconds),
          "application/json"};
}

std::string transcript_piece(std::string_view piece) {
  return fmt::format("data: {{\"type\":\"transcript.text.delta\",\"delta\":\"{}\"}}\n\n", piece);
}

std::string transcript_end(std::string_view said, std::int64_t seconds) {
  return fmt::format(
      "data: {{\"type\":\"transcript.text.done\",\"text\":\"{}\",\"usage\":{{\"type\":\"tokens\","
      "\"input_tokens\":{},\"output_tokens\":{},\"total_tokens\":{}}}}}\n\n",
      said, 10 * seconds, 2 * seconds, 12 * seconds);
}

}  // namespace tollgate::mock
