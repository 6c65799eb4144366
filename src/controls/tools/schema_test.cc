#include "controls/tools/schema.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tollgate::tools {
namespace {

Schema made(std::string_view parameters) {
  auto schema = Schema::of_definition(R"({"type":"function","function":{"name":"f","parameters":)" +
                                      std::string(parameters) + "}}");
  EXPECT_TRUE(schema) << (schema ? "" : schema.error());
  return schema ? *std::move(schema) : Schema();
}

TEST(ToolSchema, HoldsArgumentsToIt) {
  const struct {
    std::string_view schema, arguments, mistake;
  } cases[] = {
      {R"({"type":"object"})", "{}", ""},
      {R"({"type":"object"})", "", ""},
      {R"({"type":"object"})", "[]", "no JSON object"},
      {R"({"type":"object"})", "{", "not valid JSON"},
      {R"({"properties":{"a":{"type":"string"}}})", R"({"a":"x"})", ""},
      {R"({"properties":{"a":{"type":"string"}}})", R"({"a":1})", "`a` is of another type"},
      {R"({"properties":{"a":{"type":["string","null"]}}})", R"({"a":null})", ""},
      {R"({"properties":{"a":{"type":"integer"}}})", R"({"a":2.0})", ""},
      {R"({"properties":{"a":{"type":"integer"}}})", R"({"a":2.5})", "another type"},
      {R"({"properties":{"a":{"type":"number"}}})", R"({"a":2})", ""},
      {R"({"required":["a"]})", R"({"b":1})", "`a` is missing"},
      {R"({"properties":{"o":{"required":["a"]}}})", R"({"o":{}})", "`o.a` is missing"},
      {R"({"additionalProperties":false,"properties":{"a":true}})", R"({"a":[]})", ""},
      {R"({"additionalProperties":false})", R"({"secret":1})", "does not know"},
      {R"({"additionalProperties":{"type":"string"}})", R"({"x":1})", "another type"},
      {R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":["x",1]})", "`a[1]` is"},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[]})", "items"},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[1,2]})", ""},
      {R"({"properties":{"a":{"minItems":1,"maxItems":2}}})", R"({"a":[1,2,3]})", "items"},
      {R"({"properties":{"a":{"enum":["x",1,null]}}})", R"({"a":1.0})", ""},
      {R"({"properties":{"a":{"enum":["x",1]}}})", R"({"a":"1"})", "none of the values"},
      {R"({"properties":{"a":{"const":{"k":[1],"l":2}}}})", R"({"a":{"l":2,"k":[1]}})", ""},
      {R"({"properties":{"a":{"const":{"k":[1]}}}})", R"({"a":{"k":[2]}})", "none of the values"},
      {R"({"properties":{"a":{"minLength":2,"maxLength":3}}})", "{\"a\":\"\u00e4\u00e4\u00e4\"}",
       ""},
      {R"({"properties":{"a":{"maxLength":3}}})", R"({"a":"abcd"})", "too long"},
      {R"({"properties":{"a":{"minimum":1,"maximum":9}}})", R"({"a":9})", ""},
      {R"({"properties":{"a":{"exclusiveMaximum":9,"maximum":9}}})", R"({"a":9})", "range"},
      {R"({"properties":{"a":{"minimum":1}}})", R"({"a":0.5})", "range"},
      {R"({"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}})", R"({"a":null})",
       ""},
      {R"({"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}})", R"({"a":1})",
       "alternatives"},
      {R"({"properties":{"a":{"oneOf":[{"minimum":1},{"maximum":9}]}}})", R"({"a":5})",
       "exactly one"},
      {R"({"allOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1})", "`b` is missing"},
      {R"({"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"string"}}})", R"({"a":1})",
       "another type"},
      {R"({"properties":{"next":{"$ref":"#"}},"required":["v"]})",
       R"({"v":1,"next":{"v":2,"next":{}}})", "`next.next.v` is missing"},
      // Of two values of one name it is not known which is read, wherever they stand.
      {R"({"type":"object"})", R"({"a":1,"a":2})", "twice"},
      {R"({"type":"object"})", R"({"x":[{"a":1,"a":2}]})", "twice"},
      {R"({"title":"t","description":"d","format":"x","default":1,"$schema":"s"})", "{}", ""},
  };
  for (const auto& [schema, arguments, mistake] : cases) {
    SCOPED_TRACE(std::string(schema) + " " + std::string(arguments));
    const auto found = made(schema).mistake_in(arguments);
    if (mistake.empty()) {
      EXPECT_FALSE(found) << *found;
    } else {
      ASSERT_TRUE(found);
      EXPECT_NE(found->find(mistake), std::string::npos) << *found;
      EXPECT_EQ(found->find("secret"), std::string::npos);
    }
  }
}

TEST(ToolSchema, IsFoundInEveryFormOfADefinition) {
  for (const std::string_view definition :
       {R"({"type":"function","function":{"name":"f","parameters":{"required":["a"]}}})",
        R"({"name":"f","parameters":{"required":["a"]}})",
        R"({"name":"f","input_schema":{"required":["a"]}})"}) {
    const auto schema = Schema::of_definition(definition);
    ASSERT_TRUE(schema);
    EXPECT_TRUE(schema->mistake_in("{}")) << definition;
  }
  const auto none = Schema::of_definition(R"({"type":"function","function":{"name":"f"}})");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->mistake_in(R"({"x":1})"));
}

TEST(ToolSchema, ThatIsNotUnderstoodIsToldByTheWord) {
  const struct {
    std::string_view schema, word;
  } cases[] = {{R"({"properties":{"a":{"pattern":"x"}}})", "`pattern`"},
               {R"({"not":{}})", "`not`"},
               {R"({"if":{}})", "`if`"},
               {R"({"type":"text"})", "`type`"},
               {R"({"type":1})", "`type`"},
               {R"({"required":"a"})", "`required`"},
               {R"({"required":[1]})", "`required`"},
               {R"({"properties":[]})", "`properties`"},
               {R"({"minimum":"1"})", "`minimum`"},
               {R"({"enum":1})", "`enum`"},
               {R"({"anyOf":{}})", "`anyOf`"},
               {R"({"$ref":"http://x/y"})", "`$ref`"},
               {R"({"$ref":"#/$defs/none"})", "`$ref`"},
               {R"([])", "no object"}};
  for (const auto& [schema, word] : cases) {
    const auto made = Schema::of_definition(R"({"parameters":)" + std::string(schema) + "}");
    ASSERT_FALSE(made) << schema;
    EXPECT_NE(made.error().find(word), std::string::npos) << made.error();
  }
}

// A schema that goes round in itself, alternatives in alternatives: bounded work, and an answer.
TEST(ToolSchema, TakesBoundedWork) {
  EXPECT_TRUE(made(R"({"$ref":"#"})").mistake_in("{}"));
  EXPECT_TRUE(made(R"({"allOf":[{"$ref":"#"}]})").mistake_in("{}"));
  const Schema branching =
      made(R"({"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"anyOf":[)"
           R"({"properties":{"a":{"$ref":"#/$defs/n"}},"required":["z"]},)"
           R"({"properties":{"a":{"$ref":"#/$defs/n"}},"required":["y"]}]}}})");
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep.insert(0, R"({"a":)").append("}");
  EXPECT_TRUE(branching.mistake_in(deep));
  std::string nested = "{}";
  for (int i = 0; i < 80; ++i) nested.insert(0, R"({"items":)").append("}");
  EXPECT_FALSE(Schema::of_definition(R"({"parameters":)" + nested + "}"));
}

}  // namespace
}  // namespace tollgate::tools
