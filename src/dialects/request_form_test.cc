// Forms with recordings: what is read of them, and what leaves.
#include <gtest/gtest.h>

#include <string>

#include "dialects/form.h"
#include "dialects/request.h"
#include "dialects/testing_media.h"

namespace tollgate::dialects {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=BOUND";

std::string value(std::string_view name, std::string_view value) {
  std::string out;
  append_form_value("BOUND", name, value, out);
  return out;
}
std::string file(std::string_view bytes, std::string_view name = "file") {
  std::string out;
  append_form_file("BOUND", name, {"../x.exe", "text/html"}, bytes, out);
  return out;
}
const std::string kFile = file(testing::wav(1500));
const std::string kModel = value("model", "whisper");

class RequestForm : public ::testing::Test {
 protected:
  Expected<Request> read(std::string parts, Surface surface = Surface::kTranscriptions) {
    body_ = std::move(parts);
    append_form_end("BOUND", body_);
    return reader_.read_form(surface, kType, body_);
  }
  void expect_refused(const std::string& parts, Reason reason, std::string_view param,
                      Surface surface = Surface::kTranscriptions) {
    const Expected<Request> request = read(parts, surface);
    ASSERT_FALSE(request) << parts.substr(0, 300);
    EXPECT_EQ(request.error().reason, reason) << request.error().message;
    EXPECT_EQ(request.error().param, param) << request.error().message;
  }

  RequestReader reader_;
  std::string body_;
};

TEST_F(RequestForm, TellsWhatIsCountedAndInspected) {
  const auto request =
      read(kFile + kModel + value("prompt", "A door") + value("language", "en") +
           value("response_format", "verbose_json") + value("temperature", "0.2") +
           value("timestamp_granularities[]", "word") +
           value("timestamp_granularities[]", "segment") + value("stream", "false"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model, "whisper");
  EXPECT_EQ(request->sound, std::chrono::milliseconds(1500));
  EXPECT_EQ(request->made_format, "verbose_json");
  ASSERT_EQ(request->texts.size(), 1U);
  EXPECT_EQ(request->texts[0].text, "A door");
  EXPECT_EQ(place_of(request->texts, 0), "prompt");
  EXPECT_EQ(request->carried.size(), 4U);
  EXPECT_TRUE(
      read(kModel + file(testing::repeated(testing::mp3_frame_128(), 40)), Surface::kTranslations));
}

TEST_F(RequestForm, IsWrittenAnew) {
  ASSERT_TRUE(read(kFile + kModel + value("prompt", "A door")));
  const Edits edits{.model = "there--BOUNDa", .output_tokens = {}};
  std::string out;
  reader_.write(edits, out);
  EXPECT_EQ(reader_.content_type(edits), "multipart/form-data; boundary=BOUNDb");
  EXPECT_EQ(out.find("x.exe"), std::string::npos);
  EXPECT_EQ(out.find("text/html"), std::string::npos);
  EXPECT_NE(out.find("filename=\"audio.wav\"\r\nContent-Type: audio/wav\r\n"), std::string::npos);
  RequestReader other;
  const auto back = other.read_form(Surface::kTranscriptions, reader_.content_type(edits), out);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->model, "there--BOUNDa");
  EXPECT_EQ(back->sound, std::chrono::milliseconds(1500));
}

TEST_F(RequestForm, RefusesWhatCannotBePricedOrIsNotKnown) {
  using enum Reason;
  expect_refused(kModel, kInvalidRequest, "file");
  expect_refused(kFile, kInvalidRequest, "model");
  expect_refused(kFile + value("model", ""), kInvalidRequest, "model");
  expect_refused(kModel + value("file", testing::wav(1)), kInvalidRequest, "file");
  expect_refused(kModel + file("fLaC and so on"), kUnsupportedParameter, "file");
  expect_refused(kModel + file(""), kUnsupportedParameter, "file");
  expect_refused(kModel + file("RIFFxxxxAVI "), kInvalidRequest, "file");
  expect_refused(kFile + kModel + kModel, kDuplicateKey, "model");
  expect_refused(kFile + kFile + kModel, kDuplicateKey, "file");
  expect_refused(kFile + kModel + value("timestamp_granularities[]", "word") +
                     value("timestamp_granularities[]", "word"),
                 kDuplicateKey, "timestamp_granularities[]");
  expect_refused(kFile + kModel + file("x", "prompt"), kInvalidRequest, "prompt");
  expect_refused(kFile + kModel + file("x", "other"), kInvalidRequest, "other");
  expect_refused(kFile + kModel + value("prompt", "\xFF"), kInvalidRequest, "prompt");
  expect_refused(kFile + kModel + value("response_format", "html"), kInvalidRequest,
                 "response_format");
  for (const std::string_view temperature : {"2", "-1", "0.5x", "", "1e-3", "nan", "inf"})
    expect_refused(kFile + kModel + value("temperature", temperature), kInvalidRequest,
                   "temperature");
  expect_refused(kFile + kModel + value("language", "en\r\nX: y"), kInvalidRequest, "language");
  for (const std::string_view name :
       {"include[]", "known_speaker_names[]", "api_base", "n", "chunking_strategy"})
    expect_refused(kFile + kModel + value(name, "true"), kUnsupportedParameter, name);
  for (const auto& [name, text] : {std::pair("language", "en"), std::pair("stream", "true")}) {
    expect_refused(kFile + kModel + value(name, text), kUnsupportedParameter, name,
                   Surface::kTranslations);
  }
}

TEST_F(RequestForm, OfImagesTellsTheirSizesAndWhatIsToBeMade) {
  const std::string kPrompt = value("prompt", "A door");
  const std::string kPng = file(testing::png(64, 32), "image");
  const auto request = read(kPng + file(testing::png(64, 32), "mask") + value("model", "gpt") +
                                kPrompt + value("n", "3") + value("size", "1024x1024") +
                                value("quality", "auto") + value("response_format", "b64_json"),
                            Surface::kImageEdits);
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->images.size(), 2U);
  EXPECT_EQ(request->images[0].width, 64);
  EXPECT_EQ(request->first_image, "image");
  EXPECT_EQ(request->choices, 3);
  EXPECT_EQ(request->image_size, "1024x1024");
  EXPECT_EQ(request->image_quality, "");
  EXPECT_TRUE(read(file(testing::jpeg(8, 8), "image[]") +
                       file(testing::webp_lossy(8, 8), "image[]") + kModel + kPrompt,
                   Surface::kImageEdits));
  using enum Reason;
  const auto refused = [&](const std::string& parts, Reason reason, std::string_view param) {
    expect_refused(parts + kModel, reason, param, Surface::kImageEdits);
  };
  refused(kPng, kInvalidRequest, "prompt");
  refused(kPrompt, kInvalidRequest, "image");
  refused(kPng + kPng + kPrompt, kDuplicateKey, "image");
  refused(kPng + file(testing::png(8, 8), "image[]") + kPrompt, kInvalidRequest, "image");
  refused(file("GIF89a", "image") + kPrompt, kInvalidRequest, "image");
  refused(file("\x89PNG and so on", "image") + kPrompt, kInvalidRequest, "image");
  refused(value("image", "https://x.example/a.png") + kPrompt, kInvalidRequest, "image");
  for (const std::string_view n : {"0", "-1", "1.5", "", "99999999"})
    refused(kPng + kPrompt + value("n", n), kInvalidRequest, "n");
  refused(kPng + kPrompt + value("size", "1 x 1"), kInvalidRequest, "size");
  for (const auto& [name, asked] :
       {std::pair("response_format", "url"), std::pair("input_fidelity", "high"),
        std::pair("stream", "true"), std::pair("partial_images", "0"), std::pair("file", "x")})
    refused(kPng + kPrompt + value(name, asked), kUnsupportedParameter, name);
}

TEST_F(RequestForm, IsNoJson) {
  const std::string body = R"({"model":"whisper"})" + std::string(RequestReader::kPadding, ' ');
  EXPECT_FALSE(reader_.read(Surface::kTranscriptions, std::string_view(body).substr(0, 19)));
  EXPECT_FALSE(reader_.read_form(Surface::kTranscriptions, "application/json", body));
}

TEST_F(RequestForm, IsNotWrittenWithMasks) {
  ASSERT_TRUE(read(kFile + kModel + value("prompt", "A door")));
  std::string out;
  const Mask mask{.text = 0, .begin = 0, .end = 1, .by = "x"};
  EXPECT_EQ(reader_.mask(std::span(&mask, 1), out), 0U);
}

}  // namespace
}  // namespace tollgate::dialects
