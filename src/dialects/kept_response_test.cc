#include "dialects/kept_response.h"

#include <gtest/gtest.h>

#include <map>

namespace tollgate::dialects {
namespace {

class Texts final : public AnswerSink {
 public:
  void text(std::string_view place, std::string_view text) override {
    told[std::string(place)] = text;
  }
  void piece(std::string_view place, std::string_view piece) override { text(place, piece); }
  void ended(std::string_view) override {}
  std::map<std::string, std::string> told;
};

class Calls final : public CallSink {
 public:
  void call(const CallPiece& piece) override { names += std::string(piece.name) + ";"; }
  void unreadable() override { names += "unreadable;"; }
  void ended(std::int64_t, CallEnd) override {}
  bool stops() const override { return false; }
  std::string names;
};

TEST(KeptResponse, HasTheNameThatItsCallerKnowsAndNoOther) {
  std::string out;
  ASSERT_TRUE(write_kept_response(
      R"({ "id":"resp_1", "previous_response_id":"resp_0", "conversation":{"id":"conv_1"},)"
      R"("output":[{"id":"msg_1","text":"resp_1 of resp_0"}],"usage":null})",
      "resp_1", "resp_ours", out));
  EXPECT_EQ(out, R"({"id":"resp_ours","previous_response_id":null,"conversation":null,)"
                 R"("output":[{"id":"msg_1","text":"resp_1 of resp_0"}],"usage":null})");
}

TEST(KeptResponse, IsTheOneThatWasAskedFor) {
  std::string out;
  for (const std::string_view body :
       {R"({"id":"resp_2"})", R"({"id":7})", "{}", "[]", "x", "",
        R"({"id":"resp_1","id":"resp_2"})", R"({"id":"resp_1","output":[],"output":[]})"})
    EXPECT_FALSE(write_kept_response(body, "resp_1", "resp_ours", out)) << body;
}

TEST(KeptResponse, TellsTheTextsAndCallsOfItsInput) {
  Texts texts;
  Calls calls;
  ASSERT_TRUE(read_input_items(
      R"({"object":"list","data":[{"id":"msg_1","type":"message","role":"user","content":)"
      R"([{"type":"input_text","text":"Hello"}]},{"type":"function_call","name":"rm",)"
      R"("arguments":"{}"}],"has_more":false})",
      &texts, calls));
  EXPECT_EQ(texts.told.at("data[0].content[0].text"), "Hello");
  EXPECT_EQ(calls.names, "rm;");
  for (const std::string_view body :
       {R"({"data":7})", "{}", "[]", R"({"data":[7]})", R"({"data":[],"data":[]})"})
    EXPECT_FALSE(read_input_items(body, &texts, calls)) << body;
}

}  // namespace
}  // namespace tollgate::dialects
