// The ids of responses that are kept, taken out of what a provider says.
#include "dialects/sealed_response.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tollgate::dialects {
namespace {

struct Names final : ResponseNames {
  std::string name_of(std::string_view id) const override { return "<" + std::string(id) + ">"; }
};
const Names kNames;
const SealedResponse::Terms kTerms{
    .names = &kNames, .previous = "resp_0", .previous_name = "<before>"};

std::string whole(std::string_view body, const SealedResponse::Terms& terms = kTerms) {
  std::string out;
  return SealedResponse(terms).whole(body, out) ? out : "fault";
}

std::string streamed(std::string_view stream, std::size_t step) {
  SealedResponse response(kTerms);
  std::string out;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    if (!response.feed(stream.substr(at, step), out)) return out + "fault";
  }
  return out;
}

TEST(SealedResponse, HasAnotherIdAndEveryOtherByteAsItCame) {
  EXPECT_EQ(whole(R"({"id": "resp_1","previous_response_id":"resp_0","output":[{"id":"msg_1"}],)"
                  R"("text":"say \"resp_1\" or resp_1","metadata":{"a":"resp_1"}})"),
            R"({"id": "<resp_1>","previous_response_id":"<before>","output":[{"id":"msg_1"}],)"
            R"("text":"say \"resp_1\" or resp_1","metadata":{"a":"<resp_1>"}})");
  // Where nothing is kept only the one before has another.
  EXPECT_EQ(whole(R"({"id":"resp_1","previous_response_id":"resp_0"})",
                  {.previous = "resp_0", .previous_name = "<before>"}),
            R"({"id":"resp_1","previous_response_id":"<before>"})");
  // The one may be the beginning of the other.
  EXPECT_EQ(whole(R"({"id":"resp_01","previous_response_id":"resp_0"})"),
            R"({"id":"<resp_01>","previous_response_id":"<before>"})");
}

TEST(SealedResponse, HasTheOneIdThroughoutAStreamHoweverThatIsCut) {
  const std::string stream =
      "event: response.created\ndata: "
      "{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\","
      "\"previous_response_id\":\"resp_0\"}}\n\n"
      "data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response\\\" "
      "resp_1\"}\r\n\r\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n";
  const std::string expected =
      "event: response.created\ndata: "
      "{\"type\":\"response.created\",\"response\":{\"id\":\"<resp_1>\","
      "\"previous_response_id\":\"<before>\"}}\n\n"
      "data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response\\\" "
      "resp_1\"}\r\n\r\n"
      "data: "
      "{\"type\":\"response.completed\",\"response\":{\"id\":\"<resp_1>\",\"output\":[]}}\n\n";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    EXPECT_EQ(streamed(stream, step), expected) << step;
  }
}

TEST(SealedResponse, IsBrokenWithoutAnIdThatCanBeBound) {
  for (const std::string_view id : {"", "r", "completed", "resp_", "resp_\\u0041", "resp_a b"}) {
    EXPECT_EQ(whole(R"({"id":")" + std::string(id) + "\"}"), "fault") << id;
  }
  EXPECT_EQ(whole(R"({"output":[]})"), "fault");
  EXPECT_EQ(whole(R"({"id":"resp_)" + std::string(300, 'a') + "\"}"), "fault");
  const std::string first = "data: {\"response\":{\"id\":\"resp_1\"}}\n\n";
  EXPECT_TRUE(
      streamed(first + "data: {\"response\":{\"id\":\"resp_2\"}}\n\n", 9).ends_with("fault"));
  EXPECT_TRUE(streamed(first + "data: {\"response\":{}}\n\n", 9).ends_with("fault"));
  // What is no response at all is for its reader to refuse.
  EXPECT_EQ(whole("no JSON"), "no JSON");
  EXPECT_EQ(streamed("data: \"response\"\n\n", 3), "data: \"response\"\n\n");
}

TEST(SealedResponse, IsBrokenByAnEventWithoutAnEnd) {
  SealedResponse response(kTerms);
  std::string out;
  bool is_broken = false;
  for (int i = 0; i < 40 && !is_broken; ++i) {
    is_broken = !response.feed(std::string(64 << 10, 'a'), out).has_value();
  }
  EXPECT_TRUE(is_broken);
}

}  // namespace
}  // namespace tollgate::dialects
