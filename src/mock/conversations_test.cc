#include "mock/conversations.h"

#include <gtest/gtest.h>

#include <string>

namespace tollgate::mock {
namespace {

TEST(MockConversations, KeepWhatIsPutIntoThem) {
  Conversations kept;
  const std::string made = kept.serve("POST", "", R"({"metadata":{"a":"b"}})").body;
  EXPECT_NE(made.find(R"("metadata":{"a":"b"})"), std::string::npos) << made;
  const std::size_t at = made.find("conv_mock_");
  const std::string id = made.substr(at, made.find('"', at) - at);
  EXPECT_EQ(kept.texts_of(id), "");
  kept.add_turn(id, R"({"input":"one \"1\""})", "two");
  kept.add_turn(id, R"({"input":[{"type":"message","role":"user","content":"three"}]})", "four");
  const std::string texts = kept.texts_of(id).value_or("");
  std::size_t before = 0;
  for (const std::string text : {R"(one \"1\")", "two", "three", "four"}) {
    const std::size_t found = texts.find(text);
    EXPECT_NE(found, std::string::npos) << texts;
    EXPECT_GE(found, before);
    before = found;
  }
  const std::string list = kept.serve("GET", "/" + id + "/items", {}).body;
  const std::size_t first = list.find("msg_kept_");
  const std::string item = list.substr(first, list.find('"', first) - first);
  EXPECT_EQ(kept.serve("GET", "/" + id + "/items/" + item, {}).status, 200);
  EXPECT_EQ(kept.serve("DELETE", "/" + id + "/items/" + item, {}).status, 200);
  EXPECT_EQ(kept.serve("GET", "/" + id + "/items/" + item, {}).status, 404);
  EXPECT_EQ(kept.serve("DELETE", "/" + id, {}).status, 200);
  EXPECT_EQ(kept.serve("GET", "/" + id, {}).status, 404);
  EXPECT_FALSE(kept.texts_of(id));
}

TEST(MockConversations, HaveABound) {
  Conversations kept;
  for (std::size_t i = 0; i < Conversations::kConversationsMax; ++i) {
    ASSERT_EQ(kept.serve("POST", "", "{}").status, 200);
  }
  EXPECT_EQ(kept.serve("POST", "", "{}").status, 429);
}

}  // namespace
}  // namespace tollgate::mock
