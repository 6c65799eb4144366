#include "controls/tools/answer_calls.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tollgate::tools {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kSearch =
    R"({"type":"function","function":{"name":"search","parameters":{"type":"object",)"
    R"("properties":{"q":{"type":"string"}},"required":["q"],"additionalProperties":false}}})";

class AnswerCallsTest : public ::testing::Test {
 protected:
  AnswerCallsTest() {
    policy.allow = NameSet({"search", "get_*", "type:web_search", "type:bash_20250124", "grep"});
  }

  AnswerCalls made() { return {scope, offered}; }
  static Names names(std::span<const std::string> from) { return {from.begin(), from.end()}; }

  Policy policy;
  const Scope scope{policy, "chat", "acme", nullptr, {}, {}};
  std::vector<Offered> offered{{{"function", "search"}, kSearch},
                               {{"custom", "grep"}, R"({"type":"custom"})"},
                               {{"bash_20250124", "bash"}, R"({"name":"bash"})"}};
};

TEST_F(AnswerCallsTest, OfWhatWasOfferedGoOn) {
  AnswerCalls calls = made();
  calls.piece({.type = "function", .name = "search"});
  for (const std::string_view piece : {"{\"q\"", ":\"x", "\"}"}) calls.piece({.arguments = piece});
  calls.piece({.index = 1, .type = "tool_use", .name = "bash"});
  calls.piece({.index = 2, .type = "custom", .name = "grep", .arguments = "no JSON"});
  EXPECT_FALSE(calls.holds());
  calls.ended(0, End::kComplete);
  calls.finish();
  EXPECT_FALSE(calls.refusal());
  EXPECT_EQ(names(calls.called()), (Names{"search", "bash", "grep"}));
  EXPECT_TRUE(calls.refused().empty());
}

TEST_F(AnswerCallsTest, OfWhatWasNotOfferedOrMayNotBeUsedEndIt) {
  const struct {
    std::string_view type, name, rule;
  } cases[] = {{"function", "get_weather", "routes.chat.tools"},
               {"function", "rm", "routes.chat.tools"},
               {"tool_use", "Search", "routes.chat.tools"},
               {"tool_use", "se\u0430rch", "routes.chat.tools"},
               {"server_tool_use", "web_fetch", "routes.chat.tools"},
               {"mcp_tool_use", "search", "routes.chat.tools"}};
  for (const auto& [type, name, rule] : cases) {
    AnswerCalls calls = made();
    calls.piece({.type = type, .name = name});
    ASSERT_TRUE(calls.refusal()) << name;
    EXPECT_EQ(calls.refusal()->reason, Reason::kToolNotAllowed);
    EXPECT_EQ(calls.refusal()->rule, rule);
    EXPECT_EQ(names(calls.refused()), (Names{std::string(name)}));
  }
}

TEST_F(AnswerCallsTest, ThatAProviderMakesAreOfItsTypes) {
  const auto passes = [&](std::string_view name) {
    AnswerCalls calls = made();
    calls.piece({.type = "server_tool_use", .name = name, .arguments = "{\"query\":1}"});
    return !calls.refusal();
  };
  // Allowed, and none of a provider's own that searches was offered, but another was.
  EXPECT_TRUE(passes("web_search"));
  EXPECT_FALSE(passes("code_execution"));
  offered = {{{"function", "search"}, kSearch}};
  EXPECT_FALSE(passes("web_search"));
  offered = {{{"web_search_20250305", "web_search"}, "{}"}};
  EXPECT_TRUE(passes("web_search"));
  EXPECT_FALSE(passes("bash_code_execution"));
  policy.allow = NameSet({"type:web_search", "type:code_execution"});
  EXPECT_TRUE(passes("bash_code_execution"));
}

TEST_F(AnswerCallsTest, ThatTwoClientsCouldReadAsTwoEndIt) {
  const struct {
    std::string_view what;
    std::vector<Piece> pieces;
  } cases[] = {
      {"a name in two pieces", {{.name = "sea"}, {.name = "rch"}}},
      {"another name", {{.name = "search"}, {.name = "get_x"}}},
      {"arguments without a name", {{.arguments = "{}"}}},
  };
  for (const auto& [what, pieces] : cases) {
    AnswerCalls calls = made();
    for (const Piece& piece : pieces) calls.piece(piece);
    EXPECT_TRUE(calls.refusal()) << what;
  }
  AnswerCalls again = made();
  again.piece({.name = "search"});
  again.piece({.name = "search"});
  EXPECT_FALSE(again.refusal());
  again.ended(0, End::kComplete);
  again.piece({.index = 1, .name = "search"});
  EXPECT_TRUE(again.refusal()) << "behind the end";
  AnswerCalls unnamed = made();
  unnamed.piece({.index = 3});
  unnamed.ended(0, End::kComplete);
  EXPECT_TRUE(unnamed.refusal());
  AnswerCalls unreadable = made();
  unreadable.unreadable();
  EXPECT_TRUE(unreadable.refusal());
}

// A response tells its calls once more at its end.
TEST_F(AnswerCallsTest, ThatAreToldAgainAreTheSame) {
  const auto told = [&](std::string_view name, std::string_view arguments, std::int64_t index) {
    AnswerCalls calls = made();
    calls.piece({.index = 3, .type = "function", .name = "search"});
    calls.piece({.index = 3, .arguments = "{}"});
    calls.piece({.index = index,
                 .type = "function",
                 .name = name,
                 .arguments = arguments,
                 .is_again = true});
    calls.ended(0, End::kComplete);
    return calls.refusal().has_value();
  };
  EXPECT_FALSE(told("search", "{}", 3));
  EXPECT_FALSE(told("search", "{}", Piece::kAnyPlace));
  EXPECT_TRUE(told("search", "{\"q\":1}", 3));
  EXPECT_TRUE(told("rm", "{}", 3));
  EXPECT_TRUE(told("rm", "{}", Piece::kAnyPlace));
  EXPECT_FALSE(told("search", "{\"q\":1}", Piece::kAnyPlace)) << "another call, and a good one";
}

TEST_F(AnswerCallsTest, OfATypeAreOfAFamilyThatWasOffered) {
  policy.allow = NameSet({"type:computer_use", "type:local_shell"});
  offered = {{{"computer_use_preview", ""}, "{}"}};
  const auto passes = [&](std::string_view type) {
    AnswerCalls calls = made();
    calls.piece({.type = type, .name = type});
    return !calls.refusal();
  };
  EXPECT_TRUE(passes("computer"));
  EXPECT_TRUE(passes("local_shell")) << "allowed, beside another of a provider's own";
  EXPECT_FALSE(passes("code_interpreter"));
  EXPECT_FALSE(passes("new_thing"));
}

TEST_F(AnswerCallsTest, AreNotMoreThanTheRouteTakes) {
  policy.calls = 2;
  AnswerCalls calls = made();
  calls.piece({.name = "search"});
  calls.piece({.choice = 1, .name = "search"});
  EXPECT_FALSE(calls.refusal());
  calls.piece({.choice = 1, .index = 1, .name = "search"});
  ASSERT_TRUE(calls.refusal());
  EXPECT_EQ(calls.refusal()->rule, "routes.chat.tools.calls");
}

TEST_F(AnswerCallsTest, HaveArgumentsThatAreJson) {
  const auto rule_of = [&](std::string_view arguments, End end) {
    AnswerCalls calls = made();
    calls.piece({.type = "function", .name = "search", .arguments = arguments});
    EXPECT_FALSE(calls.refusal());
    calls.ended(0, end);
    return calls.refusal() ? calls.refusal()->rule : "";
  };
  for (const std::string_view good : {"", "{}", R"({"q":1})", " {\"a\":[]} "}) {
    EXPECT_EQ(rule_of(good, End::kComplete), "") << good;
  }
  for (const std::string_view bad : {"{", "{\"q\":", "[]", "1", "x", "{}{}", "{\"a\":01}"}) {
    EXPECT_EQ(rule_of(bad, End::kComplete), "routes.chat.tools.arguments") << bad;
    // An answer that was cut says so itself.
    EXPECT_EQ(rule_of(bad, End::kCut), "") << bad;
    policy.arguments = Arguments::kPass;
    EXPECT_EQ(rule_of(bad, End::kComplete), "") << bad;
    policy.arguments = Arguments::kParse;
  }
}

TEST_F(AnswerCallsTest, AreHeldUntilTheirArgumentsFit) {
  policy.arguments = Arguments::kValidate;
  AnswerCalls calls = made();
  calls.piece({.type = "function", .name = "search", .arguments = R"({"q":)"});
  EXPECT_TRUE(calls.holds());
  calls.piece({.arguments = R"("x"})"});
  EXPECT_TRUE(calls.holds());
  calls.ended(0, End::kComplete);
  EXPECT_FALSE(calls.holds());
  EXPECT_FALSE(calls.refusal());

  for (const std::string_view bad :
       {R"({"q":1})", "{}", R"({"q":"x","z":1})", R"({"q":"x")", R"({"q":"x","q":"y"})"}) {
    AnswerCalls wrong = made();
    wrong.piece({.type = "function", .name = "search", .arguments = bad});
    wrong.ended(0, End::kCut);
    ASSERT_TRUE(wrong.refusal()) << bad;
    EXPECT_EQ(wrong.refusal()->rule, "routes.chat.tools.arguments");
  }
}

TEST_F(AnswerCallsTest, AreBounded) {
  AnswerCalls calls = made();
  calls.piece({.name = "search"});
  const std::string piece(std::size_t{64} << 10, 'x');
  for (int i = 0; i < 16; ++i) calls.piece({.arguments = piece});
  EXPECT_FALSE(calls.refusal());
  calls.piece({.arguments = "x"});
  EXPECT_TRUE(calls.refusal());
  AnswerCalls waiting = made();
  waiting.piece({.name = "search"});
  waiting.give_up();
  EXPECT_TRUE(waiting.refusal());
}

TEST_F(AnswerCallsTest, AreOnlyToldWhereTheRouteObserves) {
  policy.mode = Mode::kObserve;
  policy.arguments = Arguments::kValidate;
  AnswerCalls calls = made();
  calls.piece({.name = "rm", .arguments = "{"});
  calls.piece({.index = 1, .name = "search", .arguments = "{"});
  EXPECT_FALSE(calls.holds());
  calls.ended(0, End::kComplete);
  EXPECT_FALSE(calls.refusal());
  EXPECT_EQ(names(calls.called()), (Names{"rm", "search"}));
  EXPECT_EQ(names(calls.observed()), (Names{"routes.chat.tools", "routes.chat.tools.arguments"}));
}

// A choice that ended without calls may get one behind its end: that is as whole as the choice is.
TEST_F(AnswerCallsTest, ToldBehindTheEndOfTheirChoiceAreJudgedAsWhole) {
  policy.arguments = Arguments::kParse;
  for (const std::int64_t choices : {1, 1'000}) {
    AnswerCalls calls = made();
    for (std::int64_t choice = 0; choice < choices; ++choice) {
      calls.ended(choice, End::kComplete);
      calls.ended(choice, End::kCut);
    }
    calls.piece({.choice = choices - 1, .type = "function", .name = "search", .arguments = "{no"});
    EXPECT_FALSE(calls.refusal());
    calls.finish();
    ASSERT_TRUE(calls.refusal());
    EXPECT_EQ(calls.refusal()->rule, "routes.chat.tools.arguments");
  }
  AnswerCalls cut = made();
  cut.ended(0, End::kCut);
  cut.piece({.type = "function", .name = "search", .arguments = "{\"q\":"});
  cut.finish();
  EXPECT_FALSE(cut.refusal());
}

TEST_F(AnswerCallsTest, OfOneToolManyTimesAreEachHeldToItsSchema) {
  policy.arguments = Arguments::kValidate;
  AnswerCalls calls = made();
  for (std::int64_t i = 0; i < 40; ++i) {
    calls.piece({.index = i, .type = "function", .name = "search", .arguments = R"({"q":"x"})"});
  }
  calls.piece({.index = 40, .type = "function", .name = "search", .arguments = R"({"q":1})"});
  calls.ended(0, End::kComplete);
  ASSERT_TRUE(calls.refusal());
  EXPECT_NE(calls.refusal()->message.find("`q` is of another type"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::tools
