// Masks that come back in an answer, whole and streamed.
#include "dialects/restoring.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "dialects/fixture_test.h"
#include "dialects/json_strict.h"

namespace tollgate::dialects {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kQuoted = "he said \"x\\y\"\n";
constexpr Masked kMasked[] = {{"[REDACTED:pii.email#1]", "ann@acme-mail.com"},
                              {"[REDACTED:pii.email#11]", "bob@acme-mail.com"},
                              {"[REDACTED:own.said#1]", kQuoted}};

std::string restored(std::string_view body) {
  std::string text(body);
  Restoring(kMasked).restore(text);
  return text;
}

std::string with_values(std::string text) {
  for (const Masked& one : kMasked) {
    for (std::size_t at = text.find(one.mask); at != std::string::npos;
         at = text.find(one.mask, at + one.value.size())) {
      text.replace(at, one.mask.size(), one.value);
    }
  }
  return text;
}

std::string quoted(std::string_view text) {
  std::string made;
  append_json_string(text, made);
  return made;
}

TEST(Restoring, PutsValuesIntoAWholeAnswerAndChangesNothingElse) {
  EXPECT_EQ(
      restored(R"({ "id":"c", "choices": [ {"message":{"content":"to [REDACTED:pii.email#1], )"
               R"([REDACTED:pii.email#11] and [REDACTED:pii.email#2]"},"x":1.50e3} ]})"),
      R"({ "id":"c", "choices": [ {"message":{"content":"to ann@acme-mail.com, )"
      R"(bob@acme-mail.com and [REDACTED:pii.email#2]"},"x":1.50e3} ]})");
  EXPECT_EQ(restored(R"({"content":"[[REDACTED:own.said#1]]"})"),
            R"({"content":"[he said \"x\\y\"\n]"})");
  EXPECT_EQ(restored("no JSON [REDACTED:pii.email#1]"), "no JSON [REDACTED:pii.email#1]");
  EXPECT_EQ(restored(R"({"a":"[REDACTED:pii.email#1)"), R"({"a":"[REDACTED:pii.email#1)");
}

// In arguments it is the value that a tool reads which is right.
TEST(Restoring, EscapesTwiceWhatIsJsonInAString) {
  const std::string body =
      restored(R"({"choices":[{"message":{"tool_calls":[{"function":{"name":"f",)"
               R"("arguments":"{\"to\":\"[REDACTED:own.said#1]\"}"}}]}}]})");
  dom::parser outer;
  std::string_view arguments;
  ASSERT_EQ(outer.parse(simdjson::padded_string(body))
                .at_pointer("/choices/0/message/tool_calls/0/function/arguments")
                .get(arguments),
            simdjson::SUCCESS)
      << body;
  dom::parser inner;
  std::string_view to;
  ASSERT_EQ(inner.parse(simdjson::padded_string(arguments)).at_pointer("/to").get(to),
            simdjson::SUCCESS)
      << body;
  EXPECT_EQ(to, kQuoted);
  // Where they are an object, its strings are strings.
  EXPECT_EQ(
      restored(R"({"content":[{"type":"tool_use","input":{"data":"[REDACTED:own.said#1]"}}]})"),
      R"({"content":[{"type":"tool_use","input":{"data":"he said \"x\\y\"\n"}}]})");
  // Whatever the tool calls them.
  EXPECT_EQ(
      restored(
          R"({"content":[{"type":"tool_use","input":{"arguments":"[REDACTED:own.said#1]"}}]})"),
      R"({"content":[{"type":"tool_use","input":{"arguments":"he said \"x\\y\"\n"}}]})");
}

TEST(Restoring, LeavesWhatIsSignedOrTellsTheTextAgain) {
  for (
      const char* body :
      {R"({"content":[{"type":"thinking","thinking":"of [REDACTED:pii.email#1]","signature":"s"}]})",
       R"({"choices":[{"logprobs":{"content":[{"token":"[REDACTED:pii.email#1]"}]}}]})"}) {
    EXPECT_EQ(restored(body), body);
  }
}

// Streams -----------------------------------------------------------------------------------

std::string event(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }
std::string chat(std::string_view piece, int choice = 0) {
  return event(R"({"choices":[{"delta":{"content":)" + quoted(piece) +
               "},\"index\":" + std::to_string(choice) + "}]}");
}
std::string call(std::string_view piece) {
  return event(
      R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":)" +
      quoted(piece) + "}}]}}]}");
}
std::string block(std::string_view piece, std::string_view field = "text") {
  return "event: content_block_delta\n" +
         event(R"({"type":"content_block_delta","index":1,"delta":{"type":"d",")" +
               std::string(field) + "\":" + quoted(piece) + "}}");
}

// The texts of a stream: what stands under that name, by the choice.
std::map<std::int64_t, std::string> texts_in(std::string_view stream, std::string_view name) {
  std::map<std::int64_t, std::string> made;
  for (std::size_t at = stream.find("data: {"); at != std::string_view::npos;
       at = stream.find("data: {", at + 1)) {
    dom::parser parser;
    const simdjson::padded_string json(stream.substr(at + 6, stream.find('\n', at) - at - 6));
    const dom::element root = parser.parse(json);
    std::int64_t index = 0;
    (void)root.at_pointer("/choices/0/index").get(index);
    for (const std::string& pointer :
         {"/choices/0/delta/" + std::string(name),
          "/choices/0/delta/tool_calls/0/function/" + std::string(name),
          "/delta/" + std::string(name)}) {
      std::string_view text;
      if (root.at_pointer(pointer).get(text) == simdjson::SUCCESS) made[index] += text;
    }
  }
  return made;
}

TEST(Restoring, OfAStreamIsTheSameHoweverItIsCut) {
  const std::string text =
      "to [REDACTED:pii.email#1] and [REDACTED:pii.email#11], [not [RED [REDACTED: this] nor "
      "[REDACTED:pii.email#2][REDACTED:pii.email#1]";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    for (const bool is_chat : {true, false}) {
      Restoring restoring(kMasked);
      std::string all;
      for (std::size_t at = 0; at < text.size(); at += size) {
        std::string bytes = is_chat ? chat(text.substr(at, size)) : block(text.substr(at, size));
        restoring.pass(bytes);
        all += bytes;
      }
      std::string end = "data: [DONE]\n\n";
      restoring.finish(end);
      all += end;
      EXPECT_TRUE(all.ends_with("data: [DONE]\n\n"));
      EXPECT_EQ(texts_in(all, is_chat ? "content" : "text")[0], with_values(text)) << size;
    }
  }
}

TEST(Restoring, FollowsEachTextByItself) {
  std::mt19937 random(7);
  const std::string texts[] = {"a [REDACTED:pii.email#1] b", "c [REDACTED:pii.email#11] [REDA",
                               "[REDACTED:own.said#1]"};
  for (int round = 0; round < 200; ++round) {
    Restoring restoring(kMasked);
    std::size_t at[] = {0, 0, 0};
    std::string all;
    std::string came;
    for (;;) {
      std::vector<int> left;
      for (int i = 0; i < 3; ++i) {
        if (at[i] < texts[i].size()) left.push_back(i);
      }
      if (left.empty()) break;
      const int one = left[random() % left.size()];
      std::string bytes = chat(texts[one].substr(at[one], 1 + random() % 6), one);
      at[one] += texts_in(bytes, "content")[one].size();
      if (random() % 4 == 0) bytes += ": ping\n\n";
      came += bytes;
      restoring.pass(bytes);
      all += bytes;
    }
    std::string end;
    restoring.finish(end);
    all += end;
    std::map<std::int64_t, std::string> told = texts_in(all, "content");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(told[i], with_values(texts[i]));
    EXPECT_EQ(std::ranges::count(all, '\n'), std::ranges::count(came, '\n'));
  }
}

TEST(Restoring, OfAStreamEscapesArgumentsTwice) {
  const std::string arguments = R"({"to":"[REDACTED:own.said#1]"})";
  for (std::size_t size = 1; size <= arguments.size(); ++size) {
    for (const bool is_chat : {true, false}) {
      Restoring restoring(kMasked);
      std::string all;
      for (std::size_t at = 0; at < arguments.size(); at += size) {
        std::string bytes = is_chat ? call(arguments.substr(at, size))
                                    : block(arguments.substr(at, size), "partial_json");
        restoring.pass(bytes);
        all += bytes;
      }
      std::string end;
      restoring.finish(end);
      all += end;
      EXPECT_EQ(texts_in(all, is_chat ? "arguments" : "partial_json")[0],
                "{\"to\":" + quoted(kQuoted) + "}");
    }
  }
}

// The texts of a response come among each other, told apart by numbers alone.
TEST(Restoring, OfAResponseFollowsEachPartAndEscapesArgumentsTwice) {
  const std::string said = "to [REDACTED:pii.email#1]!";
  const std::string arguments = R"({"to":"[REDACTED:own.said#1]"})";
  const auto delta = [](std::string_view type, int item, std::string_view piece) {
    return "event: response." + std::string(type) + "\n" +
           event(R"({"type":"response.)" + std::string(type) + R"(","output_index":)" +
                 std::to_string(item) + R"(,"content_index":0,"delta":)" + quoted(piece) + "}");
  };
  for (std::size_t size = 1; size <= arguments.size(); ++size) {
    Restoring restoring(kMasked);
    std::string all;
    for (std::size_t at = 0; at < arguments.size(); at += size) {
      std::string bytes;
      if (at < said.size()) {
        bytes += delta("output_text.delta", 0, said.substr(at, size));
        bytes += delta("output_text.delta", 1, said.substr(at, size));
      }
      bytes += delta("function_call_arguments.delta", 2, arguments.substr(at, size));
      restoring.pass(bytes);
      all += bytes;
    }
    std::string end;
    restoring.finish(end);
    all += end;
    std::map<std::int64_t, std::string> told;
    for (std::size_t at = all.find("data: {"); at != std::string::npos;
         at = all.find("data: {", at + 1)) {
      dom::parser parser;
      const simdjson::padded_string json(all.substr(at + 6, all.find('\n', at) - at - 6));
      const dom::element root = parser.parse(json);
      told[std::int64_t(root["output_index"])] += std::string_view(root["delta"]);
    }
    EXPECT_EQ(told[0], with_values(said)) << size;
    EXPECT_EQ(told[1], with_values(said)) << size;
    EXPECT_EQ(told[2], "{\"to\":" + quoted(kQuoted) + "}") << size;
  }
}

TEST(Restoring, OfAResponseWaitsForNothingBehindAWholeText) {
  Restoring restoring(kMasked);
  std::string delta =
      event(R"({"type":"response.output_text.delta","output_index":0,"delta":"a ["})");
  restoring.pass(delta);
  EXPECT_EQ(delta, "");
  std::string done = event(R"({"type":"response.output_text.done","output_index":0,"text":"a ["})");
  const std::size_t size = done.size();
  restoring.pass(done);
  EXPECT_GT(done.size(), size) << "with the piece that waited";
  std::string other =
      event(R"({"type":"response.output_text.done","output_index":1,"text":"REDA"})");
  const std::string as_it_was = other;
  restoring.pass(other);
  EXPECT_EQ(other, as_it_was);
}

TEST(Restoring, HoldsNothingButWhatMayBeginAMask) {
  Restoring restoring(kMasked);
  const auto passed = [&](std::string bytes) {
    restoring.pass(bytes);
    return bytes;
  };
  EXPECT_EQ(passed(chat("Hello ")), chat("Hello "));
  EXPECT_EQ(passed(chat("a [link]")), chat("a [link]"));
  EXPECT_EQ(passed(chat("x[0]")), chat("x[0]"));
  EXPECT_EQ(passed(chat("to [RED")), "");
  EXPECT_EQ(passed(chat("INGOTE")), chat("to [RED") + chat("INGOTE"));
  EXPECT_EQ(passed(chat("to [")), "");
  // A text that ends lets all go on.
  const std::string end = event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
  EXPECT_EQ(passed(end), chat("to [") + end);
}

TEST(Restoring, HoldsSoMuchAndNoMore) {
  Restoring restoring(kMasked);
  std::string bytes = chat("[");
  restoring.pass(bytes);
  EXPECT_EQ(bytes, "");
  const std::string other = chat(std::string(1000, 'x'), 1);
  std::size_t held = 0;
  do {
    bytes = other;
    restoring.pass(bytes);
    held += other.size();
  } while (bytes.empty() && held < 2 * Restoring::kHeldBytesMax);
  EXPECT_LE(held, Restoring::kHeldBytesMax + other.size());
}

TEST(Restoring, TakesWhatIsNoJsonAsItIs) {
  for (const std::string& came :
       {std::string("data: [REDACTED:pii.email#1\n\n"), std::string(": [REDACTED:pii.email#1]\n\n"),
        std::string("data: {\"a\":\ndata: \"[REDACTED:pii.email#1]\"}\n\n"),
        std::string("event: x\r\ndata: [1,2]\r\n\r\n")}) {
    Restoring restoring(kMasked);
    std::string bytes = came;
    restoring.pass(bytes);
    std::string end;
    restoring.finish(end);
    EXPECT_EQ(bytes + end, came);
  }
}

}  // namespace
}  // namespace tollgate::dialects
