// Requests with images and recordings: what is held and paid for them, and which models they reach.
#include <gtest/gtest.h>

#include <string>

#include "dialects/testing_media.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

using dialects::testing::base64;

// A token of input costs one micro-dollar, one of output ten, one of sound forty.
constexpr std::string_view kDoors = R"(
store: { ledger: memory }
authentication: { api_keys: {} }
upstreams:
  vllm: { url: "http://10.0.0.5:8000/v1", speaks: openai, credential: sk-upstream-secret }
  claude: { url: "https://[2001:db8::7]/", speaks: anthropic, credential: sk-ant-secret }
models:
  eyes: { upstream: vllm, tokenizer: o200k_base, images: gpt-4o, audio: openai, price_per_million: { input: 1, output: 10, audio: 40 } }
  cheap: { upstream: vllm, tokenizer: o200k_base, images: gpt-4.1-mini, price_per_million: { input: 1, output: 1 } }
  blind: { upstream: vllm, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
  opus: { upstream: claude, tokenizer: o200k_base, images: claude, price_per_million: { input: 1, output: 10 } }
  haiku: { upstream: claude, tokenizer: o200k_base, price_per_million: { input: 1, output: 1 } }
tenants:
  acme: { budget: { usd: 500, per: day, when_exhausted: refuse } }
limits:
  tenant_id: { input_tokens_per_minute: 80000 }
routes:
  - name: chat
    path: /v1/chat/completions
    models: [eyes, cheap, blind]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
  - name: messages
    path: /v1/messages
    models: [opus, haiku]
    allow: [{ tenants: [acme] }]
    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100, choices: 1 }
)";

std::string doors_with(std::string_view from, std::string_view to) {
  std::string text(kDoors);
  const std::size_t at = text.find(from);
  CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string image(std::uint64_t width, std::uint64_t height) {
  return R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" +
         base64(dialects::testing::png(width, height)) + R"("}})";
}
std::string recording(std::uint64_t milliseconds) {
  return R"({"type":"input_audio","input_audio":{"format":"wav","data":")" +
         base64(dialects::testing::wav(milliseconds)) + R"("}})";
}
// "Hello there" and a part: nine tokens, two for where they are joined, and those of the part.
constexpr Tokens kText = 11;
std::string hello_with(std::string_view part, std::string_view model = "eyes") {
  return R"({"model":")" + std::string(model) +
         R"(","messages":[{"role":"user","content":[{"type":"text","text":"Hello there"},)" +
         std::string(part) + "]}]}";
}
std::string claude_with_image(std::string_view model) {
  return R"({"model":")" + std::string(model) +
         R"(","max_tokens":50,"messages":[{"role":"user","content":[{"type":"image","source":)"
         R"({"type":"base64","media_type":"image/png","data":")" +
         base64(dialects::testing::png(1092, 1092)) + R"("}},{"type":"text","text":"Hello"}]}]})";
}

std::string usage(Tokens input, std::string_view audio) {
  return R"({"prompt_tokens":)" + std::to_string(input) +
         R"(,"completion_tokens":4,"total_tokens":)" + std::to_string(input + 4) +
         R"(,"prompt_tokens_details":{)" + std::string(audio) + "}}";
}

class MediaTest : public PipelineTest {
 protected:
  explicit MediaTest(std::string_view settings = kDoors) : PipelineTest(settings) {}
  std::int64_t input_charged() const {
    for (const Charged& limit : world.ledger.limits)
      if (limit.rule == "limits.tenant_id.input_tokens_per_minute") return limit.amount;
    return -1;
  }
  std::int64_t held() const { return world.ledger.budgets.at(0).amount; }
};

TEST_F(MediaTest, HoldsAndRecordsWhatAnImageCosts) {
  world.upstreams.script.pieces = {whole(usage(kText + 765, ""))};
  const auto caller = world.serve(ask(hello_with(image(1024, 1024))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(input_charged(), kText + 765);
  EXPECT_EQ(held(), kText + 765 + kCap * 10);
  EXPECT_EQ(settled().used.input, kText + 765);
  EXPECT_EQ(settled().used.cost.micro_usd, kText + 765 + 40);
  const std::string& decision = world.trail.records.at(0).written;
  EXPECT_NE(decision.find(R"("input_tokens_counted":776,"images":1,)"), std::string::npos)
      << decision;
  // The image itself goes on to the model, and into no record.
  const std::string bytes = base64(dialects::testing::png(1024, 1024));
  EXPECT_NE(world.upstreams.messages.at(0).find(bytes), std::string::npos);
  for (const Recorded& record : world.trail.records)
    EXPECT_EQ(record.written.find(bytes.substr(0, 20)), std::string::npos);
  expect_clean_books();
}

TEST_F(MediaTest, HoldsAnImageInAMessageOfAnthropic) {
  const auto caller = world.serve(ask(claude_with_image("opus"), "/v1/messages"));
  // "user" and "Hello" are two tokens, what stands around a message at most nineteen.
  EXPECT_EQ(input_charged(), 2 + 19 + 1590) << caller->text;
}

// A bound is a token a byte of text; what is measured stays what it is.
TEST_F(MediaTest, HoldsTheSameImageWhereTextIsOnlyBounded) {
  world.upstreams.script.pieces = {whole(usage(kText + 765, ""))};
  for (int i = 0; i < 2; ++i) world.serve(ask(hello_with(image(1024, 1024))));
  EXPECT_EQ(input_charged(), 6 + 2 + 4 + 11 + 765);
  EXPECT_NE(world.trail.records.at(2).written.find("\"bound\":true"), std::string::npos);
  EXPECT_EQ(settled().used.input, kText + 765);
  EXPECT_EQ(settled().used.cost.micro_usd, kText + 765 + 40);
  expect_clean_books();
}

std::string image_at(std::string_view url, std::string_view detail = "high") {
  return R"({"type":"image_url","image_url":{"url":")" + std::string(url) + R"(","detail":")" +
         std::string(detail) + R"("}})";
}

class AddressTest : public MediaTest {
 protected:
  AddressTest()
      : MediaTest(doors_with("choices: 1 }",
                             R"(choices: 1, media_domains: [a.example, "*.b.example"] })")) {}
};

// How large it is nobody knows here: the dearest is held, what the provider says is paid.
TEST_F(AddressTest, HoldsTheDearestImageAndPaysForTheOneThatWas) {
  world.upstreams.script.pieces = {whole(usage(kText + 85, ""))};
  const auto caller = world.serve(ask(hello_with(image_at("https://a.example/x.png?y"))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(input_charged(), kText + 85 + 8 * 170);
  EXPECT_EQ(settled().used.input, kText + 85);
  EXPECT_EQ(settled().used.cost.micro_usd, kText + 85 + 40);
  const std::string& decision = world.trail.records.at(0).written;
  EXPECT_NE(decision.find(R"("images":1,"media_domains":["a.example"],)"), std::string::npos)
      << decision;
  EXPECT_NE(world.upstreams.messages.at(0).find("https://a.example/x.png?y"), std::string::npos);
  for (const Recorded& record : world.trail.records)
    EXPECT_EQ(record.written.find("x.png"), std::string::npos);
  expect_clean_books();
}

// An image may be dearer than text or cheaper. How large one by address is, and so how much of the
// input it was, says only the provider, who may say whatever he likes.
TEST(ImagePrices, InEitherOrderCostNoMoreThanWasHeld) {
  constexpr Tokens kMost = kText + 85 + 8 * 170;
  for (const bool is_text_dearer : {true, false}) {
    std::string doors = doors_with("choices: 1 }", "choices: 1, media_domains: [a.example] }");
    constexpr std::string_view kInput = "{ input: 1, output: 10, audio";
    doors.replace(doors.find(kInput), kInput.size(),
                  is_text_dearer ? "{ input: 3, image_input: 1, output: 10, audio"
                                 : "{ input: 1, image_input: 3, output: 10, audio");
    // `images`: of the input, as the provider says; -1: he does not say.
    const auto settled = [&](Tokens input, Tokens images) {
      World world(load_settings(doors), shared_vocabularies());
      Ask asked;
      asked.target = "/v1/chat/completions";
      asked.headers = {{"Authorization", "Bearer " + world.add_key("acme")}};
      asked.body = hello_with(image_at("https://a.example/x.png"));
      world.upstreams.script.pieces = {
          whole(usage(input, images < 0 ? "" : "\"image_tokens\":" + std::to_string(images)))};
      EXPECT_EQ(world.serve(asked)->status, 200);
      return world.ledger.settled.back();
    };
    for (const Tokens input : {kText, kText + 85, kMost}) {
      for (const Tokens images : {Tokens(-1), Tokens(0), Tokens(85), input}) {
        SCOPED_TRACE(std::to_string(input) + " " + std::to_string(images));
        const Settled done = settled(input, images);
        EXPECT_EQ(done.held, Money{3 * kMost + 10 * kCap}) << "all of it at the dearer price";
        EXPECT_LE(done.used.cost, done.held);
      }
    }
    // As much can be charged as was held of the input.
    EXPECT_EQ(settled(kMost, is_text_dearer ? 0 : kMost).used.cost, Money{3 * kMost + 40});
  }
}

// A bound holds no less.
TEST_F(AddressTest, HoldsTheSameWhereTextIsOnlyBounded) {
  world.upstreams.script.pieces = {whole(usage(kText + 85, ""))};
  for (int i = 0; i < 2; ++i) world.serve(ask(hello_with(image_at("https://x.b.example/", "low"))));
  EXPECT_EQ(input_charged(), 6 + 2 + 4 + 11 + 85);
  EXPECT_NE(world.trail.records.at(2).written.find("\"bound\":true"), std::string::npos);
  EXPECT_EQ(settled().used.input, kText + 85);
  expect_clean_books();
}

TEST_F(AddressTest, FetchesFromNowhereElse) {
  for (const std::string_view url : {"https://c.example/", "https://b.example/",
                                     "https://a.example.c.example/", "https://localhost/"}) {
    SCOPED_TRACE(url);
    const auto caller =
        world.serve(ask(hello_with(image_at("https://a.example/") + "," + image_at(url))));
    EXPECT_EQ(caller->status, 400);
    EXPECT_EQ(caller->header("x-tollgate-reason"), "unsupported_parameter");
    EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.chat.prompt.media_domains");
    EXPECT_NE(caller->text.find("'messages[0].content[2].image_url.url' names an image by an "),
              std::string::npos)
        << caller->text;
  }
  EXPECT_EQ(world.ledger.held, 0);
  EXPECT_TRUE(world.upstreams.messages.empty());
}

TEST_F(MediaTest, FetchesFromNowhereWithoutAList) {
  const auto caller = world.serve(ask(hello_with(image_at("https://a.example/"))));
  EXPECT_EQ(caller->status, 400);
  EXPECT_EQ(caller->header("x-tollgate-rule"), "routes.chat.prompt.media_domains");
  EXPECT_EQ(world.ledger.held, 0);
}

class ObservedAddressTest : public MediaTest {
 protected:
  ObservedAddressTest()
      : MediaTest(doors_with("choices: 1 }",
                             "choices: 1, media_domains: [a.example], mode: observe }")) {}
};

TEST_F(ObservedAddressTest, IsTold) {
  world.upstreams.script.pieces = {whole(usage(kText + 85, ""))};
  const auto caller = world.serve(ask(hello_with(image_at("https://c.example/"))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  const std::string& decision = world.trail.records.at(0).written;
  EXPECT_NE(decision.find(R"("observed":["routes.chat.prompt"])"), std::string::npos) << decision;
}

class InspectedAddressTest : public MediaTest {
 protected:
  InspectedAddressTest()
      : MediaTest(doors_with("choices: 1 }",
                             "choices: 1, media_domains: [a.example] }\n    content: { request: "
                             "[secrets], on_match: redact }")) {}
};

// What an address says goes out with it, and with a mask in it it is another address.
TEST_F(InspectedAddressTest, IsReadAndNotMasked) {
  const auto caller =
      world.serve(ask(hello_with(image_at("https://a.example/?k=AKIA"
                                          "Q3EGRS5WXNB7TC2V"))));
  EXPECT_EQ(caller->status, 400) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-reason"), "content_refused") << caller->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
  EXPECT_NE(world.trail.records.at(0).written.find(R"("where":"messages[0])"), std::string::npos)
      << world.trail.records.at(0).written;
}

TEST_F(MediaTest, CountsImagesUnderTheCapOfAPrompt) {
  const auto caller = world.serve(
      ask(hello_with(image(1024, 1024) + "," + image(1024, 1024) + "," + image(1024, 1024))));
  EXPECT_EQ(caller->header("x-tollgate-reason"), "prompt_too_large") << caller->text;
  EXPECT_EQ(world.ledger.held, 0);
}

TEST_F(MediaTest, SendsNoModelWhatHasNoFormulaThere) {
  struct Row {
    std::string body;
    std::string_view target;
    std::string_view rule;
    std::string_view field;
  };
  const Row rows[] = {
      {hello_with(image(5, 5), "blind"), "/v1/chat/completions", "models.blind.images",
       "messages[0].content[1]"},
      {hello_with(recording(5), "blind"), "/v1/chat/completions", "models.blind.audio",
       "messages[0].content[1]"},
      {hello_with(recording(5), "cheap"), "/v1/chat/completions", "models.cheap.audio",
       "messages[0].content[1]"},
      {claude_with_image("haiku"), "/v1/messages", "models.haiku.images", "messages[0].content[0]"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.rule);
    const auto caller = world.serve(ask(row.body, std::string(row.target)));
    EXPECT_EQ(caller->status, 400);
    EXPECT_EQ(caller->header("x-tollgate-reason"), "unsupported_parameter");
    EXPECT_EQ(caller->header("x-tollgate-rule"), row.rule);
    for (const std::string_view told : {row.rule, row.field})
      EXPECT_NE(caller->text.find(told), std::string::npos) << caller->text;
  }
  EXPECT_EQ(world.ledger.held, 0);
  EXPECT_TRUE(world.upstreams.messages.empty());
}

TEST_F(MediaTest, HoldsSoundAtItsPrice) {
  const auto caller = world.serve(ask(hello_with(recording(1000))));
  EXPECT_EQ(input_charged(), kText + 10) << caller->text;
  EXPECT_EQ(held(), kText + 10 * 40 + kCap * 10);
  EXPECT_NE(world.trail.records.at(0).written.find(R"("audio_seconds":1)"), std::string::npos)
      << world.trail.records.at(0).written;
  EXPECT_NE(world.trail.records.at(0).written.find("1.00/1.00/10.00/40.00"), std::string::npos);
}

// What a provider says of the sound, and what is charged: nine tokens of text, ten of sound, four
// of output; of text as many as were held where what he says cannot be.
TEST_F(MediaTest, ChargesTheSoundThatAProviderReportsWithinReason) {
  struct Row {
    std::string_view what;
    Tokens input;
    std::string_view audio;
    std::int64_t cost;
    audit::UsageSource source;
  };
  constexpr std::int64_t kOurs = 9 + 10 * 40 + 40;
  constexpr std::int64_t kHeld = kText + 10 * 40 + 40;
  const Row rows[] = {
      {"as counted", 19, R"("audio_tokens":10)", kOurs, kProvider},
      {"not told", 19, "", kOurs, kProvider},
      {"null", 19, R"("audio_tokens":null)", kOurs, kProvider},
      {"less", 19, R"("audio_tokens":8)", 11 + 8 * 40 + 40, kProvider},
      {"far less", 19, R"("audio_tokens":4)", kOurs, kCounted},
      {"none", 19, R"("audio_tokens":0)", kOurs, kCounted},
      {"more than was held", 30, R"("audio_tokens":21)", kHeld, kCounted},
      {"more than all", 19, R"("audio_tokens":20)", kHeld, kCounted},
      {"cached as well", 19, R"("audio_tokens":10,"cached_tokens":19)", kOurs, kProvider},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    World fresh(load_settings(kDoors), shared_vocabularies());
    Ask made;
    made.headers = {{"x-api-key", fresh.add_key("acme")}};
    made.body = hello_with(recording(1000));
    fresh.upstreams.script.pieces = {whole(usage(row.input, row.audio))};
    const auto caller = fresh.serve(made);
    EXPECT_EQ(caller->status, 200) << caller->text;
    ASSERT_EQ(fresh.ledger.settled.size(), 1U);
    EXPECT_EQ(fresh.ledger.settled[0].used.cost.micro_usd, row.cost);
    EXPECT_LE(fresh.ledger.settled[0].used.cost, fresh.ledger.settled[0].held);
    EXPECT_EQ(fresh.trail.records.back().source, row.source);
    EXPECT_NE(fresh.trail.records.back().written.find("\"audio_input\":"), std::string::npos);
  }
}

// Where text is dearer than sound, a provider that calls sound text is paid no more than was held.
class CheapSoundTest : public MediaTest {
 protected:
  CheapSoundTest() : MediaTest(doors_with("audio: 40", "audio: 0.5")) {}
};
TEST_F(CheapSoundTest, ChargesNoMoreThanWasHeld) {
  for (const char* audio : {R"("audio_tokens":6)", R"("audio_tokens":0)", ""}) {
    world.upstreams.script.pieces = {whole(usage(19, audio))};
    world.serve(ask(hello_with(recording(1000))));
    EXPECT_LE(settled().used.cost, settled().held) << audio;
  }
  expect_clean_books();
}

// ---- Other models ----------------------------------------------------------------------------

// A tenth of a cent: an image of one tile fits on `cheap`, and not on `eyes`.
constexpr std::string_view kBudget = "usd: 500, per: day, when_exhausted: refuse";

class DowngradeTest : public MediaTest {
 protected:
  explicit DowngradeTest(std::string_view to = "cheap")
      : MediaTest(doors_with(kBudget, "usd: 0.001, per: day, when_exhausted: { downgrade_to: " +
                                          std::string(to) + " }")) {
    world.ledger.books = &books;
  }
  Books books;
};

TEST_F(DowngradeTest, CountsAnImageAnewByTheFormulaOfTheOtherModel) {
  const auto caller = world.serve(ask(hello_with(image(512, 512))));
  EXPECT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(caller->header("x-tollgate-model"), "cheap");
  // 256 patches times 1.62.
  EXPECT_EQ(input_charged(), kText + 415);
  EXPECT_EQ(held(), kText + 415 + kCap);
}

class DowngradeToBlindTest : public DowngradeTest {
 protected:
  DowngradeToBlindTest() : DowngradeTest("blind") {}
};

TEST_F(DowngradeToBlindTest, RefusesInsteadOfSendingAnImageToAModelWithoutAFormula) {
  const auto caller = world.serve(ask(hello_with(image(512, 512))));
  EXPECT_EQ(caller->status, 429);
  EXPECT_EQ(caller->header("x-tollgate-reason"), "budget_exhausted");
  EXPECT_TRUE(world.upstreams.messages.empty());
  EXPECT_EQ(world.ledger.held, 0);
  // Text alone is let down as ever.
  const auto text =
      world.serve(ask(R"({"model":"eyes","messages":[{"role":"user","content":"Hello there"}]})"));
  EXPECT_EQ(text->header("x-tollgate-model"), "blind") << text->text;
}

}  // namespace
}  // namespace tollgate::pipeline::testing
