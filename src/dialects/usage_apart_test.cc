// What of the usage has a price of its own, in the forms in which providers tell it: whole, and as
// the last word of a stream.
//
// Sources: the API references of OpenAI (chat completions, responses, images) and Anthropic
// (messages, prompt caching, service tiers).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/reply.h"

namespace tollgate::dialects {
namespace {

using enum Surface;

std::optional<Usage> whole(Surface surface, std::string_view body) {
  ReplyReader reader;
  RememberingSink sink;
  const Padded padded(body);
  const auto read = reader.read(surface, padded.view(), sink);
  EXPECT_TRUE(read) << body;
  return read.value_or(std::nullopt);
}

std::optional<Usage> streamed(Surface surface, std::string_view events) {
  StreamReader reader;
  reader.start(surface, true);
  RememberingSink sink;
  std::string out;
  EXPECT_TRUE(reader.feed(events, out, sink)) << events;
  return reader.usage();
}

constexpr std::string_view kChatUsage =
    R"({"prompt_tokens":120,"completion_tokens":90,"total_tokens":210,"prompt_tokens_details":)"
    R"({"audio_tokens":40,"cached_tokens":10},"completion_tokens_details":{"reasoning_tokens":30,)"
    R"("audio_tokens":50}})";

void expect_chat(const std::optional<Usage>& usage) {
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->input, 120);
  EXPECT_EQ(usage->cached_input, 10);
  EXPECT_EQ(usage->audio_input, 40);
  EXPECT_EQ(usage->output, 90);
  EXPECT_EQ(usage->reasoning, 30);
  EXPECT_EQ(usage->audio_output, 50);
  EXPECT_EQ(usage->tier, ServiceTier::kFlex);
  EXPECT_FALSE(usage->other_tier);
}

TEST(UsageApart, OfChatsHasReasoningSoundAndTier) {
  expect_chat(whole(
      kChatCompletions,
      fmt::format(
          R"({{"service_tier":"flex","choices":[{{"index":0,"message":{{"content":"x"}}}}],"usage":{}}})",
          kChatUsage)));
  // The tier is in chunks that have no usage.
  expect_chat(streamed(
      kChatCompletions,
      fmt::format("data: {}\n\ndata: {{\"service_tier\":\"flex\",\"choices\":[],\"usage\":{}}}\n\n"
                  "data: [DONE]\n\n",
                  R"({"service_tier":"default","choices":[{"index":0,"delta":{"content":"x"}}]})",
                  kChatUsage)));
  expect_chat(streamed(
      kChatCompletions,
      fmt::format("data: {}\n\ndata: {{\"choices\":[],\"usage\":{}}}\n\ndata: [DONE]\n\n",
                  R"({"service_tier":"flex","choices":[{"index":0,"delta":{"content":"x"}}]})",
                  kChatUsage)));
}

TEST(UsageApart, OfTheNextStreamHasNotTheTierOfTheOneBefore) {
  StreamReader reader;
  RememberingSink sink;
  std::string out;
  reader.start(kChatCompletions, true);
  ASSERT_TRUE(reader.feed(
      "data: {\"service_tier\":\"priority\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
      "\"completion_tokens\":1}}\n\ndata: [DONE]\n\n",
      out, sink));
  EXPECT_EQ(reader.usage()->tier, ServiceTier::kPriority);
  reader.start(kChatCompletions, true);
  ASSERT_TRUE(reader.feed(
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n", out,
      sink));
  EXPECT_FALSE(reader.usage()->tier);
}

TEST(UsageApart, IsTheInputAndTheTierBeforeAStreamHasEnded) {
  StreamReader reader;
  RememberingSink sink;
  std::string out;
  reader.start(kMessages, true);
  EXPECT_FALSE(reader.early_usage().has_input);
  ASSERT_TRUE(reader.feed(
      R"(data: {"type":"message_start","message":{"usage":{"input_tokens":2,"cache_read_input_tokens":4,)"
      R"("cache_creation_input_tokens":14,"cache_creation":{"ephemeral_5m_input_tokens":8,)"
      R"("ephemeral_1h_input_tokens":6},"output_tokens":1,"service_tier":"priority"}}})"
      "\n\n",
      out, sink));
  EXPECT_FALSE(reader.usage());
  const EarlyUsage early = reader.early_usage();
  EXPECT_TRUE(early.has_input);
  EXPECT_EQ(early.usage.input, 20);
  EXPECT_EQ(early.usage.cached_input, 4);
  EXPECT_EQ(early.usage.cache_write, 14);
  EXPECT_EQ(early.usage.cache_write_1h, 6);
  EXPECT_EQ(early.usage.output, 0);
  EXPECT_EQ(early.usage.tier, ServiceTier::kPriority);
  reader.start(kChatCompletions, true);
  ASSERT_TRUE(reader.feed("data: {\"service_tier\":\"flex\",\"choices\":[]}\n\n", out, sink));
  EXPECT_FALSE(reader.early_usage().has_input);
  EXPECT_EQ(reader.early_usage().usage.tier, ServiceTier::kFlex);
}

TEST(UsageApart, OfResponsesAndImagesHasTheirDetails) {
  constexpr std::string_view kUsage =
      R"({"input_tokens":50,"input_tokens_details":{"image_tokens":40,"text_tokens":10},)"
      R"("output_tokens":60,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":110})";
  for (const auto& usage :
       {whole(kResponses,
              fmt::format(R"({{"id":"r","service_tier":"priority","output":[],"usage":{}}})",
                          kUsage)),
        streamed(kResponses,
                 fmt::format("data: {{\"type\":\"response.completed\",\"response\":{{\"id\":\"r\","
                             "\"service_tier\":\"priority\",\"output\":[],\"usage\":{}}}}}\n\n",
                             kUsage)),
        whole(kImages,
              fmt::format(
                  R"({{"service_tier":"priority","data":[{{"b64_json":"AA=="}}],"usage":{}}})",
                  kUsage))}) {
    ASSERT_TRUE(usage);
    EXPECT_EQ(usage->image_input, 40);
    EXPECT_EQ(usage->reasoning, 20);
    EXPECT_EQ(usage->tier, ServiceTier::kPriority);
  }
}

TEST(UsageApart, WithATierThatHasNoNameHereSaysSo) {
  const auto usage = whole(
      kChatCompletions,
      R"({"service_tier":"scale","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})");
  ASSERT_TRUE(usage);
  EXPECT_FALSE(usage->tier);
  EXPECT_TRUE(usage->other_tier);
  const auto silent = whole(
      kChatCompletions,
      R"({"service_tier":null,"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})");
  ASSERT_TRUE(silent);
  EXPECT_FALSE(silent->other_tier);
}

TEST(UsageApart, ThatCannotBeIsNone) {
  for (
      const char* usage :
      {R"({"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"image_tokens":6}})",
       R"({"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"audio_tokens":-1}})",
       R"({"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"audio_tokens":"1"}})"}) {
    EXPECT_FALSE(whole(kChatCompletions, fmt::format(R"({{"choices":[],"usage":{}}})", usage)))
        << usage;
  }
}

constexpr std::string_view kWrites =
    R"({"input_tokens":20,"cache_creation_input_tokens":1000,"cache_read_input_tokens":300,)"
    R"("cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":600},)"
    R"("output_tokens":7,"service_tier":"standard"})";

std::string anthropic(std::string_view start, std::string_view end) {
  return fmt::format(
      "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\","
      "\"usage\":{}}}}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":"
      "{{\"stop_reason\":\"end_turn\"}},\"usage\":{}}}\n\n",
      start, end);
}

TEST(UsageApart, OfMessagesHasWritesByLifetime) {
  for (const auto& usage :
       {whole(kMessages, fmt::format(R"({{"content":[],"usage":{}}})", kWrites)),
        streamed(kMessages, anthropic(kWrites, R"({"output_tokens":7})")),
        streamed(kMessages, anthropic(kWrites, kWrites)),  // Told twice is told once.
        streamed(kMessages, anthropic(R"({"input_tokens":20,"output_tokens":1})", kWrites))}) {
    ASSERT_TRUE(usage);
    EXPECT_EQ(usage->input, 1320);
    EXPECT_EQ(usage->cached_input, 300);
    EXPECT_EQ(usage->cache_write, 1000);
    EXPECT_EQ(usage->cache_write_1h, 600);
    EXPECT_EQ(usage->tier, ServiceTier::kDefault);
    EXPECT_EQ(usage->output, 7);
  }
}

TEST(UsageApart, OfMessagesThatSayNoLifetimeSaysNone) {
  const auto usage =
      whole(kMessages, R"({"content":[],"usage":{"input_tokens":2,"output_tokens":3,)"
                       R"("cache_creation_input_tokens":100}})");
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->cache_write, 100);
  EXPECT_FALSE(usage->cache_write_1h);
  const auto less =
      whole(kMessages, R"({"content":[],"usage":{"input_tokens":2,"output_tokens":3,)"
                       R"("cache_creation_input_tokens":100,"cache_creation":)"
                       R"({"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":900}}})");
  ASSERT_TRUE(less);
  EXPECT_EQ(less->cache_write_1h, 100) << "no more than was written";
}

}  // namespace
}  // namespace tollgate::dialects
