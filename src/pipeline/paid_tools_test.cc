// Tools that the provider runs and is paid for each call of: what is held, what is settled, and
// what is refused.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "pipeline/settings_test.h"

namespace tollgate::pipeline::testing {
namespace {

constexpr std::string_view kRoutes = R"(  - name: responses
    path: /v1/responses
    models: [small, big]
    allow: [{}]
    prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100 }
    tools: { allow: ["type:web_search", "type:file_search", "type:mcp", "look"], calls: 5 }
)";

std::string settings() {
  std::string text = settings_with(
      "prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }\n  - name: "
      "embed",
      "prompt: { body: 64KiB, input_tokens: 32000, output_tokens: 100, choices: 1 }\n"
      "    tools: { allow: [\"type:web_search\", \"type:web_fetch\", \"type:code_execution\"], "
      "calls: 5 }\n  - name: embed");
  const auto price = [&](std::string_view model, std::string_view prices) {
    const std::size_t at = text.find("  " + std::string(model) + ": { upstream:");
    CHECK(at != std::string::npos);
    text.insert(text.find(" }\n", at), ", price_per_tool_call: { " + std::string(prices) + " }");
  };
  price("small", "web_search: 0.01, file_search: 0.0025, mcp: 0");
  price("opus", "web_search: 0.01, web_fetch: 0, code_execution: 0.05");
  const std::size_t chat = text.find("tools: { allow: [get_weather] }");
  text.replace(chat, 31, "tools: { allow: [get_weather, \"type:web_search\"] }");
  return text + std::string(kRoutes);
}

class PaidToolsTest : public PipelineTest {
 protected:
  PaidToolsTest() : PipelineTest(settings()) {}

  auto respond(std::string_view more, std::string_view items, std::string_view model = "small") {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {
        R"({"id":"r","object":"response","status":"completed","output":[)" + std::string(items) +
        R"(],"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}})"};
    return world.serve(ask(R"({"model":")" + std::string(model) + R"(","input":"Hello there")" +
                               std::string(more) + "}",
                           "/v1/responses"));
  }
  // What a request of the same tokens holds without any.
  Money plain() {
    EXPECT_EQ(respond("", "")->status, 200);
    return settled().held;
  }
  // What was settled beside the tokens.
  std::int64_t for_calls() const {
    const Used& used = settled().used;
    return used.cost.micro_usd - used.input - 10 * used.output;
  }
  void expect_refused(std::string_view more, std::string_view words,
                      std::string_view model = "small") {
    const auto caller = respond(more, "", model);
    EXPECT_EQ(caller->status, 400) << more;
    EXPECT_NE(caller->text.find(words), std::string::npos) << caller->text;
    EXPECT_TRUE(world.upstreams.messages.empty());
    EXPECT_EQ(world.ledger.open(), 0);
  }
};

constexpr std::string_view kSearch = R"(,"tools":[{"type":"web_search"}])";
constexpr std::string_view kSearched = R"({"type":"web_search_call","id":"ws_1"})";

TEST_F(PaidToolsTest, AreHeldAtTheMostCallsAndPaidByThoseThatWereMade) {
  const Money without = plain();
  auto caller = respond(kSearch, std::string(kSearched) + "," + std::string(kSearched));
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_NE(world.upstreams.messages[0].find(R"("max_tool_calls":5)"), std::string::npos);
  EXPECT_GE(settled().held.micro_usd, without.micro_usd + 5 * 10'000);
  EXPECT_EQ(for_calls(), 2 * 10'000);
  EXPECT_NE(last().written.find(R"("tool_calls":{"web_search":2})"), std::string::npos)
      << last().written;
  EXPECT_NE(last().written.find(R"(1.00/1.00/10.00;tool_calls:web_search=0.01")"),
            std::string::npos)
      << last().written;
  EXPECT_EQ(caller->header("x-tollgate-cost-usd"), "0.020049");

  // The caller's own bound, where it is lower; never a higher one.
  (void)respond(std::string(kSearch) + R"(,"max_tool_calls":2)", kSearched);
  const Money two = settled().held;
  EXPECT_NE(world.upstreams.messages[0].find(R"("max_tool_calls":2)"), std::string::npos);
  (void)respond(std::string(kSearch) + R"(,"max_tool_calls":900)", "");
  EXPECT_EQ(settled().held.micro_usd, two.micro_usd + 3 * 10'000);
  EXPECT_NE(world.upstreams.messages[0].find(R"("max_tool_calls":5)"), std::string::npos);
  EXPECT_EQ(for_calls(), 0) << "none was made";
  expect_clean_books();
}

TEST_F(PaidToolsTest, OfSeveralTheDearestIsHeldForAll) {
  const std::string more =
      R"(,"tools":[{"type":"file_search","vector_store_ids":["v"]},{"type":"web_search"}])";
  (void)respond(std::string(kSearch), "");
  const Money searching = settled().held;
  (void)respond(
      more, R"({"type":"file_search_call"},{"type":"file_search_call"},)" + std::string(kSearched));
  EXPECT_LE(settled().held.micro_usd - searching.micro_usd, 200) << "but for its definition";
  EXPECT_EQ(for_calls(), 10'000 + 2 * 2500);
  expect_clean_books();
}

// Whatever it says that it did.
TEST_F(PaidToolsTest, CostAtMostWhatWasHeld) {
  std::string many;
  for (int i = 0; i < 5; ++i) many += std::string(kSearched) + ",";
  (void)respond(std::string(kSearch) + R"(,"max_tool_calls":1)", many + std::string(kSearched));
  EXPECT_EQ(for_calls(), 10'000);
  world.upstreams.script.fault = FaultKind::kBroken;
  EXPECT_EQ(respond(std::string(kSearch) + R"(,"max_tool_calls":3)", "")->status, 502);
  EXPECT_EQ(settled().used.cost, settled().held) << "it may have made them all";
  expect_clean_books();
}

TEST_F(PaidToolsTest, WithoutAPriceAreRefusedAndZeroIsOne) {
  expect_refused(kSearch, "models.big.price_per_tool_call.web_search", "big");
  const auto caller = respond(R"(,"tools":[{"type":"mcp","server_label":"x"}])",
                              R"({"type":"mcp_call","name":"a","arguments":"{}"})");
  ASSERT_EQ(caller->status, 200) << caller->text;
  EXPECT_EQ(for_calls(), 0);
  EXPECT_NE(last().written.find(R"("tool_calls":{"mcp":1})"), std::string::npos);
  EXPECT_NE(world.upstreams.messages[0].find(R"("max_tool_calls":5)"), std::string::npos)
      << "what its calls find is read";
  expect_clean_books();
}

TEST_F(PaidToolsTest, WithoutABoundAreRefused) {
  const auto caller =
      world.serve(ask(R"({"model":"small","messages":[{"role":"user","content":"x"}],)"
                      R"("tools":[{"type":"web_search"}]})"));
  EXPECT_EQ(caller->status, 400);
  EXPECT_NE(caller->text.find("cannot be held to a number"), std::string::npos) << caller->text;
  const auto claude = world.serve(
      ask(R"({"model":"opus","max_tokens":50,"messages":[{"role":"user","content":"x"}],)"
          R"("tools":[{"type":"code_execution_20250825","name":"code_execution"}]})",
          "/v1/messages"));
  EXPECT_EQ(claude->status, 400);
  EXPECT_NE(claude->text.find("cannot be held to a number"), std::string::npos) << claude->text;
  EXPECT_TRUE(world.upstreams.messages.empty());
}

TEST_F(PaidToolsTest, OfMessagesAreHeldEachByItself) {
  const auto asked = [&](std::string_view uses) {
    world.upstreams.messages.clear();
    world.upstreams.script.pieces = {
        R"({"type":"message","content":[{"type":"server_tool_use","id":"s","name":"web_search",)"
        R"("input":{"query":"x"}},{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":)"
        R"({"input_tokens":22,"output_tokens":4,"server_tool_use":{"web_search_requests":1}}})"};
    return world.serve(
        ask(R"({"model":"opus","max_tokens":50,"messages":[{"role":"user","content":"Hello"}],)"
            R"("tools":[{"type":"web_search_20250305","name":"web_search")" +
                std::string(uses) +
                R"(},{"type":"web_fetch_20250910","name":"web_fetch","max_uses":2}]})",
            "/v1/messages"));
  };
  ASSERT_EQ(asked("")->status, 200);
  const Money five = settled().held;
  EXPECT_NE(world.upstreams.messages[0].find(R"("max_uses":5})"), std::string::npos)
      << world.upstreams.messages[0];
  EXPECT_EQ(for_calls(), 10'000);
  ASSERT_EQ(asked(R"(,"max_uses":2)")->status, 200);
  EXPECT_LE(settled().held.micro_usd, five.micro_usd - 3 * 10'000 + 100);
  EXPECT_NE(last().written.find(R"("tool_calls":{"web_search":1})"), std::string::npos);
  expect_clean_books();
}

// The model reads what a tool found, which nobody has counted before.
class ToolTokens : public PipelineTest {
 protected:
  static std::string priced() {
    std::string text = settings();
    const std::string_view price = "price_per_tool_call: { web_search: 0.01, file_search";
    text.insert(text.find(price), "input_tokens_per_tool_call: 1000, ");
    return text;
  }
  ToolTokens() : PipelineTest(priced()) {}

  void respond(Tokens input, std::string_view more) {
    world.upstreams.script.pieces = {
        R"({"id":"r","object":"response","status":"completed","output":[)" +
        std::string(kSearched) + R"(],"usage":{"input_tokens":)" + std::to_string(input) +
        R"(,"output_tokens":4}})"};
    EXPECT_EQ(world
                  .serve(ask(R"({"model":"small","input":"Hello there")" + std::string(kSearch) +
                                 std::string(more) + "}",
                             "/v1/responses"))
                  ->status,
              200);
  }
};

TEST_F(ToolTokens, AreHeldForEachCallAndPaidAsReported) {
  respond(2500, R"(,"max_tool_calls":3)");
  const Money three = settled().held;
  EXPECT_EQ(settled().used.input, 2500);
  respond(2500, R"(,"max_tool_calls":2)");
  EXPECT_EQ(settled().held.micro_usd, three.micro_usd - 10'000 - 1000);
  EXPECT_LT(settled().used.input, 2500) << "no more than was held";
  EXPECT_GE(settled().used.input, 2000);
  respond(40, R"(,"max_tool_calls":3)");
  EXPECT_EQ(settled().used.input, 40) << "it found nothing";
  EXPECT_EQ(world.meter.counts, 0) << "nothing is learned of what nobody here has counted";
  expect_clean_books();
}

}  // namespace
}  // namespace tollgate::pipeline::testing
