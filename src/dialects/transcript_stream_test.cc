// Transcripts that come as events: handed on as they came, read once, and never taken for whole
// where they are not.
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/form.h"
#include "dialects/reply.h"
#include "dialects/testing_media.h"

namespace tollgate::dialects {
namespace {

constexpr std::string_view kDelta =
    "data: {\"type\":\"transcript.text.delta\",\"delta\":\"it is \",\"logprobs\":[]}\n\n";
constexpr std::string_view kMore =
    "data: {\"type\":\"transcript.text.delta\",\"delta\":\"here\"}\n\n";

std::string done(std::string_view text) {
  return "data: {\"type\":\"transcript.text.done\",\"text\":\"" + std::string(text) +
         "\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":3}}\n\n";
}

class Texts final : public AnswerSink {
 public:
  void text(std::string_view place, std::string_view text) override {
    told += "[" + std::string(place) + ":" + std::string(text) + "]";
  }
  void piece(std::string_view, std::string_view piece) override { told += piece; }
  void ended(std::string_view) override { told += "."; }
  std::string told;
};

struct Read {
  bool broken = false;
  bool finished = false;
  bool failed = false;
  std::string out, texts, counted;
};

Read read(std::string_view stream, std::size_t piece = 1 << 20) {
  Read made;
  StreamReader reader;
  reader.start(Surface::kTranscriptions, false);
  RememberingSink sink;
  Texts texts;
  for (; !stream.empty() && !made.broken; stream.remove_prefix(std::min(piece, stream.size()))) {
    const auto state = reader.feed(stream.substr(0, piece), made.out, sink, &texts);
    made.broken = !state;
    made.finished = state && *state == StreamState::kFinished;
  }
  made.failed = reader.failed();
  made.texts = texts.told;
  made.counted = sink.told[0];
  EXPECT_FALSE(reader.usage()) << "it is paid by its seconds";
  return made;
}

TEST(TranscriptStream, IsHandedOnAsItCameAndReadOnce) {
  const std::string stream = std::string(kDelta) + std::string(kMore) + done("it is here");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{9}, std::size_t{4096}}) {
    const Read made = read(stream, piece);
    EXPECT_TRUE(made.finished);
    EXPECT_EQ(made.out, stream);
    EXPECT_EQ(made.texts, "it is here.");
    EXPECT_EQ(made.counted, "");
  }
}

TEST(TranscriptStream, IsReadAgainWhereItsEndSaysOtherThanItsPieces) {
  EXPECT_EQ(read(std::string(kDelta) + done("other")).texts, "it is [text:other].");
  EXPECT_EQ(
      read("data: {\"type\":\"transcript.text.segment\",\"text\":\"a\",\"speaker\":\"b\"}\n\n")
          .texts,
      "[event.text:a][event.speaker:b]");
}

TEST(TranscriptStream, ThatIsNoneIsBroken) {
  for (const std::string_view event :
       {R"({"type":"response.created"})", R"({"type":"transcript.text.delta","delta":7})",
        R"({"type":"transcript.text.delta","delta":"a","delta":"b"})", R"({"delta":"a"})", "[]",
        "x", R"({"choices":[{"delta":{"content":"a"}}]})"})
    EXPECT_TRUE(read("data: " + std::string(event) + "\n\n").broken) << event;
  EXPECT_TRUE(read("data: {\"error\":{\"message\":\"no\"}}\n\n").failed);
  // One without end.
  const std::string long_one = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"" +
                               std::string(900'000, 'a') + "\"}\n\n";
  std::string stream;
  for (int i = 0; i < 11; ++i) stream += long_one;
  EXPECT_TRUE(read(stream).broken);
}

TEST(TranscriptStream, IsAskedForInAForm) {
  const auto ask = [](Surface surface, std::string_view stream, std::string_view format) {
    std::string body;
    append_form_file("B", "file", {"a.wav", "audio/wav"}, testing::wav(100), body);
    append_form_value("B", "model", "m", body);
    append_form_value("B", "stream", stream, body);
    if (!format.empty()) append_form_value("B", "response_format", format, body);
    append_form_end("B", body);
    RequestReader reader;
    const auto request = reader.read_form(surface, "multipart/form-data; boundary=B", body);
    if (!request) return request.error().message;
    std::string out;
    reader.write({.model = "up"}, out);
    EXPECT_NE(out.find("name=\"stream\"\r\n\r\n" + std::string(stream)), std::string::npos);
    return std::string(request->delivery == Delivery::kStreamed ? "streamed" : "whole");
  };
  EXPECT_EQ(ask(Surface::kTranscriptions, "true", ""), "streamed");
  EXPECT_EQ(ask(Surface::kTranscriptions, "true", "json"), "streamed");
  EXPECT_EQ(ask(Surface::kTranscriptions, "false", "srt"), "whole");
  EXPECT_EQ(ask(Surface::kTranslations, "false", ""), "whole");
  for (const std::string& refused :
       {ask(Surface::kTranscriptions, "true", "text"), ask(Surface::kTranscriptions, "yes", ""),
        ask(Surface::kTranslations, "true", "")})
    EXPECT_NE(refused.find("'stream'"), std::string::npos) << refused;
}

}  // namespace
}  // namespace tollgate::dialects
