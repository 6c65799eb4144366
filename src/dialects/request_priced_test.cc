// Marks for the provider's cache, and tiers: what is asked is read strictly, and written only as
// far as the gateway says that it has a price.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

constexpr std::string_view k5m = R"({"type":"ephemeral"})";
constexpr std::string_view k1h = R"({"type":"ephemeral","ttl":"1h"})";

std::string marked(std::string_view system, std::string_view block, std::string_view top = {}) {
  return fmt::format(
      R"({{"model":"m","max_tokens":9,{}"system":[{{"type":"text","text":"s","cache_control":{}}}],)"
      R"("messages":[{{"role":"user","content":[{{"type":"text","text":"x","cache_control":{}}}]}}]}})",
      top.empty() ? std::string() : fmt::format("\"cache_control\":{},", top), system, block);
}

class Read {
 public:
  Read(Surface surface, std::string_view body)
      : body_(body), request(reader_.read(surface, body_.view())) {}
  std::string written(const Edits& edits) const {
    std::string out;
    reader_.write(edits, out);
    return out;
  }

 private:
  RequestReader reader_;
  Padded body_;

 public:
  Expected<Request> request;
};

TEST(CacheMarks, AreCountedByLifetime) {
  const Read read(Surface::kMessages, marked(k1h, k5m, k5m));
  ASSERT_TRUE(read.request) << read.request.error().message;
  EXPECT_EQ(read.request->cache.count, 3);
  EXPECT_TRUE(read.request->cache.has_1h);
  EXPECT_TRUE(read.request->cache.has_5m);
  const Read one(Surface::kMessages, marked("null", R"({"type":"ephemeral","ttl":"5m"})"));
  ASSERT_TRUE(one.request);
  EXPECT_EQ(one.request->cache.count, 1);
  EXPECT_FALSE(one.request->cache.has_1h);
}

TEST(CacheMarks, AreHandedOnOnlyWhereTheGatewaySaysSo) {
  const Read read(Surface::kMessages, marked(k1h, k5m, k5m));
  ASSERT_TRUE(read.request);
  EXPECT_EQ(read.written({.model = "m"}).find("cache_control"), std::string::npos);
  EXPECT_EQ(compact(read.written({.model = "m", .cache_control = true})),
            compact(marked(k1h, k5m, k5m)));
}

// Other surfaces have no such field: nobody reads it, so nobody gets it.
TEST(CacheMarks, AreLeftOutOfItemsAndInputs) {
  const Read items(
      Surface::kResponses,
      R"({"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x",)"
      R"("cache_control":{"a":"secret"}}]},{"type":"function_call_output","call_id":"c","output":)"
      R"([{"type":"input_text","text":"y","cache_control":{"a":"secret"}}]},)"
      R"({"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"z",)"
      R"("cache_control":"secret"}]}]})");
  ASSERT_TRUE(items.request) << items.request.error().message;
  for (const bool handed_on : {false, true}) {
    const std::string written = items.written({.model = "m", .cache_control = handed_on});
    EXPECT_EQ(written.find("secret"), std::string::npos) << written;
    EXPECT_NE(written.find(R"("text":"y"})"), std::string::npos) << written;
  }
  const Read inputs(
      Surface::kModerations,
      R"({"model":"m","input":[{"type":"text","text":"x","cache_control":"secret"}]})");
  ASSERT_TRUE(inputs.request) << inputs.request.error().message;
  EXPECT_EQ(inputs.written({.model = "m"}).find("secret"), std::string::npos);
}

TEST(CacheMarks, OnToolsAreHandedOnWithTheirBounds) {
  const Read read(
      Surface::kMessages,
      R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"tools":[)"
      R"({"type":"web_search_20250305","name":"web_search","cache_control":{"type":"ephemeral"}},)"
      R"({"name":"f","input_schema":{},"cache_control":{"type":"ephemeral","ttl":"1h"}}]})");
  ASSERT_TRUE(read.request) << read.request.error().message;
  EXPECT_EQ(read.request->cache.count, 2);
  EXPECT_TRUE(read.request->cache.has_1h);
  const std::string bare = read.written({.model = "m", .tool_calls = 2});
  EXPECT_EQ(bare.find("cache_control"), std::string::npos) << bare;
  const std::string written = read.written({.model = "m", .tool_calls = 2, .cache_control = true});
  EXPECT_NE(written.find(R"("cache_control":{"type":"ephemeral"},"max_uses":2)"), std::string::npos)
      << written;
  EXPECT_NE(written.find(R"("ttl":"1h")"), std::string::npos) << written;
}

// Whether it is handed on, and so refused, is known with its model.
TEST(CacheMarks, TellByNameWhyNoneMayBeHandedOn) {
  const auto param = [](std::string_view body) {
    const Read read(Surface::kMessages, body);
    EXPECT_TRUE(read.request) << read.request.error().message;
    EXPECT_GT(read.request->cache.count, 0);
    EXPECT_EQ(read.written({.model = "m"}).find("cache_control"), std::string::npos);
    const Refusal* refusal = read.request->cache.refusal;
    return refusal == nullptr ? std::string("handed on") : refusal->param;
  };
  EXPECT_EQ(param(marked(k5m, k1h)), "handed on");
  EXPECT_EQ(param(marked("{}", k5m)), "system[0].cache_control.type");
  EXPECT_EQ(param(marked("true", k5m)), "system[0].cache_control");
  EXPECT_EQ(param(marked(R"({"type":"persistent"})", k5m)), "system[0].cache_control.type");
  EXPECT_EQ(param(marked(k5m, R"({"type":"ephemeral","ttl":"24h"})")),
            "messages[0].content[0].cache_control.ttl");
  EXPECT_EQ(param(marked(k5m, R"({"type":"ephemeral","ttl":3600})")),
            "messages[0].content[0].cache_control.ttl");
  EXPECT_EQ(param(marked(k5m, R"({"type":"ephemeral","scope":"all"})")),
            "messages[0].content[0].cache_control.scope");
  EXPECT_EQ(param(marked(k5m, R"({"evict_on_complete":true,"ttl":"1h","type":"ephemeral"})")),
            "messages[0].content[0].cache_control.evict_on_complete");
  EXPECT_EQ(param(marked(k5m, k5m, R"({"type":"forever"})")), "cache_control.type");
  EXPECT_EQ(param(R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x",)"
                  R"("cache_control":{"type":"ephemeral"}}]})"),
            "messages[0].cache_control");
}

// What is not known of a mark hides none of what is.
TEST(CacheMarks, AreCountedByLifetimeWhateverElseTheySay) {
  const Read read(Surface::kMessages,
                  marked(R"({"type":"ephemeral","scope":"all","ttl":"1h"})", "7"));
  ASSERT_TRUE(read.request) << read.request.error().message;
  EXPECT_EQ(read.request->cache.count, 2);
  EXPECT_TRUE(read.request->cache.has_1h);
  EXPECT_FALSE(read.request->cache.has_5m);
}

TEST(CacheMarks, OfTheNextRequestAreItsOwn) {
  RequestReader reader;
  const Padded odd(marked("{}", k5m));
  const Padded plain(marked(k5m, k5m));
  ASSERT_NE(reader.read(Surface::kMessages, odd.view())->cache.refusal, nullptr);
  EXPECT_EQ(reader.read(Surface::kMessages, plain.view())->cache.refusal, nullptr);
}

TEST(CacheMarks, AreAtMostFour) {
  const auto body = [](int marks) {
    std::string blocks;
    for (int i = 0; i < marks; ++i) {
      blocks += fmt::format(R"({}{{"type":"text","text":"x","cache_control":{}}})",
                            i == 0 ? "" : ",", k5m);
    }
    return fmt::format(
        R"({{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{}]}}]}})", blocks);
  };
  EXPECT_EQ(Read(Surface::kMessages, body(4)).request->cache.refusal, nullptr);
  const Read six(Surface::kMessages, body(6));
  ASSERT_TRUE(six.request);
  ASSERT_NE(six.request->cache.refusal, nullptr);
  EXPECT_EQ(six.request->cache.refusal->param, "messages[0].content[4].cache_control");
}

TEST(CacheMarks, OfOtherSurfacesAreDroppedAsTheyAlwaysWere) {
  const Read read(Surface::kChatCompletions,
                  R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x",)"
                  R"("cache_control":{"type":"ephemeral"}}]}]})");
  ASSERT_TRUE(read.request) << read.request.error().message;
  EXPECT_EQ(read.request->cache.count, 0);
  EXPECT_EQ(read.written({.model = "m"}).find("cache_control"), std::string::npos);
}

constexpr std::string_view kChat =
    R"({{"model":"m",{}"messages":[{{"role":"user","content":"x"}}]}})";

TEST(ServiceTier, IsWrittenAsTheGatewaySaysAndNeverAsTheCallerDoes) {
  const Read asked(Surface::kChatCompletions, fmt::format(kChat, R"("service_tier":"priority",)"));
  ASSERT_TRUE(asked.request) << asked.request.error().message;
  EXPECT_EQ(asked.request->service_tier, "priority");
  EXPECT_NE(asked.written({.model = "m"}).find(R"("service_tier":"default")"), std::string::npos);
  EXPECT_NE(asked.written({.model = "m", .service_tier = "flex"}).find(R"("service_tier":"flex")"),
            std::string::npos);
  const Read silent(Surface::kChatCompletions, fmt::format(kChat, ""));
  ASSERT_TRUE(silent.request);
  EXPECT_EQ(silent.written({.model = "m"}).find("service_tier"), std::string::npos);
  EXPECT_NE(
      silent.written({.model = "m", .service_tier = "default"}).find(R"("service_tier":"default")"),
      std::string::npos);
}

TEST(ServiceTier, OfAnotherNameOrAnotherSurfaceIsRefused) {
  for (const char* tier : {"batch", "scale", "standard", "Flex", ""}) {
    const Read read(Surface::kChatCompletions,
                    fmt::format(kChat, fmt::format(R"("service_tier":"{}",)", tier)));
    ASSERT_FALSE(read.request) << tier;
    EXPECT_EQ(read.request.error().param, "service_tier");
  }
  const Read text(Surface::kCompletions, R"({"model":"m","prompt":"x","service_tier":"priority"})");
  EXPECT_FALSE(text.request);
  const Read claude(Surface::kMessages, R"({"model":"m","max_tokens":9,"service_tier":"priority",)"
                                        R"("messages":[{"role":"user","content":"x"}]})");
  EXPECT_FALSE(claude.request);
}

}  // namespace
}  // namespace tollgate::dialects
