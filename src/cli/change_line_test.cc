#include "cli/change_line.h"

#include <gtest/gtest.h>

namespace tollgate::cli {
namespace {

std::string line_of(const std::string& record) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  EXPECT_EQ(parser.parse(record).get(root), simdjson::SUCCESS) << record;
  return change_line(root);
}

struct Case {
  const char* name;
  const char* record;
  const char* line;
};

class ChangeLine : public testing::TestWithParam<Case> {};

TEST_P(ChangeLine, Tells) { EXPECT_EQ(line_of(GetParam().record), GetParam().line); }

INSTANTIATE_TEST_SUITE_P(
    Changes, ChangeLine,
    testing::Values(
        Case{"ANewThing",
             R"({"actor":{"kind":"command","subject":"root"},"object":"k1","after":{"id":"k1"}})",
             "k1 by root (command): new"},
        Case{"WhatDiffers",
             R"({"actor":{"kind":"admin_token","credential_id":"tok_1","role":"owner"},)"
             R"("client_ip":"192.0.2.1","object":"k1","before":{"id":"k1","revoked":null,"x":1},)"
             R"("after":{"id":"k1","revoked":"2026-01-01T00:00:00Z"}})",
             "k1 by tok_1 (admin_token, owner) from 192.0.2.1: revoked null -> "
             "\"2026-01-01T00:00:00Z\", x 1 -> none"},
        Case{"Leaves",
             R"({"actor":{"kind":"gateway","subject":"gateway"},"object":"gateway",)"
             R"("before":{"version":"a"},"after":{"version":"b","differs":[{"path":"x.y",)"
             R"("before":1,"after":[2]},{"path":"z","after":"n"}]}})",
             "gateway by gateway (gateway): version \"a\" -> \"b\", x.y 1 -> [2], z none -> \"n\""},
        Case{"WhatIsGone", R"({"actor":{"kind":"oidc"},"object":"t","before":{"id":"t"}})",
             "t by (oidc): removed"},
        Case{"WhatNobodyMaySee",
             R"({"actor":{"kind":"command","subject":"\u001b[31m\u202e"},"after":{"a":"b\u009b"},)"
             R"("before":{"a":"\n"}})",
             "by \\u001b[31m\\u202e (command): a \"\\n\" -> \"b\\u009b\""},
        Case{"NoRecordOfOurs", R"({"after":[],"before":7})", "by (): removed"}),
    [](const auto& one) { return one.param.name; });

TEST(ChangeLine, IsOfABoundedLength) {
  std::string after = "{";
  std::string before = "{";
  for (int n = 0; n < 500; ++n) {
    const std::string member = (n > 0 ? ",\"m" : "\"m") + std::to_string(n) + "\":\"";
    before += member + "\"";
    after += member + std::string(500, 'x') + "\xc3\xa9\"";
  }
  const std::string line = line_of(R"({"actor":{"kind":"command","subject":"root"},"before":)" +
                                   before + "},\"after\":" + after + "}}");
  EXPECT_LT(line.size(), 500U);
  EXPECT_TRUE(line.ends_with("…")) << line;
}

}  // namespace
}  // namespace tollgate::cli
