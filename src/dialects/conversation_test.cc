#include "dialects/conversation.h"

#include <gtest/gtest.h>

#include "dialects/fixture_test.h"
#include "dialects/request.h"

namespace tollgate::dialects {
namespace {

constexpr std::string_view kItems =
    R"([{"type":"message","role":"user","content":"Hi \"there\" é"}])";

Expected<std::string> as_response(ConversationBody holds, std::string_view body) {
  const Padded padded(body);
  std::string out;
  const Expected<void> written = write_as_response(holds, padded.view(), "m", out);
  if (!written) return std::unexpected(written.error());
  return out;
}

// What is put into one comes out of the reader of requests as it was, whatever it is.
TEST(Conversation, IsARequestOfResponsesAndBack) {
  const std::string both =
      std::string(R"({"items":)") + std::string(kItems) + R"(,"metadata":{"a":"b","c":"d"}})";
  const std::string items = std::string(R"({"items":)") + std::string(kItems) + "}";
  for (const auto& [holds, body, back] :
       {std::tuple(ConversationBody::kNew, both, both),
        std::tuple(ConversationBody::kNew, items, items),
        std::tuple(ConversationBody::kNew, std::string(R"({"items":null,"metadata":null})"),
                   std::string("{}")),
        std::tuple(ConversationBody::kNew, std::string(R"({"items":[]})"), std::string("{}")),
        std::tuple(ConversationBody::kNew, std::string(), std::string("{}")),
        std::tuple(ConversationBody::kItems, items, items),
        std::tuple(ConversationBody::kMetadata, std::string(R"({"metadata":{"a":"b"}})"),
                   std::string(R"({"metadata":{"a":"b"}})")),
        std::tuple(ConversationBody::kMetadata, std::string(R"({"metadata":null})"),
                   std::string(R"({"metadata":null})"))}) {
    const Expected<std::string> request = as_response(holds, body);
    ASSERT_TRUE(request) << request.error().message;
    RequestReader reader;
    const Padded padded(*request);
    const Expected<Request> read = reader.read(Surface::kResponses, padded.view());
    ASSERT_TRUE(read) << read.error().message;
    std::string written;
    reader.write({.model = "there", .output_tokens = 40}, written);
    std::string out;
    ASSERT_TRUE(write_as_conversation(holds, written, out)) << written;
    EXPECT_EQ(out, back);
  }
}

TEST(Conversation, HoldsNothingElse) {
  using Body = ConversationBody;
  for (const auto& [holds, body, reason] :
       {std::tuple(Body::kNew, "[]", Reason::kInvalidRequest),
        std::tuple(Body::kNew, "{", Reason::kInvalidJson),
        std::tuple(Body::kNew, R"({"model":"x"})", Reason::kUnsupportedParameter),
        std::tuple(Body::kNew, R"({"items":"Hi"})", Reason::kInvalidRequest),
        std::tuple(Body::kNew, R"({"metadata":{},"metadata":{}})", Reason::kDuplicateKey),
        std::tuple(Body::kItems, "", Reason::kInvalidJson),
        std::tuple(Body::kItems, "{}", Reason::kInvalidRequest),
        std::tuple(Body::kItems, R"({"items":null})", Reason::kInvalidRequest),
        std::tuple(Body::kItems, R"({"items":[],"metadata":{}})", Reason::kUnsupportedParameter),
        std::tuple(Body::kMetadata, "{}", Reason::kInvalidRequest),
        std::tuple(Body::kMetadata, R"({"items":[]})", Reason::kUnsupportedParameter)}) {
    const Expected<std::string> request = as_response(holds, body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().reason, reason) << body << request.error().message;
  }
}

TEST(Conversation, IsToldByItsNameAlone) {
  std::string out;
  EXPECT_EQ(read_conversation_id(R"({"id":"conv_1"})"), "conv_1");
  for (const std::string_view broken :
       {R"({"id":"resp_1"})", R"({"id":"conv_"})", R"({"id":"conv_a b"})", R"({"id":7})", "{}",
        "[]", "", R"({"id":"conv_1","id":"conv_1"})"}) {
    EXPECT_FALSE(read_conversation_id(broken)) << broken;
    EXPECT_FALSE(write_conversation(broken, "conv_1", "name", nullptr, out)) << broken;
  }
  out.clear();
  ASSERT_TRUE(write_conversation(
      R"({"object":"conversation","metadata":{"a":"b"},"id":"conv_1","created_at":7,"x":1})",
      "conv_1", "name", nullptr, out));
  EXPECT_EQ(out, R"({"id":"name","object":"conversation","created_at":7,"metadata":{"a":"b"}})");
}

TEST(Conversation, IsNamedByATurn) {
  const auto read = [](std::string_view member) {
    RequestReader reader;
    const Padded padded(R"({"model":"m","input":"Hi",)" + std::string(member) + "}");
    const Expected<Request> request = reader.read(Surface::kResponses, padded.view());
    if (!request) return std::string(request.error().param);
    EXPECT_TRUE(request->is_turn);
    std::string out;
    reader.write({.model = "m", .previous_response = "conv_theirs"}, out);
    EXPECT_NE(out.find(R"("conversation":"conv_theirs")"), std::string::npos) << out;
    return std::string(request->previous_response);
  };
  EXPECT_EQ(read(R"("conversation":"conv_1")"), "conv_1");
  EXPECT_EQ(read(R"("conversation":{"id":"conv_1"})"), "conv_1");
  EXPECT_EQ(read(R"("previous_response_id":null,"conversation":"conv_1")"), "conv_1");
  EXPECT_EQ(read(R"("conversation":{"id":"conv_1","x":1})"), "conversation.x");
  EXPECT_EQ(read(R"("conversation":{})"), "conversation.id");
  EXPECT_EQ(read(R"("conversation":7)"), "conversation");
  EXPECT_EQ(read(R"("conversation":"c","previous_response_id":"r")"), "previous_response_id");
  EXPECT_EQ(read(R"("previous_response_id":"r","conversation":"c")"), "conversation");
}

}  // namespace
}  // namespace tollgate::dialects
