// Images and speech: what is held and paid for them, and what of the answers reaches the caller.
#include <gtest/gtest.h>

#include <string>

#include "dialects/form.h"
#include "dialects/testing_media.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
models:
  dalle: { upstream: vllm, name: dall-e-3, tokenizer: o200k_base, price_per_image: { 1024x1024: 0.04, hd/1024x1024: 0.08 } }
  editor: { upstream: vllm, name: dall-e-2, tokenizer: o200k_base, images: gpt-4o, price_per_image: { any: 0.02 } }
  gpt: { upstream: vllm, images: gpt-4o, name: gpt-image-1, tokenizer: o200k_base, price_per_million: { input: 1, output: 10 }, tokens_per_image: { low/1024x1024: 272, high/1024x1024: 4160 } }
  whisper: { upstream: vllm, name: whisper-1, tokenizer: o200k_base, price_per_minute: 0.006 }
  tts: { upstream: vllm, tokenizer: o200k_base, price_per_million_characters: 15 }
tenants:
  acme: { budget: { usd: 500, per: day, when_exhausted: refuse } }
routes:
  - name: images
    path: /v1/images/generations
    models: [dalle, gpt]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, choices: 4 }
  - name: speech
    path: /v1/audio/speech
    models: [tts]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000 }
  - name: edits
    path: /v1/images/edits
    models: [gpt, editor]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, choices: 4 }
  - name: listen
    path: /v1/audio/transcriptions
    models: [whisper]
    allow: [{ tenants: [acme] }]
    prompt: { body: 128KiB, input_tokens: 200 }
    content: { request: [secrets], response: [secrets] }
)";

std::string image_of(std::string_view model, std::string_view more = {}) {
  return R"({"model":")" + std::string(model) + R"(","prompt":"A red door")" + std::string(more) +
         "}";
}
std::string images(int count, std::string_view more = {}) {
  std::string data;
  for (int i = 0; i < count; ++i) data += std::string(i > 0 ? "," : "") + R"({"b64_json":"AA=="})";
  return R"({"created":0,"data":[)" + data + "]" + std::string(more) + "}";
}
std::string usage(Tokens output) {
  return R"(,"usage":{"input_tokens":4,"output_tokens":)" + std::to_string(output) + "}";
}

class MadeTest : public PipelineTest {
 protected:
  MadeTest() : PipelineTest(kDoors) {}

  auto draw(std::string body, std::string answer) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::move(answer)};
    return world.serve(ask(std::move(body), "/v1/images/generations"));
  }
  auto speak(std::string body, std::vector<std::string> pieces, std::string type = "audio/mpeg") {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = std::move(pieces);
    world.upstreams.script.content_type = std::move(type);
    return world.serve(ask(std::move(body), "/v1/audio/speech"));
  }
  auto listen(std::string_view format, std::string answer, std::string_view prompt = "A door") {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::move(answer)};
    std::string body;
    const dialects::FormFile file{"a.wav", "audio/wav"};
    dialects::append_form_file("BOUND", "file", file, dialects::testing::wav(2500), body);
    dialects::append_form_value("BOUND", "model", "whisper", body);
    dialects::append_form_value("BOUND", "prompt", prompt, body);
    dialects::append_form_value("BOUND", "response_format", format, body);
    dialects::append_form_end("BOUND", body);
    Ask asked = ask(std::move(body), "/v1/audio/transcriptions");
    asked.headers.emplace_back("Content-Type", "multipart/form-data; boundary=BOUND");
    return world.serve(asked);
  }
  void expect_refused(const std::string& body, std::string_view words,
                      std::string target = "/v1/images/generations") {
    world.upstreams.messages.clear();
    const auto caller = world.serve(ask(body, std::move(target)));
    EXPECT_EQ(caller->status, 400) << body;
    EXPECT_NE(caller->text.find(words), std::string::npos) << caller->text;
    EXPECT_TRUE(world.upstreams.messages.empty());
    EXPECT_EQ(world.ledger.open(), 0);
  }
};

TEST_F(MadeTest, ImagesAreHeldAtTheDearestAndPaidByHowManyCame) {
  const auto caller = draw(image_of("dalle", R"(,"n":3,"size":"1024x1024")"), images(2));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(settled().held, Money{240'000}) << "the model may choose the dearer quality";
  EXPECT_EQ(settled().used.cost, Money{160'000});
  EXPECT_NE(last().written.find(R"("images":2)"), std::string::npos) << last().written;
  EXPECT_NE(last().written.find(R"(;images:0.08/1")"), std::string::npos) << last().written;

  (void)draw(image_of("dalle", R"(,"quality":"standard","size":"1024x1024")"), images(1));
  EXPECT_EQ(settled().held, Money{40'000});
  (void)draw(image_of("dalle"), images(9));
  EXPECT_EQ(settled().used.cost, Money{80'000}) << "no more than was held, whatever comes";
  expect_clean_books();
}

TEST_F(MadeTest, ImagesByTokensAreHeldAtTheMostAndPaidAsReported) {
  ASSERT_EQ(draw(image_of("gpt", R"(,"n":2)"), images(2, usage(544)))->status, 200);
  EXPECT_GE(settled().held, Money{2 * 41'600});
  EXPECT_EQ(settled().used.output, 544);
  // A figure far below what any image comes to is not believed, nor one that is not there.
  (void)draw(image_of("gpt", R"(,"n":2)"), images(2, usage(10)));
  EXPECT_EQ(settled().used.output, 8320);
  (void)draw(image_of("gpt", R"(,"n":2)"), images(1));
  EXPECT_EQ(settled().used.output, 4160);
  (void)draw(image_of("gpt", R"(,"quality":"low","size":"1024x1024")"), images(1, usage(90'000)));
  EXPECT_EQ(settled().used.output, 272);
  expect_clean_books();
}

TEST_F(MadeTest, ImagesWithoutAPriceAreRefused) {
  expect_refused(image_of("dalle", R"(,"size":"512x512")"), "has no price");
  expect_refused(image_of("gpt", R"(,"quality":"medium")"), "has no price");
  expect_refused(image_of("dalle", R"(,"size":"1024 x 1024")"), "'size'");
  expect_refused(image_of("dalle", R"(,"n":5)"), "choices");
  expect_refused(image_of("dalle", R"(,"response_format":"url")"), "address of an image");
  expect_refused(image_of("gpt", R"(,"partial_images":2)"), "partial_images");
  expect_refused(image_of("gpt", R"(,"stream":true)"), "stream");
  expect_refused(image_of("gpt", R"(,"num_images":20)"), "num_images");
}

TEST_F(MadeTest, ImagesAreAskedForThemselvesAndNotTheirAddresses) {
  (void)draw(image_of("dalle"), images(1));
  EXPECT_NE(world.upstreams.messages[0].find(R"("response_format":"b64_json")"), std::string::npos);
  (void)draw(image_of("gpt"), images(1, usage(272)));
  EXPECT_EQ(world.upstreams.messages[0].find("response_format"), std::string::npos);
  for (const std::string_view item :
       {R"({"url":"https://x.example/a"})", R"({"b64_json":"AA==","url":"https://x.example/a"})",
        R"({"b64_json":""})", "7"}) {
    const auto caller =
        draw(image_of("dalle"), R"({"created":0,"data":[)" + std::string(item) + "]}");
    EXPECT_EQ(caller->status, 502) << item;
    EXPECT_EQ(caller->text.find("x.example"), std::string::npos);
    EXPECT_EQ(settled().used.cost, Money{80'000}) << "it was made";
  }
}

TEST_F(MadeTest, SpeechIsPaidByItsCharactersAndHandedOnAsItComes) {
  const auto caller = speak(
      R"({"model":"tts","input":"Grüße","voice":"alloy","instructions":"Slowly","response_format":"wav"})",
      {"RIFF", "more"}, "Audio/X-WAV; rate=1");
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->text, "RIFFmore");
  EXPECT_EQ(settled().held, Money{165}) << "eleven characters";
  EXPECT_EQ(settled().used.cost, Money{165});
  EXPECT_NE(last().written.find(R"("characters":11)"), std::string::npos) << last().written;
  EXPECT_NE(world.upstreams.messages[0].find("Accept: audio/*"), std::string::npos);
  expect_clean_books();
}

TEST_F(MadeTest, SpeechThatIsNoSoundReachesNobody) {
  const std::string body = R"({"model":"tts","input":"Hi","voice":"alloy"})";
  for (const std::string_view type : {"text/html", "application/json", ""}) {
    const auto caller = speak(body, {"<script>"}, std::string(type));
    EXPECT_EQ(caller->status, 502);
    EXPECT_EQ(caller->text.find("<script>"), std::string::npos);
    EXPECT_EQ(settled().used.cost, Money{30});
  }
  EXPECT_EQ(speak(body, {})->status, 502) << "nothing came";
  world.upstreams.script.fault = FaultKind::kBroken;
  world.story.clear();
  const auto caller = speak(body, {"half"});
  EXPECT_EQ(caller->text, "half");
  EXPECT_FALSE(told("finish")) << "or it would pass for whole";
  EXPECT_NE(last().written.find(R"("outcome":"cut")"), std::string::npos) << last().written;
  expect_clean_books();
}

TEST_F(MadeTest, SpeechOfWhatIsNotKnownIsRefused) {
  const auto with = [](std::string_view more) {
    return R"({"model":"tts","input":"Hi","voice":"alloy")" + std::string(more) + "}";
  };
  const std::string target = "/v1/audio/speech";
  expect_refused(with(R"(,"stream_format":"sse")"), "stream_format", target);
  expect_refused(with(R"(,"response_format":"exe")"), "response_format", target);
  expect_refused(with(R"(,"repeat":100)"), "repeat", target);
  expect_refused(R"({"model":"tts","voice":"alloy"})", "'input'", target);
  expect_refused(R"({"model":"tts","input":["Hi"],"voice":"alloy"})", "'input'", target);
}

TEST_F(MadeTest, EditsAreHeldWithTheImagesThatTheyAreMadeOf) {
  const auto edit = [&](std::string_view model, std::string_view more, std::string answer) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {std::move(answer)};
    std::string body;
    const dialects::FormFile file{"a.png", "image/png"};
    const std::string png = dialects::testing::png(512, 512);
    dialects::append_form_value("BOUND", "model", model, body);
    dialects::append_form_value("BOUND", "prompt", "A door", body);
    dialects::append_form_file("BOUND", "image[]", file, png, body);
    dialects::append_form_file("BOUND", "image[]", file, png, body);
    dialects::append_form_value("BOUND", "n", more, body);
    dialects::append_form_end("BOUND", body);
    Ask asked = ask(std::move(body), "/v1/images/edits");
    asked.headers.emplace_back("Content-Type", "multipart/form-data; boundary=BOUND");
    return world.serve(asked);
  };
  ASSERT_EQ(edit("gpt", "2", images(2, usage(544)))->status, 200);
  EXPECT_GE(settled().held, Money{2 * 41'600 + 2 * 255}) << "a tile of 512 pixels each";
  EXPECT_GE(settled().used.input, 2 * 255) << "four tokens are far below what was sent";
  EXPECT_EQ(settled().used.output, 544);
  EXPECT_EQ(world.upstreams.messages[0].find("response_format"), std::string::npos);
  ASSERT_EQ(edit("editor", "3", images(2))->status, 200);
  EXPECT_EQ(settled().held, Money{60'000});
  EXPECT_EQ(settled().used.cost, Money{40'000});
  EXPECT_NE(world.upstreams.messages[0].find("name=\"response_format\"\r\n\r\nb64_json\r\n"),
            std::string::npos);
  EXPECT_NE(last().written.find(R"("images":2)"), std::string::npos);
  EXPECT_EQ(edit("editor", "5", images(1))->status, 400);
  expect_clean_books();
}

// In two parts, so that no scanner of repositories takes it for one.
const std::string kSecret = std::string("AKIA") + "Q3EGRS5WXNB7TC2V";

TEST_F(MadeTest, RecordingsArePaidByTheirSecondsWhateverTheFormat) {
  for (const auto& [format, answer, type] :
       {std::tuple("json", R"({"text":"hello"})", "application/json"),
        std::tuple("verbose_json", R"({"text":"hello","segments":[]})", "application/json"),
        std::tuple("text", "hello", "text/plain; charset=utf-8"),
        std::tuple("srt", "1\n00:00 hello", "text/plain; charset=utf-8"),
        std::tuple("vtt", "WEBVTT", "text/vtt; charset=utf-8")}) {
    const auto caller = listen(format, answer);
    ASSERT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(caller->text, answer);
    EXPECT_EQ(caller->content_type, type);
    EXPECT_EQ(settled().held, Money{300}) << "three seconds, begun";
    EXPECT_EQ(settled().used.cost, Money{300});
    EXPECT_NE(last().written.find(R"("audio_seconds":3)"), std::string::npos) << last().written;
    EXPECT_NE(world.upstreams.messages[0].find(
                  "\r\nContent-Type: multipart/form-data; boundary=BOUNDa\r\n"),
              std::string::npos);
  }
  expect_clean_books();
}

TEST_F(MadeTest, TranscriptsAreInspectedInEveryFormat) {
  EXPECT_EQ(listen("json", "{}", "Mind " + kSecret)->status, 400);
  EXPECT_TRUE(world.upstreams.messages.empty());
  for (const auto& [format, answer] :
       {std::pair<std::string, std::string>("json", R"({"text":"it is )" + kSecret + "\"}"),
        {"verbose_json", R"({"text":"","segments":[{"text":")" + kSecret + "\"}]}"},
        {"text", "it is " + kSecret},
        {"srt", "1\n" + kSecret}}) {
    const auto caller = listen(format, answer);
    EXPECT_EQ(caller->status, 400) << format << caller->text;
    EXPECT_EQ(caller->text.find(kSecret), std::string::npos);
    EXPECT_EQ(settled().used.cost, Money{300}) << "it was made";
  }
}

TEST_F(MadeTest, TranscriptsThatCannotBeReadReachNobody) {
  for (const auto& [format, answer] : {std::pair<std::string, std::string>("json", "hello"),
                                       {"json", R"({"text":7})"},
                                       {"json", R"({"text":"a","text":"b"})"},
                                       {"text", "\xFF\xFE"}}) {
    const auto caller = listen(format, answer);
    EXPECT_EQ(caller->status, 502) << answer;
    EXPECT_EQ(settled().used.cost, Money{300});
  }
  expect_clean_books();
}

// Beside its tokens; the upstream's errors are free.
TEST(RequestPrice, IsHeldAndPaidByEachThatIsAnswered) {
  std::string text = settings_with("price_per_million: { input: 1, output: 10 } }\n  big",
                                   "price_per_million: { input: 1, output: 10 }, "
                                   "price_per_request: 0.002 }\n  big");
  World world(load_settings(text), shared_vocabularies());
  const std::string key = world.add_key("acme", "ada");
  const auto serve = [&] {
    Ask asked;
    asked.target = "/v1/chat/completions";
    asked.headers = {{"Authorization", "Bearer " + key}};
    asked.body = R"({"model":"small","messages":[{"role":"user","content":"Hello there"}]})";
    return world.serve(asked)->status;
  };
  world.upstreams.script.pieces = {whole(reported(9, 4))};
  EXPECT_EQ(serve(), 200);
  EXPECT_EQ(world.ledger.settled.back().used.cost.micro_usd, 2000 + 9 + 40);
  EXPECT_GE(world.ledger.settled.back().held.micro_usd, 2000 + 9 + 1000);
  const std::string& written = world.trail.records.back().written;
  EXPECT_NE(written.find(R"("requests":1)"), std::string::npos) << written;
  EXPECT_NE(written.find(R"(1.00/1.00/10.00;requests:0.002/1")"), std::string::npos) << written;
  world.upstreams.script.pieces = {whole("")};  // Nobody says what was used.
  EXPECT_EQ(serve(), 200);
  EXPECT_GE(world.ledger.settled.back().used.cost.micro_usd, 2000 + 9);
  world.upstreams.script.status = 500;
  EXPECT_EQ(serve(), 502);
  EXPECT_EQ(world.ledger.settled.back().used.cost, Money{});
}

// Streamed, as whole, by its seconds; a transcript that is ended can only say that it failed.
TEST_F(MadeTest, TranscriptsAsEventsArePaidBySecondsAndInspected) {
  const auto stream = [&](std::vector<std::string> pieces, bool breaks = false) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = std::move(pieces);
    world.upstreams.script.content_type = "text/event-stream";
    if (breaks) world.upstreams.script.fault = FaultKind::kBroken;
    std::string body;
    const dialects::FormFile file{"a.wav", "audio/wav"};
    dialects::append_form_file("BOUND", "file", file, dialects::testing::wav(2500), body);
    dialects::append_form_value("BOUND", "model", "whisper", body);
    dialects::append_form_value("BOUND", "stream", "true", body);
    dialects::append_form_end("BOUND", body);
    Ask asked = ask(std::move(body), "/v1/audio/transcriptions");
    asked.headers.emplace_back("Content-Type", "multipart/form-data; boundary=BOUND");
    return world.serve(asked);
  };
  const auto delta = [](std::string_view text) {
    return "data: {\"type\":\"transcript.text.delta\",\"delta\":\"" + std::string(text) + "\"}\n\n";
  };
  const auto done = [](std::string_view text) {
    return "data: {\"type\":\"transcript.text.done\",\"text\":\"" + std::string(text) +
           "\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":9999,\"output_tokens\":9999}}\n\n";
  };
  const auto caller = stream({delta("it is "), delta("here") + done("it is here")});
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->content_type, "text/event-stream");
  EXPECT_EQ(caller->text, delta("it is ") + delta("here") + done("it is here"));
  EXPECT_EQ(settled().held, Money{300});
  EXPECT_EQ(settled().used.cost, Money{300});
  EXPECT_NE(last().written.find(R"("audio_seconds":3)"), std::string::npos) << last().written;
  EXPECT_NE(world.upstreams.messages[0].find("Accept: text/event-stream"), std::string::npos);

  const auto secret = stream({delta("it is nothing that matters at all, "),
                              delta("but " + kSecret.substr(0, 7)), delta(kSecret.substr(7) + " "),
                              done("it is nothing that matters at all, but " + kSecret)});
  EXPECT_EQ(secret->text.find(kSecret.substr(7)), std::string::npos) << secret->text;
  EXPECT_EQ(secret->text.find("transcript.text.done"), std::string::npos) << secret->text;
  EXPECT_NE(secret->text.find(R"("error")"), std::string::npos) << secret->text;
  EXPECT_EQ(settled().used.cost, Money{300}) << "it was made";
  EXPECT_EQ(last().code, "content_refused");
  // In the end alone.
  const auto late = stream({delta("fine "), done("it is " + kSecret)});
  EXPECT_EQ(late->text.find(kSecret), std::string::npos) << late->text;
  // What is no transcript, and what breaks off.
  EXPECT_EQ(stream({"data: {\"choices\":[]}\n\n"})->status, 502);
  EXPECT_EQ(settled().used.cost, Money{300});
  const auto half = stream({delta("it is ")}, true);
  EXPECT_NE(half->text.find(R"("error")"), std::string::npos) << half->text;
  EXPECT_EQ(settled().used.cost, Money{300});
  EXPECT_NE(last().written.find(R"("outcome":"cut")"), std::string::npos) << last().written;
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
