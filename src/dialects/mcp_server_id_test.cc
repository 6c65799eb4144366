#include "dialects/mcp_server_id.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>

#include "dialects/mcp_rewrite.h"

namespace tollgate::dialects {
namespace {

std::string shown(std::string_view server, std::string_view json) {
  simdjson::dom::parser parser;
  const auto made = mcp_server_id(server, parser.parse(simdjson::padded_string(json)).value());
  return made.value_or("");
}

TEST(McpServerId, ComesBackAsItWasGivenOut) {
  for (const std::string_view json : {"0", "-7", "12345678901234567890", "\"\"", "\"a:b\"", "\"7\"",
                                      "\"n:7\"", "\"\\\"}{\\u0001\""}) {
    simdjson::dom::parser parser;
    const std::string told = shown("github", json);
    const std::string text(parser.parse(told).get_string().value());
    const auto read = read_mcp_server_id(text);
    ASSERT_TRUE(read) << json;
    EXPECT_EQ(read->server, "github");
    EXPECT_EQ(read->json, json);
  }
}

TEST(McpServerId, IsATextOrAWholeNumber) {
  for (const std::string_view json : {"null", "1.5", "true", "{}", "[]"}) {
    EXPECT_EQ(shown("github", json), "") << json;
  }
  EXPECT_EQ(shown("github", '"' + std::string(201, 'a') + '"'), "");
}

// What a caller makes up becomes no part of a message but a text or a number.
TEST(McpServerId, SmugglesNothing) {
  for (const std::string_view text :
       {"", "github", ":n:1", "github:", "github:1", "github:n:", "github:n:-", "github:n:01",
        "github:n:1,\"method\":\"x\"", "github:n:1 ", "github:n:1e9", "github:x:1",
        "github:n:111111111111111111111"}) {
    EXPECT_FALSE(read_mcp_server_id(text)) << text;
  }
  EXPECT_EQ(read_mcp_server_id("github:s:\",\"method\":\"x")->json, R"("\",\"method\":\"x")");
}

TEST(McpRewrite, ReplacesWhatStandsAtItsPathAlone) {
  simdjson::dom::parser parser;
  const simdjson::padded_string text(std::string_view(
      R"({"id":1,"params":{"id":2,"name":"a","_meta":{"name":"b"}},"params.name":3})"));
  const auto value = parser.parse(text).value();
  const McpReplaced all[] = {{{"id"}, "9"}, {{"params", "name"}, "\"z\""}, {{"none", "name"}, "0"}};
  std::string out;
  append_replacing(value, std::span(all), out);
  EXPECT_EQ(out, R"({"id":9,"params":{"id":2,"name":"z","_meta":{"name":"b"}},"params.name":3})");
}

}  // namespace
}  // namespace tollgate::dialects
