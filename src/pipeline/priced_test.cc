// What has a price of its own: what is held for it, what is settled, and what is sent.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "dialects/testing_media.h"
#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

// `model` at other prices, and tiers on two routes.
std::string priced(std::string_view model, std::string_view prices) {
  std::string text(kSettings);
  const std::size_t line = text.find(fmt::format("  {}: {{ upstream:", model));
  CHECK(line != std::string::npos);
  const std::size_t at = text.find("price_per_million:", line);
  text.replace(at, text.find('\n', at) - at, fmt::format("price_per_million: {{ {} }} }}", prices));
  const auto allow = [&](std::string_view route, std::string_view tiers) {
    const std::size_t found = text.find(fmt::format("  - name: {}\n", route));
    CHECK(found != std::string::npos);
    text.insert(text.find("    prompt:", found), fmt::format("    service_tiers: {}\n", tiers));
  };
  allow("chat", "[flex, priority]");
  allow("messages", "[priority]");
  // What is held is by our count then, and not now and then by a bound.
  constexpr std::string_view kCapped = "output_tokens: 100,";
  for (std::size_t i = text.find(kCapped); i != std::string::npos; i = text.find(kCapped, i + 1)) {
    text.insert(i + kCapped.size(), " count_input: always,");
  }
  return text;
}

std::string message_with(std::string_view usage) {
  return R"({"id":"m1","type":"message","role":"assistant","model":"claude-opus","content":[{"type":"text","text":"the answer is simple"}],"stop_reason":"end_turn","usage":)" +
         std::string(usage) + "}";
}

constexpr std::string_view kMark5m = R"({"type":"ephemeral"})";
constexpr std::string_view kMark1h = R"({"type":"ephemeral","ttl":"1h"})";

std::string claude_with(std::string_view mark, std::string_view more = "") {
  return fmt::format(
      R"({{"model":"opus","max_tokens":50,{}"messages":[{{"role":"user","content":[{{"type":"text","text":"Hello there","cache_control":{}}}]}}]}})",
      more, mark);
}

// In micro-dollars: input 1, read 0.1, written 1.25 and 2, output 10.
constexpr std::string_view kWrites =
    "input: 1, cached_input: 0.1, output: 10, cache_write_5m: 1.25, cache_write_1h: 2";

class CacheWritesTest : public PipelineTest {
 protected:
  CacheWritesTest() : PipelineTest(priced("opus", kWrites)) {}
  auto serve(std::string body, std::string_view usage) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {message_with(usage)};
    return world.serve(ask(std::move(body), "/v1/messages"));
  }
  bool is_marked() const {
    return world.upstreams.messages.at(0).find("cache_control") != std::string::npos;
  }
};

constexpr std::string_view kUsage =
    R"({"input_tokens":2,"cache_read_input_tokens":4,"cache_creation_input_tokens":14,)"
    R"("cache_creation":{"ephemeral_5m_input_tokens":8,"ephemeral_1h_input_tokens":6},"output_tokens":4})";

TEST_F(CacheWritesTest, AreHeldAtTheLongestLifetimeAndPaidByEach) {
  ASSERT_EQ(serve(std::string(kClaude), R"({"input_tokens":20,"output_tokens":4})")->status, 200);
  const Money plain = settled().held;
  EXPECT_EQ(settled().used.cost, Money{20 + 40});

  ASSERT_EQ(serve(claude_with(kMark1h), kUsage)->status, 200);
  EXPECT_TRUE(is_marked());
  EXPECT_NE(world.upstreams.messages[0].find(R"("ttl":"1h")"), std::string::npos);
  // All of the input at 2 instead of 1.
  EXPECT_GE(settled().held.micro_usd, plain.micro_usd + kClaudeTokens);
  // 2 at 1, 4 at 0.1, 8 at 1.25, 6 at 2, and rounded up once.
  EXPECT_EQ(settled().used.cost, Money{2 + 10 + 12 + 40 + 1});
  EXPECT_NE(last().written.find(R"("cache_write_5m":8,"cache_write_1h":6)"), std::string::npos)
      << last().written;
  EXPECT_NE(last().written.find("1.00/0.10/10.00;cache_write_5m=1.25;cache_write_1h=2.00"),
            std::string::npos);
  expect_clean_books();
}

TEST_F(CacheWritesTest, OfAStreamAreTheLastThatItTells) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.pieces = {
      event(
          "message_start",
          R"({"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":2,"cache_read_input_tokens":4,"cache_creation_input_tokens":14,"cache_creation":{"ephemeral_5m_input_tokens":14,"ephemeral_1h_input_tokens":0},"output_tokens":1}}})") +
      event(
          "content_block_start",
          R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})") +
      claude_delta("the answer is simple") + claude_closing(4)};
  ASSERT_EQ(world.serve(ask(claude_with(kMark5m, R"("stream":true,)"), "/v1/messages"))->status,
            200);
  // 2 + 0.4 + 17.5 + 40, rounded up.
  EXPECT_EQ(settled().used.cost, Money{60});
  EXPECT_EQ(last().source, kProvider);
  expect_clean_books();
}

TEST_F(CacheWritesTest, ThatGrowWithoutALifetimeAreOfTheLongestAsked) {
  world.upstreams.script.content_type = "text/event-stream";
  std::string all = claude_opening(20) + claude_delta("the answer is simple") + claude_closing(4);
  const auto put = [&](std::string_view from, std::string_view to) {
    all.replace(all.find(from), from.size(), to);
  };
  put(R"("usage":{"input_tokens":20,)",
      R"("usage":{"input_tokens":10,"cache_creation_input_tokens":4,"cache_creation":)"
      R"({"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":0},)");
  put(R"("usage":{"output_tokens":4)",
      R"("usage":{"cache_creation_input_tokens":10,"output_tokens":4)");
  world.upstreams.script.pieces = {all};
  const auto cost_with = [&](std::string_view mark) {
    (void)world.serve(ask(claude_with(mark, R"("stream":true,)"), "/v1/messages"));
    EXPECT_EQ(last().source, kProvider);
    return settled().used.cost;
  };
  EXPECT_EQ(cost_with(kMark1h), Money{10 + 5 + 12 + 40});
  EXPECT_EQ(cost_with(kMark5m), Money{10 + 13 + 40}) << "10 at 1.25, rounded up";
  expect_clean_books();
}

TEST_F(CacheWritesTest, ThatNobodyAskedForAreInput) {
  ASSERT_EQ(serve(std::string(kClaude), kUsage)->status, 200);
  EXPECT_FALSE(is_marked());
  EXPECT_EQ(settled().used.cost, Money{16 + 1 + 40}) << "16, and 4 that were read";
  // An hour was not asked for either.
  ASSERT_EQ(serve(claude_with(kMark5m), kUsage)->status, 200);
  EXPECT_EQ(settled().used.cost, Money{2 + 18 + 40}) << "2 + 0.4 + 14 at 1.25";
  expect_clean_books();
}

TEST_F(CacheWritesTest, OfACutStreamAreThoseThatItHasTold) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.fault = FaultKind::kBroken;
  const auto cut_after = [&](std::string opening) {
    world.upstreams.script.pieces = {opening + claude_delta("the answer")};
    (void)world.serve(ask(claude_with(kMark1h, R"("stream":true,)"), "/v1/messages"));
    EXPECT_EQ(last().source, kCounted);
    return settled().used.cost.micro_usd - 10 * settled().used.output;
  };
  const std::string opening = claude_opening(20);
  EXPECT_EQ(cut_after(opening), 20) << "nothing of it was written";
  std::string written = opening;
  constexpr std::string_view kPlain = R"("usage":{"input_tokens":20,)";
  written.replace(
      written.find(kPlain), kPlain.size(),
      R"("usage":{"input_tokens":2,"cache_read_input_tokens":10,"cache_creation_input_tokens":8,)"
      R"("cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":4},)");
  EXPECT_EQ(cut_after(written), 2 + 1 + 5 + 8);
  // Where the input is not told all of it may have been written.
  std::string untold = opening;
  untold.replace(untold.find(kPlain), kPlain.size(), R"("usage":{)");
  EXPECT_EQ(cut_after(untold), 2 * settled().used.input);
  // A figure that cannot be is not believed, and so is what it says of writes.
  std::string low = opening;
  low.replace(low.find(kPlain), kPlain.size(), R"("usage":{"input_tokens":0,)");
  EXPECT_EQ(cut_after(low), 2 * settled().used.input);
  expect_clean_books();
}

TEST_F(CacheWritesTest, WithoutAPriceAreNotAskedFor) {
  World plain(load_settings(kSettings), shared_vocabularies());
  plain.upstreams.script.pieces = {message_with(R"({"input_tokens":20,"output_tokens":4})")};
  Ask asked = ask(claude_with(kMark5m), "/v1/messages");
  asked.headers = {{"x-api-key", plain.add_key("acme")}};
  ASSERT_EQ(plain.serve(asked)->status, 200);
  EXPECT_EQ(plain.upstreams.messages.at(0).find("cache_control"), std::string::npos);

  // One of two lifetimes has none: none is asked for.
  World half(load_settings(priced("opus", "input: 1, output: 10, cache_write_5m: 1.25")),
             shared_vocabularies());
  half.upstreams.script.pieces = {message_with(R"({"input_tokens":20,"output_tokens":4})")};
  asked.body = claude_with(kMark1h, R"("cache_control":{"type":"ephemeral"},)");
  asked.headers = {{"x-api-key", half.add_key("acme")}};
  ASSERT_EQ(half.serve(asked)->status, 200);
  EXPECT_EQ(half.upstreams.messages.at(0).find("cache_control"), std::string::npos);
}

// What is not known of a mark may be dearer than what is held, but only where it is handed on.
TEST_F(CacheWritesTest, OfAMarkThatIsNotKnownAreRefusedWhereItWouldBeHandedOn) {
  constexpr std::string_view kScoped = R"({"type":"ephemeral","scope":"global"})";
  const auto refused = serve(claude_with(kScoped), kUsage);
  EXPECT_EQ(refused->status, 400);
  EXPECT_NE(refused->text.find("messages[0].content[0].cache_control.scope"), std::string::npos)
      << refused->text;
  EXPECT_EQ(serve(claude_with(R"({"type":"ephemeral","ttl":"24h"})"), kUsage)->status, 400);
  EXPECT_TRUE(world.upstreams.messages.empty());

  const auto served = [&](std::string_view prices, std::string_view mark) {
    World other(load_settings(prices.empty() ? std::string(kSettings) : priced("opus", prices)),
                shared_vocabularies());
    other.upstreams.script.pieces = {message_with(R"({"input_tokens":20,"output_tokens":4})")};
    Ask asked = ask(claude_with(mark), "/v1/messages");
    asked.headers = {{"x-api-key", other.add_key("acme")}};
    const auto caller = other.serve(asked);
    if (caller->status != 200) return false;
    EXPECT_EQ(other.upstreams.messages.at(0).find("cache_control"), std::string::npos);
    return true;
  };
  EXPECT_TRUE(served("", kScoped));
  EXPECT_TRUE(served("", R"({"type":"ephemeral","evict_on_complete":true})"));
  EXPECT_TRUE(served("", R"({"type":"forever"})"));
  constexpr std::string_view kHalf = "input: 1, output: 10, cache_write_5m: 1.25";
  EXPECT_FALSE(served(kHalf, kScoped));
  EXPECT_TRUE(served(kHalf, R"({"type":"ephemeral","scope":"global","ttl":"1h"})"))
      << "an hour has no price there, so nothing is handed on";
}

constexpr std::string_view kTiers =
    "input: 1, output: 10, service_tiers: { flex: { input: 0.5, output: 5 }, "
    "priority: { input: 2, output: 20 } }";

class ServiceTiersTest : public PipelineTest {
 protected:
  explicit ServiceTiersTest(const std::string& settings = priced("small", kTiers))
      : PipelineTest(settings) {}
  auto serve(std::string_view asked, std::string_view answered) {
    world.upstreams.messages.clear();
    std::string answer = whole(reported(9, 4));
    if (!answered.empty()) {
      answer.insert(1, fmt::format(R"("service_tier":"{}",)", answered));
    }
    world.upstreams.script.pieces = {answer};
    std::string body(kHello);
    if (!asked.empty()) body.insert(1, fmt::format(R"("service_tier":"{}",)", asked));
    return world.serve(ask(body));
  }
  std::string sent() const {
    const std::string& message = world.upstreams.messages.at(0);
    const std::size_t at = message.find(R"("service_tier":")");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + 16;
    return message.substr(begin, message.find('"', begin) - begin);
  }
};

constexpr std::int64_t kUsual = 9 + 40;

TEST_F(ServiceTiersTest, OfTheAnswerDecidesAndTheDearestIsHeld) {
  struct Row {
    std::string_view asked;
    std::string_view answered;
    std::string_view sent;
    std::int64_t cost;
  };
  const std::int64_t most = kHelloTokens + 10 * kCap;
  for (const Row& row : std::initializer_list<Row>{
           {"", "", "default", kUsual},
           {"", "default", "default", kUsual},
           {"default", "default", "default", kUsual},
           {"flex", "flex", "flex", 25},  // 4.5 + 20
           {"flex", "default", "flex", kUsual},
           {"priority", "priority", "priority", 2 * kUsual},
           {"priority", "default", "priority", kUsual},
           {"priority", "", "priority", 2 * kUsual},       // Nobody says which: the dearest.
           {"priority", "scale", "priority", 2 * kUsual},  // The same of one without a name here.
           {"auto", "flex", "auto", 25},
           {"auto", "priority", "auto", 2 * kUsual},
           // A provider that serves what was not asked for gets what was held for at most.
           {"", "priority", "default", kUsual},
           {"flex", "priority", "flex", kUsual}}) {
    SCOPED_TRACE(fmt::format("{} -> {}", row.asked, row.answered));
    const auto caller = serve(row.asked, row.answered);
    ASSERT_EQ(caller->status, 200) << caller->text;
    EXPECT_EQ(sent(), row.sent);
    EXPECT_EQ(settled().used.cost, Money{row.cost});
    const bool dear = row.asked == "priority" || row.asked == "auto";
    EXPECT_EQ(settled().held, Money{dear ? 2 * most : most});
    const bool is_told = last().written.find("\"service_tier\":") != std::string::npos;
    EXPECT_EQ(is_told, row.cost != kUsual) << last().written;
  }
  expect_clean_books();
}

TEST_F(ServiceTiersTest, OfACutStreamIsTheOneThatItHasTold) {
  world.upstreams.script.content_type = "text/event-stream";
  world.upstreams.script.fault = FaultKind::kBroken;
  for (const auto& [told, part] : {std::pair{"flex", 2}, {"default", 1}, {"priority", 1}}) {
    std::string piece = chunk("the answer");
    piece.insert(piece.find('{') + 1, fmt::format(R"("service_tier":"{}",)", told));
    world.upstreams.script.pieces = {piece};
    std::string body(kHelloStreamed);
    body.insert(1, R"("service_tier":"flex",)");
    (void)world.serve(ask(body));
    const std::int64_t usual = settled().used.input + 10 * settled().used.output;
    EXPECT_EQ(settled().used.cost, Money{(usual + part - 1) / part}) << told;
  }
  expect_clean_books();
}

TEST_F(ServiceTiersTest, WithoutAPriceOrARouteAreRefusedByName) {
  for (const auto& [settings, rule] :
       {std::pair<std::string, std::string>(kSettings,
                                            "models.small.price_per_million.service_tiers"),
        {priced("big", kTiers), "models.small.price_per_million.service_tiers"},
        {settings_with("price_per_million: { input: 1, output: 10 } }\n  big",
                       fmt::format("price_per_million: {{ {} }} }}\n  big", kTiers)),
         "routes.chat.service_tiers"}}) {
    World other(load_settings(settings), shared_vocabularies());
    other.upstreams.script.pieces = {kAnswer};
    Ask asked;
    asked.headers = {{"x-api-key", other.add_key("acme")}};
    asked.body =
        R"({"model":"small","service_tier":"priority","messages":[{"role":"user","content":"x"}]})";
    const auto caller = other.serve(asked);
    EXPECT_EQ(caller->status, 400) << caller->text;
    EXPECT_EQ(caller->header("x-tollgate-rule").value_or(""), rule);
    EXPECT_TRUE(other.upstreams.messages.empty());
    // What the provider may choose is the usual one then.
    asked.body =
        R"({"model":"small","service_tier":"auto","messages":[{"role":"user","content":"x"}]})";
    ASSERT_EQ(other.serve(asked)->status, 200);
    EXPECT_NE(other.upstreams.messages.at(0).find(R"("service_tier":"default")"),
              std::string::npos);
  }
}

// The server is told the usual tier in its own words, so that its project's settings decide
// nothing.
class TranslatedTiersTest : public PipelineTest {
 protected:
  static std::string settings() {
    std::string text = priced("small", kTiers);
    const auto put = [&](std::string_view from, std::string_view to) {
      const std::size_t at = text.find(from);
      CHECK(at != std::string::npos);
      text.replace(at, from.size(), to);
    };
    put("path: /v1/messages\n    models: [opus]", "path: /v1/messages\n    models: [opus, small]");
    const std::size_t opus = text.find("  opus: {");
    text.insert(text.find("price_per_million: { ", opus) + 21,
                "service_tiers: { priority: { input: 2, output: 20 } }, ");
    put("models: [small, ", "models: [opus, small, ");
    return text;
  }
  TranslatedTiersTest() : PipelineTest(settings()) {}
};

TEST_F(TranslatedTiersTest, AreTheUsualOneInTheServersWords) {
  world.upstreams.script.pieces = {whole(reported(9, 4))};
  std::string body(kClaude);
  body.replace(body.find("opus"), 4, "small");
  auto caller = world.serve(ask(body, "/v1/messages"));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(world.upstreams.messages.at(0).find(R"("service_tier":"default")"), std::string::npos);
  EXPECT_EQ(settled().used.cost, Money{kUsual});
  EXPECT_LT(settled().held, Money{2 * 50 * 10});

  world.upstreams.messages.clear();
  world.upstreams.script.pieces = {message_with(R"({"input_tokens":9,"output_tokens":4})")};
  body = kHello;
  body.replace(body.find("small"), 5, "opus");
  caller = world.serve(ask(body));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(world.upstreams.messages.at(0).find(R"("service_tier":"standard_only")"),
            std::string::npos);
  EXPECT_EQ(settled().used.cost, Money{kUsual});
  // Another tier than that cannot be carried over.
  body.insert(1, R"("service_tier":"priority",)");
  EXPECT_EQ(world.serve(ask(body))->status, 400);
  expect_clean_books();
}

// Reasoning and images, by what the answer tells of them.
class PartsTest : public PipelineTest {
 protected:
  PartsTest()
      : PipelineTest(
            priced("small", "input: 1, output: 10, reasoning_output: 12, audio_output: 15")) {}
};

TEST_F(PartsTest, OfTheOutputAreHeldAtTheDearestAndPaidByTheDetails) {
  world.upstreams.script.pieces = {
      whole(R"({"prompt_tokens":9,"completion_tokens":10,"total_tokens":19,)"
            R"("completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":2}})")};
  ASSERT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
  EXPECT_EQ(settled().held, Money{kHelloTokens + 15 * kCap});
  EXPECT_EQ(settled().used.cost, Money{9 + 30 + 60 + 30});
  EXPECT_NE(last().written.find(R"("reasoning":5,"audio_output":2)"), std::string::npos)
      << last().written;
  // Parts that are more than the whole are none.
  world.upstreams.script.pieces = {
      whole(R"({"prompt_tokens":9,"completion_tokens":10,"total_tokens":19,)"
            R"("completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":9}})")};
  ASSERT_EQ(world.serve(ask(std::string(kHello)))->status, 200);
  EXPECT_EQ(settled().used.cost, Money{9 + 9 * 12 + 15});
  expect_clean_books();
}

TEST_F(PartsTest, OfAnAnswerThatNeverCameAreTheDearest) {
  world.upstreams.script.fault = FaultKind::kBroken;
  world.upstreams.script.pieces = {whole({}).substr(0, 40)};
  ASSERT_EQ(world.serve(ask(std::string(kHello)))->status, 502);
  EXPECT_EQ(settled().used.cost, Money{kHelloTokens + 15 * kCap});
  expect_clean_books();
}

// The list that holds at the instant of the hold is that of the whole request.
// One that is kept is read again by what goes on from it, and where the provider does not tell its
// tokens apart they are paid as text.
TEST(KeptImages, AreRefusedWhereTheyAreDearerThanText) {
  const std::string image =
      R"({"type":"message","role":"user","content":[{"type":"input_image","image_url":)"
      R"("data:image/png;base64,)" +
      dialects::testing::base64(dialects::testing::png(64, 64)) + R"("}]})";
  const std::string asked = R"({"model":"small","input":[)" + image + "]";
  const std::string answer =
      R"({"id":"resp_1","object":"response","status":"completed","output":[],"usage":)"
      R"({"input_tokens":9,"output_tokens":4}})";
  const std::string made = R"({"id":"conv_1","object":"conversation","created_at":7})";
  for (const auto& [prices, is_kept] :
       {std::pair("input: 1, output: 10, image_input: 3", false),
        std::pair("input: 1, output: 10, service_tiers: { flex: { input: 1, output: 5, "
                  "image_input: 2 } }",
                  false),
        std::pair("input: 3, output: 10, image_input: 3", true),
        std::pair("input: 1, output: 10", true)}) {
    SCOPED_TRACE(prices);
    std::string text = priced("small", prices);
    const std::size_t at = text.find("price_per_million", text.find("  small:"));
    text.insert(at, "images: gpt-4o, context_tokens: 1000, ");
    text +=
        "  - name: kept\n    path: /v1/responses\n    models: [small]\n    allow: [{ tenants: "
        "[acme] }]\n    prompt: { body: 64KiB, input_tokens: 2000, output_tokens: 100 }\n"
        "    stored_responses: true\n";
    World world(load_settings(text), shared_vocabularies());
    const std::string key = world.add_key("acme", "ada");
    const auto serve = [&](const std::string& body, const char* path, const std::string& told) {
      world.upstreams.script.pieces = {told};
      Ask one;
      one.target = path;
      one.headers = {{"Authorization", "Bearer " + key}};
      one.body = body;
      return world.serve(std::move(one));
    };
    EXPECT_EQ(serve(asked + "}", "/v1/responses", answer)->status, 200) << "kept by nobody";
    world.upstreams.messages.clear();
    const auto stored = serve(asked + R"(,"store":true})", "/v1/responses", answer);
    EXPECT_EQ(stored->status, is_kept ? 200 : 400) << stored->text;
    const auto put = serve("{\"items\":[" + image + "]}", "/v1/conversations", made);
    EXPECT_EQ(put->status, is_kept ? 200 : 400) << put->text;
    EXPECT_EQ(world.upstreams.messages.size(), is_kept ? 2U : 0U);
    const auto empty = serve("{}", "/v1/conversations", made);
    ASSERT_EQ(empty->status, 200) << empty->text;
    const std::size_t id = empty->text.find("conv_");
    const std::string named = empty->text.substr(id, empty->text.find('"', id) - id);
    const auto turn = serve(asked + R"(,"conversation":")" + named + "\"}", "/v1/responses",
                            R"({"conversation":{"id":"conv_1"},)" + answer.substr(1));
    EXPECT_EQ(turn->status, is_kept ? 200 : 400) << turn->text;
    if (is_kept) continue;
    for (const auto& caller : {&stored, &put, &turn}) {
      EXPECT_EQ((*caller)->header("x-tollgate-rule"), "routes.kept.stored_responses");
      EXPECT_NE((*caller)->text.find("image"), std::string::npos) << (*caller)->text;
    }
  }
}

TEST(PricesByDay, AreThoseOfTheInstantOfTheHold) {
  std::string text = settings_with("price_per_million: { input: 1, output: 10 } }\n  big",
                                   "prices: llama }\n  big");
  text += R"(
prices:
  - { name: llama, price_per_million: { input: 1, output: 10 } }
  - { name: llama, from: 2001-01-01, price_per_million: { input: 2, output: 20 } }
  - { name: llama, from: 2200-01-01, price_per_million: { input: 100, output: 100 } }
)";
  World world(load_settings(text), shared_vocabularies());
  world.upstreams.script.pieces = {whole(reported(9, 4))};
  Ask asked;
  asked.headers = {{"x-api-key", world.add_key("acme")}};
  asked.body = R"({"model":"small","messages":[{"role":"user","content":"Hello there"}]})";
  ASSERT_EQ(world.serve(asked)->status, 200);
  EXPECT_EQ(world.ledger.settled.back().held, Money{2 * (9 + 10 * kCap)});
  EXPECT_NE(world.trail.records.back().written.find(R"("price_version":"2.00/2.00/20.00")"),
            std::string::npos);
}

// Whatever a provider says, honest or not, no more is settled than was held.
TEST(PricedProperty, NothingThatAnAnswerSaysCostsMoreThanWasHeld) {
  std::mt19937_64 random{45};
  const auto below = [&](std::int64_t end) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end));
  };
  const auto price = [&] { return fmt::format("0.{}", 10 + below(90)); };
  for (int table = 0; table < 12; ++table) {
    const auto prices = [&] {
      std::string all = fmt::format("input: {}, output: {}", price(), price());
      for (const char* key : {"cached_input", "cache_write_5m", "cache_write_1h", "image_input",
                              "reasoning_output", "audio_output"}) {
        if (below(2) == 1) all += fmt::format(", {}: {}", key, price());
      }
      return all;
    };
    const std::string all =
        fmt::format("{}, service_tiers: {{ priority: {{ {} }} }}", prices(), prices());
    World world(load_settings(priced("opus", all)), shared_vocabularies());
    const std::string key = world.add_key("acme");
    for (int step = 0; step < 40; ++step) {
      SCOPED_TRACE(fmt::format("{} {}", all, step));
      const auto tokens = [&] { return below(below(2) == 0 ? 12 : 60); };
      world.upstreams.script.pieces = {message_with(fmt::format(
          R"({{"input_tokens":{},"cache_read_input_tokens":{},"cache_creation_input_tokens":{},"cache_creation":{{"ephemeral_1h_input_tokens":{}}},"output_tokens":{},"output_tokens_details":{{"thinking_tokens":{}}},"service_tier":"{}"}})",
          tokens(), tokens(), tokens(), tokens(), tokens(), tokens(),
          below(2) == 0 ? "priority" : "standard"))};
      Ask asked;
      asked.target = "/v1/messages";
      asked.headers = {{"x-api-key", key}};
      asked.body = claude_with(below(2) == 0 ? kMark5m : kMark1h,
                               below(2) == 0 ? R"("service_tier":"auto",)" : "");
      ASSERT_EQ(world.serve(asked)->status, 200);
      ASSERT_LE(world.ledger.settled.back().used.cost, world.ledger.settled.back().held);
    }
  }
}

}  // namespace
}  // namespace tollgate::pipeline::testing
