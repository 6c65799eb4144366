#include "dialects/reply.h"

#include <gtest/gtest.h>

#include "dialects/fixture_test.h"

namespace tollgate::dialects {
namespace {

struct ReadReply {
  bool broken = false;
  std::optional<Usage> usage;
  std::map<std::int64_t, std::string> told;
};

ReadReply read_reply(Surface surface, std::string_view body) {
  ReplyReader reader;
  RememberingSink sink;
  const Padded padded(body);
  const auto read = reader.read(surface, padded.view(), sink);
  if (!read) {
    EXPECT_EQ(read.error().kind, FaultKind::kBroken);
    return {.broken = true};
  }
  return {.usage = *read, .told = sink.told};
}

using Told = std::map<std::int64_t, std::string>;

TEST(Reply, TellsTheOutputOfEachSurface) {
  const ReadReply chat = read_reply(Surface::kChatCompletions, R"({"id":"c","choices":[
      {"index":0,"message":{"role":"assistant","content":"Hi","reasoning":"r",
        "reasoning_content":"r","refusal":null,"tool_calls":[
          {"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}},
      {"index":1,"message":{"role":"assistant","content":null,"refusal":"No"}}],
      "usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,
        "prompt_tokens_details":{"cached_tokens":4},
        "completion_tokens_details":{"reasoning_tokens":2}}})");
  EXPECT_EQ(chat.told, (Told{{0, "Hirf{}"}, {1, "No"}}));
  ASSERT_TRUE(chat.usage);
  EXPECT_EQ(chat.usage->input, 9);
  EXPECT_EQ(chat.usage->cached_input, 4);
  EXPECT_EQ(chat.usage->output, 5);
  EXPECT_EQ(chat.usage->reasoning, 2);

  const ReadReply text = read_reply(
      Surface::kCompletions, R"({"choices":[{"index":0,"text":"a"},{"index":1,"text":"b"}]})");
  EXPECT_EQ(text.told, (Told{{0, "a"}, {1, "b"}}));
  EXPECT_FALSE(text.usage);

  const ReadReply vectors =
      read_reply(Surface::kEmbeddings,
                 R"({"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":3,"total_tokens":3}})");
  EXPECT_TRUE(vectors.told.empty());
  ASSERT_TRUE(vectors.usage);
  EXPECT_EQ(vectors.usage->input, 3);
  EXPECT_EQ(vectors.usage->output, 0);

  const ReadReply message = read_reply(Surface::kMessages, R"({"type":"message","content":[
      {"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"Hi"},
      {"type":"tool_use","id":"1","name":"f","input":{"a":1}}],
      "usage":{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation_input_tokens":7,
               "output_tokens":11}})");
  EXPECT_EQ(message.told, (Told{{0, "tHif{\"a\":1}"}}));
  ASSERT_TRUE(message.usage);
  EXPECT_EQ(message.usage->input, 15);
  EXPECT_EQ(message.usage->cached_input, 5);
  EXPECT_EQ(message.usage->output, 11);
}

TEST(Reply, TakesNoUsageThatIsIncompleteOrImplausible) {
  for (const std::string_view usage :
       {R"(null)", R"({})", R"({"prompt_tokens":1})", R"({"completion_tokens":1})",
        R"({"prompt_tokens":-1,"completion_tokens":1})",
        R"({"prompt_tokens":1.5,"completion_tokens":1})",
        R"({"prompt_tokens":"1","completion_tokens":1})",
        R"({"prompt_tokens":1,"completion_tokens":99999999999999})",
        R"({"prompt_tokens":1,"completion_tokens":18446744073709551615})",
        R"({"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}})",
        R"({"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":2}})",
        R"({"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":-1}})",
        R"({"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":7})"}) {
    SCOPED_TRACE(usage);
    const ReadReply reply = read_reply(Surface::kChatCompletions,
                                       R"({"choices":[],"usage":)" + std::string(usage) + "}");
    EXPECT_FALSE(reply.broken);
    EXPECT_FALSE(reply.usage);
  }
}

// What is not told is not none: then it is as it was counted.
TEST(Reply, TellsThePartOfTheInputThatWasSoundWhereItIsTold) {
  const std::pair<std::string_view, std::optional<Tokens>> rows[] = {
      {R"({"audio_tokens":7})", 7},
      {R"({"audio_tokens":0})", 0},
      {R"({"audio_tokens":null})", std::nullopt},
      {R"({"cached_tokens":7})", std::nullopt},
      {"null", std::nullopt},
  };
  for (const auto& [details, told] : rows) {
    SCOPED_TRACE(details);
    const ReadReply reply =
        read_reply(Surface::kChatCompletions,
                   R"({"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,)"
                   R"("prompt_tokens_details":)" +
                       std::string(details) + "}}");
    ASSERT_TRUE(reply.usage);
    EXPECT_EQ(reply.usage->audio_input, told);
  }
}

TEST(Reply, CountsReasoningThatIsToldBesideTheCompletion) {
  const ReadReply reply = read_reply(Surface::kChatCompletions, R"({"choices":[],"usage":{
      "prompt_tokens":10,"completion_tokens":5,"total_tokens":35,
      "completion_tokens_details":{"reasoning_tokens":20}}})");
  ASSERT_TRUE(reply.usage);
  EXPECT_EQ(reply.usage->output, 25);
  EXPECT_EQ(reply.usage->reasoning, 20);
}

TEST(Reply, CallsAReplyWithoutTheFieldsOfItsSurfaceBroken) {
  for (const std::string_view body :
       {"", "x", "[]", "{}", R"({"choices":1})", R"({"choices":[1]})", R"({"choices":[{}]})"}) {
    SCOPED_TRACE(body);
    EXPECT_TRUE(read_reply(Surface::kChatCompletions, body).broken);
  }
  EXPECT_TRUE(read_reply(Surface::kEmbeddings, R"({"choices":[]})").broken);
  EXPECT_TRUE(read_reply(Surface::kMessages, R"({"content":"x"})").broken);
  EXPECT_TRUE(read_reply(Surface::kMessages, R"({"content":["x"]})").broken);
}

TEST(Refusal, HasTheShapeOfItsDialect) {
  RefusalWords words{.type = "invalid_request_error",
                     .code = "unsupported_parameter",
                     .message = "No \"n\".",
                     .param = "n",
                     .request_id = "req_1"};
  std::string out;
  write_refusal(Dialect::kOpenAi, words, out);
  EXPECT_EQ(out, R"({"error":{"message":"No \"n\".","type":"invalid_request_error",)"
                 R"("param":"n","code":"unsupported_parameter"}})");
  out.clear();
  write_refusal(Dialect::kAnthropic, words, out);
  EXPECT_EQ(out, R"({"type":"error","error":{"type":"invalid_request_error",)"
                 R"("message":"No \"n\".","details":{"error_code":"unsupported_parameter"}},)"
                 R"("request_id":"req_1"})");
  out.clear();
  words.code = words.param = words.request_id = {};
  write_refusal(Dialect::kOpenAi, words, out);
  EXPECT_EQ(out, R"({"error":{"message":"No \"n\".","type":"invalid_request_error",)"
                 R"("param":null,"code":null}})");
  out.clear();
  write_refusal(Dialect::kAnthropic, words, out);
  EXPECT_EQ(out, R"({"type":"error","error":{"type":"invalid_request_error",)"
                 R"("message":"No \"n\"."},"request_id":null})");
}

TEST(Models, AreListedInTheFormOfTheDialect) {
  const ModelListing models[] = {{"small"}, {"gpt-4o"}};
  std::string out;
  write_models(Dialect::kOpenAi, models, out);
  EXPECT_EQ(out, R"({"object":"list","data":[)"
                 R"({"id":"small","object":"model","created":0,"owned_by":"tollgate"},)"
                 R"({"id":"gpt-4o","object":"model","created":0,"owned_by":"tollgate"}]})");
  out.clear();
  write_models(Dialect::kAnthropic, std::span(models).first(1), out);
  EXPECT_EQ(out, R"({"data":[{"type":"model","id":"small","display_name":"small",)"
                 R"("created_at":"1970-01-01T00:00:00Z"}],"has_more":false,)"
                 R"("first_id":"small","last_id":"small"})");
  out.clear();
  write_models(Dialect::kAnthropic, {}, out);
  EXPECT_EQ(out, R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
}

TEST(Surface, IsFoundByNameAndByPath) {
  for (const Surface surface :
       {Surface::kChatCompletions, Surface::kCompletions, Surface::kEmbeddings, Surface::kModels,
        Surface::kMessages, Surface::kResponses}) {
    EXPECT_EQ(surface_named(name_of(surface)), surface);
    EXPECT_EQ(surface_of_path(standard_path(surface)), surface);
  }
  EXPECT_EQ(surface_named("chat"), std::nullopt);
  EXPECT_EQ(surface_of_path("/v1/response"), std::nullopt);
  EXPECT_EQ(dialect_of(Surface::kMessages), Dialect::kAnthropic);
  EXPECT_EQ(dialect_of(Surface::kChatCompletions), Dialect::kOpenAi);
  EXPECT_TRUE(makes_output(Surface::kMessages));
  EXPECT_FALSE(makes_output(Surface::kEmbeddings));
}

}  // namespace
}  // namespace tollgate::dialects
