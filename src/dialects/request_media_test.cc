// Images and recordings in the requests of both dialects.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "dialects/fixture_test.h"
#include "dialects/testing_media.h"

namespace tollgate::dialects::testing {
namespace {

using namespace std::chrono_literals;

constexpr Reason kInvalid = Reason::kInvalidRequest;
constexpr Reason kUnsupported = Reason::kUnsupportedParameter;

struct Asked {
  Asked(Surface surface, std::string_view body)
      : body(body), request(reader.read(surface, this->body.view())) {}
  Padded body;
  RequestReader reader;
  Expected<Request> request;
};

Asked chat(std::string_view parts) {
  return {Surface::kChatCompletions,
          fmt::format(R"({{"model":"m","messages":[{{"role":"user","content":[{}]}}]}})", parts)};
}
Asked message(std::string_view blocks) {
  return {Surface::kMessages,
          fmt::format(R"({{"model":"m","max_tokens":9,"messages":[{{"role":"user",)"
                      R"("content":[{}]}}]}})",
                      blocks)};
}
std::string url_of(std::string_view type, std::string_view file) {
  return fmt::format("data:{};base64,{}", type, base64(file));
}
std::string image_url(std::string_view url, std::string_view more = "") {
  return fmt::format(R"({{"type":"image_url","image_url":{{"url":"{}"{}}}}})", url, more);
}
std::string input_audio(std::string_view format, std::string_view file) {
  return fmt::format(R"({{"type":"input_audio","input_audio":{{"data":"{}","format":"{}"}}}})",
                     base64(file), format);
}
std::string image_block(std::string_view type, std::string_view file) {
  return fmt::format(
      R"({{"type":"image","source":{{"type":"base64","media_type":"{}","data":"{}"}}}})", type,
      base64(file));
}

void expect_refused(const Asked& asked, Reason reason, std::string_view param) {
  ASSERT_FALSE(asked.request) << param;
  EXPECT_EQ(asked.request.error().reason, reason) << asked.request.error().message;
  EXPECT_EQ(asked.request.error().param, param);
  EXPECT_EQ(asked.request.error().message.find('\n'), std::string::npos);
  EXPECT_TRUE(asked.request.error().message.starts_with(fmt::format("'{}' ", param)))
      << asked.request.error().message;
}

TEST(RequestMedia, MeasuresWhatAChatHolds) {
  const std::string text = R"({"type":"text","text":"what is this?"})";
  const Asked asked =
      chat(text + "," + image_url(url_of("image/png", png(640, 480)), R"(,"detail":"low")") + "," +
           image_url(url_of("image/jpeg", jpeg(99, 7)), R"(,"detail":"auto")") + "," +
           image_url(url_of("image/webp", webp_lossless(3, 4)), R"(,"detail":null)") + "," +
           input_audio("wav", wav(1500)) + "," + input_audio("mp3", mp3_frame_128()));
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  const Request& request = *asked.request;
  ASSERT_EQ(request.images.size(), 3U);
  EXPECT_EQ(request.images[0].width, 640);
  EXPECT_EQ(request.images[0].height, 480);
  EXPECT_EQ(request.images[0].detail, ImageDetail::kLow);
  EXPECT_EQ(request.images[1].width, 99);
  EXPECT_EQ(request.images[1].detail, ImageDetail::kHigh);
  EXPECT_EQ(request.images[2].detail, ImageDetail::kHigh);
  ASSERT_EQ(request.recordings.size(), 2U);
  EXPECT_EQ(request.recordings[0], 1500ms);
  EXPECT_EQ(request.first_image, "messages[0].content[1]");
  EXPECT_EQ(request.first_recording, "messages[0].content[4]");
  // Of what is measured nothing is a text.
  EXPECT_EQ(request.texts.size(), 2U);
}

TEST(RequestMedia, MeasuresWhatMessagesOfAnthropicHold) {
  const std::string result =
      fmt::format(R"({{"type":"tool_result","tool_use_id":"t","content":[{}]}})",
                  image_block("image/gif", gif(8, 9, gif_frame(0, 0, 8, 9))));
  const Asked asked = message(image_block("image/png", png(640, 480)) + "," + result);
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  ASSERT_EQ(asked.request->images.size(), 2U);
  EXPECT_EQ(asked.request->images[0].width, 640);
  EXPECT_EQ(asked.request->images[1].height, 9);
  EXPECT_EQ(asked.request->first_image, "messages[0].content[0]");
}

// The reader is used again and again; what one request held is not the next one's.
TEST(RequestMedia, ForgetsWithEachRequest) {
  RequestReader reader;
  const Padded with(
      fmt::format(R"({{"model":"m","messages":[{{"role":"user","content":[{},{}]}}]}})",
                  image_url(url_of("image/png", png(5, 5))), input_audio("wav", wav(5))));
  const Padded without(R"({"model":"m","messages":[{"role":"user","content":"x"}]})");
  ASSERT_TRUE(reader.read(Surface::kChatCompletions, with.view()));
  const Expected<Request> next = reader.read(Surface::kChatCompletions, without.view());
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->images.empty());
  EXPECT_TRUE(next->recordings.empty());
  EXPECT_TRUE(next->first_image.empty());
  EXPECT_TRUE(next->first_recording.empty());
}

TEST(RequestMedia, IsHandedOnAsItCame) {
  const std::string large = png(5, 5) + std::string(3 << 20, '\x7F');
  const std::string parts = image_url(url_of("image/png", large), R"(,"detail":"low")") + "," +
                            input_audio("wav", wav(5));
  const Asked asked = chat(parts);
  ASSERT_TRUE(asked.request);
  std::string written;
  asked.reader.write({.model = "m"}, written);
  EXPECT_TRUE(
      written ==
      fmt::format(R"({{"model":"m","messages":[{{"role":"user","content":[{}]}}]}})", parts));
  // But for what has a price of its own.
  const std::string block = image_block("image/png", png(5, 5));
  const Asked cached =
      message(block.substr(0, block.size() - 1) + R"(,"cache_control":{"type":"ephemeral"}})");
  ASSERT_TRUE(cached.request);
  written.clear();
  cached.reader.write({.model = "m"}, written);
  EXPECT_NE(written.find("[" + block + "]"), std::string::npos) << written;
}

TEST(RequestMedia, RefusesImagesThatCannotBeMeasured) {
  const std::string part = "messages[0].content[0]";
  const std::string url = part + ".image_url.url";
  const std::string sound = url_of("image/png", png(5, 5));
  expect_refused(chat(image_url("http://example.com/a.png")), kUnsupported, url);
  expect_refused(chat(image_url("https://example.com@[::1]/a.png")), kUnsupported, url);
  expect_refused(chat(image_url(R"(https://example.com\\@b.example/)")), kUnsupported, url);
  expect_refused(chat(R"({"type":"image_url","image_url":{"url":7}})"), kInvalid, url);
  expect_refused(chat(image_url("file:///etc/passwd")), kUnsupported, url);
  expect_refused(chat(image_url("DATA:image/png;base64,QQ==")), kUnsupported, url);
  for (const char* other :
       {"data:", "data:,", "data:image/png,QQ==", "data:image/png;base64",
        "data:;base64,QQ==", "data:image/png;charset=x;base64,QQ==",
        "data:image/svg+xml;base64,QQ==", "data:image/png;base64,", "data:image/png;base64,QQ",
        "data:image/png;base64,Q Q=", "data:image/png;base64,QQ=="})
    expect_refused(chat(image_url(other)), kInvalid, url);
  expect_refused(chat(image_url(url_of("image/png", jpeg(5, 5)))), kInvalid, url);
  expect_refused(chat(image_url(url_of("image/png", png(0, 5)))), kInvalid, url);
  expect_refused(chat(image_url(sound, R"(,"detail":"original")")), kUnsupported,
                 part + ".image_url.detail");
  expect_refused(chat(image_url(sound, R"(,"detail":1)")), kInvalid, part + ".image_url.detail");
  expect_refused(chat(image_url(sound, R"(,"max_pixels":99)")), kUnsupported,
                 part + ".image_url.max_pixels");
  expect_refused(chat(fmt::format(R"({{"type":"image_url","image_url":"{}"}})", sound)), kInvalid,
                 part + ".image_url");
  expect_refused(chat(R"({"type":"image_url"})"), kInvalid, part + ".image_url");
  expect_refused(chat(R"({"type":"image_url","image_url":{}})"), kInvalid, url);
  expect_refused(chat(R"({"type":"image_url","image_url":{"url":"a"},"text":"b"})"), kUnsupported,
                 part + ".text");
}

TEST(RequestMedia, TellsTheHostsOfImagesByAddress) {
  const Asked asked =
      chat(image_url("https://a.example/x.png?k=v", R"(,"detail":"low")") + "," +
           image_url(url_of("image/png", png(640, 480))) + "," + image_url("https://b.example/y"));
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  const Request& request = *asked.request;
  ASSERT_EQ(request.images.size(), 3U);
  EXPECT_EQ(request.images[0].width, 0);
  EXPECT_EQ(request.images[0].detail, ImageDetail::kLow);
  EXPECT_EQ(request.images[1].width, 640);
  EXPECT_EQ(request.images[2].detail, ImageDetail::kHigh);
  ASSERT_EQ(request.addresses.size(), 2U);
  EXPECT_EQ(request.addresses[0].host, "a.example");
  EXPECT_EQ(request.addresses[0].where, "messages[0].content[0].image_url.url");
  EXPECT_EQ(request.addresses[1].host, "b.example");
  // No model reads it, and whoever inspects what leaves does.
  ASSERT_EQ(request.carried.size(), 2U);
  EXPECT_EQ(request.carried[0].text, "https://a.example/x.png?k=v");
  EXPECT_EQ(place_of(request.carried, 0), "messages[0]");

  const Asked block = message(
      R"({"type":"image","source":{"type":"url","url":"https://a.example/"}},{"type":"text",)"
      R"("text":"b"})");
  ASSERT_TRUE(block.request) << block.request.error().message;
  ASSERT_EQ(block.request->addresses.size(), 1U);
  EXPECT_EQ(block.request->addresses[0].where, "messages[0].content[0].source.url");
  EXPECT_EQ(block.request->images.size(), 1U);
  EXPECT_EQ(block.request->carried.size(), 1U);
  std::string written;
  block.reader.write({.model = "n", .output_tokens = 9}, written);
  EXPECT_NE(written.find(R"("source":{"type":"url","url":"https://a.example/"})"),
            std::string::npos)
      << written;
}

TEST(RequestMedia, TellsTheHostsOfImagesOfResponses) {
  const Asked asked(Surface::kResponses,
                    R"({"model":"m","input":[{"role":"user","content":[{"type":"input_image",)"
                    R"("image_url":"https://a.example/x","detail":"low"}]}]})");
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  ASSERT_EQ(asked.request->addresses.size(), 1U);
  EXPECT_EQ(asked.request->addresses[0].host, "a.example");
  EXPECT_EQ(asked.request->addresses[0].where, "input[0].content[0].image_url");
  EXPECT_EQ(asked.request->images.size(), 1U);
  EXPECT_EQ(asked.request->carried.size(), 1U);
}

// An address names what is fetched: another is another.
TEST(RequestMedia, MasksNoAddress) {
  const Asked asked = chat(image_url("https://a.example/secret"));
  ASSERT_TRUE(asked.request);
  const std::size_t text = asked.request->texts.size();
  const Mask mask{.text = text, .begin = 18, .end = 24, .by = "[MASK]"};
  std::string written;
  EXPECT_EQ(asked.reader.mask(std::span(&mask, 1), written), 0U);
}

TEST(RequestMedia, RefusesRecordingsThatCannotBeMeasured) {
  const std::string part = "messages[0].content[0]";
  const std::string audio = part + ".input_audio";
  expect_refused(chat(input_audio("flac", "fLaC")), kInvalid, audio + ".format");
  expect_refused(chat(input_audio("mp3", wav(5))), kInvalid, audio + ".data");
  expect_refused(chat(input_audio("wav", "RIFF")), kInvalid, audio + ".data");
  expect_refused(chat(input_audio("wav", "")), kInvalid, audio + ".data");
  expect_refused(chat(R"({"type":"input_audio","input_audio":{"data":"QQ"}})"), kInvalid,
                 audio + ".format");
  expect_refused(chat(R"({"type":"input_audio","input_audio":{"format":"wav"}})"), kInvalid,
                 audio + ".data");
  expect_refused(chat(R"({"type":"input_audio","input_audio":{"url":"http://a"}})"), kUnsupported,
                 audio + ".url");
  expect_refused(chat(R"({"type":"input_audio"})"), kInvalid, audio);
  expect_refused(chat(R"({"type":"audio_url","audio_url":{"url":"data:"}})"), kUnsupported, part);
}

// A name is sent on with its null, and is no place to write in.
TEST(RequestMedia, RefusesNullsUnderWhatIsNoName) {
  const std::string url = url_of("image/png", gif(5, 5, ""));
  const std::string part = "messages[0].content[0]";
  expect_refused(
      chat(R"({"type":"image_url","image_url":{"url":")" + url + R"("},"Any words":null})"),
      kInvalid, part + ".Any words");
  expect_refused(chat(image_url(url, R"(,"AKIA":null)")), kInvalid, part + ".image_url.AKIA");
  expect_refused(message(R"({"type":"image","source":{},"AKIA":null})"), kInvalid, part + ".AKIA");
  expect_refused(chat(R"({"type":"input_audio","input_audio":{"AKIA":null}})"), kInvalid,
                 part + ".input_audio.AKIA");
}

TEST(RequestMedia, RefusesBlocksThatCannotBeMeasured) {
  const std::string block = "messages[0].content[0]";
  const auto source = [](std::string_view fields) {
    return fmt::format(R"({{"type":"image","source":{{{}}}}})", fields);
  };
  expect_refused(message(source(R"("type":"url","url":"https://a")")), kUnsupported,
                 block + ".source.url");
  expect_refused(message(source(R"("type":"url","url":7)")), kInvalid, block + ".source.url");
  expect_refused(message(source(R"("type":"base64","url":"https://a/")")), kUnsupported,
                 block + ".source.url");
  expect_refused(
      message(source(R"("type":"url","url":"https://a/","media_type":"image/png","data":"QQ==")")),
      kInvalid, block + ".source");
  expect_refused(message(source(R"("type":"file","file_id":"f")")), kUnsupported,
                 block + ".source.file_id");
  expect_refused(message(source(R"("type":"url")")), kInvalid, block + ".source.url");
  expect_refused(message(source(R"("type":"file")")), kUnsupported, block + ".source.type");
  expect_refused(message(source("")), kInvalid, block + ".source.type");
  expect_refused(message(source(R"("type":"base64","data":"QQ==")")), kInvalid,
                 block + ".source.media_type");
  expect_refused(message(source(R"("type":"base64","media_type":"image/png")")), kInvalid,
                 block + ".source.data");
  expect_refused(message(image_block("image/tiff", "II")), kInvalid, block + ".source.media_type");
  expect_refused(message(image_block("image/png", gif(5, 5, ""))), kInvalid,
                 block + ".source.data");
  expect_refused(message(R"({"type":"image"})"), kInvalid, block + ".source");
  expect_refused(message(R"({"type":"image","source":{},"text":"a"})"), kUnsupported,
                 block + ".text");
  expect_refused(Asked(Surface::kMessages,
                       fmt::format(R"({{"model":"m","max_tokens":9,"messages":[],"system":[{}]}})",
                                   image_block("image/png", png(5, 5)))),
                 kInvalid, "messages");
}

// What else stands in a part of text may be read as well: it counts.
TEST(RequestMedia, CountsWhatStandsBesideAText) {
  const Asked asked = chat(R"({"type":"text","text":"a","image_url":{"url":"data:image/png"}})");
  ASSERT_TRUE(asked.request);
  ASSERT_EQ(asked.request->texts.size(), 3U);
  EXPECT_EQ(asked.request->texts[2].text, R"({"url":"data:image/png"})");
}

}  // namespace
}  // namespace tollgate::dialects::testing
