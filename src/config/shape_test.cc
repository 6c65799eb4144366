#include "config/shape.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <set>

#include "config/load.h"
#include "config/scalars.h"
#include "controls/limits/limits.h"

namespace tollgate::config {
namespace {

namespace json = boost::json;

const json::object& of(const json::object& schema, const Section& section) {
  if (&section == &root_section()) return schema;
  return schema.at("$defs").as_object().at(section.name).as_object();
}

TEST(Shape, EverySectionHasItsOwnNameAndEveryKeyIsThereOnce) {
  std::set<std::string_view> names;
  for (const Section* section : all_sections()) {
    EXPECT_TRUE(names.insert(section->name).second) << section->name;
    std::set<std::string_view> keys;
    for (const Field& field : section->fields) {
      SCOPED_TRACE(field.key);
      EXPECT_TRUE(keys.insert(field.key).second);
      EXPECT_FALSE(field.doc.empty());
      EXPECT_EQ(field.kind == Kind::kChoice || field.of == Kind::kChoice ||
                    field.kind == Kind::kTokenizer,
                field.names != nullptr);
      const bool nested = field.kind == Kind::kSection || field.kind == Kind::kMap ||
                          (field.kind == Kind::kList && field.of == Kind::kSection);
      // A choice may hold a mapping beside its words.
      EXPECT_TRUE(field.section != nullptr ? nested || field.kind == Kind::kChoice : !nested);
    }
  }
  EXPECT_GT(names.size(), 20u);
}

TEST(Shape, LimitsHaveEveryFigure) {
  const Section* limits = root_section().find("limits")->section;
  for (int i = 0; i < limits::kFigureCount; ++i) {
    const auto name = limits::name_of(static_cast<limits::Figure>(i));
    EXPECT_NE(limits->find(name), nullptr) << name;
  }
  EXPECT_EQ(limits->fields.size(), static_cast<std::size_t>(limits::kFigureCount) + 1);
}

TEST(Schema, HasEveryKeyThatTheParserTakes) {
  const json::object schema = json::parse(tollgate::config::schema()).as_object();
  EXPECT_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  for (const Section* section : all_sections()) {
    SCOPED_TRACE(section->name);
    const json::object& made = of(schema, *section);
    EXPECT_EQ(made.at("type"), "object");
    EXPECT_EQ(made.at("additionalProperties"), false);
    const json::object& properties = made.at("properties").as_object();
    std::size_t served = 0;
    for (const Field& field : section->fields) {
      if (field.kind == Kind::kNotServed) continue;
      ++served;
      EXPECT_TRUE(properties.contains(field.key)) << field.key;
    }
    EXPECT_EQ(properties.size(), served);
    for (const Field& field : section->fields) {
      if (field.need != Need::kRequired) continue;
      const json::array& required = made.at("required").as_array();
      EXPECT_NE(std::ranges::find(required, json::value(json::string(field.key))), required.end());
    }
  }
}

void follow(const json::value& value, const json::object& definitions) {
  if (value.is_array()) {
    for (const json::value& item : value.as_array()) follow(item, definitions);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.as_object()) {
      if (key == "$ref") {
        const std::string_view target = member.as_string();
        ASSERT_TRUE(target.starts_with("#/$defs/"));
        EXPECT_TRUE(definitions.contains(target.substr(8))) << target;
      }
      follow(member, definitions);
    }
  }
}

TEST(Schema, EveryReferenceLeadsSomewhere) {
  const json::object schema = json::parse(tollgate::config::schema()).as_object();
  follow(schema, schema.at("$defs").as_object());
}

TEST(Reference, IsThePageOfTheDocumentation) {
  std::ifstream in(std::string(TOLLGATE_SOURCE_DIR) + "/docs/configuration.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(page == reference()) << "docs/configuration.md is not what the tables say: write "
                                      "reference() into it";
}

TEST(Scalars, ReadQuantitiesWithTheirUnit) {
  using std::chrono::milliseconds;
  EXPECT_EQ(parse_duration("200ms"), milliseconds(200));
  EXPECT_EQ(parse_duration("90d"), std::chrono::hours(24 * 90));
  EXPECT_EQ(parse_duration("0s"), Duration(0));
  for (const char* text : {"", "5", "s", "1.5s", "-1s", "1 s", "99999999999999d", "1S", "36501d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_bytes("64KiB"), 65'536);
  EXPECT_EQ(parse_bytes("7"), 7);
  for (const char* text : {"", "KiB", "64KB", "1.5MiB", "9999999999999999GiB", "64 KiB"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_count("1000000000000000000"), 1'000'000'000'000'000'000);
  EXPECT_EQ(parse_count("1000000000000000001"), std::nullopt);
  EXPECT_EQ(parse_share("0.8"), 0.8);
  EXPECT_EQ(parse_share("1.000001"), std::nullopt);
}

TEST(Scalars, WriteWhatTheyRead) {
  for (const char* text : {"200ms", "30s", "10m", "2h", "90d", "0s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
  for (const char* text : {"64KiB", "1MiB", "2GiB", "7"}) {
    EXPECT_EQ(format_bytes(*parse_bytes(text)), text);
  }
  for (const char* text : {"http://127.0.0.1:8000/v1", "https://api.openai.com/v1", "https://h",
                           "http://[::1]:81/a/b"}) {
    EXPECT_EQ(format_url(*parse_url(text)), text);
  }
}

TEST(Scalars, RefuseWhatIsNoPlaceToConnectTo) {
  for (const char* text : {"h", "ftp://h", "http://", "http://h:0", "http://h:65536", "http://u@h",
                           "http://h/?q", "http://h/#f", "http://h/%2e", "http://h/../x",
                           "http://[::1", "http://[1.2.3.4]", "http://h h", "http:///x"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  for (const char* text : {"", "80", ":80", "h:80", "1.2.3.4", "1.2.3.4:", "::1:80", "[::1]",
                           "1.2.3.4:65536", "1.2.3.4:-1"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
  EXPECT_EQ(parse_host_port("localhost:80")->host, "127.0.0.1");
}

TEST(Scalars, FindTheNearestName) {
  const std::vector<std::string_view> known = {"input_tokens", "output_tokens", "body", "day"};
  EXPECT_EQ(nearest("bdy", known), "body");
  EXPECT_EQ(nearest("dya", known), "day");
  EXPECT_EQ(nearest("imput_token", known), "input_tokens");
  EXPECT_EQ(nearest("listeners", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(1'000'000, 'a'), known), std::nullopt);
}

}  // namespace
}  // namespace tollgate::config
