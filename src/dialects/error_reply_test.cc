#include "dialects/error_reply.h"

#include <gtest/gtest.h>

#include <string>

#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

std::optional<UpstreamError> read(std::string body) {
  const std::size_t size = body.size();
  body.append(RequestReader::kPadding, '\0');
  return read_error(std::string_view(body).substr(0, size));
}

TEST(ErrorReply, IsReadInBothDialects) {
  const auto openai = read(
      R"({"error":{"message":"too hot","type":"invalid_request_error","param":"temperature","code":"bad_value"}})");
  ASSERT_TRUE(openai);
  EXPECT_EQ(openai->message, "too hot");
  EXPECT_EQ(openai->param, "temperature");
  EXPECT_EQ(openai->code, "bad_value");

  const auto anthropic =
      read(R"({"type":"error","error":{"type":"invalid_request_error","message":"too hot"}})");
  ASSERT_TRUE(anthropic);
  EXPECT_EQ(anthropic->type, "invalid_request_error");
  EXPECT_EQ(anthropic->code, "");
}

TEST(ErrorReply, IsNothingWhereItIsNoError) {
  for (const char* body : {"", "{}", "[]", R"({"error":"text"})", R"({"error":{}})",
                           R"({"error":{"message":5}})", "<html>", R"({"error":{"message":"cut)"}) {
    EXPECT_FALSE(read(body)) << body;
  }
}

TEST(ErrorReply, CutsALongMessageBetweenCharacters) {
  std::string long_text;
  while (long_text.size() < 4000) long_text += "ä";
  const auto cut = read("{\"error\":{\"message\":\"x" + long_text + "\"}}");
  ASSERT_TRUE(cut);
  EXPECT_LE(cut->message.size(), 2000u);
  EXPECT_EQ(cut->message.size() % 2, 1u);
}

}  // namespace
}  // namespace tollgate::dialects
