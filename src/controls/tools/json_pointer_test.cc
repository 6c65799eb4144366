#include "controls/tools/json_pointer.h"

#include <gtest/gtest.h>

#include <string>

namespace tollgate::tools {
namespace {

TEST(JsonPointer, LeadsWhereRfc6901Says) {
  const std::string text =
      R"({"foo":["bar","baz"],"":0,"a/b":1,"m~n":8,"twice":1,"twice":2,"o":{"":{"x":[[7]]}}})";
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(text);
  JsonPointers pointers(root);
  const struct {
    std::string_view pointer, value;
  } cases[] = {{"/foo", R"(["bar","baz"])"},
               {"/foo/0", R"("bar")"},
               {"/foo/1", R"("baz")"},
               {"/", "0"},
               {"/a~1b", "1"},
               {"/m~0n", "8"},
               {"/twice", "1"},
               {"/o//x/0/0", "7"}};
  for (const auto& [pointer, value] : cases) {
    const auto found = pointers.at(pointer);
    ASSERT_TRUE(found) << pointer;
    EXPECT_EQ(simdjson::minify(*found), value);
    // As the library has it, which goes through the whole for each.
    EXPECT_EQ(simdjson::minify(root.at_pointer(pointer).value()), value);
  }
  EXPECT_EQ(simdjson::minify(*pointers.at("")), simdjson::minify(root));
  for (const std::string_view pointer : {"foo", "/none", "/foo/2", "/foo/00", "/foo/01", "/foo/-",
                                         "/foo/", "/foo/1x", "/m~2n", "/m~", "/a/b", "/twice/x"}) {
    EXPECT_FALSE(pointers.at(pointer)) << pointer;
  }
}

// Many into one large object, and into one that stands behind it.
TEST(JsonPointer, GoesThroughAnObjectOnce) {
  std::string text = "{";
  for (int i = 0; i < 20'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text += R"("z":{)";
  for (int i = 0; i < 20'000; ++i) {
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":" + std::to_string(i);
  }
  text += "}}";
  simdjson::dom::parser parser;
  JsonPointers pointers(parser.parse(text));
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const auto found = pointers.at("/z/" + std::to_string(i));
    ASSERT_TRUE(found);
    ASSERT_EQ(std::int64_t(*found), i);
  }
  EXPECT_LE(pointers.places(), 40'002U);
}

}  // namespace
}  // namespace tollgate::tools
